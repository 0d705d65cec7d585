"""The moving average of the weights."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from bakeoff.train.average import Average


def net_of() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


def learn(net: nn.Module, step: int) -> None:
    """Anything that changes weights and batch statistics."""
    random = torch.Generator().manual_seed(step)
    net.train()
    net(torch.randn(5, 1, 4, 4, generator=random))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=random))


@pytest.mark.parametrize("decay", [0.5, 0.9, 0.999])
def test_it_is_the_recurrence_written_out(decay: float) -> None:
    """a <- d a + (1 - d) w with d = min(decay, (1 + t) / (10 + t)), t from 1."""
    net = net_of()
    average = Average(net, decay)
    want = [parameter.detach().double() for parameter in net.parameters()]
    for t in range(1, 40):
        learn(net, t)
        average.update()
        d = min(decay, (1 + t) / (10 + t))
        want = [d * a + (1 - d) * w.detach().double() for a, w in zip(want, net.parameters(), strict=True)]
    for got, value in zip(average.network.parameters(), want, strict=True):
        torch.testing.assert_close(got.double(), value, rtol=1e-5, atol=1e-6)


def test_buffers_are_copied() -> None:
    net = net_of()
    average = Average(net, 0.99)
    for step in range(3):
        learn(net, step)
        average.update()
    copies = dict(average.network.named_buffers())
    assert int(copies["1.num_batches_tracked"]) == 3
    for name, buffer in net.named_buffers():
        assert torch.equal(copies[name], buffer)
        assert copies[name].data_ptr() != buffer.data_ptr()


def test_the_network_does_not_feel_it() -> None:
    with_average, without = net_of(), net_of()
    average = Average(with_average, 0.9)
    for step in range(3):
        learn(with_average, step)
        learn(without, step)
        average.update()
    for name, tensor in without.state_dict().items():
        assert torch.equal(tensor, with_average.state_dict()[name])
    assert not any(parameter.requires_grad for parameter in average.network.parameters())
    assert all(parameter.requires_grad for parameter in with_average.parameters())


def test_what_is_frozen_stays_bit_for_bit() -> None:
    net = net_of()
    net[0].requires_grad_(False)
    average = Average(net, 0.9)
    for _ in range(50):
        with torch.no_grad():
            net[3].weight.add_(1)
        average.update()
    assert torch.equal(average.network[0].weight, net[0].weight)  # type: ignore[index]


def test_tensors_are_all_that_an_update_changes_where_it_stands() -> None:
    """A captured step holds their addresses, and a snapshot of them must do."""
    net = net_of()
    average = Average(net, 0.9)
    learn(net, 0)
    kept = [tensor.clone() for tensor in average.tensors()]
    places = [tensor.data_ptr() for tensor in average.tensors()]
    average.update()
    first = [tensor.clone() for tensor in average.network.state_dict().values()]
    with torch.no_grad():
        for tensor, value in zip(average.tensors(), kept, strict=True):
            tensor.copy_(value)
    average.update()
    assert all(map(torch.equal, first, average.network.state_dict().values()))
    assert [tensor.data_ptr() for tensor in average.tensors()] == places


def test_a_net_without_buffers_has_an_average() -> None:
    net = nn.Linear(3, 2)
    average = Average(net, 0.9)
    before = net.weight.detach().clone()
    with torch.no_grad():
        net.weight.add_(1)
    average.update()
    assert average.network.weight.detach() == pytest.approx(before + (1 - 2 / 11), rel=1e-5)

"""Parameters, multiply-adds, activations and file sizes of small nets, which one can work out by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_model
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry

from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.profile import complexity
from bakeoff.profile.complexity import ModuleCost

LENET = {"name": "lenet5", "builder": "lenet5", "options": {}}


def lenet5() -> nn.Module:
    return registry.build(LENET, channels=1, size=28, classes=10).eval()


def bytes_written(net: nn.Module, folder: Path) -> int:
    save_model(net, str(folder / "net.safetensors"))
    return (folder / "net.safetensors").stat().st_size


# --- numbers


def test_lenet5_costs_what_one_can_work_out_by_hand(tmp_path: Path) -> None:
    counted = complexity.count(lenet5(), torch.zeros(1, 1, 28, 28))
    assert counted.params == (25 + 1) * 6 + (6 * 25 + 1) * 16 + (400 + 1) * 120 + (120 + 1) * 84 + (84 + 1) * 10
    assert counted.trainable_params == counted.params
    assert counted.macs == 25 * 6 * 28**2 + 6 * 25 * 16 * 10**2 + 400 * 120 + 120 * 84 + 84 * 10
    assert counted.macs_fvcore == counted.macs
    assert counted.macs_note is None
    assert counted.activations == 6 * 28**2 + 16 * 10**2 + 120 + 84 + 10
    assert counted.size_mb == bytes_written(lenet5(), tmp_path) / 1e6


def test_modules_in_order_with_all_that_they_hold() -> None:
    net = nn.Sequential()
    net.stem = nn.Conv2d(1, 2, 3)
    net.act = nn.ReLU()
    net.blocks = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 2, bias=False)])

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.parts = net
            self.norm = nn.LayerNorm(4)

        def forward(self, images: Tensor) -> Tensor:
            rows = self.norm(self.parts.act(self.parts.stem(images)))  # [1, 2, 4, 4]
            for block in self.parts.blocks:
                rows = block(rows)
            return rows.flatten(1) @ torch.ones(16, 3)

    counted = complexity.count(Net().eval(), torch.zeros(1, 1, 6, 6))
    assert counted.modules == (
        ModuleCost("parts", 18 + 2 + 20 + 8, 18 * 16 + 8 * 16 + 8 * 8, 32 + 32 + 16),
        ModuleCost("parts.stem", 20, 18 * 16, 32),
        ModuleCost("parts.blocks", 28, 8 * 16 + 8 * 8, 32 + 16),
        ModuleCost("parts.blocks.0", 20, 8 * 16, 32),
        ModuleCost("parts.blocks.1", 8, 8 * 8, 16),
        ModuleCost("norm", 8, 0, 0),
    )
    # The product at the end is the net's own.
    assert counted.macs == sum(m.macs for m in counted.modules if "." not in m.name) + 16 * 3
    assert asdict(counted)["modules"][1] == {"name": "parts.stem", "params": 20, "macs": 288, "activations": 32}


def test_attention_is_counted_with_its_inner_products() -> None:
    net = nn.MultiheadAttention(8, 2, batch_first=True)

    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = net

        def forward(self, images: Tensor) -> Tensor:
            tokens = images.flatten(2)
            mixed: Tensor = self.attention(tokens, tokens, tokens, need_weights=False)[0]
            return mixed

    counted = complexity.count(Attend().eval(), torch.zeros(1, 5, 2, 4))
    assert counted.macs == counted.macs_fvcore == 5 * 8 * 24 + 2 * (2 * 5 * 5 * 4) + 5 * 8 * 8
    assert counted.activations == 5 * 24 + 2 * 5 * 5 + 5 * 8 + 5 * 8
    assert counted.modules[0].macs == counted.macs


def test_norms_and_pooling_are_not_counted() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.LayerNorm(8))
    counted = complexity.count(net.eval(), torch.zeros(1, 3, 6, 6))
    assert counted.macs == counted.macs_fvcore == 3 * 9 * 8 * 4**2
    assert counted.activations == 8 * 4**2


def test_frozen_parameters_are_not_trainable() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    net[0].requires_grad_(False)
    counted = complexity.count(net, torch.zeros(1, 4))
    assert (counted.params, counted.trainable_params) == (15 + 8, 8)


class Token(nn.Module):
    """Hands a parameter to a layer, as networks with a class token do."""

    def __init__(self) -> None:
        super().__init__()
        self.token = nn.Parameter(torch.zeros(1, 4))
        self.head = nn.Linear(4, 3)

    def forward(self, images: Tensor) -> Tensor:
        return images.sum() + self.head(self.token)


def test_parameters_may_be_inputs_of_layers() -> None:
    assert complexity.count(Token(), torch.zeros(1, 1, 5, 8)).macs == 12


# --- without weights


class Reads(nn.Module):
    """Reads values while it is built, or while it runs."""

    def __init__(self, built: bool, run: bool) -> None:
        super().__init__()
        width = int(torch.linspace(2, 4, 3)[1].item()) if built else 3
        self.first = nn.Conv2d(1, width, 3, padding="same", bias=False)
        self.tied = nn.Conv2d(1, width, 3, padding=1, bias=False)
        self.tied.weight = self.first.weight
        self.run = run

    def forward(self, images: Tensor) -> Tensor:
        if self.run and images.sum().item() > 1:
            return images
        return self.first(images) + self.tied(images)


class OnTheCpu(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.flatten(1) @ torch.ones(40, 3, device="cpu")


@pytest.mark.parametrize(
    "build",
    [
        lenet5,
        Token,
        OnTheCpu,
        lambda: Reads(built=False, run=False),
        lambda: Reads(built=True, run=False),
        lambda: Reads(built=True, run=True),
        lambda: nn.Conv2d(1, 4, (3, 2), stride=(2, 1), padding=(1, 0)),
        lambda: nn.Conv2d(1, 4, (2, 5), dilation=(2, 1), padding="same"),
        lambda: nn.ConvTranspose2d(1, 4, 3, stride=2, output_padding=(1, 0)),
        lambda: nn.Sequential(nn.Flatten(2), nn.Conv1d(1, 2, 3, padding="valid")),
        lambda: nn.Sequential(nn.Unflatten(1, (1, 1)), nn.Conv3d(1, 2, (1, 3, 3))),
    ],
)
def test_the_meta_device_gives_what_the_cpu_does(build: Callable[[], nn.Module]) -> None:
    shape = (1, 28, 28) if build is lenet5 else (1, 5, 8)
    expected = complexity.count(build().eval(), torch.zeros(1, *shape))
    assert complexity.count_without_weights(lambda: build().eval(), shape) == expected
    assert expected.macs == expected.macs_fvcore > 0
    assert expected.macs_note is None


@pytest.mark.parametrize(("built", "run"), [(False, False), (True, False), (True, True)])
def test_weights_are_made_only_for_nets_that_look_at_values(built: bool, run: bool) -> None:
    seen: list[str] = []

    class Spy(Reads):
        def forward(self, images: Tensor) -> Tensor:
            seen.append(images.device.type)
            return super().forward(images)

    complexity.count_without_weights(lambda: Spy(built, run).eval(), (1, 5, 8))
    assert set(seen) == ({"meta", "cpu"} if run else {"meta"})


def test_errors_are_those_of_the_cpu() -> None:
    with pytest.raises(UserError, match="lenet5: cannot be built for images of 1x8x8"):
        complexity.count_without_weights(lambda: registry.build(LENET, channels=1, size=8, classes=10), (1, 8, 8))


# --- the file


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_the_size_is_that_of_the_file_that_would_be_written(dtype: torch.dtype, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Linear(7, 5)).to(dtype)
    net.register_buffer("seen", torch.zeros(3, dtype=torch.bool))
    net.register_buffer("nothing", torch.zeros(0))
    assert complexity.file_bytes(net) == bytes_written(net, tmp_path)


def test_tied_weights_count_once(tmp_path: Path) -> None:
    def build() -> nn.Module:
        net = nn.Sequential(nn.Linear(50, 50, bias=False), nn.Linear(50, 50, bias=False), nn.ReLU())
        net[1].weight = net[0].weight
        return net

    counted = complexity.count(build(), torch.zeros(1, 50))
    assert (counted.params, counted.macs) == (2500, 5000)
    assert complexity.file_bytes(build()) == bytes_written(build(), tmp_path)
    with torch.device("meta"):
        assert complexity.file_bytes(build()) / 1e6 == counted.size_mb


def test_a_net_without_weights_has_a_file(tmp_path: Path) -> None:
    assert complexity.file_bytes(nn.ReLU()) == bytes_written(nn.ReLU(), tmp_path)


# --- two counters


class Recurrent(nn.Module):
    """An LSTM over the rows of an image: oneDNN hides its products from torch, and fvcore has no rule for it."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 16, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.head(self.lstm(images[:, 0])[0][:, -1])
        return out


def test_what_fvcore_misses_is_named() -> None:
    counted = complexity.count(Recurrent().eval(), torch.zeros(1, 1, 5, 8))
    assert counted.macs == 5 * 4 * 16 * (8 + 16) + 16 * 3
    assert counted.macs_fvcore == 16 * 3
    assert counted.macs_note is not None
    assert counted.macs_note.endswith("fvcore has no rule for aten::lstm")


@pytest.fixture
def blend() -> Iterator[Callable[[Tensor, Tensor], Tensor]]:
    """A matrix product as an operator of a net's own, with a name that says nothing."""

    @torch.library.custom_op("bakeoff_test::blend", mutates_args=())
    def blend(left: Tensor, right: Tensor) -> Tensor:
        return left @ right

    blend.register_fake(lambda left, right: left.new_empty(left.shape[0], right.shape[1]))
    operator = torch.ops.bakeoff_test.blend
    flop_registry[operator] = lambda left, right, out_val: 2 * left.numel() * right.shape[1]
    yield blend
    del flop_registry[operator]


def test_operators_of_a_nets_own_are_named(blend: Callable[[Tensor, Tensor], Tensor]) -> None:
    class Net(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return F.gelu(blend(images.flatten(1), torch.ones(40, 3)))

    counted = complexity.count(Net(), torch.zeros(1, 1, 5, 8))
    assert (counted.macs, counted.macs_fvcore, counted.activations) == (120, 0, 3)
    assert counted.macs_note is not None
    assert counted.macs_note.startswith("fvcore counts 0 MACs (none), torch 120 (bakeoff_test.blend 120)")
    assert "bakeoff_test::blend" in counted.macs_note


class Untraceable(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        if torch.jit.is_tracing():
            raise RuntimeError("not while tracing\nsecond line")
        return images


def test_without_the_second_counter_there_is_a_note() -> None:
    counted = complexity.count_without_weights(Untraceable, (1, 5, 8))
    assert counted.macs_fvcore is None
    assert counted.macs_note == "fvcore cannot trace this model: not while tracing"


def test_counting_leaves_torch_as_it_was() -> None:
    with pytest.raises(RuntimeError):
        complexity.count_by_torch(nn.Linear(3, 3), torch.zeros(1, 4))
    assert torch.backends.mha.get_fastpath_enabled()
    assert torch.backends.mkldnn.enabled
    assert not nn.modules.module._global_forward_pre_hooks
    assert not nn.modules.module._global_forward_hooks

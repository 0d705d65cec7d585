"""Every precision and back end gives the answers of the same network, and leaves torch as it was."""

from __future__ import annotations

import shutil
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from bakeoff.models import registry
from bakeoff.profile import backends
from bakeoff.profile.spec import Condition

SHAPE = (1, 28, 28)
TOLERANCE = {"fp32": 1e-5, "bf16": 2e-2, "fp16": 2e-3}


def net() -> nn.Module:
    torch.manual_seed(0)
    model = {"name": "lenet5", "builder": "lenet5", "options": {}}
    return registry.build(model, channels=1, size=28, classes=10).eval()


def condition(**changes: Any) -> Condition:
    return Condition(device="cpu", **changes)


@pytest.mark.parametrize(
    "under",
    [
        condition(),
        condition(channels_last=False),
        condition(precision="bf16"),
        condition(precision="fp16"),
        condition(backend="onnxruntime"),
        pytest.param(
            condition(backend="compile"),
            marks=pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU"),
        ),
    ],
    ids=lambda under: under.label + ("" if under.channels_last else ", channels first"),
)
def test_it_gives_the_same_answers(under: Condition) -> None:
    images = backends.sample(SHAPE)
    with torch.inference_mode():
        expected = net()(images)
    with backends.arithmetic(under):
        ready = backends.prepare(net(), images[:1], under)
        assert backends.difference(ready, images, expected) < TOLERANCE[under.precision]
        assert ready.logits(ready.run(ready.place(images))).shape == (len(images), 10)
    assert ready.seconds > 0


def test_the_difference_is_the_largest_of_all_logits() -> None:
    images = torch.zeros(2, 1, 2, 2)
    ready = backends.Ready(lambda x: x, lambda x: torch.tensor([[1.0, 2.0], [3.0, 4.5]]), lambda x: x, lambda: None, 0)
    assert backends.difference(ready, images, torch.tensor([[1.0, 2.0], [3.0, 4.0]])) == 0.5


def test_images_and_weights_have_the_order_and_the_precision() -> None:
    convolution = nn.Conv2d(3, 8, 3)
    ready = backends.prepare(convolution, torch.zeros(1, 3, 8, 8), condition(precision="bf16"))
    placed = ready.place(torch.zeros(2, 3, 8, 8))
    assert placed.dtype == convolution.weight.dtype == torch.bfloat16
    assert placed.is_contiguous(memory_format=torch.channels_last)
    assert convolution.weight.is_contiguous(memory_format=torch.channels_last)


class Float32Only(nn.Module):
    """Makes a float32 tensor of its own, as some nets do, and multiplies it with the images."""

    def forward(self, images: Tensor) -> Tensor:
        return torch.ones(4, 4) @ images


class OfItsValues(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images if float(images.sum()) > 0 else -images


def test_what_cannot_be_had_is_named() -> None:
    image = torch.ones(1, 1, 4, 4)
    with pytest.raises(backends.BackendError, match="torch in bf16 cannot run this model: RuntimeError: expected"):
        backends.prepare(Float32Only(), image, condition(precision="bf16"))
    with pytest.raises(backends.BackendError, match="onnxruntime in fp32 cannot run this model: "):
        backends.prepare(OfItsValues(), image, condition(backend="onnxruntime"))
    # What torch itself cannot run in fp32 is the model's fault.
    with pytest.raises(RuntimeError, match="size"):
        backends.prepare(nn.Conv2d(3, 8, 3), image, condition())


@pytest.mark.parametrize("precision", ["fp32", "tf32"])
def test_arithmetic_is_pinned_and_put_back(precision: Any) -> None:
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    flags = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with suppress(ZeroDivisionError), backends.arithmetic(Condition(threads=threads + 1, precision=precision)):
        assert torch.get_num_threads() == threads + 1
        assert torch.backends.cuda.matmul.allow_tf32 == torch.backends.cudnn.allow_tf32 == (precision == "tf32")
        first = torch.rand(1)
        raise ZeroDivisionError
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.get_rng_state(), state)
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == flags
    with backends.arithmetic(Condition()):
        assert torch.equal(torch.rand(1), first)

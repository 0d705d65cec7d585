"""Maps of where a network looks: made at the right layer, shown on the image, and judged beside random ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from bakeoff.data import arrays
from bakeoff.errors import UserError
from bakeoff.models import registry, weights
from bakeoff.probe import explain
from bakeoff.probe.explain_layer import layer_of
from bakeoff.probe.explain_shap import shap_maps
from bakeoff.probe.faithfulness import curves, faithfulness, order, random_maps

# Model, image size: the layer, what its output is, and places a side.
LAYERS = {
    ("lenet5", 28): ("4", "map", 14),
    ("lenet5", 12): ("1", "map", 12),
    ("tiny_cnn", 12): ("4", "map", 6),
    ("tiny_vit", 28): ("blocks.1.norm1", "tokens", 7),
    ("timm/resnet18", 128): ("layer4", "map", 4),
    ("timm/resnet18", 32): ("layer2", "map", 4),
    ("timm/mobilenetv3_small_050", 128): ("blocks", "map", 4),
    ("timm/convnext_atto", 128): ("stages", "map", 4),
    ("timm/vit_tiny_patch16_224", 64): ("blocks.11.norm1", "tokens", 4),
    ("timm/deit_tiny_distilled_patch16_224", 64): ("blocks.11.norm1", "tokens", 4),
    ("timm/gmlp_ti16_224", 64): ("norm", "tokens", 4),
    ("timm/swin_tiny_patch4_window7_224", 112): ("norm", "map, channels last", 4),
    ("torchvision/densenet121", 128): ("features", "map", 4),
    ("torchvision/shufflenet_v2_x0_5", 128): ("conv5", "map", 4),
    ("torchvision/squeezenet1_1", 64): ("features.7", "map", 7),
    ("torchvision/vit_b_16", 64): ("encoder.layers.encoder_layer_11.ln_1", "tokens", 4),
}


def build(builder: str, size: int, channels: int = 3) -> nn.Module:
    torch.manual_seed(0)
    return registry.build({"builder": builder, "options": {}}, channels=channels, size=size, classes=10)


def normalise(images: Tensor) -> Tensor:
    return images.float() / 255 - 0.5


def pixels(n: int, size: int, channels: int = 3) -> Tensor:
    random = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=random)


# --- the layer


def test_every_model_of_our_own_is_here() -> None:
    assert set(registry.own_names()) <= {builder for builder, _ in LAYERS}


@pytest.mark.parametrize(("builder", "size"), LAYERS)
def test_maps_are_made_at_the_last_layer_that_knows_places(builder: str, size: int) -> None:
    net = build(builder, size)
    layer = layer_of(net, 3, size)
    assert (layer.name, layer.kind, layer.side) == LAYERS[builder, size]
    assert layer == layer_of(net, 3, size), "memory that is used again makes no difference"
    maps = explain.grad_cam(net, normalise, pixels(2, size), torch.tensor([1, 2]), layer)
    assert maps.shape == (2, size, size)
    assert float(maps.min()) >= 0
    assert float(maps.max()) <= 1


def test_tokens_of_the_class_are_left_out() -> None:
    layer = layer_of(build("timm/deit_tiny_distilled_patch16_224", 64), 3, 64)
    assert layer.prefix == 2
    tokens = torch.arange(18.0).view(1, 18, 1)
    assert layer.as_map(tokens).flatten().tolist() == list(range(2, 18))
    assert layer.as_map(tokens)[0, 0, 0].tolist() == [2, 3, 4, 5], "row by row"


def test_a_net_that_keeps_no_places_is_told_so() -> None:
    net = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 20), nn.ReLU(), nn.Linear(20, 4))
    with pytest.raises(UserError, match="keeps no map of at least 2x2 from images of 8x8 pixels"):
        layer_of(net, 3, 8)


def test_a_branch_is_not_taken_for_the_whole() -> None:
    class TwoBranches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3, padding=1)
            self.left, self.right = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
            self.head = nn.Linear(8, 5)

        def forward(self, images: Tensor) -> Tensor:
            stem = self.stem(images)
            logits: Tensor = self.head(torch.cat([self.left(stem), self.right(stem)], 1).mean((2, 3)))
            return logits

    assert layer_of(TwoBranches(), 3, 8).name == "stem"


def test_a_classifier_that_has_learned_nothing_hides_no_layer() -> None:
    net = build("timm/resnet18", 64)
    nn.init.zeros_(net.get_submodule("fc").weight)  # type: ignore[arg-type]
    assert layer_of(net, 3, 64).name == "layer3"


def test_a_map_that_convolutions_have_cut_is_put_back_in_its_place() -> None:
    """LeNet-5 sees the middle 10x10 of 14x14 places. A bright point must be found where it is."""
    net = build("lenet5", 28, channels=1)
    layer = layer_of(net, 1, 28)
    assert (layer.side, layer.margin) == (14, 2)
    for conv in (net.get_submodule("0"), net.get_submodule("3")):
        nn.init.zeros_(conv.weight)  # type: ignore[arg-type]
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        conv.weight.data[:, 0, 2, 2] = 1  # type: ignore[index, union-attr]
    for name in ("7", "9", "11"):
        nn.init.ones_(net.get_submodule(name).weight)  # type: ignore[arg-type]
    for row, column in ((8, 8), (8, 19), (19, 14)):
        image = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
        image[0, 0, row, column] = 255
        heat = explain.grad_cam(net, lambda images: images / 255, image, torch.tensor([0]), layer)[0]
        found = divmod(int(heat.argmax()), 28)
        assert abs(found[0] - row) <= 1
        assert abs(found[1] - column) <= 1


# --- the map


def test_maps_depend_on_no_other_image_and_on_the_class() -> None:
    net, images = build("tiny_cnn", 16), pixels(5, 16)
    classes = torch.arange(5)
    maps = explain.grad_cam(net, normalise, images, classes)
    assert torch.allclose(explain.grad_cam(net, normalise, images, classes, batch_size=2), maps, atol=1e-5)
    assert not torch.allclose(explain.grad_cam(net, normalise, images, (classes + 1) % 5), maps, atol=1e-2)
    assert explain.grad_cam(net, normalise, images[:0], classes[:0]).shape == (0, 16, 16)
    with pytest.raises(ValueError, match="5 images, but 4 classes"):
        explain.grad_cam(net, normalise, images, classes[:4])


def test_both_methods_are_one_where_the_last_map_is_averaged() -> None:
    net, images = build("timm/resnet18", 128), pixels(2, 128)
    classes = torch.tensor([3, 4])
    one, other = (explain.grad_cam(net, normalise, images, classes, method=m) for m in ("hirescam", "gradcam"))
    assert torch.allclose(one, other, atol=1e-4)


def test_the_net_is_left_as_it_was() -> None:
    net = build("timm/resnet18", 32).train()
    net.get_submodule("conv1").requires_grad_(False)
    net.get_submodule("layer1").eval()
    net(normalise(pixels(2, 32))).sum().backward()
    before = {name: None if p.grad is None else p.grad.clone() for name, p in net.named_parameters()}
    state = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    explain.grad_cam(net, normalise, pixels(2, 32), torch.tensor([0, 1]))
    assert net.training
    assert not net.get_submodule("layer1").training
    assert [name for name, p in net.named_parameters() if not p.requires_grad] == ["conv1.weight"]
    for name, parameter in net.named_parameters():
        was = before[name]
        assert (parameter.grad is None and was is None) or torch.equal(parameter.grad, was), name  # type: ignore[arg-type]
    assert all(torch.equal(state[name], tensor) for name, tensor in net.state_dict().items())
    assert not any(module._forward_hooks for module in net.modules())


# --- whether it is true


def corner_net(images: Tensor) -> Tensor:
    """Sure of class 1 by the brightness of the upper left quarter alone."""
    bright = images[:, 0, :4, :4].float().mean((1, 2)) / 255
    return torch.stack([torch.full_like(bright, 4.0), 16 * bright], dim=1)


def corner_images(n: int = 24) -> Tensor:
    images = torch.randint(0, 60, (n, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    images[:, :, :4, :4] = 230
    return images


def pointing(rows: slice, columns: slice, n: int = 24) -> Tensor:
    maps = torch.zeros(n, 16, 16)
    maps[:, rows, columns] = 1
    return maps


def test_a_map_that_is_right_beats_random_ones_and_one_that_is_wrong_does_not() -> None:
    images, ones = corner_images(), torch.ones(24, dtype=torch.int64)
    upper, lower = slice(0, 4), slice(12, 16)
    right = faithfulness(corner_net, images, pointing(upper, upper), ones, side=4)
    wrong = faithfulness(corner_net, images, pointing(lower, lower), ones, side=4)
    assert right.n == 24
    assert right.insertion > 0.9
    assert right.deletion < 0.3  # the mean that is left is a little bright
    assert right.difference == pytest.approx(right.insertion - right.deletion)
    assert right.gain == pytest.approx(right.difference - right.random_mean)
    assert right.gain > 0.3
    assert right.above_random
    assert wrong.gain < 0.1
    assert not wrong.above_random
    assert (wrong.random_mean, wrong.random_sd, wrong.centre) == (right.random_mean, right.random_sd, right.centre)
    assert right.difference > right.centre


def test_a_random_map_is_not_above_random() -> None:
    images, ones = corner_images(), torch.ones(24, dtype=torch.int64)
    for seed in range(100, 105):
        judged = faithfulness(corner_net, images, random_maps(24, 16, 4, seed), ones, side=4)
        assert abs(judged.gain) < 0.2
        assert not judged.above_random


def test_areas_are_those_worked_out_by_hand() -> None:
    """Four pixels, of which the first alone makes the class: it is the first to go, or the last."""

    def net(images: Tensor) -> Tensor:
        lit = images[:, 0, 0, 0] == 200
        return torch.where(lit[:, None], torch.tensor([0.0, 100.0]), torch.tensor([100.0, 0.0]))

    images = torch.zeros(2, 1, 2, 2, dtype=torch.uint8)
    images[:, 0, 0, 0] = 200  # the mean is 50
    places = torch.tensor([[0, 1, 2, 3], [3, 1, 2, 0]])
    found = curves(net, images, places, torch.tensor([1, 1]), steps=4, deleted="mean", inserted="mean")
    assert found.deletion.tolist() == pytest.approx([0.125, 0.875])
    assert found.insertion.tolist() == pytest.approx([0.875, 0.125])
    assert found.difference.tolist() == pytest.approx([0.75, -0.75])


def test_equal_values_come_in_random_order() -> None:
    maps = torch.zeros(200, 4, 4)
    maps[:, 2, 2] = 1
    places = order(maps, seed=0)
    assert (places.sort(1).values == torch.arange(16)).all()
    assert (places[:, 10] == 0).all()
    assert places[:, 0].float().mean() == pytest.approx(8, abs=0.8)
    assert torch.equal(places, order(maps, seed=0))


@pytest.mark.parametrize("builder", ["lenet5", "tiny_cnn"])
def test_maps_of_a_trained_net_show_strokes(
    builder: str, digits: Path, train_run: Callable[..., Path], tmp_path: Path
) -> None:
    run = train_run(tmp_path, model=builder, augmentation="none", epochs=6, batch_size=32, optimizer="adamw", lr=3e-3)
    net = build(builder, 12, channels=1)
    weights.restore(net, run / "model.safetensors")
    figures = json.loads((run / "run.json").read_text())["normalisation"]

    def normal(images: Tensor) -> Tensor:
        return (images.float() / 255 - figures["mean"][0]) / figures["std"][0]

    images = torch.from_numpy(arrays.load(digits, "test").pixels[:64])
    with torch.inference_mode():
        answers = net.eval()(normal(images)).argmax(1)
    layer = layer_of(net, 1, 12)
    maps = explain.grad_cam(net, normal, images, answers, layer)
    judged = faithfulness(lambda batch: net(normal(batch)), images, maps, answers, side=layer.side)
    assert judged.above_random, judged
    ink = torch.nn.functional.max_pool2d((images > 127).float(), 3, stride=1, padding=1)[:, 0] > 0  # and beside it
    assert maps[ink].mean() > 1.3 * maps[~ink].mean()
    assert maps[ink].mean() > 2 * maps[:, [0, 0, -1, -1], [0, -1, 0, -1]].mean()


# --- shap, which is optional


def test_shap_says_how_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "shap", None)
    images = pixels(1, 8)
    with pytest.raises(UserError, match=r"shap is not installed.*pip install 'bakeoff\[shap\]'"):
        shap_maps(build("tiny_cnn", 8), normalise, images, torch.tensor([0]), images)


@pytest.mark.skipif(find_spec("shap") is None, reason="needs the extra shap")
def test_shap_adds_up_to_the_logit() -> None:
    net, images, classes = build("tiny_cnn", 8), pixels(3, 8), torch.tensor([1, 0, 1])
    background = pixels(20, 8).flip(0)
    values = shap_maps(net, normalise, images, classes, background, samples=2000)
    assert values.shape == (3, 8, 8)
    with torch.inference_mode():
        logits, mean = net(normalise(images)), net(normalise(background)).mean(0)
    wanted = logits.gather(1, classes[:, None])[:, 0] - mean[classes]
    assert values.sum((1, 2)) == pytest.approx(wanted, abs=0.02)
    with pytest.raises(UserError, match="up to 64 pixels, not 65"):
        shap_maps(net, normalise, pixels(1, 65), classes[:1], pixels(1, 65))

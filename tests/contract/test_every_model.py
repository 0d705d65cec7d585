"""What every model promises; a new one of our own is tested here without a new test."""

from __future__ import annotations

import importlib
import inspect
import typing
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from bakeoff import plugins
from bakeoff.errors import UserError
from bakeoff.models import registry
from bakeoff.train.optimizer import Optimizer
from bakeoff.train.parameters import blocks_of, parameter_groups
from bakeoff.train.spec import Recipe

SIZE = 32
LIBRARY = [
    "timm/resnet18",
    "timm/mobilenetv3_small_050",
    "timm/efficientnet_lite0",
    "timm/vit_tiny_patch16_224",
    "timm/convnext_atto",
    "torchvision/resnet18",
    "torchvision/mobilenet_v3_small",
    "torchvision/squeezenet1_1",
    "torchvision/shufflenet_v2_x0_5",
]
MODELS: dict[str, dict[str, Any]] = {
    **{builder: {"builder": builder, "options": {}} for builder in [*registry.own_names(), *LIBRARY]},
    "timm/resnet18 small": {"builder": "timm/resnet18", "options": {"stem": "small"}},
    "torchvision/resnet18 small": {"builder": "torchvision/resnet18", "options": {"stem": "small"}},
}
PLACES = [*(("models/own", name) for name in registry.own_names()), ("models/library", "timm")]
PLACES += [("models/library", "torchvision")]
PLACES += [("models/controls", "majority")] + [
    ("models/estimators", name) for name in plugins.names("models/estimators")
]

every_model = pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())


def build(model: dict[str, Any], channels: int = 3, classes: int = 10, size: int = SIZE, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return registry.build(model, channels=channels, size=size, classes=classes)


def batch(channels: int = 3, classes: int = 10) -> tuple[Tensor, Tensor]:
    random = torch.Generator().manual_seed(0)
    images = torch.randn(8, channels, SIZE, SIZE, generator=random)
    return images, torch.arange(8) % classes


@every_model
@pytest.mark.parametrize(("channels", "classes"), [(1, 10), (3, 2)])
def test_it_gives_logits(model: dict[str, Any], channels: int, classes: int) -> None:
    logits = build(model, channels, classes)(batch(channels)[0])
    assert logits.shape == (8, classes)
    assert logits.dtype == torch.float32
    assert logits.isfinite().all()


@every_model
def test_it_learns(model: dict[str, Any]) -> None:
    images, labels = batch()
    net = build(model).train()
    recipe = Recipe(optimizer="adamw")
    optimizer = Optimizer(parameter_groups(net, recipe, blocks_of(net)), recipe)
    losses = []
    for _ in range(6):
        torch.manual_seed(0)  # the same dropout at each step
        optimizer.zero_grad()
        loss = F.cross_entropy(net(images), labels)
        loss.backward()
        optimizer.step(lr=1e-3)
        losses.append(loss.item())
    assert losses[-1] < 0.9 * losses[0]
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


@every_model
def test_the_seed_decides_the_weights(model: dict[str, Any]) -> None:
    one, same, other = (build(model, seed=seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert any(not torch.equal(one[name], other[name]) for name in one)


@every_model
def test_its_weights_survive_a_file(model: dict[str, Any], tmp_path: Path) -> None:
    images, _ = batch()
    net = build(model)
    save_file({name: tensor.contiguous() for name, tensor in net.state_dict().items()}, tmp_path / "w.safetensors")
    other = build(model, seed=1)
    other.load_state_dict(load_file(tmp_path / "w.safetensors"))
    with torch.inference_mode():
        assert torch.equal(net(images), other(images))


# Nets whose smallest image we know; the others do with a single pixel.
TOO_SMALL = {
    "lenet5": 11,
    "tiny_cnn": 3,
    "tiny_vit": 3,
    "timm/vit_tiny_patch16_224": 15,
    "timm/convnext_atto": 3,
    "torchvision/squeezenet1_1": 7,
}


@every_model
def test_an_image_that_is_too_small_is_the_users_mistake(model: dict[str, Any]) -> None:
    size = TOO_SMALL.get(model["builder"])
    if size is None:
        build(model, size=1)
        return
    with pytest.raises(UserError) as caught:
        build(model, size=size)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"{model['builder']}: cannot be built for images of 3x{size}x{size}")
    assert len(lines) <= 3


@pytest.mark.parametrize(("folder", "name"), PLACES)
def test_options_are_what_build_takes(folder: str, name: str) -> None:
    make = importlib.import_module(plugins.module(folder, name)).build
    hints = typing.get_type_hints(make)
    keywords = [p for p in inspect.signature(make).parameters.values() if p.kind is p.KEYWORD_ONLY]
    listed = plugins.options(folder, name)
    assert {option.name: option.default for option in listed.values()} == {p.name: p.default for p in keywords}
    for option in listed.values():
        assert option.choices == (typing.get_args(hints[option.name]) or ())
        assert option.problem(option.default) is None


@pytest.mark.parametrize("builder", registry.own_names())
def test_the_docstring_says_what_it_is(builder: str) -> None:
    assert plugins.about("models/own", builder)


# A changed number is another model: give it another name.
OWN_PARAMETERS = {"lenet5": 61_706, "tiny_cnn": 20_490, "tiny_vit": 72_074}


@pytest.mark.parametrize("builder", registry.own_names())
def test_models_of_our_own_stay_what_they_are(builder: str) -> None:
    net = build(MODELS[builder], channels=1, size=28)
    assert sum(parameter.numel() for parameter in net.parameters()) == OWN_PARAMETERS[builder]


# --- the registry


def test_names_read_off_the_source_are_those_that_the_libraries_list() -> None:
    import timm
    import torchvision

    assert registry.library_names("timm") == tuple(sorted(timm.list_models()))
    listed = torchvision.models.list_models(module=torchvision.models)
    assert registry.library_names("torchvision") == tuple(sorted(listed))


def test_every_model_here_may_be_named_in_a_study() -> None:
    assert all(registry.is_known(model["builder"]) for model in MODELS.values())
    assert set(registry.own_names()) < set(registry.names())
    assert not registry.is_known("timm/no_such_net")
    assert not registry.is_known("keras/resnet18")


# Published for 32 pixels: the side of the images that the last layers see there.
SMALL_STEMS = {
    "timm/seresnext26t_32x4d": None,
    "timm/resnext50_32x4d": 4,
    "torchvision/densenet121": 4,
    "timm/densenet121": 4,
    "torchvision/vgg11_bn": 2,
    "timm/vgg11": 2,
    "torchvision/alexnet": 2,
    "torchvision/googlenet": 8,
    "torchvision/mobilenet_v2": 4,
    "timm/mobilenetv2_035": 4,
    "timm/mobilenetv3_small_050": 2,
    "torchvision/efficientnet_b0": 2,
    "timm/tf_efficientnet_lite0": 2,
    "torchvision/shufflenet_v2_x0_5": 4,
    "torchvision/convnext_tiny": 4,
    "timm/convnext_atto": 4,
    "torchvision/swin_t": None,
    "timm/vit_tiny_patch16_224": None,
    "torchvision/squeezenet1_1": None,
}


@pytest.mark.parametrize("builder", SMALL_STEMS)
def test_stems_for_small_images(builder: str) -> None:
    model = {"builder": builder, "options": {"stem": "small"}}
    if SMALL_STEMS[builder] is None:
        with pytest.raises(UserError, match=rf"{builder}: .*; stem: small is for ResNet, DenseNet, VGG"):
            build(model)
        return
    net = build(model, channels=1)
    sides = []
    for layer in net.modules():
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            layer.register_forward_hook(lambda _, __, output: sides.append(output.shape[-1]))
    assert net(torch.zeros(2, 1, SIZE, SIZE)).shape == (2, 10)
    assert sides[-1] == SMALL_STEMS[builder]


WITH_DROP_PATH = ["timm/convnext_atto", "timm/efficientnet_lite0", "timm/resnet18", "timm/vit_tiny_patch16_224"]
WITH_DROP_PATH += ["torchvision/efficientnet_b0", "torchvision/swin_t", "torchvision/convnext_tiny"]


@pytest.mark.parametrize("builder", WITH_DROP_PATH)
def test_drop_path_has_one_rate_for_all_nets(builder: str) -> None:
    model = {"builder": builder, "options": {}}
    for rate in (0.0, 0.3):
        net = registry.build(model, channels=3, size=SIZE, classes=10, drop_path=rate)
        layers = [m for m in net.modules() if "StochasticDepth" in type(m).__name__ or "DropPath" in type(m).__name__]
        rates = [float(getattr(layer, "p", getattr(layer, "drop_prob", 0))) for layer in layers]
        assert max(rates, default=0.0) == pytest.approx(rate, rel=0.1)
        assert rates == sorted(rates)


@pytest.mark.parametrize("builder", ["lenet5", "timm/vgg11", "torchvision/resnet18"])
def test_drop_path_is_refused_where_there_is_none(builder: str) -> None:
    with pytest.raises(UserError, match=rf"{builder}: .*has no stochastic depth"):
        registry.build({"builder": builder, "options": {}}, channels=3, size=SIZE, classes=10, drop_path=0.1)


def test_a_tag_names_weights_not_another_net() -> None:
    assert registry.is_known("timm/resnet18.a1_in1k")
    assert not registry.is_known("timm/resnet18.a1/../x")
    assert not registry.is_known("torchvision/resnet18.a1_in1k")
    one, other = (build({"builder": f"timm/resnet18{tag}", "options": {}}) for tag in ("", ".a1_in1k"))
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in one.state_dict().items())


def test_a_net_that_gives_no_tensor_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.models.own import lenet5

    class Several(nn.Module):
        def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
            return images, images

    monkeypatch.setattr(lenet5, "build", lambda *_: Several())
    with pytest.raises(UserError, match=r"lenet5: gives tuple for 2 images, not logits \[2, 10\]"):
        build(MODELS["lenet5"])


def test_position_embeddings_are_made_for_the_image_size() -> None:
    # Its entry point and its class hand `img_size` on without naming it.
    net = build({"builder": "timm/deit_tiny_distilled_patch16_224", "options": {}})
    assert net(torch.zeros(2, 3, SIZE, SIZE)).shape == (2, 10)


def test_a_net_that_gives_no_logits_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from bakeoff.models.own import lenet5

    monkeypatch.setattr(lenet5, "build", lambda *_: nn.Flatten())
    with pytest.raises(UserError, match=r"lenet5: gives \[2, 3072\] for 2 images, not logits \[2, 10\]"):
        build(MODELS["lenet5"])

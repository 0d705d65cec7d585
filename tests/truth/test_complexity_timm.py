"""Parameters, multiply-adds and activations against the numbers that timm publishes."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import timm
import torch
from fvcore.nn import FlopCountAnalysis
from torch import nn

from bakeoff.profile import complexity, tracing


class Published(NamedTuple):
    """A row of timm's table: pixels, millions of parameters, 1e9 MACs, millions of activations."""

    name: str
    size: int
    params: float
    macs: float
    activations: float


# github.com/huggingface/pytorch-image-models, results/benchmark-infer-amp-nchw-pt240-cu124-rtx4090.csv as of commit
# 5c33776aa59f0f05bfb8008ff546ed4c09083f1a: model, infer_img_size, param_count, infer_gmacs, infer_macts. timm counts
# with fvcore, norms and poolings included: these are nets in which they are less than 1 % of the MACs, of 20 families.
ROWS = [
    Published("convnext_tiny", 224, 28.59, 4.47, 13.44),
    Published("crossvit_small_240", 240, 26.86, 5.63, 18.17),
    Published("cspresnet50", 256, 21.62, 4.54, 11.5),
    Published("darknet21", 256, 20.86, 3.93, 7.47),
    Published("davit_tiny", 224, 28.36, 4.54, 18.89),
    Published("deit_small_patch16_224", 224, 22.05, 4.61, 11.95),
    Published("dla60", 224, 22.04, 4.26, 10.16),
    Published("hgnet_tiny", 224, 14.74, 4.54, 6.36),
    Published("hiera_tiny_224", 224, 27.91, 4.91, 17.13),
    Published("inception_v3", 299, 23.83, 5.73, 8.97),
    Published("levit_256", 224, 18.89, 1.13, 4.23),
    Published("mixer_b32_224", 224, 60.29, 3.24, 6.29),
    Published("pit_s_224", 224, 23.46, 2.88, 11.56),
    Published("poolformer_s12", 224, 11.92, 1.82, 5.53),
    Published("pvt_v2_b1", 224, 14.01, 2.12, 15.39),
    Published("regnety_032", 224, 19.44, 3.2, 11.26),
    Published("repvgg_b0", 224, 15.82, 3.41, 6.15),
    Published("res2net50_26w_4s", 224, 25.7, 4.28, 12.61),
    Published("resnet18", 224, 11.69, 1.82, 2.48),
    Published("resnet50", 224, 25.56, 4.11, 11.11),
    Published("seresnet50", 224, 28.09, 4.11, 11.13),
    Published("twins_svt_small", 224, 24.06, 2.94, 13.75),
    Published("vgg11", 224, 132.86, 7.61, 7.44),
    Published("vit_base_patch32_384", 384, 88.3, 13.06, 16.5),
    Published("xcit_tiny_24_p16_224", 224, 12.12, 2.34, 11.82),
]
# From the same table: here norms and pooling are more than 1 %.
WITH_NORMS = [
    Published("densenet121", 224, 7.98, 2.87, 6.9),
    Published("efficientnet_b0", 224, 5.29, 0.4, 6.75),
    Published("mobilenetv2_100", 224, 3.5, 0.31, 6.68),
    Published("mobilenetv3_large_100", 224, 5.48, 0.23, 4.41),
]
HALF_A_DIGIT = 0.005001  # of the two decimals that are printed


def on_meta(name: str) -> nn.Module:
    with torch.device("meta"):
        net: nn.Module = timm.create_model(name).eval()
    return net


def counted(row: Published) -> complexity.Complexity:
    return complexity.count_without_weights(lambda: on_meta(row.name), (3, row.size, row.size))


def fvcore_alone(row: Published) -> dict[str, int]:
    """MACs by operator, with all that fvcore knows."""
    with torch.device("meta"), torch.no_grad(), tracing.traceable(on_meta=True):
        analysis = FlopCountAnalysis(on_meta(row.name), torch.zeros(1, 3, row.size, row.size))
        return dict(analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False).by_operator())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_we_count_what_timm_publishes(row: Published) -> None:
    ours = counted(row)
    assert ours.params / 1e6 == pytest.approx(row.params, abs=HALF_A_DIGIT)
    assert ours.macs / 1e9 == pytest.approx(row.macs, rel=0.01)
    assert ours.activations / 1e6 == pytest.approx(row.activations, abs=HALF_A_DIGIT)
    assert ours.macs_fvcore == pytest.approx(ours.macs, rel=1e-6)
    assert ours.macs_note is None


@pytest.mark.parametrize("row", WITH_NORMS, ids=lambda row: row.name)
def test_with_norms_and_pooling_it_is_what_timm_publishes(row: Published) -> None:
    ours, alone = counted(row), fvcore_alone(row)
    assert ours.params / 1e6 == pytest.approx(row.params, abs=HALF_A_DIGIT)
    assert ours.activations / 1e6 == pytest.approx(row.activations, abs=HALF_A_DIGIT)
    assert sum(alone.values()) / 1e9 == pytest.approx(row.macs, abs=HALF_A_DIGIT)
    assert ours.macs == sum(alone.values()) - alone["batch_norm"] - alone["adaptive_avg_pool2d"]

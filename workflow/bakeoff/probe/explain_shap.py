"""How much each pixel adds to a logit: expected gradients of the package shap, an optional dependency.

Lundberg and Lee 2017, "A Unified Approach to Interpreting Model Predictions"; Erion et al. 2021, "Improving performance
of deep learning models with axiomatic attribution priors and expected gradients": the gradient of the logit, averaged
over the ways from background images to the image, times the way. For small images: each takes `samples` passes.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import torch
from torch import Tensor, nn

from bakeoff.errors import UserError
from bakeoff.probe.embeddings import Normalise, evaluating
from bakeoff.probe.spec import SHAP_SIZE

BACKGROUND = 50
"""Training images that an image is held against."""


def shap_maps(
    net: nn.Module,
    normalise: Normalise,
    images: Tensor,
    classes: Tensor,
    background: Tensor,
    samples: int = 200,
    seed: int = 0,
) -> Tensor:
    """What each pixel of images [N, C, S, S] uint8 adds to the logits of `classes` [N] int64: [N, S, S] float32.

    Summed over an image, that is about the logit less its mean over the `background` images [M, C, S, S] uint8, some 50
    of the training images. `samples` is the number of points on ways from the background. Raises UserError when shap is
    not installed, or images are larger than 64 pixels.
    """
    shap = _library()
    size = images.shape[-1]
    if size > SHAP_SIZE:
        raise UserError(f"explain: shap takes images of up to {SHAP_SIZE} pixels, not {size}; Grad-CAM takes any")
    found = torch.zeros(len(images), size, size)
    with evaluating(net), torch.enable_grad():
        for chosen in sorted(set(classes.tolist())):
            rows = (classes == chosen).nonzero()[:, 0]
            explainer = shap.GradientExplainer(_Logit(net, chosen), normalise(background))
            values = explainer.shap_values(normalise(images[rows]), nsamples=samples, rseed=seed)
            found[rows] = torch.as_tensor(values, dtype=torch.float32)[..., 0].sum(1)  # [n, C, S, S, 1]
    return found


class _Logit(nn.Module):
    """A net that gives the logit of one class alone."""

    def __init__(self, net: nn.Module, chosen: int) -> None:
        super().__init__()
        self.net, self.chosen = net, chosen

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, 1] of images [B, C, S, S] float."""
        logits: Tensor = self.net(images)
        return logits[:, self.chosen, None]


def _library() -> ModuleType:
    # By name: the code digest takes in the packages that are imported, and is not to change when this one is installed.
    try:
        return importlib.import_module("shap")
    except ImportError as error:
        raise UserError(
            "explain: shap is not installed; on Linux: pip install 'bakeoff[shap]';\n"
            "  in a checkout: uv sync --extra shap; elsewhere: pip install shap"
        ) from error

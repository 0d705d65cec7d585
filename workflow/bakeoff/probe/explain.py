"""Where in an image a network finds its answer: class activation maps by the package grad-cam.

A map is the sum of what a layer's channels say at each place, each weighed by the gradient of a class's logit by it,
negative sums set to 0. Grad-CAM (Selvaraju et al. 2017) weighs a channel by its mean gradient, the same everywhere;
HiResCAM (Draelos and Carin 2020, "Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural
networks") by the gradient at the place itself. For nets that average their last map the two are one; for those that
flatten it, or where an earlier map is taken, the mean gradient tells of no place: on the digits, maps of our small nets
were worse than random ones with the first and far better with the second, which is therefore the default.

Maps are scaled for each image on its own, to 0..1: they say where, not how much.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import torch
from torch import Tensor, nn

from bakeoff.probe.embeddings import Normalise, evaluating
from bakeoff.probe.explain_layer import Layer, layer_of

Cam = Literal["hirescam", "gradcam"]


def grad_cam(
    net: nn.Module,
    normalise: Normalise,
    images: Tensor,
    classes: Tensor,
    layer: Layer | None = None,
    method: Cam = "hirescam",
    batch_size: int = 64,
) -> Tensor:
    """Maps [N, S, S] float32 in 0..1, on the CPU, of images [N, C, S, S] uint8 for `classes` [N] int64.

    `layer` is found by `layer_of` when it is not given. A map that is 0 everywhere means that nothing at any place
    speaks for the class. The net is left as it was, gradients included. Raises UserError as `layer_of` does.
    """
    if len(images) != len(classes):
        raise ValueError(f"{len(images)} images, but {len(classes)} classes")
    if not len(images):
        return torch.empty(0, *images.shape[-2:])
    layer = layer or layer_of(net, images.shape[1], images.shape[-1])
    with evaluating(net), _weights_at_rest(net):
        return torch.cat(
            [
                _maps(net, normalise(batch), chosen.tolist(), layer, method)
                for batch, chosen in zip(torch.split(images, batch_size), torch.split(classes, batch_size), strict=True)
            ]
        )


def _maps(net: nn.Module, images: Tensor, classes: list[int], layer: Layer, method: Cam) -> Tensor:
    # Here, as they import matplotlib, scikit-learn and OpenCV.
    from pytorch_grad_cam import GradCAM, HiResCAM
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    with torch.enable_grad():
        make = HiResCAM if method == "hirescam" else GradCAM
        cam = make(model=net, target_layers=[layer.module], reshape_transform=layer.as_map)
        try:
            maps = cam(images.requires_grad_(), targets=[ClassifierOutputTarget(chosen) for chosen in classes])
        finally:
            cam.activations_and_grads.release()
    return torch.from_numpy(maps)


@contextmanager
def _weights_at_rest(net: nn.Module) -> Iterator[None]:
    """No gradients are worked out for the weights, and those that they have are kept."""
    learning = [parameter for parameter in net.parameters() if parameter.requires_grad]
    gradients = [parameter.grad for parameter in learning]
    for parameter in learning:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter, gradient in zip(learning, gradients, strict=True):
            parameter.requires_grad_(True)
            parameter.grad = gradient

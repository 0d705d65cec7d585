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

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor, nn

from bakeoff.probe.embeddings import Normalise, evaluating
from bakeoff.probe.explain_layer import Layer, layer_of
from bakeoff.probe.explain_shap import shap_maps

Method = Literal["hirescam", "gradcam"]

__all__ = ["Layer", "Method", "grad_cam", "layer_of", "overlay", "plain", "shap_maps", "sheet"]

# How much of the picture the colours cover where the map is 1.
_OPACITY = 0.75
_GAP = 4


def grad_cam(
    net: nn.Module,
    normalise: Normalise,
    images: Tensor,
    classes: Tensor,
    layer: Layer | None = None,
    method: Method = "hirescam",
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


def _maps(net: nn.Module, images: Tensor, classes: list[int], layer: Layer, method: Method) -> Tensor:
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


# --- pictures


def overlay(image: Tensor, heat: Tensor, zoom: int = 1) -> NDArray[np.uint8]:
    """A picture [S * zoom, S * zoom, 3] uint8, RGB: the image [C, S, S] uint8 in grey under its map [S, S] in 0..1.

    Where the network does not look the image is as it is, where it does it is violet to yellow.
    """
    import matplotlib

    colours = matplotlib.colormaps["plasma"](heat.numpy())[..., :3] * 255
    grey = image.float().mean(0).numpy()[..., None]
    opacity = _OPACITY * heat.numpy()[..., None]
    picture = np.rint(grey * (1 - opacity) + colours * opacity).clip(0, 255).astype(np.uint8)
    return _enlarged(picture, zoom)


def plain(image: Tensor, zoom: int = 1) -> NDArray[np.uint8]:
    """The image [C, S, S] uint8 itself as a picture [S * zoom, S * zoom, 3] uint8: in RGB, or its first channel."""
    shown = image if image.shape[0] == 3 else image[:1].expand(3, -1, -1)
    return _enlarged(shown.permute(1, 2, 0).numpy(), zoom)


def _enlarged(picture: NDArray[np.uint8], zoom: int) -> NDArray[np.uint8]:
    return np.ascontiguousarray(picture.repeat(zoom, 0).repeat(zoom, 1))


def sheet(
    images: Tensor, heats: Mapping[str, Tensor], zoom: int | None = None, titles: Sequence[str] = ()
) -> NDArray[np.uint8]:
    """One picture [H, W, 3] uint8: the images [N, C, S, S] uint8 in a row, and below them a row of overlays for each
    network by its name, from its maps [N, S, S]. `titles` stand above the images. Small images are enlarged `zoom`
    times, by default to 96 pixels or a little less.
    """
    zoom = zoom or max(1, 96 // images.shape[-1])
    rows = {"": [plain(image, zoom) for image in images]}
    for name, maps in heats.items():
        rows[name] = [overlay(image, heat, zoom) for image, heat in zip(images, maps, strict=True)]
    side, line = images.shape[-1] * zoom, 14
    left = max((7 * len(name) for name in heats), default=0) + 2 * _GAP
    width, height = left + len(images) * (side + _GAP), line * bool(titles) + len(rows) * (side + _GAP) + _GAP
    canvas = Image.new("RGB", (width, height), "white")
    pen = ImageDraw.Draw(canvas)
    top = line * bool(titles) + _GAP
    for column, title in enumerate(titles):
        pen.text((left + column * (side + _GAP), _GAP / 2), title, fill="black")
    for row, (name, pictures) in enumerate(rows.items()):
        pen.text((_GAP, top + row * (side + _GAP) + side / 2 - line / 2), name, fill="black")
        for column, picture in enumerate(pictures):
            canvas.paste(Image.fromarray(picture), (left + column * (side + _GAP), top + row * (side + _GAP)))
    return np.asarray(canvas)

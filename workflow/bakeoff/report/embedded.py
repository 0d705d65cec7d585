"""Pictures as data URIs. As the source of an <img> a picture runs no script and loads nothing, whatever it contains."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import numpy.typing as npt
from markupsafe import Markup
from matplotlib.image import imsave

_THUMBNAIL = 64
"""Pixels that a thumbnail has at most."""
_JPEG_FROM = 40
"""From this size on a photograph is smaller as JPEG; what is smaller must stay exact to be seen at all."""

_USELESS = re.compile(r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>", re.DOTALL)
# A letter is a use of its shape, so that uses are what there is most of.
_USE = re.compile(r'(<use [^>]*?)transform="translate\((\S+)(?: (\S+))?\)"')
_NUMBERS = re.compile(r'(?<= (?:d|x|y)=")[^"]*|(?<= points=")[^"]*|(?<="translate\()[^)]*')
_BELOW_100TH, _BELOW_10TH = re.compile(r"(\d+\.\d\d)\d+"), re.compile(r"(\d+\.\d)\d+")
_CURVE = 600
"""From so many letters on a path is a line of many points, not the shape of a marker."""
_COMMAND = re.compile(r"\s*([A-Za-z])\s+")
_SPACE = re.compile(r"\s+")
_ID = re.compile(r' id="([^"]*)"')
_REFERENCE = re.compile(r'(?<=href="#)[^"]*|(?<=url\(#)[^)]*')
# In an attribute within double quotes these may stand as they are; the rest is percent-encoded.
_SAFE = " !$'()*+,-./:;<=>?@[]^_`{|}~"


def svg(path: Path) -> Markup:
    """A figure's file, without what is not seen: remarks, line ends, long names, digits of places below 1/100 pt
    and of long curves below 1/10 pt.

    Percent-encoded text is a fifth shorter than base64 of the same. It needs no escaping between double quotes, and
    escaped apostrophes would be what there is most of.
    """
    text = _USELESS.sub("", path.read_text(encoding="utf-8")).replace("xlink:href=", "href=")
    text = _USE.sub(lambda use: f'{use[1]}x="{use[2]}"' + (f' y="{use[3]}"' if use[3] not in (None, "0") else ""), text)
    text = _NUMBERS.sub(lambda match: _shorter(match[0]), text)
    short = {name: f"{number:x}" for number, name in enumerate(dict.fromkeys(_REFERENCE.findall(text)))}
    text = _ID.sub(lambda match: f' id="{short[match[1]]}"' if match[1] in short else "", text)
    text = _REFERENCE.sub(lambda match: short[match[0]], text)
    text = _SPACE.sub(" ", text).replace("> <", "><").replace('" />', '"/>').strip()
    if "'" not in text:
        text = text.replace('"', "'")
    return Markup(f"data:image/svg+xml,{quote(text, safe=_SAFE)}")


def _shorter(numbers: str) -> str:
    digits = _BELOW_10TH if len(numbers) > _CURVE else _BELOW_100TH
    return _COMMAND.sub(r"\1", digits.sub(r"\1", numbers))


def picture(pixels: npt.NDArray[np.uint8]) -> str:
    """A thumbnail of the pixels [C, H, W], C being 1 or 3; what is larger becomes means of square blocks."""
    small = _shrunk(pixels)
    shown = small.transpose(1, 2, 0) if len(small) == 3 else small[0]
    # In an equal file nothing tells by what it was written.
    options: dict[str, Any] = {"format": "png", "metadata": {"Software": None}, "pil_kwargs": {"optimize": True}}
    if max(small.shape[1:]) >= _JPEG_FROM:
        options = {"format": "jpeg", "pil_kwargs": {"quality": 80}}
    file = io.BytesIO()
    imsave(file, shown, cmap="gray", vmin=0, vmax=255, **options)
    return f"data:image/{options['format']};base64,{base64.b64encode(file.getvalue()).decode()}"


def _shrunk(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    step = -(-max(pixels.shape[1:]) // _THUMBNAIL)
    c, height, width = pixels.shape[0], pixels.shape[1] // step, pixels.shape[2] // step
    blocks = pixels[:, : height * step, : width * step].reshape(c, height, step, width, step)
    means: npt.NDArray[np.uint8] = blocks.mean(axis=(2, 4)).round().astype(np.uint8)
    return means

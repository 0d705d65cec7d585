"""From the bytes of anybody's image file to the pixels that the study would have made of it. The bytes are not trusted.

Format and number of pixels are looked up in the file's header before anything is decoded.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from bakeoff.data.decode import FORMATS as STUDY_FORMATS
from bakeoff.data.decode import Fit, fitted
from bakeoff.errors import UserError

FORMATS = (*STUDY_FORMATS, "GIF")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif")
MAX_PIXELS = 64_000_000
"""Width times height; what cameras make today has fewer."""


def decode(
    data: bytes, size: int, channels: int, fit: Fit, max_pixels: int = MAX_PIXELS, reduce: bool = True
) -> NDArray[np.uint8]:
    """An image file as [size, size, channels] uint8, turned, cut and resized as `prepare` does it (data/decode.py).

    Of several frames the first; transparency is dropped; of 16 bits the upper 8 are kept; a large JPEG is decoded at a
    fraction of its size if `reduce`. Raises UserError, in one sentence, for what is no such image, or has more than
    `max_pixels`.
    """
    if not data:
        raise UserError("is empty")
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise UserError(f"is {width:,} x {height:,} pixels large; {_most(max_pixels)}")
            if reduce:
                image.draft(None, (2 * size, 2 * size))  # as in data/decode.py: for the same bits
            return np.ascontiguousarray(fitted(image, size, channels, fit).transpose(1, 2, 0))
    except (UserError, MemoryError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):  # by the header too; Pillow's own limits
        raise UserError(f"has too many pixels; {_most(max_pixels)}") from None
    except UnidentifiedImageError:
        raise UserError(f"is no image of a format that is read here ({', '.join(FORMATS)})") from None
    except Exception as error:  # decoders of damaged files have many ways to fail
        raise UserError(f"is damaged: {_sentence(error)}") from None


def _most(pixels: int) -> str:
    return f"at most {pixels:,} in all are taken"


def _sentence(error: Exception) -> str:
    return str(error).partition("\n")[0] or type(error).__name__

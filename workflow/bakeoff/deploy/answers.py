"""What the server says, as its OpenAPI document describes it. Answers are written without these: they only describe."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field

from bakeoff.deploy.limits import Limits
from bakeoff.deploy.uploads import FIELD

MOST_TOP = 100


class Class(BaseModel):
    """A class and how probable it is."""

    label: str
    probability: float = Field(ge=0, le=1)


class Image(BaseModel):
    """What was found of one image."""

    file: str = Field(description="The name that it was sent by.")
    top: list[Class] = Field(description="The most probable classes, the most probable first; calibrated.")
    map: str | None = Field(
        default=None, description="With maps=true: a PNG in base64, opaque where the first class was seen."
    )


class Images(BaseModel):
    """One entry for each image, in the order in which they were sent."""

    images: list[Image]


class Problem(BaseModel):
    """Why there is no answer, in a sentence."""

    error: str


class Health(BaseModel):
    """The server is ready."""

    status: str


class Options(BaseModel, extra="forbid"):
    """What one may ask for besides."""

    top: int = Field(default=5, ge=1, le=MOST_TOP, description="Classes to name for an image.")
    maps: bool = Field(
        default=False, description="Also where in each image its first class was seen; by the back end torch."
    )


FORBIDDEN = {403: "The header Host, or Sec-Fetch-Site, is that of another site."}
_PREDICT = {
    400: "The form is malformed, cut off or empty, or has a field of another name.",
    **FORBIDDEN,
    408: "The body did not arrive in time.",
    413: "The body is too large, or has too many images.",
    415: "The body is neither a form nor an image.",
    422: "An image cannot be read or has too many pixels, or an option has no such value.",
    500: "A fault of the server itself.",
    503: "More is waiting than the server takes, or the answer was not ready in time: ask again.",
}


def responses(said: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    """These errors, for FastAPI."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": text} for status, text in said.items()
    }
    if 503 in found:
        found[503]["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
    return found


PREDICT = responses(_PREDICT)


def body(limits: Limits) -> dict[str, Any]:
    """The body that /predict takes."""
    file = {"type": "string", "format": "binary"}
    form = {
        "type": "object",
        "properties": {FIELD: {"type": "array", "items": file, "minItems": 1, "maxItems": limits.images}},
        "required": [FIELD],
        "additionalProperties": False,
    }
    return {
        "required": True,
        "description": f"A form with the field {FIELD!r} once or more, or one image itself: PNG, JPEG, WebP, BMP, GIF.",
        "content": {
            "multipart/form-data": {"schema": form},
            "image/*": {"schema": file},
            "application/octet-stream": {"schema": file},
        },
    }

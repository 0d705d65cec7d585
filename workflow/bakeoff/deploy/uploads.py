"""The images in a request's body: the parts of a form that are named `image`, or the body itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from python_multipart.multipart import parse_options_header
from starlette.types import Receive

from bakeoff.deploy.limits import Limits, Rejected, Share

FIELD = "image"
RAW = ("application/octet-stream", "image/")
_DISPOSITION = re.compile(rb"^content-disposition:[ \t]*([^\r\n]*)", re.IGNORECASE | re.MULTILINE)
MAX_HEAD = 4096
"""Bytes of the headers of a part."""


@dataclass(frozen=True)
class Upload:
    """A file as its sender named it."""

    name: str
    data: bytes


async def body_of(headers: Mapping[bytes, bytes], receive: Receive, limits: Limits, share: Share) -> bytes:
    """The body, whether its length was told or not, which is counted in `share` as it comes. Raises Rejected."""
    if int(headers.get(b"content-length", b"0")) > limits.bytes:  # digits, as the HTTP parser saw to
        raise _too_large(limits)
    chunks, more = [], True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Rejected(400, "the body ended early")
        share.more(len(message["body"]))
        if share.size > limits.bytes:
            raise _too_large(limits)
        chunks.append(message["body"])
        more = message["more_body"]
    return b"".join(chunks)


def _too_large(limits: Limits) -> Rejected:
    return Rejected(413, f"the body is too large; at most {limits.bytes:,} bytes are taken")


def uploads(body: bytes, content_type: bytes, limits: Limits) -> list[Upload]:
    """At least one file, at most `limits.images`, as sent by multipart/form-data or as the body itself.

    Raises Rejected, also for forms that have anything else in them.
    """
    kind, options = parse_options_header(content_type)
    if kind == b"multipart/form-data":
        return _of_form(body, options.get(b"boundary", b""), limits)
    if kind.decode("latin-1").startswith(RAW):
        return [Upload("", body)]
    told = f"not {content_type[:100].decode('latin-1')!r}" if content_type else "and the request names none"
    raise Rejected(415, f"the content type must be multipart/form-data or that of an image, {told}")


def _of_form(body: bytes, boundary: bytes, limits: Limits) -> list[Upload]:
    """The parts of a form (RFC 7578, RFC 2046 5.1.1).

    All of it is here, so it is cut in one go; parsers for streams call back for each line break in an image.
    """
    if not boundary:
        raise Rejected(400, "the content type multipart/form-data must name its boundary")
    _, *parts = (b"\r\n" + body).split(b"\r\n--" + boundary, limits.images + 2)
    if len(parts) > limits.images + 1:
        raise Rejected(413, f"the form has more than {limits.images} images, which is the most that is taken")
    if not parts or not parts.pop().startswith(b"--"):
        raise Rejected(400, "the form is malformed or cut off: its closing boundary is missing")
    if not parts:
        raise Rejected(400, f"the form is empty; send one image or more as the field {FIELD!r}")
    return [_part(part) for part in parts]


def _part(part: bytes) -> Upload:
    head, blank, data = part.partition(b"\r\n\r\n")
    padding, line, head = head.partition(b"\r\n")
    if not blank or not line or padding.strip() or len(head) > MAX_HEAD:
        raise Rejected(400, "the form is malformed: a part of it has no proper headers")
    described = _DISPOSITION.search(head)
    _, options = parse_options_header(described[1] if described else b"")
    field, name = (options.get(key, b"").decode("utf-8", "replace") for key in (b"name", b"filename"))
    if field != FIELD:
        raise Rejected(400, f"the form has a field {field[:100]!r}; images are sent as the field {FIELD!r}")
    return Upload(name[:200], data)

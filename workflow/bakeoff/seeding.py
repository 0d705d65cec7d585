"""One seed of the study becomes independent streams, one a purpose.

`split`, `order` and `augment` do not know the model's name, so that at a given seed every model sees the same images in
the same order with the same augmentation draws, and runs pair across models. `init` knows it.
"""

from __future__ import annotations

import hashlib
from typing import Literal

Stream = Literal["split", "order", "augment", "init"]

_KNOWS_THE_MODEL: frozenset[Stream] = frozenset({"init"})


def stream_seed(seed: int, stream: Stream, dataset: str, model: str | None = None) -> int:
    """Seed of one stream: 63 bits of sha256, the same on every machine and in every Python.

    Raises ValueError when a model is named for a stream that must not know it, or is missing where it must.
    """
    if (model is not None) != (stream in _KNOWS_THE_MODEL):
        raise ValueError(f"stream {stream!r} {'needs' if stream in _KNOWS_THE_MODEL else 'must not know'} a model")
    key = "\0".join(["bakeoff", str(seed), stream, dataset, model or ""])
    return int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big") >> 1

"""How a test sees the command line: the fixture `call` returns a Result."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Result(NamedTuple):
    """How a command ended, and what it said."""

    status: int
    out: str
    err: str


Call = Callable[..., Result]

"""What a server takes from clients that it does not know: how much, and for how long; and how it says no."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from bakeoff.deploy.decode import MAX_PIXELS


@dataclass(frozen=True)
class Limits:
    """Of one request, unless it says otherwise."""

    bytes: int = 20_000_000
    """Of the body: all images and what is around them."""
    images: int = 64
    pixels: int = MAX_PIXELS
    """Of each image: width times height, as its header says."""
    seconds: float = 30.0
    """To send the head, then the body; and for an image to wait for its answer."""
    waiting: int = 1024
    """Images of all requests that have no answer yet."""
    memory: int = 256_000_000
    """Bytes of all bodies that are being received or decoded."""
    head: int = 32_768
    """Bytes of a request's line and headers."""
    connections: int = 1024


class Rejected(Exception):
    """No answer for this request: an HTTP status, and a sentence that tells its sender why."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


BUSY = "the server is busy; ask again in a second"


class Held:
    """How much of something all requests hold at this moment. For one thread, that of the event loop."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.now = 0

    @contextmanager
    def some(self) -> Iterator[Share]:
        """A share that is given back at the end."""
        share = Share(self)
        try:
            yield share
        finally:
            self.now -= share.size

    def more(self, amount: int) -> None:
        """Take so much. Raises Rejected where that is more than there is."""
        if self.now + amount > self._most:
            raise Rejected(503, BUSY)
        self.now += amount


class Share:
    """What one request holds."""

    def __init__(self, held: Held) -> None:
        self._held = held
        self.size = 0

    def more(self, amount: int) -> None:
        """Take so much in addition. Raises Rejected where that is more than there is."""
        self._held.more(amount)
        self.size += amount

"""Images of many requests, answered together.

Threads decode, and hand the pixels to one thread that takes whatever is there, up to `most`, and has it answered at
once: it never waits for an image that may not come, so one client alone is answered as without batches, and with many
clients the next batch gathers while this one is at work.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

import numpy as np

from bakeoff.deploy.session import Pixels
from bakeoff.errors import UserError

Decode = Callable[[bytes], Pixels]
Row = TypeVar("Row")
"""The answer for one image."""


class Ticket(Generic[Row]):
    """The images of one request on their way: `done` is a future of their answers, in their order."""

    def __init__(self, files: Sequence[bytes], loop: asyncio.AbstractEventLoop) -> None:
        self.files = files
        self.pixels: list[Pixels | None] = [None] * len(files)
        self.rows: list[Row | None] = [None] * len(files)
        self.left = len(files)
        self.done: asyncio.Future[list[Row]] = loop.create_future()


class Unreadable(UserError):
    """The image of this number, from 0, cannot be read."""

    def __init__(self, number: int, sentence: str) -> None:
        super().__init__(sentence)
        self.number = number


class Batcher(Generic[Row]):
    """Threads that decode and one that predicts; `submit` and `close` are for the thread of the event loop.

    `seen` is called with the size and the seconds of every batch.
    """

    def __init__(
        self,
        decode: Decode,
        predict: Callable[[Pixels], Sequence[Row]],
        most: int,
        decoders: int = 1,
        seen: Callable[[int, float], None] = lambda size, seconds: None,
    ) -> None:
        self._decode, self._predict, self._most, self._seen = decode, predict, most, seen
        self._loop = asyncio.get_running_loop()
        self._files: SimpleQueue[tuple[Ticket[Row], int] | None] = SimpleQueue()
        self._images: SimpleQueue[tuple[Ticket[Row], int] | None] = SimpleQueue()
        self._decoders = [threading.Thread(target=self._decode_all, daemon=True) for _ in range(decoders)]
        self._predictor = threading.Thread(target=self._predict_all, daemon=True)
        for thread in (*self._decoders, self._predictor):
            thread.start()

    def submit(self, files: Sequence[bytes]) -> Ticket[Row]:
        """Have these image files answered, one or more."""
        ticket: Ticket[Row] = Ticket(files, self._loop)
        for number in range(len(files)):
            self._files.put((ticket, number))
        return ticket

    def close(self) -> None:
        """Answer what was submitted, and end the threads."""
        for _ in self._decoders:
            self._files.put(None)
        for thread in self._decoders:
            thread.join()
        self._images.put(None)
        self._predictor.join()

    def _decode_all(self) -> None:
        while (item := self._files.get()) is not None:
            ticket, number = item
            if ticket.done.done():  # who asked has gone, or has an unreadable image
                continue
            try:
                ticket.pixels[number] = self._decode(ticket.files[number])
            except UserError as error:
                self._deliver([], [ticket], Unreadable(number, str(error)))
            except Exception as error:
                self._deliver([], [ticket], error)
            else:
                self._images.put(item)

    def _predict_all(self) -> None:
        while (first := self._images.get()) is not None:
            batch = [first]
            try:
                while len(batch) < self._most:
                    if (item := self._images.get_nowait()) is None:
                        self._images.put(None)
                        break
                    batch.append(item)
            except Empty:
                pass
            self._answer([(ticket, number) for ticket, number in batch if not ticket.done.done()])

    def _answer(self, batch: list[tuple[Ticket[Row], int]]) -> None:
        if not batch:
            return
        began = time.perf_counter()
        try:
            rows = self._predict(np.stack([pixels for t, i in batch if (pixels := t.pixels[i]) is not None]))
        except Exception as error:
            self._deliver([], [ticket for ticket, _ in batch], error)
            return
        self._seen(len(batch), time.perf_counter() - began)
        ready = []
        for (ticket, number), row in zip(batch, rows, strict=True):
            ticket.rows[number] = row
            ticket.left -= 1
            if not ticket.left:
                ready.append(ticket)
        self._deliver(ready, [], None)

    def _deliver(self, ready: list[Ticket[Row]], failed: list[Ticket[Row]], error: Exception | None) -> None:
        """Wake those who wait: one call into the event loop for a whole batch."""

        def wake() -> None:
            for ticket in ready:
                if not ticket.done.done():
                    ticket.done.set_result([row for row in ticket.rows if row is not None])
            for ticket in failed:
                if error is not None and not ticket.done.done():
                    ticket.done.set_exception(error)

        if ready or failed:
            self._loop.call_soon_threadsafe(wake)


def seconds_of(predict: Callable[[Pixels], object], batch: Pixels) -> float:
    """The fastest of three calls, after one that does not count."""
    times = []
    for _ in range(4):
        start = time.perf_counter()
        predict(batch)
        times.append(time.perf_counter() - start)
    return min(times[1:])


def best_batch(
    predict: Callable[[Pixels], object], image: Pixels, most: int, seconds: float = 2.0, close: float = 0.05
) -> int:
    """The smallest size of batch, of 1, 2, 4, ... up to `most`, whose images take at most `close` longer each than
    those of the best size. Of each size the fastest of three calls counts; measuring ends after about `seconds`.
    """
    began, found = time.perf_counter(), dict[int, float]()
    size = 1
    while size <= most:
        found[size] = seconds_of(predict, np.repeat(image[None], size, axis=0)) / size
        size *= 2
        if time.perf_counter() - began + 8 * size * found[size // 2] > seconds:
            break
    least = min(found.values())
    return min(size for size, each in found.items() if each <= least * (1 + close))

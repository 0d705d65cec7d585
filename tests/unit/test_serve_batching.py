"""Batches: what is there is taken, nobody waits for nobody, and each gets the answers of his own images."""

from __future__ import annotations

import asyncio
import threading
import time

import numpy as np
import pytest
from serve_fixture import brightness

from bakeoff.deploy.batching import Batcher, Unreadable, best_batch
from bakeoff.deploy.session import Floats, Pixels
from bakeoff.errors import UserError


def decode(data: bytes) -> Pixels:
    if data == b"bad":
        raise UserError("is bad")
    return np.full((2, 2, 1), data[0], np.uint8)


class Network:
    """Notes the sizes of its batches; the first waits until it may go on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.begun, self.go_on = threading.Event(), threading.Event()

    def __call__(self, batch: Pixels) -> Floats:
        self.sizes.append(len(batch))
        self.begun.set()
        assert self.go_on.wait(10)
        if (batch == 13).any():
            raise RuntimeError("fails")
        return brightness(batch)


def alone(value: int) -> Floats:
    return brightness(np.full((1, 2, 2, 1), value, np.uint8))[0]


def test_what_gathers_while_a_batch_is_at_work_is_the_next_batch() -> None:
    network = Network()

    async def ask() -> list[list[Floats]]:
        batcher = Batcher(decode, network, most=4)
        tickets = [batcher.submit([b"\x07"])]
        await asyncio.to_thread(network.begun.wait, 10)
        tickets += [batcher.submit([bytes([10 * i]), bytes([10 * i + 5])]) for i in range(5)]
        bad = batcher.submit([b"\x01", b"bad"])
        with pytest.raises(Unreadable, match="is bad") as caught:
            await bad.done
        assert caught.value.number == 1
        network.go_on.set()
        answers = [await ticket.done for ticket in tickets]
        broken = batcher.submit([bytes([13])])
        with pytest.raises(RuntimeError, match="fails"):
            await broken.done
        last = batcher.submit([b"\x09"] * 9)
        batcher.close()  # which answers what was submitted
        return [*answers, await last.done]

    answers = asyncio.run(ask())
    assert network.sizes[0] == 1
    assert network.sizes[1:4] == [4, 4, 2]
    assert max(network.sizes) <= 4
    wanted = [[7], *[[10 * i, 10 * i + 5] for i in range(5)], [9] * 9]
    for rows, values in zip(answers, wanted, strict=True):
        np.testing.assert_array_equal(rows, [alone(value) for value in values])


def test_the_best_batch_is_the_smallest_that_is_as_good() -> None:
    milliseconds = {1: 4, 2: 5, 4: 6, 8: 12, 16: 30}

    def predict(batch: Pixels) -> Floats:
        time.sleep(milliseconds[len(batch)] / 1e3)
        return brightness(batch)

    image = np.zeros((2, 2, 1), np.uint8)
    assert best_batch(predict, image, most=16, close=0.2) == 4
    assert best_batch(predict, image, most=2) == 2
    assert best_batch(predict, image, most=16, seconds=0) == 1

"""Measuring things in turn on a machine that is never quite still.

What is compared runs in short turns, in an order drawn anew each time, so that a slow minute is slow for all; ratios
are made within a cycle of turns, and a cycle in which other processes took part of the machine is dropped.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from random import Random

import psutil


def _family_seconds(pid: int) -> float:
    """CPU seconds so far of a process and its children, the living and those that have ended."""
    total = 0.0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        times = process.cpu_times()
        total = times.user + times.system + times.children_user + times.children_system
        for child in process.children(recursive=True):
            with suppress(psutil.Error):
                times = child.cpu_times()
                total += times.user + times.system
    return total


def _machine_seconds() -> float:
    """CPU seconds that the machine was busy; time that the host of a virtual machine took away is among them."""
    times = psutil.cpu_times()
    return sum(getattr(times, kind, 0.0) for kind in ("user", "nice", "system", "irq", "softirq", "steal"))


class Disturbance:
    """How much of the machine others use from now on: others than this process and the families of the ids given."""

    def __init__(self, processes: Iterable[int] = ()) -> None:
        self._processes = list(processes)
        self._began, self._before = time.monotonic(), self._others()

    def _others(self) -> float:
        # A process that ends leaves its family's seconds to the children that this process has reaped.
        return _machine_seconds() - sum(os.times()[:4]) - sum(map(_family_seconds, self._processes))

    def share(self) -> float:
        """As a fraction of all cores."""
        wall = max(time.monotonic() - self._began, 1e-3)
        return max(0.0, (self._others() - self._before) / wall / (psutil.cpu_count() or 1))


class Turns:
    """Turns of a loop that calls back after each step, and of others that can be called, all in one process.

    The loop cannot be asked for some steps, so the others have their turns inside of its call-backs, before the loop's
    turn or after it as the drawn order has it. All do the same number of steps in a turn. `seconds` is the time of each
    in the cycle so far.
    """

    LOOP = "loop"

    def __init__(
        self,
        others: dict[str, Callable[[int], None]],
        steps: int,
        clock: Callable[[], float],
        synchronise: Callable[[], None],
        seed: int = 0,
    ) -> None:
        self._others, self._steps = others, steps
        self._clock, self._synchronise = clock, synchronise
        self._random = Random(seed)
        self.seconds: dict[str, float] = {}

    def start(self, steps: int) -> None:
        """Before the first step of a cycle of so many."""
        self._left = steps
        self.seconds = dict.fromkeys([self.LOOP, *self._others], 0.0)
        self._begin_turn()

    def step(self) -> None:
        """After each step of the loop."""
        self._left_in_turn -= 1
        if self._left_in_turn:
            return
        self._synchronise()
        self.seconds[self.LOOP] += self._clock() - self._mark
        self._run(self._after)
        self._left -= self._length
        if self._left:
            self._begin_turn()

    def _begin_turn(self) -> None:
        self._length = self._left_in_turn = min(self._steps, self._left)
        order = [self.LOOP, *self._others]
        self._random.shuffle(order)
        place = order.index(self.LOOP)
        self._after = order[place + 1 :]
        self._run(order[:place])
        self._mark = self._clock()

    def _run(self, names: list[str]) -> None:
        for name in names:
            began = self._clock()
            self._others[name](self._length)
            self._synchronise()
            self.seconds[name] += self._clock() - began

"""From arrays to batches: order, draws, sizes, and the same images whatever their way to the device."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from bakeoff.train import augment
from bakeoff.train.feed import Feed, Normalise, Part, Streams
from bakeoff.train.policies import none, standard
from bakeoff.train.spec import Recipe

AS_IT_IS = Normalise.of([0.0], [1 / 255], torch.device("cpu"))


def numbered(n: int, size: int = 8) -> Part:
    """Images whose pixels are their number; so are their labels."""
    numbers = torch.arange(n)
    return Part(numbers.to(torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, size, size), numbers)


def random_part(n: int = 40, size: int = 8, channels: int = 1) -> Part:
    random = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, channels, size, size), generator=random, dtype=torch.uint8)
    return Part(pixels, torch.arange(n) % 4)


def feed_of(part: Part, streams: Streams = Streams(1, 2), policy: Any = None, **settings: Any) -> Feed:  # noqa: B008
    size, workers = settings.pop("size", None), settings.pop("workers", 0)
    policy = policy or none.build(size or part.size, False)
    return Feed(part, Recipe(**settings), policy, AS_IT_IS, streams, size=size, workers=workers)


def drawn(n: int, batch_size: int, streams: Streams, epoch: int, **settings: Any) -> list[list[int]]:
    feed = feed_of(numbered(n), streams, batch_size=batch_size, **settings)
    return [labels.tolist() for _, labels, _ in feed.epoch(epoch)]


def stacked(feed: Feed, epoch: int = 1) -> tuple[Tensor, Tensor]:
    images, labels, _ = zip(*feed.epoch(epoch), strict=True)
    return torch.cat(images), torch.cat(labels)


@given(st.integers(2, 60), st.integers(2, 60), st.integers(0, 2**63 - 1), st.integers(1, 1000), st.integers(1, 4))
def test_no_image_comes_twice_in_an_epoch(n: int, batch_size: int, seed: int, epoch: int, accumulate: int) -> None:
    accumulate = min(accumulate, n // 2)
    got = drawn(n, batch_size, Streams(seed, 0), epoch, accumulate=accumulate)
    seen = [number for batch in got for number in batch]
    size = min(batch_size, n // accumulate)
    assert len(seen) == len(set(seen)) == n // (size * accumulate) * size * accumulate
    assert all(len(batch) == size for batch in got)
    assert len(got) % accumulate == 0


def test_images_keep_their_labels() -> None:
    for sampling in ("shuffled", "balanced"):
        for images, labels, share in feed_of(numbered(50), batch_size=7, sampling=sampling).epoch(3):
            assert torch.equal(images[:, 0, 0, 0].long(), labels)
            assert share is None


def test_order_and_draws_depend_on_seed_and_epoch_alone() -> None:
    part = random_part(200)

    def batches(streams: Streams, epoch: int, batch_size: int = 20) -> Tensor:
        return stacked(feed_of(part, streams, standard.build(8, False), batch_size=batch_size), epoch)[0]

    assert drawn(200, 20, Streams(1, 2), 1) == drawn(200, 20, Streams(1, 9), 1)
    assert len({str(drawn(200, 20, Streams(order, 2), epoch)) for order in (1, 2, 3) for epoch in (1, 2, 3)}) == 9
    # An image gets the same change whatever the size of the batch that it falls into.
    assert torch.equal(batches(Streams(1, 2), 1), batches(Streams(1, 2), 1, batch_size=50))
    seen = {batches(Streams(1, draws), epoch).numpy().tobytes() for draws in (1, 2, 3) for epoch in (1, 2, 3)}
    assert len(seen) == 9


@pytest.mark.parametrize("policy", ["none", "standard"])
@pytest.mark.parametrize("size", [8, 6])
@pytest.mark.parametrize("on_the_way", [False, True])
def test_the_number_of_workers_changes_nothing(policy: str, size: int, on_the_way: bool) -> None:
    part = random_part()
    made = augment.build({"policy": policy, "options": {}}, size=size, flip=True)
    made.host = on_the_way  # type: ignore[misc]
    wanted = stacked(feed_of(part, policy=made, batch_size=8, size=size))
    for workers in (1, 2):
        feed = feed_of(part, policy=made, batch_size=8, size=size, workers=workers)
        for epoch in (1, 2):  # the workers stay for a second epoch
            got = stacked(feed, epoch)
            wanted = stacked(feed_of(part, policy=made, batch_size=8, size=size), epoch)
            assert all(torch.equal(one, other) for one, other in zip(got, wanted, strict=True))


def test_images_are_resized_before_they_are_changed() -> None:
    images, _ = stacked(feed_of(random_part(), batch_size=8, size=5))
    assert images.shape == (40, 1, 5, 5)
    grey = Part(torch.full((4, 3, 9, 9), 77, dtype=torch.uint8), torch.arange(4))
    assert torch.equal(grey.resized(4).pixels, torch.full((4, 3, 4, 4), 77, dtype=torch.uint8))
    assert grey.resized(9) is grey


def test_resizing_is_pillows() -> None:
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (20, 20), dtype=np.uint8)
    theirs = np.asarray(Image.fromarray(pixels).resize((8, 8), Image.Resampling.BILINEAR)).astype(int)
    ours = Part(torch.from_numpy(pixels)[None, None], torch.zeros(1)).resized(8).pixels[0, 0].numpy().astype(int)
    assert np.abs(ours - theirs).max() <= 1


@pytest.mark.parametrize("name", ["mixup", "cutmix"])
def test_mixed_images_come_with_the_share_of_their_label(name: str) -> None:
    part = Part(torch.arange(40, dtype=torch.uint8).view(-1, 1, 1, 1).expand(-1, 1, 8, 8) * 6, torch.arange(40))
    policy = augment.build({"policy": name, "options": {"base": "none"}}, size=8, flip=False, channels=1)
    for images, labels, share in feed_of(part, policy=policy, batch_size=10).epoch(1):
        assert share is not None
        wanted = share * labels * 6 + (1 - share) * labels.roll(1) * 6
        assert torch.allclose(images.mean((1, 2, 3)), wanted, atol=1e-3)
        assert ((share >= 0) & (share <= 1)).all()


def test_images_come_in_the_memory_order_asked() -> None:
    for channels_last in (False, True):
        normalise = Normalise.of([0.5] * 3, [0.25] * 3, torch.device("cpu"), channels_last)
        feed = feed_of(random_part(channels=3), batch_size=8)
        feed.normalise = normalise
        images, _, _ = next(feed.epoch(1))
        layout = torch.channels_last if channels_last else torch.contiguous_format
        assert images.is_contiguous(memory_format=layout)
    assert replace(normalise, layout=torch.contiguous_format)(random_part(channels=3).pixels).is_contiguous()


WITH_A_WORKER = """
import multiprocessing, os, signal
import torch
from bakeoff.train.feed import Feed, Normalise, Part, Streams
from bakeoff.train.policies import none
from bakeoff.train.spec import Recipe

if __name__ == "__main__":
    part = Part(torch.zeros(4000, 1, 8, 8, dtype=torch.uint8), torch.zeros(4000, dtype=torch.int64))
    normalise = Normalise.of([0.0], [1.0], torch.device("cpu"))
    feed = Feed(part, Recipe(batch_size=8), none.build(8, False), normalise, Streams(1, 2), workers=1)
    batches = feed.epoch(1)
    next(batches)
    print(multiprocessing.active_children()[0].pid, flush=True)
    os.kill(multiprocessing.active_children()[0].pid, signal.SIGKILL)
    list(batches)
    print("went on")
"""


def test_a_worker_that_dies_ends_the_job(tmp_path: Path) -> None:
    """In a process of its own: torch raises wherever it is when the news come. Where it is taking over a batch just
    then, the error is that of the pipe which the worker no longer holds.
    """
    script = tmp_path / "work.py"
    script.write_text(WITH_A_WORKER, encoding="utf-8")
    ended = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert ended.stdout.strip().isdecimal()  # it did not go on
    killed = rf"DataLoader worker \(pid {ended.stdout.strip()}\) is killed by signal|^EOFError|^ConnectionResetError"
    assert re.search(killed, ended.stderr, re.MULTILINE)

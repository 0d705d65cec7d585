"""The audit of a data set: copies, contradictions and empty images are counted exactly, and said plainly."""

from __future__ import annotations

import io
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from bakeoff.audit import counts as auditing
from bakeoff.audit import near, perceptual, verdict
from bakeoff.audit.counts import RELATIONS, audit
from bakeoff.data.arrays import PARTS, Part, Split
from bakeoff.data.sources import fashion_mnist
from bakeoff.provenance import Json

Bytes = NDArray[np.uint8]
NAMES = ("ant", "bee", "cat")


def noise(n: int, size: int = 12, channels: int = 1, seed: int = 0) -> Bytes:
    """Images that have nothing in common."""
    return np.random.default_rng(seed).integers(0, 256, (n, channels, size, size), dtype=np.uint8)


def smooth(n: int, size: int = 24, channels: int = 1, seed: int = 0) -> Bytes:
    """Images of large shapes, as pictures of things are."""
    planes = noise(n * channels, 5, seed=seed)[:, 0]
    large = [np.asarray(Image.fromarray(p).resize((size, size), Image.Resampling.BICUBIC)) for p in planes]
    return np.stack(large).reshape(n, channels, size, size)


def parts_of(pixels: Bytes, labels: Any = None, counts: tuple[int, int, int] | None = None) -> dict[Part, Split]:
    """Images one after the other as three parts; an id is a place."""
    labels = np.asarray(np.arange(len(pixels)) % 3 if labels is None else labels, np.int64)
    train, val, test = counts or (len(pixels) - 20, 10, 10)
    assert train + val + test == len(pixels)
    found: dict[Part, Split] = {}
    start = 0
    for part, n in zip(PARTS, (train, val, test), strict=True):
        rows = slice(start, start + n)
        found[part] = Split(pixels[rows], labels[rows], np.arange(start, start + n))
        start += n
    return found


def numbers(found: Any) -> Any:
    """An audit without the ids that it lists."""
    if isinstance(found, dict):
        return {key: numbers(value) for key, value in found.items() if key != "listed"}
    return found


def sentences(found: Json) -> Json:
    return verdict.with_verdict(found, NAMES)


# --- copies byte for byte


def test_planted_copies_are_counted_and_listed() -> None:
    pixels = noise(60)
    pixels[7] = pixels[3]  # within training
    pixels[21] = pixels[3]
    pixels[45] = pixels[0]  # training and validation
    pixels[55] = pixels[1]  # training and test
    pixels[56] = pixels[1]
    pixels[57] = pixels[46]  # validation and test
    labels = np.zeros(60, int)
    exact = audit(parts_of(pixels, labels, (40, 10, 10)), 3)["exact"]
    assert exact == {
        "train": {"pairs": 3, "images": 3, "listed": [[3, 7], [3, 21]]},
        "val": {"pairs": 0, "images": 0, "listed": []},
        "test": {"pairs": 1, "images": 2, "listed": [[55, 56]]},
        "train/val": {"pairs": 1, "images": 1, "listed": [[0, 45]]},
        "train/test": {"pairs": 2, "images": 2, "listed": [[1, 55], [1, 56]]},
        "val/test": {"pairs": 1, "images": 1, "listed": [[46, 57]]},
        "train+val/test": {"pairs": 3, "images": 3, "listed": [[1, 55], [1, 56], [46, 57]]},
    }


def test_lists_are_short_and_counts_exact() -> None:
    pixels = np.repeat(noise(1), 300, axis=0)
    found = audit(parts_of(pixels, None, (100, 100, 100)), 3)
    assert found["exact"]["train"]["pairs"] == 100 * 99 // 2
    assert found["exact"]["train/test"]["pairs"] == 100 * 100
    assert found["exact"]["train/test"]["images"] == 100
    assert all(len(relation["listed"]) <= 50 for relation in found["exact"].values())
    assert len(json.dumps(sentences(found))) < 20_000


pools = st.lists(st.integers(0, 9), min_size=6, max_size=40)
few_labels = st.integers(0, 2**31)


@given(pools, few_labels)
def test_the_counts_are_those_of_looking_at_every_pair(pool: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pixels = noise(10, 6)[pool]
    labels = rng.integers(0, 3, len(pool))
    counts = (len(pool) - 4, 2, 2)
    splits = parts_of(pixels, labels, counts)
    part_of = np.repeat(PARTS, counts)
    found = audit(splits, 3)
    for name, (among, other) in RELATIONS.items():
        pairs, images = set(), set()
        for i, j in itertools.permutations(range(len(pool)), 2):
            if part_of[i] in among and part_of[j] == other and pool[i] == pool[j]:
                pairs.add(frozenset((i, j)))
                images.add(j)
        assert found["exact"][name]["pairs"] == len(pairs)
        assert found["exact"][name]["images"] == len(images)
        assert {frozenset(pair) for pair in found["exact"][name]["listed"]} <= pairs
    several = [k for k in set(pool) if len({labels[i] for i in range(len(pool)) if pool[i] == k}) > 1]
    assert found["conflicts"]["contents"] == len(several)
    assert found["conflicts"]["images"] == sum(pool.count(k) for k in several)


@settings(deadline=None)
@given(pools, st.randoms())
def test_another_order_changes_the_ids_and_nothing_else(pool: list[int], random: Any) -> None:
    pixels = np.concatenate([smooth(7), noise(3, 24)])[pool]
    labels = np.array(pool) % 3
    n = len(pool) - 4
    before = audit(parts_of(pixels, labels, (n, 2, 2)), 3)
    order = list(range(n))
    random.shuffle(order)
    order += range(n, len(pool))
    after = audit(parts_of(pixels[order], labels[order], (n, 2, 2)), 3)
    assert numbers(after) == numbers(before)

    # The same images with the same ids, in another order of the rows: not even the lists differ.
    splits = parts_of(pixels, labels, (n, 2, 2))
    train = splits["train"]
    rows = np.array(order[:n])
    splits["train"] = Split(train.pixels[rows], train.labels[rows], train.ids[rows])
    assert audit(splits, 3) == before


# --- near duplicates


def jpeg(image: Bytes, quality: int) -> Bytes:
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))[None]


RETOUCHES: dict[str, Callable[[Bytes], Bytes]] = {
    "compressed": lambda image: jpeg(image, 90),
    "brighter": lambda image: np.minimum(255, image.astype(int) * 26 // 25).astype(np.uint8),
    "noisy": lambda image: (np.clip(image.astype(int) + noise(1, 24)[0] % 5, 0, 255)).astype(np.uint8),
}


@pytest.mark.parametrize("retouch", RETOUCHES.values(), ids=RETOUCHES)
def test_a_retouched_copy_is_near(retouch: Callable[[Bytes], Bytes]) -> None:
    pixels = smooth(60)
    pixels[55] = retouch(pixels[4])
    pixels[45] = retouch(pixels[10])
    found = audit(parts_of(pixels, None, (40, 10, 10)), 3)["near"]["found"]
    assert found["train/test"] == {"pairs": 1, "images": 1, "listed": [[4, 55]]}
    assert found["train/val"] == {"pairs": 1, "images": 1, "listed": [[10, 45]]}
    assert sum(relation["pairs"] for relation in found.values()) == 3  # the first also as train+val/test


@pytest.mark.parametrize("change", [lambda x: x[..., ::-1], lambda x: np.roll(x, 4, 2), lambda x: 255 - x])
def test_a_mirrored_shifted_or_inverted_image_is_another(change: Callable[[Bytes], Bytes]) -> None:
    pixels = smooth(60)
    pixels[55] = change(pixels[4])
    found = audit(parts_of(pixels, None, (40, 10, 10)), 3)["near"]["found"]
    assert not any(relation["pairs"] for relation in found.values())


def test_copies_of_near_images_are_counted_and_a_copy_itself_is_not_near() -> None:
    pixels = smooth(60)
    pixels[1] = pixels[0]
    pixels[50] = pixels[51] = RETOUCHES["compressed"](pixels[0])
    found = audit(parts_of(pixels, None, (40, 10, 10)), 3)["near"]["found"]
    assert (found["train"]["pairs"], found["test"]["pairs"]) == (0, 0)
    assert found["train/test"] == {"pairs": 4, "images": 2, "listed": [[0, 50]]}


def test_images_of_one_shade_are_near_to_nothing() -> None:
    pixels = np.arange(60, dtype=np.uint8)[:, None, None, None].repeat(8, 2).repeat(8, 3)
    found = audit(parts_of(pixels), 3)
    assert found["constant"]["count"] == 60
    assert not any(relation["pairs"] for relation in found["near"]["found"].values())


@settings(deadline=None)
@given(st.integers(4, 40), st.sampled_from([1, 3]), st.integers(0, 1000))
def test_small_pictures_of_images_are_no_farther_apart_than_these(size: int, channels: int, seed: int) -> None:
    images = noise(6, size, channels, seed) // np.uint8(1 + seed % 7)
    small = perceptual.thumbnails(images).astype(float)
    for i, j in itertools.combinations(range(6), 2):
        apart = np.abs(images[i].astype(float) - images[j]).mean()
        assert np.abs(small[i] - small[j]).mean() <= apart + 1


def test_small_pictures_are_means_of_areas() -> None:
    pixels = noise(3, 32, 3)
    means = pixels.astype(float).mean(axis=1).reshape(3, 16, 2, 16, 2).mean(axis=(2, 4))
    assert np.array_equal(perceptual.thumbnails(pixels), np.floor(means + 1e-9))


def test_a_hash_does_not_see_brightness_nor_contrast() -> None:
    small = perceptual.thumbnails(smooth(20)) // 2
    assert np.array_equal(perceptual.hashes(small), perceptual.hashes(small + 90))
    differing = np.bitwise_count(
        perceptual.hashes(small) ^ perceptual.hashes(perceptual.thumbnails(smooth(20, seed=1)))
    )
    assert differing.min() > near.DISTANCE


some_hashes = st.lists(st.integers(0, 2**64 - 1), min_size=2, max_size=30)


@given(some_hashes, st.lists(st.tuples(st.integers(0, 29), st.sets(st.integers(0, 63), max_size=6)), max_size=30))
def test_both_searches_find_all_close_pairs_once(base: list[int], changes: list[tuple[int, set[int]]]) -> None:
    values = [*base, *(base[i % len(base)] ^ sum(1 << bit for bit in bits) for i, bits in changes)]
    hashes = np.array(values, np.uint64)
    for distance, parts in ((8, 1), (0, 1), (3, 4), (1, 2)):
        expected = [
            (i, j)
            for i, j in itertools.combinations(range(len(values)), 2)
            if (values[i] ^ values[j]).bit_count() <= distance
        ]
        found = [
            pair
            for i, j in perceptual.close(hashes, distance, parts)
            for pair in zip(i.tolist(), j.tolist(), strict=True)
        ]
        assert sorted(found) == expected


def test_a_search_by_parts_says_what_it_cannot_promise() -> None:
    with pytest.raises(ValueError, match="up to a distance of 3, not 4"):
        next(perceptual.close(np.zeros(3, np.uint64), 4, 4))


def planted() -> dict[Part, Split]:
    pixels = smooth(60)
    pixels[55] = RETOUCHES["compressed"](pixels[4])
    pixels[3] = pixels[2]
    pixels[50] = 7
    return parts_of(pixels, None, (40, 10, 10))


def test_chunks_of_any_size_give_the_same_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    before = audit(planted(), 3)
    for module, name, value in (
        (auditing, "_CHUNK", 7 * 576),
        (near, "_CHUNK", 1),
        (near, "_BATCH", 1),
        (perceptual, "_ROWS", 3),
        (perceptual, "_COLUMNS", 5),
    ):
        monkeypatch.setattr(module, name, value)
    assert audit(planted(), 3) == before


def test_many_images_are_searched_by_parts_of_their_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near, "_ALL_PAIRS", 10)
    found = sentences(audit(planted(), 3))
    assert found["near"]["distance"] == 3
    assert found["near"]["found"]["train/test"]["listed"] == [[4, 55]]
    assert (
        "near duplicates: 59 images are too many to hold each against each other: found are pairs whose hashes differ "
        "in at most 3 bits, not 8"
    ) in found["notes"]


@pytest.mark.parametrize(
    ("limit", "reason"),
    [
        ({"_MOST_IMAGES": 59}, "not looked for: 60 images are too many, at most 59"),
        ({"_ALL_PAIRS": 10, "_MOST_COMPARISONS": 0}, "not looked for: the hashes of 59 images are too much alike"),
        ({"_MOST_CANDIDATES": 0}, "not looked for: more than 0 pairs have hashes that are close"),
        ({"_MOST_BYTES": 1}, "not looked for: 1 pairs of images of 576 bytes would have to be compared"),
    ],
)
def test_a_search_that_would_take_too_long_is_left_out_with_a_reason(
    monkeypatch: pytest.MonkeyPatch, limit: dict[str, int], reason: str
) -> None:
    for name, value in limit.items():
        monkeypatch.setattr(near, name, value)
    found = sentences(audit(planted(), 3))
    assert (found["near"]["found"], found["near"]["reason"]) == (None, reason)
    assert f"near duplicates: {reason}" in found["notes"]
    assert found["exact"]["train"]["pairs"] == 1


def test_many_hashes_that_are_much_alike_are_searched() -> None:
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 2**63, 20_000, dtype=np.uint64)[rng.integers(0, 20_000, 300_000)]
    for _ in range(7):
        hashes ^= np.uint64(1) << rng.integers(0, 64, len(hashes)).astype(np.uint64)
    start = time.perf_counter()
    assert perceptual.comparisons(hashes, 4) < near._MOST_COMPARISONS
    pairs = sum(len(i) for i, _ in perceptual.close(hashes, 3, 4))
    print(f"{pairs} pairs among 300,000 hashes in {time.perf_counter() - start:.1f} s")


# --- classes, labels, images of one colour


def test_images_of_one_colour_are_listed() -> None:
    pixels = noise(60, channels=3)
    pixels[5] = np.array([10, 20, 30], np.uint8)[:, None, None]
    pixels[58] = 0
    found = sentences(audit(parts_of(pixels), 3, ["x.png (is truncated)"]))
    assert found["constant"] == {"count": 2, "listed": [5, 58]}
    assert found["unreadable"] == {"count": 1, "listed": ["x.png (is truncated)"]}
    assert "2 images are of one colour throughout: 5; 58" in found["refused"]
    assert "1 image cannot be read and was left out: x.png (is truncated)" in found["refused"]


def test_classes_without_images_and_of_different_size() -> None:
    labels = [0] * 25 + [1] * 5 + [2] * 10 + [0] * 5 + [1] * 5 + [0] * 5 + [2] * 5
    found = sentences(audit(parts_of(noise(60), labels, (40, 10, 10)), 3))
    assert found["class_counts"] == {"train": [25, 5, 10], "val": [5, 5, 0], "test": [5, 0, 5]}
    assert found["imbalance"] == {"train": 5.0, "val": 1.0, "test": 1.0}
    assert found["empty_classes"]["test"] == {"count": 1, "listed": [1]}
    assert found["warnings"] == [
        "1 class has no validation images: 'cat'",
        "1 class has no test images: 'bee'",
    ]
    assert found["refused"] == []
    assert found["notes"] == [
        "the largest class has 5.0 times the training images of the smallest (ant 25, bee 5): accuracy alone misleads, "
        "balanced accuracy does not"
    ]


def test_the_ratio_from_which_accuracy_misleads_is_passed_not_met() -> None:
    labels = np.array([0] * 3 + [1] * 2)
    counts = (5, 5, 5)
    found = sentences(audit(parts_of(noise(15), np.tile(labels, 3), counts), 2))
    assert found["imbalance"]["train"] == verdict.IMBALANCED
    assert found["notes"] == []


def test_labels_out_of_range_are_listed_and_not_counted() -> None:
    labels = [0] * 60
    labels[7], labels[9] = 3, -1
    found = sentences(audit(parts_of(noise(60), labels), 3))
    assert found["labels_out_of_range"] == {"count": 2, "listed": [7, 9]}
    assert found["class_counts"]["train"] == [38, 0, 0]
    assert "2 images have a label outside 0..2: 7; 9" in found["warnings"]


def test_one_image_of_two_classes_is_named_with_both() -> None:
    pixels = noise(60)
    pixels[9] = pixels[4]
    labels = [0] * 60
    labels[9] = 2
    found = sentences(audit(parts_of(pixels, labels), 3))
    assert found["conflicts"] == {"contents": 1, "images": 2, "listed": [{"ids": [4, 9], "labels": [0, 2]}]}
    assert "1 image is there more than once, as different classes: 4 (ant) and 9 (cat)" in found["refused"]


def test_copies_are_said_in_words() -> None:
    pixels = noise(60)
    pixels[50:57] = pixels[:7]
    pixels[45] = pixels[30]
    pixels[20] = pixels[21]
    found = sentences(audit(parts_of(pixels, [0] * 60, (40, 10, 10)), 1))
    assert found["warnings"] == [
        "7 test images are also among the training or validation images, byte for byte, so the test is easier than it "
        "should be: 50 is 0; 51 is 1; 52 is 2; 53 is 3; 54 is 4; and 2 more"
    ]
    assert found["notes"] == [
        "1 validation image is also among the training images, byte for byte: 30 and 45",
        "2 training images have a copy among the training images: 20 and 21",
    ]


# --- Fashion-MNIST


def test_fashion_mnist() -> None:
    """What is known of the files since August 2017, and what an independent count finds in them."""
    folder = fashion_mnist.find(Path(__file__).parents[2] / "data")
    if folder is None:
        pytest.skip("Fashion-MNIST's files are not here (Debian: apt-get install dataset-fashion-mnist)")
    raw = fashion_mnist.load(folder)
    assert isinstance(raw.train.pixels, np.ndarray)
    assert raw.test is not None
    assert isinstance(raw.test.pixels, np.ndarray)
    splits: dict[Part, Split] = {
        "train": Split(raw.train.pixels[:54_000], raw.train.labels[:54_000], np.arange(54_000)),
        "val": Split(raw.train.pixels[54_000:], raw.train.labels[54_000:], np.arange(54_000, 60_000)),
        "test": Split(raw.test.pixels, raw.test.labels, np.arange(60_000, 70_000)),
    }
    start = time.perf_counter()
    found = audit(splits, 10)
    pairs = {name: relation["pairs"] for name, relation in found["near"]["found"].items()}
    print(f"Fashion-MNIST: audit in {time.perf_counter() - start:.1f} s, near pairs {pairs}")

    counts = np.array([found["class_counts"][part] for part in PARTS])
    assert (counts[0] + counts[1]).tolist() == [6000] * 10
    assert counts[2].tolist() == [1000] * 10
    seen, tested = ({image.tobytes() for image in part.pixels} for part in (raw.train, raw.test))
    assert found["exact"]["train+val/test"]["images"] == len(seen & tested)
    within = sum(found["exact"][name]["images"] for name in ("train", "val", "test", "train/val"))
    assert (within == 0) == (len(seen) == 60_000 and len(tested) == 10_000)
    assert (len(seen), len(tested), len(seen & tested)) == (60_000, 10_000, 0)
    # Near ones there are: the same garment photographed twice, trousers of one cut. Few of 2.4 billion pairs.
    assert 50 <= sum(pairs.values()) - pairs["train+val/test"] <= 500
    assert found["near"]["reason"] is None

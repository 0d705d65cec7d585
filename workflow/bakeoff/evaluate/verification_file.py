"""Reads embeddings and lists of pairs, and says in a sentence what is wrong with them."""

from __future__ import annotations

import csv
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bakeoff.errors import UserError
from bakeoff.evaluate.verification_pairs import AllPairs, FloatArray, IntArray, ListedPairs, Pairs

# What reading a damaged archive of arrays can raise, beside MemoryError for a header that claims too much.
_DAMAGE = (
    OSError,
    EOFError,
    KeyError,
    TypeError,
    ValueError,
    NotImplementedError,
    MemoryError,
    zipfile.BadZipFile,
    zlib.error,
)
# One's own spelling, and that of a run's embeddings.
_IDENTITY, _IDS = ("identity", "y_true"), ("ids", "example_id")


@dataclass(frozen=True, eq=False)
class Embeddings:
    """Finite vectors [N, D], none of them zero; the identity of each as a number in 0..G-1 [N]; unique ids [N]."""

    path: Path
    vectors: FloatArray
    identity: IntArray
    ids: list[str]


def read_embeddings(path: Path) -> Embeddings:
    """The arrays of an .npz: `embeddings` [N, D], `identity` (or `y_true`) [N], `ids` (or `example_id`) [N] or none."""
    arrays = _arrays(path)
    vectors, identity = arrays["embeddings"], _one_of(arrays, _IDENTITY)
    if vectors.ndim != 2 or vectors.dtype.kind not in "fiu" or 0 in vectors.shape:
        raise UserError(f"{path}: embeddings must be numbers [N, D], and are {vectors.dtype} {list(vectors.shape)}")
    ids = _one_of(arrays, _IDS, np.arange(len(vectors)))
    for name, values in (("identity", identity), ("ids", ids)):
        if values.shape != (len(vectors),) or values.dtype.kind not in "iuU":
            raise UserError(
                f"{path}: {name} must be {len(vectors)} integers or texts, one an embedding, "
                f"and is {values.dtype} {list(values.shape)}"
            )
    texts = [str(each) for each in ids.tolist()]
    if len(set(texts)) < len(texts):
        raise UserError(f"{path}: the id {_first_repeated(texts)!r} occurs more than once")
    _check_vectors(path, vectors, texts)
    return Embeddings(path, vectors, _numbered(identity), texts)


def _numbered(identity: NDArray[Any]) -> IntArray:
    """0..G-1 in the order in which identities first occur, so that their names change no draw of the bootstrap."""
    _, first, number = np.unique(identity, return_index=True, return_inverse=True)
    return first.argsort().argsort()[number]


def _arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """What the file holds of the arrays that are of interest."""
    if not path.is_file():
        raise UserError(f"{path}: is missing")
    try:
        with np.load(path, allow_pickle=False) as archive:
            names = set(getattr(archive, "files", ()))
            wanted = names & {"embeddings", *_IDENTITY, *_IDS}
            arrays = {name: archive[name] for name in wanted}
    except _DAMAGE as error:
        raise UserError(f"{path}: is no .npz of plain arrays, or is damaged ({type(error).__name__})") from None
    if "embeddings" not in arrays or not arrays.keys() & {*_IDENTITY}:
        raise UserError(
            f"{path}: must hold the arrays embeddings and identity (or y_true), "
            f"and holds {', '.join(sorted(names)) or 'none by name'}"
        )
    return arrays


def _one_of(
    arrays: Mapping[str, NDArray[Any]], names: Iterable[str], default: NDArray[Any] | None = None
) -> NDArray[Any]:
    found = [arrays[name] for name in names if name in arrays]
    return found[0] if found or default is None else default


def _check_vectors(path: Path, vectors: FloatArray, ids: list[str]) -> None:
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise UserError(
            f"{path}: {len(broken)} of {len(ids)} embeddings hold NaN or infinity; "
            f"the first is that of {ids[broken[0]]!r}"
        )
    zero = np.flatnonzero(~vectors.any(axis=1))
    if len(zero):
        raise UserError(
            f"{path}: {len(zero)} of {len(ids)} embeddings are all zeros, which point nowhere and so have no cosine; "
            f"the first is that of {ids[zero[0]]!r}"
        )


def _first_repeated(texts: Iterable[str]) -> str:
    seen: set[str] = set()
    return next(text for text in texts if text in seen or seen.add(text))  # type: ignore[func-returns-value]


# --- pairs --------------------------------------------------------------------------------------------------------


def all_pairs(images: Embeddings) -> Pairs:
    """Every image with every other; refused without a genuine or an impostor pair."""
    sizes = np.bincount(images.identity)
    if len(sizes) < 2:
        raise UserError(f"{images.path}: all images are of one identity, so there is no impostor pair")
    if sizes.max() < 2:
        raise UserError(f"{images.path}: no identity has two images, so there is no genuine pair")
    return AllPairs(images.vectors, images.identity)


def listed_pairs(images: Embeddings, path: Path) -> Pairs:
    """The pairs of a CSV with the columns a and b, which are ids, and perhaps `same`, which must agree."""
    row_of = {each: row for row, each in enumerate(images.ids)}
    rows: dict[tuple[int, int], int] = {}
    for line, pair in _lines(path):
        where = f"{path}: line {line}"
        unknown = [each for each in (pair["a"], pair["b"]) if each not in row_of]
        if unknown:
            raise UserError(f"{where}: no embedding in {images.path} has the id {unknown[0]!r}")
        a, b = sorted((row_of[pair["a"]], row_of[pair["b"]]))
        if a == b:
            raise UserError(f"{where}: pairs {pair['a']!r} with itself")
        if (a, b) in rows:
            raise UserError(f"{where}: is the same pair as line {rows[a, b]}")
        rows[a, b] = line
        _check_same(pair.get("same"), bool(images.identity[a] == images.identity[b]), where)
    if not rows:
        raise UserError(f"{path}: lists no pair")
    a, b = np.array(list(rows), dtype=np.int64).T
    genuine = images.identity[a] == images.identity[b]
    if genuine.all() or not genuine.any():
        kind = "impostor" if genuine.all() else "genuine"
        raise UserError(f"{path}: lists no {kind} pair among {len(rows)}; both kinds are needed")
    return ListedPairs(images.vectors, images.identity, a, b)


def _lines(path: Path) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of the CSV with their line numbers."""
    if not path.is_file():
        raise UserError(f"{path}: is missing")
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restval="", restkey="more")
            columns = reader.fieldnames or []
            if not {"a", "b"} <= set(columns):
                raise UserError(f"{path}: needs the columns a and b, and has {', '.join(columns) or 'none'}")
            for row in reader:
                yield reader.line_num, row
    except (UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: is no CSV in UTF-8 ({error})") from None


def _check_same(said: str | None, is_same: bool, where: str) -> None:
    if said is None:
        return
    if said not in ("0", "1"):
        raise UserError(f"{where}: same must be 0 or 1, and is {said!r}")
    if (said == "1") != is_same:
        truth = "of one identity" if is_same else "of two identities"
        raise UserError(f"{where}: same is {said}, but the embeddings' file says that the two images are {truth}")


# --- options ----------------------------------------------------------------------------------------------------------


def numbers(text: str, option: str, low: float, high: float) -> tuple[float, ...]:
    """An option's value `0.1,0.2`, each from `low` to `high` and none twice."""
    try:
        found = tuple(float(part) for part in text.split(","))
    except ValueError:
        raise UserError(f"{option}: {text!r} is no list of numbers such as 0.1,0.2") from None
    if not all(low <= each <= high for each in found) or len(set(found)) < len(found):
        raise UserError(f"{option}: must be different numbers from {low:g} to {high:g}, and is {text!r}")
    return found

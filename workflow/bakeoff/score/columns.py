"""A file of anybody's as columns: CSV, npz without pickle, or parquet, or a sentence on what is wrong with it.

Rows are counted from 1, the first below the header. Everything is checked where it is asked for, so that a column that
nothing reads may hold anything.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from bakeoff.compare.csvfile import columns_of, delimiter_of, shown, text_of
from bakeoff.errors import UserError

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
AnyArray = npt.NDArray[Any]

MOST_BYTES = 4 * 2**30
"""What one file may unpack to: 500,000 images of 1,000 classes as float64."""
_UNPACKED = 200
"""So many times its size an archive beyond 64 MiB may unpack to; zeros come to 1,000."""
_PARQUET, _ZIP, _NPY = b"PAR1", b"PK\x03\x04", b"\x93NUMPY"
_NUMBERED = re.compile(r"(.*?)_?(\d{1,6})")
_DAMAGE = (OSError, EOFError, KeyError, TypeError, ValueError, NotImplementedError, MemoryError, RuntimeError,
           zipfile.BadZipFile, zlib.error)  # fmt: skip


@dataclass(frozen=True, eq=False)
class Columns:
    """Arrays by name, all with one entry [N, ...] a row; `rows` [N] are the numbers that messages call them by.

    `facts` are single values that an npz has (system, seed, features).
    """

    source: str
    arrays: Mapping[str, AnyArray]
    rows: IntArray
    facts: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.rows)

    def __contains__(self, name: str) -> bool:
        return name in self.arrays

    def take(self, index: npt.NDArray[Any]) -> Columns:
        """The rows at these places, in this order."""
        arrays = {name: values[index] for name, values in self.arrays.items()}
        return Columns(self.source, arrays, self.rows[index], self.facts)

    def need(self, *names: str) -> None:
        """Raise UserError unless all these columns are there."""
        missing = [name for name in names if name not in self.arrays]
        if missing:
            raise UserError(
                f"{self.source}: there is no column {missing[0]!r} "
                f"(there: {shown(', '.join(map(str, self.arrays)) or 'none that is read', 200)})"
            )

    def refuse(self, wrong: npt.ArrayLike, column: str, what: str) -> None:
        """Raise UserError for the first row at which `wrong` [N]; `what` is said of it, {} its value."""
        at = np.flatnonzero(np.asarray(wrong))
        if at.size:
            value = self.arrays[column][at[0]] if column in self.arrays else ""
            more = f" (and {at.size - 1:,} more)" if at.size > 1 else ""
            said = what.replace("{}", repr(shown(str(value), 40)))
            raise UserError(f"{self.source}: row {self.rows[at[0]]:,}: {column}: {said}{more}")

    def texts(self, name: str) -> npt.NDArray[Any]:
        """The column as texts [N], without spaces around them; 3 and 3.0 are one text."""
        self.need(name)
        values = self._one_dimensional(name)
        if values.dtype.kind == "f":
            whole = np.isfinite(values) & (values == np.rint(values)) & (np.abs(values) < 2**53)
            return np.array([str(int(v)) if w else str(v) for v, w in zip(values, whole, strict=True)], dtype=object)
        if values.dtype.kind == "b":
            values = values.astype(np.int64)
        found = pd.Series(values).astype(str).str.strip()
        if values.dtype.kind == "O":
            found = found.str.replace(r"^([+-]?\d+)\.0+$", r"\1", regex=True)
        return found.to_numpy(dtype=object)

    def numbers(self, name: str) -> FloatArray:
        """The column as finite numbers [N]."""
        self.need(name)
        values = self._one_dimensional(name)
        if values.dtype.kind in "fiub":
            numbers = values.astype(np.float64)
        else:
            numbers = pd.to_numeric(pd.Series(values.astype(str)).str.strip(), errors="coerce").to_numpy(np.float64)
        self.refuse(~np.isfinite(numbers), name, "{} is no finite number")
        return numbers

    def flags(self, name: str) -> npt.NDArray[np.bool_]:
        """A column of 0 and 1 (or false and true) as truth [N]."""
        said = pd.Series(self.texts(name)).str.lower().map({"1": True, "true": True, "0": False, "false": False}.get)
        self.refuse(said.isna().to_numpy(), name, "{} must be 0 or 1")
        return said.to_numpy(dtype=bool)

    def matrix(self, name: str) -> FloatArray:
        """Finite numbers [N, C]: an array of an npz, elsewhere put together from name_0, name_1, ..."""
        values = self.arrays[name]
        if values.ndim != 2 or not values.shape[1] or values.dtype.kind not in "fiub":
            raise UserError(
                f"{self.source}: {name}: must be numbers [N, C], and is {values.dtype} {list(values.shape)}"
            )
        numbers: FloatArray = values.astype(np.float64)
        broken = np.argwhere(~np.isfinite(numbers))
        if len(broken):
            row, column = broken[0]
            raise UserError(
                f"{self.source}: row {self.rows[row]:,}: {name}_{column}: "
                f"{str(numbers[row, column])!r} is no finite number (and {len(broken) - 1:,} more)"
            )
        return numbers

    def _one_dimensional(self, name: str) -> AnyArray:
        values = self.arrays[name]
        if values.ndim != 1:
            raise UserError(f"{self.source}: {name}: must have one value a row, and is {list(values.shape)}")
        return values


def read(data: bytes, source: str, plain: Sequence[str], wide: Sequence[str], facts: Sequence[str] = ()) -> Columns:
    """The columns in the bytes of a file, told apart by how they begin.

    `plain` have one value a row, `wide` several, [N, C] in an npz and in numbered columns (logit_0) elsewhere; no
    other is read. `facts` are names of single values. Raises UserError, naming `source`, row and column.
    """
    if data.startswith(_NPY):
        raise UserError(f"{source}: is one array without a name (.npy); save it with its columns by np.savez")
    if data.startswith(_ZIP):
        arrays, found = _npz(data, source, (*plain, *wide), facts)
    else:
        frame = _parquet(data, source, plain, wide) if data.startswith(_PARQUET) else _csv(data, source, wide)
        arrays, found = _of_frame(frame, source, plain, wide), {}
    lengths = {name: len(values) for name, values in arrays.items()}
    first = next(iter(lengths), None)
    if first is None:
        raise UserError(f"{source}: has none of the columns {', '.join((*plain, *(f'{name}_0...' for name in wide)))}")
    other = next((name for name in lengths if lengths[name] != lengths[first]), None)
    if other is not None:
        raise UserError(f"{source}: {first} has {lengths[first]:,} rows, and {other} has {lengths[other]:,}")
    if not lengths[first]:
        raise UserError(f"{source}: has a header and no row below it")
    return Columns(source, arrays, np.arange(1, lengths[first] + 1), found)


# --- npz ----------------------------------------------------------------------------------------------------------


def _npz(
    data: bytes, source: str, wanted: Sequence[str], facts: Sequence[str]
) -> tuple[dict[str, AnyArray], dict[str, str]]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            names = [member.filename for member in packed.infolist()]
            size = sum(member.file_size for member in packed.infolist())
        if not any(name.endswith(".npy") for name in names):
            raise UserError(f"{source}: is an archive without arrays (a workbook?); save it as CSV or npz")
        if size > min(MOST_BYTES, max(2**26, _UNPACKED * len(data))):
            raise UserError(f"{source}: claims to unpack to {size:,} bytes, more than is read of one file")
        with np.load(io.BytesIO(data), allow_pickle=False) as archive:
            there = [name for name in archive.files if name in (*wanted, *facts)]
            arrays = {name: np.asarray(archive[name]) for name in there}
    except _DAMAGE as error:
        reason = "holds Python objects, which are never loaded" if "pickle" in str(error).lower() else "is damaged"
        raise UserError(f"{source}: {reason} ({type(error).__name__}: {shown(str(error), 60)})") from None
    strange = next((name for name, values in arrays.items() if values.dtype.kind not in "biufU"), None)
    if strange is not None:
        raise UserError(f"{source}: {strange}: is {arrays[strange].dtype}, neither numbers nor text")
    single = {name: shown(str(values.item()), 200) for name, values in arrays.items() if values.ndim == 0}
    return {name: values for name, values in arrays.items() if values.ndim and name in wanted}, single


# --- tables -------------------------------------------------------------------------------------------------------


def _csv(data: bytes, source: str, wide: Sequence[str]) -> pd.DataFrame:
    text = text_of(data, source)
    header = text.splitlines()[0]
    delimiter = delimiter_of(header, ("example_id", "y_true", "y_pred", "score", "hypothesis", *_first(wide)))
    names = columns_of(header.split(delimiter))
    numbers = {k: np.float64 for k, name in enumerate(names) if _part_of(name, wide)}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # values beyond the header would be cut off
            frame = _parsed(text, delimiter, numbers)
    except pd.errors.ParserWarning:
        raise UserError(f"{source}: row 1: has more values than the header has columns") from None
    except ValueError as error:
        raise UserError(f"{source}: {shown(' '.join(str(error).split()), 200)}") from None
    frame.columns = pd.Index(columns_of([str(name) for name in frame.columns]))
    return frame


def _parsed(text: str, delimiter: str, numbers: Mapping[int, type]) -> pd.DataFrame:
    """Numbers are read as numbers; where one is none, all as text, so that the row can be named."""

    def parsed(kinds: Any, rows: int | None = None) -> pd.DataFrame:
        return pd.read_csv(
            io.StringIO(text), sep=delimiter, keep_default_na=False, index_col=False, dtype=kinds, nrows=rows
        )

    kinds = {name: numbers.get(k, str) for k, name in enumerate(parsed(str, 0).columns)}
    try:
        return parsed(kinds)
    except pd.errors.ParserError:
        raise
    except ValueError:
        return parsed(str)


def _parquet(data: bytes, source: str, plain: Sequence[str], wide: Sequence[str]) -> pd.DataFrame:
    try:
        import pyarrow.parquet
    except ImportError:
        raise UserError(
            f"{source}: reading parquet needs pyarrow; install bakeoff with the extra parquet: uv sync --extra parquet "
            "(or pip install pyarrow), or save it as CSV or npz"
        ) from None
    try:
        file = pyarrow.parquet.ParquetFile(io.BytesIO(data))
        known = [name for name in file.schema_arrow.names if name.strip().lower() in plain or _part_of(name, wide)]
        groups = (file.metadata.row_group(k) for k in range(file.metadata.num_row_groups))
        if max(sum(group.total_byte_size for group in groups), 8 * file.metadata.num_rows * len(known)) > MOST_BYTES:
            raise UserError(f"{source}: claims to unpack to more than is read of one file")
        frame: pd.DataFrame = file.read(columns=known).to_pandas()
    except UserError:
        raise
    except Exception as error:  # pyarrow has its own, and is imported nowhere else
        raise UserError(f"{source}: is damaged or no parquet ({type(error).__name__}: {shown(str(error))})") from None
    frame.columns = pd.Index(columns_of([str(name) for name in frame.columns]))
    return frame


def _of_frame(frame: pd.DataFrame, source: str, plain: Sequence[str], wide: Sequence[str]) -> dict[str, AnyArray]:
    twice = frame.columns[frame.columns.duplicated()]
    if len(twice):
        raise UserError(f"{source}: column {shown(str(twice[0]))!r} is there twice")
    arrays: dict[str, AnyArray] = {}
    for name in plain:
        if name in frame:
            values = frame[name].to_numpy()
            arrays[name] = values if values.dtype.kind in "biuf" else values.astype(object)
    for name in wide:
        parts = sorted((part[1], str(column)) for column in frame.columns if (part := _part_of(str(column), (name,))))
        if not parts:
            continue
        if [number for number, _ in parts] != list(range(len(parts))):
            numbers = ", ".join(str(number) for number, _ in parts[:5])
            raise UserError(f"{source}: {name}: columns must be numbered 0, 1, 2, ... and are {numbers}")
        arrays[name] = np.column_stack([_as_numbers(frame[column], source, column) for _, column in parts])
    return arrays


def _as_numbers(column: pd.Series, source: str, name: str) -> FloatArray:
    if column.dtype.kind in "fiu":
        return column.to_numpy(np.float64)
    frame = Columns(source, {name: column.to_numpy(dtype=object)}, np.arange(1, len(column) + 1), {})
    return frame.numbers(name)


def _part_of(column: str, wide: Sequence[str]) -> tuple[str, int] | None:
    """Which wide column this is a part of, and which: logit_3 and logits3 are the fourth of `logits`."""
    match = _NUMBERED.fullmatch(column.strip().lower())
    if match is None:
        return None
    name = next((each for each in wide if match[1] in (each, *_first((each,)))), None)
    return None if name is None else (name, int(match[2]))


def _first(wide: Sequence[str]) -> list[str]:
    """In the singular, as one of several columns is called: logit of logits, probability of probabilities."""
    return [re.sub("ie$", "y", name.removesuffix("s")) for name in wide]

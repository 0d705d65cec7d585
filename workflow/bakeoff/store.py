"""Runs shared by several checkouts: one that is in the store is fetched instead of trained.

A store is a folder, or an address that fsspec knows, with a file `bakeoff-store` in it. Whoever can write there is not
trusted: what comes from it is plain data, and is checked against its sha256 and against what was asked for. Files stand
under their sha256 and a record is written last, so that any number of writers leave records of whole files.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import platform
import re
import shutil
import sys
import tempfile
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from bakeoff.device import machine_has_gpu
from bakeoff.errors import Refused
from bakeoff.provenance import Json, canonical, check_files, content_digest, read_record, spec_digest, version

MARK = "bakeoff-store"
RUN_FILES = ("predictions.npz", "history.csv", "model.safetensors")
_STATUSES = ("done", "diverged")
"""How results end that another machine would reach as well; out of memory is this machine's."""
_SOFTWARE = ("torch", "torchvision", "timm", "albumentations", "numpy", "safetensors")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_LARGEST_RECORD = 16 * 2**20


@dataclass(frozen=True)
class Wanted:
    """A record with its files: `names` are the keys that it must carry, `basis` what it depends on besides."""

    kind: str
    path: Path
    names: Json
    spec: Json
    code: str
    basis: Json
    files: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Where it stands in a store: 64 hex digits over all that it depends on."""
        parts = [self.kind, self.names, spec_digest(self.spec), self.code, self.basis]
        return hashlib.sha256(canonical(parts).encode()).hexdigest()


def problem(address: str) -> str | None:
    """What is wrong with a study's `results_store`, as far as can be told without a network, or None."""
    protocol, _, rest = address.rpartition("://")
    if "::" in address:
        return f"{address!r}: chains of addresses are not read; name the place itself"
    if protocol and "@" in rest.partition("/")[0]:
        return "holds a user or password; leave them to the configuration of fsspec, for a study is read by others"
    if not protocol:
        if not (Path(address) / MARK).is_file():
            return f"{address!r} is no store; make it one: mkdir -p {address} && touch {address}/{MARK}"
        return None
    from fsspec.registry import known_implementations

    if protocol not in known_implementations:
        return f"{address!r}: fsspec knows no {protocol!r}; it knows file, s3, gs, abfs, sftp, hdfs and others"
    package = known_implementations[protocol]["class"].partition(".")[0]
    return None if find_spec(package) else f"{address!r}: needs the package {package}"


def run_wanted(
    spec: Json, names: Json, folders: Mapping[int, Path], data: Path, code: str, tuned: Path | None
) -> list[Wanted]:
    """The runs of these seeds. Raises Refused when the data, or the search for settings, cannot be told."""
    basis = _basis(spec, data) | {"tuned": read_record(tuned, "tuning")["record_digest"] if tuned else None}
    return [
        Wanted("run", folder / "run.json", {**names, "seed": seed}, spec, code, basis, RUN_FILES)
        for seed, folder in folders.items()
    ]


def tuning_wanted(spec: Json, names: Json, out: Path, data: Path, code: str) -> list[Wanted]:
    """The search for a cell's settings."""
    return [Wanted("tuning", out / "tuning.json", names, spec, code, _basis(spec, data))]


def _basis(spec: Json, data: Path) -> Json:
    """What the bits of a result depend on besides settings and code: images, software, kind of machine."""
    on_gpu = spec["device"] == "cuda" or (spec["device"] == "auto" and machine_has_gpu())
    return {
        "data": content_digest(read_record(data / "manifest.json", "data")),
        "software": {name: importlib.metadata.version(name) for name in _SOFTWARE if version(name)},
        "python": ".".join(platform.python_version_tuple()[:2]),
        "machine": [platform.system(), platform.machine()],
        "device": "cuda" if on_gpu else "cpu",
    }


def through(
    address: str, wanted: Callable[[], Sequence[Wanted]], make: Callable[[], object], fetch: bool = True
) -> None:
    """Fetch the results from the store at `address`; where it has not all of them, `make` them and put them there.

    With `fetch` false they are made in any case, as where more is asked for than a store has.

    A store that does not answer, or holds what cannot be trusted, costs a line on standard error and no result.
    """
    if not address:
        make()
        return
    results = wanted()
    store = _attempt(f"results_store: {address}", partial(Store, address))
    if store and fetch and all(_attempt(f"{address}: {each.path}", partial(store.fetch, each)) for each in results):
        return
    make()
    for each in results if store else ():
        _attempt(f"{address}: {each.path}", partial(store.put, each))


def _attempt(what: str, act: Callable[[], Any]) -> Any:
    """What `act` returns, None when it failed: clients of a dozen services raise what they like."""
    try:
        return act()
    except Exception as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        print(f"{what}: {reason}; goes on without", file=sys.stderr, flush=True)
        return None


class Store:
    """A folder that others write to as well. Raises Refused where there is none."""

    def __init__(self, address: str) -> None:
        from fsspec.core import url_to_fs

        self.address = address
        self._fs, root = url_to_fs(address)
        self._root = str(root).rstrip("/")
        if not self._fs.exists(f"{self._root}/{MARK}"):
            raise Refused(f"is no store: it has no file {MARK}")

    def fetch(self, wanted: Wanted) -> bool:
        """Put a result in its place, whole, when the store has it. Raises Refused when it is not what it must be."""
        record_file = self._record(wanted)
        if not self._fs.exists(record_file):
            return False
        if self._fs.size(record_file) > _LARGEST_RECORD:
            raise Refused("its record in the store is too large to be one")
        wanted.path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=wanted.path.parent, prefix=".store-") as folder:
            path = Path(folder) / wanted.path.name
            path.write_bytes(self._fs.cat_file(record_file))
            record = self._checked(path, wanted)
            for name in wanted.files:
                self._fs.get_file(self._file(record["files"][name]), str(path.with_name(name)))
            check_files(path, record)
            for name in (*wanted.files, path.name):  # the record last
                shutil.move(path.with_name(name), wanted.path.with_name(name))
        print(f"{wanted.path}: fetched from {self.address}", file=sys.stderr, flush=True)
        return True

    def _checked(self, path: Path, wanted: Wanted) -> Json:
        record = read_record(path, wanted.kind, spec=spec_digest(wanted.spec), code=wanted.code)
        if record["spec"] != wanted.spec or any(record.get(key) != value for key, value in wanted.names.items()):
            raise Refused("its record in the store is of another result")
        if record.get("status") not in _STATUSES:
            raise Refused(f"its record in the store has the status {record.get('status')!r}")
        if record["data_digest"] != wanted.basis["data"]:
            raise Refused("its record in the store is of other data")
        files = record["files"]
        if set(files) != set(wanted.files) or not all(_SHA256.fullmatch(str(digest)) for digest in files.values()):
            raise Refused("its record in the store describes other files than such a record has")
        return record

    def put(self, wanted: Wanted) -> None:
        """Write a result that was just made, unless it is this machine's alone."""
        record = read_record(wanted.path, wanted.kind, spec=spec_digest(wanted.spec), code=wanted.code)
        if record["status"] not in _STATUSES or set(record["files"]) != set(wanted.files):
            return
        for name in wanted.files:
            self._write(wanted.path.with_name(name), self._file(record["files"][name]))
        self._write(wanted.path, self._record(wanted))

    def _write(self, source: Path, target: str) -> None:
        """Beside its place and then renamed, so that no reader meets half a file, nor two writers' in one."""
        part = f"{target}.{uuid.uuid4().hex}.part"
        self._fs.makedirs(target.rpartition("/")[0], exist_ok=True)
        try:
            self._fs.put_file(str(source), part)
            self._fs.mv(part, target)
        finally:
            if self._fs.exists(part):
                self._fs.rm_file(part)

    def _record(self, wanted: Wanted) -> str:
        return f"{self._root}/{wanted.kind}s/{wanted.key[:2]}/{wanted.key}.json"

    def _file(self, digest: str) -> str:
        return f"{self._root}/files/{digest[:2]}/{digest}"

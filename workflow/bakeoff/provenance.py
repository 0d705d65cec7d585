"""What a result was made from, and the refusal of results that do not match.

Three digests: of the settings (spec), of the code (the syntax trees of the modules that a stage imports and the
versions of the packages these import), and of the files (sha256). Every record carries them, and a digest of itself.
"""

from __future__ import annotations

import ast
import base64
import hashlib
import importlib.metadata
import json
import math
import os
import platform
import subprocess
import sys
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from bakeoff.errors import Refused, UserError

if TYPE_CHECKING:
    from pydantic import BaseModel

Json = dict[str, Any]
Model = TypeVar("Model", bound="BaseModel")

PACKAGE = Path(__file__).parent
# Distributions whose name is not the name one imports.
_DISTRIBUTION = {
    "PIL": "pillow",
    "pynvml": "nvidia-ml-py",
    "pytorch_grad_cam": "grad-cam",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}


# --- settings -----------------------------------------------------------------------------------------------------


def canonical(value: object) -> str:
    """The one JSON text of a value: sorted keys, no spaces, no NaN. Equal settings give equal text."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def spec_digest(spec: Mapping[str, Any]) -> str:
    """12 hex digits of sha256 over the canonical settings: the {spec} of a path."""
    return hashlib.sha256(canonical(spec).encode()).hexdigest()[:12]


# --- code ---------------------------------------------------------------------------------------------------------


def _stable_dump(node: object) -> object:
    """A syntax tree as plain lists, without positions, docstrings and whatever differs between Python versions."""
    if isinstance(node, ast.JoinedStr):  # Python 3.12 sees empty pieces in some f-strings
        node = ast.JoinedStr([piece for piece in node.values if not isinstance(piece, ast.Constant) or piece.value])
    if isinstance(node, ast.AST):
        fields = ((name, value) for name, value in ast.iter_fields(node) if name not in ("ctx", "kind", "type_comment"))
        return [type(node).__name__, [[name, _stable_dump(value)] for name, value in fields if value not in (None, [])]]
    if isinstance(node, list):
        return [_stable_dump(item) for item in node if not _is_remark(item)]
    return repr(node)


def _is_remark(node: object) -> bool:
    """Whether this is a string that stands by itself: a docstring, or the description below a field of a class."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _source_file(module: str, package: Path) -> Path | None:
    path = package.parent.joinpath(*module.split("."))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@cache
def _inspect(file: Path, modified: int, module: str, root: str) -> tuple[str, frozenset[str]]:
    """Digest of one module's syntax tree, and the absolute names it imports (anywhere in it)."""
    tree = ast.parse(file.read_bytes(), filename=str(file))
    names: set[str] = set()
    home = module.split(".") if file.name == "__init__.py" else module.split(".")[:-1]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = home[: len(home) - node.level + 1] if node.level else []
            source = ".".join([*base, *([node.module] if node.module else [])])
            names.add(source)
            if source.split(".")[0] == root:  # what is imported may itself be a module
                names.update(f"{source}.{alias.name}" for alias in node.names)
    return tree_digest(tree), frozenset(names)


def tree_digest(tree: ast.Module) -> str:
    """Hex sha256 of a syntax tree, without comments, docstrings and formatting."""
    return hashlib.sha256(json.dumps(_stable_dump(tree)).encode()).hexdigest()


def import_closure(modules: Iterable[str], package: Path = PACKAGE) -> tuple[dict[str, Path], set[str]]:
    """The modules of the package that `modules` import, directly or not, with their files; and the other packages."""
    root = package.name
    ours: dict[str, Path] = {}
    others: set[str] = set()
    todo = list(modules)
    while todo:
        module = todo.pop()
        if module in ours:
            continue
        if module.split(".")[0] != root:
            others.add(module.split(".")[0])
            continue
        file = _source_file(module, package)
        if file is None:  # a name inside a module, not a module
            continue
        ours[module] = file
        if "." in module:  # importing a module runs its parents
            todo.append(module.rpartition(".")[0])
        todo.extend(_inspect(file, file.stat().st_mtime_ns, module, root)[1])
    return ours, others - set(sys.stdlib_module_names)


@cache
def version(package: str) -> str | None:
    """Of a package; without what follows a "+": the same release for another accelerator is the same code."""
    return (_full_version(package) or "").partition("+")[0] or None


def code_digest(*modules: str, package: Path = PACKAGE) -> str:
    """16 hex digits over everything that `modules` run: what a stage's results depend on besides its settings.

    Comments, docstrings and formatting are not part of it. Data files that stand beside the modules of a sub-package
    (templates, styles) are, byte for byte, and so are the versions of the packages imported.
    """
    ours, others = import_closure(modules, package)
    missing = [module for module in modules if module not in ours]
    if missing:
        raise ValueError(f"no such module: {', '.join(missing)}")
    root = package.name
    parts: list[tuple[str, str | None]] = []
    for module, file in ours.items():
        parts.append((module, _inspect(file, file.stat().st_mtime_ns, module, root)[0]))
        if file.name == "__init__.py" and module != root:
            parts.extend((f"{module}/{data.name}", sha256(data)) for data in _data_files(file.parent))
    parts.extend((name, version(name)) for name in others)
    return hashlib.sha256(canonical(sorted(parts, key=lambda part: part[0])).encode()).hexdigest()[:16]


def _data_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.glob("[!.]*[!~]")):  # what editors and file managers leave there is none
        if path.is_file() and path.suffix not in (".py", ".pyc"):
            yield path


# --- files --------------------------------------------------------------------------------------------------------


def sha256(path: Path) -> str:
    """Hex sha256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path to write to; it takes its real name only when the block ends well. No half file is ever seen."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}.part{path.suffix}")
    try:
        yield part
        _reach_disk(part)  # else a power failure may leave the new name with nothing in it
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _reach_disk(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write readable JSON, whole or not at all; a NaN is a ValueError."""
    text = json.dumps(value, indent=1, allow_nan=False, ensure_ascii=False)
    with whole(path) as part:
        part.write_text(text + "\n", encoding="utf-8")


# --- records ------------------------------------------------------------------------------------------------------


def finite(value: float | None) -> float | None:
    """None for what JSON has no number for: null, never NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def _self_digest(record: Mapping[str, Any]) -> str:
    return hashlib.sha256(canonical({k: v for k, v in record.items() if k != "record_digest"}).encode()).hexdigest()


def write_record(
    path: Path, kind: str, spec: Mapping[str, Any], code: str, body: Mapping[str, Any], files: Iterable[Path] = ()
) -> None:
    """Write the record of one result: `kind`, spec, digests, `body`, and the sha256 of the `files` beside it."""
    record: Json = {
        "kind": kind,
        "bakeoff": _full_version("bakeoff"),
        "spec": dict(spec),
        "spec_digest": spec_digest(spec),
        "code_digest": code,
        **body,
        "files": {file.name: sha256(file) for file in files},
    }
    write_json(path, {**record, "record_digest": _self_digest(record)})


def read_record(path: Path, kind: str, *, spec: str | None = None, code: str | None = None) -> Json:
    """Read a record; `spec` and `code` are the digests that it must have been made with.

    Raises Refused, naming the file, when it is missing, no record, edited, or made by other settings or other code.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        own, spec_was, _, _ = (record[key] for key in ("record_digest", "spec_digest", "code_digest", "files"))
        intact = own == _self_digest(record) and spec_was == spec_digest(record["spec"])
    except FileNotFoundError:
        raise Refused(f"{path}: is missing") from None
    except (ValueError, KeyError, TypeError, OSError, RecursionError) as error:
        raise Refused(
            f"{path}: is no record of bakeoff ({type(error).__name__}); delete it to have it made anew"
        ) from None
    if not intact:
        raise Refused(f"{path}: was changed after it was written; delete it to have it made anew")
    if record.get("kind") != kind:
        raise Refused(f"{path}: is a record of {record.get('kind')!r}, not of {kind!r}")
    if spec is not None and record["spec_digest"] != spec:
        raise Refused(f"{path}: was made with other settings ({record['spec_digest']}, wanted {spec})")
    if code is not None and record["code_digest"] != code:
        raise Refused(
            f"{path}: was made by other code or package versions (digest {record['code_digest']}, now {code});\n"
            f"  delete it to have it made anew, or go back to the code and packages that made it"
            f"{_made_by(record)}"
        )
    return dict(record)


def _made_by(record: Mapping[str, Any]) -> str:
    commit = (record.get("environment") or {}).get("commit")
    return f" (commit {commit})" if commit else ""


def content_digest(record: Mapping[str, Any]) -> str:
    """Hex sha256 over the settings and the files of a record: what it is of, wherever and whenever it was made."""
    return hashlib.sha256(canonical([record["spec_digest"], record["files"]]).encode()).hexdigest()


def check_files(path: Path, record: Mapping[str, Any], *names: str) -> None:
    """Refuse when a file that the record at `path` describes is missing or is not the file it was."""
    for name in names or tuple(record["files"]):
        file = path.parent / name
        if not file.is_file():
            raise Refused(f"{file}: is missing, though {path.name} beside it describes it")
        if sha256(file) != record["files"].get(name):
            raise Refused(f"{file}: is not the file that {path.name} describes (sha256 differs); delete both to remake")


# The kernel hands a program no argument longer than 128 KiB.
_LONGEST_PLAIN_ARGUMENT = 30_000
_PACKED = "zlib:"


def spec_argument(spec: Mapping[str, Any]) -> str:
    """A stage's settings as one command-line argument: canonical JSON, packed when a study is very large."""
    text = canonical(spec)
    if len(text) <= _LONGEST_PLAIN_ARGUMENT:
        return text
    return _PACKED + base64.b64encode(zlib.compress(text.encode(), 9)).decode()


def parse_spec(text: str) -> Json:
    """A stage's settings back from the command line. Raises UserError when they are no JSON object."""
    try:
        if text.startswith(_PACKED):
            text = zlib.decompress(base64.b64decode(text.removeprefix(_PACKED))).decode()
        spec = json.loads(text)
    except (ValueError, zlib.error) as error:
        raise UserError(f"--spec: is not JSON ({error})") from None
    if not isinstance(spec, dict):
        raise UserError("--spec: must be a JSON object")
    return spec


def validated(
    model: type[Model], value: object, *path: str, source: str = "--spec", fault: type[UserError] = UserError
) -> Model:
    """The settings at `path` in a value, as a pydantic model. Raises `fault`, naming source and keys, for others."""
    from pydantic import ValidationError

    try:
        return model.model_validate(at_path(value, *path, source=source, fault=fault))
    except ValidationError as error:
        wrong = [e for e in error.errors() if e["type"] != "default_factory_not_called"]
        places = [".".join(map(str, (*path, *e["loc"]))) for e in wrong]
        texts = [e["msg"].removeprefix("Value error, ") for e in wrong]
        problems = (": ".join(filter(None, problem)) for problem in zip(places, texts, strict=True))
        raise fault(f"{source}: {'; '.join(problems)}") from None


def at_path(value: object, *path: str, source: str = "--spec", fault: type[UserError] = UserError) -> Any:
    """What stands at `path` in nested mappings. Raises `fault`, naming source and key, where there is no such key."""
    for i, key in enumerate(path):
        if not isinstance(value, Mapping) or key not in value:
            raise fault(f"{source}: {'.'.join(path[: i + 1])}: is missing")
        value = value[key]
    return value


# --- environment --------------------------------------------------------------------------------------------------


def environment(packages: Iterable[str]) -> Json:
    """The machine and the software that a record was made with. Device and threads are added by who sets them."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpu": _cpu_name(),
        "cpu_count": os.cpu_count(),
        "packages": {name: _full_version(name) for name in packages},
        **_git_state(),
    }


def _full_version(package: str) -> str | None:
    try:
        return importlib.metadata.version(_DISTRIBUTION.get(package, package))
    except importlib.metadata.PackageNotFoundError:
        return None


def _cpu_name() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()


def _git_state() -> Json:
    def git(*arguments: str) -> str | None:
        try:
            run = subprocess.run(
                ["git", "-C", str(PACKAGE), *arguments], capture_output=True, text=True, timeout=10, check=True
            )
        except (OSError, subprocess.SubprocessError):
            return None
        return run.stdout.strip()

    commit = git("rev-parse", "HEAD")
    return {"commit": commit, "uncommitted_changes": bool(git("status", "--porcelain", "-uno")) if commit else None}

"""A net of one's own outside this package: `nets/mynet.py:build`, a function in a file of the working folder.

Such files are trusted as our own code is. A study is checked without running them; what they are made of, the syntax
trees of the file and of the modules beside it that it imports, is part of the code digest of their runs.
"""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import re
import sys
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from bakeoff import plugins
from bakeoff.errors import UserError
from bakeoff.provenance import canonical, tree_digest, version

if TYPE_CHECKING:
    from torch import nn

_BUILDER = re.compile(r"(?P<file>[^:]+\.py):(?P<function>[A-Za-z_]\w*)")
_POSITIONAL = ("channels", "size", "classes")


def is_factory(builder: str) -> bool:
    """Whether a builder names a file, rather than a net of this package or of a library."""
    return ":" in builder or builder.endswith(".py")


def _parts(builder: str) -> tuple[Path, str]:
    found = _BUILDER.fullmatch(builder)
    if found is None:
        raise UserError(f"{builder!r} names no function; write file.py:function, as in nets/mynet.py:build")
    path = Path(found["file"])
    if path.is_absolute() or ".." in path.parts:
        raise UserError(f"{builder!r} must be a path inside the working folder, for the file is run as code")
    return path, found["function"]


def check(builder: str) -> None:
    """Raise UserError, in a sentence, when there is no such file or no such function in it. Runs nothing."""
    options(builder)


def options(builder: str) -> dict[str, plugins.Option]:
    """The options of the function: its keyword-only arguments, whose defaults must be constants. Runs nothing."""
    path, name = _parts(builder)
    tree = _read(path)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    if name not in functions:
        raise UserError(f"{path} has no function {name}; it has {', '.join(functions) or 'none'}")
    arguments = functions[name].args
    if len(arguments.posonlyargs + arguments.args) < len(_POSITIONAL) and not arguments.vararg:
        raise UserError(f"{path}: {name} must take ({', '.join(_POSITIONAL)})")
    found = {}
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        try:
            value = ast.literal_eval(default) if default is not None else None
        except ValueError:
            value = None
        if not isinstance(value, bool | int | float | str):
            raise UserError(
                f"{path}: {name}: option {argument.arg} needs a default that is a number, a text, true or false"
            )
        found[argument.arg] = plugins.Option(argument.arg, value, plugins.choices(argument.annotation))
    return found


def about(builder: str) -> str:
    """The first line of the file's docstring."""
    return (ast.get_docstring(_read(_parts(builder)[0])) or "").partition("\n")[0]


def code(builder: str) -> str:
    """16 hex digits over the file and the modules of its folder and of the working folder that it imports, and over the
    versions of the packages that these import. Comments, docstrings and formatting are not part of it.
    """
    path, _ = _parts(builder)
    parts: dict[str, str | None] = {}
    todo = [path]
    while todo:
        file = todo.pop()
        if file.as_posix() in parts:
            continue
        tree = _read(file)
        parts[file.as_posix()] = tree_digest(tree)
        for names in _imports(tree, file):
            here = [found for name in names for found in _files(name, path.parent)]
            todo.extend(here)
            root = names[0].partition(".")[0]
            if not here and root and root not in sys.stdlib_module_names:
                parts[root] = version(root)
    return hashlib.sha256(canonical(parts).encode()).hexdigest()[:16]


def _read(path: Path) -> ast.Module:
    try:
        return _parsed(path, path.stat().st_mtime_ns)
    except OSError:
        raise UserError(f"{path}: there is no such file in the working folder {Path.cwd()}") from None
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: is no Python: {error}") from None


@cache
def _parsed(path: Path, modified: int) -> ast.Module:
    return ast.parse(path.read_bytes(), filename=str(path))


def _imports(tree: ast.Module, file: Path) -> Iterator[list[str]]:
    """The names that each import may mean, the plainest first; `.blocks` is written as its path from the folder."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ([alias.name] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            home = file.parent.parts[: len(file.parent.parts) - node.level + 1] if node.level else ()
            base = ".".join([*home, *([node.module] if node.module else [])])
            yield [base, *(f"{base}.{alias.name}" for alias in node.names)]


def _files(module: str, folder: Path) -> list[Path]:
    """The file of a module that stands in the net's folder or in the working folder, and those of its parents."""
    for root in (folder, Path()):
        path = root.joinpath(*module.split("."))
        for file in (path / "__init__.py", path.with_name(f"{path.name}.py")):
            if module and file.is_file():
                parents = [parent / "__init__.py" for parent in path.parents if parent.is_relative_to(root)]
                return [file, *(parent for parent in parents if parent != root / "__init__.py" and parent.is_file())]
    return []


# --- running it


def load(builder: str) -> Callable[..., nn.Module]:
    """The function itself. Raises UserError when its file cannot be run."""
    path, name = _parts(builder)
    check(builder)
    for folder in (Path.cwd(), path.parent.resolve()):  # where its own imports are found
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
    try:
        make: Callable[..., Any] = getattr(_module(path.resolve()), name)
    except UserError:
        raise
    except Exception as error:
        raise UserError(f"{path}: cannot be run: {where(error, path)}") from error
    return make


@cache
def _module(path: Path) -> ModuleType:
    name = f"bakeoff_net_{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise UserError(f"{path}: is no Python module")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def where(error: BaseException, path: Path) -> str:
    """An error as a line: its kind, its text, and the last line of the user's file that it passed."""
    line, trace = None, error.__traceback__
    while trace is not None:
        if Path(trace.tb_frame.f_code.co_filename).name == path.name:
            line = trace.tb_lineno
        trace = trace.tb_next
    text = f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
    return f"{text} ({path.name}, line {line})" if line else text


def file_of(builder: str) -> Path:
    """The file that a builder names."""
    return _parts(builder)[0]

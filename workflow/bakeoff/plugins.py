"""A model, a data set, an augmentation policy is one file in its folder. This module reads such files without running
them, so that a study is checked, and its choices listed, without importing torch.
"""

from __future__ import annotations

import ast
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
_WORDS: dict[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    tuple: "a list",
}


@dataclass(frozen=True)
class Between:
    """The range of a number, ends included, as the annotation of an option: `Annotated[float, Between(0, 1)]`."""

    low: float
    high: float


@dataclass(frozen=True)
class Option:
    """One setting of a plug-in: a keyword-only argument of its function, with its default."""

    name: str
    default: Any
    choices: tuple[Any, ...] = ()
    range: Between | None = None

    def read(self, value: Any) -> Any:
        """A value that has no problem, in the one form that it has in settings: 1 is 1.0 where a number is wanted."""
        if isinstance(self.default, tuple):
            return list(value)
        return float(value) if isinstance(self.default, float) else value

    def problem(self, value: object) -> str | None:
        """What is wrong with a value given for this option, or None."""
        if self.choices:
            # 1 == True == 1.0, but settings that differ in type are other settings.
            fits = any(value == choice and type(value) is type(choice) for choice in self.choices)
            return None if fits else f"must be one of {', '.join(map(_written, self.choices))}"
        if isinstance(value, float) and not math.isfinite(value):
            return "must be a finite number"
        wanted = type(self.default)
        alike: dict[type, tuple[type, ...]] = {float: (int, float), tuple: (list, tuple)}
        if isinstance(value, bool) != (wanted is bool) or not isinstance(value, alike.get(wanted, wanted)):
            return f"must be {_WORDS.get(wanted, wanted.__name__)}, like its default {self.default!r}"
        if self.range is not None and isinstance(value, int | float):
            fits = self.range.low <= value <= self.range.high
            return None if fits else f"must be from {self.range.low:g} to {self.range.high:g}"
        return None


def names(folder: str) -> list[str]:
    """The plug-ins of a folder of the package, such as "models/own"."""
    return sorted(path.stem for path in (PACKAGE / folder).glob("[!_]*.py"))


def module(folder: str, name: str) -> str:
    """Dotted name of a plug-in's module."""
    return ".".join(["bakeoff", *folder.split("/"), *name.split("/")])


@cache
def _tree(folder: str, name: str) -> ast.Module:
    return ast.parse((PACKAGE / folder / f"{name}.py").read_text(encoding="utf-8"))


def about(folder: str, name: str) -> str:
    """The first line of the plug-in's docstring: what it is."""
    return (ast.get_docstring(_tree(folder, name)) or "").partition("\n")[0]


def options(folder: str, name: str, function: str = "build") -> dict[str, Option]:
    """The options of a plug-in: the keyword-only arguments of its function, whose defaults must be constants."""
    for node in _tree(folder, name).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            return {
                argument.arg: Option(
                    argument.arg, ast.literal_eval(default), choices(argument.annotation), _range(argument.annotation)
                )
                for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True)
                if default is not None
            }
    raise ValueError(f"bakeoff/{folder}/{name}.py has no function {function}")


def _written(choice: object) -> str:
    """A choice as a study file has it."""
    return str(choice).lower() if isinstance(choice, bool) else str(choice)


def choices(annotation: ast.expr | None) -> tuple[Any, ...]:
    """The values of a `Literal[...]` annotation; () for any other."""
    if (
        isinstance(annotation, ast.Subscript)
        and isinstance(annotation.value, ast.Name)
        and annotation.value.id == "Literal"
    ):
        values = ast.literal_eval(annotation.slice)
        return values if isinstance(values, tuple) else (values,)
    return ()


def _range(annotation: ast.expr | None) -> Between | None:
    """The ends in an `Annotated[..., Between(low, high)]` annotation."""
    for node in ast.walk(annotation) if annotation is not None else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == Between.__name__:
            return Between(*map(ast.literal_eval, node.args))
    return None

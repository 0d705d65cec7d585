"""`bakeoff doctor`: whether a study can run here, and what to do where it cannot."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from bakeoff.commands import checks, plan
from bakeoff.commands.checks import Check
from bakeoff.commands.options import DEFAULT_STUDY, AsJson, Scale
from bakeoff.commands.units import counted
from bakeoff.errors import UserError

_SIGNS = {"ok": "ok     ", "warning": "warning", "problem": "PROBLEM"}
Study = Annotated[Path | None, typer.Argument(help="Study file; default: config.yaml, where there is one.")]


def doctor(study: Study = None, scale: Scale = None, as_json: AsJson = False) -> None:
    """Check Python, torch, GPU, memory, disk, fonts, rights and data for a study; exit status 1 for a problem."""
    found = []
    for check in examine(study, scale):
        found.append(check)
        if not as_json:
            print(describe(check), flush=True)  # one after another: torch takes its time
    problems = sum(check.state == "problem" for check in found)
    if as_json:
        print(json.dumps({"ok": not problems, "checks": [asdict(check) for check in found]}, indent=1))
    else:
        warnings = sum(check.state == "warning" for check in found)
        print(f"\n{_number(problems, 'problem')}, {_number(warnings, 'warning')}.")
    raise SystemExit(1 if problems else 0)


def describe(check: Check) -> str:
    """One line, and below it what to do where it is not well."""
    line = f"{_SIGNS[check.state]}  {check.name}: {check.found}"
    return line if check.state == "ok" or not check.remedy else f"{line}\n         -> {check.remedy}"


def examine(study: Path | None, scale: Scale = None) -> Iterator[Check]:
    """All checks, the study's among them where it can be read."""
    from bakeoff.grid import Grid
    from bakeoff.study import load

    path = study or (DEFAULT_STUDY if DEFAULT_STUDY.is_file() else None)
    grid, fault = None, None
    try:
        grid = Grid(load(path, scale)) if path else None
    except UserError as error:
        fault = str(error)
    yield checks.python()
    yield checks.bytecode()
    yield checks.snakemake()
    yield from checks.torch(grid.study.device if grid else "auto")
    yield checks.cores(grid.study.threads if grid else 1)
    yield checks.memory()
    yield checks.disk(plan.make(grid).disk.needed if grid else 0)
    yield from checks.writable([Path("results"), Path("logs"), Path(".snakemake")])
    yield checks.encoding()
    yield checks.fonts(" ".join([grid.study.title or "", *grid.study.report.labels.values()]) if grid else "")
    yield checks.environments()
    yield checks.lock()
    if fault:
        yield Check("Study", "problem", fault, "mend the lines named; bakeoff new writes a study that is right")
    elif grid:
        yield Check("Study", "ok", f"{path}: {grid.n_runs} runs")
        yield from checks.data(grid)


def _number(n: int, noun: str) -> str:
    return counted(n, noun) if n else f"no {noun}"

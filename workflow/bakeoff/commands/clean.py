"""`bakeoff clean`: room on the disk, without a result that a study still asks for."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bakeoff.commands.options import DEFAULT_STUDY
from bakeoff.commands.units import counted, size
from bakeoff.errors import UserError

if TYPE_CHECKING:
    from bakeoff.clean import Waste

_WHAT = {"half": "half-written file", "checkpoint": "checkpoint of a finished run"}
_PLURALS = {"search": "searches", "checkpoint": "checkpoints of finished runs"}


def clean(
    studies: Annotated[
        list[Path] | None, typer.Argument(help="Study files to keep results of; default: config.yaml and studies/.")
    ] = None,
    unused: Annotated[bool, typer.Option("--unused", help="Also runs, profiles and data that none asks for.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", "-n", help="Only list it.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Remove from results/ what cut-off work left there and, with --unused, what no study asks for."""
    from bakeoff import clean as cleaning

    _refuse_while_running()
    waste: list[Waste] = []
    if unused:
        given = studies or _default_studies()
        waste = _unused(given)
        print(f"Kept: what {', '.join(map(str, given))} {'asks' if len(given) == 1 else 'ask'} for.")
    gone = {each.path for each in waste}
    waste += [each for each in cleaning.left_over() if gone.isdisjoint(each.path.parents)]
    if not waste:
        print("Nothing to remove.")
        return
    for each in waste:
        print(f"  {size(each.bytes):>8}  {each.path}")
    print(f"{describe(waste)}: {size(sum(each.bytes for each in waste))}.")
    if dry_run:
        return
    if not yes and not sys.stdin.isatty():
        raise UserError("clean: removes nothing without --yes where it cannot ask")
    if yes or typer.confirm("Remove them?"):
        print(f"Removed, {size(cleaning.remove(waste))} freed.")


def describe(waste: list[Waste]) -> str:
    """As in "12 runs, 1 data set, 2 half-written files"."""
    counts = Counter(each.kind for each in waste)
    return ", ".join(
        f"{n:,} {_PLURALS[kind]}" if n > 1 and kind in _PLURALS else counted(n, _WHAT.get(kind, kind))
        for kind, n in counts.items()
    )


def _default_studies() -> list[Path]:
    found = [path for path in (DEFAULT_STUDY, *sorted(Path("studies").glob("*.yaml"))) if path.is_file()]
    if not found:
        raise UserError("clean: there is no config.yaml and no studies/*.yaml here; name the studies to keep")
    return found


def _unused(studies: list[Path]) -> list[Waste]:
    """A study that cannot be read stops it all: what it asks for would be taken for unused. So does its small version,
    which asks for runs too.
    """
    from bakeoff import clean as cleaning
    from bakeoff.grid import Grid
    from bakeoff.scale import versions
    from bakeoff.study import load

    return cleaning.unused([Grid(load(path, of)) for path in studies for of in versions(path)])


def _refuse_while_running() -> None:
    from bakeoff import lock

    if lock.is_locked():
        raise UserError("clean: snakemake works here, or was killed; wait for it, or see bakeoff unlock")

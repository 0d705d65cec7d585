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

_WHAT = {
    "half": "half-written file",
    "checkpoint": "checkpoint of a finished run",
    "epoch": "file of weights after an epoch",
}
_PLURALS = {
    "search": "searches",
    "checkpoint": "checkpoints of finished runs",
    "epoch": "files of weights after an epoch",
}


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
        waste = _unused(given, named=bool(studies))
        print(f"Kept: what {', '.join(map(str, given))} {'asks' if len(given) == 1 else 'ask'} for.")
    gone = {each.path for each in waste}
    waste += [each for each in cleaning.left_over() if gone.isdisjoint(each.path.parents)]
    if not waste:
        print("Nothing to remove.")
        return
    for path, room in listed(waste).items():
        print(f"  {size(room):>8}  {path}")
    print(f"{describe(waste)}: {size(sum(each.bytes for each in waste))}.")
    if dry_run:
        return
    if not yes and not sys.stdin.isatty():
        raise UserError("clean: removes nothing without --yes where it cannot ask")
    if yes or typer.confirm("Remove them?"):
        print(f"Removed, {size(cleaning.remove(waste))} freed.")


def listed(waste: list[Waste]) -> dict[Path, int]:
    """The lines of the list, with their bytes: the epochs of a run are one."""
    lines: dict[Path, int] = Counter()
    for each in waste:
        lines[each.path.with_name("epoch*.safetensors") if each.kind == "epoch" else each.path] += each.bytes
    return lines


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


def _unused(studies: list[Path], named: bool) -> list[Waste]:
    """What neither these studies nor their small versions ask for. One that cannot be read, as its images are not here,
    stops it all when it was `named`; of others all that has the names of their data sets and models is kept.
    """
    from bakeoff import clean as cleaning
    from bakeoff.grid import Grid
    from bakeoff.scale import versions
    from bakeoff.study import load

    grids, kept = [], set[str]()
    for path in studies:
        try:
            grids += [Grid(load(path, of)) for of in versions(path)]
        except UserError as error:
            names = set() if named else _names(path)
            if not names:
                raise
            kept |= names
            print(
                f"{path}: cannot be read here ({str(error).splitlines()[0]}); kept is all of {', '.join(sorted(names))}"
            )
    return [each for each in cleaning.unused(grids) if each.name not in kept]


def _names(path: Path) -> set[str]:
    """The names of a study's data sets and models, in both versions; none where they are not well formed."""
    from bakeoff.study import axis_names
    from bakeoff.studyfile import read

    data = read(path).data
    found = [axis_names(data), axis_names(data.get("small") or {})]
    if not found[0].keys() >= {"datasets", "models"}:
        return set()
    return {name for names in found for key in ("datasets", "models") for name in names.get(key, [])}


def _refuse_while_running() -> None:
    from bakeoff import lock

    if lock.is_locked():
        raise UserError("clean: snakemake works here, or was killed; wait for it, or see bakeoff unlock")

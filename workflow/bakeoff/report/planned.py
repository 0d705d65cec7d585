"""The plan that a pilot gives, as a table: seeds by test images, and in words what is needed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bakeoff.report.tabular import Column, Table, build
from bakeoff.report.text import NONE, Unit, counted

Json = Mapping[str, Any]
_Line = tuple[int, list[Json]]


def table(plan: Json, unit: str) -> Table:
    """One plan of `bakeoff compare --plan`: by seeds, and by test images where predictions are there."""
    by_seeds: dict[int, list[Json]] = {}
    for outlook in plan["outlooks"]:
        by_seeds.setdefault(outlook["seeds"], []).append(outlook)
    number = Unit.of(unit)

    def column(i: int) -> Column[_Line]:
        first = plan["outlooks"][i]["images"]
        name = "These test images" if first is None else f"{first:,} test images"
        return Column(name, lambda line: _promise(line[1][i], number), unit=f"± {number.points}, power".strip())

    lines = list(by_seeds.items())
    columns = [Column[_Line]("Seeds", lambda line: str(line[0])), *map(column, range(len(lines[0][1]) if lines else 0))]
    context = "".join(f", {axis} {value}" for axis, value in plan["context"].items())
    title = f"{plan['dataset']}{context}: {plan['candidate']} against {plan['baseline']}"
    return build("plan", title, columns, [("", lines)], tuple(_words(plan, number)))


def _promise(outlook: Json, number: Unit) -> str:
    return f"± {number.plain(outlook['half_width'])}, {_chance(outlook['power'])}"


def _chance(power: float | None) -> str:
    if power is None:
        return NONE
    return "> 99 %" if power > 0.995 else f"{100 * power:.0f} %"


def _words(plan: Json, number: Unit) -> Iterator[str]:
    if plan["reason"] is not None:
        yield f"Nothing can be planned: {plan['reason']}."
        return

    def size(value: float) -> str:
        return f"{number.plain(value)} {number.points}".strip()

    n = plan["seeds"]
    lo, hi = plan["spread"]
    yield (
        f"Seen in {n} paired seeds: {number.signed(plan['diff'], 2)} {number.points}; the differences vary by "
        f"{size(plan['std'])} (standard deviation). So few seeds tell that only to between {size(lo)} and {size(hi)}, "
        "and all below is as rough."
    )
    yield f"Found by {n} seeds with 80 % power, on these test images: {size(plan['detectable'])} and more."
    if plan["margin"] is not None:
        needed = _many(plan["seeds_for_margin"], "seed")
        yield f"To show a difference of the margin, {size(plan['margin'])}, on these test images: {needed}."
    needed = _many(plan["seeds_for_observed"], "seed")
    yield f"To show the difference seen, on these test images: {needed} (noisy; too few where the pilot was lucky)."
    yield from _of_images(plan, size(plan["effect"]))
    yield (
        f"In the table: half of the 95 % interval, and the chance to show {size(plan['effect'])} at p < "
        f"{plan['alpha']:.3g}, Holm's strictest level."
    )


def _of_images(plan: Json, effect: str) -> Iterator[str]:
    if plan["images"] is None:
        yield "All of this is for these test images: with --predictions it is for new ones too."
        return
    if plan["seeds_help"]:
        yield f"For new images: more seeds alone can show {effect} on {plan['images']:,} test images."
    else:
        yield f"For new images: no number of seeds helps to show {effect} on {plan['images']:,} test images."
    needed = plan["images_needed"]
    seeds = counted(plan["seeds"], "seed")
    if needed is None:
        yield f"Test images to show it with {seeds}: no number does; take more seeds."
    else:
        yield f"Test images to show it with {seeds}: {needed:,}."


def _many(number: int | None, noun: str) -> str:
    return "no number does" if number is None else counted(number, noun)


def tables(plans: Sequence[Json], unit: str) -> list[Table]:
    """One table a plan."""
    return [table(plan, unit) for plan in plans]

"""`bakeoff gate`: whether a study has a model that meets its requirements; the exit status is the answer."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from bakeoff.commands import show
from bakeoff.commands.options import DEFAULT_STUDY, AsJson
from bakeoff.errors import UserError
from bakeoff.layout import RESULTS

if TYPE_CHECKING:
    from bakeoff.provenance import Json

UNANSWERED = 3
"""Exit status where there is no answer: 1 and 2, which say so elsewhere, are answers here."""
_STATUS = {"pass": 0, "fail": 1, "undecided": 2}


class Command(TyperCommand):
    """A command whose wrong options end in the status of no answer."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """As of any command."""
        try:
            return super().parse_args(ctx, args)
        except typer.TyperException as error:
            error.exit_code = UNANSWERED
            raise


def gate(
    study: Annotated[Path, typer.Argument(help="Study file, or folder of its results.")] = DEFAULT_STUDY,
    as_json: AsJson = False,
) -> None:
    """Tell which model meets the study's requirements. Exit status: 0 one is recommended on every data set; 1 on some
    data set all candidates fail; 2 on some data set none is shown to pass, but some are undecided; 3 no answer.
    """
    record, labels = _read(study)
    if "gates" not in record:
        raise UserError(f"{study}: was compared by an older bakeoff, which had no requirements; compare it anew")
    if not record["gates"]:
        raise UserError(f"{study}: has no requirements; add, for one, requirements: [accuracy >= 0.9, size_mb < 100]")
    try:
        print(_as_json(record) if as_json else _as_table(record, labels))
        sys.stdout.flush()
    except BrokenPipeError:  # who reads has had enough, which changes no answer
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    raise typer.Exit(status(record["recommendation"]))


def status(recommendation: list[Json]) -> int:
    """The exit status of these recommendations: that of the worst data set, and fail is worse than undecided."""
    verdicts = {entry["verdict"] for entry in recommendation}
    return _STATUS[next((verdict for verdict in ("fail", "undecided") if verdict in verdicts), "pass")]


def _read(place: Path) -> tuple[Json, dict[str, str]]:
    """The comparison of a study file's results, or of a folder of results, and what the study calls its models."""
    from bakeoff.provenance import read_record

    if place.is_dir():
        return read_record(_there(place / "comparison.json"), "comparison"), {}
    from bakeoff import requirements
    from bakeoff.study import load

    study = load(place)
    record = read_record(_there(RESULTS / study.study / "comparison.json"), "comparison")
    asked = requirements.asked(study.requirements)
    if record["spec"].get("requirements") != (asked.model_dump(mode="json") if asked else None):
        raise UserError(
            f"{place}: its requirements are not those that were compared; run snakemake, or bakeoff compare"
        )
    return record, study.report.labels


def _there(path: Path) -> Path:
    if not path.is_file():
        raise UserError(f"{path}: there is none, so nothing was compared yet; run the study first")
    return path


def _as_json(record: Json) -> str:
    body = {name: record[name] for name in ("study", "partial", "gates", "recommendation")}
    return json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)


def _as_table(record: Json, labels: dict[str, str]) -> str:
    """As wide as the terminal; what goes into a file or a pipe is not wrapped."""
    from bakeoff.report import gates, words
    from bakeoff.report.text import Names

    found = gates.table(gates.read(record["gates"], record["recommendation"]), Names(labels))
    text = show.render([found] if found else [], "table", None if sys.stdout.isatty() else 1000)
    return f"{words.PARTIAL}: of a part of the runs\n\n{text}" if record["partial"] else text

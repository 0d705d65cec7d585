"""A page on a finished study, for docs/studies/: question, answer, tables, figures, and the machine it ran on.

What is asked and expected is the head of the study file, its comment before the first key; all else is of the results.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bakeoff import provenance
from bakeoff.errors import UserError
from bakeoff.report import figures, gates, lead, tables, tabular, words
from bakeoff.report.load import Results
from bakeoff.report.tabular import Table
from bakeoff.report.text import Names, counted, markdown

USUAL = ("pareto_macs", "data_amount", "outputs")
"""The figures of a page, where they have anything to show and are not too large."""
MOST_BYTES = 200_000
"""Of one figure: pages and their figures stand in a repository."""
MARKS = ("<!-- studies -->", "<!-- end -->")
"""In the README.md of the folder of pages, what stands between them is the list of the pages."""


@dataclass(frozen=True)
class Head:
    """The head of a study file: what it asks, and the paragraphs after its commands, each on one line."""

    question: str
    rest: tuple[str, ...]


def head(text: str) -> Head:
    """The head of a study file with this text: lines of a comment, in which indented ones are commands."""
    lines = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        if not line.startswith("# yaml-language-server"):
            lines.append(line.removeprefix("#"))
    said = [line.strip() for line in lines if not line.startswith("  ")]
    first = next((i for i, line in enumerate(lines) if line.startswith("  ")), len(lines))
    asked, paragraphs = " ".join(line.strip() for line in lines[:first]), list[str]()
    for line in said[first:]:
        if re.match(r"[A-Z][A-Za-z ]*[:,] ", line) or not paragraphs:
            paragraphs.append(line)
        else:
            paragraphs[-1] += f" {line}"
    return Head(asked, tuple(paragraphs))


@dataclass(frozen=True)
class Page:
    """What a page is made from."""

    results: Results
    names: Names
    title: str
    columns: Sequence[str]
    head: Head
    command: str

    def tables(self) -> list[Table]:
        """Those of the study's comparison.md."""
        more = (gates.table(self.results.gates, self.names), tables.references(self.results, self.names))
        return [*tables.paper(self.results, self.names, self.columns), *(table for table in more if table)]

    def machines(self) -> list[str]:
        """Sentences on what runs and profiles were made on."""
        return list(words.hardware(self.results))

    def render(self, shown: Sequence[str]) -> str:
        """The page, with the figures of these names in a folder of the study's name beside it."""
        return "\n".join(self._lines(shown)) + "\n"

    def _lines(self, shown: Sequence[str]) -> Iterator[str]:
        study, runs = self.results.study, sum(len(cell.runs) for cell in self.results.ledger.cells)
        yield from (f"# {markdown(self.title)}", "", markdown(self.head.question), "")
        yield from ("## Answer", "")
        yield from (f"{markdown(answer)}\n" for answer in lead.paragraphs(self.results, self.names))
        for name in shown:
            figure = figures.FIGURES[name]
            yield from (f"![{figure.alternative}]({study}/{name}.svg)", "", f"*{markdown(figure.caption)}*", "")
        yield from (tabular.to_markdown(table) for table in self.tables())
        yield from ("## How it was made", "", f"`{self.command}`: {counted(runs, 'run')}.", "")
        yield from (f"- {markdown(machine)}" for machine in self.machines())
        yield from ("", "## What was asked and expected", "")
        yield from (f"{markdown(paragraph)}\n" for paragraph in self.head.rest)
        yield f"*Made from `results/{study}/` by `bakeoff gallery`.*"


def write(page: Page, results: Path, folder: Path, wanted: Sequence[str] = ()) -> Path:
    """Write the page of the study and its figures (`wanted`, else the usual ones) into `folder`, bring the list of
    README.md there up to date, and return the page's path.

    Raises UserError for a figure that is unknown or too large, and for a study that is not complete.
    """
    study = page.results.study
    if page.results.partial:
        raise UserError(f"gallery: {study}: is not complete; a page shows finished studies")
    for name in wanted:
        if name not in figures.FIGURES:
            raise UserError(f"gallery: --figure {name!r} is no figure; there are {', '.join(figures.FIGURES)}")
    usual = [name for name in USUAL if figures.FIGURES[name].has(page.results)]
    drawn = {name: (results / study / "figures" / f"{name}.svg").read_bytes() for name in wanted or usual}
    for name, content in list(drawn.items()):
        if len(content) <= MOST_BYTES:
            continue
        if name in wanted:
            raise UserError(
                f"gallery: {name}.svg has {len(content):,} bytes, more than the {MOST_BYTES:,} of a page's figure; "
                "choose others by --figure"
            )
        del drawn[name]  # of many panels; the report has it
    for name, content in drawn.items():
        with provenance.whole(folder / study / f"{name}.svg") as part:
            part.write_bytes(content)
    path = folder / f"{study}.md"
    with provenance.whole(path) as part:
        part.write_text(page.render(list(drawn)), encoding="utf-8")
    _update(folder)
    return path


def _update(folder: Path) -> None:
    """The list of pages in the folder's README.md, where it has the marks for one."""
    readme = folder / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() else "\n".join(MARKS) + "\n"
    before, begin, after = text.partition(MARKS[0])
    _, end, rest = after.partition(MARKS[1])
    if not (begin and end):
        raise UserError(f"gallery: {readme}: has not the marks {' and '.join(MARKS)}, between which the list belongs")
    rows = [row for path in sorted(folder.glob("*.md")) if (row := _row(path))]
    lines = ["", "| study | question | answer | machine |", "| :-- | :-- | :-- | :-- |", *rows, ""]
    with provenance.whole(readme) as part:
        part.write_text(before + begin + "\n".join(lines) + end + rest, encoding="utf-8")


def _row(path: Path) -> str | None:
    """The line of the list for a page, with the first of its answers; None for a file that is none."""
    text = path.read_text(encoding="utf-8")
    found = re.match(r"# .+\n\n(?P<question>.+)\n\n## Answer\n\n(?P<answer>.+)\n", text)
    if not found:
        return None
    machines = re.findall(r"^- (Trained on: .*)$", text.partition("## How it was made")[2], re.MULTILINE)
    cells = (f"[{path.stem}]({path.name})", found["question"], found["answer"], " ".join(machines))
    return f"| {' | '.join(cells)} |"


def command(file: Path, default: Path, small: bool) -> str:
    """What a reader types to make the study again."""
    parts = ["uv", "run", "snakemake", "--cores", "all", "--resources", "gpu=1"]
    parts += ["--configfile", file.as_posix()] * (file != default) + ["--config", "scale=small"] * small
    return shlex.join(parts)

"""The tables of a comparison as two whole files: comparison.md and comparison.tex."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.report import latex, tabular, words
from bakeoff.report.load import Results
from bakeoff.report.tabular import Table
from bakeoff.report.text import markdown

OF_SCORES = ("score", "n", "difference", "crossed", "p", "rank")
"""The columns of scores made elsewhere, which have no costs and may have predictions."""


def in_words(results: Results) -> list[str]:
    """What each candidate's row says as a sentence for the paper."""
    return [str(row.values["sentence"]) for row in results.primary if not row.is_baseline]


def to_markdown(results: Results, title: str, papers: Sequence[Table], said: Sequence[str] = ()) -> str:
    """A page with all tables, what they say in words (`said`), and the warnings."""
    stamp = f"**{markdown(words.stamp(results))}**\n\n" if results.partial else ""
    warnings = "\n## Warnings\n\n" * bool(results.warnings) + "".join(f"- {markdown(w)}\n" for w in results.warnings)
    sentences = "\n## In words\n\n" * bool(said) + "".join(f"- {markdown(sentence)}\n" for sentence in said)
    return f"# {markdown(title)}\n\n{stamp}" + "\n".join(map(tabular.to_markdown, papers)) + sentences + warnings


def to_latex(results: Results, papers: Sequence[Table]) -> str:
    r"""To be \input by a paper."""
    head = f"% Needs {latex.PACKAGES}. Labels in other than Latin letters need lualatex and a font for them.\n"
    warnings = "".join(f"% Warning: {' '.join(text.split())}\n" for text in results.warnings)
    return head + warnings + "\n".join(latex.to_latex(table, results.study) for table in papers)

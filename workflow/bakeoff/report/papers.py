"""The tables of a comparison as two whole files: comparison.md and comparison.tex."""

from __future__ import annotations

from collections.abc import Sequence

from bakeoff.report import across, factorial, latex, tables, tabular, words
from bakeoff.report.language import Say
from bakeoff.report.load import Results
from bakeoff.report.tabular import Table
from bakeoff.report.text import Names, markdown

OF_SCORES = ("score", "n", "difference", "crossed", "p", "rank")
"""The columns of scores made elsewhere, which have no costs and may have predictions."""


def of_scores(results: Results) -> list[Table]:
    """The tables of scores made elsewhere: the comparisons, and several data sets at once."""
    return [*tables.paper(results, Names({}), OF_SCORES), *across.tables(results, Names({}))]


def of_factors(results: Results) -> list[Table]:
    """What each factor does, and whether it does the same for all."""
    return factorial.tables(results, Names({}))


def in_words(results: Results) -> list[str]:
    """What each candidate's row says as a sentence for the paper, behind its place where there are several."""
    rows = [row for row in results.primary if not row.is_baseline]
    places = [", ".join(filter(None, (row.dataset, words.context(results, Names({}), row)))) for row in rows]
    several = len(set(places)) > 1
    return [
        f"{place}: {row.values['sentence']}" if several else str(row.values["sentence"])
        for place, row in zip(places, rows, strict=True)
    ]


def to_markdown(results: Results, title: str, papers: Sequence[Table], said: Sequence[str] = (), say: Say = str) -> str:
    """A page with all tables, what they say in words (`said`), and the warnings; `say` is the language of the last."""
    stamp = f"**{markdown(say(words.stamp(results)))}**\n\n" if results.partial else ""
    warnings = f"\n## {say('Warnings')}\n\n" * bool(results.warnings)
    warnings += "".join(f"- {markdown(say(w))}\n" for w in results.warnings)
    sentences = "\n## In words\n\n" * bool(said) + "".join(f"- {markdown(sentence)}\n" for sentence in said)
    return f"# {markdown(title)}\n\n{stamp}" + "\n".join(map(tabular.to_markdown, papers)) + sentences + warnings


def to_latex(results: Results, papers: Sequence[Table]) -> str:
    r"""To be \input by a paper."""
    head = (
        f"% Needs {latex.PACKAGES}. Other than Latin letters need lualatex and a font for them; Japanese: luatexja "
        "(texlive-lang-japanese).\n"
    )
    warnings = "".join(f"% Warning: {' '.join(text.split())}\n" for text in results.warnings)
    return head + warnings + "\n".join(latex.to_latex(table, results.study) for table in papers)

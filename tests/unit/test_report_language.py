"""A report in Japanese: nothing is left in English but names, no letter is a box, English stays as it was."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import pytest
import report_fixture
from matplotlib.figure import Figure

from bakeoff.report import figures, language, lettering, step
from bakeoff.report.language import texts_of, translator, wrapped
from bakeoff.report.load import load
from bakeoff.report.text import Names

SOURCE = Path(language.__file__).parent
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")
SPEC = {"study": "demo", "title": "Demo", "language": "ja"}
# English that is right in a Japanese page: what is typed, titles of works, units.
ALLOWED = re.compile(r"expected gradients|python \S+|torch \S+|AMD EPYC \S+|bakeoff|worst_diff|comparison\.(csv|json)")


@pytest.fixture(scope="module")
def page(tmp_path_factory) -> str:
    results = tmp_path_factory.mktemp("results")
    report_fixture.write_study(results, probed=True)
    return step.run(SPEC | {"prints": []}, "0" * 16, results).read_text(encoding="utf-8")


def names_and_numbers(text: str) -> str:
    return re.sub(r"<(script|style|pre|code)\b.*?</\1>|<(?:[^<>\"]|\"[^\"]*\")*>", "\n", text, flags=re.DOTALL)


# --- the catalogue ------------------------------------------------------------------------------------------------


def test_a_translation_has_the_fields_of_its_text_and_no_others() -> None:
    for source, target in texts_of("ja").items():
        fields = set(re.findall(r"\{([a-z_]+)\}", source))
        if fields:
            assert {name for _, name, *_ in string.Formatter().parse(target) if name} == fields, source
        assert target != source


# Patterns, LaTeX and styles; what the terminal alone shows.
SILENT = {
    "embedded", "latex", "language", "lettering", "papers", "planned", "tabular", "html", "interactive", "columns",
    "gallery",  # docs/studies, in English
}  # fmt: skip
UNSAID = {"outside lower center", "has no column", "was not asked for", "snakemake --cores all"}


def literals() -> Iterator[tuple[str, str]]:
    """The parts without a value of each text of two words and more that the report writes; not of docstrings."""
    for path in sorted(SOURCE.glob("*.py")):
        if path.stem in SILENT:
            continue
        tree = ast.parse(path.read_text(encoding="utf-8"))
        silent = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        silent |= {id(part) for node in ast.walk(tree) if isinstance(node, ast.Raise) for part in ast.walk(node)}
        for node in ast.walk(tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
                yield path.name, node.value


def test_every_text_of_the_report_has_a_translation() -> None:
    """A text that is put together, or a part of one, stands in a template; "wrong lines" would be left in English."""
    known = "\n".join(texts_of("ja"))
    lower = known.lower()
    missing = []
    for file, text in literals():
        pieces = re.split(r"(?<=[.;:,])\s+|\s*\n\s*", text)
        for piece in pieces:
            words = piece.strip(" .;:,()")
            if len(re.findall(r"[A-Za-z]{2,}", words)) >= 3 and " " in words and words.lower() not in lower:
                missing.append((file, words))
    assert [entry for entry in missing if entry[1] not in UNSAID] == []


# --- sentences ----------------------------------------------------------------------------------------------------


def test_a_text_is_put_together_from_its_parts() -> None:
    say = translator("ja", {"lenet5", "none"})
    assert say("Accuracy on d: models compared with lenet5") == "dにおける正解率: lenet5を基準としたモデルの比較"
    assert say("12 of 15 runs done.") == "15回の実行のうち12回が完了。"
    assert say("Better than lenet5: a by +1.0 (+0.5 to +1.5) points; b by +2.0 (+1.0 to +3.0) points.") == (
        "lenet5より優れる: a +1.0（+0.5〜+1.5）ポイント；b +2.0（+1.0〜+3.0）ポイント。"
    )


def test_a_sentence_is_not_taken_for_a_part_of_one() -> None:
    say = translator("ja", {"Digits", "Net", "standard", "none"})
    assert say("Net has the highest mean accuracy: 98.5% on Digits (n\u00a0=\u00a05, augmentation standard).") == (
        "最高の平均正解率はNet: Digitsで98.5%（n\u00a0=\u00a05、データ拡張 standard）。"
    )
    twice = "98.5% on Digits (n\u00a0=\u00a05, model Net), with the same mean in 2 other groups"
    assert say(f"Net has the highest mean accuracy: {twice}.") == (
        "最高の平均正解率はNet: Digitsで98.5%（n\u00a0=\u00a05、モデル Net）、ほかの2群でも同じ平均。"
    )
    place = "98.5% on Digits (n\u00a0=\u00a05, model Net), not separable from standard"
    assert say(f"Augmentation none has the highest mean accuracy: {place}.") == (
        "最高の平均正解率はデータ拡張 none: Digitsで98.5%（n\u00a0=\u00a05、モデル Net）、standardとは区別できない。"
    )


def test_the_precision_of_answers_is_not_that_of_numbers() -> None:
    say = translator("ja")
    assert (say("Precision"), say("Numeric precision")) == ("適合率", "数値精度")


def test_names_are_never_translated() -> None:
    say = translator("ja", {"none", "accuracy", "Model"})
    assert say("none") == "none"
    assert say("Model") == "Model"
    assert say("Mean accuracy") == "平均accuracy"  # a class or a model may have that name


def test_what_no_template_fits_stays_as_it_is() -> None:
    assert translator("ja")("A sentence of somebody else. Yet another.") == "A sentence of somebody else. Yet another."


def test_english_changes_nothing() -> None:
    say = translator("en")
    assert say("Accuracy") == "Accuracy"
    assert say.page('<html lang="en"><p title="Model">Model</p>') == '<html lang="en"><p title="Model">Model</p>'


def test_code_and_scripts_of_a_page_stay_and_what_is_translated_is_escaped() -> None:
    html = '<html lang="en"><p title="Model">Mean &lt;i&gt;</p><code>Model</code><script>"Model"</script>'
    assert translator("ja").page(html) == (
        '<html lang="ja"><p title="モデル">平均&lt;i&gt;</p><code>Model</code><script>"Model"</script>'
    )


def test_lines_are_no_wider_than_asked_and_none_begins_with_a_full_stop() -> None:
    lines = wrapped("これは長い注記である。次の文はここから始まる。 and some words", 20)
    assert all(language.width(line) <= 22 for line in lines)
    assert not any(line.startswith("。") for line in lines)
    assert wrapped("これは九文字です（注記）", 18) == ["これは九文字です", "（注記）"]
    assert "".join(lines).replace(" ", "") == "これは長い注記である。次の文はここから始まる。andsomewords"


def test_a_number_stays_on_the_line_of_its_sign() -> None:
    assert wrapped("LeNet-5 by Tiny CNN (P = 0.98)", 24) == ["LeNet-5 by Tiny CNN", "(P = 0.98)"]
    assert wrapped("によるものでP = 1.00）。", 14) == ["によるもので", "P = 1.00）。"]


# --- the report ---------------------------------------------------------------------------------------------------


def test_the_page_is_in_japanese(page: str) -> None:
    assert '<html lang="ja">' in page
    lines = (ALLOWED.sub("", line) for line in names_and_numbers(page).split("\n"))
    english = [line.strip() for line in lines if re.search(r"\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\b", line)]
    assert [line for line in english if "test images are also in training" not in line] == []  # a made-up warning


def test_tables_are_in_japanese(tmp_path) -> None:
    report_fixture.write_study(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FIGURES", {})
        step.run(SPEC, "0" * 16, tmp_path)
    folder = tmp_path / "demo" / "tables" / "model"
    head = (folder / "digits.csv").read_text(encoding="utf-8").splitlines()[0]
    assert head.startswith("グループ,モデル,パラメータ数")
    tex = (folder / "digits.tex").read_text(encoding="utf-8")
    assert "。." not in tex
    assert "S[table-format=+1.3]@{\\ }l" in tex  # differences still stand by their decimal points
    assert '<html lang="ja">' in (folder / "digits.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("code", ["en", "ja"])
def test_no_letter_of_any_figure_is_a_box(tmp_path, capsys, code: language.Code) -> None:
    """With Japanese labels: those may be there in English reports, too."""
    report_fixture.write_study(tmp_path, probed=True)
    results = load(tmp_path / "demo")
    names = Names({"lenet5": "畳み込み網", "none": "拡張なし", "digits": "手書き数字"})
    figures.write(results, names, tmp_path / "figures", translator(code, names.labels.values()), ["png"])
    assert capsys.readouterr().err == ""


def test_a_letter_that_no_font_has_is_named(tmp_path, capsys) -> None:
    report_fixture.write_study(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(figures, "FIGURES", {"seeds": figures.FIGURES["seeds"]})
        patch.setattr(lettering, "families", lambda: [lettering.LATIN])
        figures.write(load(tmp_path / "demo"), Names({"lenet5": "網"}), tmp_path / "figures", formats=["png"])
    assert "figures show boxes for 網: " in capsys.readouterr().err


def test_a_figure_is_translated_with_its_tick_labels() -> None:
    with matplotlib.rc_context({"font.family": lettering.families()}):
        figure = Figure()
        axes = figure.subplots()
        axes.set(xlabel="Predicted", title="Mean rank")
        axes.set_yticks([0, 1], ["all models", "lenet5"])
        lettering.translate(figure, translator("ja", {"lenet5"}))
        figure.draw_without_rendering()
        assert (axes.get_xlabel(), axes.get_title()) == ("予測", "平均順位")
        assert [label.get_text() for label in axes.get_yticklabels()] == ["全モデル", "lenet5"]

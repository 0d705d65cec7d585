"""`bakeoff compare SCORES.csv`: anybody's numbers, from files to tables; what is wrong is said with its line."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path

import pandas as pd
import pytest
from command_line import Call
from scores_fixture import SCORES, record, refusal, row, scores, table

from bakeoff import provenance

HOSTILE = "<img src=x onerror=alert(1)>"
LATEX = r"50% of $a_1$ & \input{x} #1 ~ ^{2}"


@pytest.fixture
def call(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Call:
    """`bakeoff compare`, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    return partial(call, "compare")


# --- from files to tables -----------------------------------------------------------------------------------------


def test_scores_become_four_files_and_a_table_on_the_terminal(call: Call) -> None:
    Path("scores.csv").write_text(scores())
    result = call("scores.csv", "--baseline", "resnet18", "--out", "there/mine", "--resamples", "200")
    assert (result.status, result.err) == (0, "")
    files = {name: Path("there/mine") / f"comparison.{name}" for name in ("csv", "json", "md", "tex")}
    assert all(f"written: {path}" in result.out for path in files.values())
    assert {path.name for path in Path("there/mine").iterdir()} == {path.name for path in files.values()}

    body = provenance.read_record(files["json"], "comparison")
    assert body["primary_metric"] == {"name": "accuracy", "unit": "fraction", "direction": "max"}
    found = row(body)
    assert found["n_pairs"] == 5
    assert found["diff"] == pytest.approx(0.009, abs=1e-12)
    assert (found["verdict"], found["stars"], found["family_size"]) == ("better", "★★", 1)
    assert {found[name] for name in ("params", "macs", "latency_ms_p50", "train_seconds")} == {None}
    assert body["spec"]["inputs"].keys() == {"scores.csv"}
    assert list(pd.read_csv(files["csv"])["candidate"]) == ["resnet18", "resnet34"]
    for text in (result.out, files["md"].read_text()):
        assert "94.12 ± 0.19" in text
        assert "95.02 ± 0.19" in text
    assert "Params" not in files["md"].read_text()
    assert "unknown" not in files["md"].read_text()  # of machines, nothing is said
    assert r"\begin{tabular}" in files["tex"].read_text()


def test_standard_input_and_neither_order_nor_axes_that_are_named_matter(call: Call) -> None:
    plain = scores().splitlines()
    shuffled = plain[1:]
    random.Random(1).shuffle(shuffled)
    first = call("-", "--baseline", "resnet18", "--json", stdin="\n".join(plain).encode())
    again = call("-", "--baseline", "resnet18", "--json", stdin="\n".join([plain[0], *shuffled]).encode())
    assert first.out == again.out
    named = [f"test set,default,{line}" for line in plain[1:]]
    third = call(
        "-", "--baseline", "resnet18", "--json", stdin="\n".join(["dataset,augmentation," + plain[0], *named]).encode()
    )
    mine, theirs = (row(json.loads(text)) for text in (first.out, third.out))
    for name in ("mean", "std", "diff", "diff_ci_lo", "t", "p_raw", "p_exact", "p_adj", "stars", "verdict"):
        assert mine[name] == theirs[name], name
    assert theirs["context"] == {"augmentation": "default"}


def test_another_factor_is_compared_within_what_is_held_fixed(call: Call) -> None:
    values = [
        (model, augmentation, seed, 0.8 + 0.01 * (augmentation == "flip") + 0.05 * (model == "b") + 0.001 * seed * bias)
        for bias, model in enumerate("ab", 1)
        for augmentation in ("none", "flip")
        for seed in range(4)
    ]
    text = table(values, "model,augmentation,seed,value")
    options = ("--metric", "accuracy", "--factor", "augmentation")
    within = record(call, text, *options, baseline="none")
    assert [(r["candidate"], r["context"]) for r in within["rows"]] == [
        (candidate, {"model": model}) for model in "ab" for candidate in ("none", "flip")
    ]
    (pooled,) = [r for r in record(call, text, *options, "--within", "dataset", baseline="none")["rows"] if r["diff"]]
    assert pooled["context"] == {}
    assert pooled["diff"] == pytest.approx(0.01)


def test_several_data_sets_and_factors_have_their_own_tables(call: Call) -> None:
    rng = random.Random(2)
    text = table(
        (
            (f"set{d}", model, augmentation, seed, 0.7 + 0.03 * d + 0.02 * (model == "b") + rng.gauss(0, 0.002))
            for d in range(6)
            for model in "ab"
            for augmentation in ("none", "flip")
            for seed in range(3)
        ),
        "dataset,model,augmentation,seed,value",
    )
    Path("s.csv").write_text(text)
    options = ("--baseline", "a", "--metric", "accuracy", "--resamples", "200")
    result = call("s.csv", *options, "--out", "out")
    assert result.status == 0, result.err
    body, page = json.loads(Path("out/comparison.json").read_text()), Path("out/comparison.md").read_text()
    assert [(entry["context"], len(entry["datasets"])) for entry in body["across"]] == [
        ({"augmentation": "flip"}, 6), ({"augmentation": "none"}, 6),
    ]  # fmt: skip
    assert len(body["factorial"]) == 6
    for shown in (result.out, page):
        assert "over 6 data sets" in shown
    assert "interactions" in page
    assert "interactions" not in result.out
    assert "- set3, Augmentation flip: " in page


def test_settings_reach_the_statistics(call: Call) -> None:
    text = scores({**SCORES, "b": (0.942, 0.941, 0.943, 0.939, 0.943)})
    plain = record(call, text)
    assert plain["alpha"] == [0.05, 0.01]
    assert row(plain)["p_adj"] == pytest.approx(2 * row(plain)["p_raw"])
    changed = record(call, text, "--alpha", "0.001", "--correction", "none", "--rope", "0.02", "--seeds-planned", "3")
    assert (changed["alpha"], changed["correction"]) == ([0.001], "none")
    assert row(changed)["p_adj"] == row(plain)["p_raw"]
    assert row(changed)["rope"] == 0.02
    assert any("planned" in warning for warning in row(changed)["warnings"])
    splits = ("--split", "resampled", "--n-train", "4000", "--n-test", "1000")
    resampled = row(record(call, text, *splits))
    assert resampled["p_used"] == resampled["p_nb"] > row(plain)["p_raw"]
    shown = call(
        "scores.csv", "--baseline", "resnet18", "--split", "resampled", "--n-train", "4000", "--n-test", "1000"
    )
    assert "(resampled)" in shown.out
    assert "(resampled) each seed drew its own split" in " ".join(shown.out.split())


def test_a_metric_of_ones_own_needs_a_direction_and_knows_no_range(call: Call) -> None:
    text = scores({"resnet18": (31.0, 30.5, 31.2, 30.8), "resnet34": (28.0, 27.1, 28.8, 27.9)}, "milliseconds (p50)")
    assert "--direction" in refusal(call, text)
    found = record(call, text, "--direction", "min", "--unit", "ms")
    assert found["primary_metric"] == {"name": "milliseconds (p50)", "unit": "ms", "direction": "min"}
    assert row(found)["verdict"] == "better"
    by_column = "\n".join(f"{line},{'min' if i else 'direction'}" for i, line in enumerate(text.splitlines()))
    assert row(record(call, by_column))["verdict"] == "better"
    assert "contradict" in refusal(call, by_column, "--direction", "max")


def test_other_metrics_are_rows_without_stars_and_those_of_no_direction_are_left_out(call: Call) -> None:
    text = scores() + scores(metric="macro_f1").partition("\n")[2] + scores(metric="mystery").partition("\n")[2]
    found = record(call, text)
    assert [(r["metric"], r["candidate"], r["verdict"]) for r in found["rows"] if r["diff"]] == [
        ("accuracy", "resnet34", "better"), ("macro_f1", "resnet34", "exploratory"),
    ]  # fmt: skip
    assert any("mystery is left out" in warning for warning in found["warnings"])


def test_any_text_is_a_name_and_is_printed_as_text(call: Call) -> None:
    names = (HOSTILE, LATEX, "[red]日本語", "=1+1")
    values = {name: [v + k / 100 for v in SCORES["resnet18"]] for k, name in enumerate(names)}
    Path("scores.csv").write_text(scores(values), encoding="utf-8")
    result = call("scores.csv", "--baseline", HOSTILE, "--out", "out")
    assert result.status == 0, result.err
    page, paper = Path("out/comparison.md").read_text(), Path("out/comparison.tex").read_text()
    assert "<img" not in page
    assert "&lt;img src=x onerror=alert(1)&gt;" in page
    assert r"50\% of \$a\_1\$ \& \textbackslash{}input\{x\} \#1" in paper
    assert r"\input{x}" not in paper
    assert HOSTILE in result.out
    assert "[red]日本語" in result.out
    assert row(json.loads(Path("out/comparison.json").read_text()), LATEX)["candidate"] == LATEX


# --- runs that are not there --------------------------------------------------------------------------------------


def test_what_has_no_value_failed_and_is_counted(call: Call) -> None:
    values = [[m, s, "accuracy", v] for m, by_seed in SCORES.items() for s, v in enumerate(by_seed)]
    for place, text in ((0, ""), (6, "nan"), (7, "-inf")):
        values[place][3] = text
    found = record(call, table(values))
    assert (row(found)["n_ok"], row(found)["n_base"], row(found)["n_pairs"]) == (3, 4, 2)
    assert row(found)["seeds_dropped"] == [0, 1, 2]
    assert any("failed at seed 1 2: dropped" in warning for warning in row(found)["warnings"])
    assert "3 of 10 runs failed" in found["warnings"]
    assert [cell["missing"] for cell in found["cells"]] == [1, 2]


def test_a_status_says_how_a_run_ended(call: Call) -> None:
    values = [[m, s, v, "ok"] for m, by_seed in SCORES.items() for s, v in enumerate(by_seed)]
    values[5][3], values[6][3] = "diverged", "missing"
    found = record(call, table(values, "model,seed,value,status"), "--metric", "accuracy")
    assert row(found)["seeds_used"] == [2, 3, 4]
    assert {"1 of 10 runs are missing", "1 of 10 runs diverged"} <= set(found["warnings"])


# --- what is wrong with a file ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "s.csv: is empty"),
        ("model,seed,metric,value\n", "s.csv: has a header and no scores below it"),
        (
            "model,seed,metric\nresnet18,0,accuracy\n",
            "s.csv: line 1: there is no column 'value' (needed: model, seed, value; there: model, seed, metric)",
        ),
        (
            "modell,seed,metric,value\na,0,accuracy,1\n",
            "s.csv: line 1: there is no column 'model'; is 'modell' meant? (needed: model, seed, value; "
            "there: modell, seed, metric, value)",
        ),
        ("model,seed,seed,value\na,0,0,1\n", "s.csv: line 1: column 'seed' is there twice"),
        (
            "model,seed,value\na,0,1\n",
            "s.csv: has no column 'metric'; name the metric of its values, as in --metric accuracy",
        ),
        (
            scores() + "resnet18,5,accuracy,high\n",
            "s.csv: line 12: value: 'high' is no number; leave it empty for a run that failed",
        ),
        (
            scores() + 'resnet18,5,accuracy,"0,94"\n',
            "s.csv: line 12: value: '0,94' is no number; write a decimal point",
        ),
        (scores() + "resnet18,5,accuracy,94%\n", "s.csv: line 12: value: '94%' is no number; leave the % away"),
        (scores() + "resnet18,5,accuracy,1e101\n", "s.csv: line 12: value: '1e101' is too large to compute with"),
        (scores() + "resnet18,one,accuracy,0.9\n", "s.csv: line 12: seed: 'one' is no whole number"),
        (
            scores() + "resnet18,5,accuracy,0.9,more\n",
            "s.csv: line 12: has 5 values, and the header 4 columns; names and numbers with the delimiter "
            "in them need quotes",
        ),
        (scores() + ",5,accuracy,0.9\n", "s.csv: line 12: model: is empty"),
        (
            scores() + '"a\x1b[2J",5,accuracy,0.9\n',
            "s.csv: line 12: model: 'a\\\\x1b[2J' holds a control character or a line end",
        ),
        (
            scores() + "resnet18,3,accuracy,0.9\n",
            "s.csv: lines 5 and 12: both are accuracy of resnet18 at seed 3; two "
            "scores of one run are never averaged: remove one, or give another seed",
        ),
        (
            scores() + "resnet18,5,accuracy,94.1\n",
            "s.csv: accuracy is 0.939 in line 3 and 94.1 in line 12: fractions mixed with per cent? Write "
            "all in one of them, or say which they are: --unit percent",
        ),
        (scores() + "resnet18,5,accuracy,-0.1\n", "s.csv: line 12: accuracy is -0.1, outside of 0 to 1"),
        (scores().replace("0.9", "190."), "s.csv: line 2: accuracy is 190.41, outside of 0 to 100"),
        (
            "model,seed,value,status\na,0,1,lost\n",
            "s.csv: line 2: status: 'lost' is none; choose from ok, done, failed, oom, diverged, missing",
        ),
        (
            b"PK\x03\x04rest",
            's.csv: is a workbook (.xlsx) or another archive, not a CSV; save it as "CSV UTF-8" first',
        ),
        (
            "model,seed,metric,value\n\u30e2\u30c7\u30eb,0,accuracy,0.9\n".encode("cp932"),
            's.csv: line 2: is not UTF-8 (Shift_JIS?); save it as "CSV UTF-8"',
        ),
    ],
)
def test_what_is_wrong_is_said_with_its_line(call: Call, text: str | bytes, message: str) -> None:
    options = ("--metric", "accuracy") if b"status" in (text if isinstance(text, bytes) else text.encode()) else ()
    assert refusal(call, text, *options) == message


def test_what_spreadsheets_write_is_read(call: Call) -> None:
    wanted = record(call, scores())["rows"]
    for data in (
        scores().encode("utf-8-sig"),
        scores().replace(",", ";").replace("\n", "\r\n").encode(),
        scores().replace(",", "\t").encode("utf-16"),
        scores().replace("model,seed", "Model , SEED").encode(),
        scores().replace("value\n", "value\n\n").replace(",0,", ",0.0,").encode(),
    ):
        Path("other.csv").write_bytes(data)
        result = call("other.csv", "--baseline", "resnet18", "--resamples", "200", "--json")
        assert result.status == 0, result.err
        assert json.loads(result.out)["rows"] == wanted


def test_a_column_that_nothing_reads_is_named(call: Call) -> None:
    text = scores().replace("metric,value", "metric,value,augmentaton")
    lines = [text.splitlines()[0], *(f"{line},flip" for line in text.splitlines()[1:])]
    assert (
        "scores.csv: column augmentaton is not read; is 'augmentation' meant?"
        in record(call, "\n".join(lines))["warnings"]
    )


@pytest.mark.parametrize("column", ["test_hash", "split_id"])
def test_pairs_on_two_test_sets_are_refused_and_splits_that_seeds_share_are_not(call: Call, column: str) -> None:
    values = [[m, s, "accuracy", v, f"h{s}"] for m, by_seed in SCORES.items() for s, v in enumerate(by_seed)]
    header = f"model,seed,metric,value,{column}"
    found = record(call, table(values, header))
    assert row(found)["n_pairs"] == 5
    assert any("test images differ among seeds; --split resampled" in warning for warning in found["warnings"])
    values[7][4] = "other"
    assert refusal(call, table(values, header)) == (
        f"s.csv: lines 4 and 9: seed 2 of resnet18 has {column} h2, of resnet34 {column} other: "
        "runs on two test sets do not compare"
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ((), "--baseline: name the model to compare with; there are resnet18, resnet34"),
        (("--baseline", "resnet81"), "--baseline: 'resnet81' is no model of these scores; did you mean resnet18"),
        (("--baseline", "resnet18", "--metric", "acc"), "--metric: s.csv has no 'acc'; there are accuracy"),
        (("--baseline", "resnet18", "--factor", "seed"), "--factor: 'seed' is none; choose from model, augmentation"),
        (("--baseline", "resnet18", "--alpha", "5%"), "--alpha: '5%' is no list of numbers such as 0.05,0.01"),
        (("--baseline", "resnet18", "--alpha", "0.01,0.05"), "compare: alpha: must descend"),
        (("--baseline", "resnet18", "--split", "resampled"), "compare: split: resampled needs n_train and n_test"),
        (("--baseline", "resnet18", "--within", "seed"), "--within: 'seed' is none; choose from dataset, model"),
        (("--baseline", "resnet18", "--rope", "1.5"), "--rope: 1.5 is 150 points; accuracy is in fractions here"),
        (("--baseline", "resnet18", "--partial"), "--partial: is for studies"),
        (("--baseline", "resnet18", "--predictions", "none.csv"), "none.csv: cannot be read: No such file"),
    ],
)
def test_an_option_that_is_wrong_is_named(call: Call, options: tuple[str, ...], message: str) -> None:
    Path("s.csv").write_text(scores())
    result = call("s.csv", *options)
    assert result.status == 1
    assert result.err.startswith(f"bakeoff: {message}")


def test_a_study_takes_no_options_of_scores(call: Call) -> None:
    result = call("config.yaml", "--baseline", "resnet18")
    assert result.err == "bakeoff: --baseline: is for scores made elsewhere; a study has its settings in its file\n"


def test_a_name_that_is_a_formula_is_text_in_the_csv_and_as_it_was_in_the_json(call: Call) -> None:
    name = "=HYPERLINK(0)"
    Path("scores.csv").write_text(scores().replace("resnet34", name))
    call("scores.csv", "--baseline", "resnet18", "--out", "mine", "--resamples", "200")
    listed = pd.read_csv("mine/comparison.csv")
    assert list(listed["candidate"]) == ["resnet18", f"'{name}"]
    assert listed["sentence"][1].startswith("On this")
    assert listed["diff"][1] == pytest.approx(0.009)
    assert row(provenance.read_record(Path("mine/comparison.json"), "comparison"), name)["candidate"] == name


def test_a_claim_of_equivalence_is_corrected_as_one_of_a_difference(call: Call) -> None:
    base = (0.9, 0.91, 0.905, 0.9, 0.91)
    close = (0.905, 0.907, 0.906, 0.904, 0.908)
    alone = row(record(call, scores({"resnet18": base, "a": close})), "a")
    assert alone["verdict"] == "equivalent"
    assert 0.025 < alone["p_tost"] == alone["p_tost_adj"] < 0.05
    among = record(
        call,
        scores({"resnet18": base, "a": close, "b": (0.88, 0.9, 0.92, 0.95, 0.85), "c": (0.86, 0.95, 0.9, 0.89, 0.93)}),
    )
    found = row(among, "a")
    assert found["p_tost"] == alone["p_tost"]
    assert found["p_tost_adj"] > 2 * found["p_tost"]
    assert found["verdict"] == "inconclusive"

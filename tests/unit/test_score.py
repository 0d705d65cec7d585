"""`bakeoff score`: files of any system, which run each is, what is refused and how, and the table that follows."""

from __future__ import annotations

import io
import json
import zipfile

import numpy as np
import pandas as pd
import pytest
from command_line import Call

from bakeoff.errors import UserError
from bakeoff.evaluate import step
from bakeoff.score.assemble import TASKS
from bakeoff.score.runs import named, runs
from bakeoff.score.task import Options

CLASSES, IMAGES = 4, 60


def answers(system: int, seed: int):
    """Ids, true classes and logits of a run, images in an order of its own."""
    rng = np.random.default_rng(99)
    y_true, hard = rng.integers(0, CLASSES, IMAGES), rng.normal(size=IMAGES)
    rng = np.random.default_rng([system, seed])
    logits = rng.normal(size=(IMAGES, CLASSES))
    logits[np.arange(IMAGES), y_true] += hard + system
    order = rng.permutation(IMAGES)
    return np.array([f"i{k:03d}" for k in range(IMAGES)])[order], y_true[order], logits[order]


def as_csv(ids, y_true, logits, **more) -> bytes:
    table = {"example_id": ids, "y_true": y_true, **{f"logit_{k}": logits[:, k] for k in range(CLASSES)}, **more}
    return pd.DataFrame(table).to_csv(index=False).encode()


def as_npz(**arrays) -> bytes:
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return packed.getvalue()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two systems of three seeds each, one as CSV, one as npz."""
    monkeypatch.chdir(tmp_path)
    for seed in range(3):
        ids, y_true, logits = answers(1, seed)
        (tmp_path / f"weak_seed{seed}.csv").write_bytes(as_csv(ids, y_true, logits))
        ids, y_true, logits = answers(2, seed)
        (tmp_path / f"strong-seed{seed}.npz").write_bytes(as_npz(example_id=ids, y_true=y_true, logits=logits))
    return tmp_path


def files(folder) -> list[str]:
    return sorted(path.name for path in folder.glob("*seed*"))


def test_predictions_go_to_the_table_that_compare_makes_of_the_same_answers(folder, call: Call) -> None:
    scored = call("score", *files(folder), "--task", "classification", "--baseline", "weak", "--out", "out")
    assert scored.status == 0, scored.err
    assert "strong" in scored.out
    unasked = call("score", "weak_seed0.csv", "strong-seed0.npz", "--task", "classification", "--metric", "log_loss")
    assert "Log loss on test set: models compared with weak" in unasked.out
    assert {path.name for path in (folder / "out").iterdir()} == {
        "comparison.csv",
        "comparison.json",
        "comparison.md",
        "comparison.tex",
    }
    rows = json.loads((folder / "out/comparison.json").read_text())["rows"]
    lines = []
    for system, name in ((1, "weak"), (2, "strong")):
        for seed in range(3):
            ids, y_true, logits = answers(system, seed)
            table = {"model": name, "seed": seed, "example_id": ids, "y_true": y_true, "y_pred": logits.argmax(axis=1)}
            lines.append(pd.DataFrame(table))
    pd.concat(lines).to_csv(folder / "answers.csv", index=False)
    asked = ("--baseline", "weak", "--json")
    other = json.loads(call("compare", "--predictions", "answers.csv", *asked).out)["rows"]
    of_accuracy = [row for row in rows if row["metric"] == "accuracy"]
    for mine, theirs in zip(of_accuracy, [row for row in other if row["metric"] == "accuracy"], strict=True):
        assert mine == theirs
    strong = of_accuracy[1]
    assert strong["crossed_p"] is not None
    by_metric = {row["metric"]: row for row in rows if row["candidate"] == "strong"}
    assert by_metric["log_loss"]["crossed_p"] is not None
    assert by_metric["ece"]["crossed_p"] is None  # no row has a part in it
    assert {"top5", "overfitting_gap", "ece_calibrated"}.isdisjoint(by_metric)


def test_a_runs_own_file_is_scored_as_evaluate_scores_it(train_run, tmp_path, call: Call) -> None:
    """Whatever else it holds: validation images."""
    run = tmp_path / "lenet5" / "seed0"
    train_run(run, epochs=1)
    step.run({}, run, "0" * 16)
    path = str(run / "predictions.npz")
    found = json.loads(call("score", path, "--task", "classification", "--baseline", "lenet5", "--json").out)
    expected = json.loads((run / "metrics.json").read_text())["metrics"]
    scored = {row["metric"]: row["mean"] for row in found["rows"]}
    assert len(scored) > 15
    assert scored == {name: pytest.approx(expected[name]["value"], rel=1e-9) for name in scored}


def test_system_and_seed_are_in_the_name() -> None:
    assert named("a/resnet18_seed3.csv") == ("resnet18", 3)
    assert named("resnet18/Seed-12.parquet") == ("resnet18", 12)
    assert named("models/resnet18/seed3/predictions.npz") == ("resnet18", 3)
    assert named("vendor v2.csv") == ("vendor v2", 0)
    own = "/x/results/runs/digits/lenet5/standard/my-recipe-0123456789ab/seed4/predictions.npz"
    assert named(own) == ("lenet5/standard/my-recipe", 4)


def test_one_file_may_hold_all_runs_and_names_win_over_the_files() -> None:
    tables = []
    for system in (1, 2):
        for seed in (7, 8):
            ids, y_true, logits = answers(system, seed)
            tables.append(pd.read_csv(io.BytesIO(as_csv(ids, y_true, logits, system=f"s{system}", seed=seed))))
    whole = pd.concat(tables).to_csv(index=False).encode()
    found = runs([("x_seed1.csv", whole)], TASKS["classification"])
    assert [(run.system, run.seed) for run in found] == [("s1", 7), ("s1", 8), ("s2", 7), ("s2", 8)]
    first = found[0].columns.texts("example_id")
    assert all((run.columns.texts("example_id") == first).all() for run in found)
    ids, y_true, logits = answers(1, 0)
    packed = as_npz(y_true=y_true, logits=logits, system="other", seed=5)
    (alone,) = runs([("x_seed1.npz", packed)], TASKS["classification"])
    assert (alone.system, alone.seed) == ("other", 5)


def test_parquet_is_read_as_csv_is() -> None:
    pytest.importorskip("pyarrow", reason="needs the extra parquet")
    ids, y_true, logits = answers(1, 0)
    text = as_csv(ids, y_true, logits)
    packed = io.BytesIO()
    pd.read_csv(io.BytesIO(text)).to_parquet(packed)
    task = TASKS["classification"]
    (one,), (other,) = runs([("a.csv", text)], task), runs([("a.parquet", packed.getvalue())], task)
    np.testing.assert_array_equal(one.columns.matrix("logits"), other.columns.matrix("logits"))
    assert (one.columns.texts("y_true") == other.columns.texts("y_true")).all()


class Bomb:
    def __reduce__(self):
        raise AssertionError("was pickled for real")


def bomb() -> bytes:
    """Few bytes that unpack to many."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("logits.npy", b"\0" * 80_000_000)
    return packed.getvalue()


def csv(text: str) -> bytes:
    return text.encode()


@pytest.mark.parametrize(
    ("task", "data", "said"),
    [
        ("classification", csv("y_true,logit_0,logit_1\n0,1,2\n1,x,2\n"), "a.csv: row 2: logit_0: 'x' is no finite"),
        ("classification", csv("y_true,logit_0,logit_1\n0,1,2\n1,1,nan\n"), "row 2: logit_1: 'nan' is no finite"),
        ("classification", csv("y_true,logit_0,logit_1\n0,1,2\n2,1,2\n"), "row 2: y_true: '2' is no class of 0 to 1"),
        ("classification", csv("y_true,logit_0,logit_2\n0,1,2\n"), "numbered 0, 1, 2, ... and are 0, 2"),
        ("classification", csv("y_true,prob\n0,1\n"), "a.csv: there is no column 'y_pred' (there: y_true)"),
        ("classification", csv("y_true,probability_0,probability_1\n0,3,2\n"), "row 1: probabilities: they do not sum"),
        ("classification", csv("example_id,y_true,y_pred\n5,0,1\n5,0,1\n"), "row 2: example_id: '5' is there already"),
        ("classification", csv("y_true,y_pred\n"), "has a header and no row below it"),
        ("classification", csv("y_true,y_pred\n1,2,3\n"), "more values than the header"),
        ("classification", b"\xff\xfe\x00", "a.csv: "),
        ("classification", b"", "a.csv: is empty"),
        ("classification", b"PK\x03\x04rubbish", "a.csv: is damaged"),
        ("classification", b"\x93NUMPY", "one array without a name"),
        ("classification", as_npz(y_true=np.array([{}]), logits=np.ones((1, 2))), "Python objects, which are never"),
        ("classification", bomb(), "claims to unpack to 80,000,000 bytes"),
        ("classification", as_npz(y_true=[0, 1], logits=np.ones((3, 2))), "y_true has 2 rows, and logits has 3"),
        ("classification", as_npz(y_true=[0, 1], logits=np.ones(2)), "logits: must be numbers [N, C], and is float64"),
        ("regression", csv("y_true,y_pred\n1,2\n1,1e300\n"), "row 2: y_pred: '1e300' is too large"),
        ("regression", csv("target_0,target_1,output_0\n1,2,3\n"), "outputs: has 1 numbers a row, and 2 are true"),
        ("regression", csv("target_0,target_1\n1,2\n"), "there is no column 'outputs'"),
        ("regression", csv("y_true,y_pred\n1,\n"), "row 1: y_pred: '' is no finite number"),
        ("verification", csv("same,score\n1,0.5\n1,0.6\n"), "same: is 1 in every row; both kinds"),
        ("verification", csv("same,score\n2,0.5\n"), "row 1: same: '2' must be 0 or 1"),
        ("text", csv("log_prob,tokens\n0.5,2\n"), "row 1: log_prob: '0.5' is above 0"),
        ("text", csv("hypothesis\nwell\n"), "there is no column 'reference'"),
        ("generation", as_npz(features=np.ones((3, 2))), "--features: name what made the numbers of a.csv"),
        ("generation", as_npz(features=np.ones((3, 2)), made_by="net"), "--reference: a.csv has features"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_file_is_one_line(tmp_path, monkeypatch, call: Call, task, data, said) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_bytes(data)
    found = call("score", "a.csv", "--task", task, "--baseline", "a")
    assert found.status == 1
    assert said in found.err
    assert found.err.count("\n") == 1


def test_runs_that_are_not_of_the_same_rows_do_not_compare() -> None:
    task = TASKS["regression"]
    one = csv("example_id,y_true,y_pred\na,1,1\nb,2,2\n")
    for other, said in {
        "example_id,y_true,y_pred\nb,2,2\nc,1,1\n": "y.csv: example_id: y at seed 0 lacks 'a', which x.csv has",
        "example_id,y_true,y_pred\nb,2.0,2\na,1.5,1\n": "y.csv: row 2: y_true: '1.5' is not what x.csv says",
        "example_id,y_true,y_pred\nb,2.0,2\n": "y.csv: y at seed 0 has 1 rows, and x at seed 0 has 2",
        "y_true,y_pred\n1,1\n2,2\n": "y.csv: has no column example_id, which x.csv has",
    }.items():
        with pytest.raises(UserError) as found:
            runs([("x.csv", one), ("y.csv", csv(other))], task)
        assert said in str(found.value)
    runs([("x.csv", one), ("y.csv", csv("example_id,y_true,y_pred\nb,2.0,2\na,1.0,1\n"))], task)
    with pytest.raises(UserError, match=r"y/x\.csv: is x at seed 0, as x\.csv is"):
        runs([("x.csv", one), ("y/x.csv", one)], task)


def test_points_of_several_files_have_the_same_truth_in_any_order_and_form() -> None:
    task, header = TASKS["regression"], "example_id,target_0,target_1,output_0,output_1\n"
    first = as_npz(
        example_id=np.array([7, 8]), targets=np.array([[1, 2], [3, 4.5]]), outputs=np.array([[1, 2], [3, 4]])
    )
    read = runs([("x.npz", first), ("y.csv", csv(header + "8,3,4.50,3,4\n7,1.0,2,0,2\n"))], task)
    assert [task.measure(run.columns, Options()).values["distance"] for run in read] == [0.25, 0.75]
    with pytest.raises(UserError, match=r"y\.csv: row 1: targets: .* is not what x\.npz says of this row"):
        runs([("x.npz", first), ("y.csv", csv(header + "8,3,4.6,3,4\n7,1.0,2,0,2\n"))], task)
    with pytest.raises(UserError, match=r"y\.csv: targets: has 1 numbers a row, and x\.npz has 2"):
        runs([("x.npz", first), ("y.csv", csv("example_id,target_0,output_0\n8,3,4.6\n7,1.0,2\n"))], task)


def test_each_task_makes_a_table(tmp_path, monkeypatch, call: Call) -> None:
    """Regression, pairs, texts and generated images: two systems, three seeds; what differs is found."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(5)
    y_true, real = rng.normal(size=50), rng.normal(size=(80, 3))
    (tmp_path / "real.npz").write_bytes(as_npz(features=real, made_by="net"))
    for system, noise in (("good", 0.2), ("poor", 1.0)):
        for seed in range(3):
            off = noise * (1 + 0.1 * rng.normal()) * rng.normal(size=50)
            name = f"{system}_seed{seed}"
            (tmp_path / f"r_{name}.npz").write_bytes(
                as_npz(y_true=1e15 * y_true, y_pred=1e15 * (y_true + off), system=system)
            )
            same = (y_true > 0).astype(int)
            (tmp_path / f"v_{name}.npz").write_bytes(as_npz(same=same, score=y_true + off, system=system))
            logs = -np.abs(off) - 1
            (tmp_path / f"t_{name}.npz").write_bytes(as_npz(log_prob=logs, tokens=np.full(50, 2), system=system))
            made = real[:50] + off[:, None]
            (tmp_path / f"g_{name}.npz").write_bytes(as_npz(features=made, distance=np.abs(off), system=system))
    more = {"g": ("--features", "net", "--reference", "real.npz")}
    for task, primary in (
        ("regression", "rmse"),
        ("verification", "auc"),
        ("text", "perplexity"),
        ("generation", "fid (net)"),
    ):
        letter = task[0]
        names = sorted(path.name for path in tmp_path.glob(f"{letter}_*"))
        found = call("score", *names, "--task", task, "--baseline", "poor", "--json", *more.get(letter, ()))
        assert found.status == 0, found.err
        body = json.loads(found.out)
        assert body["primary_metric"]["name"] == primary
        (good,) = (row for row in body["rows"] if row["metric"] == primary and row["candidate"] == "good")
        assert good["rank"] == 1
        assert (good["crossed_p"] is None) == (task == "generation")
        assert good["n_pairs"] == 3
        if task == "regression":  # however large the numbers are
            assert all(row["crossed_p"] is not None for row in body["rows"] if row["candidate"] == "good")
    assert any("FID is biased" in warning for warning in body["warnings"])

"""diagnostics.json and errors.npz: what is put together from the seeds of a cell, and what two models differ in."""

from __future__ import annotations

import json
import math
import shutil

import numpy as np
import pytest
from compare_tree import Tree
from scipy import stats

from bakeoff.compare import aggregate, pictures
from bakeoff.provenance import check_files, read_record

NAMES = ("a", "b", "c")
TRUTH = np.repeat(np.arange(3), 10)


def logits(answers, sure=4.0):
    """Predictions of three classes; `sure` is how far the answer's logit is above the others."""
    return (np.eye(3)[np.asarray(answers)] * np.asarray(sure)[..., None]).astype(np.float32)


def answers(**wrong):
    """All right, but for image i_<place> that is taken for the class given."""
    found = TRUTH.copy()
    for place, answer in wrong.items():
        found[int(place.removeprefix("i_"))] = answer
    return found


def study(tmp_path, models, **settings):
    return Tree(tmp_path / "results", models, **{"y_true": TRUTH, **settings})


def diagnosed(of, **changes):
    of.run(**changes)
    path = of.results / "tiny" / "diagnostics.json"
    record = read_record(path, "diagnostics")
    check_files(path, record, "errors.npz")
    return record


def cell_of(record, model):
    return next(cell for cell in record["cells"] if cell["model"] == model)


# --- over the seeds of a cell -------------------------------------------------------------------------------------


def test_curves_are_averaged_point_by_point():
    runs = [
        {"roc": {"fpr": [0.0, 0.5, 1.0], "classes": {"a": [0.0, 0.4, 1.0], "b": None}, "macro": [0.1, 0.5, 1.0]}},
        {"roc": {"fpr": [0.0, 0.5, 1.0], "classes": {"a": [0.0, 0.8, 1.0], "b": [0.2, 0.3, 1.0]}, "macro": None}},
        None,
    ]
    found = aggregate.curve(runs, "roc", "fpr")
    assert found["grid"] == [0.0, 0.5, 1.0]
    assert found["classes"]["a"] == {"mean": [0.0, 0.6, 1.0], "std": [0.0, round(0.4 / math.sqrt(2), 6), 0.0], "n": 2}
    assert found["classes"]["b"] == {"mean": [0.2, 0.3, 1.0], "std": [None] * 3, "n": 1}
    assert found["macro"] == {"mean": [0.1, 0.5, 1.0], "std": [None] * 3, "n": 1}
    assert aggregate.curve([None], "roc", "fpr") is None


def test_bins_of_all_seeds_are_one_set_of_images():
    first = [
        {"lo": 0.0, "hi": 0.5, "count": 1, "confidence": 0.4, "accuracy": 0.0},
        {"lo": 0.5, "hi": 1.0, "count": 0, "confidence": None, "accuracy": None},
    ]
    second = [
        {"lo": 0.0, "hi": 0.5, "count": 3, "confidence": 0.2, "accuracy": 1.0},
        {"lo": 0.5, "hi": 1.0, "count": 0, "confidence": None, "accuracy": None},
    ]
    full, empty = aggregate.pooled([first, second, None, []])
    assert full == {"lo": 0.0, "hi": 0.5, "count": 4, "confidence": pytest.approx(0.25), "accuracy": 0.75}
    assert empty == {"lo": 0.5, "hi": 1.0, "count": 0, "confidence": None, "accuracy": None}
    assert aggregate.pooled([]) == []


def row(threshold, **values):
    return {"threshold": threshold, **dict.fromkeys(("accuracy", "precision", "recall", "f1"), 0.5)} | {
        **dict.fromkeys(("tp", "fp", "tn", "fn"), 2), **values
    }  # fmt: skip


def test_thresholds_are_averaged_and_the_chosen_ones_kept():
    tables = [
        {
            "positive": "cat",
            "grid": [0.5, 1.0],
            "rows": [row(0.5, accuracy=0.8), row(1.0, precision=None)],
            "chosen": {"threshold": 0.4, "lo": 0.3, "hi": 0.5, "test": row(0.4, accuracy=0.9, tp=4)},
        },
        {
            "positive": "cat",
            "grid": [0.5, 1.0],
            "rows": [row(0.5, accuracy=0.6), row(1.0, precision=0.9)],
            "chosen": {"threshold": 0.6, "lo": 0.5, "hi": 0.7, "test": row(0.6, accuracy=0.7, tp=5)},
        },
        None,
    ]
    found = aggregate.thresholds(tables)
    assert (found["positive"], found["n"]) == ("cat", 2)
    assert found["rows"][0]["accuracy"] == pytest.approx(0.7)
    assert found["rows"][0]["accuracy_std"] == pytest.approx(0.2 / math.sqrt(2))
    assert (found["rows"][1]["precision"], found["rows"][1]["precision_n"]) == (0.9, 1)
    assert (found["chosen"]["mean"], found["chosen"]["n"]) == (0.5, 2)
    assert found["chosen"]["each"][1] == {"threshold": 0.6, "lo": 0.5, "hi": 0.7}
    assert (found["chosen"]["test"]["accuracy"], found["chosen"]["test"]["tp"]) == (pytest.approx(0.8), 4.5)
    assert aggregate.thresholds([None]) is None


def test_thresholds_that_no_validation_chose():
    found = aggregate.thresholds([{"positive": "cat", "grid": [0.5], "rows": [row(0.5)], "chosen": None}])
    assert found["chosen"] == {"mean": None, "std": None, "n": 0, "each": [], "test": None}


def test_a_cell_has_its_temperature_and_its_overfitting_over_seeds(tmp_path):
    of = study(tmp_path, {"lenet5": {0: 0.8, 1: 0.7, 2: None}})
    of.remeasure("lenet5", 1, {"overfitting_gap": 0.25})
    lenet = cell_of(diagnosed(of), "lenet5")
    assert lenet["n_runs"] == 2
    assert lenet["overfitting_gap"] == {
        "mean": pytest.approx(0.15), "std": pytest.approx(0.2 / math.sqrt(2)), "n": 2,
    }  # fmt: skip
    temperature = lenet["calibration"]["temperature"]
    assert (temperature["mean"], temperature["n"]) == (pytest.approx(1.55), 2)
    assert sum(part["count"] for part in lenet["calibration"]["bins"]) == 2 * 30
    assert lenet["thresholds"] is None
    assert set(lenet["roc"]["classes"]) == set(NAMES)


# --- the worst errors ---------------------------------------------------------------------------------------------


def test_worst_errors_are_those_that_seeds_agree_on_and_are_sure_of(tmp_path):
    sure = np.full(30, 4.0)
    sure[[3, 4]] = 8.0
    seeds = {
        0: logits(answers(i_3=1, i_5=2, i_12=0), sure),  # 3 and 5 are wrong at all seeds, 12 at one
        1: logits(answers(i_3=1, i_5=1, i_4=1), sure),
        2: logits(answers(i_3=2, i_5=2, i_4=1), sure),
    }
    first, second, third, fourth = cell_of(diagnosed(study(tmp_path, {"lenet5": seeds})), "lenet5")["worst"]
    assert [first[key] for key in ("example_id", "true", "predicted", "n_wrong", "n_runs")] == [3, "a", "b", 3, 3]
    assert first["confidence"] == pytest.approx(math.exp(8) / (math.exp(8) + 2))
    assert (second["example_id"], second["predicted"], second["n_wrong"]) == (5, "c", 3)
    assert (third["example_id"], third["n_wrong"]) == (4, 2)
    assert (fourth["example_id"], fourth["true"], fourth["predicted"]) == (12, "b", "a")


def test_a_model_without_errors_has_none(tmp_path):
    record = diagnosed(study(tmp_path, {"lenet5": {0: logits(TRUTH), 1: logits(TRUTH, 5.0)}}))
    assert cell_of(record, "lenet5")["worst"] == []
    assert record["pictures"] == {"digits": "no run classifies an image wrongly"}


# --- pictures -----------------------------------------------------------------------------------------------------


def test_pictures_of_the_worst_errors_are_copied(tmp_path):
    of = study(tmp_path, {"lenet5": {0: logits(answers(i_3=1, i_12=0))}})
    of.write_images(side=8)
    record = diagnosed(of)
    assert record["pictures"] == {"digits": None}
    with np.load(of.results / "tiny" / "errors.npz", allow_pickle=False) as arrays:
        assert arrays["ids-digits"].tolist() == [3, 12]
        assert (arrays["pixels-digits"].shape, arrays["pixels-digits"].dtype) == ((2, 1, 8, 8), np.uint8)
        assert arrays["pixels-digits"][:, 0, 0, 0].tolist() == [3, 12]


def test_the_same_results_give_the_same_bytes(tmp_path):
    of = study(tmp_path, {"lenet5": {0: 0.7, 1: 0.8}})
    of.write_images()
    of.run()
    file = of.results / "tiny" / "errors.npz"
    before = file.read_bytes()
    file.unlink()
    of.run()
    assert file.read_bytes() == before


def break_ids(folder):
    np.save(folder / "test_ids.npy", np.arange(30) + 100)


def break_labels(folder):
    np.save(folder / "test_labels.npy", (TRUTH + 1) % 3)


def break_shape(folder):
    np.save(folder / "test_pixels.npy", np.zeros((30, 8, 8), dtype=np.float32))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (shutil.rmtree, "test_pixels.npy is not there"),
        (lambda folder: (folder / "test_ids.npy").unlink(), "test_ids.npy is not there"),
        (lambda folder: (folder / "test_pixels.npy").write_bytes(b"no"), "cannot be read"),
        (lambda folder: (folder / "test_pixels.npy").write_bytes(b""), "cannot be read"),
        (break_ids, "not those that the runs were tested on"),
        (break_labels, "not those that the runs were tested on"),
        (break_shape, "are not uint8"),
    ],
)
def test_without_pictures_there_is_the_reason_and_no_failure(tmp_path, damage, said):
    of = study(tmp_path, {"lenet5": {0: 0.7}})
    damage(of.write_images())
    assert said in diagnosed(of)["pictures"]["digits"]
    with np.load(of.results / "tiny" / "errors.npz", allow_pickle=False) as arrays:
        assert arrays.files == []


def test_a_study_that_names_no_images_has_no_pictures(tmp_path):
    of = study(tmp_path, {"lenet5": {0: 0.7}})
    cells = [{**cell, "data": None} for cell in of.cells]
    assert diagnosed(of, cells=cells)["pictures"] == {"digits": "the study does not say where its images stand"}


def test_every_cell_gets_its_worst_before_any_gets_its_second():
    errors = [[{"example_id": 10 * cell + rank} for rank in range(3)] for cell in range(2)]
    assert pictures.chosen(errors) == [0, 10, 1, 11, 2, 12]
    assert pictures.chosen([[{"example_id": 7}], [{"example_id": 7}, {"example_id": 8}]]) == [7, 8]
    assert len(pictures.chosen([[{"example_id": 1000 * c + r} for r in range(24)] for c in range(40)])) == 240


def test_large_pictures_are_made_small():
    large = np.zeros((1, 3, 300, 200), dtype=np.uint8)
    large[:, :, :3, :3] = 90
    small = pictures.shrunk(large)
    assert small.shape == (1, 3, 100, 66)
    assert (small[0, 0, 0, 0], small[0, 0, 0, 1]) == (90, 0)
    assert pictures.shrunk(np.zeros((0, 1, 8, 8), dtype=np.uint8)).shape == (0, 1, 8, 8)


# --- two models ---------------------------------------------------------------------------------------------------


def recalls(*shares, classes=3, each=100):
    """Predictions with this recall of each class; what is wrong is taken for the next class."""
    truth = np.repeat(np.arange(classes), each)
    within = np.tile(np.arange(each), classes)
    wrong = within >= np.round(np.asarray(shares) * each)[truth]
    return np.eye(classes, dtype=np.float32)[np.where(wrong, (truth + 1) % classes, truth)]


def pair(tmp_path, ours, theirs, classes=NAMES, counts=None, **settings):
    """A study of two models with these recalls by seed."""
    n = len(classes)
    truth = np.repeat(np.arange(n), 100)
    models = {
        "resnet18": {seed: recalls(*shares, classes=n) + 0.01 * seed for seed, shares in enumerate(ours)},
        "lenet5": {seed: recalls(*shares, classes=n) + 0.01 * seed for seed, shares in enumerate(theirs)},
    }
    return study(tmp_path, models, y_true=truth, classes=classes, **settings)


OURS = [(0.90, 0.50, 0.80), (0.93, 0.53, 0.78), (0.91, 0.49, 0.81), (0.94, 0.52, 0.80)]
THEIRS = [(0.70, 0.52, 0.80), (0.74, 0.50, 0.79), (0.72, 0.51, 0.79), (0.73, 0.50, 0.82)]


def test_classes_are_compared_seed_by_seed_and_corrected_for_their_number(tmp_path):
    (found,) = diagnosed(pair(tmp_path, OURS, THEIRS))["rows"]
    ours, theirs = np.array(OURS), np.array(THEIRS)
    assert (found["candidate"], found["baseline"], found["seeds"]) == ("resnet18", "lenet5", [0, 1, 2, 3])
    assert (found["n_classes"], found["n_tested"], found["n_significant"]) == (3, 3, 1)
    raw = [stats.ttest_rel(ours[:, c], theirs[:, c]).pvalue for c in range(3)]
    assert [c["p"] for c in found["classes"]] == pytest.approx(raw)
    # Benjamini & Hochberg by hand: p(i)·3/i from the largest down, never rising.
    order = np.argsort(raw)
    adjusted, least = {}, 1.0
    for rank in (3, 2, 1):
        least = min(least, raw[order[rank - 1]] * 3 / rank)
        adjusted[int(order[rank - 1])] = least
    assert [c["p_adj"] for c in found["classes"]] == pytest.approx([adjusted[c] for c in range(3)])
    first = found["classes"][0]
    assert (first["class"], first["support"], first["significant"]) == ("a", 100, True)
    assert (first["recall"], first["base_recall"]) == (pytest.approx(0.92), pytest.approx(0.7225))
    interval = stats.ttest_rel(ours[:, 0], theirs[:, 0]).confidence_interval(0.95)
    assert (first["lo"], first["hi"]) == (pytest.approx(interval.low), pytest.approx(interval.high))


def test_the_difference_of_confusions_is_that_of_the_mean_rates(tmp_path):
    (found,) = diagnosed(pair(tmp_path, OURS, THEIRS))["rows"]
    change = np.mean(OURS, axis=0) - np.mean(THEIRS, axis=0)
    assert np.diag(found["confusion"]) == pytest.approx(change, abs=1e-6)
    assert found["confusion"][0] == pytest.approx([change[0], -change[0], 0], abs=1e-6)
    assert np.sum(found["confusion"]) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize("seeds", [1, 2])
def test_so_few_seeds_give_differences_without_p(tmp_path, seeds):
    (found,) = diagnosed(pair(tmp_path, OURS[:seeds], THEIRS[:seeds]))["rows"]
    assert found["classes"][0]["diff"] == pytest.approx(np.mean([OURS[s][0] - THEIRS[s][0] for s in range(seeds)]))
    assert {(c["p"], c["p_adj"], c["significant"]) for c in found["classes"]} == {(None, None, False)}
    assert (found["n_tested"], found["n_significant"]) == (0, 0)


def test_classes_that_do_not_vary_have_the_exact_p(tmp_path):
    (found,) = diagnosed(pair(tmp_path, [(0.9, 0.8, 0.7)] * 4, [(0.8, 0.8, 0.7)] * 4))["rows"]
    assert [c["p"] for c in found["classes"]] == [2 / 2**4, 1.0, 1.0]


def test_without_a_shared_seed_the_sides_are_compared_as_they_are(tmp_path):
    of = study(tmp_path, {"resnet18": {0: 0.9, 1: 0.8, 2: 0.85}, "lenet5": {5: 0.7, 6: 0.6, 7: 0.65}})
    (found,) = diagnosed(of)["rows"]
    assert found["seeds"] == []
    assert found["classes"][0]["diff"] is not None
    assert found["n_tested"] == 3


def test_a_class_without_test_images_is_not_tested(tmp_path):
    of = study(tmp_path, {"resnet18": {0: 0.9, 1: 0.8, 2: 0.85}, "lenet5": {0: 0.7, 1: 0.6, 2: 0.65}},
               y_true=np.repeat([0, 1], 50))  # fmt: skip
    record = diagnosed(of)
    (found,) = record["rows"]
    empty = found["classes"][2]
    assert (empty["class"], empty["support"], empty["recall"], empty["diff"], empty["p"]) == ("c", 0, None, None, None)
    assert found["n_tested"] == 2
    assert found["confusion"][2] == [None] * 3
    assert "NaN" not in json.dumps(record)


def test_of_many_classes_the_largest_differences_are_kept_and_all_are_corrected_for(tmp_path):
    names = tuple(f"c{i}" for i in range(30))
    theirs = [[0.5 + 0.01 * (s == 1)] * 30 for s in range(3)]
    ours = [[0.5 + 0.01 * c + 0.01 * (s == 2) for c in range(30)] for s in range(3)]
    record = diagnosed(pair(tmp_path, ours, theirs, names))
    (found,) = record["rows"]
    assert [c["class"] for c in found["classes"]] == [f"c{i}" for i in range(10, 30)]
    assert np.shape(found["confusion"]) == (20, 20)
    assert (found["n_classes"], found["n_tested"]) == (30, 30)
    assert cell_of(record, "lenet5")["roc"]["classes"] == {}


def test_seeds_that_are_one_run_give_no_p(tmp_path):
    of = pair(tmp_path, OURS, THEIRS)
    twins = {seed: recalls(*OURS[0]) for seed in range(4)}
    of = study(tmp_path / "twins", {"resnet18": twins, "lenet5": {s: recalls(*THEIRS[s]) for s in range(4)}},
               y_true=np.repeat(np.arange(3), 100))  # fmt: skip
    (found,) = diagnosed(of)["rows"]
    assert (found["n_tested"], found["classes"][0]["lo"]) == (0, None)
    assert found["classes"][0]["diff"] == pytest.approx(0.9 - 0.7225)


def test_a_side_without_a_finished_run_has_no_row(tmp_path):
    record = diagnosed(study(tmp_path, {"resnet18": {0: None, 1: None}, "lenet5": {0: 0.7, 1: 0.8}}))
    assert record["rows"] == []
    assert [cell["model"] for cell in record["cells"]] == ["lenet5"]


def test_a_study_in_which_every_run_diverged(tmp_path):
    record = diagnosed(study(tmp_path, {"resnet18": {0: None}, "lenet5": {0: None}}))
    assert (record["cells"], record["rows"]) == ([], [])
    assert record["pictures"] == {"digits": "no run classifies an image wrongly"}

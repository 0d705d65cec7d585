"""Control methods: what each promises, and that nothing after training stumbles over them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from study_fixture import study

from bakeoff.errors import UserError
from bakeoff.models import control, registry
from bakeoff.profile import step
from bakeoff.profile.spec import ProfileSpec

every_control = pytest.mark.parametrize("builder", registry.control_names())


def method(builder: str, classes: int = 10, seed: int = 2**62, **options: Any) -> control.Control:
    defaults = {name: option.default for name, option in registry.options_of(builder).items()}
    model = {"builder": builder, "options": {**defaults, **options}}
    return control.build(model, channels=1, size=8, classes=classes, seed=seed)


@pytest.fixture(scope="module")
def digits() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    return (found.images * 15).astype(np.uint8)[:, None], found.target.astype(np.int64)


@every_control
def test_it_gives_probabilities_of_all_classes(builder: str, digits: Any) -> None:
    pixels, labels = digits
    known = labels < 8  # two classes have no training image
    fitted = method(builder)
    fitted.fit(pixels[known][:300], labels[known][:300])
    logarithms = fitted.log_probabilities(pixels[1000:1100])
    assert logarithms.shape == (100, 10)
    assert logarithms.dtype == np.float32
    assert np.isfinite(logarithms).all()
    np.testing.assert_allclose(np.exp(logarithms).sum(axis=1), 1, rtol=1e-5)
    assert (logarithms[:, :8].max(axis=1) > logarithms[:, 8:].max(axis=1)).all()


@every_control
def test_the_seed_decides_it(builder: str, digits: Any, tmp_path: Path) -> None:
    pixels, labels = digits
    found = []
    for _ in range(2):
        fitted = method(builder, seed=7)
        fitted.fit(pixels[:200], labels[:200])
        found.append(fitted.log_probabilities(pixels[1000:1100]))
    np.testing.assert_array_equal(*found)
    tensors = fitted.tensors()
    save_file(tensors, tmp_path / "model.safetensors")
    again = load_file(tmp_path / "model.safetensors")
    assert tensors
    assert all(torch.equal(again[name], tensor) for name, tensor in tensors.items())


FLOOR = {"control/majority": 0.05, "sklearn/knn": 0.94, "sklearn/logistic_regression": 0.88}
FLOOR |= {"sklearn/random_forest": 0.9, "sklearn/svm": 0.94}


@every_control
def test_it_learns_what_it_can(builder: str, digits: Any) -> None:
    pixels, labels = digits
    fitted = method(builder)
    fitted.fit(pixels[:1200], labels[:1200])
    logarithms = fitted.log_probabilities(pixels[1200:])
    assert (logarithms.argmax(axis=1) == labels[1200:]).mean() > FLOOR[builder]
    # Better than knowing nothing: their probabilities are worth something.
    assert -logarithms[np.arange(len(logarithms)), labels[1200:]].mean() < (2.31 if "major" in builder else 0.6)


def test_majority_gives_the_frequencies_of_the_classes() -> None:
    fitted = method("control/majority", classes=3)
    fitted.fit(np.zeros((4, 1, 8, 8), np.uint8), np.array([2, 2, 2, 0]))
    given = np.exp(fitted.log_probabilities(np.zeros((1, 1, 8, 8), np.uint8)))[0]
    np.testing.assert_allclose(given, (np.array([1, 0, 3]) + 1 / 3) / 5, rtol=1e-6)  # and one shared vote


def test_an_svm_ranks_classes_as_sklearns_does(digits: Any) -> None:
    from sklearn.svm import SVC

    pixels, labels = digits
    fitted = method("sklearn/svm")
    fitted.fit(pixels[:300], labels[:300])
    theirs = SVC(break_ties=True).fit(pixels[:300].reshape(300, -1) / np.float32(255), labels[:300])
    ours = fitted.log_probabilities(pixels[300:600]).argmax(axis=1)
    np.testing.assert_array_equal(ours, theirs.predict(pixels[300:600].reshape(300, -1) / np.float32(255)))


def test_two_classes_are_no_special_case(digits: Any) -> None:
    pixels, labels = digits
    few = labels < 2
    for builder in registry.control_names():
        fitted = method(builder, classes=2)
        fitted.fit(pixels[few][:100], labels[few][:100])
        assert fitted.log_probabilities(pixels[few][100:]).shape[1] == 2


def test_images_that_it_cannot_be_fitted_to_are_the_users_mistake(digits: Any) -> None:
    pixels, labels = digits
    one = labels == 0
    for builder in ("sklearn/svm", "sklearn/logistic_regression"):
        with pytest.raises(UserError, match=rf"{builder}: cannot be fitted to 9 images: .*class"):
            method(builder).fit(pixels[one][:9], labels[one][:9])


def test_a_study_names_them_with_their_options() -> None:
    entries = study(models=["control/majority", {"name": "soft", "builder": "sklearn/svm", "C": 10}]).models
    assert [entry.name for entry in entries] == ["control-majority", "soft"]
    assert entries[1].options == {"C": 10.0, "kernel": "rbf"}
    with pytest.raises(UserError, match="sklearn/svn"):
        study(models=["sklearn/svn"])


def test_it_is_no_network() -> None:
    with pytest.raises(UserError, match="is a control method"):
        registry.build({"builder": "sklearn/knn", "options": {}}, channels=1, size=8, classes=2)
    with pytest.raises(UserError, match="is no control method"):
        control.build({"builder": "lenet5", "options": {}}, channels=1, size=8, classes=2, seed=0)


def test_its_profile_is_skipped_with_the_reason() -> None:
    spec = {"model": {"name": "knn", "builder": "sklearn/knn", "options": {}}, "input": (1, 8, 8), "classes": 10}
    body = step.profile_model(ProfileSpec.model_validate({**spec, "device": "cpu"}))
    assert body["status"] == "skipped"
    assert "depends on the images" in body["reason"]
    assert body["params"] is body["macs"] is body["latency_ms"] is None


def test_tables_and_figures_have_it_without_costs(tmp_path: Path) -> None:
    from compare_tree import CPU, PROFILE, Tree

    from bakeoff.provenance import write_record
    from bakeoff.report import step as report

    results = tmp_path / "results"
    tree = Tree(results, {"lenet5": dict.fromkeys(range(3), 0.9), "control-majority": dict.fromkeys(range(3), 0.4)})
    (path,) = (results / "profiles").glob("control-majority-*.json")
    job = {"model": {"name": "control-majority", "builder": "control/majority", "options": {}}}
    body = step.profile_model(ProfileSpec.model_validate({**job, "input": (1, 8, 8), "classes": 3, "device": "cpu"}))
    write_record(path, "profile", {"model": {"name": "control-majority"}, "condition": CPU}, PROFILE, body)

    record = tree.run()
    (row,) = [r for r in record["rows"] if (r["candidate"], r["metric"]) == ("control-majority", "accuracy")]
    assert row["params"] is row["macs"] is row["latency_ms_p50"] is None
    assert row["diff"] < 0
    assert any("no cost of control-majority" in warning for warning in record["warnings"])
    page = report.run({"study": "tiny", "prints": []}, "0" * 16, results)
    assert page.is_file()
    table = [line.split("|") for line in (results / "tiny" / "comparison.md").read_text().splitlines() if "|" in line]
    (line,) = [cells for cells in table if "control-majority" in cells[1]]
    costs = [i for i, name in enumerate(table[0]) if name.strip().startswith(("Params", "MACs", "Latency"))]
    assert len(costs) == 3
    assert {line[i].strip() for i in costs} == {"–"}

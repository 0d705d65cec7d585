"""The search for settings: drawn alike for all models, judged on validation images, recorded, and used."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CODE, DIGITS

from bakeoff.data import step as data_step
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import write_record
from bakeoff.train import job, step, tuning
from bakeoff.train.feed import Part
from bakeoff.train.loop import Epoch, Outcome
from bakeoff.train.spec import Phase, Recipe, Tuning
from bakeoff.train.tuning import Choice, Trial, candidates

# --- candidates


def recipe_of(**changes: Any) -> Recipe:
    return Recipe(**{"lr": 0.01, "weight_decay": 0.1, "warmup_epochs": 0, **changes})


@given(trials=st.integers(2, 60), seed=st.integers(0, 2**31 - 1), lr=st.floats(1e-6, 10))
def test_the_recipe_comes_first_and_the_rest_within_a_tenth_and_ten_times(trials: int, seed: int, lr: float) -> None:
    got = list(candidates(recipe_of(lr=lr), Tuning(trials=trials, seed=seed)))
    assert len(got) == trials
    assert got[0] == (lr, 0.1)
    for rate, decay in got[1:]:
        assert lr / 10 * (1 - 1e-9) <= rate <= lr * 10 * (1 + 1e-9)
        assert 0.01 * (1 - 1e-9) <= decay <= 1 * (1 + 1e-9)


def test_ranges_given_are_kept_to() -> None:
    budget = Tuning(trials=200, lr=[1e-4, 1e-2], weight_decay=[1e-3, 2e-3])
    drawn = np.array(list(candidates(recipe_of(), budget))[1:])
    assert (drawn.min(0) >= [1e-4, 1e-3]).all()
    assert (drawn.max(0) <= [1e-2, 2e-3]).all()
    assert np.log10(drawn[:, 0]).mean() == pytest.approx(-3, abs=0.15)  # log-uniform: the middle is 1e-3
    assert abs(np.corrcoef(np.log(drawn).T)[0, 1]) < 0.25


def test_they_are_the_same_for_every_model_and_every_time() -> None:
    """Nothing of a model goes in; a longer search begins as a shorter one does."""
    few, many = (list(candidates(recipe_of(), Tuning(trials=n))) for n in (5, 20))
    assert few == many[:5]
    assert few == list(candidates(recipe_of(epochs=7, optimizer="sgd"), Tuning(trials=5)))
    assert few != list(candidates(recipe_of(), Tuning(trials=5, seed=1)))
    assert len(set(many)) == 20


def test_no_decay_is_not_searched_unless_it_is_asked_for() -> None:
    without = recipe_of(weight_decay=0)
    assert {decay for _, decay in candidates(without, Tuning(trials=5))} == {0.0}
    asked = list(candidates(without, Tuning(trials=5, weight_decay=[0.1, 1])))
    assert asked[0][1] == 0.0
    assert all(0.1 <= decay <= 1 for _, decay in asked[1:])


@settings(deadline=None)
@given(factor=st.floats(0.01, 100))
def test_phases_keep_the_ratio_of_their_rates(factor: float) -> None:
    phases = [Phase(size=8, epochs=2), Phase(size=12, epochs=3, lr=0.002)]
    recipe = recipe_of(phases=phases, tuning=Tuning(trials=2))
    choice = Choice(lr=0.01 * factor, weight_decay=0.3, trials=2, images=1, seconds=1.0, digest="x")
    got = choice.applied(recipe)
    assert (got.lr, got.weight_decay, got.tuning) == (0.01 * factor, 0.3, None)
    assert [phase.lr for phase in got.phases] == [None, pytest.approx(0.002 * factor)]
    assert [(phase.size, phase.epochs) for phase in got.phases] == [(8, 2), (12, 3)]


# --- which is best


def trial(accuracy: float | None, loss: float | None) -> Trial:
    return Trial(0.1, 0.1, accuracy, loss, 100, 1.0, None if accuracy is not None else "was not finite")


def test_accuracy_ranks_then_loss_and_a_diverged_trial_is_last() -> None:
    trials = [trial(None, None), trial(0.0, 9.0), trial(0.5, 1.0), trial(0.5, 0.9), trial(0.6, 5.0)]
    assert sorted(trials, key=lambda t: t.rank) == trials


# --- a search

BUDGET = {"trials": 3, "lr": [1e-4, 1e-1]}
NAMES = {"dataset": "digits", "model": "lenet5", "augmentation": "none", "recipe": "searched"}


def spec_of(model: str = "lenet5", **recipe: Any) -> dict[str, Any]:
    quick = {"epochs": 1, "train_images": 100, "batch_size": 10, "warmup_epochs": 0, "lr": 1e-4, "tuning": BUDGET}
    return {
        "dataset": DIGITS,
        "model": {"name": model, "builder": model, "options": {}},
        "augmentation": {"name": "none", "policy": "none", "options": {}},
        "recipe": Recipe(**{**quick, **recipe}).model_dump(),
        "device": "cpu",
        "threads": 1,
    }


@pytest.fixture(scope="module")
def search(digits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One real search, not to be changed."""
    return tuning.run(spec_of(), NAMES, digits, tmp_path_factory.mktemp("search"), CODE)


def record_of(path: Path) -> dict[str, Any]:
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def test_the_choice_is_the_best_trial_on_validation_images(search: Path) -> None:
    record = record_of(search)
    trials = record["trials"]
    assert [(t["lr"], t["weight_decay"]) for t in trials] == list(candidates(Recipe(**spec_of()["recipe"]), _budget()))
    best = max(trials, key=lambda t: (t["val_accuracy"], -t["val_loss"]))
    assert (record["lr"], record["weight_decay"]) == (best["lr"], best["weight_decay"])
    assert len({t["val_accuracy"] for t in trials}) > 1
    assert record["status"] == "done"
    assert record["images_trained"] == 300
    assert record["train_seconds"] == pytest.approx(sum(t["seconds"] for t in trials), abs=1e-2)
    assert "test" not in json.dumps(trials)


def _budget() -> Tuning:
    return Tuning(**BUDGET)


def test_a_search_repeats_itself(search: Path, digits: Path, tmp_path: Path) -> None:
    again = record_of(tuning.run(spec_of(), NAMES, digits, tmp_path, CODE))
    timeless = [[{**t, "seconds": 0} for t in record["trials"]] for record in (record_of(search), again)]
    assert timeless[0] == timeless[1]


def test_test_images_are_not_looked_at(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ready = job.ready

    def without_test(*given: Any) -> job.Job:
        made = ready(*given)
        return dataclasses.replace(made, parts={part: made.parts[part] for part in ("train", "val")})

    monkeypatch.setattr(tuning, "ready", without_test)
    tuning.run(spec_of(tuning={"trials": 2}), NAMES, digits, tmp_path, CODE)


@pytest.fixture
def tried(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What each trial or run hands to the loop, which does not train: lower rates are more accurate, 1 diverges."""
    calls: list[dict[str, Any]] = []

    def instead(net: torch.nn.Module, training: Part, validation: Part, **rest: Any) -> Outcome:
        recipe = rest["recipe"]
        init = next(net.parameters()).detach().clone()
        calls.append({**rest, "init": init, "validation": validation})
        if recipe.lr >= 1:
            return Outcome(diverged="the training loss of epoch 1 is not finite")
        line = Epoch(1, "train", recipe.lr, 1.0, 0.5, 1.0, 1 - recipe.lr, 1.0)
        return Outcome([line], 10, line)

    monkeypatch.setattr(job, "train", instead)
    return calls


def test_trials_are_short_and_have_streams_that_no_run_has(
    tried: list[dict[str, Any]], digits: Path, tmp_path: Path
) -> None:
    spec = spec_of(epochs=50, tuning={"trials": 3, "epochs": 4, "lr": [1e-3, 1e-2]})
    path = tuning.run(spec, NAMES, digits, tmp_path, CODE)
    assert {call["recipe"].total_epochs for call in tried} == {4}
    assert {call["recipe"].tuning for call in tried} == {None}
    assert len({call["streams"] for call in tried}) == 1  # the same for all trials
    assert all(torch.equal(call["init"], tried[0]["init"]) for call in tried)
    step.run_seeds(spec, NAMES, digits, {seed: tmp_path / str(seed) for seed in (0, 1)}, CODE, path)
    streams = [call["streams"] for call in tried[3:]]
    assert len({tried[0]["streams"], *streams}) == 3


def test_all_models_are_tried_with_the_same_settings_and_order(
    tried: list[dict[str, Any]], digits: Path, tmp_path: Path
) -> None:
    for model in ("lenet5", "tiny_vit"):
        tuning.run(spec_of(model), {**NAMES, "model": model}, digits, tmp_path / model, CODE)
    one, other = tried[:3], tried[3:]
    assert [(c["recipe"], c["streams"]) for c in one] == [(c["recipe"], c["streams"]) for c in other]


def test_a_diverged_trial_is_a_trial(tried: list[dict[str, Any]], digits: Path, tmp_path: Path) -> None:
    path = tuning.run(spec_of(lr=5.0, tuning={"trials": 2, "lr": [1e-3, 1e-2]}), NAMES, digits, tmp_path, CODE)
    record = record_of(path)
    assert record["trials"][0]["val_accuracy"] is None
    assert record["trials"][0]["diverged"] == "the training loss of epoch 1 is not finite"
    assert record["lr"] == record["trials"][1]["lr"]
    assert record["status"] == "done"


def test_when_all_diverge_the_search_says_so_and_keeps_the_recipe(
    tried: list[dict[str, Any]], digits: Path, tmp_path: Path
) -> None:
    path = tuning.run(spec_of(lr=5.0, tuning={"trials": 3, "lr": [1, 50]}), NAMES, digits, tmp_path, CODE)
    record = record_of(path)
    assert all(t["diverged"] for t in record["trials"])
    assert (record["status"], record["lr"]) == ("diverged", 5.0)


def test_a_recipe_without_a_budget_cannot_be_searched(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="tune: recipe searched has no tuning: budget"):
        tuning.run(spec_of(tuning=None), NAMES, digits, tmp_path, CODE)


# --- what it is for


def test_a_run_has_the_settings_found_and_says_so(search: Path, digits: Path, tmp_path: Path) -> None:
    found = record_of(search)
    tuned = record_of(step.run(spec_of(), {**NAMES, "seed": 0}, digits, tmp_path / "run", CODE, search))
    ledger = tuned["tuned"]
    assert (ledger["lr"], ledger["weight_decay"], ledger["trials"]) == (found["lr"], found["weight_decay"], 3)
    assert (ledger["images"], ledger["digest"]) == (300, found["record_digest"])
    by_hand = spec_of(tuning=None, lr=found["lr"], weight_decay=found["weight_decay"])
    step.run(by_hand, {**NAMES, "seed": 0}, digits, tmp_path / "by hand", CODE)
    one, other = (tmp_path / name / "model.safetensors" for name in ("run", "by hand"))
    assert one.read_bytes() == other.read_bytes()
    assert record_of(tmp_path / "by hand" / "run.json")["tuned"] is None


def test_a_run_with_a_budget_needs_its_search(digits: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"has a tuning: budget, so --tuned must name the tuning\.json of its search"):
        step.run(spec_of(), {**NAMES, "seed": 0}, digits, tmp_path / "run", CODE)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("other", [{"model": "tiny_vit"}, {"epochs": 2}, {"tuning": {**BUDGET, "seed": 1}}])
def test_the_search_of_another_cell_is_refused(
    search: Path, digits: Path, tmp_path: Path, other: dict[str, Any]
) -> None:
    names = {**NAMES, "model": other.get("model", "lenet5"), "seed": 0}
    with pytest.raises(Refused, match=str(search)):
        step.run(spec_of(**other), names, digits, tmp_path / "run", CODE, search)


def test_a_search_of_other_code_is_refused(search: Path, digits: Path, tmp_path: Path) -> None:
    with pytest.raises(Refused, match=str(search)):
        step.run(spec_of(), {**NAMES, "seed": 0}, digits, tmp_path / "run", "1" * 16, search)


def test_a_search_on_other_data_is_refused(search: Path, tmp_path: Path) -> None:
    """The same settings, and other arrays: other code may have made them."""
    manifest = data_step.run(DIGITS, tmp_path / "data", CODE, tmp_path / "data")
    pixels = manifest.with_name("train_pixels.npy")
    np.save(pixels, 255 - np.load(pixels))
    record = json.loads(manifest.read_text())
    write_record(manifest, "data", DIGITS, CODE, record, [manifest.with_name(name) for name in record["files"]])
    with pytest.raises(Refused, match="was made with other data; delete it to have it made anew"):
        step.run(spec_of(), {**NAMES, "seed": 0}, tmp_path / "data", tmp_path / "run", CODE, search)


def test_a_search_that_was_edited_is_refused(
    search: Path, digits: Path, tmp_path: Path, train_run: Callable[..., Path]
) -> None:
    edited = tmp_path / "tuning.json"
    edited.write_text(search.read_text().replace('"status": "done"', '"status": "done "'))
    with pytest.raises(Refused):
        step.run(spec_of(), {**NAMES, "seed": 0}, digits, tmp_path / "run", CODE, edited)

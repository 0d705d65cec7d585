"""What a plan says of time, GPU hours and disk: from earlier runs, or that there are none to go by."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from study_fixture import TINY, bakeoff, grid

from bakeoff import studyfile
from bakeoff.commands import plan
from bakeoff.commands.units import duration, size
from bakeoff.estimate import Earlier
from bakeoff.grid import Grid
from bakeoff.provenance import write_record

SMALL: dict[str, Any] = {"models": ["lenet5"], "augmentations": ["none"], "seeds": [0, 1], "device": "cpu"}
RECIPE = TINY["recipes"]["default"]
IMAGES = 1000


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def small(size: int = 16, **recipe: Any) -> Grid:
    data = [{"name": "digits", "image_size": size}]
    return grid(**{**SMALL, "datasets": data, "recipes": {"default": {**RECIPE, **recipe}}})


def train(of: Grid, seconds: float, wall: float | None = None, device: str = "cpu", **facts: Any) -> None:
    """Records of all runs of a study, as if each had taken so many seconds, 2 epochs of 1000 images."""
    for cell in of.cells:
        for seed in cell.seeds:
            folder = cell.run_dir(seed)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "model.safetensors").write_bytes(b"w" * 5000)
            images = IMAGES * of.study.recipes["default"].total_epochs
            body = {"status": "done", "train_seconds": seconds, "images_trained": images, "n_train": IMAGES}
            body |= {"device": device, **facts}
            files = [folder / "model.safetensors"]
            write_record(folder / "run.json", "run", of.train_spec(cell), of.train_code(cell), body, files)
            if wall is not None:
                log = Path("logs/train", *folder.parts[-5:-1], f"seed{seed}.tsv")
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_text(f"s\th:m:s\n{wall}\t0:00:01\n")


def seconds(of: Grid) -> tuple[float | None, str]:
    found = Earlier().run(of, of.cells[0], "cpu")
    return found.seconds, found.basis


def test_without_an_earlier_run_there_is_no_estimate() -> None:
    assert seconds(small(train_images=500)) == (None, "no earlier run to go by")
    assert seconds(small()) == (None, "digits is not prepared, so its size is not known")


def test_time_is_scaled_by_epochs_and_images() -> None:
    train(small(epochs=2), 4.0)
    assert seconds(small(epochs=2)) == (pytest.approx(4.0), "like it")
    assert seconds(small(epochs=10, lr=0.5)) == (pytest.approx(20.0), "like it")
    assert seconds(small(epochs=2, train_images=250)) == (pytest.approx(1.0), "like it")
    assert seconds(small(epochs=2, batch_size=7)) == (pytest.approx(4.0), "same model and images")
    assert seconds(small(32, epochs=2, train_images=IMAGES)) == (
        pytest.approx(16.0),
        "same model, other image size",
    )


def test_starting_a_job_takes_time_too() -> None:
    train(small(epochs=2), 4.0, wall=10.0)
    assert seconds(small(epochs=4)) == (pytest.approx(8.0 + 6.0), "like it")


@pytest.mark.parametrize("facts", [{"device": "cuda"}, {"status": "diverged"}, {"images_trained": 0}])
def test_a_run_elsewhere_or_gone_wrong_tells_nothing(facts: dict[str, Any]) -> None:
    train(small(epochs=2), 4.0, **facts)
    assert seconds(small(epochs=2, train_images=IMAGES))[1] == "no earlier run to go by"


@pytest.mark.parametrize("text", ["", "[]", '{"spec": {}}', '{"spec": 1, "train_seconds": 1}'])
def test_what_is_no_record_is_passed_over(text: str) -> None:
    path = small().cells[0].run_dir(0) / "run.json"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    assert seconds(small(train_images=9))[0] is None


def test_the_plan_adds_it_up() -> None:
    train(small(epochs=2), 4.0)
    log = Path("logs/profile/lenet5-0123456789ab.tsv")
    log.parent.mkdir(parents=True)
    log.write_text("s\n30\n")
    made = plan.make(small(epochs=20), cores=2)
    assert made.seconds == pytest.approx(2 * 40 / 2 + 30)  # two runs beside each other, and a profile alone
    assert plan.make(small(epochs=20), cores=1).seconds == pytest.approx(2 * 40 + 30)
    assert made.gpu_hours == 0
    assert 10_000 < made.disk.needed < 20_000
    assert made.disk.untold == 0
    text = made.describe()
    assert "1 data set x 1 model x 1 augmentation x 1 recipe x 2 seeds" in text
    assert "train            0       2   1 min of work" in text
    assert "Time: at least 1 min on 2 cores, 2 runs at once." in text
    assert "Runs go by earlier ones: 2 like it." in text
    assert "Not in it: 2 x evaluate: no earlier evaluate to go by." in text


def test_gpu_hours_are_those_of_runs_on_a_gpu() -> None:
    train(small(epochs=2), 36.0, device="cuda")
    on_gpu = grid(
        **{**SMALL, "device": "cuda", "datasets": [{"name": "digits", "image_size": 16}]},
        recipes={"default": {**RECIPE, "epochs": 200}},
    )
    made = plan.make(on_gpu, cores=8)
    assert made.gpu_hours == pytest.approx(2.0)
    assert made.means.at_once == 1
    assert "on 1 GPU, 1 run at once" in made.describe()
    assert plan.make(on_gpu, cores=8, gpus=2).seconds == pytest.approx(3600)


def on_gpus(train: dict[str, Any] | None = None, **recipe: Any) -> Grid:
    data = [{"name": "digits", "image_size": 16}]
    changes = {**SMALL, "device": "cuda", "datasets": data, "train": train or {}}
    return grid(**changes, recipes={"default": {**RECIPE, **recipe}})


def test_a_run_on_two_gpus_has_both_and_takes_half_the_time() -> None:
    train(on_gpus(epochs=2), 36.0, device="cuda")
    two = on_gpus(epochs=200, gpus=2)
    found = Earlier().run(two, two.cells[0], "cuda")
    assert (found.seconds, found.basis) == (pytest.approx(1800), "same model and images")
    made = plan.make(two, cores=8, gpus=4)
    assert (made.means.at_once, made.seconds, made.gpu_hours) == (2, pytest.approx(1800), pytest.approx(2.0))
    made = plan.make(two, cores=8, gpus=2)
    assert (made.means.at_once, made.seconds, made.gpu_hours) == (1, pytest.approx(3600), pytest.approx(2.0))
    assert "A run needs" not in made.describe()
    assert "A run needs 2 GPUs at once: say how many there are by --gpus." in plan.make(two, cores=8).describe()
    train(two, 1000.0, device="cuda")
    assert Earlier().run(two, two.cells[0], "cuda").basis == "like it"


def test_of_runs_that_share_a_gpu_each_counts_as_its_part() -> None:
    shared = on_gpus({"gpu_share": 3}, epochs=200)
    record = {"gpus": {"devices": ["GPU-0"], "share": 3}}
    train(on_gpus({"gpu_share": 3}, epochs=2), 36.0, device="cuda", **record)
    made = plan.make(shared, cores=8)
    assert {estimate.basis for item, estimate in made.costs if item.step == "train"} == {"like it"}
    assert (made.means.at_once, made.gpu_hours) == (3, pytest.approx(2 / 3))
    assert made.seconds == pytest.approx(3600)  # as each of the two takes
    assert "on 1 GPU, 3 runs at once" in made.describe()
    assert Earlier().run(on_gpus(epochs=2), shared.cells[0], "cuda").basis == "same model and images"


def test_on_a_cpu_each_process_has_its_threads() -> None:
    several = grid(**{**SMALL, "threads": 2, "recipes": {"default": {**RECIPE, "gpus": 2}}})
    assert [plan.means_of(several, cores).at_once for cores in (2, 4, 8)] == [1, 1, 2]


def test_room_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    train(small(epochs=2), 4.0)
    monkeypatch.setattr("shutil.disk_usage", lambda path: type("Usage", (), {"free": 100}))
    assert "more than there is: make room first" in plan.make(small(epochs=3)).describe()


def test_weights_after_each_epoch_take_room() -> None:
    train(small(epochs=2), 4.0)
    for folder in Path("results/runs").glob("*/*/*/*/seed*"):
        (folder / "epoch1.safetensors").write_bytes(b"w" * 5000)  # of what is kept now
    best, every = (
        grid(**{**SMALL, "train": {"keep": keep}}, recipes={"default": {**RECIPE, "epochs": 30}})
        for keep in ("best", "all")
    )
    assert plan.make(every).disk.needed - plan.make(best).disk.needed == 2 * 30 * 5000


def test_lines_fit_a_terminal_and_json_has_it_all(tmp_path: Path) -> None:
    train(grid(**{**SMALL, "datasets": [{"name": "digits", "image_size": 16}], "device": "auto"}), 4.0)
    path = studyfile.write(
        {**TINY, "datasets": [{"name": "digits", "image_size": 16}], "seeds": [0, 1, 2]}, tmp_path / "study.yaml"
    )
    text = bakeoff("plan", str(path), cwd=tmp_path)
    assert (text.returncode, text.stderr) == (0, "")
    assert max(map(len, text.stdout.splitlines())) <= 80
    assert "\x1b" not in text.stdout
    found = json.loads(bakeoff("plan", str(path), "--json", "--cores", "3", cwd=tmp_path).stdout)
    assert found["grid"]["runs"] == 12
    assert found["steps"]["train"] == {"cached": 2, "to_do": 10}
    assert found["means"]["cores"] == 3
    assert {"step", "name", "reason", "seconds", "basis", "devices"} == found["to_do"][0].keys()


@pytest.mark.parametrize(
    ("given", "said"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (3590, "1 h"), (7800, "2 h 10 min"), (86400 * 3 + 7200, "3 d 2 h")],
)
def test_durations_are_said_as_people_say_them(given: float, said: str) -> None:
    assert duration(given) == said


def test_sizes_are_said_with_three_digits() -> None:
    assert [size(n) for n in (12, 1234, 5_000_000, 1.5e9)] == ["12 B", "1.23 kB", "5 MB", "1.5 GB"]

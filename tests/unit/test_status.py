"""How far a study is, from records and logs alone; what `watch`, `show` and Snakemake's end print of it."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
import report_fixture
from rich.cells import cell_len
from rich.console import Console
from study_fixture import TINY, bakeoff, grid, study
from test_plan import write_all

from bakeoff import status, studyfile
from bakeoff.commands import news, show, watch
from bakeoff.errors import Refused
from bakeoff.grid import Grid
from bakeoff.train.loop import Epoch
from bakeoff.train.progress import Progress

SMALL: dict[str, Any] = {"models": ["lenet5"], "augmentations": ["none"], "seeds": [0, 1, 2, 3]}
LINE = "epoch 3/12  loss 0.5  accuracy 0.81  val loss 0.6  val accuracy 0.7900  9,120 images/s  1:02:03 left\n"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def small(**changes: Any) -> Grid:
    return grid(**{**SMALL, **changes})


def write_log(of: Grid, seed: int, text: str, age: float = 1.0) -> Path:
    path = status.log_of(of, "train", of.cells[0], seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, (time.time() - age,) * 2)
    return path


def seen(of: Grid) -> list[status.Training]:
    return status.look(of).trainings


def test_nothing_runs_where_there_is_no_log() -> None:
    found = status.look(small())
    assert found.trainings == []
    assert found.count("train") == (0, 4)
    assert not found.done


def test_the_last_epoch_of_a_log_is_told() -> None:
    write_log(small(), 2, LINE.replace("3/12", "2/12") + LINE)
    (one,) = seen(small())
    assert (one.state, one.epoch, one.epochs, one.val_accuracy) == ("running", 3, 12, 0.79)
    assert one.seconds_left == pytest.approx(3723 - 1, abs=0.5)
    assert one.describe() == "digits/lenet5/none/default seed 2  epoch 3/12, val accuracy 0.7900"


def test_of_a_regression_the_loss_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    Progress("a b none default seed 0", 5).epoch(Epoch(1, "train", 0.1, 0.5, None, 0.625, None, 2.0))
    write_log(small(), 2, capsys.readouterr().err)
    assert seen(small())[0].describe() == "digits/lenet5/none/default seed 2  epoch 1/5, val loss 0.6250"


def test_what_training_writes_is_what_is_read(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lines are those of train/progress.py, of an epoch and within one."""
    monkeypatch.setattr("bakeoff.train.progress.SECONDS_BETWEEN_LINES", 0.005)
    progress = Progress("digits lenet5 none default seed 0", 5)
    progress.batch(0, 100)
    time.sleep(0.01)
    progress.batch(50, 100)
    within = capsys.readouterr().err
    progress.epoch(Epoch(1, 0, 0.1, 0.5, 0.8, 0.6, 0.75, 2.0))
    after = capsys.readouterr().err
    time.sleep(0.01)
    progress.batch(20, 100)
    next_ = capsys.readouterr().err
    progress.end("val accuracy 0.9703 at epoch 10 of 12, 20,182 images/s, 0.6 s on cpu")
    end = capsys.readouterr().err
    told = []
    for text in (within, after, after + next_):
        write_log(small(), 0, text)
        (one,) = seen(small())
        told.append((one.epoch, one.epochs, one.val_accuracy))
    assert told == [(1, 5, None), (1, 5, 0.75), (2, 5, 0.75)]
    write_log(small(), 0, after + end)
    assert seen(small()) == []


@pytest.mark.parametrize(
    ("text", "age", "state"),
    [
        ("", 5, "running"),
        ("UserWarning: something\n  of two lines\n", 5, "running"),
        ("", 4000, "interrupted"),
        (LINE, 1000, "running"),  # an epoch takes seven minutes
        (LINE, 9000, "interrupted"),
        (LINE.replace("1:02:03", "0:30"), 1000, "interrupted"),
        ("bakeoff: lenet5: cannot be built for images of 1x8x8 and 10 classes\n  another size would do\n", 5, "failed"),
        ("Traceback\n  x\nValueError: y\nbakeoff train: stopped by ValueError: y\n", 5, "failed"),
        (f"{LINE}bakeoff train: interrupted by SIGTERM; the same command goes on from x.pt\n", 5, "interrupted"),
    ],
)
def test_running_failed_and_interrupted_are_told_apart(text: str, age: float, state: str) -> None:
    write_log(small(), 1, text, age)
    assert [one.state for one in seen(small())] == [state]


@pytest.mark.parametrize(
    "text",
    [
        "diverged: loss is nan in epoch 2\n",
        "oom: out of memory (x)\n",
        "val accuracy 0.1010, fitted in 0.1 s\n",
        "val loss 0.2984 at epoch 2 of 2, 5,267 images/s, 0.0 s on cpu\n",
    ],
)
def test_a_log_that_ended_well_is_no_running_job(text: str) -> None:
    write_log(small(), 1, text)
    assert seen(small()) == []


def test_seeds_that_are_trained_together_share_a_log() -> None:
    of = small(train={"seeds_together": 3})
    write_log(of, 1, LINE)
    assert Path(status.log_of(of, "train", of.cells[0], 2)).name == "seeds0_1_2.log"
    assert status.log_of(of, "train", of.cells[0], 3).name == "seeds3.log"
    assert [one.name[-1] for one in seen(of)] == ["0", "1", "2"]


def test_done_runs_are_not_looked_for_in_logs() -> None:
    of = small()
    write_all(of)
    write_log(of, 0, LINE)
    found = status.look(of)
    assert (found.count("train"), found.trainings) == ((4, 4), [])


# --- watch ---


def test_a_view_counts_names_and_estimates() -> None:
    of = small()
    write_log(of, 0, LINE)
    log = write_log(of, 1, "bakeoff: no room\n")
    view = watch.Watcher(of, cores=2).look()
    text = view.text()
    assert text.startswith("Study tiny: 0 of 4 runs done, 1 running, 1 failed, 2 left; at least ")
    assert "running:\n  digits/lenet5/none/default seed 0  epoch 3/12, val accuracy 0.7900\n" in text
    assert f"failed:\n  digits/lenet5/none/default seed 1: bakeoff: no room\n    log: {log}" in text
    assert view.seconds == pytest.approx(3722, abs=2)
    assert view.as_json()["trainings"][0]["epoch"] == 3
    json.dumps(view.as_json(), allow_nan=False)


def test_the_live_view_fits_its_terminal() -> None:
    of = small(seeds=list(range(30)))
    for seed in range(20):
        write_log(of, seed, LINE)
    console = Console(width=40, file=io.StringIO())
    console.print(watch.Watcher(of, cores=2).look().renderable())
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert max(map(len, lines)) <= 40
    assert "  ... and 12 more" in lines


def test_without_a_terminal_watch_prints_once(tmp_path: Path) -> None:
    write_log(small(), 0, LINE)
    path = studyfile.write({**TINY, **SMALL}, tmp_path / "study.yaml")
    run = bakeoff("watch", str(path), cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    assert "1 running" in run.stdout
    assert "\x1b" not in run.stdout


def test_after_the_runs_the_line_tells_what_follows() -> None:
    of = small()
    write_all(of)
    line = watch.Watcher(of, cores=2).look().line()
    assert line.startswith(
        "4 of 4 runs done, prepare 0/1, audit 0/1, evaluate 0/4, compare 0/1, samples 0/1, report 0/1; "
    )


# --- what Snakemake tells ---


def test_news_are_said_once_and_end() -> None:
    of, said = small(), list[str]()
    write_log(of, 0, LINE)
    teller = news.News(of, said.append, every=0.02)
    teller.begin(2)
    until = time.monotonic() + 10
    while not said and time.monotonic() < until:
        time.sleep(0.02)
    time.sleep(0.3)
    teller.end()
    assert said[0].startswith("[tiny] 0 of 4 runs done, 1 running, 3 left, profile 0/1; at least ")
    assert said[0].endswith("digits/lenet5/none/default seed 0  epoch 3/12, val accuracy 0.7900")
    assert len(said) <= 3  # the time left may have changed its words


def test_news_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(news.OFF, "off")
    said = list[str]()
    teller = news.News(small(), said.append, every=0.01)
    teller.begin(2)
    time.sleep(0.1)
    assert said == []


def test_a_failed_study_says_how_far_it_came() -> None:
    write_log(small(), 1, "bakeoff: no room\n")
    text = news.failure(small())
    assert "0 of 4 runs done, 1 failed, 3 left" in text
    assert "bakeoff: no room" in text
    assert "the same command goes on from there" in text


# --- show ---


@pytest.fixture
def shown(tmp_path: Path) -> Path:
    report_fixture.write_study(tmp_path / "results", "tiny", pictures=False)
    return studyfile.write({**TINY, "report": {"labels": {"lenet5": "LeNet-5 日本"}}}, tmp_path / "study.yaml")


def test_the_table_is_shown_with_its_legend(shown: Path, tmp_path: Path) -> None:
    run = bakeoff("show", str(shown), cwd=tmp_path)
    assert (run.returncode, run.stderr) == (0, "")
    lines = run.stdout.splitlines()
    assert "LeNet-5 日本" in run.stdout
    assert any(line.startswith("- ★") for line in lines)
    assert max(Console().measure(line).maximum if line else 0 for line in lines) <= 80
    assert "\x1b" not in run.stdout
    row = next(line for line in lines if line.startswith("resnet18"))
    assert "98.27 ± 0.12" in row  # no row is broken


def test_other_formats_hold_the_same_entries(shown: Path) -> None:
    found = show.tables(study())
    assert found is not None
    plain, md, csv = (show.render(found, form) for form in ("plain", "md", "csv"))  # type: ignore[arg-type]
    for text in (plain, md, csv):
        assert "+2.24 (+1.99 to +2.48)" in text
    assert "resnet18*" in plain
    assert md.startswith("## ")
    assert csv.splitlines()[0].startswith("table,group,Model,")
    wide = show.render(found, "table", width=200)
    assert sum("resnet18" in line for line in wide.splitlines()) == 2  # one for each group


def test_what_is_not_there_yet_is_told(tmp_path: Path) -> None:
    path = studyfile.write({**TINY, **SMALL}, tmp_path / "study.yaml")
    run = bakeoff("show", str(path), cwd=tmp_path)
    assert run.returncode == 1
    said = "bakeoff: show: results/tiny/comparison.json is not there yet: none of its 4 runs is done; `bakeoff run "
    assert run.stderr.startswith(said)
    assert run.stdout == ""


def test_an_edited_result_is_not_shown(shown: Path) -> None:
    path = Path("results/tiny/comparison.json")
    path.write_text(path.read_text().replace("0.98", "0.99"))
    with pytest.raises(Refused):
        show.tables(study())


# --- at the end ---


def test_the_end_of_a_study_is_its_table_and_the_end_of_a_part_how_far_it_is(shown: Path) -> None:
    whole = news.success(grid(), whole=True)
    assert "+2.24 (+1.99 to +2.48)" in whole
    assert whole.endswith(f"The report of study tiny: {Path('results/tiny/report.html').resolve()}")
    assert "Study tiny: 0 of 12 runs done, 12 left" in news.success(grid(), whole=False)


def test_a_table_that_cannot_be_shown_is_no_fault_of_the_study(shown: Path) -> None:
    Path("results/tiny/comparison.json").write_text("{}")
    text = news.success(grid(), whole=True)
    assert "is no record of bakeoff" in text
    assert "The report of study tiny: " in text


@pytest.mark.parametrize("width", range(44, 140, 8))
def test_no_entry_is_broken_at_any_width(shown: Path, width: int) -> None:
    (found,) = show.tables(study()) or []
    lines = show.render([found], "table", width=width).splitlines()
    assert max(map(cell_len, lines)) <= width
    text = "\n".join(lines)
    entries = {entry.text for group in found.groups for row in group.rows for entry in row}
    assert not [entry for entry in entries if entry not in text]

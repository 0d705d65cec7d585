"""The benchmarks start, measure what they say, and leave nothing behind. How fast things are is not tested here."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
Benchmark = Callable[[str], ModuleType]


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> Benchmark:
    """A module of benchmarks/, which is no part of the package."""
    monkeypatch.syspath_prepend(ROOT)
    return lambda name: importlib.import_module(f"benchmarks.{name}")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the benchmarks' own prepared digits stand."""
    return tmp_path_factory.mktemp("benchmarks")


# --- in turn ----------------------------------------------------------------------------------------------------------


def test_turns_give_each_its_own_time_for_the_same_number_of_steps(benchmark: Benchmark) -> None:
    now = 0.0
    done: list[str] = []

    def work(name: str, seconds: float) -> Callable[[int], None]:
        def run(steps: int) -> None:
            nonlocal now
            now += seconds * steps
            done.append(f"{name} {steps}")

        return run

    others = {"bare": work("bare", 2), "data": work("data", 0.5)}
    turns = benchmark("interleave").Turns(others, 3, clock=lambda: now, synchronise=lambda: None)
    loop = work("loop", 5)
    for _ in range(20):
        turns.start(7)
        for _ in range(7):
            loop(1)
            turns.step()
        assert turns.seconds == {"loop": 35, "bare": 14, "data": 3.5}
    assert set(done) == {"loop 1", "bare 3", "bare 1", "data 3", "data 1"}
    first_turns = {done[i] for i in range(0, len(done), 13)}  # 7 steps of the loop, 3 turns of each other
    assert first_turns == {"loop 1", "bare 3", "data 3"}


def test_a_process_that_is_named_is_no_disturbance(benchmark: Benchmark) -> None:
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as busy:
        try:
            alone, together = (benchmark("interleave").Disturbance(named) for named in ([], [busy.pid]))
            time.sleep(0.5)
            difference = alone.share() - together.share()
        finally:
            busy.kill()
    assert 0.05 < difference * (os.cpu_count() or 1) <= 1.2


def test_a_spread_of_few_values(benchmark: Benchmark) -> None:
    spread = benchmark("common").Spread
    assert spread.of([3, 1, 2, 5, 4]) == spread(3, 2, 4, 5)
    assert spread.of([7]) == spread(7, 7, 7, 1)
    assert spread.of([]).text(2) == "–"


# --- the loop and the bare step ---------------------------------------------------------------------------------------


def test_the_loop_is_measured_beside_the_bare_step(benchmark: Benchmark, root: Path) -> None:
    training, ours = benchmark("training"), benchmark("ours")
    setting = ours.Setting("tiny_cnn", dataset="digits", optimizer="adamw", acceleration="eager")
    row = training.measure(setting, training.Plan(cycles=2, seconds=0.05, disturbance=9), root)
    assert row["cycles_kept"] == row["cycles_made"] == 2
    assert 0.2 < row["phi"]["median"] < 1.5
    assert row["data"]["median"] > row["bare"]["median"] > 0
    json.dumps(row, allow_nan=False)
    assert training._sentence({**vars(setting), **row}).startswith("tiny_cnn  standard  fp32  1  eager")


def test_one_thread_is_measured_in_cpu_time_and_all_else_in_wall_time(benchmark: Benchmark) -> None:
    setting, clock = benchmark("ours").Setting, benchmark("training")._clock
    assert clock(setting("tiny_cnn")) is time.process_time
    assert clock(setting("tiny_cnn", threads=2)) is clock(setting("tiny_cnn", device="cuda")) is time.perf_counter


# --- the race ---------------------------------------------------------------------------------------------------------

COUNTING = """
import sys, time
from pathlib import Path
from benchmarks.peers.entry import Counter
counter = Counter(Path(sys.argv[1]))
while True:
    time.sleep(0.01)
    counter.add(int(sys.argv[2]))
"""


def counting(race: ModuleType, folder: Path, name: str, images: int, programs: int = 1) -> Any:
    places = [folder / f"{name}-{i}" for i in range(programs)]
    commands = [[sys.executable, "-c", COUNTING, str(place), str(images)] for place in places]
    made = [race.Program(command, place, {}) for command, place in zip(commands, places, strict=True)]
    return race.Contestant(name, made, folder / f"{name}.log")


def test_contestants_run_in_their_turns_only(benchmark: Benchmark, tmp_path: Path) -> None:
    race = benchmark("race")
    contestants = [counting(race, tmp_path, "tutorial", 10), counting(race, tmp_path, "ours", 15, programs=2)]
    rules = race.Rules(rounds=2, seconds=0.3, disturbance=9)
    with race.running(contestants, images=30):
        time.sleep(0.05)
        before = [contestant.counts() for contestant in contestants]
        time.sleep(0.1)
        assert before == [contestant.counts() for contestant in contestants]
        rounds = race.race(contestants, rules)
        processes = [process for contestant in contestants for process in contestant.processes]
    assert all(process.poll() is not None for process in processes)
    rows = [race.summarise(contestant.name, rounds, rules, "tutorial") for contestant in contestants]
    assert [row["turns_kept"] for row in rows] == [2, 2]
    assert rows[0]["ratio"]["median"] == 1
    assert 2 < rows[1]["ratio"]["median"] < 4.5  # two programs, each one and a half times as fast
    assert "ours" in race._table("model", rows, [("lightning", "lightning")])


def test_disturbed_turns_do_not_count(benchmark: Benchmark) -> None:
    race = benchmark("race")
    quiet, noisy = race.Turn(100.0, 0.0), race.Turn(50.0, 0.5)
    rounds = [{"tutorial": quiet, "ours": race.Turn(300.0, 0.01)}, {"tutorial": noisy, "ours": quiet}]
    row = race.summarise("ours", rounds, race.Rules(2, 1, 0.06), "tutorial")
    assert (row["ratio"]["median"], row["ratio"]["n"], row["rate"]["median"]) == (3, 1, 200)


def test_a_contestant_that_ends_is_named_with_what_it_said(benchmark: Benchmark, tmp_path: Path) -> None:
    race = benchmark("race")
    program = race.Program([sys.executable, "-c", "raise SystemExit('no such net')"], tmp_path / "count", {})
    with (
        pytest.raises(race.Broken, match=r"(?s)timm: ended.*no such net"),
        race.running([race.Contestant("timm", [program], tmp_path / "log")], images=1),
    ):
        pass


def test_a_missing_package_is_named(benchmark: Benchmark, monkeypatch: pytest.MonkeyPatch) -> None:
    race = benchmark("race")
    monkeypatch.setitem(race.PEERS, "lightning", ("benchmarks.peers.lightning_trainer", "no_such_package"))
    assert race.missing("lightning") == "no_such_package"
    assert race.missing("ours") is None
    assert "no no_such_package" in race._table("model", [], [("lightning", "no_such_package")])


@pytest.mark.parametrize(
    ("module", "package"),
    [
        ("tutorial", "torchvision"),
        ("timm_loader", "timm"),
        ("lightning_trainer", "lightning"),
        ("bakeoff_run", "bakeoff"),
    ],
)
def test_every_peer_trains_and_counts(
    benchmark: Benchmark, root: Path, tmp_path: Path, module: str, package: str
) -> None:
    pytest.importorskip(package)
    entry_module = benchmark("peers.entry")
    given = entry_module.Entry("tiny_cnn", "fp32", "adamw", "digits", root, tmp_path / "count", steps=3)
    entry = entry_module.Entry(**json.loads(given.as_argument()))
    with pytest.raises(entry_module.Finished):
        benchmark(f"peers.{module}").train(entry)
    assert entry_module.Counter(entry.counter).read().images == 3 * 128


# --- the start --------------------------------------------------------------------------------------------------------


def test_a_run_is_cut_into_start_steps_and_end(benchmark: Benchmark, root: Path, tmp_path: Path) -> None:
    startup = benchmark("startup")
    setting = benchmark("ours").Setting("lenet5", dataset="digits")
    note = tmp_path / "note"
    command = [sys.executable, "-X", "importtime", "-m", "benchmarks.marked", str(note)]
    spent = startup.cost([*command, *startup.arguments(setting, root, tmp_path / "run")], 1, tmp_path / "log")
    first, last, calls = json.loads(note.read_text())
    assert 0 < first < last < spent.cpu
    assert calls == startup.EPOCHS * (1 + 10)  # 1,334 digits make 10 batches
    assert (tmp_path / "run/run.json").is_file()
    found = startup.imports_of((tmp_path / "log").read_text())
    assert {"torch", "bakeoff.train.step"} <= {one.module for one in found}
    assert not any(startup.loaded(found).values())


# --- verification -----------------------------------------------------------------------------------------------------


def test_verification_is_measured_beside_a_loop_that_finds_the_same(benchmark: Benchmark, tmp_path: Path) -> None:
    verification = benchmark("verification")
    embeddings, identity = verification.sample(60, 6, 16)
    verification.check(embeddings, identity)
    assert len(verification.naive(embeddings)) == verification.scores(embeddings, identity) == 60 * 59 // 2
    cycles = verification.race(embeddings, identity, 2)
    assert all(min(cycle.naive, cycle.scores, cycle.curve) > 0 for cycle in cycles)
    row = verification.whole(60, 6, 16, tmp_path)
    assert (row["pairs"], row["identities"]) == (60 * 59 // 2, 6)
    assert row["peak_memory_mb"] > 20  # counted from what this process holds: Linux begins a child's count there
    assert row["cpu_seconds"] > 0
    json.dumps(row, allow_nan=False)


# --- statistics -------------------------------------------------------------------------------------------------------


def test_the_worlds_of_the_statistics_are_as_they_are_said_to_be(benchmark: Benchmark) -> None:
    statistics = benchmark("statistics")
    rng = np.random.default_rng(0)
    for world in statistics.WORLDS:
        tables, here = zip(*(world.draw(rng, 4, 2000) for _ in range(20)), strict=True)
        base, candidate = np.mean([table.mean(axis=(1, 2)) for table in tables], axis=0)
        assert base == pytest.approx(0.9, abs=0.006)
        assert candidate - base == pytest.approx(world.better, abs=0.006)
        assert np.mean(here) == pytest.approx(world.better, abs=0.006)


def test_statistics_are_simulated_and_measured(benchmark: Benchmark) -> None:
    statistics = benchmark("statistics")
    found = statistics.promises(statistics.WORLDS[0], seeds=3, images=300, simulations=6, ranked=2)
    assert set(found) == {"t", "crossed", "t holds", "crossed holds", "ranked"}
    assert all(0 <= share <= 1 for share in found.values())
    found = statistics.alone("whole", 3, 3, 60)
    assert found["laps"]["rows"] > 0
    assert 20 < found["peak_mb"] < 4000
    assert sum(statistics.draws(5, 3, 60).values()) > 0


def test_many_counts_the_jobs_of_its_study(benchmark: Benchmark, tmp_path: Path) -> None:
    many = benchmark("many")
    notes = many.timed_python(tmp_path)
    done = subprocess.run(
        [tmp_path / "bin" / "python", "-c", "import sys; sys.exit(3)", "train"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (3, "")
    assert len(notes.read_text().splitlines()) == 1
    found = many.steps("train 1.5 0.5\nevaluate 0.25 0.25\ntrain 2.5 0.5\n")
    assert [(step.name, step.jobs, step.cpu, step.each) for step in found] == [
        ("train", 2, 5.0, 2.5),
        ("evaluate", 1, 0.5, 0.5),
    ]
    study = many.study(500)
    assert len(study["models"]) * len(study["seeds"]) * len(study["recipes"]) == 500

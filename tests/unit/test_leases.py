"""Leases of GPUs: no two jobs have one device, whatever becomes of them. Devices are made up, locks are real."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_line import Call
from tiny import DIGITS

from bakeoff import leases
from bakeoff.errors import UserError
from bakeoff.provenance import read_record

FOUR = [f"GPU-{letter * 8}" for letter in "abcd"]
# A job as Snakemake starts it: it leases, says what it got, and holds it until its input ends.
JOB = """
import sys
from bakeoff import leases
leases._devices = lambda: {devices!r}
with leases.leased("cuda", {count}, {share}) as lease:
    print("has", *lease.devices, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four GPUs, and nobody else's leases."""
    monkeypatch.setattr(leases, "_devices", lambda: list(FOUR))
    monkeypatch.setattr(leases.tempfile, "tempdir", None)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    for name in (leases.VISIBLE, "SLURM_JOB_ID"):
        monkeypatch.delenv(name, raising=False)


def start(count: int = 1, share: int = 1, devices: list[str] = FOUR) -> subprocess.Popen[str]:
    code = JOB.format(devices=devices, count=count, share=share)
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def says(job: subprocess.Popen[str]) -> list[str]:
    assert job.stdout is not None
    return job.stdout.readline().split()


def ends(*jobs: subprocess.Popen[str]) -> None:
    for job in jobs:
        job.communicate()


def test_six_jobs_on_two_devices_never_have_the_same_and_use_both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.VISIBLE, "0,1")
    jobs = {job.stdout: job for job in (start() for _ in range(6))}
    had: list[str] = []
    while jobs:
        holders: dict[str, subprocess.Popen[str]] = {}
        while len(holders) < min(2, len(jobs) + len(holders)):
            ready, _, _ = select.select(list(jobs), [], [], 60)
            assert ready, "nobody gets a device"
            for stream in ready:
                word, *device = stream.readline().split()
                if word == "has":
                    assert device[0] not in holders
                    holders[device[0]] = jobs.pop(stream)
        had += holders
        ends(*holders.values())
    assert len(had) == 6
    assert set(had) == set(FOUR[:2])


def test_the_lease_of_a_killed_job_is_free_at_once() -> None:
    job = start(devices=FOUR[:1])
    assert says(job) == ["has", FOUR[0]]
    other = start(devices=FOUR[:1])
    assert says(other)[0] == "waits"
    job.kill()
    began = time.monotonic()
    assert says(other) == ["has", FOUR[0]]
    assert time.monotonic() - began < 30
    ends(job, other)


def test_a_job_of_two_waits_for_both_and_holds_none_meanwhile() -> None:
    jobs = [start(devices=FOUR[:3]) for _ in range(2)]
    assert sorted(says(job)[1] for job in jobs) == FOUR[:2]
    pair = start(count=2, devices=FOUR[:3])
    assert says(pair)[0] == "waits"
    last = start(devices=FOUR[:3])
    assert says(last) == ["has", FOUR[2]]
    ends(*jobs)
    assert says(pair) == ["has", *FOUR[:2]]
    ends(pair, last)


def test_small_runs_share_a_device_and_spread_first_but_whole_jobs_wait() -> None:
    jobs = [start(share=2, devices=FOUR[:2]) for _ in range(4)]
    had = sorted(says(job)[1] for job in jobs)
    assert had == sorted(FOUR[:2] * 2)
    whole, fifth = start(devices=FOUR[:2]), start(share=2, devices=FOUR[:2])
    assert says(whole)[0] == says(fifth)[0] == "waits"
    ends(*jobs)
    assert {says(whole)[0], says(fifth)[0]} == {"has"}
    ends(whole, fifth)


@pytest.mark.parametrize(
    ("given", "seen"),
    [
        (None, FOUR),
        ("2,0", [FOUR[2], FOUR[0]]),
        ("GPU-bb, 3", [FOUR[1], FOUR[3]]),
        ("1,1", [FOUR[1]]),
        ("0,7,1", [FOUR[0]]),
        ("MIG-x", ["MIG-x"]),
        ("", []),
        ("-1", []),
    ],
)
def test_only_what_is_visible_is_leased(given: str | None, seen: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    if given is not None:
        monkeypatch.setenv(leases.VISIBLE, given)
    assert leases.visible() == seen
    with leases.leased("auto") as lease:
        assert (lease.devices if lease else ()) == tuple(seen[:1])
        assert os.environ.get(leases.VISIBLE) == (seen[0] if seen else given)
    assert os.environ.get(leases.VISIBLE) == given


def test_a_job_that_gets_less_than_it_asked_for_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leases.VISIBLE, "1")
    line = r"gpus: 2 were asked for and 1 is visible here \(CUDA_VISIBLE_DEVICES=1\); set gpus: 1 in the recipe, or .*"
    with pytest.raises(UserError, match=line), leases.leased("cuda", 2):
        pass


def test_an_allocation_of_slurm_has_leases_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_devices", lambda: FOUR[:1])
    with leases.leased("cuda") as mine:
        monkeypatch.setenv("SLURM_JOB_ID", "17")
        with leases.leased("cuda") as its:
            assert mine == its


def test_a_cpu_is_not_asked_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "_devices", lambda: pytest.fail("looked for GPUs"))
    with leases.leased("cpu", 2) as lease:
        assert lease is None


@pytest.mark.parametrize(("device", "gpus"), [("cuda", {"devices": FOUR[:1], "share": 1}), ("cpu", None)])
def test_a_profile_records_its_lease(device: str, gpus: object, tmp_path: Path, call: Call) -> None:
    """Of a control method, which is not measured, so that no GPU is needed."""
    model = {"name": "majority", "builder": "control/majority", "options": {}}
    spec = {"model": model, "input": [1, 8, 8], "classes": 3, "device": device}
    out = tmp_path / "profile.json"
    assert call("profile", "--spec", json.dumps(spec), "--out", str(out)).status == 0
    assert read_record(out, "profile")["gpus"] == gpus


def test_a_run_records_its_lease_and_is_refused_for_want_of_devices(
    tmp_path: Path, digits: Path, call: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    """torch finds none of these made-up devices, so `auto` trains on the CPU."""
    entry = {"name": "none", "policy": "none", "options": {}}
    model = {"name": "lenet5", "builder": "lenet5", "options": {}}
    spec = {"dataset": DIGITS, "model": model, "augmentation": entry, "device": "auto", "threads": 1}

    def train(**recipe: int) -> tuple[int, str]:
        told = json.dumps({**spec, "recipe": {"epochs": 1, **recipe}})
        names = ["--dataset", "digits", "--model", "lenet5", "--augmentation", "none", "--recipe", "default"]
        places = ["--data", str(digits), "--out", str(tmp_path), "--gpu-share", "2"]
        result = call("train", "--spec", told, *names, "--seed", "0", *places)
        return result.status, result.err

    assert train()[0] == 0
    assert read_record(tmp_path / "run.json", "run")["gpus"] == {"devices": [FOUR[0]], "share": 2}
    monkeypatch.setenv(leases.VISIBLE, "3")
    status, said = train(gpus=2)
    assert status == 1
    assert "gpus: 2 were asked for and 1 is visible here" in said.splitlines()[-1]

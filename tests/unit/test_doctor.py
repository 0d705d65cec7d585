"""`bakeoff doctor`: what it finds wrong here, and what it says to do."""

from __future__ import annotations

import json
import os
import py_compile
from pathlib import Path
from typing import Any

import pytest
from study_fixture import TINY, grid

from bakeoff import studyfile
from bakeoff.commands import checks, doctor, machine
from bakeoff.commands.checks import Check

GPUS = {"gpus": [{"name": "H100", "free": 79e9, "total": 80e9}]}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_this_environment_is_well() -> None:
    found = [checks.python(), checks.snakemake(), checks.cores(1), checks.disk(), checks.environments()]
    assert {check.state for check in found} == {"ok"}
    assert checks.memory().state in ("ok", "warning")


def test_an_old_python_or_snakemake_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.version_info", (3, 10, 1))
    monkeypatch.setattr("importlib.metadata.version", lambda name: "9.3.1")
    assert (checks.python().state, checks.snakemake().state) == ("problem", "problem")
    assert "Python 3.11 to 3.13" in checks.python().remedy
    assert "snakemake>=9.20" in checks.snakemake().remedy


def test_a_package_that_every_job_compiles_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slowly.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    assert checks.bytecode("slowly").state == "ok"
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert checks.bytecode("slowly").state == "warning"
    py_compile.compile(str(tmp_path / "slowly.py"))
    assert checks.bytecode("slowly") == Check("Bytecode", "ok", "slowly is compiled")


def test_what_a_process_says_is_taken_and_its_fault_is_told() -> None:
    assert checks._asked("print('noise'); print('[1]')", 60) == ([1], "")
    found, problem = checks._asked("raise ImportError('libcudart.so.13: cannot open')", 60)
    assert (found, problem) == (None, "ImportError: libcudart.so.13: cannot open")
    assert checks._asked("import time; time.sleep(60)", 0.2) == (None, "no answer within 0 s")


def test_a_torch_that_does_not_import_is_a_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_TORCH", "raise RuntimeError('operator torchvision::nms does not exist')")
    first, second = checks.torch("auto")
    assert first.state == "problem"
    assert first.found == "RuntimeError: operator torchvision::nms does not exist"
    assert second.name == "GPU"


@pytest.mark.parametrize(
    ("device", "found", "seen", "state", "said"),
    [
        ("auto", {"gpus": []}, None, "ok", "runs use the CPU"),
        ("cuda", {"gpus": []}, None, "problem", "none that NVIDIA's driver shows"),
        ("auto", {"gpus": []}, ("550.1", ["H100"]), "warning", "H100, driver 550.1, but torch cannot use it"),
        ("cuda", None, ("550.1", ["H100"]), "problem", "but torch cannot use it"),
        ("cuda", GPUS, ("550.1", ["H100"]), "ok", "H100, 79 GB of 80 GB free, driver 550.1"),
        ("cuda", {"gpus": [{"name": "T4", "free": 1e9, "total": 16e9}]}, None, "warning", "1 GB of 16 GB free"),
    ],
)
def test_the_gpu_is_told_as_torch_and_the_driver_see_it(
    device: str, found: dict[str, Any] | None, seen: tuple[str, list[str]] | None, state: str, said: str
) -> None:
    check = checks.gpu(device, found, seen)
    assert check.state == state
    assert said in check.found


def test_a_hidden_gpu_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert "unset it" in checks.gpu("cuda", {"gpus": []}, ("550.1", ["H100"])).remedy


def test_more_threads_than_cores_are_told() -> None:
    assert checks.cores(100_000).state == "warning"


def test_the_limits_of_a_container_count(tmp_path: Path) -> None:
    all_ = machine.cpu_cores(tmp_path)
    assert all_ == len(os.sched_getaffinity(0))
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cpu_cores(tmp_path) == all_
    (tmp_path / "cpu.max").write_text("50000 100000\n")
    assert machine.cpu_cores(tmp_path) == 1
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal: 2000 kB\nMemFree: 10 kB\nMemAvailable: 1000 kB\n")
    assert machine.memory(tmp_path, meminfo) == (2000 * 1024, 1000 * 1024)
    (tmp_path / "memory.max").write_text("1024000\n")
    (tmp_path / "memory.current").write_text("924000\n")
    assert machine.memory(tmp_path, meminfo) == (1_024_000, 100_000)
    assert machine.memory(tmp_path, tmp_path / "none") is None


def test_room_for_the_study_is_wanted() -> None:
    assert checks.disk(10**18).state == "problem"
    assert "the study needs about 1e+06 TB" in checks.disk(10**18).found


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "results").mkdir(mode=0o500)
    (check,) = checks.writable([Path("results")])
    assert check.state == "problem"


def test_a_folder_that_is_none_is_a_problem() -> None:
    Path("results").write_text("a file")
    (check,) = checks.writable([Path("results")])
    assert (check.name, check.state) == ("Writing results", "problem")
    (later,) = checks.writable([Path("logs")])
    assert (later.state, later.found) == ("ok", "yes, it will be made")


def test_the_font_of_figures_has_japanese_letters() -> None:
    assert checks.fonts("手書き数字").found.startswith("for Japanese: IPAexGothic")


def test_a_font_is_asked_for_where_labels_need_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "_FONTS", "print('[]')")
    assert checks.fonts("LeNet-5").state == "ok"
    assert checks.fonts("手書き数字").state == "warning"
    monkeypatch.setattr(checks, "_FONTS", "print('[\"Noto Sans CJK JP\"]')")
    assert checks.fonts("手書き数字").found == "for Japanese: Noto Sans CJK JP"


def test_a_lock_is_told_with_its_key(tmp_path: Path) -> None:
    assert checks.lock().state == "ok"
    checks.LOCKS.mkdir(parents=True)
    assert checks.lock().state == "ok"
    (checks.LOCKS / "0.input.lock").write_text("x")
    assert (checks.lock().state, "snakemake --unlock" in checks.lock().remedy) == ("warning", True)


def test_the_data_of_a_study_are_looked_for() -> None:
    (check,) = checks.data(grid())
    assert (check.name, check.state) == ("Data digits", "ok")
    assert check.found.startswith("not prepared yet; 10 classes, from scikit-learn")


# --- the command ---


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process is started: torch and fonts are those of a machine that is well."""
    monkeypatch.setattr(checks, "torch", lambda device: iter([Check("torch", "ok", "2.15.0")]))
    monkeypatch.setattr(checks, "fonts", lambda labels: Check("Fonts", "ok", "there"))


def status_of(path: Path | None, as_json: bool = False) -> int:
    with pytest.raises(SystemExit) as ended:
        doctor.doctor(path, as_json=as_json)
    return int(ended.value.code or 0)


@pytest.mark.usefixtures("quick")
def test_all_is_printed_a_line_each(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = studyfile.write(TINY, tmp_path / "study.yaml")
    assert status_of(path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "ok       torch: 2.15.0" in lines
    assert any(line.startswith(f"ok       Study: {path}: 12 runs") for line in lines)
    assert lines[-1].startswith("no problem, ")


@pytest.mark.usefixtures("quick")
def test_a_study_that_is_wrong_is_a_problem(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = studyfile.write({**TINY, "models": ["lenet"]}, tmp_path / "study.yaml")
    assert status_of(path) == 1
    out = capsys.readouterr().out
    assert "PROBLEM  Study: " in out
    assert "'lenet' is no such model" in out
    assert out.endswith("1 problem, no warning.\n") or "1 problem, " in out


@pytest.mark.usefixtures("quick")
def test_machines_get_json_and_no_study_is_needed(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of(None, as_json=True) == 0
    body = json.loads(capsys.readouterr().out)
    assert body["ok"]
    assert {"name", "state", "found", "remedy"} == body["checks"][0].keys()
    assert "Study" not in {check["name"] for check in body["checks"]}


def test_what_to_do_stands_below_what_is_wrong() -> None:
    assert doctor.describe(Check("Lock", "warning", "there", "unlock")) == "warning  Lock: there\n         -> unlock"
    assert doctor.describe(Check("Lock", "ok", "none", "unlock")) == "ok       Lock: none"

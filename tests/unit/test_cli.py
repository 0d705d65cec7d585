"""The command line: what there is to choose from, and a sentence instead of a traceback for what is wrong."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from command_line import Call
from study_fixture import TINY, bakeoff, study

from bakeoff import studyfile
from bakeoff.commands import run
from bakeoff.evaluate.spec import KNOWN
from bakeoff.provenance import PACKAGE
from bakeoff.study import json_schema, load


def test_models_are_listed_and_searched(call: Call) -> None:
    everything = call("models").out.splitlines()
    assert len(everything) > 1000
    assert any(line.startswith("timm/resnet18") for line in everything)
    found = call("models", "TINY_").out.splitlines()
    assert {line.split()[0] for line in found} >= {"tiny_cnn", "tiny_vit"}
    assert all("tiny_" in line for line in found)
    assert all("/" in line or len(line.split()) > 3 for line in found)


@pytest.mark.parametrize("command", ["models", "datasets", "augmentations", "metrics"])
def test_every_listing_can_be_filtered_and_says_what_each_is(call: Call, command: str) -> None:
    everything = call(command).out.splitlines()
    assert not [line for line in everything if len(line.split()) < 2]
    text = {"models": "resnet18", "metrics": "ece"}.get(command, "mnist" if command == "datasets" else "mixup")
    found = call(command, "--filter", text.upper()).out.splitlines()
    assert {line.split()[0] for line in found} == {
        name for line in everything if text in (name := line.split()[0]).lower()
    }
    assert 0 < len(found) < len(everything)
    assert [line.split()[0] for line in call(command, text).out.splitlines()] == [line.split()[0] for line in found]


def test_a_net_of_a_library_is_told_by_its_docstring(call: Call) -> None:
    lines = {line.split()[0]: line for line in call("models", "resnet18").out.splitlines()}
    assert lines["timm/resnet18"].endswith(" Constructs a ResNet-18 model")
    assert lines["torchvision/resnet18"].endswith(" ResNet-18 from Deep Residual Learning for Image Recognition")


def test_a_reader_that_has_had_enough_is_no_fault() -> None:
    command = f"{sys.executable} -m bakeoff models | head -n 1"
    run = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert run.stdout.count("\n") == 1
    assert run.stderr == ""


def test_a_terminal_without_unicode_shows_something() -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "bakeoff", "metrics"]
    run = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert (run.returncode, run.stderr) == (0, "")


def test_a_search_without_result_says_so(call: Call) -> None:
    result = call("models", "resnt18")
    assert (result.status, result.out) == (1, "")
    assert result.err.startswith("bakeoff: models: no name has 'resnt18' in it; did you mean ")
    assert "resnet18" in result.err


@pytest.mark.parametrize(
    ("command", "names"), [("datasets", {"digits", "fashion_mnist"}), ("augmentations", {"none", "standard"})]
)
def test_plug_ins_are_listed_with_what_they_are(call: Call, command: str, names: set[str]) -> None:
    result = call(command)
    lines = {line.split()[0]: line for line in result.out.splitlines()}
    assert result.status == 0
    assert names <= lines.keys()
    assert all(len(line.split()) > 2 for line in lines.values())


def test_metrics_are_listed_with_their_direction(call: Call) -> None:
    lines = call("metrics").out.splitlines()
    assert [line.split()[0] for line in lines] == list(KNOWN)
    assert all("is better" in line for line in lines)


def test_the_schema_is_printed(call: Call) -> None:
    assert json.loads(call("schema").out) == json_schema()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["profile"], "profile: give a MODEL, such as timm/resnet18, or both --spec and --out"),
        (["profile", "--spec", "{}"], "profile: give a MODEL"),
        (["profile", "lenet5", "--out", "x.json"], "profile: give a MODEL"),
        (["profile", "timm/resnt18"], "profile: timm/resnt18: no such model; did you mean timm/resnet18 "),
        (["profile", "lenet5", "--input", "28x28"], "--input: '28x28' is no shape; write channels x height x width"),
        (["profile", "lenet5", "--input", "1x28x²"], "--input: '1x28x²' is no shape"),
        (["profile", "lenet5", "--input", "1x0x28"], "--input: '1x0x28' is no shape"),
        (["profile", "lenet5", "--input", "1x28x32"], "profile: input: must be [channels, size, size]"),
        (["profile", "lenet5", "--classes", "0"], "profile: classes: Input should be greater than or equal to 1"),
        (["profile", "lenet5", "--threads", "0"], "profile: threads: Input should be greater than or equal to 1"),
        (["profile", "lenet5", "--device", "tpu"], "profile: device: Input should be 'auto', 'cpu' or 'cuda'"),
        (["profile", "--spec", "{", "--out", "x.json"], "--spec: is not JSON"),
        (["compare", "--spec", "[]"], "--spec: must be a JSON object"),
        (["compare", "--spec", "{}"], "--spec: "),
        (["evaluate", "--spec", '{"metrics": ["acc"]}', "--run", "x"], "--spec: metrics: no such metric: acc"),
        (["plan", "missing.yaml"], "missing.yaml: no such file; study files stand in studies/"),
        (["compare", "missing.yaml"], "missing.yaml: no such file"),
        (["run", "missing.yaml"], "missing.yaml: no such file"),
    ],
)
def test_a_mistake_ends_in_one_sentence(call: Call, arguments: list[str], said: str) -> None:
    result = call(*arguments)
    assert result.status == 1
    assert result.err.startswith(f"bakeoff: {said}")
    assert "Traceback" not in result.err


def test_a_step_told_by_a_rule_also_tells_the_terminal(call: Call) -> None:
    """Standard error of a rule is its log."""
    result = call("compare", "--spec", "[]")
    assert result.out == result.err == "bakeoff: --spec: must be a JSON object\n"
    assert call("plan", "missing.yaml").out == ""


def test_a_fault_of_ours_keeps_its_traceback(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bakeoff.study.json_schema", lambda: 1 / 0)
    result = call("schema")
    assert result.status == 1
    assert "Traceback" in result.err
    assert result.err.endswith("bakeoff schema: stopped by ZeroDivisionError: division by zero\n")


def test_an_unknown_command_is_told(call: Call) -> None:
    result = call("profle")
    assert result.status == 2
    assert "No such command 'profle'" in result.err


def test_run_hands_plain_data_to_snakemake(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commands = []

    def started(command: list[str]) -> int:
        commands.append(command)
        return 3

    monkeypatch.setattr(run, "_plain", started)
    result = call("run", str(studyfile.write(TINY, tmp_path / "mine.yaml")), "--cores", "2", "-n", "trained")
    (command,) = commands
    plain = Path(".snakemake/studies/tiny.json")
    assert result.status == 3
    assert command[1:] == [
        *["-m", "snakemake", "--cores", "2", "-n", "trained", "--configfile", str(plain)],
        *["--snakefile", str(PACKAGE.parent.parent / "Snakefile")],
    ]
    assert load(plain) == study()


def test_the_package_runs_as_a_module() -> None:
    result = bakeoff("augmentations")
    assert (result.returncode, result.stderr) == (0, "")
    assert "standard" in result.stdout

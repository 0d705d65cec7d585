"""Study files of strangers (S01 to S04): each refused in one line, no code run, nothing written."""

from __future__ import annotations

import json

import pytest
import yaml
from world import World

GOOD = """\
study: ok
datasets: [{name: d, source: digits, image_size: 12}]
models: [{name: m, builder: lenet5}]
augmentations: [{name: a, policy: none}]
recipes: {r: {epochs: 1}}
seeds: [0]
"""
TOUCH = "__import__('pathlib').Path('../MARKER').touch()"

CODE = {
    "YTE switch": ("__use_yte__: true\n" + GOOD, "__use_yte__: no such key"),
    "YTE definitions": (f"__definitions__:\n- {TOUCH}\n" + GOOD, "__definitions__: no such key"),
    "YTE variables": (f'__variables__: {{x: "{TOUCH}"}}\n' + GOOD, "__variables__: no such key"),
    "YTE expression as a value": (GOOD.replace("[0]", f'["?{TOUCH}"]'), "must be a whole number"),
    "YTE expression as a key": (f'"?{TOUCH}": 1\n' + GOOD, "no such key"),
    "YTE loop as a key": ('"?for i in range(9)": {x: 1}\n' + GOOD, "no such key"),
    "YTE in a recipe": (GOOD.replace("epochs: 1", f'"?if {TOUCH}": {{epochs: 1}}'), "no such key"),
    "python tag": (GOOD + "title: !!python/object/apply:os.system ['touch ../MARKER']\n", "tags"),
    "python name": (GOOD + "title: !!python/name:os.system\n", "tags"),
    "python object": (GOOD + "title: !!python/object/new:os.system ['touch ../MARKER']\n", "tags"),
    "custom tag": (GOOD + "title: !include /etc/passwd\n", "tags"),
    "tag by a handle": ("%TAG !p! tag:yaml.org,2002:python/\n---\n" + GOOD + "title: !p!name:os.system\n", "tags"),
    "merge key": (GOOD + "report: {<<: {title: x}}\n", "no such key"),
    "alias bomb": ("a: &a [x]\n" + "".join(f"b{i}: &b{i} [*a,*a]\n" for i in range(9)) + GOOD, "aliases"),
    "alias of itself": (GOOD + "comparisons: &c [*c]\n", "anchors"),
    "deep nesting": (GOOD + "title: " + "[" * 10_000 + "]" * 10_000 + "\n", "nested more than"),
    "deep mapping": (GOOD + "title: " + "{a: " * 10_000 + "}" * 10_000 + "\n", "nested more than"),
    "duplicate key": (GOOD + "study: other\n", "stands twice"),
    "duplicate key below": (GOOD.replace("epochs: 1", "epochs: 1, epochs: 2"), "stands twice"),
    "two documents": (GOOD + "---\n" + GOOD, "another document"),
    "number without end": (GOOD.replace("[0]", "[" + "9" * 5000 + "]"), "larger than any number"),
    "infinite number": (GOOD.replace("epochs: 1", "lr: 1e999"), "larger than any number"),
    "not a number": (GOOD.replace("epochs: 1", "lr: .nan"), "must be a number"),
    "huge count": (GOOD.replace("epochs: 1", "train_images: -1"), "train_images"),
    "NUL": (GOOD + 'title: "a\\0b"\n', "one line of text"),
    "terminal escape": (GOOD + 'title: "\\e]0;x\\a"\n', "one line of text"),
    "raw control character": (GOOD.encode() + b"title: \x1b[2J\n", "control character"),
    "half a character": (GOOD + 'title: "\\ud800"\n', "halves of characters"),
    "not UTF-8": (GOOD.encode() + b"title: \xff\xfe\n", "UTF-8"),
    "model outside the folder": (GOOD.replace("lenet5", "../evil.py:build"), "inside the working folder"),
    "model at an absolute path": (GOOD.replace("lenet5", "/tmp/evil.py:build"), "inside the working folder"),
    "model of any module": (GOOD.replace("lenet5", "os/system"), "no such model"),
    "data set of any class": (GOOD.replace("source: digits", "source: torchvision/DatasetFolder"), "no such data set"),
    "policy of any module": (GOOD.replace("policy: none", "policy: ../../cli"), "no such augmentation"),
    "transform that runs code": (
        GOOD.replace("policy: none", "policy: albumentations, pipeline: [Lambda: {image: x}]"),
        "Lambda",
    ),
    "weights that are no file": (GOOD.replace("epochs: 1", "weights: /dev/zero"), "must be random"),
    "weights of an address": (GOOD.replace("epochs: 1", 'weights: "http://x/w.pth"'), "no such file"),
}


@pytest.mark.timeout(60)  # a bomb would hang
@pytest.mark.parametrize("case", CODE)
def test_a_hostile_study_is_refused_in_one_line(world: World, case: str) -> None:
    text, said = CODE[case]
    name = world.study(text)
    before = world.files()
    message = world.refused("plan", name)
    assert len(message) < 1000
    assert said in message
    assert message.startswith(f"bakeoff: {name}:")
    assert world.files() == before


NAMES = {
    "parent": "..",
    "path": "../x",
    "path within": "a/../../b",
    "absolute": "/etc/passwd",
    "backslashes": "..\\x",
    "home": "~",
    "home of root": "~root",
    "NUL": "a\0b",
    "line end": "a\nb",
    "carriage return": "a\rb",
    "full-width dots": "\uff0e\uff0e/x",
    "one-dot leaders": "\u2024\u2024",
    "accent": "e\u0301",
    "no width": "a\u200bb",
    "right to left": "a\u202eb",
    "option": "-rf",
    "hidden": ".x",
    "long": "a" * 300,
    "empty": "",
    "blank": "a b",
    "command": "$(touch ../MARKER)",
    "backticks": "`touch ../MARKER`",
    "two commands": "a;touch ../MARKER",
    "pipe": "a|touch ../MARKER",
    "quote": "a'$(touch ../MARKER)'",
    "wildcard of Snakemake": "{wildcards}",
    "format of Python": "{params.spec.__class__}",
    "glob": "a*",
    "HTML": "<script>alert(1)</script>",
    "LaTeX": "\\input{/etc/passwd}",
    "formula": "=cmd|'/c calc'!A0",
    "device": "con",
    "device with an ending": "nul.txt",
    "last dot": "a.",
}
FIELDS = {
    "study": lambda study, name: study | {"study": name},
    "dataset": lambda study, name: study | {"datasets": [{**study["datasets"][0], "name": name}]},
    "model": lambda study, name: study | {"models": [{**study["models"][0], "name": name}]},
    "augmentation": lambda study, name: study | {"augmentations": [{"name": name, "policy": "none"}]},
    "recipe": lambda study, name: study | {"recipes": {name: {"epochs": 1}}},
    "ensemble": lambda study, name: study | {"ensembles": [{"name": name, "models": ["m"], "over": "seeds"}]},
}


@pytest.mark.parametrize("field", FIELDS)
@pytest.mark.parametrize("case", NAMES)
def test_what_is_no_name_is_refused_wherever_a_name_stands(world: World, case: str, field: str) -> None:
    study = FIELDS[field](yaml.safe_load(GOOD), NAMES[case])
    name = world.study(json.dumps(study))
    before = world.files()
    assert "is no name" in world.refused("plan", name)
    assert world.files() == before


@pytest.mark.parametrize("name", ["data", "runs", "profiles", "tuning"])
def test_a_study_does_not_take_the_folder_that_all_share(world: World, name: str) -> None:
    assert "folder of results that all studies share" in world.refused(
        "plan", world.study(GOOD.replace("study: ok", f"study: {name}"))
    )


def test_the_study_that_these_are_made_of_is_good(world: World) -> None:
    assert world.bakeoff("plan", world.study(GOOD)) == (0, "")


@pytest.mark.parametrize("command", ["plan", "run", "show", "watch", "report", "compare"])
def test_every_command_that_reads_a_study_refuses_the_same(world: World, command: str) -> None:
    name = world.study(CODE["python tag"][0])
    assert "tags" in world.refused(command, name)


def test_fifty_megabytes_are_not_read(world: World) -> None:
    path = world.work / "large.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    assert "is larger than" in world.refused("plan", "large.yaml")


@pytest.mark.parametrize("path", ["/dev/null", "/etc/passwd", "/dev/zero", ".", "no/such.yaml"])
def test_what_is_no_study_file_at_all(world: World, path: str) -> None:
    world.refused("plan", path)

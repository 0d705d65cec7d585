"""Nets of one's own: `nets/mynet.py:build` is checked without being run, and its code is part of its runs' digest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from study_fixture import grid, study

from bakeoff import stages
from bakeoff.errors import UserError
from bakeoff.models import factory, registry

BUILDER = "nets/mynet.py:build"
NET = '''"""A linear net."""
from blocks import flat
from torch import nn


def build(channels, size, classes, *, bias: bool = True, width: int = 3):
    return nn.Sequential(*flat(), nn.Linear(channels * size * size, width), nn.Linear(width, classes, bias=bias))


def bare(channels, size, classes):
    return lambda images: images


def hidden(channels, size, classes):
    return nn.Sequential(nn.Flatten(), nn.Linear(3, classes))


def wide(channels, size, classes):
    return nn.Flatten()


def wrong(channels, size, classes):
    raise KeyError("no such block")


def needy(channels, size, classes, *, depth):
    return None


def short(channels):
    return None
'''
BLOCKS = "from torch import nn\n\ndef flat():\n    return [nn.Flatten()]\n"


@pytest.fixture(autouse=True)
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a net; each test has its own, so the modules beside the net are forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", ["", *__import__("sys").path])
    monkeypatch.delitem(__import__("sys").modules, "blocks", raising=False)
    folder = tmp_path / "nets"
    folder.mkdir()
    (folder / "mynet.py").write_text(NET)
    (folder / "blocks.py").write_text(BLOCKS)
    return folder


def build(builder: str = BUILDER, **options: Any) -> torch.nn.Module:
    return registry.build({"builder": builder, "options": options}, channels=1, size=4, classes=2)


def test_it_is_built_with_its_options() -> None:
    net = build(width=5, bias=False)
    assert net(torch.zeros(3, 1, 4, 4)).shape == (3, 2)
    assert sum(p.numel() for p in net.parameters()) == 16 * 5 + 5 + 10


def test_a_study_names_it_and_reads_its_options_without_running_it(nets: Path) -> None:
    (nets / "mynet.py").write_text(NET + "\nraise SystemExit\n")
    entry = study(models=[BUILDER, {"name": "wide", "builder": BUILDER, "width": 9}]).models
    assert [model.name for model in entry] == ["nets-mynet.py-build", "wide"]
    assert entry[1].options == {"bias": True, "width": 9}
    with pytest.raises(UserError, match=r"models\[0\]\.widht: .*no such option; did you mean width\?"):
        study(models=[{"name": "wide", "builder": BUILDER, "widht": 9}])


@pytest.mark.parametrize(
    ("builder", "problem"),
    [
        ("nets/none.py:build", r"nets/none.py: there is no such file in the working folder"),
        ("nets/mynet.py:make", r"nets/mynet.py has no function make; it has build, bare"),
        ("nets/mynet.py", r"names no function; write file.py:function"),
        ("/etc/mynet.py:build", r"must be a path inside the working folder"),
        ("../mynet.py:build", r"must be a path inside the working folder"),
        ("nets/mynet.py:needy", r"option depth needs a default"),
        ("nets/mynet.py:short", r"short must take \(channels, size, classes\)"),
    ],
)
def test_what_is_wrong_with_it_is_said_with_the_study(builder: str, problem: str) -> None:
    with pytest.raises(UserError, match=rf"models\[0\].*{problem}"):
        study(models=[builder, "lenet5"])


def test_a_file_that_is_no_python(nets: Path) -> None:
    (nets / "mynet.py").write_text("def build(:\n")
    with pytest.raises(UserError, match=r"mynet.py: is no Python: .*line 1"):
        study(models=[BUILDER, "lenet5"])


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("wrong", r"KeyError: 'no such block' \(mynet.py, line \d+\)"),
        ("bare", r"must return a torch.nn.Module, not function"),
        ("wide", r"gives \[2, 16\] for 2 images, not logits \[2, 2\]"),
        ("hidden", r"cannot be built for images of 1x4x4 and 2 classes: .*shapes cannot be multiplied"),
    ],
)
def test_what_is_wrong_when_it_runs(name: str, problem: str) -> None:
    with pytest.raises(UserError, match=problem):
        build(f"nets/mynet.py:{name}")


def test_a_file_that_cannot_be_run(nets: Path) -> None:
    (nets / "broken.py").write_text("import no_such_package\n\ndef build(channels, size, classes):\n    return None\n")
    with pytest.raises(UserError, match=r"broken.py: cannot be run: ModuleNotFoundError: .*no_such_package.*line 1"):
        build("nets/broken.py:build")


def test_its_code_and_that_beside_it_are_part_of_the_digest(nets: Path) -> None:
    before = stages.train(BUILDER, "none"), stages.profile(BUILDER)
    (nets / "mynet.py").write_text(NET.replace("\n\n\n", "\n\n\n# a remark\n").replace("A linear", "Another"))
    assert (stages.train(BUILDER, "none"), stages.profile(BUILDER)) == before
    (nets / "blocks.py").write_text(BLOCKS.replace("nn.Flatten()", "nn.Flatten(1)"))
    changed = stages.train(BUILDER, "none"), stages.profile(BUILDER)
    assert not set(changed) & set(before)
    (nets / "mynet.py").write_text(NET.replace("= 3", "= 4"))
    assert stages.train(BUILDER, "none") != changed[0]
    assert stages.train("lenet5", "none") == stages.train("lenet5", "none") != changed[0]


def test_a_package_of_the_working_folder_counts_too(nets: Path) -> None:
    (nets / "__init__.py").write_text("A = 1\n")
    (nets / "mynet.py").write_text(NET.replace("from blocks", "from nets.blocks"))
    before = factory.code(BUILDER)
    (nets / "blocks.py").write_text(BLOCKS + "B = 2\n")
    between = factory.code(BUILDER)
    (nets / "__init__.py").write_text("A = 2\n")
    assert len({before, between, factory.code(BUILDER)}) == 3
    assert build()(torch.zeros(2, 1, 4, 4)).shape == (2, 2)


def test_the_grid_keys_its_runs_by_that_code(nets: Path) -> None:
    def digests() -> list[str]:
        cells = grid(models=[BUILDER, "lenet5"]).cells
        return [grid(models=[BUILDER, "lenet5"]).train_code(cell) for cell in cells]

    before = digests()
    (nets / "blocks.py").write_text(BLOCKS + "C = 3\n")
    assert [a == b for a, b in zip(before, digests(), strict=True)] == [False, False, True, True]

"""`bakeoff new`: a study file that is valid as it stands, from options or from answers."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from bakeoff.cli import app
from bakeoff.commands import new
from bakeoff.errors import UserError
from bakeoff.study import Study, load

RUN = CliRunner()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def make(*arguments: str) -> Study:
    result = RUN.invoke(app, ["new", *arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return load(Path(result.output.partition(":")[0]))


def fault(*arguments: str) -> str:
    result = RUN.invoke(app, ["new", *arguments])
    assert isinstance(result.exception, UserError)
    return str(result.exception)


def test_options_become_a_valid_study() -> None:
    study = make(
        *["mine.yaml", "--dataset", "digits", "--dataset", "fashion_mnist", "--model", "lenet5"],
        *["--model", "timm/resnet18", "--augmentation", "none", "--augmentation", "standard"],
        *["--seeds", "3", "--epochs", "2", "--batch-size", "32", "--lr", "0.01"],
    )
    assert (study.study, study.seeds) == ("mine", [0, 1, 2])
    assert [entry.name for entry in study.models] == ["lenet5", "timm-resnet18"]
    assert [(question.factor, question.baseline) for question in study.questions()] == [
        ("model", "lenet5"),
        ("augmentation", "none"),
    ]
    recipe = study.recipes["default"]
    assert (recipe.epochs, recipe.batch_size, recipe.lr) == (2, 32, 0.01)
    assert {entry.name: entry.image_size for entry in study.datasets} == {"digits": 16, "fashion_mnist": None}


def test_the_command_in_the_file_makes_the_file_again() -> None:
    make("a b.yaml", "--name", "x1", "--dataset", "digits", "--model", "lenet5", "--seeds", "2")
    text = Path("a b.yaml").read_text()
    command = re.search(r"# Made by: bakeoff (.*)", text)
    assert command is not None
    Path("a b.yaml").unlink()
    RUN.invoke(app, shlex.split(command[1]), catch_exceptions=False)
    assert Path("a b.yaml").read_text() == text
    keys = re.findall(r"^(\w+):.*#", text, re.MULTILINE)
    assert {"study", "models", "augmentations", "recipes", "seeds"} <= set(keys)  # commented


@pytest.mark.parametrize("epochs", [1, 20])
def test_a_smallest_study_is_valid(epochs: int) -> None:
    study = make("--dataset", "digits", "--model", "control/majority", "--seeds", "1", "--epochs", str(epochs))
    assert study.study == "mine"
    assert Path("mine.yaml").is_file()


def test_studies_stand_with_the_others() -> None:
    Path("studies").mkdir()
    make("--name", "second", "--dataset", "torchvision/KMNIST", "--model", "tiny_cnn")
    assert Path("studies/second.yaml").is_file()


def test_names_that_yaml_would_read_otherwise_are_quoted() -> None:
    assert make("--name", "2024", "--dataset", "digits", "--model", "lenet5").study == "2024"
    assert make("--name", "on", "--dataset", "digits", "--model", "lenet5").study == "on"


def test_images_of_ones_own_are_named_by_their_folder() -> None:
    from PIL import Image

    for kind in ("cat", "dog"):
        for i in range(4):
            path = Path(f"my photos: 1/{kind}/{i}.png")
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (20, 20), (i * 9, 0, 0)).save(path)
    study = make("own.yaml", "--dataset", "folder:my photos: 1", "--model", "tiny_cnn")
    assert study.datasets[0].image_size == new.USUAL_SIDE
    assert study.datasets[0].options["path"] == "my photos: 1"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--dataset", "digit", "--model", "lenet5"], "new: digit: no such data set; did you mean digits?"),
        (["--dataset", "digits", "--model", "timm/resnt18"], "new: timm/resnt18: no such model; did you mean timm/res"),
        (["--dataset", "digits", "--model", "nets/my.py:build"], "new: nets/my.py"),
        (["--dataset", "folder", "--model", "lenet5"], "new: folder: say where the images stand, as in folder:PATH"),
        (["--dataset", "digits"], "new: give --dataset and --model"),
        ([], "new: give --dataset and --model"),
        (
            ["--dataset", "digits", "--model", "lenet5", "--augmentation", "mixupp"],
            "new: mixupp: no such augmentation; did you mean mixup? (all: bakeoff aug",
        ),
        (["--name", "My Study", "--dataset", "digits", "--model", "lenet5"], "new: --name 'My Study' is no name"),
        (["--dataset", "digits", "--model", "lenet5", "--model", "lenet5"], "'lenet5' stands twice"),
    ],
)
def test_a_mistake_is_told_and_nothing_is_written(arguments: list[str], said: str) -> None:
    assert said in fault(*arguments)
    assert not list(Path().rglob("*.yaml"))


def test_a_file_that_is_there_stays() -> None:
    Path("mine.yaml").write_text("precious")
    assert "is there already" in fault("mine.yaml", "--dataset", "digits", "--model", "lenet5")
    assert Path("mine.yaml").read_text() == "precious"


def test_answers_make_a_study_and_a_wrong_one_is_asked_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", type("Terminal", (), {"isatty": lambda self: True})())
    answers = iter(["My Study!", "digit", "digits", "lenet5, tiny_cnn", "none standard", 4, 3])
    monkeypatch.setattr(typer, "prompt", lambda *_, **__: next(answers))
    new.new(None, "", None, None, None)
    study = load(Path("my-study.yaml"))
    assert [entry.name for entry in study.models] == ["lenet5", "tiny_cnn"]
    assert (len(study.seeds), study.recipes["default"].epochs) == (4, 3)
    assert "digit: no such data set; did you mean digits?" in capsys.readouterr().out

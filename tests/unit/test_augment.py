"""Augmentations as a study names them: forms, options, sheets, and what is imported for them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from study_fixture import study

from bakeoff import catalogue, stages
from bakeoff.errors import UserError
from bakeoff.grid import Grid
from bakeoff.train import augment
from bakeoff.train.policies._sheet import Examples, cells, draw


def test_the_slow_form_of_a_policy_is_named_per_image() -> None:
    named = study(augmentations=["strong", "per_image/strong"]).augmentations
    assert [(entry.name, entry.policy) for entry in named] == [
        ("strong", "strong"),
        ("per_image-strong", "per_image/strong"),
    ]
    assert named[0].options == named[1].options
    assert stages.train("lenet5", "strong") != stages.train("lenet5", "per_image/strong")
    cells = Grid(study(augmentations=["strong", "per_image/strong"], models=["lenet5"])).cells
    assert [cell.augmentation for cell in cells] == ["strong", "per_image-strong"]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        ({"policy": "strong", "degrees": 200}, "augmentations[0].degrees: 200 must be from 0 to 180"),
        ({"policy": "strong", "erase": -0.1}, "augmentations[0].erase: -0.1 must be from 0 to 1"),
        ({"policy": "mixup", "alpha": 0}, "augmentations[0].alpha: 0 must be from 0.01 to 100"),
        ({"policy": "mixup", "base": "weak"}, "augmentations[0].base: 'weak' must be one of none, standard, strong"),
        ({"policy": "randaugment", "magnitude": 31}, "augmentations[0].magnitude: 31 must be from 0 to 30"),
        ({"policy": "randaugment", "num_ops": 1.5}, "augmentations[0].num_ops: 1.5 must be a whole number"),
        ({"policy": "albumentations", "pipeline": 3}, "augmentations[0].pipeline: 3 must be a list"),
        ({"policy": "per_image/stron"}, "'per_image/stron' is no such augmentation; did you mean per_image/strong"),
        ({"policy": "../standard"}, "'../standard' is no such augmentation"),
    ],
)
def test_a_setting_that_does_not_fit_is_told_with_the_study(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError) as refused:
        study(augmentations=[{"name": "mine", **entry}])
    assert said in str(refused.value)


def test_a_policy_that_does_not_exist_is_not_imported() -> None:
    with pytest.raises(UserError, match="augmentation os: no such policy"):
        augment.build({"policy": "os", "options": {}}, size=8, flip=True)
    with pytest.raises(UserError, match="augmentation standard: pading: no such option; it has padding"):
        augment.build({"policy": "standard", "options": {"pading": 0.1}}, size=8, flip=True)


def test_batched_policies_import_nothing_heavy() -> None:
    code = """
import sys
from bakeoff.train import augment
for name in ("none", "standard", "strong", "cutmix", "randaugment", "trivialaugment"):
    augment.build({"policy": name, "options": {}}, size=8, flip=True)
print(sorted({"torchvision", "albumentations", "scipy", "PIL", "cv2", "torch._dynamo"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_are_known_without_torch() -> None:
    code = "import sys; from bakeoff.train import augment; augment.names(); print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


# --- sheets ---


def test_a_sheet_shows_each_image_and_eight_draws(tmp_path: Path) -> None:
    pixels = torch.randint(1, 256, (3, 3, 10, 10), dtype=torch.uint8)
    found = cells({"policy": "mixup_cutmix", "options": {}}, Examples(pixels, flip=True))
    assert found.shape == (3, 9, 3, 10, 10)
    assert torch.equal(found[:, 0], pixels)
    assert len({cell.numpy().tobytes() for cell in found[0]}) > 4
    file = tmp_path / "new" / "sheet.png"
    draw(
        {"one": {"policy": "none", "options": {}}, "two": {"policy": "strong", "options": {}}},
        Examples(pixels, True),
        file,
    )
    with Image.open(file) as sheet:
        assert sheet.width > 9 * 60
        assert sheet.height > 6 * 60


def test_the_command_draws_a_policy(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"study": None, "dataset": "digits", "data_root": tmp_path}
    catalogue.augmentations(sheet=tmp_path / "sheet.png", policy="trivialaugment", **settings)
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 9 * 60
    with pytest.raises(UserError, match=r"--policy: stron: no such policy; did you mean strong"):
        catalogue.augmentations(sheet=tmp_path / "sheet.png", policy="stron", **settings)
    with pytest.raises(UserError, match=r"sheet.nothing: cannot be written: .* a name such as sheet.png would do"):
        catalogue.augmentations(sheet=tmp_path / "sheet.nothing", policy="none", **settings)

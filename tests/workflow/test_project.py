"""studies/project.yaml from a folder of somebody's images to an exported net that tells what a new image is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from checkout import ROOT, Checkout
from PIL import Image
from serve_fixture import upload
from sklearn.datasets import load_digits

COUNTS = {"zero": 40, "one": 24, "two": 16}
"""Images a class: not the same."""


def photograph(folder: Path) -> Path:
    """Scanned digits as JPEGs in class folders, some in a folder within; returns one more, which lies beside these."""
    for label, (name, n) in enumerate(COUNTS.items()):
        for i in range(n):
            save(scan(label, i), folder / name / ("more" if i % 5 == 0 else "") / f"{i}.jpg")
    return save(scan(0, COUNTS["zero"]), folder.parent / "new.jpg")


def scan(label: int, i: int) -> Image.Image:
    digits = load_digits()
    image = digits.images[np.flatnonzero(digits.target == label)[i]]
    return Image.fromarray((255 - image * (255 / 16)).astype(np.uint8)).resize((40, 32)).convert("RGB")


def save(image: Image.Image, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path


def test_from_a_folder_of_images_to_an_answer(tmp_path: Path) -> None:
    checkout = Checkout.fresh(tmp_path / "checkout")
    new = photograph(checkout.folder / "data" / "photos")
    study = yaml.safe_load((ROOT / "studies" / "project.yaml").read_text(encoding="utf-8"))
    # Two of the four nets, one seed, and no figure on paper: the test is short.
    study |= {"exclude": [{"model": ["efficientnet_b0", "resnet50"]}]}
    study["small"]["seeds"], study["report"]["prints"] = [0], []
    path = checkout.folder / "project.yaml"
    path.write_text(yaml.safe_dump(study), encoding="utf-8")
    outcome = checkout.snakemake(path, "--config", "scale=small")
    assert outcome.status == 0, outcome.text

    gates = json.loads((checkout.folder / "results/project-small/tables/gates.json").read_text())
    assert "accuracy >= 0.90" in json.dumps(gates)
    run = checkout.find("runs/photos/resnet18/standard/finetune-*/seed0")[0]
    manifest = json.loads(checkout.find("data/photos-*/manifest.json")[0].read_text())
    assert sum(manifest["counts"].values()) == sum(COUNTS.values())

    environment = {**os.environ, "PYTHONPATH": str(checkout.folder / "workflow")}

    def bakeoff(*arguments: object) -> str:
        return subprocess.run(
            [sys.executable, "-m", "bakeoff", *map(str, arguments)],
            cwd=checkout.folder, env=environment, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip

    assert "model.onnx" in bakeoff("export", run)
    (answer,) = [json.loads(line) for line in bakeoff("predict", run / "export", new, "--json").splitlines()]
    assert {top["label"] for top in answer["top"]} == set(COUNTS)

    command = [sys.executable, "-m", "bakeoff", "serve", str(run / "export"), "--port", "0"]
    with subprocess.Popen(command, cwd=checkout.folder, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            port = int(server.stdout.readline().split()[0].rpartition(":")[2])
            (served,) = upload(port, new.read_bytes()).json["images"]
        finally:
            server.terminate()
    assert {top["label"]: top["probability"] for top in served["top"]} == pytest.approx(
        {top["label"]: top["probability"] for top in answer["top"]}, abs=1e-5
    )

"""The model card: its ten lines run where nothing of ours is, its metadata is Hugging Face's, its numbers are right."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from huggingface_hub import ModelCard
from PIL import Image
from scipy.stats import sem, t

from bakeoff.deploy import card, evidence
from bakeoff.deploy.decode import Fit, decode
from bakeoff.deploy.facts import data_of
from bakeoff.deploy.session import RECORD, load
from bakeoff.evaluate import step
from bakeoff.provenance import read_record

# Only these may be imported beside the standard library.
HOOK = """
import sys
class Only:
    def find_spec(self, name, path=None, target=None):
        root = name.partition(".")[0]
        if root not in sys.stdlib_module_names and root not in {allowed}:
            raise ImportError(f"{{name}} is not to be had here")
sys.meta_path.insert(0, Only())
"""


def python_of(readme: str) -> str:
    (code,) = re.findall(r"```python\n(.*?)\n```", readme, re.DOTALL)
    return str(code)


def test_the_ten_lines_need_nothing_but_onnxruntime_numpy_and_pillow(deployed: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(deployed / "export", tmp_path / "export")
    picture = np.load(data_of(deployed) / "test_pixels.npy")[5, 0]
    sideways = Image.fromarray(np.pad(picture, ((0, 0), (3, 4)))).convert("RGB").resize((57, 36))
    sideways.save(folder / "image.png")
    code = python_of((folder / "README.md").read_text())
    assert len(code.splitlines()) == 10
    script = HOOK.format(allowed={"numpy", "onnxruntime", "PIL"}) + code
    done = subprocess.run([sys.executable, "-"], input=script, cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    label, probability = done.stdout.split()
    predictor = load(deployed)
    said = predictor.predict(predictor.decode((folder / "image.png").read_bytes())[None])[0]
    assert label == predictor.labels[said.argmax()]
    assert float(probability) == pytest.approx(said.max(), abs=1e-6)


@pytest.mark.parametrize("fit", ["crop", "squash", "pad"])
def test_their_pixels_are_the_studys(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "preprocessor.json").write_text('{"size": 17, "mode": "RGB"}')
    code, _, _ = card.ten_lines({"fit": fit}).partition("\nprobabilities")
    rng = np.random.default_rng(0)
    for height, width in ((17, 17), (40, 30), (30, 41), (8, 200), (9, 8), (33, 64)):
        file = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8)).save(file, "PNG")
        (tmp_path / "image.png").write_bytes(file.getvalue())
        found: dict[str, Any] = {}
        exec(code, found)  # our own text
        assert (found["pixels"][0] == decode(file.getvalue(), 17, 3, fit)).all()


def test_hugging_face_reads_its_metadata(deployed: Path) -> None:
    read = ModelCard.load(deployed / "export/README.md")
    accuracy = read_record(deployed / "metrics.json", "metrics")["metrics"]["accuracy"]["value"]
    results = {each.metric_type: each.metric_value for each in read.data.eval_results}
    assert results["accuracy"] == pytest.approx(accuracy, abs=1e-6)
    assert {"accuracy", "f1"} <= set(results)
    assert read.data.library_name == "onnx"
    assert read.data.pipeline_tag == "image-classification"
    assert read.data.license is None
    assert read.data.datasets == ["digits"]


def body_of(deployed: Path) -> dict[str, Any]:
    return read_record(deployed / "export" / RECORD, "export")


def test_it_says_what_is_known_and_what_is_not(deployed: Path) -> None:
    text = card.render(body_of(deployed), deployed, data_of(deployed))
    assert text == (deployed / "export/README.md").read_text()
    right = body_of(deployed)["networks"]["model.onnx"]["right"]
    assert f"{right} of 449" in text
    assert "only this seed was trained, so nothing is known of others" in text
    assert "was not measured by the study" in text
    assert "Nobody looked for test images that are copies" in text
    assert "None" not in text
    assert "nan" not in text


def test_names_of_users_stay_text(deployed: Path) -> None:
    body = body_of(deployed)
    body["info"]["labels"] = ["a|b", "<script>alert(1)</script>", "[x](http://example.org)\n# head", "- *c*: {{ 1 }}"]
    body["info"]["weakest"][0]["class"] = "a|b"
    body["info"]["data"]["title"] = "x: [y]\n---\nlicense: mit"
    text = card.render(body, deployed, data_of(deployed))
    _, metadata, rest = text.split("---\n", 2)
    assert "license" not in yaml.safe_load(metadata)
    assert yaml.safe_load(metadata)["model-index"][0]["results"][0]["dataset"]["name"] == "x: [y] --- license: mit"
    assert "<script" not in rest
    assert "a\\|b" in rest
    assert "\n# head" not in rest
    assert "{{ 1 }}" in rest


def test_other_seeds_give_mean_and_interval(deployed: Path, tmp_path: Path) -> None:
    values = []
    for seed, shift in ((0, 0), (1, 30), (2, 11)):
        folder = tmp_path / f"seed{seed}"
        shutil.copytree(deployed, folder, ignore=shutil.ignore_patterns("export"))
        record = read_record(folder / "metrics.json", "metrics")
        # Other predictions of the same network: those of images moved on against their classes.
        with np.load(folder / "predictions.npz") as archive:
            arrays = dict(archive)
        arrays["logits"][:shift] = np.roll(arrays["logits"], 1, axis=0)[:shift]
        np.savez(folder / "predictions.npz", **arrays)
        values.append(_evaluated_anew(folder, record["spec"]))
    (tmp_path / "seed3").mkdir()
    (tmp_path / "seed3/metrics.json").write_text("{}")  # what cannot be trusted is left out
    found = evidence.repetitions(tmp_path / "seed0")["accuracy"]
    assert (found.n, found.mean, found.std) == (
        3,
        pytest.approx(np.mean(values)),
        pytest.approx(np.std(values, ddof=1)),
    )
    assert (found.lo, found.hi) == pytest.approx(t.interval(0.95, 2, np.mean(values), sem(values)))


def _evaluated_anew(folder: Path, spec: dict[str, Any]) -> float:
    from bakeoff.provenance import write_record

    record = read_record(folder / "run.json", "run")
    ours = ("kind", "bakeoff", "spec", "spec_digest", "code_digest", "files", "record_digest")
    body = {key: value for key, value in record.items() if key not in ours}
    files = [folder / name for name in record["files"]]
    write_record(folder / "run.json", "run", record["spec"], record["code_digest"], body, files)
    step.run(spec, folder, "0" * 16)
    return float(read_record(folder / "metrics.json", "metrics")["metrics"]["accuracy"]["value"])


def test_wilsons_interval() -> None:
    # Newcombe 1998, Statistics in Medicine 17, table I, method 3: 81 of 263 and 0 of 20.
    assert evidence.proportion(81 / 263, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert evidence.proportion(0, 20) == pytest.approx((0, 0.1611), abs=5e-5)

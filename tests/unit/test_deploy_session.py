"""A run, ready to answer: what the study said by all back ends, without torch by onnxruntime, by many threads."""

from __future__ import annotations

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bakeoff.deploy import export, facts
from bakeoff.deploy.session import MODEL, RECORD, Predictor, load
from bakeoff.errors import Refused, UserError
from bakeoff.provenance import read_record, spec_digest, write_record


@pytest.fixture(scope="session")
def images(digits: Path) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.load(digits / "test_pixels.npy").transpose(0, 2, 3, 1))


@pytest.fixture(scope="session")
def predictor(deployed: Path) -> Predictor:
    return load(deployed)


def of_study(run: Path) -> NDArray[np.float32]:
    """The study's own probabilities for its test images, by the temperature in metrics.json."""
    logits = np.load(run / "predictions.npz")["logits"]
    logits = logits / json.loads((run / "metrics.json").read_text())["calibration"]["temperature"]
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(("place", "backend"), [(".", "onnxruntime"), ("export", "onnxruntime"), (".", "torch")])
def test_each_back_end_says_what_the_study_said(
    place: str, backend: Any, deployed: Path, images: NDArray[np.uint8]
) -> None:
    found = load(deployed / place, backend)
    said = found.predict(images)
    study = of_study(deployed)
    assert said.dtype == np.float32
    assert (said.argmax(axis=1) == study.argmax(axis=1)).all()
    np.testing.assert_allclose(said, study, atol=1e-5)
    assert found.labels == [str(i) for i in range(10)]
    assert (found.size, found.channels, found.fit) == (12, 1, "crop")


def test_int8_does_not_depend_on_the_other_images_of_a_batch(deployed: Path, images: NDArray[np.uint8]) -> None:
    found = load(deployed, int8=True)
    together = found.predict(images[:20])
    assert (together == np.concatenate([found.predict(image[None]) for image in images[:20]])).all()
    assert abs(together - of_study(deployed)[:20]).max() < 0.2


def test_many_threads_get_the_answers_of_one(predictor: Predictor, images: NDArray[np.uint8]) -> None:
    alone = [predictor.predict(image[None]) for image in images[:100]]
    with ThreadPoolExecutor(8) as pool:
        assert (np.array(list(pool.map(lambda image: predictor.predict(image[None]), images[:100]))) == alone).all()


def test_torch_shows_where_it_looked(deployed: Path, images: NDArray[np.uint8]) -> None:
    found = load(deployed, "torch")
    before = found.predict(images[:5])
    maps = found.attention(images[:5])
    assert found.explains
    assert maps.shape == (5, 12, 12)
    assert maps.min() >= 0
    assert maps.max() == pytest.approx(1, abs=1e-3)
    assert (found.predict(images[:5]) == before).all()
    with pytest.raises(UserError, match="back end torch"):
        load(deployed).attention(images[:5])


def test_onnxruntime_imports_no_torch(deployed: Path) -> None:
    code = (
        "import sys, numpy as np; from pathlib import Path; from bakeoff.deploy.session import load; "
        f"load(Path({str(deployed)!r})).predict(np.zeros((2, 12, 12, 1), np.uint8)); "
        "print(sorted({'torch', 'timm', 'pandas', 'scipy', 'onnx', 'sklearn'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_wrong_shapes_are_a_mistake_of_the_caller(predictor: Predictor) -> None:
    for wrong in (np.zeros((1, 16, 16, 1), np.uint8), np.zeros((1, 12, 12, 1), np.float32), np.zeros((0, 12, 12, 1))):
        with pytest.raises(ValueError, match="images must be uint8"):
            predictor.predict(wrong)  # type: ignore[arg-type]


def copied(deployed: Path, to: Path, **changes: Any) -> Path:
    """The run's files elsewhere, with another record."""
    to.mkdir()
    for name in ("model.safetensors", "predictions.npz", "history.csv", "metrics.json"):
        (to / name).write_bytes((deployed / name).read_bytes())
    record = read_record(deployed / "run.json", "run")
    spec = record["spec"]
    body = {k: v for k, v in record.items() if k not in ("kind", "spec", "spec_digest", "code_digest", "files")}
    body.pop("record_digest")
    files = [to / name for name in record["files"]]
    write_record(to / "run.json", "run", spec, record["code_digest"], body | changes, files)
    return to


def data_of(run: Path) -> Path:
    spec = read_record(run / "run.json", "run")["spec"]["dataset"]
    return run.parents[5] / "data" / f"digits-{spec_digest(spec)}"


def test_a_run_without_its_export_is_exported_first(
    deployed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(deployed, tmp_path / "run")
    asked: list[Path] = []

    def fake(run_dir: Path, out: Path, **_: object) -> None:
        asked.append(out)
        out.mkdir()
        for file in (deployed / "export").iterdir():
            (out / file.name).write_bytes(file.read_bytes())

    monkeypatch.setattr(export, "run", fake)
    load(run)
    load(run)
    assert asked == [run / "export"]
    assert "is exported now" in capsys.readouterr().err


def test_an_export_of_another_training_is_made_anew(
    deployed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = copied(deployed, tmp_path / "run", seed=1)
    (run / "export").symlink_to(deployed / "export")
    asked: list[Path] = []
    monkeypatch.setattr(export, "run", lambda run_dir, out, **_: asked.append(out))
    load(run)
    assert asked == [run / "export"]


def test_what_was_changed_or_is_nothing_is_refused(deployed: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="torch needs the folder of the run itself"):
        load(deployed / "export", "torch")
    with pytest.raises(UserError, match=r"neither the folder of a run .* nor an export"):
        load(tmp_path)
    for file in (deployed / "export").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "model.onnx").write_bytes((tmp_path / "model.onnx").read_bytes() + b" ")
    with pytest.raises(Refused, match=r"model\.onnx: is not the file that export\.json describes"):
        load(tmp_path)


@pytest.mark.parametrize("changes", [{"size": 1000}, {"labels": ["a", "b"]}, {"fit": "stretch"}, {"channels": None}])
def test_a_forged_description_is_refused(changes: dict[str, Any], deployed: Path, tmp_path: Path) -> None:
    record = read_record(deployed / "export" / RECORD, "export")
    (tmp_path / MODEL).write_bytes((deployed / "export" / MODEL).read_bytes())
    body = {"info": record["info"] | changes}
    write_record(tmp_path / RECORD, "export", record["spec"], "0" * 16, body, [tmp_path / MODEL])
    with pytest.raises(Refused, match="is not the network that"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "diverged", "reason": "the loss is no number"}, "this run is diverged: the loss is no number"),
        ({"normalisation": None}, "lenet5 is no network"),
        ({"seed": 7}, "is of another run"),
    ],
)
def test_a_run_that_cannot_be_used_says_why(changes: dict[str, Any], said: str, deployed: Path, tmp_path: Path) -> None:
    run = copied(deployed, tmp_path / "run", **changes)
    with pytest.raises(UserError, match=said):
        facts.read(run, data_of(deployed))


def test_an_ensemble_has_no_network_of_its_own(tmp_path: Path) -> None:
    body = {"model": "all-vote", "status": "done", "reason": None}
    write_record(tmp_path / "run.json", "run", {"members": [], "method": "vote"}, "0" * 16, body)
    with pytest.raises(UserError, match="all-vote is no network"):
        load(tmp_path)


def test_the_images_are_looked_for_in_the_same_results(deployed: Path, tmp_path: Path) -> None:
    assert facts.data_of(deployed) == data_of(deployed)
    run = copied(deployed, tmp_path / "run")
    with pytest.raises(UserError, match=r"name the folder of .* prepared images with --data"):
        facts.read(run)

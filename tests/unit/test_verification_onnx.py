"""Embeddings of a folder of images by an ONNX model, and what is said of models and images that are none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from bakeoff.errors import UserError
from bakeoff.evaluate import verification_onnx
from bakeoff.evaluate.verification_file import read_embeddings
from bakeoff.evaluate.verification_onnx import Normalisation

AS_IS = Normalisation((0.0,), (1.0,))


def write_model(path: Path, channels: int = 1, batch: object = "batch", rank: int = 4) -> Path:
    """A model of 2x2 images whose embedding is its pixels, doubled."""
    shape = [batch, channels, 2, 2][:rank]
    size = channels * 4 if rank == 4 else 1
    weights = numpy_helper.from_array(2 * np.eye(size, dtype=np.float32), "w")
    nodes = [helper.make_node("Flatten", ["x"], ["flat"]), helper.make_node("MatMul", ["flat", "w"], ["y"])]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    outputs = [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, size])]
    graph = helper.make_graph(nodes, "net", inputs, outputs, [weights])
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """Two identities; ann has two images, one of them turned by its EXIF."""
    for name, grey in (("ann/1.png", 0), ("bob/1.jpg", 255)):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("L", (8, 8), grey).save(tmp_path / name)
    turned = Image.fromarray(np.array([[0, 0], [255, 255]], dtype=np.uint8))
    exif = turned.getexif()
    exif[0x0112] = 3  # upside down
    turned.save(tmp_path / "ann" / "2.png", exif=exif)
    (tmp_path / "ann" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.mark.parametrize("batch", ["batch", 1])
def test_every_image_has_its_vector_and_its_identity(faces: Path, tmp_path: Path, batch: object) -> None:
    model = write_model(tmp_path / "net.onnx", batch=batch)
    assert verification_onnx.run(model, faces, tmp_path / "out.npz", AS_IS) == 3
    with np.load(tmp_path / "out.npz") as found:
        assert found["identity"].tolist() == ["ann", "ann", "bob"]
        assert found["ids"].tolist() == ["ann/1.png", "ann/2.png", "bob/1.jpg"]
        expected = [[0, 0, 0, 0], [2, 2, 0, 0], [2, 2, 2, 2]]
        assert found["embeddings"] == pytest.approx(np.array(expected), abs=0.02)


def test_images_are_normalised_and_verification_reads_the_file(faces: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "net.onnx", channels=3)
    verification_onnx.run(model, faces, tmp_path / "out.npz", Normalisation((0.5, 0.5, 0.5), (0.5,)))
    images = read_embeddings(tmp_path / "out.npz")
    assert images.vectors[0] == pytest.approx(np.full(12, -2.0))
    assert images.identity.tolist() == [0, 0, 1]


def test_what_is_no_model_is_named(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("no model")
    for model, words in (
        (tmp_path / "text.onnx", "is no model that onnxruntime can load"),
        (tmp_path / "absent.onnx", "is missing"),
        (write_model(tmp_path / "flat.onnx", rank=2), "must have one input of float images"),
        (write_model(tmp_path / "wide.onnx", channels=5), "must have one input of float images"),
    ):
        with pytest.raises(UserError, match=words):
            verification_onnx.run(model, faces, tmp_path / "out.npz", AS_IS)
    assert not (tmp_path / "out.npz").exists()


def test_figures_that_do_not_fit_are_named(faces: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "net.onnx", channels=3)
    with pytest.raises(UserError, match="--mean: 2 figures for 3 channels"):
        verification_onnx.run(model, faces, tmp_path / "out.npz", Normalisation((0.5, 0.5), (0.5,)))


@pytest.mark.parametrize("text", ["", "a", "0.5,", "nan"])
def test_numbers_are_numbers(text: str) -> None:
    assert verification_onnx.figures("0.5,0.5", "--mean") == (0.5, 0.5)
    with pytest.raises(UserError, match=r"--mean: .* is no list of numbers"):
        verification_onnx.figures(text, "--mean")


def test_what_is_no_image_is_named_and_links_lead_nowhere(faces: Path, tmp_path: Path) -> None:
    model = write_model(tmp_path / "net.onnx")
    outside = tmp_path / "outside.png"
    Image.new("L", (2, 2)).save(outside)
    (faces / "bob" / "link.png").symlink_to("/etc/hostname")
    assert [path.name for path in verification_onnx.images_of(faces)] == ["1.png", "2.png", "1.jpg"]
    (faces / "bob" / "2.png").write_bytes(b"no image")
    with pytest.raises(UserError, match=r"2\.png: is no image that can be read"):
        verification_onnx.run(model, faces, tmp_path / "out.npz", AS_IS)
    with pytest.raises(UserError, match="has no images"):
        verification_onnx.images_of(faces / "ann")
    with pytest.raises(UserError, match="is no folder"):
        verification_onnx.images_of(tmp_path / "absent")

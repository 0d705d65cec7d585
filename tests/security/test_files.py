"""Files of strangers (T01, T08, S05 to S08, R09): images, archives, weights, predictions, records."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.numpy import save_file
from world import World

from bakeoff.data import torchsets
from bakeoff.errors import Refused, UserError
from bakeoff.evaluate import step as evaluate
from bakeoff.models import weights
from bakeoff.provenance import check_files, read_record

CODE = "0" * 16


class Payload:
    """Unpickled, it makes the marker."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.marker,))


def sentence(error: BaseException) -> str:
    """What a user would read of it: one line."""
    text = str(error)
    assert isinstance(error, UserError)
    assert len(text.splitlines()) == 1, text
    return text


# --- images


def _png(width: int, height: int) -> bytes:
    """A PNG that says it has so many grey pixels, and holds none of them."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(999))) + chunk(b"IEND", b"")
    )


def _real_png(size: int = 64) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (size, size, 3), dtype=np.uint8)).save(file, "PNG")
    return file.getvalue()


def _real_bomb() -> bytes:
    file = io.BytesIO()
    Image.new("1", (20_000, 20_000)).save(file, "PNG")
    return file.getvalue()


def _flipped(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 0x10]) + data[place + 1 :]


IMAGES: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"",
    "truncated": lambda: _real_png()[:5000],
    "a web page": lambda: b"<html><script>alert(1)</script></html>",
    "a bit of the data": lambda: _flipped(_real_png(), 4000),
    "a bit of the header": lambda: _flipped(_real_png(), 20),
    "a bomb of 48 kB": _real_bomb,
    "a header of 2**31 pixels a side": lambda: _png(2**31 - 1, 2**31 - 1),
    "a header of no pixels": lambda: _png(0, 0),
    "pixels that are not there": lambda: _png(4000, 4000),
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(touch ../MARKER) (w) file\n",
    "SVG": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///etc/passwd"/></svg>',
    "a pickle": lambda: pickle.dumps(Payload(Path("../MARKER"))),
    "an archive": lambda: b"PK\x03\x04" + bytes(100),
}


@pytest.mark.parametrize("suffix", [".png", ".jpg"])
@pytest.mark.parametrize("case", IMAGES)
def test_a_hostile_image_is_named_and_nothing_is_prepared(world: World, case: str, suffix: str) -> None:
    for label in "ab":
        for i in range(8):
            path = world.work / f"photos/{label}/{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_real_png(12))
    bad = world.work / f"photos/a/bad{suffix}"
    bad.write_bytes(IMAGES[case]())
    from bakeoff.grid import Grid
    from bakeoff.study import load

    world.study(
        "study: s\ndatasets: [{name: d, source: folder, path: photos, image_size: 8}]\nmodels: [lenet5]\nseeds: [0]\n"
    )
    before = world.files()
    grid = Grid(load(Path("study.yaml")))
    spec = json.dumps(grid.data_spec("d"))
    text = world.refused("prepare", "--spec", spec, "--place", "photos", "--out", "results/data/d", lines=2)
    assert f"photos/a/bad{suffix} (" in text
    assert "1 image cannot be read" in text
    assert not Path("results/data/d").exists()
    assert world.files() == before


# --- archives, as a data set's files


def _tar(path: Path, *members: tuple[str, bytes | tarfile.TarInfo]) -> None:
    with tarfile.open(path, "w:gz") as archive:
        for name, content in members:
            if isinstance(content, tarfile.TarInfo):
                archive.addfile(content)
            else:
                info = tarfile.TarInfo(name)
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))


def _member(name: str, kind: bytes, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def _slip(path: Path) -> None:
    _tar(path, ("../../outside.txt", b"x"))


def _absolute(path: Path) -> None:
    _tar(path, (str(path.parents[2] / "outside.txt"), b"x"))


def _link(path: Path) -> None:
    _tar(path, ("l", _member("l", tarfile.SYMTYPE, "../..")), ("l/outside.txt", b"x"))


def _hard_link(path: Path) -> None:
    _tar(path, ("l", _member("l", tarfile.LNKTYPE, "../../study.yaml")), ("l", b"x"))


def _device(path: Path) -> None:
    _tar(path, ("null", _member("null", tarfile.CHRTYPE)))


def _bomb(path: Path) -> None:
    _tar(path, ("bomb", bytes(50_000_000)))


def _offline(world: World) -> None:
    def no_network(*_: Any, **__: Any) -> None:
        raise OSError("no network in this test")

    world.patch.setattr("torchvision.datasets.utils._urlretrieve", no_network)


@pytest.mark.parametrize("name", ["CIFAR10", "Flowers102", "Food101", "DTD", "STL10"])
@pytest.mark.parametrize("make", [_slip, _absolute, _link, _hard_link, _device, _bomb])
def test_a_hostile_archive_in_the_place_of_a_published_one_is_not_unpacked(
    world: World, make: Callable[[Path], None], name: str
) -> None:
    root = world.work / "data"
    places = {
        "CIFAR10": "cifar-10-python.tar.gz",
        "Flowers102": "flowers-102/102flowers.tgz",
        "Food101": "food-101.tar.gz",
        "DTD": "dtd/dtd-r1.0.1.tar.gz",
        "STL10": "stl10_binary.tar.gz",
    }
    path = root / places[name]
    path.parent.mkdir(parents=True, exist_ok=True)
    make(path)

    _offline(world)
    with pytest.raises(UserError, match="not downloaded"):
        torchsets.open_set(name, root, **({"train": True} if name == "CIFAR10" else {"split": "train"}))
    unpacked = [found for found in root.rglob("*") if found.is_file() and found != path]
    assert not unpacked


@pytest.mark.parametrize("make", [_slip, _absolute, _link, _hard_link, _device])
def test_an_archive_without_a_published_digest_stays_in_its_folder(world: World, make: Callable[[Path], None]) -> None:
    """torchvision knows no md5 of this one, and unpacks what stands in its place."""
    path = world.work / "data" / "fgvc-aircraft-2013b.tar.gz"
    path.parent.mkdir()
    make(path)
    _offline(world)
    before = set(world.files())
    with pytest.raises(UserError, match="not downloaded"):
        torchsets.open_set("FGVCAircraft", world.work / "data", split="train")
    assert not {name for name in set(world.files()) - before if not name.startswith("work/data/")}
    assert not any(
        found.is_symlink() and not found.resolve().is_relative_to(world.work) for found in path.parent.iterdir()
    )


def test_pickles_in_the_place_of_cifar_are_not_read(world: World) -> None:
    folder = world.work / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    for name in ("batches.meta", "test_batch", *(f"data_batch_{i}" for i in range(1, 6))):
        (folder / name).write_bytes(pickle.dumps(Payload(world.marker)))
    _offline(world)
    with pytest.raises(UserError):
        torchsets.open_set("CIFAR10", world.work / "data", train=True)


@pytest.mark.parametrize("content", [b"", b"\0\0\x08\x03" + b"\xff" * 12, b"\0\0\x08\x01\0\0\0\x02ab", b"<html>"])
def test_damaged_files_in_the_place_of_mnist_are_refused(world: World, content: bytes) -> None:
    folder = world.work / "data" / "MNIST" / "raw"
    folder.mkdir(parents=True)
    for part in ("train", "t10k"):
        for kind in ("images-idx3-ubyte", "labels-idx1-ubyte"):
            (folder / f"{part}-{kind}").write_bytes(content)
    _offline(world)
    spec = {"name": "mnist", "source": "mnist", "settings": {"image_size": 12}}
    world.refused("prepare", "--spec", json.dumps(spec), "--out", "results/data/mnist", lines=3)
    assert not Path("results/data/mnist").exists()


# --- weights


def _safetensors(header: bytes | dict[str, Any], data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def _one(offsets: list[int], shape: list[int]) -> dict[str, Any]:
    return {"dtype": "F32", "shape": shape, "data_offsets": offsets}


WEIGHTS: dict[str, bytes] = {
    "w.safetensors": b"",
    "truncated.safetensors": _safetensors({"a": _one([0, 16], [4])}, bytes(8)),
    "huge_header.safetensors": _safetensors(b"{}", length=2**62),
    "no_json.safetensors": _safetensors(b"{" * 1000),
    "deep.safetensors": _safetensors(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "overlap.safetensors": _safetensors({"a": _one([0, 16], [4]), "b": _one([8, 24], [4])}, bytes(24)),
    "gap.safetensors": _safetensors({"a": _one([0, 16], [4]), "b": _one([32, 48], [4])}, bytes(48)),
    "outside.safetensors": _safetensors({"a": _one([0, 2**40], [2**38])}, bytes(16)),
    "overflow.safetensors": _safetensors({"a": _one([0, 16], [2**62, 2**62])}, bytes(16)),
    "tail.safetensors": _safetensors({"a": _one([0, 16], [4])}, bytes(99)),
    "kind.safetensors": _safetensors({"a": {"dtype": "X9", "shape": [4], "data_offsets": [0, 16]}}, bytes(16)),
    "pickle.safetensors": pickle.dumps({"a": 1}),
    "nothing.pt": b"",
    "web.pth": b"<html>",
    "zip.pt": b"PK\x03\x04" + bytes(60),
    "text.pth": b"cos\nsystem\n(S'touch ../MARKER'\ntR.",
}


@pytest.mark.parametrize("name", WEIGHTS)
def test_malformed_weights_are_refused(world: World, name: str) -> None:
    Path(name).write_bytes(WEIGHTS[name])
    with pytest.raises(UserError) as caught:
        weights.read(Path(name))
    assert sentence(caught.value).startswith(f"weights: {name}: ")


@pytest.mark.parametrize("how", ["torch", "torch of old", "pickle", "numpy", "joblib"])
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_weights_with_code_in_them_run_nothing(world: World, how: str, suffix: str) -> None:
    path = Path(f"w{suffix}")
    content = {"a": torch.zeros(2), "b": Payload(world.marker)}
    match how:
        case "torch":
            torch.save(content, path)
        case "torch of old":
            torch.save(content, path, _use_new_zipfile_serialization=False)
        case "pickle":
            path.write_bytes(pickle.dumps(content))
        case "numpy":
            with path.open("wb") as file:
                np.save(file, np.array([content], dtype=object), allow_pickle=True)
        case "joblib":
            path.write_bytes(zlib.compress(pickle.dumps(content)))
    with pytest.raises(UserError) as caught:
        weights.read(path)
    sentence(caught.value)


def test_weights_that_are_no_numbers_are_refused(world: World) -> None:
    save_file({"a": np.array([1, np.nan], dtype=np.float32)}, "w.safetensors")
    with pytest.raises(UserError, match="not finite"):
        weights.read(Path("w.safetensors"))


# --- a model of ONNX


@pytest.mark.parametrize("content", [b"", b"<html>", b"\x08\x07" * 1000, b"PK\x03\x04", os.urandom(300)])
def test_what_is_no_onnx_model_is_refused(world: World, content: bytes) -> None:
    Path("photos/a").mkdir(parents=True)
    Path("photos/a/x.png").write_bytes(_real_png(8))
    Path("net.onnx").write_bytes(content)
    assert "net.onnx: is no model" in world.refused("embed", "net.onnx", "photos", "--out", "results/e.npz")


def test_an_onnx_model_reads_no_file_outside_its_folder(world: World) -> None:
    from onnx import TensorProto, helper

    outside = world.work / "secret.bin"
    outside.write_bytes(bytes(3 * 8 * 8 * 4))
    Path("models").mkdir()
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3, 8, 8])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"
    graph = helper.make_graph(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 8, 8])],
        [tensor],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    Path("models/net.onnx").write_bytes(model.SerializeToString())
    Path("photos/a").mkdir(parents=True)
    Path("photos/a/x.png").write_bytes(_real_png(8))
    assert "is no model" in world.refused("embed", "models/net.onnx", "photos", "--out", "results/e.npz")


# --- results of others


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, train_run: Callable[..., Path]) -> Path:
    return train_run(tmp_path_factory.mktemp("run") / "seed0", epochs=1, train_images=64)


@pytest.fixture
def run(world: World, trained: Path) -> Path:
    """A copy of a run's folder."""
    folder = world.work / "results" / "seed0"
    folder.mkdir(parents=True)
    for path in trained.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return folder


def _told(folder: Path) -> str:
    with pytest.raises(Refused) as caught:
        evaluate.run({}, folder, CODE)
    assert not (folder / "metrics.json").exists()
    return sentence(caught.value)


@pytest.mark.parametrize("name", ["predictions.npz", "history.csv"])
@pytest.mark.parametrize("place", [0, 50, -1])
def test_a_flipped_bit_in_a_file_of_a_run_is_found(run: Path, name: str, place: int) -> None:
    data = bytearray((run / name).read_bytes())
    data[place] ^= 1
    (run / name).write_bytes(data)
    assert f"{name}: is not the file that run.json describes" in _told(run)


def test_truncated_predictions_are_refused(run: Path) -> None:
    path = run / "predictions.npz"
    path.write_bytes(path.read_bytes()[:-100])
    assert "predictions.npz: is not the file that run.json describes (sha256 differs); delete both to remake" in _told(
        run
    )


def test_corrupted_weights_are_refused(run: Path) -> None:
    path = run / "model.safetensors"
    path.write_bytes(_flipped(path.read_bytes(), 2000))
    record = read_record(run / "run.json", "run")
    with pytest.raises(Refused, match=r"model\.safetensors: is not the file"):
        check_files(run / "run.json", record)


def _sealed(run: Path, **changes: Any) -> None:
    """Change the record and seal it again, as one would who knows how we do it."""
    from bakeoff.provenance import _self_digest, sha256

    path = run / "run.json"
    record = json.loads(path.read_text()) | changes
    record["files"] = {name: sha256(run / name) for name in record["files"]}
    path.write_text(json.dumps(record | {"record_digest": _self_digest(record)}))


def test_predictions_with_a_pickle_in_them_run_nothing(world: World, run: Path) -> None:
    good = dict(np.load(run / "predictions.npz", allow_pickle=False))
    good["logits"] = np.array([Payload(world.marker)], dtype=object)
    np.savez(run / "predictions.npz", allow_pickle=True, **good)
    _sealed(run)
    assert "predictions.npz: is damaged" in _told(run)


def _header(text: str) -> Callable[[Path], None]:
    """Logits whose header says `text`."""

    def make(path: Path) -> None:
        header = text.encode() + b" " * (-(len(text) + 11) % 64) + b"\n"
        with zipfile.ZipFile(path, "w") as archive:
            for name in ("example_id", "y_true", "logits"):
                archive.writestr(f"{name}.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)

    return make


PREDICTIONS: dict[str, Callable[[Path], None]] = {
    "empty": lambda path: path.write_bytes(b"") and None,
    "a web page": lambda path: path.write_bytes(b"<html>") and None,
    "a pickle": lambda path: path.write_bytes(pickle.dumps({"logits": 1})) and None,
    "code in a header": _header("__import__('os').system('touch ../MARKER')"),
    "a header that claims a terabyte": _header("{'descr': '<f8', 'fortran_order': False, 'shape': (1, 10**12)}"),
    "a header of objects": _header("{'descr': '|O', 'fortran_order': False, 'shape': (1,)}"),
    "a negative shape": _header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}"),
    "no logits": lambda path: np.savez(path, example_id=np.arange(3), y_true=np.arange(3)),
    "texts": lambda path: np.savez(path, example_id=np.arange(3), y_true=np.array(["a"] * 3), logits=np.eye(3)),
    "an endless member": lambda path: _zip(path, bytes(100_000_000)),
}


def _zip(path: Path, content: bytes) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in ("example_id", "y_true", "logits"):
            archive.writestr(f"{name}.npy", content)


@pytest.mark.parametrize("case", PREDICTIONS)
def test_hostile_predictions_under_a_record_that_fits_them_are_refused(run: Path, case: str) -> None:
    PREDICTIONS[case](run / "predictions.npz")
    _sealed(run)
    assert "predictions.npz: " in _told(run)


RECORDS: dict[str, Callable[[str], str]] = {
    "empty": lambda text: "",
    "cut": lambda text: text[: len(text) // 2],
    "a list": lambda text: f"[{text}]",
    "a number": lambda text: "1",
    "NaN": lambda text: text.replace('"threads": 1', '"threads": NaN'),
    "infinity": lambda text: text.replace('"threads": 1', '"threads": 1e999'),
    "a huge number": lambda text: text.replace('"threads": 1', '"threads": ' + "9" * 10_000),
    "deep": lambda text: '{"a":' * 100_000 + "1" + "}" * 100_000,
    "not UTF-8": lambda text: text.replace("digits", "\udcff"),
    "another seed": lambda text: text.replace('"seed": 0', '"seed": 1'),
    "another key": lambda text: text.replace('"seed": 0', '"seed": 0, "x": 1'),
    "a key twice": lambda text: text.replace('"status": "done"', '"status": "done", "status": "diverged"'),
}


@pytest.mark.parametrize("case", RECORDS)
def test_hostile_records_are_refused(run: Path, case: str) -> None:
    path = run / "run.json"
    changed = RECORDS[case](path.read_text())
    assert changed != path.read_text()
    path.write_bytes(changed.encode("utf-8", "surrogateescape"))
    assert _told(run).startswith(f"{path}: ")


@pytest.mark.parametrize("name", ["../../secret", "/etc/passwd"])
def test_a_record_that_describes_files_elsewhere_is_refused(world: World, run: Path, name: str) -> None:
    record = json.loads((run / "run.json").read_text())
    with pytest.raises(Refused):
        check_files(run / "run.json", record | {"files": {name: "0" * 64}})


# --- numbers made elsewhere

SCORES: dict[str, str | bytes] = {
    "empty": "",
    "binary": os.urandom(300),
    "workbook": b"PK\x03\x04" + bytes(100),
    "one column": "a\n1\n",
    "NUL": "model,seed,accuracy\na\0b,0,0.5\n",
    "not a number": "model,seed,accuracy\na,0,$(touch ../MARKER)\n",
    "huge number": "model,seed,accuracy\na,0,1e999\nb,0,0.5\n",
    "open quote": 'model,seed,accuracy\n"a,0,0.5\n',
    "a million columns": "x," * 300_000 + "\n",
}


@pytest.mark.parametrize("case", SCORES)
def test_hostile_scores_are_refused(world: World, case: str) -> None:
    content = SCORES[case]
    Path("scores.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    before = world.files()
    text = world.refused("compare", "scores.csv", lines=6)
    assert "scores.csv" in text
    assert world.files() == before


# --- what is written


def test_results_are_nobody_elses_to_write_and_hold_no_secret(world: World, train_run: Callable[..., Path]) -> None:
    for name in ("HF_TOKEN", "WANDB_API_KEY", "AWS_SECRET_ACCESS_KEY"):
        world.patch.setenv(name, "se-cret-123")
    old = os.umask(0o022)
    try:
        folder = train_run(world.work / "results" / "seed0", epochs=1, train_images=64)
        evaluate.run({}, folder, CODE)
    finally:
        os.umask(old)
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) >= 5
    assert not [path for path in files if path.stat().st_mode & 0o002]
    assert not [path for path in files if b"se-cret-123" in path.read_bytes()]

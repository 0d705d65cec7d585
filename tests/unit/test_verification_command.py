"""`bakeoff verification` on files: what it writes, what it says, and what it refuses."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from study_fixture import bakeoff

from bakeoff.errors import UserError
from bakeoff.evaluate import verification_output
from bakeoff.evaluate.verification import Options
from bakeoff.evaluate.verification_file import numbers
from bakeoff.provenance import check_files, read_record, sha256

RNG = np.random.default_rng
QUICK = Options(resamples=100)


def arrays(n: int = 60, identities: int = 12, noise: float = 1.0, seed: int = 0) -> dict[str, Any]:
    rng = RNG(seed)
    identity = np.arange(n) % identities
    embeddings = rng.normal(size=(identities, 8))[identity] + noise * rng.normal(size=(n, 8))
    return {"embeddings": embeddings.astype(np.float32), "identity": identity, "ids": 100 + np.arange(n)}


def save(folder: Path, name: str = "test.npz", **changes: Any) -> Path:
    """An .npz of the arrays, with changes; None leaves one out."""
    path = folder / name
    np.savez(path, **{key: value for key, value in {**arrays(), **changes}.items() if value is not None})
    return path


def write_pairs(folder: Path, text: str) -> Path:
    path = folder / "pairs.csv"
    path.write_text(text, encoding="utf-8")
    return path


def verify(embeddings: Path, pairs: Path | None = None, validation: Path | None = None, **options: Any) -> Any:
    return verification_output.run(embeddings, pairs, validation, QUICK, **{"out": None, **options})


# --- what it writes ---------------------------------------------------------------------------------------------------


def test_a_record_two_tables_and_a_figure(tmp_path: Path) -> None:
    path = save(tmp_path)
    body = verify(path, out=tmp_path / "out")
    record = read_record(tmp_path / "out/verification.json", "verification")
    check_files(tmp_path / "out/verification.json", record, "thresholds.csv", "roc.csv", "roc.svg")
    assert record["inputs"] == {
        "embeddings": {"file": "test.npz", "sha256": sha256(path)},
        "pairs": None,
        "validation": None,
    }
    assert {key: record[key] for key in body} == json.loads(json.dumps(body))
    assert (record["images"], record["identities"], record["dimensions"]) == (60, 12, 8)
    assert (record["genuine_pairs"], record["impostor_pairs"]) == (12 * 10, 60 * 59 // 2 - 120)
    assert record["spec"]["resamples"] == 100

    rows = list(csv.DictReader((tmp_path / "out/thresholds.csv").open()))
    assert [float(row["threshold"]) for row in rows] == list(QUICK.thresholds)
    assert (rows[-1]["precision"], rows[-1]["recall"], rows[-1]["tp"]) == ("", "0.0", "0")
    assert all(sum(int(row[key]) for key in ("tp", "fp", "tn", "fn")) == 60 * 59 // 2 for row in rows)

    points = list(csv.DictReader((tmp_path / "out/roc.csv").open()))
    assert (points[0]["threshold"], points[0]["far"], points[0]["tar"]) == ("", "0.0", "0.0")
    assert (points[-1]["far"], points[-1]["tar"]) == ("1.0", "1.0")
    assert len(points) <= 1001
    far, tar = (np.array([float(point[key]) for point in points]) for key in ("far", "tar"))
    assert (np.diff(far) >= 0).all()
    assert (np.diff(tar) >= 0).all()
    assert np.trapezoid(tar, far) == pytest.approx(record["auc"]["value"], abs=1e-3)
    svg = (tmp_path / "out/roc.svg").read_text()
    assert "<svg" in svg
    assert "nan" not in svg.lower()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    path = save(tmp_path)
    for folder in ("one", "two"):
        verify(path, out=tmp_path / folder)
    for name in verification_output.TABLES:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_missing_tar_is_null_with_its_reason(tmp_path: Path) -> None:
    body = verify(save(tmp_path), out=tmp_path)
    rows = {row["far"]: row for row in body["tar_at_far"]}
    assert rows[1e-4]["value"] is rows[1e-4]["lo"] is rows[1e-4]["threshold"] is None
    assert rows[1e-4]["why_null"] == "needs 10,000 impostor pairs or more"
    assert 0 < rows[1e-1]["lo"] <= rows[1e-1]["value"] <= rows[1e-1]["hi"] <= 1
    assert rows[1e-1]["far_reached"] <= 0.1
    assert "TAR at FAR 0.001 rests on 1 false accepts" in body["warnings"]


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"identity": np.arange(60) % 3}, "3 identities are too few to draw from"),
        ({"identity": np.array([0, 0, *range(1, 59)])}, "draws of identities have no genuine or no impostor pair"),
    ],
)
def test_a_missing_interval_is_null_with_its_reason(tmp_path: Path, changes: dict[str, Any], why: str) -> None:
    body = verify(save(tmp_path, **changes))
    for found in (body["auc"], body["eer"], body["best_threshold"]):
        assert (found["lo"], found["hi"]) == (None, None)
        assert why in found["why_null"]
        assert found["value"] is not None
    assert why in verification_output.describe(body, QUICK)


def test_the_best_threshold_is_that_of_the_validation_pairs(tmp_path: Path) -> None:
    test = save(tmp_path)
    validation = save(tmp_path, "val.npz", **arrays(80, 10, noise=0.5, seed=1))
    alone, body = verify(test), verify(test, validation=validation)
    own = verify(validation)["best_threshold"]
    best = body["best_threshold"]
    assert best["chosen_on"] == "validation"
    assert [best[key] for key in ("value", "lo", "hi")] == [own[key] for key in ("value", "lo", "hi")]
    assert best["accuracy_where_chosen"] == own["accuracy"]["value"]
    assert best["accuracy"]["value"] == best["decision"]["accuracy"] <= alone["best_threshold"]["accuracy"]["value"]
    assert best["accuracy"]["lo"] <= best["accuracy"]["value"] <= best["accuracy"]["hi"]
    assert body["auc"] == pytest.approx(alone["auc"])
    assert any("flattered" in each for each in alone["warnings"])
    assert not any("flattered" in each for each in body["warnings"])


def test_identities_and_ids_may_be_text_and_bear_a_runs_names(tmp_path: Path) -> None:
    plain = arrays()
    names = np.array([f"person {each}" for each in plain["identity"]])
    wanted = verify(save(tmp_path))
    for changes in (
        {"identity": names, "ids": None},
        {"identity": None, "ids": None, "y_true": plain["identity"], "example_id": plain["ids"]},
        {"embeddings": plain["embeddings"].astype(np.float64)},
    ):
        found = verify(save(tmp_path, **changes))
        assert {**found, "inputs": None} == {**wanted, "inputs": None}


def test_many_identities_of_one_image_are_no_fault(tmp_path: Path) -> None:
    body = verify(save(tmp_path, identity=np.maximum(np.arange(60) - 20, 0) // 2))
    assert body["genuine_pairs"] == 22 * 21 // 2 + 19


# --- pairs ------------------------------------------------------------------------------------------------------------


def test_a_list_of_pairs_counts_its_pairs_only(tmp_path: Path) -> None:
    lines = "a,b,same,note\n100,112,1,x\n101,113,1,\n100,101,0,\n105,104,0,\n102,103,0,\n"
    body = verify(save(tmp_path), write_pairs(tmp_path, lines))
    assert (body["genuine_pairs"], body["impostor_pairs"]) == (2, 3)
    assert body["inputs"]["pairs"]["file"] == "pairs.csv"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a;b\n100;101\n", "needs the columns a and b, and has a;b"),
        ("", "needs the columns a and b, and has none"),
        ("a,b\n", "lists no pair"),
        ("a,b\n100,112\n100,7\n", "line 3: no embedding in {npz} has the id '7'"),
        ("a,b\n100,112\n100\n", "line 3: no embedding in {npz} has the id ''"),
        ("a,b\n100,100\n", "line 2: pairs '100' with itself"),
        ("a,b\n100,112\n112,100\n", "line 3: is the same pair as line 2"),
        ("a,b,same\n100,112,yes\n", "line 2: same must be 0 or 1, and is 'yes'"),
        ("a,b,same\n100,112,0\n", "line 2: same is 0, but the embeddings' file says that the two images are of one"),
        ("a,b\n100,112\n101,113\n", "lists no impostor pair among 2"),
        ("a,b\n100,101\n", "lists no genuine pair among 1"),
    ],
)
def test_a_bad_list_of_pairs_is_told(tmp_path: Path, text: str, said: str) -> None:
    npz, pairs = save(tmp_path), write_pairs(tmp_path, text)
    with pytest.raises(UserError) as error:
        verify(npz, pairs)
    assert str(error.value).startswith(f"{pairs}: {said.format(npz=npz)}")


def test_a_list_that_is_no_text_is_told(tmp_path: Path) -> None:
    pairs = tmp_path / "pairs.csv"
    pairs.write_bytes(b"a,b\n\xff\xfe,1\n")
    with pytest.raises(UserError, match=r"pairs\.csv: is no CSV in UTF-8"):
        verify(save(tmp_path), pairs)


# --- embeddings -------------------------------------------------------------------------------------------------------


def changed(value: float, row: int, whole: bool = False) -> Any:
    embeddings = arrays()["embeddings"]
    embeddings[row, slice(None) if whole else 3] = value
    return embeddings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"embeddings": changed(np.nan, 7)}, "1 of 60 embeddings hold NaN or infinity; the first is that of '107'"),
        ({"embeddings": changed(-np.inf, 7)}, "1 of 60 embeddings hold NaN or infinity"),
        ({"embeddings": changed(0, 9, whole=True)}, "1 of 60 embeddings are all zeros, which point nowhere"),
        ({"embeddings": np.ones(60)}, "embeddings must be numbers [N, D], and are float64 [60]"),
        ({"embeddings": np.ones((60, 0))}, "embeddings must be numbers [N, D], and are float64 [60, 0]"),
        ({"embeddings": np.full((60, 2), "x")}, "embeddings must be numbers [N, D], and are <U1 [60, 2]"),
        ({"embeddings": np.array([[None]] * 60)}, "is no .npz of plain arrays, or is damaged"),
        ({"embeddings": None}, "must hold the arrays embeddings and identity (or y_true), and holds identity, ids"),
        ({"identity": None}, "must hold the arrays embeddings and identity (or y_true), and holds embeddings, ids"),
        ({"identity": np.arange(59)}, "identity must be 60 integers or texts, one an embedding, and is int64 [59]"),
        ({"identity": np.full(60, 0.5)}, "identity must be 60 integers or texts, one an embedding, and is float64"),
        ({"identity": np.zeros(60, int)}, "all images are of one identity, so there is no impostor pair"),
        ({"identity": np.arange(60)}, "no identity has two images, so there is no genuine pair"),
        ({"ids": np.arange(60) // 2}, "the id '0' occurs more than once"),
    ],
)
def test_bad_embeddings_are_told(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = save(tmp_path, **changes)
    with pytest.raises(UserError) as error:
        verify(path)
    assert str(error.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: b"",
        lambda whole: b"PK\x03\x04" + whole[100:],
        lambda whole: whole.replace(b"'descr': '<f4'", b"'descr': '|O8'"),
    ],
)
def test_a_damaged_file_is_told(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = save(tmp_path)
    path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(UserError, match=r"is no \.npz of plain arrays, or is damaged"):
        verify(path)


def test_a_single_array_and_a_missing_file_are_told(tmp_path: Path) -> None:
    np.save(tmp_path / "one.npy", np.ones((3, 3)))
    with pytest.raises(UserError, match=r"one\.npy: is no \.npz of plain arrays"):
        verify(tmp_path / "one.npy")
    with pytest.raises(UserError, match=r"none\.npz: is missing"):
        verify(tmp_path / "none.npz")


# --- the command ------------------------------------------------------------------------------------------------------


def test_the_command_prints_a_table_or_json(tmp_path: Path) -> None:
    path = save(tmp_path)
    shown = bakeoff("verification", str(path), "--resamples", "100", "--thresholds", "0.5,-0.25", "--far", "0.05")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.startswith("60 images of 12 identities: 120 genuine and 1,650 impostor pairs\nAUC ")
    assert "TAR at FAR 0.05" in shown.stdout
    assert [line.split()[0] for line in shown.stdout.splitlines() if line.lstrip().startswith(("0.5", "-0.25"))] == [
        "0.5",
        "-0.25",
    ]
    told = bakeoff("verification", str(path), "--resamples", "100", "--json", "--out", str(tmp_path / "out"))
    assert json.loads(told.stdout)["genuine_pairs"] == 120
    assert (tmp_path / "out/verification.json").is_file()
    wrong = bakeoff("verification", str(tmp_path / "none.npz"))
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert wrong.stderr == f"bakeoff: {tmp_path / 'none.npz'}: is missing\n"


@pytest.mark.parametrize("text", ["", "0.1,,0.2", "0.1 0.2", "nan", "2", "-0.1", "0.1,0.1", "inf"])
def test_options_that_are_no_lists_of_numbers_are_told(text: str) -> None:
    with pytest.raises(UserError, match="--far: "):
        numbers(text, "--far", 0, 1)

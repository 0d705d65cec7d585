"""What the probes and the audits say reaches the study's folder, over seeds, and nothing that does not belong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from compare_tree import Tree

from bakeoff.errors import Refused
from bakeoff.provenance import read_record, spec_digest, write_record

PROBE: dict[str, Any] = {"corruptions": True}
CODE = "5" * 16


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Two models with three seeds, all probed: fog costs more with each severity, noise nothing."""
    made = Tree(tmp_path / "results", {"lenet5": {0: 0.9, 1: 0.8, 2: 0.85}, "resnet": {0: 0.95, 1: 0.9, 2: 0.9}})
    for cell in made.cells:
        cell["probe"] = {"spec": spec_digest(PROBE), "code": CODE}
        for seed in cell["seeds"]:
            write_probe(made.folder(cell["model"], seed), clean=0.9 - 0.1 * seed)
    return made


def write_probe(folder: Path, clean: float, **changes: Any) -> None:
    run = read_record(folder / "run.json", "run")
    corruptions = {
        "clean": clean,
        "mean": clean - 0.1,
        "by_severity": {"fog": [clean - 0.04 * s for s in range(1, 6)], "noise": [clean] * 5},
    }
    body = {"run_digest": run["record_digest"], "corruptions": corruptions, "explain": None, **changes}
    write_record(folder / f"probe-{spec_digest(PROBE)}" / "probe.json", "probe", PROBE, CODE, body)


def diagnosed(tree: Tree) -> list[dict[str, Any]]:
    tree.run()
    found: list[dict[str, Any]] = read_record(tree.results / "tiny" / "diagnostics.json", "diagnostics")["probes"]
    return found


def test_robustness_is_averaged_over_seeds(tree: Tree) -> None:
    lenet, resnet = diagnosed(tree)
    assert (lenet["model"], resnet["model"], lenet["n_runs"]) == ("lenet5", "resnet", 3)
    robustness = lenet["robustness"]
    assert robustness["clean"] == {"mean": pytest.approx(0.8), "std": pytest.approx(0.1), "n": 3}
    assert robustness["mean"]["mean"] == pytest.approx(0.7)
    assert robustness["kept"]["mean"] == pytest.approx(np.mean([0.8 / 0.9, 0.7 / 0.8, 0.6 / 0.7]))
    assert robustness["by_severity"]["fog"] == pytest.approx([0.76, 0.72, 0.68, 0.64, 0.6])
    assert robustness["by_severity"]["noise"] == pytest.approx([0.8] * 5)
    assert lenet["faithfulness"] is None


def test_a_study_without_probes_has_none(tmp_path: Path) -> None:
    assert diagnosed(Tree(tmp_path / "results", {"lenet5": {0: 0.9}, "resnet": {0: 0.8}})) == []


def test_a_probe_of_another_run_is_refused(tree: Tree) -> None:
    write_probe(tree.folder("lenet5", 1), 0.5, run_digest="0" * 64)
    with pytest.raises(Refused, match=r"probe\.json: was made from another run\.json"):
        tree.run()


def test_a_missing_probe_is_refused_unless_the_study_is_partial(tree: Tree) -> None:
    (tree.folder("lenet5", 1) / f"probe-{spec_digest(PROBE)}" / "probe.json").unlink()
    with pytest.raises(Refused, match=r"probe\.json: is missing"):
        tree.run()
    tree.run(partial=True)
    probes = json.loads((tree.results / "tiny" / "partial" / "diagnostics.json").read_text())["probes"]
    assert [cell["n_runs"] for cell in probes] == [2, 3]


def test_explanations_that_a_net_has_none_of_have_a_reason(tree: Tree) -> None:
    for seed in range(3):
        write_probe(tree.folder("lenet5", seed), 0.9, explain={"hirescam": {"reason": "keeps no map"}})
        numbers = {"insertion": 0.8, "deletion": 0.2, "difference": 0.6, "random_mean": 0.1, "centre": 0.3, "gain": 0.5}
        judged = {**numbers, "gain_se": 0.3 if seed else 0.1, "random_sd": 0.05, "n": 32, "layer": "conv2"}
        write_probe(tree.folder("resnet", seed), 0.9, explain={"hirescam": {"reason": None, **judged}})
    lenet, resnet = diagnosed(tree)
    (found,) = resnet["faithfulness"].values()
    assert (found["runs_above_random"], found["n_images"]) == (1, 32)
    assert lenet["faithfulness"] == {"hirescam": {"reason": "keeps no map"}}
    assert found["difference"] == {"mean": pytest.approx(0.6), "std": pytest.approx(0), "n": 3}


def test_verifications_are_gathered_over_seeds_and_belong_to_their_probe(tree: Tree) -> None:
    def write(folder: Path, value: float, **changes: Any) -> None:
        probe = read_record(folder / f"probe-{spec_digest(PROBE)}" / "probe.json", "probe")
        rates = [{"far": 0.1, "value": value}, {"far": 1e-4, "value": None}]
        body = {"identities": 10, "genuine_pairs": 5, "impostor_pairs": 9, "tar_at_far": rates, "reason": None}
        body |= {"auc": {"value": value}, "eer": {"value": 0.1}, "best_threshold": {"accuracy": {"value": 0.5}}}
        path = folder / f"probe-{spec_digest(PROBE)}" / "verification" / "verification.json"
        write_record(path, "verification", {}, CODE, body | {"probe_digest": probe["record_digest"]} | changes)

    assert [cell["verification"] for cell in diagnosed(tree)] == [None, None]
    for cell in tree.cells:
        cell["probe"]["verification"] = CODE
        for seed in range(3):
            write(tree.folder(cell["model"], seed), 0.7 + 0.1 * seed)
    found = diagnosed(tree)[0]["verification"]
    assert (found["auc"]["mean"], found["auc"]["n"]) == (pytest.approx(0.8), 3)
    assert (found["tar_at_far"][1]["mean"], found["tar_at_far"][1]["far"]) == (None, 1e-4)
    write(tree.folder("lenet5", 1), 0.7, probe_digest="of another")
    with pytest.raises(Refused, match=r"verification\.json: was made from another probe\.json"):
        tree.run()


def test_the_audit_of_the_data_is_in_the_comparison(tree: Tree) -> None:
    (entry,) = tree.run()["data"]
    assert (entry["dataset"], entry["audit"]) == ("digits", None)
    assert "is missing" in entry["reason"]
    folder = tree.results / "data" / tree.cells[0]["data"]
    write_record(folder / "manifest.json", "data", {}, CODE, {"counts": {"train": 5}})
    images = read_record(folder / "manifest.json", "data")["record_digest"]
    body = {"audit": {"warnings": ["a copy"]}, "data_digest": images}
    write_record(folder / "audit.json", "audit", {}, CODE, body)
    (entry,) = tree.run()["data"]
    assert (entry["audit"], entry["counts"], entry["reason"]) == ({"warnings": ["a copy"]}, {"train": 5}, None)

    write_record(folder / "audit.json", "audit", {}, CODE, body | {"data_digest": "of others"})
    (entry,) = tree.run()["data"]
    assert entry["audit"] is None
    assert "is of other images" in entry["reason"]

"""The pins of pyproject.toml, the lock file with hashes, and the conda environment name the same packages."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from study_fixture import ROOT

LOCK = ROOT / "envs" / "requirements.lock"
CONDA = ROOT / "envs" / "bakeoff.yaml"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
REMEDY = "write both files anew: uv run python envs/lock.py"


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pins(requirements: list[str]) -> dict[str, str]:
    """Version by package; every requirement must be an exact pin."""
    found = {}
    for requirement in requirements:
        match = re.fullmatch(r"([A-Za-z0-9_.-]+)==([A-Za-z0-9_.!+-]+)", requirement)
        assert match, f"{requirement}: is no exact pin"
        found[normal(match[1])] = match[2]
    return found


def locked() -> dict[str, tuple[set[str], list[str]]]:
    """Versions and hashes by package; a package may stand there once a platform, with another version."""
    text = "\n".join(line for line in LOCK.read_text(encoding="utf-8").splitlines() if not line.startswith("#"))
    found: dict[str, tuple[set[str], list[str]]] = {}
    for entry in text.replace("\\\n", " ").splitlines():
        requirement = re.split(r"\s*;|\s+--hash", entry)[0].strip()
        for name, version in pins([requirement]).items():
            versions, hashes = found.setdefault(name, (set(), []))
            versions.add(version)
            hashes += re.findall(r"--hash=sha256:([0-9a-f]{64})\b", entry)
            assert "--hash=sha256:" in entry, f"{requirement}: has no hash; {REMEDY}"
    return found


DIRECT = pins(PROJECT["dependencies"])


def test_every_direct_pin_is_locked() -> None:
    found = locked()
    assert {name: found.get(name, (set(), []))[0] for name in DIRECT} == {
        name: {version} for name, version in DIRECT.items()
    }, REMEDY


def test_every_package_has_hashes() -> None:
    found = locked()
    assert len(found) > len(DIRECT)
    assert [name for name, (_, hashes) in found.items() if not hashes] == []


def test_conda_installs_the_direct_pins() -> None:
    environment = yaml.safe_load(CONDA.read_text(encoding="utf-8"))
    (by_pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pins(by_pip) == DIRECT, REMEDY
    (python,) = [entry for entry in environment["dependencies"] if str(entry).startswith("python=")]
    low, high = re.findall(r"3\.(\d+)", PROJECT["requires-python"])
    assert int(low) <= int(python.removeprefix("python=3.")) < int(high)


@pytest.mark.parametrize("path", [LOCK, CONDA], ids=lambda path: path.name)
def test_no_address_is_written_down(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index-url" not in text
    assert " @ " not in text


def constraints() -> dict[str, set[str]]:
    """Versions by package that pyproject.toml holds every resolution to."""
    found: dict[str, set[str]] = {}
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    for requirement in settings["constraint-dependencies"]:
        for name, version in pins([requirement.split(";")[0].strip()]).items():
            found.setdefault(name, set()).add(version)
    return found


def test_every_resolution_is_held_to_the_lock() -> None:
    """What an index shows of the days before exclude-newer still changes for days after."""
    held = constraints()
    assert {name: versions for name, (versions, _) in locked().items() if versions != held.get(name)} == {}, REMEDY


def test_the_lock_file_of_uv_agrees() -> None:
    path = ROOT / "uv.lock"
    if not path.exists():  # it is not in git
        pytest.skip("no uv.lock here")
    by_uv: dict[str, set[str]] = {}
    for package in tomllib.loads(path.read_text(encoding="utf-8"))["package"]:
        by_uv.setdefault(normal(package["name"]), set()).add(package["version"])
    del by_uv["bakeoff"]
    assert by_uv == constraints(), REMEDY


def test_the_image_has_the_lock_and_the_pins_of_its_extra() -> None:
    image = (ROOT / "envs" / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes -r /tmp/requirements.lock" in image
    installed = pins(re.findall(r"\bsnakemake-\S+==\S+", image))
    assert installed == pins(PROJECT["optional-dependencies"]["kubernetes"])
    python = re.search(r"^FROM python:3\.(\d+)", image, re.MULTILINE)
    conda = re.search(r"python=3\.(\d+)", CONDA.read_text(encoding="utf-8"))
    assert python
    assert conda
    assert python[1] == conda[1]

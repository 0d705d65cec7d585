"""Where results stand. The names are a contract: others read these files. All paths are relative to the working folder.

A settings digest, {spec}, is part of each path (see provenance.spec_digest), so a changed setting is another folder.
"""

from __future__ import annotations

import re
from pathlib import Path

RESULTS = Path("results")

DATA = "results/data/{dataset}-{spec}"
CELL = "results/runs/{dataset}/{model}/{augmentation}/{recipe}-{spec}"
RUN = f"{CELL}/seed{{seed}}"
PROBE = f"{RUN}/probe-{{probe}}"
VERIFICATION = f"{PROBE}/verification/verification.json"
TUNING = "results/tuning/{dataset}/{model}/{augmentation}/{recipe}-{spec}/tuning.json"
PROFILE = "results/profiles/{model}-{spec}.json"
STUDY = "results/{study}"

EPOCH_WEIGHTS = re.compile(r"epoch([0-9]+)\.safetensors")
"""Names of the weights after each epoch, in a run's folder (`train.keep: all`)."""

# Folders of results/ that are not a study's: no study may carry such a name.
RESERVED = frozenset({"data", "runs", "tuning", "profiles"})


def data_dir(dataset: str, spec: str) -> Path:
    """Folder of a prepared data set."""
    return Path(DATA.format(dataset=dataset, spec=spec))


def run_dir(dataset: str, model: str, augmentation: str, recipe: str, spec: str, seed: int) -> Path:
    """Folder of a run."""
    return Path(
        RUN.format(dataset=dataset, model=model, augmentation=augmentation, recipe=recipe, spec=spec, seed=seed)
    )


def epoch_weights(run: Path) -> dict[int, Path]:
    """The weights after each epoch that stand in a run's folder, by epoch."""
    found = ((EPOCH_WEIGHTS.fullmatch(path.name), path) for path in run.glob("epoch*.safetensors"))
    return {int(match[1]): path for match, path in sorted(found, key=lambda each: each[1]) if match}


def tuning_path(dataset: str, model: str, augmentation: str, recipe: str, spec: str) -> Path:
    """File of a cell's search for settings."""
    return Path(TUNING.format(dataset=dataset, model=model, augmentation=augmentation, recipe=recipe, spec=spec))


def verification_path(probe: Path) -> Path:
    """File of the verification of a probe's embeddings, by the probe's record."""
    return probe.parent / "verification" / "verification.json"


def profile_path(model: str, spec: str) -> Path:
    """File of a cost profile."""
    return Path(PROFILE.format(model=model, spec=spec))


def study_dir(study: str, partial: bool = False) -> Path:
    """Folder of a study's tables, figures and report. Those of a part of its runs stand apart: Snakemake would take
    them for the whole study's.
    """
    folder = Path(STUDY.format(study=study))
    return folder / "partial" if partial else folder

"""From a study to its table of runs, and for each step the settings and the code that its results depend on."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

from bakeoff import layout, requirements, stages
from bakeoff.cells import Cell, Combined, Elsewhere
from bakeoff.compare.spec import AXES
from bakeoff.errors import UserError
from bakeoff.profiles import Profiles
from bakeoff.provenance import Json, spec_digest


class Grid(Profiles):
    """All steps of a study. What a step depends on is in its spec, its code digest, and nothing else."""

    # --- what is refused before anything runs ---

    def check_audits(self) -> None:
        """Raise UserError when a data set that is prepared already has what `audit: strict` refuses."""
        self.refuse_prepared({cell.dataset: None for cell in self.cells})

    def check_carried(self) -> None:
        """Raise UserError for what needs a folder that all jobs share, where a storage carries inputs and outputs."""
        if self.study.train.keep == "all":
            raise UserError(
                "--default-storage-provider: weights after each epoch are no outputs of a rule, so no storage carries"
                " them; set train.keep to best, or leave out the storage"
            )
        if self.external:
            raise UserError(
                f"--default-storage-provider: predictions of external models ({next(iter(self.study.external))}, ...)"
                " stand in this folder, not in the storage; leave them out, or the storage"
            )
        for what, asked in (("probes", self.probes()), ("runs made from others", self.combined)):
            if asked:
                raise UserError(
                    f"--default-storage-provider: {what} of this study ({asked[0]}, ...) read files besides the inputs"
                    " of their rules, so they need a folder that all jobs share; leave them out, or the storage"
                )

    # --- evaluate, compare, report ---

    @property
    def evaluate_spec(self) -> Json:
        """What the evaluation depends on besides the run."""
        return self.study.evaluate.model_dump(mode="json", exclude={"verification"})

    @cached_property
    def evaluate_code(self) -> str:
        """Digest of what `evaluate` runs."""
        return stages.evaluate()

    @cached_property
    def verification_code(self) -> str:
        """Digest of what `verification` runs."""
        return stages.verification()

    def verifications(self) -> list[Path]:
        """The records of all verifications; none unless the study asks for them."""
        return [layout.verification_path(path) for path in self.probes() if self.study.evaluate.verification]

    def compare_spec(self, partial: bool = False) -> Json:
        """What the comparison depends on besides the runs: the grid, the questions, the digests to expect."""
        wanted = requirements.asked(self.study.requirements)
        return {
            "study": self.study.study,
            **self.study.compare.model_dump(mode="json"),
            "comparisons": [question.model_dump(mode="json") for question in self.study.questions()],
            "references": [reference.model_dump(mode="json") for reference in self.study.reference],
            "requirements": wanted.model_dump(mode="json") if wanted else None,
            "cells": [self._compare_cell(cell) for cell in self.every_cell],
            "partial": partial,
        }

    def _compare_cell(self, cell: Cell) -> Json:
        code = self.profile_code(cell.model)
        return {
            "dataset": cell.dataset,
            "data": self.data_dir(cell.dataset).name,
            "audit_code": self.audit_code,
            "model": cell.model,
            "augmentation": cell.augmentation,
            "recipe": cell.recipe,
            "spec": cell.spec,
            "seeds": list(cell.seeds),
            "combined": isinstance(cell, Combined),
            "external": self._external_ref(cell) if isinstance(cell, Elsewhere) else None,
            "train_code": self.run_code(cell),
            "probe": self._probe_ref(cell),
            "evaluate_spec": spec_digest(self.evaluate_spec),
            "evaluate_code": self.evaluate_code,
            "profiles": [
                {"name": path.stem, "condition": condition.label, "spec": self._digest(spec), "code": code}
                for condition, (path, spec) in zip(
                    self.study.profile.conditions(), self._profiles[cell.model, cell.dataset], strict=True
                )
            ],
        }

    def _probe_ref(self, cell: Cell) -> Json | None:
        """The digests that the probes of a cell's runs carry; None where there are none."""
        if cell.model not in self._models or not self.study.probe.wanted or not self.is_net(cell.model):
            return None
        verified = self.verification_code if self.study.evaluate.verification else None
        return {"spec": self.probe_digest, "code": self.probe_code(cell.model), "verification": verified}

    def _external_ref(self, cell: Elsewhere) -> Json:
        files = {str(seed): file for seed, file in cell.files.items()}
        return {"files": files, "source": cell.entry.source, "paired": cell.entry.paired}

    @cached_property
    def compare_code(self) -> str:
        """Digest of what `compare` runs."""
        return stages.compare()

    @property
    def samples_spec(self) -> Json:
        """What the pictures of augmentations depend on: the policies, and where the images of each data set stand."""
        found: Json = {}
        for cell in self.cells:
            entry = found.setdefault(cell.dataset, {"data": self.data_dir(cell.dataset).name, "policies": {}})
            entry["policies"][cell.augmentation] = self._augmentation_spec(cell.augmentation)
        return {"study": self.study.study, "datasets": found}

    @cached_property
    def samples_code(self) -> str:
        """Digest of what `samples` runs."""
        return stages.samples(self._augmentations[cell.augmentation].policy for cell in self.cells)

    @property
    def report_spec(self) -> Json:
        """What the report depends on besides the comparison: words and their order, not numbers."""
        settings = self.study.report.model_dump(mode="json")
        own = {name: entry.label for name, entry in self.study.external.items() if entry.label}
        return {
            "study": self.study.study,
            "title": self.study.title,
            "order": {axis: list(dict.fromkeys(getattr(cell, axis) for cell in self.every_cell)) for axis in AXES},
            **settings,
            "labels": {**own, **settings["labels"]},
        }

    @cached_property
    def report_code(self) -> str:
        """Digest of what `report` runs."""
        return stages.report()

    def something_is_missing(self) -> bool:
        """Whether a record that the comparison reads does not exist."""
        runs = self.run_files(["run.json", "metrics.json"])
        return not all(path.exists() for path in (*runs, *self.profiles(), *self.probes(), *self.verifications()))

    # --- files by step, as the rules want them ---

    def run_files(self, names: Sequence[str]) -> list[Path]:
        """Files of these names of all runs, those made from others too."""
        return [cell.run_dir(seed) / name for cell in self.every_cell for seed in cell.seeds for name in names]

    def member_folders(self, cell: Cell, seed: int) -> list[Path]:
        """Folders of the runs that a run is made from, in the order of its settings."""
        return [member.run_dir(each) for member, each in cell.runs(seed)] if isinstance(cell, Combined) else []

    def member_files(self, cell: Cell, seed: int) -> list[Path]:
        """The records of these runs, and of their probes where these are what it is made from."""
        folders = self.member_folders(cell, seed)
        probes = [self._probe_path(folder) for folder in folders if isinstance(cell, Combined) and cell.probe]
        return [folder / "run.json" for folder in folders] + probes

    def data_dirs(self) -> list[Path]:
        """Folders of all data sets that have runs."""
        return sorted({self.data_dir(cell.dataset) for cell in self.cells})

    def audits(self) -> list[Path]:
        """The records of their audits."""
        return sorted({self.audit_path(cell.dataset) for cell in self.cells})

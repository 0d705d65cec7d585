"""From a study to its table of runs, and for each step the settings and the code that its results depend on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from bakeoff import layout, stages
from bakeoff.errors import UserError
from bakeoff.provenance import Json, canonical, spec_digest
from bakeoff.study import AugmentationEntry, DatasetEntry, ModelEntry, Study, places


@dataclass(frozen=True)
class Cell:
    """One dataset, model, augmentation and recipe, with the seeds it is repeated with."""

    dataset: str
    model: str
    augmentation: str
    recipe: str
    seeds: tuple[int, ...]
    spec: str

    def run_dir(self, seed: int) -> Path:
        """Folder of one of its runs."""
        return layout.run_dir(self.dataset, self.model, self.augmentation, self.recipe, self.spec, seed)


class Grid:
    """The runs of a study. What a step depends on is in its spec, its code digest, and nothing else."""

    def __init__(self, study: Study) -> None:
        self.study = study
        self._datasets = {entry.name: entry for entry in study.datasets}
        self._models = {entry.name: entry for entry in study.models}
        self._augmentations = {entry.name: entry for entry in study.augmentations}
        self._texts: dict[str, str] = {}

    # --- the table ---

    @cached_property
    def cells(self) -> list[Cell]:
        """The cells in the order of the study file."""
        axes: dict[str, list[Any]] = {
            "dataset": list(self._datasets),
            "model": list(self._models),
            "augmentation": list(self._augmentations),
            "recipe": list(self.study.recipes),
            "seed": self.study.seeds,
        }
        seeds: dict[tuple[str, str, str, str], list[int]] = {}
        for place in places(axes, self.study.exclude):
            key = (place["dataset"], place["model"], place["augmentation"], place["recipe"])
            seeds.setdefault(key, []).append(place["seed"])
        return [Cell(*key, tuple(chosen), self._digest(self._train_spec(*key))) for key, chosen in seeds.items()]

    @property
    def n_runs(self) -> int:
        """Number of runs."""
        return sum(len(cell.seeds) for cell in self.cells)

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str, str, str], Cell]:
        return {(c.dataset, c.model, c.augmentation, c.recipe, c.spec): c for c in self.cells}

    def cell(self, dataset: str, model: str, augmentation: str, recipe: str, spec: str) -> Cell:
        """The cell at this place. Raises UserError when this study has none there."""
        try:
            return self._by_place[dataset, model, augmentation, recipe, spec]
        except KeyError:
            place = f"{dataset}/{model}/{augmentation}/{recipe}-{spec}"
            raise UserError(
                f"study {self.study.study}: has no runs at {place}; `bakeoff plan` lists those it has"
            ) from None

    def _digest(self, spec: Json) -> str:
        """The spec's digest; two settings with one digest would share a folder, so that is an error."""
        digest, text = spec_digest(spec), canonical(spec)
        if self._texts.setdefault(digest, text) != text:
            raise UserError(f"two settings of this study have the same digest {digest}; change one of them slightly")
        return digest

    # --- prepare ---

    def data_spec(self, dataset: str) -> Json:
        """What the arrays of a data set depend on."""
        entry: DatasetEntry = self._datasets[dataset]
        return {
            "name": entry.name,
            "source": entry.source,
            "settings": {**entry.model_dump(exclude={"name", "source"}), "image_size": entry.size},
        }

    def data_code(self, dataset: str) -> str:
        """Digest of what `prepare` runs for a data set."""
        return stages.prepare(self._datasets[dataset].source)

    def data_dir(self, dataset: str) -> Path:
        """Folder of the prepared arrays."""
        return layout.data_dir(dataset, self._digest(self.data_spec(dataset)))

    # --- train ---

    def _train_spec(self, dataset: str, model: str, augmentation: str, recipe: str) -> Json:
        return {
            "dataset": self.data_spec(dataset),
            "model": self._model_spec(model),
            "augmentation": self._augmentation_spec(augmentation),
            "recipe": self.study.recipes[recipe].model_dump(),
            "device": self.study.device,
            "threads": self.study.threads,
        }

    def _model_spec(self, model: str) -> Json:
        entry: ModelEntry = self._models[model]
        return {"name": entry.name, "builder": entry.builder, "options": entry.options}

    def _augmentation_spec(self, augmentation: str) -> Json:
        entry: AugmentationEntry = self._augmentations[augmentation]
        return {"policy": entry.policy, "options": entry.options}

    def train_spec(self, cell: Cell) -> Json:
        """What a run depends on, but for its seed."""
        return self._train_spec(cell.dataset, cell.model, cell.augmentation, cell.recipe)

    def train_code(self, cell: Cell) -> str:
        """Digest of what `train` runs for a cell: the loop, its model's file, its policy's file."""
        return stages.train(self._models[cell.model].builder, self._augmentations[cell.augmentation].policy)

    # --- profile ---

    def profile_spec(self, model: str, dataset: str) -> Json:
        """What a cost profile depends on: the network, the shape of its input, the number of classes."""
        entry = self._datasets[dataset]
        return {
            "model": self._model_spec(model),
            "input": [entry.info.channels, entry.size, entry.size],
            "classes": entry.info.classes,
            **self.study.profile.model_dump(),
        }

    def profile_path(self, model: str, dataset: str) -> Path:
        """The profile's file; data sets of one shape share it."""
        return layout.profile_path(model, self._digest(self.profile_spec(model, dataset)))

    def profile_code(self, model: str) -> str:
        """Digest of what `profile` runs for a model."""
        return stages.profile(self._models[model].builder)

    def profiled(self, model: str, spec: str) -> Json:
        """The settings of the profile at this path. Raises UserError when this study has none there."""
        for cell in self.cells:
            if cell.model == model and self.profile_path(model, cell.dataset).stem == f"{model}-{spec}":
                return self.profile_spec(model, cell.dataset)
        raise UserError(f"study {self.study.study}: has no profile {model}-{spec}")

    # --- evaluate, compare, report ---

    @property
    def evaluate_spec(self) -> Json:
        """What the evaluation depends on besides the run."""
        return self.study.evaluate.model_dump(mode="json")

    @cached_property
    def evaluate_code(self) -> str:
        """Digest of what `evaluate` runs."""
        return stages.evaluate()

    def compare_spec(self, partial: bool = False) -> Json:
        """What the comparison depends on besides the runs: the grid, the questions, the digests to expect."""
        return {
            "study": self.study.study,
            **self.study.compare.model_dump(mode="json"),
            "comparisons": [question.model_dump(mode="json") for question in self.study.questions()],
            "cells": [self._compare_cell(cell) for cell in self.cells],
            "partial": partial,
        }

    def _compare_cell(self, cell: Cell) -> Json:
        profile = self.profile_path(cell.model, cell.dataset)
        return {
            "dataset": cell.dataset,
            "model": cell.model,
            "augmentation": cell.augmentation,
            "recipe": cell.recipe,
            "spec": cell.spec,
            "seeds": list(cell.seeds),
            "train_code": self.train_code(cell),
            "evaluate_spec": spec_digest(self.evaluate_spec),
            "evaluate_code": self.evaluate_code,
            "profile": profile.stem,
            "profile_spec": spec_digest(self.profile_spec(cell.model, cell.dataset)),
            "profile_code": self.profile_code(cell.model),
        }

    @cached_property
    def compare_code(self) -> str:
        """Digest of what `compare` runs."""
        return stages.compare()

    @property
    def report_spec(self) -> Json:
        """What the report depends on besides the comparison: words, not numbers."""
        return {"study": self.study.study, "title": self.study.title, **self.study.report.model_dump(mode="json")}

    @cached_property
    def report_code(self) -> str:
        """Digest of what `report` runs."""
        return stages.report()

    # --- files by step, as the rules want them ---

    def run_files(self, names: Sequence[str]) -> list[Path]:
        """Files of these names of all runs."""
        return [cell.run_dir(seed) / name for cell in self.cells for seed in cell.seeds for name in names]

    def profiles(self) -> list[Path]:
        """All profiles, each once."""
        return sorted({self.profile_path(cell.model, cell.dataset) for cell in self.cells})

    def data_dirs(self) -> list[Path]:
        """Folders of all data sets that have runs."""
        return sorted({self.data_dir(cell.dataset) for cell in self.cells})

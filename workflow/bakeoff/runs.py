"""The runs of a study: its cells, those made from others and elsewhere, and what each depends on."""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

from bakeoff import layout, stages
from bakeoff.cells import Cell, Combined, Elsewhere, combined_cells, external_cells
from bakeoff.datasets import Datasets
from bakeoff.entries import AugmentationEntry, ModelEntry
from bakeoff.errors import UserError
from bakeoff.models import initial, packaged, registry
from bakeoff.provenance import Json
from bakeoff.study import Study, places


class Runs(Datasets):
    """The steps `train`, `probe`, `combine` and `external` of a study: its cells, and what their runs depend on."""

    def __init__(self, study: Study) -> None:
        super().__init__(study)
        self._models = {entry.name: entry for entry in study.models}
        self._augmentations = {entry.name: entry for entry in study.augmentations}

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
    def combined(self) -> list[Combined]:
        """The runs made from others: test-time augmentation of every network, and the study's ensembles."""
        return combined_cells(self.study, self.cells, self.is_net, self.probe_digest, self._digest)

    @cached_property
    def external(self) -> list[Elsewhere]:
        """The runs made from predictions of others."""
        specs = {name: self.data_spec(name) for name in self._datasets}
        return external_cells(self.study, self.cells, specs, self._digest)

    @property
    def every_cell(self) -> list[Cell]:
        """The cells of the study, those of runs made from its runs, and those of runs made elsewhere."""
        return [*self.cells, *self.combined, *self.external]

    def is_net(self, model: str) -> bool:
        """Whether a model is a network, which can be asked again; a control method cannot."""
        return not registry.is_control(self._models[model].builder)

    def run_code(self, cell: Cell) -> str:
        """Digest of what makes the runs of a cell."""
        if isinstance(cell, Elsewhere):
            return stages.external()
        return self.combine_code(cell) if isinstance(cell, Combined) else self.train_code(cell)

    def combine_code(self, cell: Combined) -> str:
        """Digest of what makes these runs: the step, and all that made their members."""
        members = {member.cell.model: member.cell for member in cell.members}.values()
        parts = [stages.combine(), *(self.train_code(member) for member in members)]
        if cell.probe:
            parts += [self.probe_code(member.model) for member in members]
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()[:16]

    # --- probe ---

    @cached_property
    def probe_spec(self) -> Json:
        """What a probe depends on besides the run."""
        return self.study.probe.model_dump(mode="json")

    @cached_property
    def probe_digest(self) -> str:
        """The {probe} of paths."""
        return self._digest(self.probe_spec)

    def probe_code(self, model: str) -> str:
        """Digest of what `probe` runs for a model."""
        return stages.probe(self._models[model].builder)

    def probes(self) -> list[Path]:
        """The records of all probes; none unless the study asks for something."""
        return [path for _, _, path, _ in self.probe_jobs()]

    def probe_jobs(self) -> list[tuple[Cell, int, Path, str]]:
        """Of every probe the cell and seed that it asks, its record and its code."""
        if not self.study.probe.wanted:
            return []
        nets = [cell for cell in self.cells if self.is_net(cell.model)]
        return [
            (cell, seed, self._probe_path(cell.run_dir(seed)), self.probe_code(cell.model))
            for cell in nets
            for seed in cell.seeds
        ]

    def _probe_path(self, run_dir: Path) -> Path:
        return run_dir / f"probe-{self.probe_digest}" / "probe.json"

    @cached_property
    def _by_place(self) -> dict[tuple[str, str, str, str, str], Cell]:
        return {(c.dataset, c.model, c.augmentation, c.recipe, c.spec): c for c in self.every_cell}

    def cell(self, dataset: str, model: str, augmentation: str, recipe: str, spec: str) -> Cell:
        """The cell at this place. Raises UserError when this study has none there."""
        try:
            return self._by_place[dataset, model, augmentation, recipe, spec]
        except KeyError:
            place = f"{dataset}/{model}/{augmentation}/{recipe}-{spec}"
            raise UserError(
                f"study {self.study.study}: has no runs at {place}; `bakeoff plan` lists those it has"
            ) from None

    # --- train ---

    def _train_spec(self, dataset: str, model: str, augmentation: str, recipe: str) -> Json:
        return {
            "dataset": self.data_spec(dataset),
            "model": self._model_spec(model),
            "augmentation": self._augmentation_spec(augmentation),
            "recipe": self._recipe_spec(recipe),
            "device": self.study.device,
            "threads": self.study.threads,
            "seeds_together": self.study.train.seeds_together,
        }

    def _model_spec(self, model: str) -> Json:
        entry: ModelEntry = self._models[model]
        return {"name": entry.name, "builder": entry.builder, "options": entry.options}

    def _recipe_spec(self, recipe: str) -> Json:
        settings = self.study.recipes[recipe]
        return {**settings.model_dump(), "weights": initial.in_settings(packaged.located(settings.weights))}

    def weights_file(self, cell: Cell) -> Path | None:
        """The file that a cell's runs begin from; its settings have its sha256 alone."""
        return initial.file_of(packaged.located(self.study.recipes[cell.recipe].weights))

    def _augmentation_spec(self, augmentation: str) -> Json:
        entry: AugmentationEntry = self._augmentations[augmentation]
        return {"policy": entry.policy, "options": entry.options}

    def train_spec(self, cell: Cell) -> Json:
        """What a run depends on, but for its seed."""
        return self._train_spec(cell.dataset, cell.model, cell.augmentation, cell.recipe)

    def train_code(self, cell: Cell) -> str:
        """Digest of what `train` runs for a cell: the loop, its model's file, its policy's file."""
        return stages.train(self._models[cell.model].builder, self._augmentations[cell.augmentation].policy)

    def seed_groups(self) -> dict[tuple[int, ...], list[str]]:
        """The groups of seeds that are trained together, each with the specs of the cells that have it."""
        k = self.study.train.seeds_together
        groups: dict[tuple[int, ...], list[str]] = {}
        for cell in self.cells:
            for start in range(0, len(cell.seeds), k):
                groups.setdefault(cell.seeds[start : start + k], []).append(cell.spec)
        return groups

    def tuning_files(self, cell: Cell) -> list[Path]:
        """The file of the cell's search for settings; none when its recipe has no budget for one."""
        if self.study.recipes[cell.recipe].tuning is None:
            return []
        return [layout.tuning_path(cell.dataset, cell.model, cell.augmentation, cell.recipe, cell.spec)]

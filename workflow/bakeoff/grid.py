"""From a study to its table of runs, and for each step the settings and the code that its results depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from bakeoff import device, layout, requirements, stages
from bakeoff.cells import Cell, Combined, Elsewhere, combined_cells, external_cells
from bakeoff.datasets import Datasets
from bakeoff.entries import AugmentationEntry, ModelEntry
from bakeoff.errors import Refused, UserError
from bakeoff.models import initial, packaged, registry
from bakeoff.profile.spec import NO_GPU, TrainingStep
from bakeoff.provenance import Json, read_record, spec_digest
from bakeoff.study import Study, places


class Grid(Datasets):
    """The runs of a study. What a step depends on is in its spec, its code digest, and nothing else."""

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

    def _probe_ref(self, cell: Cell) -> Json | None:
        """The digests that the probes of a cell's runs carry; None where there are none."""
        if cell.model not in self._models or not self.study.probe.wanted or not self.is_net(cell.model):
            return None
        verified = self.verification_code if self.study.evaluate.verification else None
        return {"spec": self.probe_digest, "code": self.probe_code(cell.model), "verification": verified}

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

    # --- profile ---

    @cached_property
    def _training_step(self) -> Json:
        """Of the recipes, the step that needs the most memory: that of the largest batch."""
        used = {cell.recipe for cell in self.cells}
        recipes = [recipe for name, recipe in self.study.recipes.items() if name in used]
        largest = max(recipes, key=lambda recipe: recipe.batch_size)
        return largest.model_dump(include=set(TrainingStep.model_fields))

    def profile_specs(self, model: str, dataset: str) -> list[Json]:
        """What the cost profiles of a model depend on, one for each condition: the network, the shape of its input, the
        number of classes, the condition. What a step of training needs is measured with the eager back end alone.
        """
        info, size = self._info(dataset), self._size(dataset)
        settings = self.study.profile
        return [
            {
                "model": self._model_spec(model),
                "input": [info.channels, size, size],
                "classes": info.outputs,
                "training": self._training_step if condition.backend == "eager" else None,
                **condition.model_dump(),
                **settings.effort(),
            }
            for condition in settings.conditions()
        ]

    def profile_paths(self, model: str, dataset: str) -> list[Path]:
        """The files of these profiles; data sets of one shape share them."""
        return [path for path, _ in self._profiles[model, dataset]]

    @cached_property
    def _profiles(self) -> dict[tuple[str, str], list[tuple[Path, Json]]]:
        """Path and settings of every profile, by model and data set."""
        found: dict[tuple[str, str], list[tuple[Path, Json]]] = {}
        for cell in self.cells:
            if (key := (cell.model, cell.dataset)) not in found:
                specs = self.profile_specs(*key)
                found[key] = [(layout.profile_path(cell.model, self._digest(spec)), spec) for spec in specs]
        for made in self.combined:
            if (key := (made.model, made.dataset)) not in found:
                specs = [self._cost_spec(made, i, found) for i in range(len(self.study.profile.conditions()))]
                found[key] = [(layout.profile_path(made.model, self._digest(spec)), spec) for spec in specs]
        for cell in self.external:
            specs = self._published_specs(cell)
            found[cell.model, cell.dataset] = [
                (layout.profile_path(cell.model, self._digest(spec)), spec) for spec in specs
            ]
        return found

    def _published_specs(self, cell: Elsewhere) -> list[Json]:
        """What is known of an external model's costs, once for each condition."""
        known = cell.entry.model_dump(mode="json", include={"source", "costs"})
        return [
            {"model": cell.model, "condition": condition.label, **known}
            for condition in self.study.profile.conditions()
        ]

    def _cost_spec(self, cell: Combined, i: int, known: Mapping[tuple[str, str], list[tuple[Path, Json]]]) -> Json:
        """What a combined run costs under the i-th condition: the profiles of the models in it, each so many times."""
        parts = [
            {"profile": self._digest(known[model, cell.dataset][i][1]), "networks": networks, "passes": passes}
            for model, (networks, passes) in cell.parts().items()
        ]
        return {"model": cell.model, "parts": parts}

    def cost_files(self, model: str, spec: str) -> list[Path]:
        """The profiles that a combined run's costs are added up from."""
        cell = self._combined_at(model, spec)
        i = [path for path, _ in self._profiles[model, cell.dataset]].index(layout.profile_path(model, spec))
        return [self._profiles[part, cell.dataset][i][0] for part in cell.parts()]

    def cost_run(self, model: str, spec: str) -> Path:
        """The record of one of the runs whose costs these are: it knows how many passes it took."""
        cell = self._combined_at(model, spec)
        return cell.run_dir(cell.seeds[0]) / "run.json"

    def _combined_at(self, model: str, spec: str) -> Combined:
        path = layout.profile_path(model, spec)
        return next(c for c in self.combined if c.model == model and path in self.profile_paths(model, c.dataset))

    def profile_code(self, model: str) -> str:
        """Digest of what `profile` runs for a model, or of what adds up, or takes over, the costs of others."""
        if model in self._models:
            return stages.profile(self._models[model].builder)
        if model in self.study.external:
            return stages.external()
        parts = dict.fromkeys(part for cell in self.combined if cell.model == model for part in cell.parts())
        codes = [stages.combine(), *(self.profile_code(part) for part in parts)]
        return hashlib.sha256(" ".join(codes).encode()).hexdigest()[:16]

    def profiled(self, model: str, spec: str) -> Json:
        """The settings of the profile at this path. Raises UserError when this study has none there."""
        try:
            return self._by_profile[layout.profile_path(model, spec)]
        except KeyError:
            raise UserError(f"study {self.study.study}: has no profile {model}-{spec}") from None

    @cached_property
    def _by_profile(self) -> dict[Path, Json]:
        return {path: spec for profiles in self._profiles.values() for path, spec in profiles}

    def profile_attempt(self, model: str, spec: str) -> int:
        """Which attempt at this profile is wanted. A profile that failed for want of a GPU has one more once there is
        one: its record is no longer true. Any other stays what it is, wherever it was copied from.
        """
        path = layout.profile_path(model, spec)
        if self.profiled(model, spec)["device"] != "cuda" or not path.exists():
            return 0
        try:
            record = read_record(path, "profile")
        except Refused:
            return 0
        return int(record["attempt"]) + (record["failure"] == NO_GPU and device.machine_has_gpu())

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
        """What the report depends on besides the comparison: words, not numbers."""
        settings = self.study.report.model_dump(mode="json")
        own = {name: entry.label for name, entry in self.study.external.items() if entry.label}
        return {
            "study": self.study.study,
            "title": self.study.title,
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

    def profiles(self) -> list[Path]:
        """All profiles, each once."""
        return sorted(self._by_profile)

    def data_dirs(self) -> list[Path]:
        """Folders of all data sets that have runs."""
        return sorted({self.data_dir(cell.dataset) for cell in self.cells})

    def audits(self) -> list[Path]:
        """The records of their audits."""
        return sorted({self.audit_path(cell.dataset) for cell in self.cells})

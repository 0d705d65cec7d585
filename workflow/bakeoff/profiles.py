"""The cost profiles of a study: what each depends on, where it stands, and from what it is added up."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from bakeoff import device, layout, stages
from bakeoff.cells import Combined, Elsewhere
from bakeoff.errors import Refused, UserError
from bakeoff.profile.spec import NO_GPU, TrainingStep
from bakeoff.provenance import Json, read_record
from bakeoff.runs import Runs


class Profiles(Runs):
    """The step `profile` of a study. Costs depend on the network, the shape of its input and the conditions alone."""

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

    def profiles(self) -> list[Path]:
        """All profiles, each once."""
        return sorted(self._by_profile)

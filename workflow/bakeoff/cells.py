"""The cells of a study's grid, and the cells of runs made from its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bakeoff import layout
from bakeoff.combine.spec import Ensemble
from bakeoff.external.spec import MOST, External
from bakeoff.provenance import Json
from bakeoff.study import TTA, Study

Digest = Callable[[Json], str]


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


@dataclass(frozen=True)
class Member:
    """A run that is part of another; without a seed it has the other's."""

    cell: Cell
    seed: int | None = None


@dataclass(frozen=True)
class Combined(Cell):
    """Runs made from other runs' predictions."""

    members: tuple[Member, ...]
    combine_spec: Json
    probe: str | None

    def runs(self, seed: int) -> list[tuple[Cell, int]]:
        """The runs that this one is made from, each by cell and seed."""
        return [(member.cell, seed if member.seed is None else member.seed) for member in self.members]

    def parts(self) -> dict[str, tuple[int, int | None]]:
        """Of each model in it, how many networks, and how many passes they make; None where its probe knows."""
        models = [member.cell.model for member in self.members]
        return {model: (models.count(model), None if self.probe else models.count(model)) for model in models}


@dataclass(frozen=True)
class Elsewhere(Cell):
    """Runs made from predictions of others: the file of each seed, and what the study says of their model."""

    files: Mapping[int, str]
    entry: External
    external_spec: Json


def external_cells(study: Study, cells: Sequence[Cell], specs: Mapping[str, Json], digest: Digest) -> list[Elsewhere]:
    """The study's external models, at each augmentation and recipe of their data set: they have none of their own, and
    stand beside what the study has there. `specs` are the settings of the data sets.
    """
    found = []
    for at, (name, entry) in enumerate(study.external.items()):
        seeds = _seeds(study, entry, at)
        spec = {"model": name, "dataset": specs[entry.dataset]}
        places = dict.fromkeys((cell.augmentation, cell.recipe) for cell in cells if cell.dataset == entry.dataset)
        files = dict(zip(seeds, entry.predictions, strict=True))
        for place in places:
            found.append(Elsewhere(entry.dataset, name, *place, seeds, digest(spec), files, entry, spec))
    return found


def _seeds(study: Study, entry: External, at: int) -> tuple[int, ...]:
    """Seeds that nobody else has, for runs that nothing pairs: from 1000 on, those of the next model from 2000."""
    n = len(entry.predictions)
    if entry.paired:
        return tuple(study.seeds[:n])
    first = (max(study.seeds) // MOST + 1 + at) * MOST
    return tuple(range(first, first + n))


def combined_cells(
    study: Study, cells: Sequence[Cell], is_net: Callable[[str], bool], probe: str, digest: Digest
) -> list[Combined]:
    """Test-time augmentation of every network, if the study asks for it, and its ensembles."""
    found = []
    if study.probe.tta:
        for cell in cells:
            if is_net(cell.model):
                found.append(_made(f"{cell.model}{TTA}", cell.seeds, (Member(cell),), "tta", probe, digest))
    for ensemble in study.ensembles:
        for cells_there in _places(ensemble, cells):
            if ensemble.over == "seeds":
                members = tuple(Member(cell, seed) for cell in cells_there for seed in cell.seeds)
                seeds: tuple[int, ...] = cells_there[0].seeds[:1]
            else:
                members = tuple(map(Member, cells_there))
                seeds = tuple(sorted(set.intersection(*(set(cell.seeds) for cell in cells_there))))
            if seeds:
                found.append(_made(ensemble.name, seeds, members, ensemble.method, None, digest))
    return found


def _places(ensemble: Ensemble, cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """The ensemble's models at each data set, augmentation and recipe that has all of them."""
    there: dict[tuple[str, str, str], dict[str, Cell]] = {}
    for cell in cells:
        there.setdefault((cell.dataset, cell.augmentation, cell.recipe), {})[cell.model] = cell
    for by_model in there.values():
        if set(ensemble.models) <= by_model.keys():
            yield [by_model[model] for model in ensemble.models]


def _made(
    name: str,
    seeds: tuple[int, ...],
    members: tuple[Member, ...],
    method: str,
    probe: str | None,
    digest: Digest,
) -> Combined:
    spec = {
        "method": method,
        "members": [{"model": each.cell.model, "spec": each.cell.spec, "seed": each.seed} for each in members],
        "probe": probe,
    }
    like = members[0].cell
    return Combined(like.dataset, name, like.augmentation, like.recipe, seeds, digest(spec), members, spec, probe)

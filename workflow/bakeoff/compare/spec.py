"""The settings of the comparison, as the study file has them, and the input of the step made from them."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    ValidationInfo,
    field_validator,
    model_validator,
)

from bakeoff.compare.requirement import Requirement

Axis = Literal["dataset", "model", "augmentation", "recipe"]
Correction = Literal["holm", "bh", "none"]
AXES: tuple[Axis, ...] = ("dataset", "model", "augmentation", "recipe")
# What a frontier may be drawn against: columns of the comparison, all better when small.
Cost = Literal["macs", "params", "latency_ms_p50", "size_mb", "peak_memory_mb", "train_seconds", "joules_per_image"]
COSTS: tuple[str, ...] = get_args(Cost)
# Clocks: what the anchor net of two profiles may differ by. Energy counters: Yang et al. 2023, arXiv:2312.02741.
_TOLERANCE = {"latency_ms_p50": 0.03, "train_seconds": 0.03, "joules_per_image": 0.05}

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]
DataFolder = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,112}$")]
Digest12 = Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]
Digest16 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Level = Annotated[float, Field(gt=0, lt=1)]
Share = Annotated[float, Field(ge=0, lt=1)]
# One line of anybody's text: what a study made elsewhere calls its models.
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CompareSettings(_Settings):
    """How differences are judged. `alpha` gives one star a level; `rope` the margin of equivalence of a metric.

    `tolerance` is the share by which two values of a cost, or of the metric, may differ and count as equal on a
    frontier.
    """

    metric: Id = "accuracy"
    alpha: Annotated[tuple[Level, ...], Field(min_length=1, max_length=3)] = (0.05, 0.01)
    correction: Correction = "holm"
    n_resamples: Annotated[int, Field(ge=100)] = 10_000
    rng_seed: Annotated[int, Field(ge=0)] = 0
    rope: dict[Id, PositiveFloat] = Field(default_factory=lambda: {"accuracy": 0.005})
    tie_decimals: Annotated[int, Field(ge=0, le=15)] | None = None
    """Decimals to which scores are rounded before data sets rank them; null: those of floats that can be told apart."""
    tolerance: dict[Id, Share] = Field(default_factory=lambda: dict(_TOLERANCE))

    seeds_planned: Annotated[int, Field(ge=1)] | None = None
    """How many seeds were settled on beforehand; with more than these, rows warn of optional stopping."""
    split: Literal["fixed", "resampled"] = "fixed"
    """Whether each seed draws its own training and test images, `n_train` and `n_test` of them."""
    n_train: Annotated[int, Field(ge=1)] | None = None
    n_test: Annotated[int, Field(ge=1)] | None = None

    @property
    def overlap(self) -> float:
        """n_test/n_train where splits are drawn anew, 0 where they are fixed (Nadeau & Bengio 2003)."""
        return self.n_test / self.n_train if self.split == "resampled" and self.n_test and self.n_train else 0.0

    @model_validator(mode="after")
    def _resampled_has_sizes(self) -> Self:
        sizes = (self.n_train, self.n_test)
        if self.split == "resampled" and None in sizes:
            raise ValueError("split: resampled needs n_train and n_test, the numbers of images of one split")
        if self.split == "fixed" and sizes != (None, None):
            raise ValueError("n_train and n_test are those of split: resampled")
        return self

    @field_validator("alpha")
    @classmethod
    def _descending(cls, alpha: tuple[float, ...]) -> tuple[float, ...]:
        if any(left <= right for left, right in pairwise(alpha)):
            raise ValueError("must descend, one level a star, as in [0.05, 0.01]")
        return alpha

    @field_validator("tolerance")
    @classmethod
    def _of_costs(cls, tolerance: dict[str, float], info: ValidationInfo) -> dict[str, float]:
        known = (*COSTS, info.data.get("metric", "accuracy"))
        unknown = [name for name in tolerance if name not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no cost and not the metric; choose from {', '.join(known)}")
        return {**_TOLERANCE, **tolerance}


def _other_axes(data: dict[str, Any]) -> tuple[Axis, ...]:
    return tuple(axis for axis in AXES if axis != data["factor"])


class Comparison(_Settings):
    """One question: which value of `factor` is better than `baseline`, the axes in `within` held fixed.

    Axes that are neither are averaged over inside each seed. The data set is always held fixed.
    """

    factor: Literal["model", "augmentation", "recipe"] = "model"
    baseline: Id
    within: tuple[Axis, ...] = Field(default_factory=_other_axes)
    name: Id = Field(default_factory=lambda data: data["factor"])

    @model_validator(mode="after")
    def _factor_varies(self) -> Self:
        if self.factor in self.within:
            raise ValueError(f"within: {self.factor!r} is the factor of this comparison, so it cannot be held fixed")
        return self

    @field_validator("within")
    @classmethod
    def _in_one_order(cls, within: tuple[Axis, ...]) -> tuple[Axis, ...]:
        return tuple(axis for axis in AXES if axis == "dataset" or axis in within)


class ProfileRef(_Settings):
    """One profile of a model: its record's name, the condition that the study asks for, the digests it must carry."""

    name: Id
    condition: Annotated[str, Field(min_length=1, max_length=200)]
    spec: Digest12
    code: Digest16


class ProbeRef(_Settings):
    """The digests that the probes of a cell's runs must carry, and the verifications of their embeddings."""

    spec: Digest12
    code: Digest16
    verification: Digest16 | None = None
    """None where the study asks for none."""


class Elsewhere(_Settings):
    """Of runs made from predictions of others: the file of each seed, who made them, and whether their seeds pair with
    the study's.
    """

    files: dict[int, str]
    source: Name | None = None
    paired: bool = False


class Place(_Settings):
    """One square of the grid and the seeds it is repeated with: all that the statistics need to know of it.

    Scores made elsewhere have no profiles; those of a study are in the order of its conditions, and the first is the
    one of all tables and plots.
    """

    dataset: Name
    model: Name
    augmentation: Name
    recipe: Name
    seeds: Annotated[tuple[int, ...], Field(min_length=1)]
    profiles: tuple[ProfileRef, ...] = ()
    combined: bool = False
    """Made from other cells' runs: a candidate like any other, but no level of the model in a factorial view."""
    external: Elsewhere | None = None
    """Made elsewhere: a candidate among models, at every augmentation and recipe the same, so no level of these."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Its place in the grid, in the order of AXES."""
        return (self.dataset, self.model, self.augmentation, self.recipe)

    @property
    def label(self) -> str:
        """Its place in the grid, for messages."""
        return "/".join(self.key)


class Cell(Place):
    """A square of a study's grid, with the digests that its records must carry."""

    dataset: Id
    data: DataFolder | None = None
    """Folder of the prepared images below results/data/, for pictures of them."""
    audit_code: Digest16 | None = None
    """Digest that the audit of these images must carry."""
    model: Id
    augmentation: Id
    recipe: Id
    spec: Digest12
    train_code: Digest16
    evaluate_spec: Digest12
    evaluate_code: Digest16
    profiles: Annotated[tuple[ProfileRef, ...], Field(min_length=1)]
    probe: ProbeRef | None = None


AnyPlace = TypeVar("AnyPlace", bound=Place)


class Questions(CompareSettings):
    """What is asked of which scores. Cells and their seeds are sorted: their order carries no meaning."""

    comparisons: Annotated[tuple[Comparison, ...], Field(min_length=1)]
    cells: Annotated[tuple[Place, ...], Field(min_length=1)]

    @field_validator("cells")
    @classmethod
    def _sorted(cls, cells: tuple[AnyPlace, ...]) -> tuple[AnyPlace, ...]:
        _refuse_twice("cell", [cell.label for cell in cells])
        for cell in cells:
            _refuse_twice(f"seed of {cell.label}", [str(seed) for seed in cell.seeds])
        ordered = sorted(cells, key=lambda cell: cell.key)
        return tuple(cell.model_copy(update={"seeds": tuple(sorted(cell.seeds))}) for cell in ordered)

    @model_validator(mode="after")
    def _baselines_exist(self) -> Self:
        _refuse_twice("comparison", [comparison.name for comparison in self.comparisons])
        for comparison in self.comparisons:
            known = sorted({str(getattr(cell, comparison.factor)) for cell in self.cells})
            if comparison.baseline not in known:
                raise ValueError(
                    f"comparison {comparison.name!r}: baseline {comparison.baseline!r} is no {comparison.factor} "
                    f"of the study; choose from {', '.join(known)}"
                )
        return self


class Reference(_Settings):
    """A value that others published: of which cells (an axis that is not given: of all of them), which metric (default:
    the primary one), from where, and how many runs it is the mean of. Fractions, as in 0.949.
    """

    dataset: Id
    model: Id
    augmentation: Id | None = None
    recipe: Id | None = None
    metric: Id | None = None
    value: Annotated[float, Field(allow_inf_nan=False)]
    source: Name
    runs: Annotated[int, Field(ge=1)] = 1

    def stands_for(self, place: Place) -> bool:
        """Whether it was published for what this cell is."""
        wanted = (self.dataset, self.model, self.augmentation, self.recipe)
        return all(value in (None, own) for value, own in zip(wanted, place.key, strict=True))


def _readable(text: str) -> str:
    Requirement.read(text)
    return text


Expression = Annotated[str, Field(min_length=1, max_length=200), AfterValidator(_readable)]


class Requirements(_Settings):
    """What a model must meet, such as `accuracy >= 0.9`, and the cost by which one of several good ones is chosen."""

    must: Annotated[list[Expression], Field(min_length=1)]
    prefer: Cost = "latency_ms_p50"


class CompareInput(Questions):
    """Everything that the step works from."""

    study: Id
    requirements: Requirements | None = None
    references: tuple[Reference, ...] = ()
    cells: Annotated[tuple[Cell, ...], Field(min_length=1)]
    partial: bool = False


def _refuse_twice(what: str, names: list[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise ValueError(f"{what} named twice: {', '.join(twice)}")

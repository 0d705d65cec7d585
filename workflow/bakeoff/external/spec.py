"""The settings of the external step: what a study says of predictions made elsewhere, and one job's."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    StringConstraints,
    model_validator,
)

from bakeoff.layout import RESULTS

Id = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]
_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$"
Line = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_ONE_LINE)]
Label = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=_ONE_LINE)]
File = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1000, pattern=_ONE_LINE),
    AfterValidator(lambda path: Path(path).as_posix()),
]

MOST = 1000
"""Files of one model: so far apart are the seeds of two models that nothing pairs."""


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Published(_Settings):
    """Costs that others published, of one image. Nothing of it is measured here, and tables say so."""

    params: PositiveInt | None = None
    macs: PositiveInt | None = None
    size_mb: PositiveFloat | None = None
    latency_ms: PositiveFloat | None = None
    throughput: PositiveFloat | None = None
    """Images a second."""
    measured_on: Line | None = None
    """The machine, precision and batch of the two times."""

    @model_validator(mode="after")
    def _times_have_a_machine(self) -> Self:
        if (self.latency_ms or self.throughput) and self.measured_on is None:
            raise ValueError("latency_ms and throughput say nothing without measured_on: machine, precision, batch")
        return self


class External(_Settings):
    """A model whose predictions of a data set's test images were made elsewhere."""

    dataset: Id
    predictions: Annotated[list[File], Field(min_length=1, max_length=MOST)]
    """One file a run: CSV, npz or parquet, as `bakeoff score` reads them."""
    label: Label | None = None
    """What tables call it."""
    source: Line | None = None
    """Who made or published them: a citation."""
    paired: bool = False
    """Whether file by file they share their seed with this study's seeds, in their order."""
    costs: Published | None = None


class ExternalSpec(_Settings):
    """One model's job but for its file: its name, and the settings of the data set whose test images are meant."""

    model: Id
    dataset: dict[str, Any]


class CostSpec(_Settings):
    """What is known of a model's costs, in the place of its profile under one condition of the study."""

    model: Id
    condition: Line
    source: Line | None
    costs: Published | None


def problem(path: str) -> str | None:
    """What is wrong with the path of a file of predictions, or None. A study reads nothing outside its folder."""
    here = Path.cwd()
    whole = (here / path).resolve()
    if Path(path).is_absolute() or not whole.is_relative_to(here.resolve()):
        return f"must stand in the folder that the study runs in, {here}; copy it there"
    if whole.is_relative_to((here / RESULTS).resolve()):
        return f"is a result of bakeoff, which may be made again; copy it out of {RESULTS}/"
    return None if whole.is_file() else f"there is no such file in {here}"

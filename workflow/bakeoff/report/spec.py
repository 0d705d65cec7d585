"""The settings of the report: they change how results look, never what they are."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, StringConstraints

Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_.-]{0,99}$")]
# One line of text: a control character would break the SVG, the table's row, or both.
Label = Annotated[str, StringConstraints(min_length=1, max_length=80, pattern=r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]+$")]


class ReportSettings(BaseModel):
    """`labels`: what tables and figures call a dataset, model, augmentation or recipe instead of its id. `columns`:
    those of the paper's table, ids that `bakeoff columns` lists or ids of metrics; none: the default ones.
    `language`: of titles, captions and sentences. `prints`: what figures are drawn as besides SVG.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    labels: dict[Id, Label] = {}
    columns: list[Id] = []
    language: Literal["en", "ja"] = "en"
    prints: list[Literal["png", "pdf"]] = ["png", "pdf"]

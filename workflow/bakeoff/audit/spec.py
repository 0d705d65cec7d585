"""The settings of the audit: what becomes of what it finds, and whether near duplicates are looked for."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

AuditMode = Literal["warn", "strict", "off"]
"""What becomes of what the audit finds. No setting of the arrays: these are the same, and so are the runs on them."""


class AuditSettings(BaseModel):
    """What the record depends on besides the images."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    near: bool = True
    """Whether near duplicates are looked for: the one part that takes longer than reading the images."""

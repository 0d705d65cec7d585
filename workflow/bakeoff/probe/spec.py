"""The settings of the probe step: what a trained network is asked besides its predictions."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class ProbeSettings(BaseModel):
    """Everything is off unless it is asked for: each costs forward passes of every run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tta: bool = False
    """Test-time augmentation: flips where the data set allows them, shifts, small rotations; rows of the table."""
    corruptions: bool = False
    """Accuracy on test images with noise, blur, less contrast, ... at five severities."""
    explain: Annotated[int, Field(ge=0, le=64, strict=True)] = 0
    """For so many test images where the network looks (HiResCAM), and whether that is where its answer comes from."""
    embeddings: bool = False
    """Features of the test images before the classifier, for verification."""

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.tta or self.corruptions or self.explain or self.embeddings)

"""The settings of the probe step: what a trained network is asked besides its predictions."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

SHAP_SIZE = 64
"""Side of the largest images that shap is asked about: each takes hundreds of passes."""

Method = Literal["hirescam", "gradcam", "shap"]


class ProbeSettings(BaseModel):
    """Everything is off unless it is asked for: each costs forward passes of every run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tta: bool = False
    """Test-time augmentation: flips where the data set allows them, shifts, small rotations; rows of the table."""
    corruptions: bool = False
    """Accuracy on test images with noise, blur, less contrast, ... at five severities."""
    explain: Annotated[int, Field(ge=0, le=64, strict=True)] = 0
    """For so many test images where the network looks, and whether that is where its answer comes from."""
    explain_methods: Annotated[tuple[Method, ...], Field(min_length=1)] = ("hirescam",)
    """How that is found out. shap needs the extra bakeoff[shap] and images of up to 64 pixels."""
    embeddings: bool = False
    """Features of the test images before the classifier, for verification."""

    @field_validator("explain_methods")
    @classmethod
    def _once(cls, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        if len(set(methods)) < len(methods):
            raise ValueError("a method stands twice; keep one")
        return methods

    @property
    def wanted(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.tta or self.corruptions or self.explain or self.embeddings)

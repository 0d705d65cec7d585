"""A profile on a GPU."""

from __future__ import annotations

import pytest
import torch

from bakeoff.profile.spec import ProfileSpec
from bakeoff.profile.step import profile_model

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


def test_costs_on_a_gpu() -> None:
    model = {"name": "resnet18", "builder": "torchvision/resnet18"}
    job = ProfileSpec(model=model, input=(3, 64, 64), classes=10, min_calls=20, min_seconds=0.1, max_batch=8)
    body = profile_model(job)
    assert (body["status"], body["device"]) == ("done", "cuda")
    assert body["environment"]["gpu"] == body["weather"]["device_name"] == torch.cuda.get_device_name()
    # Weights are a lower bound of what inference needs; a CPU's resident memory would be far above twice that.
    assert body["size_mb"] <= body["peak_memory_mb"] < 2 * body["size_mb"]
    assert body["throughput"]["images_per_second"] > 1e3 / body["latency_ms"]["p99"]

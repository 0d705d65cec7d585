"""A small net of always the same cost, measured before and after each model: a clock that shows whether the machine
kept its pace, within one profile and from profile to profile.

Its own, not a library's, so that an upgrade does not change it; convolutions and a matrix product, which is what models
spend their time on; in float32
by torch, with the threads of the model's condition.
"""

from __future__ import annotations

import torch
from torch import nn

from bakeoff.profile import backends, latency
from bakeoff.profile.spec import Condition

_SECONDS = 0.5
_CALLS = 20


class AnchorNet:
    """The net, ready on a device."""

    def __init__(self, device: str) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            net = nn.Sequential(
                nn.Conv2d(3, 32, 3, stride=2, padding=1), nn.ReLU(),
                nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.ReLU(),
                nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(),
                nn.AdaptiveAvgPool2d(4), nn.Flatten(), nn.Linear(1024, 1024), nn.ReLU(), nn.Linear(1024, 10),
            ).eval()  # fmt: skip
        self._image = torch.zeros(1, 3, 64, 64)
        condition = Condition(device="cuda" if device == "cuda" else "cpu")
        self._ready = backends.prepare(net, self._image, condition)

    def median_ms(self, seconds: float = _SECONDS) -> float:
        """Median time of a request, now."""
        return latency.measure(self._ready, self._image, _CALLS, min(seconds, _SECONDS)).percentile(50)

"""Whether the latencies of one table were taken on a machine that was the same all along.

Profiles are made one after another, over minutes or days. In between a clock throttles, a neighbour moves in, a job
lands on another node of the same kind; each profile is right about its own minutes and the table is wrong all the same.
So every profile measures, before and after its model, one small net that is the same for all: the anchor. Where the
machine was the same, so is the anchor's time, and latencies compare; where it was not, the anchor says so, whatever the
reason.

Profiles of one condition on one kind of machine are held against the median of their anchors: it does not follow the
few that are off. When half of them are off, none can say which half is right, and all of them are marked. Nothing is
corrected by the anchor: what slows a small net slows a large one by another share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from statistics import median

from bakeoff.compare.profiles import Profile

TOLERANCE = 0.03
"""Share of the median that an anchor may be away from it."""


def marked(profiles: Mapping[str, Profile]) -> dict[str, Profile]:
    """The profiles, those with one more mark whose anchor is away from the others'."""
    found = dict(profiles)
    for anchors in _anchors(profiles):
        middle = median(anchors.values())
        for name, time in anchors.items():
            if abs(drift := time / middle - 1) > TOLERANCE:
                found[name] = replace(found[name], marks=(*found[name].marks, _sentence(drift)))
    return found


def _anchors(profiles: Mapping[str, Profile]) -> list[dict[str, float]]:
    """Times of the anchor by profile, for each kind of machine and condition."""
    groups: dict[tuple[str, str], dict[str, float]] = {}
    for name, profile in profiles.items():
        if profile.anchor_ms is not None and profile.hardware is not None:
            groups.setdefault((profile.hardware, profile.condition), {})[name] = profile.anchor_ms
    return list(groups.values())


def _sentence(drift: float) -> str:
    change = "more" if drift > 0 else "less"
    return f"the anchor net took {100 * abs(drift):.1f} % {change} time than the median of this study's profiles"

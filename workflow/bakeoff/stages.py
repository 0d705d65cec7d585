"""Which code each step runs: the digests that tell a stale result. A plug-in counts only for the runs that use it."""

from __future__ import annotations

from functools import cache

from bakeoff import plugins
from bakeoff.models import registry
from bakeoff.provenance import code_digest

SOURCES = "data/sources"
POLICIES = "train/policies"


@cache
def prepare(source: str) -> str:
    """Digest for a data set of this source."""
    return code_digest("bakeoff.data.step", plugins.module(SOURCES, source))


@cache
def train(builder: str, policy: str) -> str:
    """Digest for runs of this builder's models with this augmentation policy."""
    return code_digest("bakeoff.train.step", registry.module_of(builder), plugins.module(POLICIES, policy))


@cache
def profile(builder: str) -> str:
    """Digest for profiles of this builder's models."""
    return code_digest("bakeoff.profile.step", registry.module_of(builder))


@cache
def evaluate() -> str:
    """Digest for metrics."""
    return code_digest("bakeoff.evaluate.step")


@cache
def compare() -> str:
    """Digest for comparisons."""
    return code_digest("bakeoff.compare.step")


@cache
def report() -> str:
    """Digest for reports."""
    return code_digest("bakeoff.report.step")

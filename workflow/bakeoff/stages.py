"""Which code each step runs: the digests that tell a stale result. A plug-in counts only for the runs that use it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from functools import cache

from bakeoff import plugins
from bakeoff.data import registry as sources
from bakeoff.models import registry
from bakeoff.provenance import code_digest

POLICIES = "train/policies"


@cache
def prepare(source: str) -> str:
    """Digest for a data set of this source."""
    return code_digest("bakeoff.data.step", sources.module_of(source))


@cache
def audit() -> str:
    """Digest for audits of prepared images."""
    return code_digest("bakeoff.audit.step")


def train(builder: str, policy: str) -> str:
    """Digest for runs of this builder's models with this augmentation policy."""
    modules = registry.module_of(builder), plugins.module(POLICIES, policy)
    return _with_outside(builder, _digest("bakeoff.train.step", *modules))


def profile(builder: str) -> str:
    """Digest for profiles of this builder's models."""
    return _with_outside(builder, _digest("bakeoff.profile.step", registry.module_of(builder)))


@cache
def _digest(*modules: str) -> str:
    return code_digest(*modules)


def _with_outside(builder: str, digest: str) -> str:
    """The digest of a step's code and of what the builder runs outside this package, such as a net of one's own."""
    outside = registry.code_outside(builder)
    return digest if outside is None else hashlib.sha256(f"{digest} {outside}".encode()).hexdigest()[:16]


@cache
def evaluate() -> str:
    """Digest for metrics."""
    return code_digest("bakeoff.evaluate.step")


def probe(builder: str) -> str:
    """Digest for probes of this builder's models."""
    return _with_outside(builder, _digest("bakeoff.probe.step", registry.module_of(builder)))


@cache
def combine() -> str:
    """Digest for runs made from other runs' predictions."""
    return code_digest("bakeoff.combine.step", "bakeoff.combine.costs")


@cache
def external() -> str:
    """Digest for runs made from predictions of others."""
    return code_digest("bakeoff.external.step", "bakeoff.external.costs")


@cache
def verification() -> str:
    """Digest for verifications of the embeddings of probes."""
    return code_digest("bakeoff.evaluate.verification_output")


def samples(policies: Iterable[str]) -> str:
    """Digest for pictures of these augmentation policies."""
    return _digest("bakeoff.samples.step", *sorted({plugins.module(POLICIES, policy) for policy in policies}))


@cache
def compare() -> str:
    """Digest for comparisons."""
    return code_digest("bakeoff.compare.step")


@cache
def report() -> str:
    """Digest for reports."""
    return code_digest("bakeoff.report.step")

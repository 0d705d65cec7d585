"""Who imports whom: a study is checked without torch, steps meet in files only, and no module is left over."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from bakeoff import plugins
from bakeoff.provenance import PACKAGE, import_closure

STEPS = (
    "data", "audit", "train", "profile", "evaluate", "probe", "combine", "external", "samples", "compare", "report",
)  # fmt: skip
# What a step runs besides its step.py, for another rule.
BESIDE = {
    "combine": ("bakeoff.combine.costs",),
    "external": ("bakeoff.external.costs",),
    "evaluate": ("bakeoff.evaluate.verification_output",),
}
PLUGINS = (
    "data.sources",
    "data.library",
    "models.own",
    "models.library",
    "models.controls",
    "models.estimators",
    "train.policies",
)
# Around the steps: no result depends on these.
COMMANDS = {
    "bakeoff.__main__",
    "bakeoff.audits",
    "bakeoff.catalogue",
    "bakeoff.cells",
    "bakeoff.clean",
    "bakeoff.cli",
    "bakeoff.commands.audit",
    "bakeoff.commands.clean",
    "bakeoff.commands.compare",
    "bakeoff.compare.outside",
    "bakeoff.compare.pilot",
    "bakeoff.compare.predictions",
    "bakeoff.compare.scores",
    "bakeoff.compare.standalone",
    "bakeoff.compare.units",
    "bakeoff.report.gallery",
    "bakeoff.report.planned",
    "bakeoff.report.terminal",
    "bakeoff.datasets",
    "bakeoff.deploy",
    "bakeoff.deploy.answers",
    "bakeoff.deploy.batching",
    "bakeoff.deploy.card",
    "bakeoff.deploy.check",
    "bakeoff.deploy.connections",
    "bakeoff.deploy.decode",
    "bakeoff.deploy.evidence",
    "bakeoff.deploy.export",
    "bakeoff.deploy.facts",
    "bakeoff.deploy.guard",
    "bakeoff.deploy.howto",
    "bakeoff.deploy.limits",
    "bakeoff.deploy.observed",
    "bakeoff.deploy.predict",
    "bakeoff.deploy.server",
    "bakeoff.deploy.session",
    "bakeoff.deploy.uploads",
    "bakeoff.commands",
    "bakeoff.commands.checks",
    "bakeoff.commands.doctor",
    "bakeoff.commands.export",
    "bakeoff.commands.features",
    "bakeoff.commands.gallery",
    "bakeoff.commands.gate",
    "bakeoff.commands.library",
    "bakeoff.commands.machine",
    "bakeoff.commands.new",
    "bakeoff.commands.news",
    "bakeoff.commands.options",
    "bakeoff.commands.plan",
    "bakeoff.commands.predict",
    "bakeoff.commands.profile",
    "bakeoff.commands.run",
    "bakeoff.commands.score",
    "bakeoff.commands.serve",
    "bakeoff.commands.show",
    "bakeoff.commands.units",
    "bakeoff.commands.unlock",
    "bakeoff.commands.verification",
    "bakeoff.commands.verify",
    "bakeoff.commands.watch",
    "bakeoff.disk",
    "bakeoff.entries",
    "bakeoff.estimate",
    "bakeoff.evaluate.verification_onnx",
    "bakeoff.grid",
    "bakeoff.leases",
    "bakeoff.lock",
    "bakeoff.needs",
    "bakeoff.models.packaged",
    "bakeoff.plan",
    "bakeoff.problems",
    "bakeoff.profiles",
    "bakeoff.profile.describe",
    "bakeoff.requirements",
    "bakeoff.runs",
    "bakeoff.scale",
    "bakeoff.score.assemble",
    "bakeoff.score.classification",
    "bakeoff.score.generation",
    "bakeoff.score.pictures",
    "bakeoff.score.regression",
    "bakeoff.score.runs",
    "bakeoff.score.task",
    "bakeoff.score.text",
    "bakeoff.score.verification",
    "bakeoff.stages",
    "bakeoff.status",
    "bakeoff.store",
    "bakeoff.study",
    "bakeoff.studyfile",
    "bakeoff.tasks",
}
# What is not a step's own: the settings of all steps are read with the study, and arrays are how data meets training.
ARRAYS = {"bakeoff.data", "bakeoff.data.arrays"}
SHEET = {"bakeoff.train", "bakeoff.train.augment", "bakeoff.train.policies", "bakeoff.train.policies._sheet"}
FILES = {"bakeoff.compare", "bakeoff.compare.csvfile"}
SHARED = {"audit": ARRAYS, "train": ARRAYS, "probe": ARRAYS, "external": ARRAYS | FILES, "samples": ARRAYS | SHEET}
HEAVY = {"torch", "torchvision", "timm", "fvcore", "albumentations"}
SLOW = {"numpy", "pandas", "scipy", "sklearn", "statsmodels", "matplotlib"}


def modules() -> set[str]:
    files = (path.relative_to(PACKAGE.parent).with_suffix("") for path in PACKAGE.rglob("*.py"))
    return {".".join(file.parts).removesuffix(".__init__") for file in files}


def closure(step: str) -> set[str]:
    return set(import_closure([f"bakeoff.{step}.step", *BESIDE.get(step, ())])[0])


def packages(*wanted: str) -> set[str]:
    """Top-level packages that a fresh Python has loaded after these imports."""
    code = f"import json, sys, {', '.join(wanted)}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    return set(json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout))


def test_a_study_is_checked_without_any_slow_import() -> None:
    loaded = packages("bakeoff.study", "bakeoff.grid", "bakeoff.plan", "bakeoff.cli")
    assert not loaded & (HEAVY | SLOW)


def test_comparing_and_reporting_need_no_torch() -> None:
    loaded = packages("bakeoff.compare.step", "bakeoff.report.step", "bakeoff.study", "bakeoff.grid", "bakeoff.cli")
    assert not loaded & HEAVY
    assert {"pandas", "matplotlib"} <= loaded


@pytest.mark.parametrize("step", ["compare", "report", "evaluate"])
def test_no_import_of_torch_hides_in_a_function(step: str) -> None:
    _, others = import_closure([f"bakeoff.{step}.step"])
    assert not others & HEAVY


@pytest.mark.parametrize("step", STEPS)
def test_steps_meet_in_files(step: str) -> None:
    found = closure(step)
    foreign = {
        name for name in found for other in STEPS if other != step and f"{name}.".startswith(f"bakeoff.{other}.")
    }
    assert foreign <= SHARED.get(step, set())
    assert not found & COMMANDS
    assert f"bakeoff.{step}.spec" in found or step == "report"


def test_every_module_belongs_somewhere() -> None:
    plugged = {name for folder in PLUGINS for name in modules() if name.startswith(f"bakeoff.{folder}")}
    of_plugins = set(import_closure(plugged)[0])
    of_steps = set().union(*map(closure, STEPS))
    settings = {f"bakeoff.{step}.spec" for step in STEPS}
    assert modules() - of_steps - of_plugins - settings == COMMANDS


@pytest.mark.parametrize("folder", PLUGINS)
def test_a_plug_in_depends_on_no_step(folder: str) -> None:
    names = plugins.names(folder.replace(".", "/"))
    assert names
    for name in names:
        found = import_closure([f"bakeoff.{folder}.{name}"])[0]
        assert not [module for module in found if module.endswith(".step")]

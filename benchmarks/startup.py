"""What a run costs besides its steps, and what it imports.

Measured: CPU seconds (user and system, all threads, by wait4) of `python -m bakeoff train` for lenet5 on the digits, as
a rule of the workflow calls it, in three parts:

  start    from the start of the process to its first step
  steps    from there to the end of the last step
  end      from there to the exit: last validation, predictions on the test images, the run's files, leaving Python

The overhead is start + end. Beside it stand the unchanged command as a whole, and what Python takes to `import torch`,
the floor of any such program. The two marks are set around bakeoff's own call-back (see marked.py).

How: the programs run one at a time, in an order drawn anew in each round; a program in whose time others used more
than --disturbance of the machine is dropped; medians with quartiles. The first round fills the page cache and does not
count.

Below: the modules that take longest to import by themselves, in wall time, as `python -X importtime` has it for the
unchanged command, and which of the heavy packages were loaded.

    python -m benchmarks.startup
    python -m benchmarks.startup --model timm/resnet18 --rounds 15 --json startup.json
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import common, ours
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance

EPOCHS = 2
HEAVY = ("timm", "torchvision", "torch._dynamo", "sympy", "sklearn", "scipy", "pandas", "matplotlib", "albumentations")
_IMPORT = re.compile(r"^import time: +(\d+) \| +(\d+) \| +(\S+)$", re.MULTILINE)


@dataclass(frozen=True)
class Cost:
    """Of a program from start to exit: CPU seconds, and the share of the machine that others used meanwhile."""

    cpu: float
    others: float


def cost(command: Sequence[str], threads: int, log: Path) -> Cost:
    """Run it. Raises SystemExit with what it said when it fails."""
    disturbance = Disturbance()
    environment = {**os.environ, **ours.environment(threads)}
    with log.open("wb") as file:
        process = subprocess.Popen(command, cwd=common.ROOT, env=environment, stdout=file, stderr=file)
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command[:5])} ...: failed\n{log.read_text(errors='replace')}")
    return Cost(usage.ru_utime + usage.ru_stime, disturbance.share())


def arguments(setting: ours.Setting, root: Path, out: Path) -> list[str]:
    """Of `bakeoff`, as the rule `train` gives them."""
    from bakeoff.provenance import spec_argument

    grid = setting.grid(EPOCHS)
    cell = ours.only_cell(grid)
    names = {"dataset": cell.dataset, "model": cell.model, "augmentation": cell.augmentation, "recipe": cell.recipe}
    return [
        "train",
        *("--spec", spec_argument(grid.train_spec(cell)), "--code", grid.train_code(cell)),
        *(word for name, value in names.items() for word in (f"--{name}", value)),
        *("--seed", "0", "--data", str(ours.prepare(grid, root)), "--out", str(out)),
    ]


def measure(setting: ours.Setting, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """CPU seconds of each part, in each round that counts."""
    train, note = arguments(setting, options.root, folder / "run"), folder / "note.json"
    programs = {
        "marked": [sys.executable, "-m", "benchmarks.marked", str(note), *train],
        "whole command": [sys.executable, "-m", "bakeoff", *train],
        "import torch": [sys.executable, "-c", "import torch"],
    }
    found: dict[str, list[float]] = {name: [] for name in ("start", "steps", "end", "overhead", *list(programs)[1:])}
    random, batches = Random(0), 0
    for number in range(options.rounds + 1):
        for name in random.sample(list(programs), len(programs)):
            spent = cost(programs[name], setting.threads, folder / "log")
            if number == 0 or spent.others > options.disturbance:
                continue
            if name != "marked":
                found[name].append(spent.cpu)
                continue
            first, last, calls = json.loads(note.read_text())
            batches = calls - EPOCHS
            found["start"].append(first)
            found["steps"].append(last - first)
            found["end"].append(spent.cpu - last)
            found["overhead"].append(spent.cpu - (last - first))
    seconds = {name: {**asdict(Spread.of(values)), "values": values} for name, values in found.items()}
    return {"batches": batches, "cpu_seconds": seconds}


@dataclass(frozen=True)
class Import:
    """A module's import, in seconds: its own, and with what it imported."""

    module: str
    own: float
    with_others: float


def imports(setting: ours.Setting, root: Path, folder: Path) -> list[Import]:
    """All modules that the command imports, the slowest by themselves first."""
    command = [sys.executable, "-X", "importtime", "-m", "bakeoff", *arguments(setting, root, folder / "run")]
    cost(command, setting.threads, folder / "log")
    return imports_of((folder / "log").read_text(errors="replace"))


def imports_of(log: str) -> list[Import]:
    """What `-X importtime` wrote to standard error."""
    found = [Import(module, int(own) / 1e6, int(total) / 1e6) for own, total, module in _IMPORT.findall(log)]
    return sorted(found, key=lambda one: -one.own)


def loaded(found: Sequence[Import]) -> dict[str, bool]:
    """Which of the heavy packages were imported."""
    modules = {one.module for one in found}
    return {name: name in modules for name in HEAVY}


# --- the table ----------------------------------------------------------------------------------------------------


def main() -> None:
    options = _options()
    setting = ours.Setting(options.model, optimizer=options.optimizer, dataset=options.dataset)
    facts = common.machine()
    print(common.describe(facts), flush=True)
    with tempfile.TemporaryDirectory() as folder:
        result = measure(setting, options, Path(folder))
        found = imports(setting, options.root, Path(folder))
    slowest = [asdict(one) for one in found[: options.top]]
    heavy = loaded(found)
    content = {"machine": facts, "setting": asdict(setting), **result, "slowest_imports": slowest, "loaded": heavy}
    common.write_json(options.json, content)
    print(f"\n{_times(setting, result)}\n\n{_imports(found, options.top)}\n\n{_heavy(heavy)}")


def _times(setting: ours.Setting, result: dict[str, Any]) -> str:
    parts = {name: (_spread(value), value["n"]) for name, value in result["cpu_seconds"].items()}
    rows = [(name, spread.text(2), str(n)) for name, (spread, n) in parts.items()]
    title = f"{setting.model} on {setting.dataset}, {EPOCHS} epochs, {result['batches']} steps"
    return common.table([title, "CPU seconds", "programs"], rows)


def _spread(value: dict[str, Any]) -> Spread:
    return Spread(value["median"], value["low"], value["high"], value["n"])


def _imports(found: Sequence[Import], top: int) -> str:
    rows = [(one.module, f"{one.own * 1e3:.0f}", f"{one.with_others * 1e3:.0f}") for one in found[:top]]
    total = f"all {len(found):,} modules", f"{sum(one.own for one in found) * 1e3:.0f}", ""
    return common.table(["slowest to import", "by itself, ms", "with others, ms"], [*rows, total])


def _heavy(found: dict[str, bool]) -> str:
    by_answer = {answer: [name for name, is_loaded in found.items() if is_loaded is answer] for answer in (True, False)}
    return "\n".join(
        f"{word}: {', '.join(by_answer[answer]) or 'none'}"
        for word, answer in (("loaded", True), ("not loaded", False))
    )


def _options() -> argparse.Namespace:
    parser = common.parser(__doc__)
    parser.set_defaults(dataset="digits")
    parser.add_argument("--model", default="lenet5")
    parser.add_argument("--optimizer", default="adamw")
    parser.add_argument("--rounds", type=int, default=9, help="rounds that count (default 9)")
    parser.add_argument("--top", type=int, default=15, help="modules to list")
    return parser.parse_args()


if __name__ == "__main__":
    main()

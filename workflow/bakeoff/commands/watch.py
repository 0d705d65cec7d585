"""`bakeoff watch`: a study while it runs, whoever runs it; and the same news for `bakeoff run` and the Snakefile."""

from __future__ import annotations

import json
import sys
import textwrap
import time
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bakeoff.commands.options import DEFAULT_STUDY, AsJson, Scale, StudyFile
from bakeoff.commands.plan import STEPS, means_of, seconds_left
from bakeoff.commands.units import counted, duration

if TYPE_CHECKING:
    from rich.console import RenderableType

    from bakeoff.commands.plan import Means
    from bakeoff.grid import Grid
    from bakeoff.status import Status

_BAR = 40
SHOWN = 8
"""So many runs are named, the others counted."""


def watch(
    study: StudyFile = DEFAULT_STUDY,
    scale: Scale = None,
    once: Annotated[bool, typer.Option(help="Print it once; so too where there is no terminal.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between looks.", min=0.2)] = 2.0,
    as_json: AsJson = False,
) -> None:
    """Show a study while it runs: runs done, running (epoch, accuracy), failed and left, and the time left."""
    from bakeoff.grid import Grid
    from bakeoff.study import load

    watcher = Watcher(Grid(load(study, scale)))
    if as_json:
        print(json.dumps(watcher.look().as_json(), indent=1))
    elif once or not sys.stdout.isatty():
        print(watcher.look().text())
    else:
        _live(watcher, interval)


def _live(watcher: Watcher, interval: float) -> None:
    from rich.console import Console
    from rich.live import Live

    view = watcher.look()
    with Live(view.renderable(), console=Console(), auto_refresh=False) as live:
        try:
            while not view.status.done:
                time.sleep(interval)
                view = watcher.look()
                live.update(view.renderable(), refresh=True)
        except KeyboardInterrupt:
            pass


@dataclass(frozen=True)
class View:
    """A study at one moment, and the seconds left as far as they can be told."""

    study: str
    status: Status
    seconds: float
    untold: int

    @property
    def left(self) -> str:
        """The time left, in words."""
        if self.status.done:
            return "all done"
        if not self.seconds:
            return "time left not known yet"
        return f"{'at least' if self.untold else 'about'} {duration(self.seconds)} left"

    def line(self) -> str:
        """One line: as in "12 of 40 runs done, 2 running, 26 left; about 3 min left", and the run where it is one."""
        running = self.status.of("running")
        counts = {step: self.status.count(step) for step in STEPS}
        open_ = {step: count for step, count in counts.items() if count[0] < count[1] and step != "train"}
        if counts["train"][0] < counts["train"][1]:  # what only follows is no news yet
            open_ = {step: count for step, count in open_.items() if step in ("tune", "profile")}
        others = "".join(f", {step} {done}/{all_}" for step, (done, all_) in open_.items())
        text = f"{self._counts()}{others}; {self.left}"
        return f"{text}; {running[0].describe()}" if len(running) == 1 else text

    def text(self) -> str:
        """Several lines."""
        return "\n".join([f"Study {self.study}: {self._counts()}; {self.left}", *self._steps(), *self._runs()])

    def _counts(self) -> str:
        done, all_ = self.status.count("train")
        runs = [training.state for training in self.status.trainings if training.step == "train"]
        states = {state: runs.count(state) for state in ("running", "failed", "interrupted")}
        states["left"] = all_ - done - sum(states.values())
        return ", ".join([f"{done} of {counted(all_, 'run')} done", *(f"{n} {s}" for s, n in states.items() if n > 0)])

    def _steps(self) -> list[str]:
        counts = [(step, *self.status.count(step)) for step in STEPS]
        text = ", ".join(f"{step} {done}/{all_}" for step, done, all_ in counts if all_)
        return textwrap.wrap(text, 78, initial_indent="  ", subsequent_indent="  ")

    def _runs(self) -> list[str]:
        lines = []
        for state in ("running", "failed", "interrupted"):
            found = self.status.of(state)
            lines += [f"{state}:"] * bool(found)
            for training in found[:SHOWN]:
                lines.append(f"  {training.describe()}")
                lines += [f"    log: {training.log}"] * (state == "failed")
            lines += [f"  ... and {len(found) - SHOWN} more"] * (len(found) > SHOWN)
        return lines

    def renderable(self) -> RenderableType:
        """For a terminal: with a bar, cut to its width."""
        from rich.console import Group
        from rich.text import Text

        items = self.status.items
        done = sum(item.reason is None for item in items)
        filled = _BAR * done // max(len(items), 1)
        first, *lines = self.text().splitlines()
        bar = Text.assemble(("━" * filled, "green"), ("─" * (_BAR - filled), "dim"), f" {done} of {len(items)} results")
        cut = (Text(line, overflow="ellipsis", no_wrap=True) for line in lines)
        return Group(Text(first, style="bold", overflow="ellipsis", no_wrap=True), bar, *cut)

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "study": self.study,
            "done": self.status.done,
            "seconds_left": round(self.seconds, 1),
            "without_estimate": self.untold,
            "steps": {
                step: {"done": done, "all": all_} for step in STEPS for done, all_ in [self.status.count(step)] if all_
            },
            "trainings": [{**asdict(training), "log": str(training.log)} for training in self.status.trainings],
        }


class Watcher:
    """Looks at a study again and again."""

    def __init__(self, grid: Grid, cores: int | None = None, gpus: int = 1) -> None:
        self.grid = grid
        self.means: Means = means_of(grid, cores, gpus)

    def look(self) -> View:
        """The study now. What an earlier run took is learnt anew each time: the study's own runs tell it best."""
        from bakeoff import estimate, status

        found = status.look(self.grid)
        own = {training.name: training.seconds_left for training in found.of("running")}
        todo = [item for item in found.items if item.reason]
        costs = list(estimate.of(self.grid, todo, estimate.Earlier()))
        costs = [
            (item, replace(cost, seconds=own[item.name]) if own.get(item.name) is not None else cost)
            for item, cost in costs
        ]
        taken = sum(self.means.taken(cost.devices) for item, cost in costs if item.name in own)
        devices = max(self.means.devices, taken)  # more than the plan's, on a cluster
        seconds = seconds_left(costs, replace(self.means, devices=devices))
        return View(self.grid.study.study, found, seconds, sum(cost.seconds is None for _, cost in costs))

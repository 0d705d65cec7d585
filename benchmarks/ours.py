"""The one place where the benchmarks touch bakeoff's insides: a cell's job, its loop, its step and data by themselves.

The job is made from a study, prepared data and a recipe, as a rule of the workflow would have it made. marked.py, which
must import little, touches one name more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bakeoff.grid import Cell, Grid
from bakeoff.study import check
from bakeoff.studyfile import Document

if TYPE_CHECKING:
    from torch import Tensor

    from bakeoff.train.job import Job
    from bakeoff.train.loop import Epoch

BATCH = 128
LR = 0.02
MOMENTUM = 0.9
WEIGHT_DECAY = 5e-4


@dataclass(frozen=True)
class Setting:
    """What is trained, and how."""

    model: str
    policy: str = "standard"
    precision: str = "fp32"
    threads: int = 1
    device: str = "cpu"
    acceleration: str = "auto"
    optimizer: str = "sgd"
    dataset: str = "fashion_mnist"

    def grid(self, epochs: int, images: int | None = None) -> Grid:
        """The study of this one cell. Validation is kept small: nobody else here validates."""
        recipe = {
            "epochs": epochs,
            "batch_size": BATCH,
            "optimizer": self.optimizer,
            "lr": LR,
            "momentum": MOMENTUM,
            "weight_decay": WEIGHT_DECAY,
            "schedule": "constant",
            "warmup_epochs": 0,
            "precision": self.precision,
            "acceleration": self.acceleration,
            **({"train_images": images} if images else {}),
        }
        study = {
            "study": "benchmark",
            "device": self.device,
            "threads": self.threads,
            "datasets": [{"name": self.dataset, "image_size": 28, "val_fraction": 0.01}],
            "models": [{"name": "model", "builder": self.model}],
            "augmentations": [{"name": "augmentation", "policy": self.policy}],
            "recipes": {"recipe": recipe},
            "seeds": [0],
        }
        return Grid(check(Document("benchmark", study, {})))


def prepare(grid: Grid, root: Path) -> Path:
    """The folder of the grid's prepared data below `root`; the step `prepare` makes it where it is not there yet."""
    cell = only_cell(grid)
    folder = root / grid.data_dir(cell.dataset)
    if not (folder / "manifest.json").is_file():
        from bakeoff.data import step

        step.run(grid.data_spec(cell.dataset), folder, grid.data_code(cell.dataset), root / "data")
    return folder


def only_cell(grid: Grid) -> Cell:
    """The cell of a grid of one."""
    [cell] = grid.cells
    return cell


def environment(threads: int) -> dict[str, str]:
    """The variables that snakemake sets for a job of so many threads."""
    libraries = ("OMP", "GOTO", "OPENBLAS", "MKL", "NUMEXPR")
    names = [f"{library}_NUM_THREADS" for library in libraries]
    return dict.fromkeys([*names, "VECLIB_MAXIMUM_THREADS"], str(threads))


def make_job(grid: Grid, root: Path) -> Job:
    """All that the training of the cell needs; sets threads, device and precision of this process."""
    from bakeoff.train.job import Execution, ready

    cell = only_cell(grid)
    return ready(grid.train_spec(cell), cell.dataset, cell.model, prepare(grid, root), Execution())


def run_loop(
    job: Job, progress: Callable[[int, int], None], report: Callable[[Epoch], None] | None = None, seed: int = 0
) -> None:
    """Train as `bakeoff train` does, with all that it tells. `progress` is called before an epoch's first batch and
    after each with the images seen in it and those of an epoch; `report` after each epoch.
    """
    from bakeoff.train.job import fit
    from bakeoff.train.progress import Progress

    news = Progress("benchmark", job.recipe.total_epochs)

    def batch(seen: int, total: int) -> None:
        news.batch(seen, total)
        progress(seen, total)

    def epoch(line: Epoch) -> None:
        news.epoch(line)
        if report is not None:
            report(line)

    fit(job, job.recipe, seed, report=epoch, progress=batch)


def batches(job: Job, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """The data path alone, without end: drawn, cut out, augmented, normalised."""
    from bakeoff.train.feed import Feed, Normalise

    manifest = job.manifest
    normalise = Normalise.of(manifest["mean"], manifest["std"], job.device, job.recipe.channels_last)
    feed = Feed(job.parts["train"], job.recipe, job.policy(job.size), normalise, job.streams(seed), workers=job.workers)
    epoch = 0
    while True:
        epoch += 1
        for images, labels, _ in feed.epoch(epoch):
            yield images, labels


def bare_step(job: Job, way: str) -> Callable[[Tensor, Tensor], None]:
    """Forward, backward, optimizer, and nothing else: the same net, precision and memory order as the loop's; `way` as
    in the recipe's `acceleration`, but for `auto`.
    """
    import torch
    import torch.nn.functional as F

    from bakeoff.train.arithmetic import in_order, precise
    from bakeoff.train.job import build
    from bakeoff.train.optimizer import Optimizer
    from bakeoff.train.parameters import blocks_of, parameter_groups

    net, _ = build(job, job.recipe, seed=0)
    net = in_order(net, job.recipe).train()
    optimizer = Optimizer(parameter_groups(net, job.recipe, blocks_of(net)), job.recipe)
    forward: Any = torch.compile(net) if way == "compile" else net
    context = precise(job.recipe, job.device)

    def step(images: Tensor, labels: Tensor) -> None:
        with context:
            logits = forward(images)
        F.cross_entropy(logits.float(), labels).backward()
        optimizer.step(LR)
        optimizer.zero_grad()

    return _captured(step, *next(batches(job))) if way == "graph" else step


def _captured(
    step: Callable[[Tensor, Tensor], None], images: Tensor, labels: Tensor
) -> Callable[[Tensor, Tensor], None]:
    """The step as a CUDA graph; a batch is copied to where the graph reads it."""
    import torch

    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(3):
            step(images, labels)
    torch.cuda.current_stream().wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step(images, labels)

    def replay(new_images: Tensor, new_labels: Tensor) -> None:
        images.copy_(new_images)
        labels.copy_(new_labels)
        graph.replay()

    return replay

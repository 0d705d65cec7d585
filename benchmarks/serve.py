"""`bakeoff serve` under load, against a plain server and against its own limits.

  ours         bakeoff serve, as a user starts it
  plain        a FastAPI handler without batches, in FastAPI's threads; the same decoding and the same network
  plain_async  the same in the event loop
  constant     our server, which decodes and then says the same of all images
  loop         onnxruntime called in a loop at its best batch, without any server

How: the runs' test images as PNG, uploaded as browsers do by 1, 8 and 64 clients, each of which sends the next when the
last is answered (benchmarks/load.py, one light process on the same machine). All subjects are up at once, and have
turns of --turn seconds in an order drawn anew; ratios are made within a cycle; a cycle in whose time others used more
than --disturbance of the machine is dropped. Latencies are medians of the turns' p50 and p99. Every answer is held
against the class that the same image has alone.

    python -m benchmarks.serve
    python -m benchmarks.serve --runs results/runs/digits/resnet18/standard/default-f93dfb245382/seed0 --seconds 10
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from benchmarks import common
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance

SERVERS = ("ours", "plain", "plain_async", "constant")
MODELS = ("tiny_cnn", "resnet18")
IMAGES = 200


@dataclass
class Found:
    """Figures of one subject: of each cycle that counts, and all that went wrong in any."""

    per_second: list[float] = field(default_factory=list)
    p50: list[float] = field(default_factory=list)
    p99: list[float] = field(default_factory=list)
    answered: int = 0
    lost: int = 0
    wrong: int = 0

    def add(self, turn: dict[str, Any], counts: bool) -> None:
        self.answered += turn.get("answered", 0)
        self.lost += turn.get("lost", 0)
        self.wrong += turn.get("wrong", 0)
        if counts:
            self.per_second.append(turn["per_second"])
            if turn.get("p50") is not None:
                self.p50.append(turn["p50"])
                self.p99.append(turn["p99"])


def images(run: Path, path: Path) -> None:
    """Write test images of a run's data as PNG files, and the class that each has alone, for benchmarks/load.py."""
    from PIL import Image

    from bakeoff.deploy.facts import data_of
    from bakeoff.deploy.session import load

    predictor = load(run)
    pixels = np.load(data_of(run) / "test_pixels.npy", mmap_mode="r")[:IMAGES].transpose(0, 2, 3, 1)
    files = []
    for each in pixels:
        file = io.BytesIO()
        Image.fromarray(each[..., 0] if each.shape[-1] == 1 else each).save(file, "PNG")
        files.append(file.getvalue())
    alone = [int(predictor.predict(predictor.decode(file)[None])[0].argmax()) for file in files]
    np.savez(
        path,
        files=np.frombuffer(b"".join(files), np.uint8),
        ends=np.cumsum([len(file) for file in files]),
        labels=np.array([predictor.labels[i] for i in alone]),
    )


@contextmanager
def started(subject: str, run: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The process of a subject, and the first line that it says."""
    command = ["bakeoff", "serve", str(run), "--port", "0"]
    if subject != "ours":
        command = ["benchmarks.serve_subjects", subject, str(run)]
    process = subprocess.Popen(
        [sys.executable, "-m", *command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline()
    finally:
        process.terminate()
        process.wait()


def _turn(process: subprocess.Popen[str], port: int, clients: int, seconds: float, path: Path) -> dict[str, Any]:
    if not port:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(f"{seconds}\n")
        process.stdin.flush()
        return {"per_second": float(process.stdout.readline())}
    command = [sys.executable, "-m", "benchmarks.load", str(port), str(clients), str(seconds), str(path)]
    figures: dict[str, Any] = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)
    if not figures["per_second"]:
        raise SystemExit(f"no answer to {clients} clients within {seconds:g} seconds")
    return figures


def measure(run: Path, options: Any, path: Path) -> dict[str, Any]:
    """All subjects with one network, by number of clients."""
    images(run, path)
    found: dict[int, dict[str, Found]] = {}
    dropped, random = 0, Random(0)
    with ExitStack() as stack:
        up: dict[str, tuple[subprocess.Popen[str], int]] = {}
        for subject in (*SERVERS, "loop"):
            process, line = stack.enter_context(started(subject, run))
            port = int(line.split()[0].rpartition(":")[2]) if subject == "ours" else int(line)
            up[subject] = process, 0 if subject == "loop" else port
            if subject == "loop":
                best = int(line)
        for clients in options.clients:
            found[clients] = {subject: Found() for subject in up}
            for _ in range(max(1, round(options.seconds / options.turn))):
                watch = Disturbance([process.pid for process, _ in up.values()])
                turns = {}
                for subject in random.sample(sorted(up), len(up)):
                    turns[subject] = _turn(*up[subject], clients, options.turn, path)
                quiet = watch.share() <= options.disturbance
                dropped += not quiet
                for subject, turn in turns.items():
                    # A constant is wrong by design.
                    found[clients][subject].add(turn | ({"wrong": 0} if subject == "constant" else {}), quiet)
    return {"run": str(run), "best_batch": best, "dropped": dropped, "found": found}


def _rows(found: dict[str, Found]) -> Iterator[list[str]]:
    ours = found["ours"].per_second
    for subject, each in found.items():
        ratios = [a / b for a, b in zip(ours, each.per_second, strict=True)]
        ratio = "" if subject == "ours" else Spread.of(ratios).text(2)
        latencies = [Spread.of(values).text(2) for values in (each.p50, each.p99)] if each.p50 else ["–", "–"]
        failures = f"{each.lost} + {each.wrong}" if subject != "loop" else "–"
        yield [subject, Spread.of(each.per_second).text(0), *latencies, f"{each.answered:,}", failures, ratio]


def _told(measured: dict[str, Any]) -> Iterator[str]:
    yield f"{measured['run']}: best batch {measured['best_batch']}, {measured['dropped']} cycles dropped"
    for clients, found in measured["found"].items():
        head = [f"{clients} clients", "images/s", "p50, ms", "p99, ms", "answers", "lost + wrong", "ours / it"]
        yield common.table(head, _rows(found)) + "\n"
        server, alone = (Spread.of(found[each].per_second).median for each in ("constant", "loop"))
        ours = Spread.of(found["ours"].per_second).median
        if server and alone and ours:
            yield f"ours is {ours / min(server, alone):.2f} of the slower of constant and loop\n"


def _latest(model: str) -> Path:
    records = (common.ROOT / "results/runs/digits" / model).glob("*/*/seed0/run.json")
    runs = [path.parent for path in sorted(records, key=lambda path: path.stat().st_mtime)]
    if not runs:
        raise SystemExit(f"no run of {model} in results/runs/digits; do the default study first: bakeoff run")
    return runs[-1]


def main() -> None:
    options = common.parser(__doc__)
    options.add_argument("--runs", type=lambda text: list(map(Path, common.words(text))), help="folders of runs, a,b")
    options.add_argument("--clients", type=lambda text: list(map(int, common.words(text))), default=[1, 8, 64])
    options.add_argument("--seconds", type=float, default=60, help="of load for each subject and number of clients")
    options.add_argument("--turn", type=float, default=5, help="seconds of a turn")
    given = options.parse_args()
    facts = common.machine()
    print(common.describe(facts), "\n")
    results = []
    with tempfile.TemporaryDirectory() as folder:
        for run in given.runs or map(_latest, MODELS):
            results.append(measure(run, given, Path(folder) / "images.npz"))
            print("\n".join(_told(results[-1])), flush=True)
    as_json = [
        {**each, "found": {n: {s: vars(f) for s, f in by.items()} for n, by in each["found"].items()}}
        for each in results
    ]
    common.write_json(given.json, {"machine": facts, "results": as_json})


if __name__ == "__main__":
    main()

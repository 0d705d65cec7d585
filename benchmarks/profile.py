"""Our latencies against others' ways of measuring the same, and against a published table.

Agreement: for five nets, the time of one request (batch 1: copy to the device, forward, wait), as the median

  ours       of bakeoff's profile: warm-up until three blocks agree, then each call by itself
  again      the same once more: how far two of our own measurements lie apart
  torch      of torch.utils.benchmark's blocked_autorange
  timm       timm's benchmark.py takes the mean of 40 calls after 10, each waited for; so does this

How: all four have a turn of --seconds in each cycle, in an order drawn anew, in one process, on the same network and
the same image; ratios are made within a cycle; a cycle in whose time others used more than --disturbance of the machine
is dropped; medians with quartiles. `loop` is the throughput by our blocks (on a GPU by its events) over that of one
loop by the wall clock, at our best batch.

Published (--published): the rank correlation (Spearman) of our CPU latencies of ten timm nets with timm's own table,
results/benchmark-infer-fp32-nchw-pt240-cpu-i9_10940x-dynamo.csv of huggingface/pytorch-image-models at 7479d45: batch
1, fp32, 224 px, compiled, an Intel i9-10940X with PyTorch 2.4. Other hardware and eager here, so only ranks compare.

    python -m benchmarks.profile
    python -m benchmarks.profile --published
    python -m benchmarks.profile --device cuda --models timm/resnet50,timm/vit_base_patch16_224 --json profile.json
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from benchmarks import common
from benchmarks.common import Spread
from benchmarks.interleave import Disturbance

# Name, and channels x size of its images.
NETS = {
    "lenet5": (1, 28),
    "tiny_vit": (1, 28),
    "timm/resnet18": (3, 64),
    "timm/mobilenetv3_large_100": (3, 224),
    "timm/vit_tiny_patch16_224": (3, 224),
}
# Milliseconds of one request in timm's table, see above.
PUBLISHED = {
    "timm/mobilenetv3_large_100": 5.659,
    "timm/vit_tiny_patch16_224": 5.49,
    "timm/resnet18": 7.907,
    "timm/efficientnet_b0": 9.945,
    "timm/resnet34": 12.391,
    "timm/vit_small_patch16_224": 13.058,
    "timm/convnext_tiny": 14.544,
    "timm/resnet50": 14.865,
    "timm/resnet101": 26.325,
    "timm/vit_base_patch16_224": 30.879,
}
WARM_UP, CALLS = 10, 40  # timm's


@dataclass
class Subject:
    """One network, ready, and what each way of measuring found: milliseconds of a request by cycle."""

    name: str
    ready: Any
    image: Any
    device: str
    found: list[dict[str, float]] = field(default_factory=list)
    dropped: int = 0

    def request(self) -> None:
        """What all of them time."""
        self.ready.run(self.ready.place(self.image))
        self.ready.synchronise()


def subject(name: str, shape: tuple[int, int], classes: int, device: str) -> Subject:
    """The network with random weights, eager, fp32."""
    import torch

    from bakeoff.models import registry
    from bakeoff.profile import backends
    from bakeoff.profile.spec import Condition

    channels, size = shape
    options = {key: option.default for key, option in registry.options_of(name).items()}
    net = registry.build({"builder": name, "options": options}, channels=channels, size=size, classes=classes).eval()
    image = torch.randn(1, channels, size, size)
    condition = Condition.model_validate({"device": device})
    return Subject(name, backends.prepare(net, image, condition), image, device)


# --- the ways of measuring


def ours(of: Subject, seconds: float) -> float:
    from bakeoff.profile import latency

    return latency.measure(of.ready, of.image, 1, seconds).percentile(50)


def torchs(of: Subject, seconds: float) -> float:
    import torch
    from torch.utils.benchmark import Timer

    timer = Timer("request()", globals={"request": of.request}, num_threads=torch.get_num_threads())
    return float(timer.blocked_autorange(min_run_time=seconds).median * 1e3)


def timms(of: Subject, seconds: float) -> float:
    for _ in range(WARM_UP):
        of.request()
    spent = []
    for _ in range(CALLS):
        began = time.perf_counter()
        of.request()
        spent.append(time.perf_counter() - began)
    return statistics.mean(spent) * 1e3


WAYS: dict[str, Callable[[Subject, float], float]] = {"ours": ours, "again": ours, "torch": torchs, "timm": timms}


def cycle(of: Subject, seconds: float, random: Random) -> dict[str, float]:
    """Each way once, in an order drawn anew."""
    import torch

    with torch.inference_mode():
        return {name: WAYS[name](of, seconds) for name in random.sample(sorted(WAYS), len(WAYS))}


def loop_ratio(of: Subject, seconds: float) -> tuple[float, int]:
    """Our throughput over that of a long loop by the wall clock, and the batch size of both."""
    import torch

    from bakeoff.profile import throughput

    shape = tuple(of.image.shape[1:])
    found = throughput.measure(of.ready, shape, of.device, max_batch=256, seconds=seconds)
    images = of.ready.place(torch.randn(found.best.batch_size, *shape))
    with torch.inference_mode():
        of.ready.run(images)
        of.ready.synchronise()
        began, calls = time.perf_counter(), 0
        while not calls or time.perf_counter() - began < 3 * seconds:
            of.ready.run(images)
            calls += 1
        of.ready.synchronise()
        spent = time.perf_counter() - began
    return found.best.images_per_second / (calls * found.best.batch_size / spent), found.best.batch_size


# --- the reports


def agreement(names: list[str], args: Any) -> dict[str, Any]:
    """Print the table of ratios; returns all figures."""
    random = Random(0)
    subjects = [subject(name, NETS.get(name, (3, 224)), args.classes, args.device) for name in names]
    for _ in range(args.cycles):
        for of in subjects:
            disturbance = Disturbance()
            found = cycle(of, args.seconds, random)
            if disturbance.share() > args.disturbance:
                of.dropped += 1
            else:
                of.found.append(found)
    rows, figures = [], {}
    for of in subjects:
        ratios = {
            f"ours/{other}": Spread.of(each["ours"] / each[other] for each in of.found)
            for other in ("again", "torch", "timm")
        }
        ratio, batch = loop_ratio(of, args.seconds)
        median = Spread.of(each["ours"] for each in of.found)
        cells = [of.name, median.text(3), *(spread.text(3) for spread in ratios.values()), f"{ratio:.3f} ({batch})"]
        rows.append([*cells, f"{len(of.found)} of {args.cycles}"])
        figures[of.name] = {"cycles": of.found, "dropped": of.dropped, "loop": ratio, "batch": batch}
    head = ["net", "ours, ms", "ours/again", "ours/torch", "ours/timm", "blocks/loop (batch)", "cycles kept"]
    print(common.table(head, rows))
    return figures


def published(args: Any) -> dict[str, Any]:
    """Print our latencies beside timm's, and the rank correlation."""
    from scipy.stats import spearmanr

    found: dict[str, float] = {}
    for name in PUBLISHED:
        of = subject(name, (3, 224), 1000, "cpu")
        import torch

        with torch.inference_mode():
            found[name] = ours(of, args.seconds)
    rho = float(spearmanr(list(PUBLISHED.values()), list(found.values())).statistic)
    rows = [[name, f"{PUBLISHED[name]:.1f}", f"{found[name]:.1f}"] for name in PUBLISHED]
    print(common.table(["net", "timm's i9-10940X, ms", "here, ms"], rows))
    print(f"Spearman {rho:.3f} over {len(found)} nets")
    return {"ours": found, "published": PUBLISHED, "spearman": rho}


def main() -> None:
    """Measure and print."""
    options = common.parser(__doc__)
    options.add_argument("--models", default=",".join(NETS), help="builders, a,b,c")
    options.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    options.add_argument("--threads", type=int, default=1)
    options.add_argument("--classes", type=int, default=1000)
    options.add_argument("--cycles", type=int, default=15)
    options.add_argument("--seconds", type=float, default=1.0, help="of each turn")
    options.add_argument("--published", action="store_true", help="the rank check instead")
    args = options.parse_args()

    import torch

    torch.set_num_threads(args.threads)
    facts = common.machine()
    print(f"{common.describe(facts)}; {args.device}, threads: {args.threads}\n")
    figures = published(args) if args.published else agreement(common.words(args.models), args)
    common.write_json(Path(args.json) if args.json else None, {"machine": facts, "figures": figures})


if __name__ == "__main__":
    main()

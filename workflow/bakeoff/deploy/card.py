"""The model card of an export: README.md in Hugging Face's format, metadata block included.

Names and titles come from users and their folders: they are escaped, and the metadata is written by a YAML library.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from bakeoff.deploy import evidence
from bakeoff.deploy.evidence import Repetitions
from bakeoff.deploy.session import INT8, MODEL, PROGRAM
from bakeoff.provenance import Json
from bakeoff.report.text import NONE, Unit, capital, markdown, metric_name, significant

_SHARES = ("accuracy", "top5")
_SHOWN = (
    "accuracy", "top5", "balanced_accuracy", "macro_f1", "mcc", "auroc_ovr", "log_loss", "log_loss_calibrated", "brier",
    "ece", "ece_calibrated",
)  # fmt: skip
# Names of the metrics of Hugging Face's index.
_INDEXED = {"accuracy": "accuracy", "macro_f1": "f1", "mcc": "matthews_correlation"}
_WHAT = {
    MODEL: "ONNX, from bytes to probabilities",
    INT8: "the same with weights of 8 bits (dynamic quantisation); one image at a time",
    PROGRAM: "for `torch.export.load`",
}
_SQUARE = {
    "crop": "ImageOps.fit(image, {sides}, Image.Resampling.BILINEAR)",
    "squash": "image.resize({sides}, Image.Resampling.BILINEAR)",
    # Below one half: where one row or column is left over, it is below or to the right.
    "pad": "ImageOps.pad(image, {sides}, Image.Resampling.BILINEAR, centering=(0.4999, 0.4999))",
}


def render(body: Json, run_dir: Path, data: Path) -> str:
    """The card of an export with the record `body`, of the run in `run_dir`, trained on the prepared `data`."""
    info = body["info"]
    seeds = evidence.repetitions(run_dir)
    profiles = evidence.profiles(data.parent.parent, info)
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent), undefined=StrictUndefined, trim_blocks=True, autoescape=False
    )
    return environment.get_template("card.md.j2").render(
        info=info,
        metadata=_metadata(info),
        model=markdown(info["model"]),
        title=markdown(info["data"]["title"]),
        what=_what(info),
        accuracy=_share(info["metrics"]["accuracy"]["value"], info["n_test"]),
        parameters=f"{profiles[0]['params']:,}" if profiles else NONE,
        colours="grey" if info["channels"] == 1 else "RGB",
        code=ten_lines(info),
        files=list(_files(body)),
        checked=_checked(body),
        data_text=_data(info),
        training=_training(info),
        seeds_text=_seeds(info, seeds),
        metrics=list(_metrics(info, seeds)),
        costs=_costs(info, profiles),
        profiles=list(map(_profile, profiles)),
        limits=list(_limits(info, evidence.copies(data))),
        software=_software(info),
    )


def ten_lines(info: Json) -> str:
    """Python that names the class of `image.png` by the export in the working folder."""
    return f"""import json
import numpy as np
import onnxruntime
from PIL import Image, ImageOps
how = json.load(open("preprocessor.json", encoding="utf-8"))
image = ImageOps.exif_transpose(Image.open("image.png")).convert(how["mode"])
image = {_SQUARE[info["fit"]].format(sides='(how["size"], how["size"])')}
pixels = np.asarray(image).reshape(1, how["size"], how["size"], -1)
probabilities = onnxruntime.InferenceSession("model.onnx").run(["probabilities"], {{"images": pixels}})[0][0]
print(how["labels"][probabilities.argmax()], probabilities.max())"""


def _metadata(info: Json) -> str:
    metrics = [
        {"type": _INDEXED[name], "value": round(info["metrics"][name]["value"], 6), "name": capital(metric_name(name))}
        for name in _INDEXED
        if info["metrics"].get(name, {}).get("value") is not None
    ]
    title = " ".join(info["data"]["title"].split())
    dataset = {"name": title, "type": info["dataset"], "split": "test"}
    task = {"type": "image-classification", "name": "Image classification"}
    block = {
        "library_name": "onnx",
        "pipeline_tag": "image-classification",
        "tags": ["image-classification", "onnx", "onnxruntime", "bakeoff"],
        "datasets": [info["dataset"]],
        "metrics": [each["type"] for each in metrics],
        "model-index": [
            {
                "name": f"{info['model']} on {title}",
                "results": [{"task": task, "dataset": dataset, "metrics": metrics}],
            }
        ],
    }
    head = "# license: yours to choose; mind those of the data and of the initial weights\n"
    return head + yaml.safe_dump(block, sort_keys=False, allow_unicode=True)


def _what(info: Json) -> str:
    labels = info["labels"]
    named = ", ".join(markdown(label) for label in labels[:20]) + (", ..." if len(labels) > 20 else "")
    return (
        f"An image classifier, trained and tested by bakeoff {info['provenance']['bakeoff']}. It tells {len(labels)} "
        f"classes apart: {named}."
    )


def _share(value: float, n: int) -> str:
    lo, hi = evidence.proportion(value, n)
    return f"{value * 100:.2f} % (95 % interval over images {Unit.of('fraction').range(lo, hi)} %)"


def _bytes(n: int) -> str:
    return f"{significant(n / 1e6, 3)} MB" if n >= 1e6 else f"{significant(n / 1e3, 3)} kB"


def _files(body: Json) -> Iterator[Json]:
    for name, found in body["networks"].items():
        accuracy = NONE
        if "accuracy" in found:
            accuracy = f"{_share(found['accuracy'], found['n_test'])}, {found['right']:,} of {found['n_test']:,}"
        yield {"name": name, "size": _bytes(found["bytes"]), "accuracy": accuracy, "what": _WHAT[name]}


def _checked(body: Json) -> str:
    onnx = body["networks"][MODEL]
    return (
        f"`{MODEL}` (opset {body['opset']}) names the class that torch names for all {onnx['n_checked']} test images "
        f"that it was checked with, no logit further from torch's than {onnx['max_difference']:.1g}; for "
        f"{onnx['same_class_as_study']:,} of {onnx['n_test']:,} test images it names the class of the study's own "
        "predictions."
    )


def _data(info: Json) -> str:
    data, settings = info["data"], info["data"]["settings"]["settings"]
    counts = data["counts"]
    how = {"crop": "the largest square in the middle", "squash": "their sides made equal", "pad": "padded with black"}
    return (
        f"{markdown(data['title'])}: {markdown(data['origin'])}. {counts['train']:,} training, {counts['val']:,} "
        f"validation and {counts['test']:,} test images, split by class with seed {settings['split_seed']} where the "
        f"source has no split of its own. Images were turned as their EXIF says, made squares ({how[info['fit']]}) of "
        f"{info['size']} x {info['size']} pixels by a bilinear filter that averages where it shrinks, and normalised "
        f"(in the graph) with mean {info['normalisation']['mean']} and standard deviation "
        f"{info['normalisation']['std']}."
    )


def _training(info: Json) -> str:
    training, recipe = info["training"], info["settings"]["recipe"]
    shown = ("optimizer", "lr", "weight_decay", "batch_size", "schedule", "train_images", "label_smoothing")
    settings = ", ".join(f"{key.replace('_', ' ')} {recipe[key]}" for key in shown if key in recipe)
    return (
        f"Initial weights: {markdown(training['weights']['source'])}. {training['epochs_done']} epochs; epoch "
        f"{training['best_epoch']}, the best by accuracy on validation images, was kept; augmentation "
        f"{markdown(info['augmentation'])}; {markdown(settings)}; seed {info['seed']}. All settings: `study.yaml`."
    )


def _seeds(info: Json, seeds: dict[str, Repetitions]) -> str:
    if "accuracy" not in seeds:
        return "; only this seed was trained, so nothing is known of others"
    return (
        f"; the last two columns are of the {seeds['accuracy'].n} seeds that were trained with these settings, this "
        f"one being seed {info['seed']}"
    )


def _metrics(info: Json, seeds: dict[str, Repetitions]) -> Iterator[tuple[str, ...]]:
    for name in _SHOWN:
        found = info["metrics"].get(name)
        if found is None or found["value"] is None:
            continue
        unit, over = Unit.of(found["unit"]), seeds.get(name)
        lo, hi = found["lo"], found["hi"]
        if name in _SHARES:
            lo, hi = evidence.proportion(found["value"], info["n_test"])
        sign = f" ({unit.sign})" if unit.sign else ""
        places = 2 if unit.scale > 1 else 4
        yield (
            capital(metric_name(name)) + sign,
            f"{found['value'] * unit.scale:.{places}f}",
            NONE if lo is None else unit.range(lo, hi),
            NONE if over is None else unit.spread(over.mean, over.std),
            NONE if over is None else unit.range(over.lo, over.hi),
        )


def _costs(info: Json, profiles: list[Json]) -> str:
    training = info["training"]
    machine = training["environment"]
    threads = f"{training['threads']} thread{'s' if training['threads'] > 1 else ''}"
    on = markdown(machine["gpu"] or f"{machine['cpu']}, {threads}")
    text = f"Trained in {significant(training['train_seconds'], 3)} s on {on}."
    if not profiles:
        return text + " What an answer costs was not measured by the study (`bakeoff profile` does)."
    one = profiles[0]
    return (
        f"{text} {one['params']:,} parameters, {one['macs'] / 1e6:,.3g} million multiply-accumulates for one image, "
        f"{one['size_mb']:,.3g} MB of weights. Measured by the study, one request of one image after another:"
    )


def _profile(record: Json) -> tuple[str, ...]:
    machine, times, rate = record["environment"], record["latency_ms"], record["throughput"]
    marks = f" ({', '.join(record['marks'])})" if record["marks"] else ""
    memory = record["peak_memory_mb"]
    return (
        markdown(f"{machine['gpu'] or machine['cpu']}: {record['condition']}{marks}"),
        f"{times['p50']:.3g} / {times['p95']:.3g} ms" if times else NONE,
        f"{rate['images_per_second']:,.0f} images/s in batches of {rate['batch_size']}" if rate else NONE,
        f"{memory:,.3g} MB" if memory is not None else NONE,
    )


def _limits(info: Json, copies: Json | None) -> Iterator[str]:
    n = info["n_test"]
    yield (
        f"It names one of its {len(info['labels'])} classes for every image, also for one of something else: low "
        "probabilities are the only sign of that, and no sure one."
    )
    yield (
        f"The figures hold for images like the {n:,} test images above; other cameras, places or times were not tested."
    )
    weakest = ", ".join(
        f"{markdown(w['class'])} ({w['recall'] * 100:.1f} % of {w['support']:,})" for w in info["weakest"]
    )
    yield f"Found least often, of the test images of a class: {weakest}."
    if info["not_calibrated"]:
        yield f"The probabilities are the network's own, not calibrated: {info['not_calibrated']}."
    else:
        yield (
            f"Probabilities are calibrated by one temperature ({info['temperature']:.3f}, from validation images): "
            "right on average, for images like these."
        )
    if copies is None:
        yield "Nobody looked for test images that are copies of training images."
    else:
        near = "" if copies["near"] is None else f", and {copies['near']:,} nearly"
        yield f"Of the test images {copies['exact']:,} are copies of training or validation images byte for byte{near}."


def _software(info: Json) -> str:
    machine = info["training"]["environment"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items())
    return (
        f"It was trained with Python {machine['python']}, {packages}, on {markdown(machine['platform'])}; on such "
        "a machine the same versions give the same weights."
    )

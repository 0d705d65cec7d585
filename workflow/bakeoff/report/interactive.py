"""The plot of report.html whose axes the reader chooses: its points, and the program that draws them, inlined.

The page may load nothing and evaluate no text, so that Vega comes whole and runs its expressions by its interpreter.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from bakeoff.report import costs
from bakeoff.report.drawing import COLOURS, Look
from bakeoff.report.language import Say
from bakeoff.report.load import Cell, Cost, Results
from bakeoff.report.text import Names, Unit, capital, metric_name

Json = dict[str, Any]

# Column, what it is called, unit, whether more is better.
_COSTS = (
    ("latency_ms_p50", "Latency p50", "ms", False),
    ("latency_ms_p95", "Latency p95", "ms", False),
    ("latency_ms_p99", "Latency p99", "ms", False),
    ("throughput", "Throughput", "images/s", True),
    ("macs", "Multiply-accumulates", "", False),
    ("params", "Parameters", "", False),
    ("activations", "Activations", "", False),
    ("size_mb", "Size", "MB", False),
    ("peak_memory_mb", "Memory, one image", "MB", False),
    ("best_batch_memory_mb", "Memory, best batch", "MB", False),
    ("train_memory_mb", "Memory, training step", "MB", False),
    ("joules_per_image", "Energy", "J/image", False),
)
_TRAINING = ("train_seconds", "Training of a run", "s", False)
# Vega's names of matplotlib's markers, in the order of drawing.Look.
_SHAPES = {
    "o": "circle", "s": "square", "^": "triangle-up", "D": "diamond", "v": "triangle-down", "P": "cross",
    "X": "M-1,-.6L-.6,-1L0,-.4L.6,-1L1,-.6L.4,0L1,.6L.6,1L0,.4L-.6,1L-1,.6L-.4,0Z", "<": "triangle-left",
    ">": "triangle-right",
}  # fmt: skip
# What report.js says itself.
_TEXTS = (
    "auto", "light", "dark", "Colours: of the system, light, dark", "What this row says", "{n} rows", "{n} of {m} rows",
    "No finished run has both.",
)  # fmt: skip
_DIGITS = 6
"""Significant digits of a point."""


def payload(results: Results, names: Names, say: Say = str) -> Json:
    """What the plot is made from, by the names that report.js knows: points with scores [mean, std, n] by metric and
    costs by condition, the axes there are, and the look of each model. `texts` are what the page itself says, where not
    in English.
    """
    known = {(cost.dataset, cost.model, cost.asked): cost for cost in results.costs}
    labels = costs.conditions(results) if results.costs else {}
    points = [
        _point(cell, results, names, [known.get((cell.dataset, cell.model, asked)) for asked in labels])
        for cell in results.cells
    ]
    used = {name for point in points for found in point["costs"] for name in found}
    used |= {_TRAINING[0]} & {name for point in points for name in point}
    return {
        "metric": results.metric.name,
        "metrics": [axis | {"label": say(axis["label"]), "unit": say(axis["unit"])} for axis in _metrics(results)],
        "costs": [
            {"id": column, "label": say(label), "unit": say(unit), "more": more}
            for column, label, unit, more in (*_COSTS, _TRAINING)
            if column in used
        ],
        "conditions": [say(label) for label in labels.values()],
        "points": points,
        "looks": _looks(results, names),
        "texts": {text: said for text in _TEXTS if (said := say(text)) != text},
    }


def _metrics(results: Results) -> list[Json]:
    found = {name: summary for cell in results.cells for name, summary in cell.metrics.items()}
    first = sorted(found, key=lambda name: (name != results.metric.name, name))
    return [
        {
            "id": name,
            "label": capital(metric_name(name)),
            "unit": Unit.of(found[name].unit).sign,
            "scale": Unit.of(found[name].unit).scale,
            "more": found[name].direction == "max",
        }
        for name in first
    ]


def _point(cell: Cell, results: Results, names: Names, of_conditions: list[Cost | None]) -> Json:
    recipes = {other.recipe for other in results.cells}
    variant = cell.variant if len(recipes) > 1 else cell.variant[:1]
    point = {
        "page": f"model/{cell.model}",
        "dataset": names(cell.dataset),
        "model": names(cell.model),
        "variant": ", ".join(map(names, variant)),
        "scores": {
            name: [_rounded(over.mean), None if over.std is None else _rounded(over.std), over.n]
            for name, over in cell.metrics.items()
            if over.mean is not None
        },
        "costs": [_costs(cost) for cost in of_conditions],
        "doubts": [list(cost.marks) if cost else [] for cost in of_conditions],
    }
    return point if cell.train_seconds is None else point | {"train_seconds": _rounded(cell.train_seconds)}


def _costs(cost: Cost | None) -> Json:
    values = {name: getattr(cost, name, None) for name, *_ in _COSTS}
    return {name: _rounded(value) for name, value in values.items() if value}


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _looks(results: Results, names: Names) -> list[Json]:
    look = Look.of(results)
    # Black on a dark page is not seen: it is what the page writes in.
    return [
        {"model": names(model), "colour": "ink" if colour == COLOURS[-1] else colour, "shape": _SHAPES[marker]}
        for model, (colour, marker) in look.models.items()
    ]


def embedded(value: Json) -> str:
    """JSON that may stand in a <script>: nothing in it ends the element or opens another."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("&", r"\u0026").replace("<", r"\u003c").replace(">", r"\u003e")


@cache
def library() -> str:
    """Vega, Vega-Lite and vega-embed as one script, which sets window.vegaEmbed."""
    import vl_convert

    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    if "</script" in script.lower() or "<!--" in script or "\r" in script:
        raise ValueError("vl_convert.javascript_bundle() cannot stand in a page as it is")
    return script

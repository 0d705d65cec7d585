"""The figures of a paper, 85 or 170 mm wide: which there are, what each shows, and how they become files.

A model has one colour and one marker in all of them. Nothing here touches pyplot or its global state.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import matplotlib.style
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure as Canvas

from bakeoff import provenance
from bakeoff.report import (
    amounts,
    classes,
    confusions,
    critical,
    dots,
    effects,
    errors,
    explanations,
    forest,
    lettering,
    operating,
    outputs,
    pareto,
    reliability,
    robustness,
    samples,
    training,
    words,
)
from bakeoff.report.drawing import Look, canvas, nothing
from bakeoff.report.language import Translator, translator
from bakeoff.report.load import Results
from bakeoff.report.text import Names

FORMATS = ("svg", "png", "pdf")

_STYLE = Path(__file__).with_name("bakeoff.mplstyle")
# Dates and versions would make equal results differ in their bytes.
_METADATA: dict[str, dict[str, str | None]] = {
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@dataclass(frozen=True)
class Figure:
    """How a figure is drawn, the caption below it in the report, and what it shows for who cannot see it."""

    draw: Callable[[Results, Names, Look], Canvas]
    caption: str
    alternative: str
    has: Callable[[Results], bool] = lambda _: True
    """Whether there is anything to show; a page leaves out what would only say why it is empty."""


def _pareto(axis: pareto.Axis, caption: str, cost: str) -> Figure:
    return Figure(
        lambda results, names, look: pareto.pareto(results, names, look, axis),
        f"{caption} Bars: 95 % intervals. A point is full when its model is on the frontier in 95 % of draws of seeds, "
        "test images and repeated timings, half full when in half of them. Line and band: the score that 50 %, and "
        "25 to 75 %, of the draws attain at each cost.",
        f"Mean of the metric against {cost} on a logarithmic axis, one point per model.",
        lambda results: pareto.has(results, axis),
    )


def _of_classes(draw: Callable[[Results, Names, Look], Canvas], caption: str, alternative: str) -> Figure:
    """A figure that takes classes. Of a regression its files are there too: a rule has the same outputs always."""

    def drawn(results: Results, names: Names, look: Look) -> Canvas:
        if not results.regression:
            return draw(results, names, look)
        figure = canvas(1, 60)
        nothing(figure.subplots(), "A regression\nhas no classes")
        return figure

    return Figure(drawn, caption, alternative, lambda results: not results.regression)


FIGURES: dict[str, Figure] = {
    "pareto_macs": _pareto(pareto.MACS, "Multiply-accumulates of one image.", "multiply-accumulates"),
    "pareto_latency": _pareto(pareto.LATENCY, "Median time of one image.", "median latency"),
    "pareto_params": _pareto(pareto.PARAMS, "Parameters.", "parameters"),
    "pareto_size": _pareto(pareto.SIZE, "Weights in a file.", "the size of the weights"),
    "pareto_memory": _pareto(pareto.MEMORY, "Peak memory of inference, one image.", "peak memory"),
    "pareto_training": _pareto(pareto.TRAINING, "Mean time of the training of a run.", "training time"),
    "pareto_energy": _pareto(pareto.ENERGY, "Energy of one image.", "energy"),
    "forest": Figure(
        forest.forest,
        "Candidate minus baseline, paired by seed. Thick: 95 % interval over seeds, on these test images; thin: for "
        "new images of this kind too.",
        "Forest plot: each candidate's difference to its baseline with its intervals, one panel per data set.",
    ),
    "seeds": Figure(
        dots.seeds,
        "Each run a dot, and below them the mean with its 95 % interval.",
        "The score of every run, one row per model and setting.",
    ),
    "effects": Figure(
        effects.effects,
        "What each factor does when all others are averaged over, and at each level of another factor.",
        "Effects of augmentations and recipes with their intervals, on the whole and for each model.",
        lambda results: bool(results.factorial),
    ),
    "critical_difference": Figure(
        critical.critical_difference,
        "Mean ranks over data sets (Demsar 2006); bars join candidates that no pair test tells apart.",
        "Critical difference diagram: candidates on a line of mean ranks, the best on the right.",
        lambda results: bool(critical.tested(results)),
    ),
    "data_amount": Figure(
        amounts.data_amount,
        "Recipes that differ in the number of training images alone; validation and test images are the same.",
        "The metric against the number of training images on a logarithmic axis, one line per model.",
        lambda results: bool(amounts.by_amount(results)),
    ),
    "curves": Figure(
        training.curves,
        "Means over the finished runs; bands: ± one standard deviation.",
        "Validation accuracy, where there are classes, and training and validation loss, against the epoch, one line "
        "per model.",
    ),
    "learning_rate": Figure(
        training.learning_rates,
        "The learning rate of each epoch's last step, mean over seeds.",
        "Learning rate against the epoch, one line per model.",
        training.has_rates,
    ),
    "confusion": _of_classes(
        lambda results, names, _: confusions.confusion(results, names),
        "Rows are the true classes; each sums to 100 per cent. Grey: no test image of that class.",
        "Mean confusion matrices: true classes down, predicted classes across.",
    ),
    "confusion_difference": _of_classes(
        lambda results, names, _: confusions.confusion_difference(results, names),
        "Mean rates of the candidate minus those of its baseline, over the seeds that both have. On the diagonal blue "
        "is better, beside it red is.",
        "Differences of confusion matrices, candidate minus baseline: true classes down, predicted classes across.",
    ),
    "per_class": _of_classes(
        classes.per_class,
        "Recall of each class, candidate minus baseline, paired by seed. Filled: significant at the false discovery "
        "rate named (Benjamini and Hochberg 1995), corrected over the classes of a panel.",
        "Difference of each class's recall with its interval, one panel per candidate, the largest gain first.",
    ),
    "errors": _of_classes(
        lambda results, names, _: errors.errors(results, names),
        "Above each image what it is taken for, what it is, how many seeds get it wrong, and their mean confidence.",
        "Test images that most seeds classify wrongly, with predicted class, true class and confidence.",
    ),
    "roc": _of_classes(
        lambda results, names, look: operating.curves(results, names, look, operating.ROC),
        "ROC curves, each class against the others; averaged over seeds at fixed false positive rates.",
        "Receiver operating characteristic: true positive rate against false positive rate.",
    ),
    "pr": _of_classes(
        lambda results, names, look: operating.curves(results, names, look, operating.PR),
        "Precision against recall, each class against the others; averaged over seeds at fixed recall.",
        "Precision against recall.",
    ),
    "thresholds": _of_classes(
        operating.thresholds,
        "Test accuracy when an image is called positive from this probability on.",
        "Accuracy against the threshold for datasets of two classes, one line per model.",
    ),
    "reliability": _of_classes(
        reliability.reliability,
        "Accuracy against confidence in 15 bins over the images of all seeds; on the dotted line a model is as sure "
        "as it is right. Calibrated: after one temperature, fitted on validation images.",
        "Reliability diagrams: accuracy against confidence, one panel per model, before and after calibration.",
    ),
    "outputs": Figure(
        outputs.outputs,
        "Each point is a test image. On the dotted line what is predicted is true.",
        "Predicted against true values of each target, and predicted minus true, one pair of panels per model.",
        outputs.has,
    ),
    "corruptions": _of_classes(
        robustness.figure,
        "Mean accuracy on corrupted test images against the severity of the corruption; 0: clean images.",
        "Accuracy against the severity of corruptions, one line per model.",
    ),
    "explanations": _of_classes(
        lambda results, names, _: explanations.figure(results, names),
        "Test images, and below them where HiResCAM says each model's answer comes from, of its first finished run.",
        "Test images in a row, and one row of heat maps over them for each model.",
    ),
    "samples": Figure(
        lambda results, names, _: samples.figure(results.samples, names),
        "Training images as they are (first column), and after draws of each augmentation policy.",
        "Training images, one row or two per augmentation policy: the image as it is, then eight draws.",
        lambda results: bool(results.samples),
    ),
}
NAMES = tuple(FIGURES)


@dataclass(frozen=True)
class _Press:
    """What every figure is made of, and where it goes."""

    results: Results
    names: Names
    folder: Path
    say: Translator
    formats: Sequence[str]

    def write(self, name: str) -> list[str]:
        """The files of a figure; returns the letters that no font has."""
        look = Look.of(self.results)
        style: list[str | dict[str, Any]] = [str(_STYLE), {"font.family": lettering.families()}]
        with (
            lettering.missing_letters() as missing,
            lettering.only_shapes(),
            matplotlib.style.context(style, after_reset=True),
        ):
            figure = FIGURES[name].draw(self.results, self.names, look)
            FigureCanvasAgg(figure)
            if self.results.partial:
                figure.suptitle(words.stamp(self.results), color="#b00020", fontweight="bold", fontsize=7)
            lettering.translate(figure, self.say)
            if figure.axes and (engine := figure.get_layout_engine()):
                engine.execute(figure)  # once is enough for three formats
            # "none" would leave something in its place, for which savefig draws all twice.
            with matplotlib.rc_context({"figure.constrained_layout.use": False}):
                figure.set_layout_engine(None)
                for extension in self.formats:
                    with provenance.whole(self.folder / f"{name}.{extension}") as part:
                        figure.savefig(part, format=extension, metadata=_METADATA[extension])
            for extension in set(FORMATS).difference(self.formats):  # else an earlier one would seem this report's
                (self.folder / f"{name}.{extension}").unlink(missing_ok=True)
        return missing


def write(
    results: Results,
    names: Names,
    folder: Path,
    say: Translator | None = None,
    formats: Sequence[str] = FORMATS,
    processes: int = 1,
) -> None:
    """Write all figures to `folder` as svg, png (200 dpi) and pdf, or the `formats` among these, in the language of
    `say`, else in English. Equal results give equal bytes, on however many `processes` (Linux; elsewhere it is one). A
    letter that no font has is named on stderr.
    """
    press = _Press(results, names, folder, say or translator("en"), formats)
    if processes > 1 and sys.platform == "linux":
        # A fork has the results and all imports already; a fresh process would take a second for them.
        with ProcessPoolExecutor(processes, get_context("fork"), _begin, (press,)) as pool:
            missing = list(pool.map(_write_one, FIGURES))
    else:
        missing = [press.write(name) for name in FIGURES]
    if letters := list(dict.fromkeys(letter for each in missing for letter in each)):
        print(lettering.hint(letters), file=sys.stderr)


_begun: list[_Press] = []
"""Of a process of the pool: what it makes figures of."""


def _begin(press: _Press) -> None:
    _begun.append(press)


def _write_one(name: str) -> list[str]:
    return _begun[0].write(name)

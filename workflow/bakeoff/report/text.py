"""Numbers and names as text, and text made safe for Markdown and LaTeX. Plain Unicode in, plain Unicode out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

NONE = "–"
MAX_PLACES = 4
_MOST_PLACES = 9
"""Decimals of what has a unit: an error in metres may be small, a percentage of so many digits is not known."""

_METRICS = {
    "top5": "top-5 accuracy", "mcc": "MCC", "cohen_kappa": "Cohen's kappa", "auroc_ovr": "AUROC (one vs rest)",
    "auroc_ovo": "AUROC (one vs one)", "brier": "Brier score", "ece": "ECE", "ece_calibrated": "ECE calibrated",
    "adaptive_ece": "adaptive ECE", **{f"{mean}_f1": f"{mean} F1" for mean in ("macro", "micro", "weighted")},
    **{name: name.upper() for name in ("auc", "bleu", "eer", "fid", "mae", "mape", "mse", "rmse")}, "r2": "R²",
    **{name: name.replace("rouge", "ROUGE-") for name in ("rouge1", "rouge2", "rougeL")},
}  # fmt: skip
_STEPS = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"), (1.0, ""))


@dataclass(frozen=True)
class Names:
    """What an id is called in tables and figures: its label, or the id itself."""

    labels: Mapping[str, str]

    def __call__(self, name: str) -> str:
        """The label of an id, or the id."""
        return self.labels.get(name, name)


def metric_name(name: str) -> str:
    """A metric's name as words; what stands in parentheses is the name of something else."""
    head, bracket, rest = name.partition(" (")
    return _METRICS.get(head, head.replace("_", " ")) + bracket + rest


def apart(*parts: str) -> str:
    """What stands in parentheses behind a name, a unit or what else tells how to read it: those that there are."""
    return ", ".join(filter(None, parts))


def labelled(name: str, *parts: str) -> str:
    """A name and what stands in parentheses behind it, as in "Distance (px, less is better)"."""
    return f"{name} ({apart(*parts)})" if apart(*parts) else name


def span(lo: str, hi: str) -> str:
    """From one number to another, as in "94.1–95.3" and, where a minus would stand beside the dash, "−0.2 to 0.4"."""
    return f"{lo} to {hi}" if lo.startswith("−") else f"{lo}–{hi}"


def capital(text: str) -> str:
    """Text with its first letter large, the others as they are."""
    return text[:1].upper() + text[1:]


# --- numbers ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Unit:
    """How a metric is printed: `scale` from file to text, its sign, and what a difference is counted in."""

    scale: float
    sign: str
    points: str

    @classmethod
    def of(cls, unit: str) -> Unit:
        """How values in the files' `unit` are printed: fractions as per cent, others as they are, and a coefficient
        without a unit, which it has not.
        """
        if unit == "fraction":
            return cls(100.0, "%", "points")
        shown = "" if unit == "coefficient" else unit
        return cls(1.0, shown, shown)

    @property
    def behind(self) -> str:
        """What follows a value, as in "98.3%", "2.8 px" and, where there is no unit, "0.9"."""
        return self.sign if self.sign == "%" else f" {self.sign}".rstrip()

    def spread(self, mean: float | None, std: float | None) -> str:
        """As in "98.31 ± 0.24": as many decimals as two significant digits of the standard deviation have."""
        if mean is None:
            return NONE
        if std is None:
            return self._fixed(mean, 2 if self.sign == "%" else max(2, self._decimals(mean / 10)))  # three digits
        places = self._decimals(std)
        return f"{self._fixed(mean, places)} ± {self._fixed(std, places)}"

    def _fixed(self, value: float, places: int) -> str:
        return f"{value * self.scale:z.{places}f}".replace("-", "−")

    def interval(self, value: float | None, lo: float | None, hi: float | None) -> str:
        """As in "+0.90 (+0.52 to +1.28)": decimals follow the half width of the interval."""
        if value is None:
            return NONE
        if lo is None or hi is None:
            return self.signed(value, 2)
        return f"{self.signed(value, self._places(lo, hi))} ({self.bounds(lo, hi)})"

    def bounds(self, lo: float | None, hi: float | None) -> str:
        """The interval alone, as in "+0.52 to +1.28"."""
        if lo is None or hi is None:
            return NONE
        return f"{self.signed(lo, self._places(lo, hi))} to {self.signed(hi, self._places(lo, hi))}"

    def _places(self, lo: float, hi: float) -> int:
        return self._decimals((hi - lo) / 2)

    def _decimals(self, spread: float) -> int:
        return decimals(spread * self.scale, MAX_PLACES if self.sign == "%" else _MOST_PLACES)

    def signed(self, value: float, places: int) -> str:
        """A difference with its sign."""
        return f"{value * self.scale:+z.{places}f}".replace("-", "−")

    def range(self, lo: float, hi: float) -> str:
        """An interval of values, as in "94.1–95.3"."""
        places = self._places(lo, hi)
        return span(self._fixed(lo, places), self._fixed(hi, places))

    def published(self, value: float) -> str:
        """A value with the digits that it has."""
        return f"{value * self.scale:.6g}".replace("-", "−")

    def plain(self, value: float) -> str:
        """A size without a sign, e.g. of a region of equivalence: two significant digits."""
        return f"{value * self.scale:.{self._decimals(value)}f}"


def decimals(spread: float, most: int) -> int:
    """The decimals that show two significant digits of `spread`, `most` at most; 2 where it is zero in these."""
    if abs(spread) < 0.5 * 10**-most:
        return 2
    exponent = int(f"{abs(spread):.1e}".partition("e")[2])
    return min(max(1 - exponent, 0), most)


def significant(value: float, digits: int) -> str:
    """`digits` significant digits, never with an exponent, whole digits never rounded away."""
    exponent = int(f"{abs(value):.{digits - 1}e}".partition("e")[2]) if value else 0
    return f"{value:.{max(digits - 1 - exponent, 0)}f}"


def scaled(value: float | None, divisor: float, digits: int) -> str:
    """A value of a column that has one divisor, a dash where there is none."""
    return NONE if value is None else significant(value / divisor, digits)


def probability(p: float | None, alpha: Iterable[float] = ()) -> str:
    """A p value with three decimals, or more where rounding would put it on the other side of a threshold."""
    if p is None:
        return NONE
    if p < 0.001:
        return "< 0.001"
    digits = next(d for d in range(3, 18) if all((round(p, d) < a) == (p < a) for a in alpha))
    return f"{p:.{digits}f}"


def magnitude(values: Iterable[float | None]) -> tuple[float, str]:
    """One divisor and prefix for a column, e.g. (1e6, "M"): that of the largest, unless small values would vanish."""
    known = [abs(value) for value in values if value]
    if not known:
        return 1.0, ""
    return next((step for step in _STEPS if step[0] <= max(known) and min(known) / step[0] >= 0.01), _STEPS[-1])


def counted(n: int, noun: str) -> str:
    """A number and its noun, as in "1 run" and "2 runs"."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


# --- escapes ------------------------------------------------------------------------------------------------------

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"\char34{}",
    "`": r"\textasciigrave{}",
    "-": r"-\kern0pt{}",  # before another one, or -- becomes a dash; lualatex joins them over a mere {}
    "[": r"{[}",  # or it is the optional argument of the \\ before it
    "]": r"{]}",
    "*": r"{*}",
    "−": r"$-$",
    "–": r"--",
    "±": r"$\pm$",
    "×": r"$\times$",
    "★": r"$\bigstar$",
    "▼": r"$\blacktriangledown$",
    "◆": r"$\blacklozenge$",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
    "·": r"$\cdot$",
    "√": r"$\surd$",
}
_LATEX_SPECIAL = re.compile("-(?=-)|[" + re.escape("".join(_LATEX.keys() - {"-"})) + "]")
_MARKDOWN = re.compile(r"[\\`*|\[\]~$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def latex(text: str) -> str:
    """Text that pdflatex prints as it is, with amssymb for the marks. Letters beyond Latin need lualatex and a font."""
    return _LATEX_SPECIAL.sub(lambda match: _LATEX[match[0]], " ".join(text.split()))


def markdown(text: str) -> str:
    """Text that Markdown prints as it is, also inside a table: no markup, no HTML, no column more."""
    escaped = "".join(_HTML.get(character, character) for character in " ".join(text.split()))
    return _MARKDOWN.sub(r"\\\g<0>", escaped)

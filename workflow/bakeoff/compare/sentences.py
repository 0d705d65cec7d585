"""One row of the comparison in words, English and Japanese, as a careful author could put them into a paper.

What is said hangs on the row alone. "Not significant" is never made "no difference".
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from bakeoff.compare.phrases import LANGUAGES, Language
from bakeoff.compare.spec import CompareSettings
from bakeoff.provenance import Json

_VERDICTS = ("better", "worse", "equivalent", "inconclusive", "exploratory")


def sentences(row: Json, settings: CompareSettings) -> Json:
    """The columns `sentence` and `sentence_ja` of a row of comparison.json: plain text, nothing escaped."""
    names = {"sentence": "en", "sentence_ja": "ja"}
    return {column: _Writer(row, settings, LANGUAGES[language]).text() for column, language in names.items()}


@dataclass(frozen=True)
class _Writer:
    """Puts the numbers of `row` into the phrases of one language."""

    row: Json
    settings: CompareSettings
    language: Language

    def text(self) -> str:
        return self.language.space.join(self._clauses())

    def _clauses(self) -> Iterator[str]:
        row = self.row
        if row["mean"] is None:
            yield self._say("no_runs")
        elif row["status"] == "baseline":
            yield self._say("baseline" if row["n_ok"] > 1 else "baseline_one", mean=self._mean())
        elif row["diff"] is None or row["status"] in ("no_pairs", "identical_seeds"):
            yield self._say("identical_seeds" if row["status"] == "identical_seeds" else "no_pairs")
        elif row["status"] == "one_seed":
            yield self._compared("one_seed")
            if row["images_p"] is not None:
                yield self._say("images_only", test=self._images_test())
        elif row["status"] == "one_run":
            yield self._compared("one_run")
            if row["images_p"] is not None:
                yield self._say("images_runs", test=self._images_test())
        elif row["verdict"] not in _VERDICTS:
            yield self._compared("too_few", few=row["n_pairs"] or min(row["n_ok"], row["n_base"]))
        else:
            yield from self._tested()

    # --- rows with a test -----------------------------------------------------------------------------------------

    def _tested(self) -> Iterator[str]:
        row = self.row
        if row["status"] == "identical":
            yield self._say("identical", n=row["n_pairs"])
            return
        if row["verdict"] == "exploratory":
            yield self._compared("exploratory", test=self._test())
            return
        if row["status"] == "zero_variance":
            yield self._compared("zero_variance", n=row["n_pairs"], test=self._p_and_marks())
        elif row["stars"]:
            yield self._compared("starred", test=self._test())
        elif row["verdict"] == "equivalent":
            p = self._corrected(row["p_tost_adj"])
            yield self._say(
                "equivalent", rope=self._amount(row["rope"]), signed=self._signed(), test=self._seeds(), p=p
            )
        else:
            yield self._say("inconclusive", signed=self._signed(), test=self._test())
            if row["diff_ci_lo"] is not None and row["diff_ci_lo"] * row["diff_ci_hi"] > 0:
                yield self._say("interval_uncorrected")
            if row["mde80"] is not None and abs(row["diff"]) < row["mde80"]:
                yield self._say("mde", amount=self._amount(row["mde80"]))
            yield from self._needed("rope_seeds", row["seeds_for_rope"])
        if (row["stars"] or row["status"] == "zero_variance") and self._is_small():
            yield self._say("small", rope=self._amount(row["rope"]), p=self._corrected(row["p_tost_adj"]))
        yield from self._new_images()
        yield from self._reservations()

    def _is_small(self) -> bool:
        """Whether the difference is shown to lie within the margin on this test set, whatever else is shown of it."""
        return self.row["p_tost_adj"] is not None and self.row["p_tost_adj"] < self.settings.alpha[0]

    def _new_images(self) -> Iterator[str]:
        row = self.row
        if row["crossed_p_adj"] is None:
            if row["p_method"] != "nadeau_bengio":  # splits drawn anew hold new images
                yield self._say("images_unknown")
            return
        interval = self._interval(row["crossed_lo"], row["crossed_hi"], self._sign())
        shown = row["crossed_p_adj"] < self.settings.alpha[0]
        if row["stars"]:
            yield self._say("images_too" if shown else "images_not", interval=interval)
            if not shown and row["crossed_lo"] * row["crossed_hi"] > 0:
                yield self._say("interval_uncorrected")
        else:
            yield self._say("images_interval", interval=self._interval(row["crossed_lo"], row["crossed_hi"], 1))
        gains = (row["gain_double_seeds"], row["gain_double_images"])
        if row["verdict"] == "inconclusive" and None not in gains:
            seeds, images = (f"{100 * gain:.0f}" for gain in gains)
            yield self._say("limit_images" if gains[1] >= gains[0] else "limit_seeds", seeds=seeds, images=images)
        if row["verdict"] == "inconclusive":
            yield from self._needed("rope_images", row["images_for_rope"])

    def _needed(self, key: str, count: int | None) -> Iterator[str]:
        if count is not None:
            yield self._say(key, rope=self._amount(self.row["rope"]), n=f"{_rounded(count):,}")

    def _reservations(self) -> Iterator[str]:
        row = self.row
        if "†" in row["dagger"]:
            yield self._say("normality")
        if "‡" in row["dagger"] and row["completion"] is not None and row["completion"] < 1:
            yield self._say("completion", share=f"{100 * row['completion']:.0f}")
        if "‡" in row["dagger"] and row["worst_diff"] is not None:
            phrases = self.language.phrases
            p = "" if row["worst_p"] is None else phrases["uncorrected"].format(p=self._p(row["worst_p"]))
            p = phrases["in_brackets"].format(p) if p else ""
            yield self._say("worst", amount=self._amount(row["worst_diff"], signed=True), p=p)

    # --- parts ----------------------------------------------------------------------------------------------------

    def _say(self, key: str, **parts: object) -> str:
        row, language = self.row, self.language
        names = {"c": row["candidate"], "b": row["baseline"], "m": language.metrics.get(row["metric"], row["metric"])}
        return language.phrases[key].format(**names, **parts)

    def _compared(self, key: str, **parts: object) -> str:
        """A phrase about which side scores more, with the size of the difference."""
        row = self.row
        better = (row["diff"] > 0) == (row["direction"] == "max")
        ci = self._interval(row["diff_ci_lo"], row["diff_ci_hi"], self._sign())
        how = self.language.compared[row["direction"], "same" if row["diff"] == 0 else "better" if better else "worse"]
        return self._say(key, how=how, by=self._amount(abs(row["diff"])), interval=ci, **parts)

    def _sign(self) -> int:
        """Intervals are turned the way that the sentence speaks."""
        return -1 if self.row["diff"] < 0 else 1

    def _signed(self) -> str:
        row = self.row
        interval = self._interval(row["diff_ci_lo"], row["diff_ci_hi"], 1)
        return (self.language.space or self.language.comma).join(
            part for part in (self._amount(row["diff"], signed=True), interval) if part
        )

    def _seeds(self) -> str:
        row, phrases = self.row, self.language.phrases
        if row["n_pairs"]:
            return phrases["splits" if row["p_method"] == "nadeau_bengio" else "pairs"].format(n=row["n_pairs"])
        return phrases["unpaired"].format(n=row["n_ok"], m=row["n_base"])

    def _test(self) -> str:
        row, language = self.row, self.language
        parts = [self._seeds()]
        if row["p_method"] == "welch":
            parts.append(f"Welch t({row['df']:.1f}) = {_minus(row['t'], 2)}")
        elif row["p_method"] == "nadeau_bengio":
            parts.append(language.phrases["nadeau_bengio"])
        elif row["t"] is not None:
            parts.append(f"t({row['df']:.0f}) = {_minus(row['t'], 2)}")
        if row["p_used"] is None:
            return language.comma.join(parts)
        return language.comma.join([*parts, self._p_and_marks()])

    def _p_and_marks(self) -> str:
        row, language = self.row, self.language
        if row["p_adj"] is None:
            p = language.phrases["uncorrected"].format(p=self._p(row["p_used"]))
        else:
            p = self._corrected(row["p_adj"])
        return language.comma.join([p, row["stars"]]) if row["stars"] else p

    def _corrected(self, p: float) -> str:
        """A p with what it was corrected by."""
        size = self.row["family_size"]
        if self.settings.correction == "none" or not size or size < 2:
            return self._p(p)
        return self.language.phrases[self.settings.correction].format(p=self._p(p), n=size)

    def _images_test(self) -> str:
        row, language = self.row, self.language
        interval = self._interval(row["images_lo"], row["images_hi"], self._sign())
        name = language.phrases[row["images_method"]]
        return interval + language.comma + name.format(p=self._p(row["images_p"]))

    def _p(self, p: float) -> str:
        return "p < 0.001" if p < 0.001 else f"p = {p:.2f}" if p >= 0.1 else f"p = {p:.3f}"

    def _mean(self) -> str:
        row = self.row
        factor, digits = (100 if row["unit"] == "fraction" else 1), self._digits(row["std"])
        named = self.language.units.get(row["unit"], row["unit"])
        unit = "%" if row["unit"] == "fraction" else f"{self.language.gap}{named}".rstrip()
        mean = f"{factor * row['mean']:.{digits}f}"
        return f"{mean} ± {factor * row['std']:.{digits}f}{unit}" if row["std"] is not None else f"{mean}{unit}"

    def _amount(self, value: float, signed: bool = False) -> str:
        row = self.row
        factor, digits = (100 if row["unit"] == "fraction" else 1), self._digits(self._half_width())
        unit = self.language.units.get(row["unit"], row["unit"])
        number = _minus(factor * value, digits) if signed else f"{factor * abs(value):.{digits}f}"
        return f"{number}{self.language.gap}{unit}".rstrip()

    def _interval(self, lo: float | None, hi: float | None, sign: int) -> str:
        if lo is None or hi is None:
            return ""
        factor, digits = (100 if self.row["unit"] == "fraction" else 1) * sign, self._digits(self._half_width())
        ends = sorted((factor * lo, factor * hi))
        return self.language.interval.format(*(_minus(end, digits) for end in ends))

    def _half_width(self) -> float | None:
        lo, hi = self.row["diff_ci_lo"], self.row["diff_ci_hi"]
        return None if lo is None or hi is None else (hi - lo) / 2

    def _digits(self, uncertainty: float | None) -> int:
        """Decimals that show two significant digits of the uncertainty; two for a percentage of unknown one."""
        factor = 100 if self.row["unit"] == "fraction" else 1
        if not uncertainty or factor * uncertainty < (1e-5 if factor == 100 else 1e-12):  # a unit may be large
            return 2 if factor == 100 else 4
        return max(1 - math.floor(math.log10(factor * uncertainty)), 0)


def _rounded(count: int) -> int:
    """To two significant digits, upwards: an estimate, and no promise."""
    step = int(10 ** max(len(str(count)) - 2, 0))
    return -(-count // step) * step


def _minus(value: float, digits: int) -> str:
    """A number with a minus sign, not a hyphen, and none before zero."""
    text = f"{value:.{digits}f}"
    return text.replace("-", "−") if float(text) != 0 else text.replace("-", "")

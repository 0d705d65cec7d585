"""Text: BLEU and ROUGE of texts against references, perplexity from the log-probabilities of tokens."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from bakeoff.compare.units import Known
from bakeoff.errors import UserError
from bakeoff.score.columns import Columns, FloatArray
from bakeoff.score.task import Measured, Options, Task, pseudo_values

ROUGE = ("rouge1", "rouge2", "rougeL")
MOST_REFERENCES = 8
_MISSING = (
    "{} needs the packages sacrebleu and rouge-score; install bakeoff with the extra text: uv sync --extra text "
    "(or pip install sacrebleu rouge-score)"
)


def known(name: str) -> Known:
    """Unit, direction and range of a metric of texts."""
    if name == "bleu":
        return Known("points", "max", (0.0, 100.0))
    return Known("", "min", (1.0, None)) if name == "perplexity" else Known("fraction", "max", (0.0, 1.0))


def measure(columns: Columns, options: Options) -> Measured:
    """BLEU and ROUGE where there are `hypothesis` and `reference`, perplexity where `log_prob` and `tokens` are."""
    values: dict[str, float] = {}
    per_row: dict[str, FloatArray] = {}
    answers = b""
    if "hypothesis" in columns:
        columns.need("reference")
        hypotheses = [str(text) for text in columns.texts("hypothesis")]
        references = _references(columns)
        for found in (_bleu(hypotheses, references), _rouge(hypotheses, references)):
            values |= {name: value for name, (value, _) in found.items()}
            per_row |= {name: rows for name, (_, rows) in found.items()}
        answers = "\n".join(hypotheses).encode()
    if "log_prob" in columns:
        value, rows = _perplexity(columns)
        values["perplexity"] = value
        if rows is not None:
            per_row["perplexity"] = rows
        answers += columns.numbers("log_prob").tobytes()
    if not values:
        raise UserError(f"{columns.source}: needs hypothesis and reference, or log_prob and tokens")
    return Measured(values, per_row, answers=answers)


def _references(columns: Columns) -> list[list[str]]:
    """The references of each row [N], at least one; an empty further one is none."""
    names = [name for name in _REFERENCES if name in columns]
    every = [[str(text) for text in columns.texts(name)] for name in names]
    columns.refuse(np.array([not text for text in every[0]]), "reference", "is empty")
    return [[text for k, text in enumerate(texts) if text or not k] for texts in zip(*every, strict=True)]


def _bleu(hypotheses: list[str], references: list[list[str]]) -> dict[str, tuple[float, FloatArray]]:
    """Corpus BLEU by sacrebleu's defaults (13a, exp smoothing, order 4), and without each text."""
    try:
        from sacrebleu.metrics.bleu import BLEU
    except ImportError:
        raise UserError(_MISSING.format("BLEU")) from None
    bleu = BLEU(force=True)
    each = [bleu.corpus_score([made], [[text] for text in known]) for made, known in zip(hypotheses, references)]  # noqa: B905
    counts = np.array([[score.sys_len, score.ref_len, *score.counts, *score.totals] for score in each], dtype=np.int64)
    whole = counts.sum(axis=0)
    value = _of_counts(BLEU, whole)
    without = np.array([_of_counts(BLEU, whole - row) for row in counts])
    return {"bleu": (value, pseudo_values(value, without))}


def _of_counts(bleu: Any, counts: Any) -> float:
    """BLEU of summed counts: lengths of texts and references, then n-grams found and there of orders 1 to 4."""
    system, reference, *ngrams = (int(count) for count in counts)
    score = bleu.compute_bleu(ngrams[:4], ngrams[4:], system, reference, smooth_method="exp").score
    return min(float(score), 100.0)  # rounding may come out above


def _rouge(hypotheses: list[str], references: list[list[str]]) -> dict[str, tuple[float, FloatArray]]:
    """Mean F1 of rouge-score with its stemmer; of several references the best one counts, as there."""
    try:
        from rouge_score.rouge_scorer import RougeScorer
    except ImportError:
        raise UserError(_MISSING.format("ROUGE")) from None
    scorer = RougeScorer(ROUGE, use_stemmer=True)
    scores = [scorer.score_multi(known, made) for made, known in zip(hypotheses, references, strict=True)]
    found = {name: np.array([score[name].fmeasure for score in scores], dtype=np.float64) for name in ROUGE}
    return {name: (float(rows.mean()), rows) for name, rows in found.items()}


def _perplexity(columns: Columns) -> tuple[float, FloatArray | None]:
    """exp of minus all log-probabilities (nats) over all tokens, and what each row does to it."""
    logs, tokens = columns.numbers("log_prob"), columns.numbers("tokens")
    columns.refuse(logs > 0, "log_prob", "{} is above 0, so it is no logarithm of a probability")
    columns.refuse((tokens < 1) | (tokens != np.rint(tokens)), "tokens", "{} is no number of tokens")
    exponent = -float(logs.sum() / tokens.sum())
    if exponent > 200:
        raise UserError(
            f"{columns.source}: log_prob: a perplexity of exp({exponent:.3g}); are these sums of logarithms?"
        )
    value = math.exp(exponent)
    if len(logs) < 2:
        return value, None
    return value, pseudo_values(value, np.exp(-(logs.sum() - logs) / (tokens.sum() - tokens)))


_REFERENCES = ("reference", *(f"reference_{k}" for k in range(2, MOST_REFERENCES + 1)))

TASK = Task(
    name="text",
    rows="texts",
    plain=("hypothesis", *_REFERENCES, "log_prob", "tokens"),
    wide=(),
    truth=(*_REFERENCES, "tokens"),
    primary="bleu",
    known=known,
    measure=measure,
)

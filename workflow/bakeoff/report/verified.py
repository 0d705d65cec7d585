"""Verification: do the embeddings of a network tell two images of one class from two of different classes?"""

from __future__ import annotations

from collections.abc import Callable

from bakeoff.report.load import Results
from bakeoff.report.probed import Probed, Spread, Verified
from bakeoff.report.tabular import Column, Table, build, by_dataset
from bakeoff.report.text import NONE, Names

_NOTE = (
    "All pairs of test images by the cosine of their embeddings. Classes are the identities, and the networks have "
    "learned these very classes. TAR at FAR: the share of pairs of one class that is accepted where so many of the "
    "others are. Accuracy: at the threshold that is best on validation images; most pairs are of two classes, so that "
    "accepting none is right in most. Mean ± standard deviation over seeds; the intervals of each run are in its "
    "verification.json."
)


def table(results: Results, names: Names) -> Table | None:
    """One row a cell; None where no study asked for it."""
    cells = [probed for probed in results.diagnostics.probes if probed.verification]
    if not cells:
        return None
    rates = list(dict.fromkeys(far for probed in cells for far in _of(probed).tar_at_far))

    def column(title: str, figure: Callable[[Verified], Spread], factor: float, digits: int) -> Column[Probed]:
        def text(probed: Probed) -> str:
            mean, std = figure(_of(probed))
            if mean is None:
                return NONE
            return f"{factor * mean:.{digits}f}" + (f" ± {factor * std:.{digits}f}" if std is not None else "")

        return Column(title, text)

    def tar(far: float) -> Callable[[Verified], Spread]:
        return lambda verified: verified.tar_at_far.get(far, (None, None))

    columns: list[Column[Probed]] = [
        Column("Model", lambda probed: names(probed.model), left=True),
        Column("Augmentation", lambda probed: names(probed.augmentation), left=True),
        Column("Pairs of one class / of two", _pairs, left=True),
        column("AUC", lambda verified: verified.auc, 1, 4),
        column("EER, %", lambda verified: verified.eer, 100, 2),
        *(column(f"TAR, %, at FAR {far:g}", tar(far), 100, 1) for far in rates),
        column("Accuracy, %", lambda verified: verified.accuracy, 100, 2),
    ]
    return build("verification", "Verification by embeddings", columns, by_dataset(cells, names), (_NOTE,))


def _of(probed: Probed) -> Verified:
    return probed.verification or Verified("was not asked for")


def _pairs(probed: Probed) -> str:
    verified = _of(probed)
    return f"{NONE} ({verified.reason})" if verified.reason else f"{verified.genuine:,} / {verified.impostor:,}"

"""How evenly the test images are spread over the classes, and with it how much plain accuracy can be trusted."""

from __future__ import annotations

from bakeoff.compare.load import Loaded
from bakeoff.compare.spec import CompareInput
from bakeoff.provenance import Json

UNBALANCED = 1.5
"""The largest class may have so many times the images of the smallest."""


def test_sets(inputs: CompareInput, loaded: Loaded) -> list[Json]:
    """Each data set that has a run that ended well: its test images, largest and smallest class, their ratio."""
    found = {}
    for cell in inputs.cells:
        done, evaluated = loaded.done(cell), loaded.evaluated(cell)
        if evaluated and cell.dataset not in found:
            outcome = evaluated[done[0].seed]
            found[cell.dataset] = _described(
                done[0].class_names, outcome.details["class_counts"] or [], outcome.details["imbalance"]
            )
    return [{"dataset": dataset, **described} for dataset, described in found.items()]


def _described(names: tuple[str, ...], counts: list[int], imbalance: float | None) -> Json:
    order = sorted(range(len(counts)), key=lambda c: (counts[c], c))
    smallest, largest = (order[0], order[-1]) if order else (None, None)
    return {
        "n_test": sum(counts),
        "classes": len(names),
        "imbalance": imbalance,
        "largest": None if largest is None else names[largest],
        "largest_count": None if largest is None else counts[largest],
        "smallest": None if smallest is None else names[smallest],
        "smallest_count": None if smallest is None else counts[smallest],
        # Without any image of a class there is no ratio, and no less reason to warn.
        "unbalanced": bool(order) and (counts[order[0]] == 0 or (imbalance or 1.0) > UNBALANCED),
    }


def warning(test_set: Json) -> str:
    """Why accuracy misleads on an unbalanced data set."""
    ratio = f", {test_set['imbalance']:.1f} to 1" if test_set["imbalance"] else ""
    return (
        f"{test_set['dataset']}: {test_set['largest_count']} test images of {test_set['largest']} and "
        f"{test_set['smallest_count']} of {test_set['smallest']}{ratio}: accuracy misleads, for it can be high while "
        "small classes are missed; read balanced accuracy first"
    )

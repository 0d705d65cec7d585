"""The rows of the comparison: one for each candidate and metric."""

from __future__ import annotations

from collections.abc import Iterator

from bakeoff.compare.cells import ends, metrics, train_seconds
from bakeoff.compare.contrast import Contrast, contrast
from bakeoff.compare.costs import common, cost_of
from bakeoff.compare.families import Judgement, judge
from bakeoff.compare.frontier import Place
from bakeoff.compare.frontiers import JOINT, worth
from bakeoff.compare.grid import groups
from bakeoff.compare.load import Loaded
from bakeoff.compare.paired import Difference
from bakeoff.compare.pool import Pool, pool
from bakeoff.compare.ranking import Standing, standings
from bakeoff.compare.sentences import sentences
from bakeoff.compare.spec import AXES, Comparison, Questions
from bakeoff.provenance import Json, finite


def rows(inputs: Questions, loaded: Loaded) -> list[Json]:
    """The rows of comparison.json: by comparison, data set, context and metric, the baseline first, then candidates."""
    return [row for comparison in inputs.comparisons for row in _comparison_rows(comparison, inputs, loaded)]


def _comparison_rows(comparison: Comparison, inputs: Questions, loaded: Loaded) -> Iterator[Json]:
    known = metrics(inputs, loaded)
    contrasts: list[Contrast] = []
    placed: list[tuple[Standing, Place | None]] = []
    for group in groups(comparison, inputs.cells):
        for name, metric in known.items():
            models = pool(group, name, metric.direction, inputs, loaded)
            standing, place = _standings(models, inputs), worth(models, JOINT, name, inputs.tolerance)
            for candidate in sorted(group.sides, key=lambda value: (value != comparison.baseline, value)):
                contrasts.append(contrast(group, candidate, name, metric.direction, metric.unit, loaded, inputs))
                placed.append((standing[candidate], place.get(candidate)))
    for row, judgement, places in zip(contrasts, judge(contrasts, inputs), placed, strict=True):
        flat = _flat(row, judgement, *places, known[row.metric].unit, loaded)
        yield flat | sentences(flat, inputs)


def _standings(models: Pool, inputs: Questions) -> dict[str, Standing]:
    return standings(
        models.scores,
        models.draws,
        models.direction,
        inputs.alpha[0],
        models.rng("tied"),
        inputs.n_resamples,
        models.untested,
        models.by_image,
        inputs.overlap,
    )


_EFFECTS = ("rel_err_reduction", "d_av", "wins", "ties", "losses", "p_outperform")


def _crossed_method(row: Contrast) -> str | None:
    if row.crossed is None:
        return None
    return "correctness" if row.metric == "accuracy" else "jackknife"


def _flat(
    row: Contrast, judgement: Judgement, standing: Standing, place: Place | None, unit: str, loaded: Loaded
) -> Json:
    group, comparison = row.group, row.group.comparison
    difference = row.difference or Difference("no_pairs")
    crossed, images = row.crossed, row.images
    components = crossed.components if crossed else None
    flat: Json = {
        "dataset": group.dataset,
        "comparison": comparison.name,
        "factor": comparison.factor,
        "context": dict(group.context),
        **{axis: common(getattr(cell, axis) for cell in row.cells) for axis in AXES[1:]},
        comparison.factor: row.candidate,
        "metric": row.metric,
        "unit": unit,
        "direction": row.direction,
        "candidate": row.candidate,
        "baseline": comparison.baseline,
        "n_ok": row.ok.n,
        "n_base": row.base.n,
        "n_pairs": len(difference.seeds) if row.difference else None,
        "seeds_used": list(difference.seeds),
        "seeds_dropped": list(row.seeds_dropped),
        "mean": row.ok.mean,
        "std": row.ok.std,
        **ends("mean_lo", "mean_hi", row.ok_interval),
        "base_mean": row.base.mean,
        "base_std": row.base.std,
        "diff": difference.diff,
        **ends("diff_ci_lo", "diff_ci_hi", difference.ci),
        **ends("boot_lo", "boot_hi", row.boot),
        **ends("bca_lo", "bca_hi", row.sensitivity.bca),
        **{name: getattr(difference, name) for name in ("t", "df", "p_raw", "p_exact")},
        "p_wilcoxon": row.sensitivity.p_wilcoxon,
        "p_welch": row.sensitivity.p_welch,
        **{name: getattr(difference, name) for name in ("p_nb", "p_used", "p_method")},
        **{name: getattr(judgement, name) for name in ("p_adj", "family", "family_size", "stars", "dagger", "verdict")},
        "scope": judgement.scope,
        "d_z": difference.d_z,
        **{name: getattr(row.effects, name) for name in _EFFECTS},
        **ends("p_outperform_lo", "p_outperform_hi", row.effects.outperform_ci),
        "seed_correlation": row.effects.seed_correlation,
        "p_tost": judgement.p_tost,
        "p_tost_adj": judgement.p_tost_adj,
        "rope": row.rope,
        "images_diff": images.diff if images else None,
        **ends("images_lo", "images_hi", images.ci if images else None),
        "images_p": images.p if images else None,
        "images_method": images.method if images else None,
        "crossed_method": _crossed_method(row),
        "crossed_diff": crossed.diff if crossed else None,
        **ends("crossed_lo", "crossed_hi", crossed.ci if crossed else None),
        "crossed_df": crossed.df if crossed else None,
        "crossed_p": crossed.p if crossed else None,
        "crossed_p_adj": judgement.crossed_p_adj,
        "var_seed": components.seed if components else None,
        "var_image": components.image if components else None,
        "var_inter": components.inter if components else None,
        "gain_double_seeds": crossed.gain_double_seeds if crossed else None,
        "gain_double_images": crossed.gain_double_images if crossed else None,
        "mde80": judgement.mde80,
        **{
            name: getattr(judgement.needed, name)
            for name in ("seeds_for_rope", "seeds_for_observed", "images_for_rope")
        },
        "completion": row.completion,
        "worst_diff": row.worst.diff if row.worst else None,
        "worst_p": row.worst.p_used if row.worst else None,
        "rank": standing.rank,
        **ends("rank_lo", "rank_hi", standing.interval),
        "rank_scope": standing.scope,
        "p_best": standing.p_best,
        "tied_with_best": standing.tied_with_best,
        "p_frontier": place.p_frontier if place else None,
        "dominated_by": dict(place.dominated_by) if place else {},
        **cost_of(row.cells, loaded),
        "train_seconds": train_seconds(row.cells, loaded),
        "status": difference.status if row.difference else "baseline",
        "warnings": [*row.warnings, *judgement.warnings],
    }
    return {name: finite(value) if isinstance(value, float) else value for name, value in flat.items()}

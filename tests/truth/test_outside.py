"""Numbers of others through `bakeoff compare`, from the file to the table, against what was published of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Call

# "Student" (1908), The probable error of a mean, Biometrika 6: hours of sleep gained by two drugs. R's ?sleep.
SLEEP = {
    "1": (0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0),
    "2": (1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4),
}
BASE = (0.912, 0.914, 0.909, 0.911, 0.915, 0.910, 0.913, 0.908, 0.916, 0.912)
GAIN = 0.009


def compared(call: Call, path: Path, *options: str) -> tuple[dict[str, Any], str]:
    """The candidate's row of comparison.json, and what the terminal shows."""
    out = path.with_suffix("")
    shown = call("compare", str(path), *options, "--out", str(out))
    assert shown.status == 0, shown.err
    (row,) = [r for r in json.loads((out / "comparison.json").read_text())["rows"] if r["status"] != "baseline"]
    return row, shown.out


def write(path: Path, metric: str, models: dict[str, Any], places: int) -> Path:
    lines = [f"{m},{s},{metric},{v:.{places}f}" for m, values in models.items() for s, v in enumerate(values)]
    path.write_text("\n".join(["model,seed,metric,value", *lines]) + "\n")
    return path


def test_students_sleep(call: Call, tmp_path: Path) -> None:
    path = write(tmp_path / "sleep.csv", "hours of sleep gained", SLEEP, 1)
    row, shown = compared(call, path, "--baseline", "1", "--direction", "max", "--unit", "hours")
    # R: t.test(extra ~ group, sleep, paired = TRUE): t = 4.0621, df = 9, p-value = 0.002833, 0.7001142 to 2.4598858
    assert row["t"] == pytest.approx(4.0621, abs=5e-5)
    assert row["df"] == 9
    assert row["p_raw"] == pytest.approx(0.002833, abs=5e-7)
    assert (row["diff_ci_lo"], row["diff_ci_hi"]) == pytest.approx((0.7001142, 2.4598858), abs=5e-8)
    assert "+1.58 (+0.70 to +2.46)" in shown
    assert "hours" in shown


@pytest.mark.parametrize(
    ("written", "options"),
    [
        ({"metric": "accuracy", "scale": 1.0, "places": 3}, ()),
        ({"metric": "accuracy", "scale": 100.0, "places": 1}, ()),
        ({"metric": "error", "scale": -1.0, "places": 3}, ("--direction", "min", "--unit", "fraction")),
        ({"metric": "error", "scale": -100.0, "places": 1}, ("--direction", "min", "--unit", "percent")),
    ],
    ids=["fractions", "per cent", "errors", "errors in per cent"],
)
def test_ten_equal_differences_are_significant_by_the_exact_test_and_have_no_t(
    call: Call,
    tmp_path: Path,
    written: dict[str, Any],
    options: tuple[str, ...],
) -> None:
    """A t-test of these gives t = inf and p = 0.0, or 4e14 and 1e-128 in per cent: rounding, and no evidence."""
    scale = written["scale"]

    def shown_as(accuracy: float) -> float:
        return scale * accuracy if scale > 0 else -scale * (1 - accuracy)

    models = {"old": [shown_as(v) for v in BASE], "new": [shown_as(v + GAIN) for v in BASE]}
    path = write(tmp_path / "scores.csv", written["metric"], models, written["places"])
    row, shown = compared(call, path, "--baseline", "old", *options)
    assert (row["status"], row["verdict"], row["stars"]) == ("zero_variance", "better", "★★")
    assert (row["t"], row["p_raw"], row["d_z"]) == (None, None, None)
    # Of 2^10 ways to flip ten signs, two are as extreme: all as seen, and all turned.
    assert row["p_exact"] == row["p_adj"] == 2 / 2**10
    assert abs(row["diff"]) == pytest.approx(GAIN, abs=1e-12)
    assert (row["diff_ci_lo"], row["diff_ci_hi"]) == (row["diff"], row["diff"])
    assert "0.002 ★★ (sign flip)" in shown
    assert "all 10 differences are equal: no t-test; p is that of the exact sign-flip test" in shown
    page = (tmp_path / "scores" / "comparison.md").read_text()
    assert "all 10 differences are equal" in page
    assert "nan" not in page.lower()
    assert "NaN" not in (tmp_path / "scores" / "comparison.json").read_text()

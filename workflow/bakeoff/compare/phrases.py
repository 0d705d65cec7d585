"""The words of the sentences about a row: English and Japanese, clause by clause.

{c} and {b} are candidate and baseline, {m} the metric, {how} ... {by} the difference in the direction of the sentence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Language:
    """`space` stands between sentences, `gap` between a number and its unit, `comma` between the parts of a test."""

    space: str
    gap: str
    comma: str
    interval: str
    units: Mapping[str, str]
    metrics: Mapping[str, str]
    compared: Mapping[tuple[str, str], str]
    phrases: Mapping[str, str]


# Of predictions made elsewhere (`bakeoff score`): initials, the same in any language.
_INITIALS = {
    **{name: name.upper() for name in ("auc", "bleu", "eer", "mae", "mape", "mse", "rmse")},
    **{name: name.replace("rouge", "ROUGE-") for name in ("rouge1", "rouge2", "rougeL")},
    "r2": "R²",
}

ENGLISH = Language(
    space=" ",
    gap=" ",
    comma=", ",
    interval="[{}, {}]",
    units={"fraction": "points", "coefficient": "", "squared error": "", "relative error": ""},
    metrics={
        **_INITIALS,
        "balanced_accuracy": "balanced accuracy",
        "macro_f1": "macro F1",
        "micro_f1": "micro F1",
        "weighted_f1": "weighted F1",
        "macro_precision": "macro precision",
        "macro_recall": "macro recall",
        "top5": "top-5 accuracy",
        "log_loss": "log loss",
        "log_loss_calibrated": "log loss after calibration",
        "brier": "Brier score",
        "mcc": "Matthews correlation",
        "cohen_kappa": "Cohen's kappa",
        "auroc_ovr": "AUROC (one versus rest)",
        "auroc_ovo": "AUROC (one versus one)",
        "average_precision": "average precision",
        "ece": "calibration error (ECE)",
        "adaptive_ece": "adaptive calibration error",
        "ece_calibrated": "calibration error after calibration",
        "overfitting_gap": "overfitting gap",
    },
    compared={
        ("max", "better"): "higher",
        ("max", "worse"): "lower",
        ("min", "better"): "lower (better)",
        ("min", "worse"): "higher (worse)",
        ("max", "same"): "higher",
        ("min", "same"): "higher",
    },
    phrases={
        "no_runs": "{c} has no finished run with a value of {m}.",
        "baseline": "{b} is the baseline; its {m} is {mean} (mean ± standard deviation over seeds).",
        "baseline_one": "{b} is the baseline; its {m} is {mean} at its only seed.",
        "no_pairs": "{c} cannot be compared with {b} in {m}: there are no runs to test.",
        "identical_seeds": "{c} is not tested against {b}: several seeds gave the same predictions, so they are no "
        "repetitions.",
        "one_seed": "At the only seed of both, the {m} of {c} is {by} {how} than that of {b}; one seed cannot say what "
        "another would give.",
        "images_only": "For these two trained models the 95% interval over test images is {test}.",
        "one_run": "The {m} of {c} is {by} {how} than that of {b}, but one of them has a single run, and nothing pairs "
        "it: that cannot say what another run would give.",
        "images_runs": "For the trained models at hand the 95% interval over test images is {test}.",
        "too_few": "Over {few} seeds the {m} of {c} is {by} {how} than that of {b} {interval}, but so few seeds "
        "allow no test.",
        "identical": "{c} and {b} have the same {m} at all {n} seeds, which leaves no difference to test.",
        "exploratory": "Exploratory: the {m} of {c} is {by} {how} than that of {b} {interval} ({test}).",
        "zero_variance": "The {m} of {c} is {by} {how} than that of {b} at every one of {n} paired seeds; differences "
        "without spread have no t, and the exact sign-flip test gives {test}.",
        "starred": "On this test set, the {m} of {c} is {by} {how} than that of {b} {interval} ({test}).",
        "equivalent": "On this test set, {c} and {b} are equivalent in {m} within ±{rope}: the difference is {signed} "
        "({test}, equivalence test: {p}).",
        "small": "It is shown to be smaller than the margin of {rope} (equivalence test: {p}).",
        "inconclusive": "Whether {c} and {b} differ in {m} remains open: the difference is {signed} ({test}). That "
        "is no evidence that they are equal.",
        "interval_uncorrected": "The interval is not corrected for the number of comparisons.",
        "mde": "Four of five such studies would find a true difference of {amount}.",
        "rope_seeds": "To find a difference of {rope} on this test set takes about {n} seeds.",
        "rope_images": "To find a difference of {rope} for new images takes about {n} test images at these seeds.",
        "images_unknown": "Nothing is known of new images.",
        "images_too": "It holds for new images too, with the interval {interval} (◆).",
        "images_not": "For new images it is not shown: there the interval is {interval}.",
        "images_interval": "For new images the interval is {interval}.",
        "limit_images": "The test set, not the seeds, is the limit: twice the seeds would shrink this interval by "
        "{seeds}%, twice the test images by {images}%.",
        "limit_seeds": "The seeds, not the test set, are the limit: twice the seeds would shrink this interval by "
        "{seeds}%, twice the test images by {images}%.",
        "normality": "With so few seeds, this rests on the differences being normal.",
        "completion": "Only {share}% of the planned runs of the candidate ended well.",
        "worst": "Were every failed run as bad as the worst of its side, the difference would be {amount}{p}.",
        "pairs": "{n} paired seeds",
        "splits": "{n} paired splits",
        "unpaired": "{n} and {m} seeds, none shared",
        "nadeau_bengio": "corrected resampled t-test",
        "uncorrected": "uncorrected {p}",
        "holm": "Holm-corrected {p} over {n} comparisons",
        "bh": "Benjamini-Hochberg-corrected {p} over {n} comparisons",
        "in_brackets": " ({})",
        "mcnemar": "exact McNemar {p}, uncorrected",
        "seed_averaged": "z-test over images {p}, uncorrected",
        "gate_only": "On {d}, {c} is recommended: of {n} candidates it alone is shown to meet every requirement.",
        "gate_best": "On {d}, {c} is recommended: of the {k} of {n} candidates shown to meet every requirement it has "
        "the best {m}, {score}, and the tests tell all others from it.",
        "gate_cheapest": "On {d}, {c} is recommended: of the {k} of {n} candidates shown to meet every requirement it "
        "has the best {m}, {score}, and none that the tests do not tell from it costs less ({cost}).",
        "gate_tied": "On {d}, {c} is recommended: of the {k} of {n} candidates shown to meet every requirement it "
        "costs least ({cost}) among those whose {m} the tests do not tell from the best ({score} against {best} of "
        "{leader}).",
        "gate_untested": "On {d}, {c} is recommended: of the {k} of {n} candidates shown to meet every requirement it "
        "has the best mean {m}, {score}, but so few seeds allow no test of that.",
        "gate_uncosted": "On {d}, {c} is recommended: of the {k} of {n} candidates shown to meet every requirement it "
        "has the best mean {m}, {score}; others cannot be told from it, but no {p} is known to choose by.",
        "gate_fail": "On {d}, none of {n} candidates meets every requirement ({stops}); the nearest is {c}: {what}.",
        "gate_open": "On {d}, none of {n} candidates is shown to meet every requirement ({stops}); the nearest is {c}: "
        "{what}.",
        "gate_stops": "{r} stops {names}",
        "gate_leaves": "{r} is undecided for {names}",
        "gate_lost": "runs that failed or are missing leave {names} undecided",
        "gate_runs": "not all of its runs finished",
        "gate_between": "; ",
        "gate_is": " ",
        "gate_all": "all",
        "gate_more": " and {n} more",
        "gate_unknown": "unknown",
        "gate_augmentation": "augmentation {}",
        "gate_recipe": "recipe {}",
    },
)

JAPANESE = Language(
    space="",
    gap="",
    comma="、",
    interval="95%信頼区間{}〜{}",
    units={"fraction": "ポイント", "nats": "ナット", "coefficient": "", "squared error": "", "relative error": ""},
    metrics={
        **_INITIALS,
        "accuracy": "正解率",
        "balanced_accuracy": "バランス正解率",
        "macro_f1": "マクロ平均F1",
        "micro_f1": "マイクロ平均F1",
        "weighted_f1": "加重平均F1",
        "macro_precision": "マクロ平均適合率",
        "macro_recall": "マクロ平均再現率",
        "top5": "Top-5正解率",
        "log_loss": "対数損失",
        "log_loss_calibrated": "較正後の対数損失",
        "brier": "Brierスコア",
        "mcc": "Matthews相関係数",
        "cohen_kappa": "Cohenのκ係数",
        "auroc_ovr": "AUROC（一対他）",
        "auroc_ovo": "AUROC（一対一）",
        "average_precision": "平均適合率",
        "ece": "期待較正誤差（ECE）",
        "adaptive_ece": "適応的期待較正誤差",
        "ece_calibrated": "較正後の期待較正誤差",
        "overfitting_gap": "過学習ギャップ",
        "distance": "距離",
    },
    compared={
        ("max", "better"): "高い",
        ("max", "worse"): "低い",
        ("min", "better"): "低い（良い）",
        ("min", "worse"): "高い（悪い）",
        ("max", "same"): "高い",
        ("min", "same"): "高い",
    },
    phrases={
        "no_runs": "{c}には、{m}の値がある完了した実行がない。",
        "baseline": "{b}はベースラインであり、その{m}は{mean}である（シード間の平均±標準偏差）。",
        "baseline_one": "{b}はベースラインであり、その{m}は{mean}である（シード1個のみ）。",
        "no_pairs": "{c}と{b}の{m}は比較できない。検定できる実行がない。",
        "identical_seeds": "{c}と{b}の比較は検定していない。複数のシードで予測が完全に一致しており、"
        "独立した繰り返しとはみなせないためである。",
        "one_seed": "共通する唯一のシードでは、{c}の{m}は{b}より{by}{how}。ただし、"
        "シード1個では別のシードでの結果については何も言えない。",
        "images_only": "この2つの学習済みモデルに限れば、テスト画像の偶然だけを考えた結果は{test}である。",
        "one_run": "{c}の{m}は{b}より{by}{how}。ただし、一方は1回の実行しかなく対応もないため、"
        "別の実行での結果については何も言えない。",
        "images_runs": "手元の学習済みモデルに限れば、テスト画像の偶然だけを考えた結果は{test}である。",
        "too_few": "シード{few}個の平均では、{c}の{m}は{b}より{by}{how}（{interval}）。ただし、"
        "シードが少なすぎるため検定はできない。",
        "identical": "{c}と{b}の{m}は{n}個のシードすべてで一致しており、検定すべき差がない。",
        "exploratory": "探索的な結果として、{c}の{m}は{b}より{by}{how}（{interval}、{test}）。",
        "zero_variance": "対応のある{n}個のシードすべてで、{c}の{m}は{b}より{by}{how}。"
        "差にばらつきがないためt値は求められず、"
        "符号反転による正確検定の結果は{test}である。",
        "starred": "このテストセットでは、{c}の{m}は{b}より{by}{how}（{interval}、{test}）。",
        "equivalent": "このテストセットでは、{c}と{b}の{m}は±{rope}の範囲で同等である（差{signed}、{test}、"
        "同等性検定は{p}）。",
        "small": "この差が同等とみなす範囲±{rope}に収まることも示されている（同等性検定は{p}）。",
        "inconclusive": "{c}と{b}の{m}に差があるかどうかは判断できない（差{signed}、{test}）。"
        "これは差がないことを示すものではない。",
        "interval_uncorrected": "この信頼区間には多重比較の補正をしていない。",
        "mde": "真の差が{amount}であれば、同規模の実験5回のうち4回で検出できる。",
        "rope_seeds": "このテストセットで{rope}の差を検出するには、約{n}個のシードが必要である。",
        "rope_images": "新しい画像に対して{rope}の差を検出するには、このシード数で約{n}枚のテスト画像が必要である。",
        "images_unknown": "新しい画像については不明である。",
        "images_too": "この結果は新しい画像に対しても成り立つ（{interval}、◆）。",
        "images_not": "新しい画像に対しては、この差は示されていない（{interval}）。",
        "images_interval": "新しい画像に対する差については、{interval}である。",
        "limit_images": "区間の幅を主に決めているのは、シード数ではなくテストセットである。この区間は、"
        "シード数を2倍にすると{seeds}%、"
        "テスト画像の枚数を2倍にすると{images}%縮む見込みである。",
        "limit_seeds": "区間の幅を主に決めているのは、テストセットではなくシード数である。この区間は、"
        "シード数を2倍にすると{seeds}%、"
        "テスト画像の枚数を2倍にすると{images}%縮む見込みである。",
        "normality": "シードが少ないため、この結論は差の正規性を前提としている。",
        "completion": "候補について計画した実行のうち、正常に終了したのは{share}%のみである。",
        "worst": "失敗した実行をすべて、それぞれのモデルで最も悪かった結果とみなすと、差は{amount}{p}になる。",
        "pairs": "対応のあるシード{n}個",
        "splits": "対応のある分割{n}個",
        "unpaired": "シード{n}個と{m}個、共通のシードなし",
        "nadeau_bengio": "補正リサンプリングt検定",
        "uncorrected": "補正なしの{p}",
        "holm": "{n}件の比較に対するHolm補正後の{p}",
        "bh": "{n}件の比較に対するBenjamini-Hochberg補正後の{p}",
        "in_brackets": "（{}）",
        "mcnemar": "McNemarの正確検定で補正なしの{p}",
        "seed_averaged": "画像に対するz検定で補正なしの{p}",
        "gate_only": "{d}では{c}を推奨する。すべての要件を満たすことが示された候補は、{n}個のうちこれだけである。",
        "gate_best": "{d}では{c}を推奨する。すべての要件を満たすことが示された候補（{n}個のうち{k}個）の中で、"
        "{m}が最も良く（{score}）、検定でほかのすべての候補と区別できる。",
        "gate_cheapest": "{d}では{c}を推奨する。すべての要件を満たすことが示された候補（{n}個のうち{k}個）の中で、"
        "{m}が最も良く（{score}）、検定で区別できない候補にこれよりコスト（{cost}）の低いものはない。",
        "gate_tied": "{d}では{c}を推奨する。すべての要件を満たすことが示された候補（{n}個のうち{k}個）の中で、"
        "{m}が最良の候補（{leader}、{best}）と検定で区別できないもの（{score}）のうち、コスト（{cost}）が最も低い。",
        "gate_untested": "{d}では{c}を推奨する。すべての要件を満たすことが示された候補（{n}個のうち{k}個）の中で、"
        "{m}の平均が最も良い（{score}）。ただし、シードが少ないため検定はできない。",
        "gate_uncosted": "{d}では{c}を推奨する。すべての要件を満たすことが示された候補（{n}個のうち{k}個）の中で、"
        "{m}の平均が最も良い（{score}）。区別できない候補はあるが、{p}が不明なためコストでは選べない。",
        "gate_fail": "{d}では、{n}個の候補のうちすべての要件を満たすものはない（{stops}）。"
        "最も近いのは{c}である（{what}）。",
        "gate_open": "{d}では、{n}個の候補のうちすべての要件を満たすことが示されたものはない（{stops}）。"
        "最も近いのは{c}である（{what}）。",
        "gate_stops": "{names}は{r}を満たさない",
        "gate_leaves": "{names}が{r}を満たすかどうかは判断できない",
        "gate_lost": "失敗または未完了の実行があるため{names}は判断できない",
        "gate_runs": "一部の実行が完了していない",
        "gate_between": "；",
        "gate_is": "は",
        "gate_all": "すべての候補",
        "gate_more": "ほか{n}個",
        "gate_unknown": "不明",
        "gate_augmentation": "データ拡張{}",
        "gate_recipe": "学習設定{}",
    },
)

LANGUAGES = {"en": ENGLISH, "ja": JAPANESE}

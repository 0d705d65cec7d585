"""What a row says in words, in both languages."""

from __future__ import annotations

import unicodedata

import pytest

from bakeoff.compare.phrases import ENGLISH, JAPANESE
from bakeoff.compare.sentences import sentences
from bakeoff.compare.spec import CompareSettings

ROW = {
    "candidate": "resnet20", "baseline": "lenet5", "metric": "accuracy", "unit": "fraction", "direction": "max",
    "status": "ok", "verdict": "better", "n_ok": 10, "n_base": 10, "n_pairs": 10, "mean": 0.92, "std": 0.004,
    "diff": 0.009, "diff_ci_lo": 0.005, "diff_ci_hi": 0.013, "t": 5.091, "df": 9.0, "p_used": 0.00066,
    "p_method": "paired_t", "p_adj": 0.004, "family_size": 6, "stars": "★★", "dagger": "", "p_tost_adj": 0.9,
    "rope": 0.005, "crossed_lo": 0.003, "crossed_hi": 0.015, "crossed_p_adj": 0.01, "gain_double_seeds": 0.08,
    "gain_double_images": 0.27, "mde80": 0.0048, "seeds_for_rope": 11, "images_for_rope": 123_456, "completion": 1.0,
    "worst_diff": None, "worst_p": None, "images_p": None, "images_lo": None, "images_hi": None, "images_method": None,
}  # fmt: skip
SETTINGS = CompareSettings()


def said(**changes):
    both = sentences({**ROW, **changes}, SETTINGS)
    return both["sentence"], both["sentence_ja"]


def test_a_better_model_for_new_images_too():
    assert said() == (
        "On this test set, the accuracy of resnet20 is 0.90 points higher than that of lenet5 [0.50, 1.30] (10 paired "
        "seeds, t(9) = 5.09, Holm-corrected p = 0.004 over 6 comparisons, ★★). It holds for new images too, with the "
        "interval [0.30, 1.50] (◆).",
        "このテストセットでは、resnet20の正解率はlenet5より0.90ポイント高い（95%信頼区間0.50〜1.30、対応のあるシード10個、"
        "t(9) = 5.09、6件の比較に対するHolm補正後のp = 0.004、★★）。この結果は新しい画像に対しても成り立つ"
        "（95%信頼区間0.30〜1.50、◆）。",
    )


def test_better_on_these_images_only_names_the_limit():
    changes = {"verdict": "inconclusive", "crossed_p_adj": 0.08, "crossed_lo": -0.001, "crossed_hi": 0.019}
    english, japanese = said(**changes)
    assert english.endswith(
        "For new images it is not shown: there the interval is [−0.10, 1.90]. The test set, not the seeds, is the "
        "limit: twice the seeds would shrink this interval by 8%, twice the test images by 27%. To find a difference "
        "of 0.50 points for new images takes about 130,000 test images at these seeds."
    )
    assert japanese.endswith(
        "新しい画像に対しては、この差は示されていない（95%信頼区間−0.10〜1.90）。区間の幅を主に決めているのは、シード数ではなく"
        "テストセットである。この区間は、シード数を2倍にすると8%、テスト画像の枚数を2倍にすると27%縮む見込みである。"
        "新しい画像に対して0.50ポイントの差を検出するには、このシード数で約130,000枚のテスト画像が必要である。"
    )
    assert "The seeds, not the test set, are the limit" in said(**changes, gain_double_seeds=0.3)[0]


def test_an_interval_for_new_images_without_zero_that_is_not_shown_after_correction():
    english, japanese = said(verdict="inconclusive", crossed_p_adj=0.07, crossed_lo=0.001, crossed_hi=0.017)
    assert "there the interval is [0.10, 1.70]. The interval is not corrected for the number of comparisons." in english
    assert "（95%信頼区間0.10〜1.70）。この信頼区間には多重比較の補正をしていない。" in japanese


def test_a_worse_model_turns_its_interval():
    english, japanese = said(
        verdict="worse", diff=-0.009, diff_ci_lo=-0.013, diff_ci_hi=-0.005, t=-5.09, stars="▼▼", crossed_p_adj=None
    )
    assert "0.90 points lower than that of lenet5 [0.50, 1.30]" in english
    assert "t(9) = −5.09" in english
    assert english.endswith("Nothing is known of new images.")
    assert "0.90ポイント低い（95%信頼区間0.50〜1.30" in japanese


def test_less_is_better_where_it_is():
    english, japanese = said(
        metric="log_loss", unit="nats", direction="min", diff=-0.03, diff_ci_lo=-0.05, diff_ci_hi=-0.01
    )
    assert "the log loss of resnet20 is 0.030 nats lower (better) than that of lenet5 [0.010, 0.050]" in english
    assert "resnet20の対数損失はlenet5より0.030ナット低い（良い）" in japanese


def test_not_shown_is_not_equal():
    english, japanese = said(
        verdict="inconclusive", stars="", diff=0.002, diff_ci_lo=-0.004, diff_ci_hi=0.008, p_adj=0.4, t=0.75,
        crossed_p_adj=0.5, crossed_lo=-0.006, crossed_hi=0.01,
    )  # fmt: skip
    assert english.startswith(
        "Whether resnet20 and lenet5 differ in accuracy remains open: the difference is 0.20 points"
    )
    assert "That is no evidence that they are equal." in english
    assert "Four of five such studies would find a true difference of 0.48 points." in english
    assert "takes about 11 seeds" in english
    assert "takes about 130,000 test images at these seeds" in english
    assert "For new images the interval is [−0.60, 1.00]." in english
    assert "判断できない（差0.20ポイント、95%信頼区間−0.40〜0.80" in japanese
    assert "これは差がないことを示すものではない。" in japanese
    assert "not corrected" not in english


def test_an_interval_without_zero_that_is_not_shown_after_correction():
    english, japanese = said(verdict="inconclusive", stars="", p_adj=0.07)
    assert "The interval is not corrected for the number of comparisons." in english
    assert "この信頼区間には多重比較の補正をしていない。" in japanese


def test_a_difference_that_is_sure_and_does_not_matter_is_said_to_be_small():
    english, japanese = said(p_tost_adj=0.01)
    assert (
        "★★). It is shown to be smaller than the margin of 0.50 points (equivalence test: Holm-corrected p" in english
    )
    assert "同等とみなす範囲±0.50ポイントに収まることも示されている" in japanese
    constant = said(status="zero_variance", verdict="equivalent", stars="", t=None, p_tost_adj=0.03, p_adj=0.06)[0]
    assert "at every one of 10 paired seeds" in constant
    assert "smaller than the margin" in constant
    assert "margin" not in said()[0]


def test_equivalent_is_said_with_its_margin():
    english, japanese = said(
        verdict="equivalent", stars="", diff=0.001, diff_ci_lo=-0.001, diff_ci_hi=0.003, p_tost_adj=0.002, p_adj=0.3
    )
    assert "equivalent in accuracy within ±0.50 points: the difference is 0.10 points [−0.10, 0.30]" in english
    assert "equivalence test: Holm-corrected p = 0.002 over 6 comparisons" in english
    assert "±0.50ポイントの範囲で同等である（差0.10ポイント、95%信頼区間−0.10〜0.30" in japanese


@pytest.mark.parametrize(
    ("changes", "english", "japanese"),
    [
        (
            {"status": "baseline", "candidate": "lenet5"},
            "lenet5 is the baseline; its accuracy is 92.00 ± 0.40%",
            "ベースライン",
        ),
        ({"status": "baseline", "n_ok": 1, "std": None}, "at its only seed", "シード1個のみ"),
        ({"mean": None, "diff": None}, "has no finished run", "完了した実行がない"),
        ({"status": "no_pairs", "diff": None, "verdict": "not testable"}, "cannot be compared with", "比較できない"),
        ({"status": "identical_seeds", "verdict": "not testable"}, "they are no repetitions", "繰り返しとはみなせない"),
        ({"status": "two_seeds", "verdict": "not testable", "n_pairs": 2}, "Over 2 seeds", "シード2個の平均"),
        (
            {"status": "identical", "diff": 0.0, "verdict": "inconclusive", "stars": ""},
            "the same accuracy at all 10",
            "一致",
        ),
        ({"status": "zero_variance", "t": None}, "exact sign-flip test gives Holm-corrected p = 0.004", "正確検定"),
        ({"verdict": "exploratory", "p_adj": None, "stars": ""}, "Exploratory: the accuracy", "探索的な結果"),
        (
            {"status": "unpaired", "p_method": "welch", "n_pairs": 0, "df": 17.78},
            "Welch t(17.8) = 5.09",
            "共通のシードなし",
        ),
        ({"p_method": "nadeau_bengio"}, "10 paired splits, corrected resampled t-test", "補正リサンプリングt検定"),
        ({"dagger": "†"}, "rests on the differences being normal", "正規性を前提"),
        (
            {"dagger": "‡", "completion": 0.7, "worst_diff": -0.02, "worst_p": 0.2},
            "would be −2.00 points (uncorrected p = 0.20)",
            "−2.00ポイント（補正なしのp = 0.20）",
        ),
        ({"family_size": 1, "p_adj": 0.00004}, "t(9) = 5.09, p < 0.001, ★★", "p < 0.001"),
    ],
)
def test_every_situation_has_its_words(changes, english, japanese):
    in_english, in_japanese = said(**changes)
    assert english in in_english
    assert japanese in in_japanese


def test_one_seed_speaks_of_the_trained_models():
    english, japanese = said(
        status="one_seed", verdict="not testable", n_pairs=1, diff_ci_lo=None, diff_ci_hi=None, images_p=0.03,
        images_lo=0.001, images_hi=0.017, images_method="mcnemar",
    )  # fmt: skip
    assert (
        "For these two trained models the 95% interval over test images is [0.10, 1.70], exact McNemar p = 0.030"
        in english
    )
    assert "学習済みモデルに限れば" in japanese


def test_names_of_others_are_only_text():
    name = "<b>{0}%s & x_y</b>"
    assert name in said(candidate=name)[0]


def test_both_languages_say_the_same_things():
    assert ENGLISH.phrases.keys() == JAPANESE.phrases.keys()
    assert ENGLISH.metrics.keys() <= JAPANESE.metrics.keys()
    for key, phrase in ENGLISH.phrases.items():
        assert {part for part in ("{c}", "{b}", "{m}", "{test}") if part in phrase} == {
            part for part in ("{c}", "{b}", "{m}", "{test}") if part in JAPANESE.phrases[key]
        }, key


def test_japanese_has_its_own_punctuation_and_plain_digits():
    for key, phrase in JAPANESE.phrases.items():
        assert not set(phrase) & set(",;()"), key
        assert not any(unicodedata.east_asian_width(c) == "F" and c.isdigit() for c in phrase), key
        assert not phrase.endswith("."), key

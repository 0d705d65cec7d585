"""The metrics of `bakeoff score`: one example a task with its expected numbers and where they are from."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from scipy import linalg
from sklearn import metrics as sk

from bakeoff.evaluate.predictions import Predictions
from bakeoff.score import classification, generation, regression, text, verification
from bakeoff.score.columns import read
from bakeoff.score.task import Options, Task


def columns(task: Task, **arrays):
    packed = io.BytesIO()
    np.savez(packed, **arrays)
    return read(packed.getvalue(), "a.npz", task.plain, task.wide, ("made_by",))


def measured(task: Task, options: Options = Options(), **arrays):  # noqa: B008
    return task.measure(columns(task, **arrays), options)


def test_classification_as_scikit_learn_has_it():
    rng = np.random.default_rng(0)
    y_true, logits = rng.integers(0, 7, 300), rng.normal(size=(300, 7))
    found = measured(classification.TASK, y_true=y_true, logits=logits).values
    answers, proba = logits.argmax(axis=1), Predictions(y_true, logits).proba
    assert found["accuracy"] == pytest.approx(sk.accuracy_score(y_true, answers))
    assert found["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y_true, answers))
    assert found["macro_f1"] == pytest.approx(sk.f1_score(y_true, answers, average="macro"))
    assert found["top5"] == pytest.approx(sk.top_k_accuracy_score(y_true, logits, k=5))
    assert found["log_loss"] == pytest.approx(sk.log_loss(y_true, proba))
    assert found["auroc_ovr"] == pytest.approx(sk.roc_auc_score(y_true, proba, multi_class="ovr"))
    of_proba = measured(classification.TASK, y_true=y_true, probabilities=proba).values
    assert of_proba == {name: pytest.approx(value, abs=1e-9) for name, value in found.items()}


def test_answers_alone_as_scikit_learn_documents_them():
    """The example of sklearn.metrics.cohen_kappa_score, 0.6875, by names of classes."""
    y_true = ["negative", "positive", "negative", "neutral", "positive"]
    y_pred = ["negative", "positive", "negative", "neutral", "negative"]
    found = measured(classification.TASK, y_true=np.array(y_true), y_pred=np.array(y_pred)).values
    assert found["cohen_kappa"] == pytest.approx(0.6875)
    assert found["accuracy"] == 0.8
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(y_true, y_pred))
    assert "log_loss" not in found


def test_regression_as_scikit_learn_documents_it():
    """The example of each of these functions' pages: 0.375, 0.612, 0.5, 0.948 and 0.3273."""
    y_true, y_pred = np.array([3, -0.5, 2, 7]), np.array([2.5, 0.0, 2, 8])
    found = measured(regression.TASK, y_true=y_true, y_pred=y_pred).values
    assert found == {
        "mse": 0.375,
        "rmse": pytest.approx(0.61237, abs=1e-5),
        "mae": 0.5,
        "r2": pytest.approx(0.948608, abs=1e-6),
        "mape (floor 0.001)": pytest.approx(0.327381, abs=1e-6),
    }
    # By hand: with |y| of at least 2 these are 0.5/3, 0.5/2, 0 and 1/7.
    floored = measured(regression.TASK, Options(floor=2.0), y_true=y_true, y_pred=y_pred).values
    assert floored["mape (floor 2)"] == pytest.approx((0.5 / 3 + 0.25 + 1 / 7) / 4)


def test_regression_of_points_as_scikit_learn_does_it_and_by_hand():
    """The example of several outputs on these functions' pages: 0.75, 0.708 and 0.822."""
    targets, outputs = np.array([[0.5, 1], [-1, 1], [7, -6]]), np.array([[0, 2], [-1, 2], [8, -5]])
    found = measured(regression.TASK, targets=targets, outputs=outputs).values
    assert found["r2"] == pytest.approx(sk.r2_score(targets, outputs))
    assert found["mae"] == 0.75
    assert found["mse"] == pytest.approx(0.7083, abs=5e-5)
    assert found["rmse"] == pytest.approx(0.8227, abs=5e-5)
    assert found["distance"] == pytest.approx((np.sqrt(1.25) + 1 + np.sqrt(2)) / 3)
    assert "distance" not in measured(regression.TASK, targets=targets[:, :1], outputs=outputs[:, :1]).values


def test_verification_as_scikit_learn_documents_it_and_by_hand():
    """roc_auc_score's example: 0.75. Accepting 0.8 alone has FAR 0 and TAR 1/2, 0.4 FAR 1/2, 0.35 TAR 1."""
    pairs = {"same": np.array([0, 0, 1, 1]), "score": np.array([0.1, 0.4, 0.35, 0.8])}
    found = measured(verification.TASK, Options(far=(0.5, 0.1)), **pairs)
    assert found.values == {"auc": 0.75, "eer": 0.5, "tar_at_far_0.5": 1.0}
    assert found.undefined == {"tar_at_far_0.1": "needs 10 impostor pairs or more"}


def test_what_cannot_be_better_is_the_end_of_its_range():
    """Rounding never leaves it, or the numbers would be refused as no such metric's."""
    scores, rng = np.linspace(0, 1, 3001), np.random.default_rng(0)
    pairs = measured(verification.TASK, same=(scores > 0.37).astype(int), score=scores).values
    assert (pairs["auc"], pairs["eer"]) == (1.0, 0.0)
    for classes in range(2, 12):
        alike = {"probabilities": np.tile(rng.dirichlet(np.ones(classes)), (7, 1)), "made_by": "by hand"}
        assert 1.0 <= measured(generation.TASK, **alike).values["inception_score (by hand)"] < 1 + 1e-12
    pytest.importorskip("sacrebleu", reason="needs the extra text")
    pytest.importorskip("rouge_score", reason="needs the extra text")
    said = sentences(20)
    texts = measured(text.TASK, hypothesis=said, reference=said).values
    assert texts == {"bleu": 100.0, "rouge1": 1.0, "rouge2": 1.0, "rougeL": 1.0}


def test_embeddings_are_all_their_pairs():
    rng = np.random.default_rng(1)
    identity = np.arange(40) % 8
    vectors = rng.normal(size=(8, 5))[identity] + 0.7 * rng.normal(size=(40, 5))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    a, b = np.triu_indices(40, 1)
    scores, same = (units @ units.T)[a, b], (identity[a] == identity[b]).astype(int)
    of_images = measured(verification.TASK, embeddings=vectors, identity=identity).values
    of_pairs = measured(verification.TASK, score=scores, same=same).values
    assert of_images == {name: pytest.approx(value, abs=1e-9) for name, value in of_pairs.items()}
    assert of_images["auc"] == pytest.approx(sk.roc_auc_score(same, scores))


def test_bleu_as_sacrebleu_documents_it():
    """The example of sacrebleu's README, "Using SacreBLEU from Python": 48.53."""
    pytest.importorskip("sacrebleu", reason="needs the extra text")
    pytest.importorskip("rouge_score", reason="needs the extra text")
    found = measured(
        text.TASK,
        hypothesis=np.array(["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]),
        reference=np.array(["The dog bit the man.", "It was not unexpected.", "The man bit him first."]),
        reference_2=np.array(["The dog had bit the man.", "No one was surprised.", "The man had bitten the dog."]),
    )
    assert found.values["bleu"] == pytest.approx(48.530827009929865, abs=1e-9)


def test_rouge_as_rouge_score_documents_it():
    """The example of rouge-score's README: ROUGE-1 0.75 and 0.667, ROUGE-L 0.625 and 0.556 (precision, recall)."""
    pytest.importorskip("sacrebleu", reason="needs the extra text")
    pytest.importorskip("rouge_score", reason="needs the extra text")
    found = measured(
        text.TASK,
        hypothesis=np.array(["The quick brown dog jumps on the log."]),
        reference=np.array(["The quick brown fox jumps over the lazy dog"]),
    ).values
    assert found["rouge1"] == pytest.approx(2 * 0.75 * (6 / 9) / (0.75 + 6 / 9))
    assert found["rougeL"] == pytest.approx(2 * 0.625 * (5 / 9) / (0.625 + 5 / 9))


def test_perplexity_of_a_uniform_model_is_the_size_of_its_vocabulary():
    """Jelinek et al. 1977: exp of the cross-entropy a token, over all tokens and not texts."""
    tokens = np.array([3, 5, 9])
    assert measured(text.TASK, log_prob=-tokens * math.log(50), tokens=tokens).values["perplexity"] == pytest.approx(50)
    mixed = measured(text.TASK, log_prob=np.log([0.5, 0.125]), tokens=np.array([1, 3])).values["perplexity"]
    assert mixed == pytest.approx(2.0)


CROSS = np.array([[-1.0, 0], [1, 0], [0, -1], [0, 1]])


def test_fid_of_known_normals_by_hand():
    """Dowson & Landau 1982: |3, 4|^2 + 2 (s - t)^2 with s and t the deviations, root 2/3 times 1 and 4."""
    real = columns(generation.TASK, features=4 * CROSS + [3, 4], made_by="by hand")
    found = measured(generation.TASK, Options(reference=real), features=CROSS, made_by="by hand").values
    assert found == {"fid (by hand)": pytest.approx(25 + 2 * (2 / 3) * 9)}


def test_fid_is_that_of_the_matrix_root():
    rng = np.random.default_rng(2)
    made, real = rng.normal(size=(200, 12)) @ rng.normal(size=(12, 12)), rng.normal(size=(90, 12)) + 0.3
    a, b, shift = np.cov(made, rowvar=False), np.cov(real, rowvar=False), made.mean(axis=0) - real.mean(axis=0)
    expected = shift @ shift + np.trace(a + b - 2 * linalg.sqrtm(a @ b).real)
    assert generation.fid(made, real) == pytest.approx(expected, rel=1e-9)
    assert generation.fid(made, made) == pytest.approx(0, abs=1e-9)
    assert generation.fid(made[:5], real[:4]) >= 0  # fewer images than features: singular covariances


def test_inception_score_is_the_number_of_classes_that_sure_answers_use():
    """Salimans et al. 2016: from 1 (all images alike, or no image certain) to the number of classes."""
    sure = {"probabilities": np.eye(10)[np.arange(100) % 10], "made_by": "by hand"}
    assert measured(generation.TASK, **sure).values == {"inception_score (by hand)": pytest.approx(10)}
    vague = {"logits": np.zeros((100, 10)), "made_by": "by hand"}
    assert measured(generation.TASK, **vague).values == {"inception_score (by hand)": pytest.approx(1)}
    half = {"probabilities": np.array([[0.5, 0.5, 0.0, 0.0], [0.0, 0.0, 0.5, 0.5]]), "made_by": "by hand"}
    assert measured(generation.TASK, **half).values == {"inception_score (by hand)": pytest.approx(2)}


def leave_one_out(task: Task, arrays):
    """Pseudo-values by their definition: the metric without each row, worked out anew."""
    n = len(next(iter(arrays.values())))
    whole = measured(task, **arrays).values
    without = [measured(task, **{k: np.delete(v, i, axis=0) for k, v in arrays.items()}).values for i in range(n)]
    each = {name: n * value - (n - 1) * np.array([one[name] for one in without]) for name, value in whole.items()}
    return {name: values + whole[name] - values.mean() for name, values in each.items()}


RNG = np.random.default_rng(3)
WORDS = np.array(["the", "a", "dog", "cat", "man", "bit", "saw", "old", "red", "house"])


def sentences(n):
    return np.array([" ".join(RNG.choice(WORDS, RNG.integers(5, 12))) for _ in range(n)])


@pytest.mark.parametrize(
    ("task", "arrays"),
    [
        (regression.TASK, {"y_true": RNG.normal(size=9), "y_pred": RNG.normal(size=9)}),
        (text.TASK, {"log_prob": -RNG.uniform(1, 9, 7), "tokens": RNG.integers(2, 9, 7)}),
        (text.TASK, {"hypothesis": sentences(8), "reference": sentences(8)}),
        (verification.TASK, {"same": np.arange(12) % 2, "score": np.round(RNG.normal(size=12), 1)}),
        (classification.TASK, {"y_true": np.arange(24) % 3, "y_pred": RNG.integers(0, 3, 24)}),
    ],
    ids=["regression", "perplexity", "texts", "pairs", "answers"],
)
def test_each_rows_part_is_what_the_metric_changes_by_without_it(task, arrays):
    if "hypothesis" in arrays:
        pytest.importorskip("sacrebleu", reason="needs the extra text")
    expected, found = leave_one_out(task, arrays), measured(task, **arrays).per_row
    assert set(found) <= set(expected)
    assert {"r2", "perplexity", "bleu", "auc", "macro_f1"} & set(found)
    for name, values in found.items():
        np.testing.assert_allclose(values, expected[name], atol=2e-5, err_msg=name)

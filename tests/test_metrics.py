"""Metrics against known answers, brute force over pairs, scikit-learn, imbalanced-learn, and by hand."""

import itertools
import json
import math
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_fscore_support

from spbl_nb import metrics

REFERENCE = Path(__file__).parent / "reference" / "metrics.npz"
NAMES = {
    "mauc_hand_till": "mauc",
    "precision_macro": "precision",
    "recall_macro": "recall",
    "f1_macro": "f1",
    "accuracy": "accuracy",
    "gmean": "g_mean",
    "gmean_correction_0.001": "g_mean_corrected",
    "printed_micromauc": "weighted_harmonic",
}


def brute_force_mauc(labels, scores):
    """Count, pair of classes by pair and sample against sample, who has the higher score."""
    areas = []
    for i, j in itertools.permutations(np.unique(labels), 2):
        own, other = scores[labels == i, i], scores[labels == j, i]
        wins = [(a > b) + 0.5 * (a == b) for a in own for b in other]
        areas.append(np.mean(wins))
    return np.mean(areas)


@st.composite
def problems(draw, with_ties=True):
    """Labels in which every class of 2 to 5 stands at least once, and scores with many ties."""
    classes = draw(st.integers(2, 5))
    labels = np.array([*range(classes), *draw(st.lists(st.integers(0, classes - 1), max_size=20))])
    values = st.integers(0, 4) if with_ties else st.floats(-5, 5, allow_nan=False)
    flat = draw(st.lists(values, min_size=len(labels) * classes, max_size=len(labels) * classes))
    return labels, np.array(flat, dtype=float).reshape(len(labels), classes)


@pytest.mark.parametrize("case", range(4))
@pytest.mark.parametrize("theirs", NAMES)
def test_known_answers(case, theirs):
    known = np.load(REFERENCE, allow_pickle=False)
    report = metrics.report(known[f"{case}_label"], known[f"{case}_probability"])
    assert getattr(report, NAMES[theirs]) == pytest.approx(float(known[f"{case}_{theirs}"]), abs=1e-12, rel=0)


def test_ties_matter():
    """Negative control: the release's order-breaking MAUC differs on the case with ties, so ours must too."""
    known = np.load(REFERENCE, allow_pickle=False)
    assert abs(metrics.mauc(known["1_label"], known["1_probability"]) - float(known["1_mauc_official"])) > 1e-4


@given(problems())
@settings(max_examples=60, deadline=None)
def test_mauc_is_brute_force(problem):
    labels, scores = problem
    assert metrics.mauc(labels, scores) == pytest.approx(brute_force_mauc(labels, scores), abs=1e-12)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_report_agrees_with_scikit_learn(problem):
    labels, scores = problem
    report = metrics.report(labels, scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        per_class = precision_recall_fscore_support(
            labels, scores.argmax(axis=1), labels=range(scores.shape[1]), zero_division=0
        )
    assert report.dead_classes.tolist() == np.flatnonzero(per_class[1] == 0).tolist()
    for name, values in zip(("precision", "recall", "f1", "support"), per_class, strict=True):
        np.testing.assert_allclose(getattr(report.per_class, name), values, atol=1e-12)
    assert report.precision == pytest.approx(per_class[0].mean())
    assert report.accuracy == pytest.approx((labels == scores.argmax(axis=1)).mean())
    assert report.f1 == pytest.approx(per_class[2].mean())
    assert report.g_mean == pytest.approx(np.prod(per_class[1]) ** (1 / scores.shape[1]), abs=1e-12)


def test_specificity_and_index_balanced_accuracy_are_imbalanced_learns():
    imblearn = pytest.importorskip("imblearn.metrics", reason="imbalanced-learn is not installed")
    rng = np.random.default_rng(1)
    labels = rng.choice(5, 400, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    predicted = np.where(rng.random(400) < 0.6, labels, rng.integers(0, 5, 400))
    report = metrics.report(labels, np.eye(5)[predicted])
    assert report.specificity == pytest.approx(imblearn.specificity_score(labels, predicted, average="macro"))
    assert report.g_mean == pytest.approx(imblearn.geometric_mean_score(labels, predicted))
    theirs = imblearn.classification_report_imbalanced(labels, predicted, output_dict=True)
    assert report.index_balanced_accuracy == pytest.approx(np.mean([theirs[str(index)]["iba"] for index in range(5)]))


def test_by_hand():
    report = metrics.report_from_confusion(np.array([[8, 2, 0], [1, 3, 0], [1, 1, 0]]))
    assert report.confusion.dtype == np.int64
    assert report.per_class.specificity.tolist() == pytest.approx([4 / 6, 9 / 12, 1])
    assert report.g_mean == 0
    assert report.g_mean_corrected == pytest.approx((0.8 * 0.75 * 0.001) ** (1 / 3))
    assert report.dead_classes.tolist() == [2]
    precision, recall = (10 * 0.8 + 4 * 0.5) / 16, 11 / 16
    assert report.weighted_harmonic == pytest.approx(2 * precision * recall / (precision + recall))
    assert math.isnan(report.mauc)
    assert "no scores" in report.undefined["mauc"]


def test_g_mean_of_many_classes_does_not_underflow():
    confusion = np.diag(np.full(400, 1)) + np.roll(np.diag(np.full(400, 99)), 1, axis=1)
    assert metrics.report_from_confusion(confusion).g_mean == pytest.approx(0.01)


def test_class_without_support_is_left_out_and_named():
    labels = np.array([0, 0, 1, 1])
    scores = np.array([[3.0, 1, 0], [0, 1, 2], [0, 1, 0], [0, 1, 0]])
    report = metrics.report(labels, scores)
    assert report.unsupported_classes.tolist() == [2]
    assert math.isnan(report.per_class.recall[2])
    assert math.isnan(report.per_class.precision[2])
    assert report.recall == pytest.approx(0.75)
    assert report.mauc == pytest.approx(brute_force_mauc(labels, scores))
    assert "[2]" in report.undefined["per_class"]


@given(problems())
@settings(max_examples=60, deadline=None)
def test_every_nan_of_the_summary_has_its_reason_and_nothing_else_has(problem):
    labels, scores = problem
    for rows in (labels >= 0, labels != 1, labels == 0):
        report = metrics.report(labels[rows], scores[rows])
        undefined = {name for name in metrics.SUMMARY if math.isnan(getattr(report, name))}
        assert undefined == set(report.undefined) - {"per_class"}
        assert {"specificity", "index_balanced_accuracy", "mauc"} <= undefined or len(set(labels[rows])) > 1
        assert ("per_class" in report.undefined) == (len(report.unsupported_classes) > 0)


def test_given_decisions_replace_the_argmax():
    labels, scores = np.array([0, 1, 1]), np.array([[1.0, 0], [1, 0], [0, 1]])
    assert metrics.report(labels, scores).accuracy == pytest.approx(2 / 3)
    assert metrics.report(labels, scores, predicted=labels).accuracy == 1
    assert metrics.report(labels, scores, predicted=labels).mauc == metrics.report(labels, scores).mauc


def test_report_serialises_without_nan_and_prints():
    report = metrics.report(np.array([0, 0, 1]), np.eye(3))
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["per_class"]["recall"][2] is None
    assert content["accuracy"] == report.accuracy
    assert "dead classes" in str(report)
    assert "not defined" in str(report)
    assert list(report.per_class.table(["a", "b", "c"]).index) == ["a", "b", "c"]

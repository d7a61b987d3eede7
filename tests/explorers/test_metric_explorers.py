"""The explorers of metrics: swept over their controls, and right in what they show and say."""

import numpy as np
import pytest
from every_explorer import heights
from scipy.stats import norm

from spbl_nb import imbalance, metrics
from spbl_nb.explorers import metrics as explorers
from spbl_nb.explorers.metrics import EQUAL_SIZES, MetricExplorer, SimulatedMetricExplorer
from spbl_nb.plots import style

CLASSES = 8
NAMES = [f"class {index}" for index in range(CLASSES)]
TRAIN_COUNTS = np.array([90, 60, 40, 30, 20, 10, 8, 5])


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), TRAIN_COUNTS // 4 + 2))
    probability = rng.dirichlet(TRAIN_COUNTS / 20, len(labels))
    probability[np.arange(len(labels)), labels] += 0.35
    return labels, probability / 1.35


@pytest.fixture(scope="module")
def metric_explorer(scores):
    return MetricExplorer(*scores, NAMES, TRAIN_COUNTS)


@pytest.fixture(scope="module")
def simulated():
    return SimulatedMetricExplorer()


def _lengths(explorer):
    """Return the length of each metric's bar by name."""
    bars = explorer.metrics.artist.get_paths()
    return dict(zip(explorers._METRICS, (path.get_extents().width for path in bars), strict=True))


def _numbers_in_cells(explorer):
    """Return int[C,C], the numbers written into the matrix; 0 where there is none."""
    written = np.zeros((len(explorer.names),) * 2, dtype=int)
    columns, rows = explorer.cells.points.astype(int).T
    written[rows, columns] = [int(text) for text in explorer.cells.texts]
    return written


def test_every_metric_of_the_summary_has_its_bar():
    assert set(explorers._METRICS) == set(metrics.SUMMARY)


def test_many_classes():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(60), 2)
    names = [f"class {index}" for index in range(60)]
    explorer = MetricExplorer(labels, rng.dirichlet(np.ones(60), len(labels)), names, np.arange(1, 61))
    assert explorer.render(moved=100)[1]
    assert explorer.cells.texts == [], "no numbers where no name has room"


# of a trained network


def test_bars_are_the_metrics_of_the_shown_matrix(metric_explorer):
    _, caption = metric_explorer.render(tau=1.0, true="class 3", predicted="class 0", moved=50)
    report, count = metric_explorer.report(1.0, "class 3", "class 0", 50)
    for name, length in _lengths(metric_explorer).items():
        assert length == pytest.approx(metric_explorer.mauc if name == "mauc" else getattr(report, name)), name
    np.testing.assert_array_equal(_numbers_in_cells(metric_explorer), report.confusion)
    assert metric_explorer.row.get_y() == 2.5, "the frame stands around the row of class 3"
    np.testing.assert_allclose(metric_explorer.image.get_array(), style.row_shares(report.confusion))
    assert f"accuracy {report.accuracy:.3f}" in caption
    assert f"{count} of {report.confusion.sum()} test samples moved" in caption


def test_tau_decides_again(metric_explorer, scores):
    labels, probability = scores
    for tau in (0.0, 0.7, 2.0):
        shifted = np.log(probability) - tau * np.log(TRAIN_COUNTS / TRAIN_COUNTS.sum())
        expected = metrics.report(labels, shifted)
        report, count = metric_explorer.report(tau, "class 0", "class 1", 0)
        assert count == 0
        np.testing.assert_array_equal(report.confusion, expected.confusion)
        assert metric_explorer.mauc == pytest.approx(expected.mauc, abs=1e-12), "as the caption says"


def test_moving_takes_right_answers_only(metric_explorer):
    before, _ = metric_explorer.report(0.0, "class 1", "class 4", 0)
    after, count = metric_explorer.report(0.0, "class 1", "class 4", 50)
    change = after.confusion - before.confusion
    assert count == round(before.confusion[1, 1] / 2) > 0
    assert change[1, 1] == -count
    assert change[1, 4] == count
    assert np.count_nonzero(change) == 2


def test_a_dead_class_hardly_moves_accuracy_and_kills_the_g_mean(metric_explorer):
    before, _ = metric_explorer.report(0.0, "class 7", "class 0", 0)
    _, caption = metric_explorer.render(**metric_explorer.presets["“class 7” dies"])
    after, _ = metric_explorer.report(0.0, "class 7", "class 0", 100)
    assert before.g_mean > 0.3
    assert after.g_mean == 0
    assert before.accuracy - after.accuracy < 0.05
    assert after.dead_classes.tolist() == [7]
    assert "Never recognised (red marks): class 7." in caption
    assert metric_explorer.dead.get_xdata().tolist() == [7]


def test_the_class_itself_is_put_right(metric_explorer):
    before, _ = metric_explorer.report(0.0, "class 2", "class 2", 0)
    after, count = metric_explorer.report(0.0, "class 2", "class 2", 100)
    assert after.confusion[2, 2] == before.confusion[2].sum()
    assert count == before.confusion[2].sum() - before.confusion[2, 2] > 0
    assert after.confusion.sum() == before.confusion.sum()


# of a classifier made to order


def _reports(explorer, *settings):
    return [explorer.report(**explorer.settings(**values)) for values in settings]


def test_bars_matrix_and_words_are_those_of_the_report(simulated):
    settings = {"factor": 15, "separation": 1.5, "hard": "C", "alike": 0.5, "tau": 0.7}
    _, caption = simulated.render(**settings)
    (report,) = _reports(simulated, settings)
    for name, length in _lengths(simulated).items():
        assert length == pytest.approx(getattr(report, name)), name
    np.testing.assert_array_equal(_numbers_in_cells(simulated), report.confusion)
    np.testing.assert_allclose(simulated.image.get_array(), style.row_shares(report.confusion))
    np.testing.assert_allclose(heights(simulated.recalls), report.per_class.recall)
    change = report.accuracy - _reports(simulated, {})[0].accuracy
    assert f"accuracy {report.accuracy:.3f} ({change:+.3f})" in caption
    assert "C looks like B (0.5); τ = 0.7" in caption


def test_sizes_are_those_of_the_profile_or_equal(simulated):
    counts = imbalance.class_counts("exponential", 8, 200, 30)
    tailed, equal = _reports(simulated, {"factor": 30}, {"factor": 30, "test": EQUAL_SIZES})
    np.testing.assert_array_equal(tailed.per_class.support, counts)
    np.testing.assert_array_equal(equal.per_class.support, np.full(8, 200))
    _, caption = simulated.render(factor=30)
    assert f"{counts.sum()} test samples, 200 to {counts.min()} a class" in caption
    assert f"always answers “A” is right {200 / counts.sum():.0%}" in caption


def test_scores_are_bayes_for_the_points(simulated):
    """log N(x; centre, 1) + log prior, up to what all classes share, from points and centres by scipy."""
    values = simulated.settings(factor=10, separation=1.7, hard="D", alike=0.4, tau=0.0)
    labels, scores = simulated.samples(**values)
    counts = imbalance.class_counts("exponential", 8, 200, 10)
    centres = 1.7 * np.eye(8)
    centres[3] = 0.6 * centres[3] + 0.4 * centres[2]
    points = np.concatenate([simulated.noise[label, :count] for label, count in enumerate(counts)]) + centres[labels]
    expected = norm.logpdf(points[:, None, :] - centres).sum(axis=2) + np.log(counts / counts.sum())
    difference = scores - expected
    np.testing.assert_allclose(difference, np.repeat(difference[:, :1], 8, axis=1), atol=1e-9)


def test_known_values_at_equal_sizes():
    """MAUC = Φ(d / √2) for scores d x_c, and chance where the classes are all alike."""
    explorer = SimulatedMetricExplorer(classes=4, largest=4000, seed=1)
    for separation in (0.5, 1.0, 2.0):
        (report,) = _reports(explorer, {"factor": 1, "separation": separation})
        assert report.mauc == pytest.approx(norm.cdf(separation / 2**0.5), abs=0.006)
    two = SimulatedMetricExplorer(classes=2, largest=20_000)
    (report,) = _reports(two, {"factor": 1, "separation": 1.5})
    assert report.accuracy == pytest.approx(norm.cdf(1.5 / 2**0.5), abs=0.005)
    (alike,) = _reports(explorer, {"factor": 40, "separation": 0.0})
    assert alike.per_class.recall.tolist() == [1, 0, 0, 0], "without knowledge the commonest class is the best answer"


def test_leaning_moves_decisions_and_no_rank(simulated):
    usual, rare, common = _reports(simulated, {}, {"tau": 1.0}, {"tau": -1.0})
    assert usual.mauc == pytest.approx(rare.mauc, abs=1e-12)
    assert usual.mauc == pytest.approx(common.mauc, abs=1e-12)
    assert common.recall < usual.recall < rare.recall
    assert max(common.accuracy, rare.accuracy) < usual.accuracy


def test_a_hard_class_is_taken_for_its_look_alike(simulated):
    for hard, twin in (("H", "G"), ("E", "D"), ("A", "B")):
        own, other = simulated.names.index(hard), simulated.names.index(twin)
        plain, spoilt = _reports(simulated, {"factor": 1}, {"factor": 1, "hard": hard, "alike": 0.8})
        change = spoilt.confusion - plain.confusion
        assert spoilt.per_class.recall[own] < plain.per_class.recall[own] - 0.1
        assert change[own, other] == change[own].max() > 0


def test_presets_show_what_they_say(simulated):
    tail, equal, dead, leaning = _reports(simulated, *simulated.presets.values())
    assert tail.accuracy > tail.recall > tail.g_mean > 0
    assert equal.accuracy == pytest.approx(equal.recall)
    assert equal.accuracy < tail.accuracy - 0.1
    assert abs(equal.mauc - tail.mauc) < 0.02
    assert dead.dead_classes.tolist() == [7]
    assert tail.accuracy - dead.accuracy < 0.02
    assert dead.g_mean == 0 < dead.g_mean_corrected < tail.g_mean - 0.2
    assert leaning.recall > tail.recall
    assert leaning.accuracy < tail.accuracy
    _, caption = simulated.render(alike=0.8)
    assert "Never recognised (red marks): H." in caption
    assert simulated.dead.get_xdata().tolist() == [7]

"""The explorers of balance learning: swept, and showing and saying what ``balance`` and an SVM of one's own give."""

import dataclasses

import numpy as np
import pytest
from every_explorer import heights
from scipy.stats import spearmanr
from sklearn.svm import SVC

from spbl_nb import balance, metrics, pace
from spbl_nb.explorers.balance import BalanceExplorer, ReconstructionPlayer
from spbl_nb.svm import CachedFeatures, CachedHead

SIZES = np.array([12, 40, 6, 25])
NAMES = ["scarce", "common", "rare", "frequent"]
COUNTS, COMPLEXITY = np.array([40, 25, 12, 9, 6]), np.array([0.02, 0.09, 0.05, 0.3, 0.6])
LETTERS = ["a", "b", "c", "d", "e"]


def _cached(sizes=SIZES, names=NAMES, per_class=9, spread=1.6):
    """Features of overlapping clouds, one per class, and losses that grow with the class index."""
    rng = np.random.default_rng(0)
    centre = rng.normal(0, 1.2, (len(sizes), 6))
    labels, judged = np.repeat(np.arange(len(sizes)), sizes), np.repeat(np.arange(len(sizes)), per_class)
    return CachedFeatures(
        centre[labels] + spread * rng.normal(size=(len(labels), 6)),
        labels,
        rng.gamma(2.0, 0.3, len(labels)) * (1 + labels),
        centre[judged] + spread * rng.normal(size=(len(judged), 6)),
        judged,
        names,
    )


@pytest.fixture(scope="module")
def cached():
    return _cached()


@pytest.fixture(scope="module")
def explorer(cached):
    return BalanceExplorer(cached)


@pytest.fixture(scope="module")
def player():
    return ReconstructionPlayer(COUNTS, COMPLEXITY, LETTERS)


def _marks(lines):
    return np.array([segment[0, 1] for segment in lines.get_segments()])


# the head


@pytest.mark.parametrize("seed", range(2))
def test_the_head_is_the_svm_on_duplicated_and_weighted_rows(cached, seed):
    rng = np.random.default_rng(seed)
    shown = rng.integers(0, 4, len(cached.labels))
    shown[np.unique(cached.labels, return_index=True)[1]] += 1
    class_weights = rng.uniform(1, 8, len(SIZES))
    rows = np.repeat(np.arange(len(shown)), shown)
    svc = SVC(kernel="rbf", gamma="auto", C=1.0, tol=1e-6)
    svc.fit(cached.features[rows], cached.labels[rows], sample_weight=class_weights[cached.labels[rows]])
    expected = metrics.report(
        cached.validation_labels, np.eye(4)[svc.predict(cached.validation_features)], num_classes=4
    )
    found = CachedHead(cached).report(shown, class_weights)
    np.testing.assert_array_equal(found.confusion, expected.confusion)
    assert found.f1 == pytest.approx(expected.f1, abs=1e-12)
    assert found.g_mean == pytest.approx(expected.g_mean, abs=1e-12)


# the explorer


@pytest.mark.parametrize("share", [0.3, 0.5, 1.0])
@pytest.mark.parametrize("assignment", balance.ASSIGNMENTS)
def test_a_setting_is_worked_out_as_balance_does(explorer, cached, assignment, share):
    selected = pace.select_easiest(cached.loss, cached.labels, share)
    complexity = balance.class_complexity(cached.loss, cached.labels, selected, 4)
    before = np.bincount(cached.labels[selected])
    found = explorer.solve(**explorer.settings(assignment=assignment, share=share, keep_factor=1.0))
    np.testing.assert_allclose(found.complexity, complexity)
    np.testing.assert_allclose(found.weights, balance.penalty_weights(complexity, assignment, 10))
    np.testing.assert_array_equal(found.before, before)
    np.testing.assert_array_equal(found.after, balance.reconstruct_curriculum(before, complexity, 100, 1.0))
    plain = CachedHead(cached).report(selected.astype(int), np.ones(4))
    np.testing.assert_array_equal(found.plain.confusion, plain.confusion)


def test_the_balanced_head_sees_the_rearranged_rows_and_the_weights(explorer, cached):
    found = explorer.solve(**explorer.settings(max_cost=30.0))
    rows = balance.resample(cached.labels, found.after - found.before, 0)
    svc = SVC(gamma="auto").fit(
        cached.features[rows], cached.labels[rows], sample_weight=found.weights[cached.labels[rows]]
    )
    recall = [(svc.predict(cached.validation_features) == c)[cached.validation_labels == c].mean() for c in range(4)]
    np.testing.assert_allclose(found.balanced.per_class.recall, recall)


def test_without_penalty_and_cap_nothing_is_balanced(explorer):
    _, caption = explorer.render(max_cost=1.0, max_added=0)
    np.testing.assert_allclose(heights(explorer.recall_bars), _marks(explorer.recall_marks), atol=1e-12)
    np.testing.assert_allclose(heights(explorer.size_bars), _marks(explorer.size_marks), atol=1e-12)
    assert "No recall changes." in caption
    assert "correlation with complexity is not defined" in caption


@pytest.mark.parametrize("settings", [{}, {"assignment": "released"}, {"keep_factor": 0.0, "share": 0.5}])
def test_bars_marks_and_labels_are_the_solution(explorer, settings):
    explorer.render(**settings)
    found = explorer.solve(**explorer.settings(**settings))
    order = [1, 3, 0, 2]  # from the largest class to the smallest
    np.testing.assert_allclose(heights(explorer.size_bars), found.after[order])
    np.testing.assert_allclose(_marks(explorer.size_marks), found.before[order])
    np.testing.assert_allclose(heights(explorer.recall_bars), found.balanced.per_class.recall[order], atol=1e-12)
    np.testing.assert_allclose(_marks(explorer.recall_marks), found.plain.per_class.recall[order])
    hits = np.diag(found.balanced.confusion)[order]
    assert explorer.recall_texts.texts == [f"{hit}/9" for hit in hits]
    foot = explorer.recall_texts.points[:, 1]
    mark = _marks(explorer.recall_marks)
    assert ((foot >= mark) | (foot + 0.15 <= mark)).all(), "no number lies on a black mark"
    np.testing.assert_allclose(foot, np.where((foot == mark) & (mark > hits / 9), mark, hits / 9))
    changes = (found.after - found.before)[order]
    assert [text.split("\n")[1:] for text in explorer.size_texts.texts] == [
        [f"({change:+d})"] if change else [] for change in changes
    ]
    np.testing.assert_array_equal(explorer.dead.get_xdata(), np.flatnonzero(hits == 0))
    rank, weights = explorer.weight_points.get_data()
    np.testing.assert_array_equal(rank, [1, 2, 3, 4])
    by_complexity = np.argsort(found.complexity)
    np.testing.assert_allclose(weights, found.weights[by_complexity])
    assert explorer.weight_texts.texts == [str(order.index(c) + 1) for c in by_complexity]


def test_the_caption_says_the_numbers(explorer):
    settings = {"assignment": "released", "difficulty_share": 0.7}
    _, caption = explorer.render(**settings)
    found = explorer.solve(**explorer.settings(**settings))
    for name, words in (("f1", "F1"), ("g_mean", "G-mean"), ("recall", "macro recall")):
        assert f"{words} {getattr(found.balanced, name):.3f} ({getattr(found.plain, name):.3f})" in caption
    assert f"complexity is {spearmanr(found.weights, found.complexity)[0]:.2f}." in caption
    assert f"{found.before.sum()} selected samples into {found.after.sum()}" in caption
    most = int(np.argmax(found.after - found.before))
    assert f", {NAMES[most]} the most ({(found.after - found.before)[most]:+d})" in caption
    assert "on 36 validation rows" in caption


@pytest.mark.slow
def test_many_classes_and_a_class_without_validation_rows(cached):
    sizes = np.linspace(30, 3, 40).astype(int)
    many = BalanceExplorer(_cached(sizes, [f"class {index}" for index in range(40)], per_class=2))
    assert "of 40 classes gain" in many.render()[1]
    many.render(assignment="proportional", keep_factor=0.0)
    seen = cached.validation_labels != 2
    partly = dataclasses.replace(
        cached, validation_features=cached.validation_features[seen], validation_labels=cached.validation_labels[seen]
    )
    fewer = BalanceExplorer(partly)
    _, caption = fewer.render()
    assert "on 27 validation rows" in caption
    assert "nan" not in caption
    assert fewer.recall_texts.texts[3] == "0/0"


# the player


def test_the_steps_of_a_small_example(player):
    counts = [player.counts_at(step, 20, 1.0).tolist() for step in range(1, 10)]
    assert player.names == ["a", "c", "b", "d", "e"], "from the least to the most complex"
    assert counts == [
        [40, 12, 25, 9, 6],
        [40, 12, 25, 9, 6],
        [6, 12, 25, 9, 6],
        [6, 9, 25, 9, 6],
        [6, 9, 12, 9, 6],
        [6, 9, 12, 25, 6],
        [6, 9, 12, 25, 40],
        [6, 9, 12, 25, 26],
        [19, 12, 19, 25, 26],
    ]
    assert player.controls[0].high == 9


@pytest.mark.parametrize("classes", [2, 13, 198])
def test_the_player_ends_at_the_reconstructed_curriculum(classes):
    rng = np.random.default_rng(classes)
    counts, complexity = rng.integers(1, 80, classes), rng.gamma(1.0, size=classes) + 0.01
    player = ReconstructionPlayer(counts, complexity, [f"class {index}" for index in range(classes)])
    for max_added, keep_factor in ((100, 3.0), (5, 0.5), (0, 0.0)):
        last = player.counts_at(player.last, max_added, keep_factor)
        expected = balance.reconstruct_curriculum(counts, complexity, max_added, keep_factor)
        np.testing.assert_array_equal(last, expected[np.argsort(complexity)])
    changed = [np.sum(player.counts_at(step, 100, 3.0) != player.counts) for step in range(1, player.last - 1)]
    assert changed == sorted(changed)
    assert player.last <= 16
    assert f"Step {player.last} of" in player.render(step=player.last)[1]


def test_the_player_shows_and_says_each_step(player):
    said = {step: player.render(step=step, max_added=20, keep_factor=1.0)[1] for step in range(1, 10)}
    assert "92 samples in 5 classes" in said[1]
    assert "from 6 to 40" in said[2]
    assert "3 of 5 classes have their new count. b, of complexity 0.09, had 25 samples and gets 12." in said[5]
    assert "no class gains more than 20; that holds back 1 of 5 classes" in said[8]
    assert "m = 19" in said[9]
    assert all(text.endswith("Caps: nobody gains more than 20; below m = 19 nobody loses.") for text in said.values())
    assert "spares 3 of 5 classes, and 2 lose samples. 92 samples were selected, 101 are shown." in said[9]
    player.render(step=5)
    np.testing.assert_allclose(heights(player.bars), [6, 9, 12, 9, 6])
    np.testing.assert_allclose(_marks(player.marks), [40, 12, 25, 9, 6])
    assert player.texts.texts == ["6\n(-34)", "9\n(-3)", "12\n(-13)", "9", "6"]
    colours = [tuple(colour) for colour in player.bars.artist.get_facecolor()]
    assert colours[0] == colours[1] != colours[2] != colours[3] == colours[4]
    assert len(player.stairs.get_xdata()) == 5
    assert len(player.floor.get_xdata()) == 0
    assert player.caps.get_text() == "Caps: nobody gains more than 100; below m = 57 nobody loses"
    player.render(step=9)
    assert player.floor.get_ydata()[0] == 57
    assert len(player.stairs.get_xdata()) == 0

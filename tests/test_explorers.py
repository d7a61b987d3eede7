"""The explorers of the notebooks: swept over their controls, and right in what they show and say."""

import numpy as np
import pytest

from spbl_nb import drawing, explorers, imbalance, metrics, widgets

CLASSES = 8
NAMES = [f"class {index}" for index in range(CLASSES)]
TRAIN_COUNTS = np.array([90, 60, 40, 30, 20, 10, 8, 5])


def _level_pictures(difficulty, per_class):
    """Pictures whose grey says class (tens) and difficulty (units)."""
    grey = 10 * np.arange(CLASSES, dtype=np.uint8) + round(9 * difficulty)
    return np.tile(grey[:, None, None, None, None], (1, per_class, 3, 4, 4))


@pytest.fixture(scope="module")
def imbalance_explorer():
    return explorers.ImbalanceExplorer(_level_pictures, NAMES, largest=100)


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(np.arange(CLASSES), TRAIN_COUNTS // 4 + 2))
    probability = rng.dirichlet(TRAIN_COUNTS / 20, len(labels))
    probability[np.arange(len(labels)), labels] += 0.35
    return labels, probability / 1.35


@pytest.fixture(scope="module")
def metric_explorer(scores):
    return explorers.MetricExplorer(*scores, NAMES, TRAIN_COUNTS)


def _shown_pictures(explorer):
    """Return int[R,C], the grey value of each picture of the grid."""
    return explorer.shown.pixels[2::6, 2::6, 0].astype(int)


def test_sweep(imbalance_explorer, metric_explorer):
    assert widgets.check_explorer(imbalance_explorer) > 30
    assert widgets.check_explorer(metric_explorer) > 40


def test_many_classes():
    rng = np.random.default_rng(0)
    many = 60
    names = [f"class {index}" for index in range(many)]
    labels = np.repeat(np.arange(many), 2)
    probability = rng.dirichlet(np.ones(many), len(labels))
    metric = explorers.MetricExplorer(labels, probability, names, np.arange(1, many + 1))
    assert metric.render(moved=100)[1]
    grid = explorers.ImbalanceExplorer(lambda level, each: np.zeros((many, each, 3, 2, 2), np.uint8), names)
    assert grid.render(factor=100)[1]


@pytest.mark.parametrize("profile", imbalance.PROFILES)
def test_bars_and_words_are_the_exact_counts(imbalance_explorer, profile):
    _, caption = imbalance_explorer.render(profile=profile, factor=10)
    counts = imbalance.class_counts(profile, CLASSES, 100, 10)
    heights = [path.get_extents().height for path in imbalance_explorer.bars.artist.get_paths()]
    assert heights == counts.tolist()
    assert [text.get_text().split("\n")[0] for text in imbalance_explorer.sizes] == [f"{count}" for count in counts]
    assert f"{counts.sum()} training pictures" in caption
    assert f"right {100 / counts.sum():.0%} of the time" in caption


def test_a_rare_class_shows_no_more_pictures_than_it_has(imbalance_explorer):
    imbalance_explorer.render(profile="step", factor=50)
    there = _shown_pictures(imbalance_explorer) < 100
    assert there[:, :4].all()
    assert there[:2, 4:].all(), "two pictures are left of a hundred"
    assert not there[2:, 4:].any()


@pytest.mark.parametrize("difficulty", [0.0, 0.4, 1.0])
def test_every_picture_has_the_class_and_difficulty_of_its_bar(imbalance_explorer, difficulty):
    imbalance_explorer.render(difficulty=difficulty, hard=explorers.EVERYONE, profile="natural")
    expected = 10 * np.arange(CLASSES) + round(9 * difficulty)
    np.testing.assert_array_equal(_shown_pictures(imbalance_explorer), np.tile(expected, (5, 1)))
    shades = imbalance_explorer.bars.artist.get_facecolor()
    np.testing.assert_allclose(shades, drawing.shade(np.full(CLASSES, difficulty)))


def test_who_is_hard(imbalance_explorer):
    imbalance_explorer.render(profile="odd_classes", factor=10, difficulty=1.0, hard=explorers.RARE)
    assert (_shown_pictures(imbalance_explorer)[0] % 10).tolist() == [0, 9] * 4
    _, caption = imbalance_explorer.render(difficulty=1.0, hard=explorers.WHATEVER_SIZE)
    units = _shown_pictures(imbalance_explorer)[0] % 10
    hardest = int(units.argmax())
    assert units.max() == 9
    assert units.min() == 0
    assert f"The hardest class is {NAMES[hardest]} (1.0)" in caption


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"pictures of shape \(7, 5, 3, 4, 4\); 8 classes"):
        explorers.ImbalanceExplorer(lambda level, each: np.zeros((7, each, 3, 4, 4), np.uint8), NAMES)


def test_lesion_pictures_have_the_shape_the_explorer_needs():
    pictures = explorers.lesion_pictures([str(index) for index in range(12)], size=16)(0.5, 3)
    assert pictures.shape == (12, 3, 3, 16, 16)
    assert pictures.dtype == np.uint8


def test_bars_are_the_metrics_of_the_shown_matrix(metric_explorer):
    _, caption = metric_explorer.render(tau=1.0, true="class 3", predicted="class 0", moved=50)
    report, count = metric_explorer.report(1.0, "class 3", "class 0", 50)
    lengths = dict(
        zip(
            explorers._METRICS,
            (path.get_extents().width for path in metric_explorer.metrics.artist.get_paths()),
            strict=True,
        )
    )
    for name in explorers._METRICS:
        expected = metric_explorer.mauc if name == "mauc" else getattr(report, name)
        assert lengths[name] == pytest.approx(expected), name
    np.testing.assert_allclose(metric_explorer.image.get_array(), drawing.row_shares(report.confusion))
    assert f"accuracy {report.accuracy:.3f}" in caption
    assert f"{count} of {report.confusion.sum()} test samples moved" in caption


def test_tau_decides_anew(metric_explorer, scores):
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


def test_the_class_that_starts_is_one_that_can_still_die():
    labels = np.array([0, 0, 1, 1, 2])
    probability = np.eye(3)[[0, 0, 1, 1, 0]] * 0.8 + 0.1
    explorer = explorers.MetricExplorer(labels, probability, ["a", "b", "c"], np.array([9, 5, 2]))
    assert (explorer.settings()["true"], explorer.settings()["predicted"]) == ("b", "a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train_counts": np.array([1, 2])}, "train_counts has 2 entries; 8 are needed"),
        ({"train_counts": np.array([1, 2, 3, 4, 5, 6, 7, 0])}, r"train_counts\[7\] is 0"),
        ({"probability": np.full((3, CLASSES), -1.0), "labels": np.array([0, 1, 2])}, "probability has the value -1"),
        ({"names": NAMES[:3]}, "scores has 8 columns"),
    ],
)
def test_bad_arrays(scores, change, message):
    labels, probability = scores
    arguments = {"labels": labels, "probability": probability, "names": NAMES, "train_counts": TRAIN_COUNTS}
    with pytest.raises(ValueError, match=message):
        explorers.MetricExplorer(**arguments | change)

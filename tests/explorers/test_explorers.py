"""The imbalance explorer: swept over its controls, and right in what it shows and says."""

import numpy as np
import pytest

from spbl_nb import imbalance
from spbl_nb.explorers import base as widgets
from spbl_nb.explorers import imbalance as explorers
from spbl_nb.plots import style as drawing

CLASSES = 8
NAMES = [f"class {index}" for index in range(CLASSES)]


def _level_pictures(difficulty, per_class):
    """Pictures whose grey says class (tens) and difficulty (units)."""
    grey = 10 * np.arange(CLASSES, dtype=np.uint8) + round(9 * difficulty)
    return np.tile(grey[:, None, None, None, None], (1, per_class, 3, 4, 4))


@pytest.fixture(scope="module")
def imbalance_explorer():
    return explorers.ImbalanceExplorer(_level_pictures, NAMES, largest=100)


def _shown_pictures(explorer):
    """Return int[R,C], the grey value of each picture of the grid."""
    return explorer.shown.pixels[2::6, 2::6, 0].astype(int)


def test_sweep(imbalance_explorer):
    assert widgets.check_explorer(imbalance_explorer) > 30


def test_many_classes():
    many = 60
    names = [f"class {index}" for index in range(many)]
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
    np.testing.assert_array_equal(_shown_pictures(imbalance_explorer), np.tile(expected, (imbalance_explorer.rows, 1)))
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
    with pytest.raises(ValueError, match=r"pictures of shape \(7, 4, 3, 4, 4\); 8 classes"):
        explorers.ImbalanceExplorer(lambda level, each: np.zeros((7, each, 3, 4, 4), np.uint8), NAMES)


def test_lesion_pictures_have_the_shape_the_explorer_needs():
    pictures = explorers.lesion_pictures([str(index) for index in range(12)], size=16)(0.5, 3)
    assert pictures.shape == (12, 3, 3, 16, 16)
    assert pictures.dtype == np.uint8

"""The imbalance explorer: swept over its controls, and right in what it shows and says."""

import numpy as np
import pytest
from every_explorer import heights

from spbl_nb import imbalance
from spbl_nb.explorers.imbalance import EVERYONE, RARE, WHATEVER_SIZE, ImbalanceExplorer, lesion_images
from spbl_nb.plots import style

CLASSES = 8
NAMES = [f"class {index}" for index in range(CLASSES)]


def _images(difficulty, per_class):
    """Images whose grey says class (tens) and difficulty (units)."""
    grey = 10 * np.arange(CLASSES, dtype=np.uint8) + round(9 * difficulty)
    return np.tile(grey[:, None, None, None, None], (1, per_class, 3, 4, 4))


@pytest.fixture(scope="module")
def explorer():
    return ImbalanceExplorer(_images, NAMES, largest=100)


def _shown(explorer):
    """Return int[R,C], the grey value of each image of the grid."""
    return explorer.shown.pixels[2::6, 2::6, 0].astype(int)


def test_many_classes():
    many = ImbalanceExplorer(lambda level, each: np.zeros((60, each, 3, 2, 2), np.uint8), list(map(str, range(60))))
    assert many.render(factor=100)[1]


@pytest.mark.parametrize("profile", imbalance.PROFILES)
def test_bars_and_words_are_the_exact_counts(explorer, profile):
    _, caption = explorer.render(profile=profile, factor=10)
    counts = imbalance.class_counts(profile, CLASSES, 100, 10)
    assert heights(explorer.bars).tolist() == counts.tolist()
    assert [text.get_text().split("\n")[0] for text in explorer.sizes] == [f"{count}" for count in counts]
    assert f"{counts.sum()} training pictures" in caption
    assert f"right {100 / counts.sum():.0%} of the time" in caption


def test_a_rare_class_shows_no_more_images_than_it_has(explorer):
    explorer.render(profile="step", factor=50)
    there = _shown(explorer) < 100
    assert there[:, :4].all()
    assert there[:2, 4:].all(), "two images are left of a hundred"
    assert not there[2:, 4:].any()


@pytest.mark.parametrize("difficulty", [0.0, 0.4, 1.0])
def test_every_image_has_the_class_and_difficulty_of_its_bar(explorer, difficulty):
    explorer.render(difficulty=difficulty, hard=EVERYONE, profile="natural")
    expected = 10 * np.arange(CLASSES) + round(9 * difficulty)
    np.testing.assert_array_equal(_shown(explorer), np.tile(expected, (explorer.rows, 1)))
    np.testing.assert_allclose(explorer.bars.artist.get_facecolor(), style.shade(np.full(CLASSES, difficulty)))


def test_who_is_hard(explorer):
    explorer.render(profile="odd_classes", factor=10, difficulty=1.0, hard=RARE)
    assert (_shown(explorer)[0] % 10).tolist() == [0, 9] * 4
    _, caption = explorer.render(difficulty=1.0, hard=WHATEVER_SIZE)
    units = _shown(explorer)[0] % 10
    assert (units.min(), units.max()) == (0, 9)
    assert f"The hardest class is {NAMES[int(units.argmax())]} (1.0)" in caption


def test_images_of_another_shape_are_refused():
    with pytest.raises(ValueError, match=r"images of shape \(7, 4, 3, 4, 4\); 8 classes"):
        ImbalanceExplorer(lambda level, each: np.zeros((7, each, 3, 4, 4), np.uint8), NAMES)


def test_lesion_images_have_the_shape_the_explorer_needs():
    images = lesion_images([str(index) for index in range(12)], size=16)(0.5, 3)
    assert images.shape == (12, 3, 3, 16, 16)
    assert images.dtype == np.uint8

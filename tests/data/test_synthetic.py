"""Synthetic lesions: every dial does what it says, and nothing else changes an image."""

import subprocess
import sys

import numpy as np
import pytest
from scipy.stats import spearmanr
from threadpoolctl import threadpool_limits

from spbl_nb.data.synthetic import classes, draw, painting

pytestmark = pytest.mark.filterwarnings("error")


def features(images):
    """Colour of the middle against the edge, its variation and its fine texture: float[N,9], each in unit variance."""
    images = images / 255.0
    quarter = images.shape[-1] // 4
    middle = images[:, :, quarter:-quarter, quarter:-quarter]
    edge = np.concatenate([images[:, :, :2].mean((2, 3)), images[:, :, -2:].mean((2, 3))]).reshape(2, -1, 3).mean(0)
    fine = np.abs(np.diff(middle, axis=2)).mean((2, 3))
    values = np.concatenate([middle.mean((2, 3)) - edge, middle.std((2, 3)), fine], axis=1)
    return values / values.std(axis=0)


@pytest.fixture(scope="module")
def default_images():
    return draw.draw([6] * 12, seed=3)


def test_images_are_exposed_like_photographs(default_images):
    brightness = default_images.images.mean((1, 2, 3))
    assert brightness.min() > 20
    assert brightness.max() < 235
    assert default_images.images.std((2, 3)).mean() > 10
    skin = default_images.images[:, :, 2:5, 12:20].mean((2, 3))
    assert (skin[:, 0] > skin[:, 2]).mean() > 0.9  # skin reflects more red than blue
    assert np.ptp(skin[:, 1]) > 90  # fair and dark tones


@pytest.mark.parametrize("other", [{"seed": 4}, {"seed": 3, "stream": 1}])
def test_other_seeds_and_streams_hold_other_images(default_images, other):
    drawn = draw.draw([6] * 12, **other).images
    difference = np.abs(drawn.astype(int)[:, None] - default_images.images[None]).mean((2, 3, 4))
    assert difference.min() > 1


@pytest.mark.parametrize("size", [16, 33, 64, 97])
def test_first_images_stay_when_more_are_drawn(size):
    few = draw.draw([3, 5, 2], 0.7, size)
    more = draw.draw([11, 5, 7], 0.7, size)
    for index in range(3):
        own = few.images[few.labels == index]
        np.testing.assert_array_equal(own, more.images[more.labels == index][: len(own)])


def test_a_class_is_untouched_by_the_others():
    alone = draw.draw([0, 4, 0, 0], [0, 0.6, 0, 0]).images
    crowded = draw.draw([9, 4, 2, 30], [1, 0.6, 0.3, 0.8])
    np.testing.assert_array_equal(alone, crowded.images[crowded.labels == 1])


def test_images_do_not_depend_on_the_number_of_threads():
    scenes = draw._scenes((0, 0, 0), 1, 1, *draw._prototype_table(2), 0.0).block(slice(None))
    fields = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            fields.append(painting._wave_fields(scenes, painting._Place(scenes.view, 224)))
    for name in painting.FIELDS:
        np.testing.assert_array_equal(fields[0][name], fields[1][name])


@pytest.mark.parametrize(("size", "larger"), [(32, 64), (24, 96), (56, 224)])
def test_same_lesion_at_every_size(size, larger):
    small = draw.draw([4] * 12, 0.3, size).images.astype(float)
    large = draw.draw([4] * 12, 0.3, larger).images.astype(float)
    factor = larger // size
    reduced = large.reshape(len(large), 3, size, factor, size, factor).mean((3, 5))
    same = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, reduced, strict=True)]
    other = [np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(small, np.roll(reduced, 1, axis=0), strict=True)]
    assert min(same) > 0.9
    assert np.mean(same) > 0.98
    assert np.mean(other) < 0.8


def told_from_sibling(difficulty, seed=0):
    """Share of fresh images on the right side of a line (least squares) drawn between a class and its sibling."""
    learnt, fresh = (draw.draw([40] * 12, difficulty, seed=seed, stream=stream) for stream in (0, 1))
    values = features(np.concatenate([learnt.images, fresh.images]))
    values = np.concatenate([values, np.ones((len(values), 1))], axis=1).reshape(2, 6, 80, -1)  # part, pair, image
    side = np.repeat([-1.0, 1.0], 40)
    lines = [np.linalg.lstsq(pair, side, rcond=None)[0] for pair in values[0]]
    return np.mean([np.sign(pair @ line) == side for pair, line in zip(values[1], lines, strict=True)])


def test_difficulty_moves_images_towards_the_sibling():
    easy, medium, hard = (told_from_sibling(difficulty) for difficulty in (0.0, 0.5, 1.0))
    assert easy > 0.9
    assert easy - 0.05 > medium > hard + 0.15
    assert hard > 0.51


def test_drift_is_the_same_share_in_a_small_class():
    for seed in range(5):
        uniform = np.full((10, 2 * len(classes.TRAITS)), 0.5)
        own, other = np.zeros(len(classes.TRAITS)), np.ones(len(classes.TRAITS))
        drift = (0.1 * seed + np.arange(10) * draw._GOLDEN) % 1
        trait = classes.TRAITS.index("melanin")
        assert not draw._looks(drift, uniform, own, other, 0.0)[:, trait].any()
        weight = draw._looks(drift, uniform, own, other, 1.0)[:, trait]
        assert 3 <= (weight > 0.5).sum() <= 4


def test_groups_count_the_lesions():
    drawn = draw.draw([5, 0, 3], 0.0, pictures_per_lesion=2)
    assert drawn.groups.tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    assert drawn.labels.tolist() == [0, 0, 0, 0, 0, 2, 2, 2]


def test_images_of_a_lesion_resemble_each_other_without_being_equal():
    drawn = draw.draw([16] * 12, 0.0, pictures_per_lesion=4)
    colours = drawn.images[:, :, 8:24, 8:24].mean((2, 3)) / 255
    distance = np.linalg.norm(colours[:, None] - colours, axis=2)
    same_lesion = drawn.groups[:, None] == drawn.groups
    same_class = (drawn.labels[:, None] == drawn.labels) & ~same_lesion
    itself = np.eye(len(distance), dtype=bool)
    assert distance[same_lesion & ~itself].mean() < 0.5 * distance[same_class].mean()
    assert len(np.unique(drawn.images.reshape(len(drawn.images), -1), axis=0)) == len(drawn.images)


def test_wave_fields_equal_the_sum_of_their_waves():
    scenes = draw._scenes((0, 0, 0), 3, 1, *draw._prototype_table(2), 0.0)
    scenes.view["defocus"][:] = 0
    block = scenes.block(slice(1, 2))
    place = painting._Place(block.view, 192)
    found = painting._wave_fields(block, place)["outline"][0]
    expected = np.zeros((192, 192))
    order = np.arange(painting.WAVES)
    length = painting.FIELDS["outline"] * (0.83 + 0.34 * (order * 5 % 12 + 0.5) / 12)
    for wave, (turn, start) in enumerate(block.waves[0, 0]):
        # on the lesion the wave keeps its direction, and turning the image turns it backwards
        direction = (wave + turn) * np.pi / 12
        along = np.cos(direction) * place.u[0] - np.sin(direction) * -place.v[0]
        expected += np.sqrt(2 / 12) * np.cos(length[wave] * along + 2 * np.pi * start)
    np.testing.assert_allclose(found, expected, atol=2e-3)


def test_classes_are_distinct_and_stay_when_more_are_asked_for():
    most = draw.class_prototypes(draw.MAX_CLASSES)
    assert len(most) >= 300
    assert len({prototype.name for prototype in most}) == len(most)
    assert draw.class_prototypes() == most[:12]
    assert draw.class_prototypes(198) == most[:198]
    assert len(np.unique(draw._prototype_table(len(most)), axis=0)) == len(most)


def test_names_describe_and_diagnose_nothing():
    diseases = (
        "melanom",
        "nevus",
        "naevus",
        "eczema",
        "psoria",
        "carcinom",
        "kerato",
        "angiom",
        "wart",
        "acne",
        "tinea",
    )
    for prototype in draw.class_prototypes(draw.MAX_CLASSES):
        assert not any(disease in prototype.name for disease in diseases)
        assert 2 <= len(prototype.name.split()) <= 3


@pytest.mark.parametrize("num_classes", [2, 3, 12, 13, 198])
def test_siblings(num_classes):
    siblings = [draw.sibling(index, num_classes) for index in range(num_classes)]
    assert all(0 <= partner < num_classes and partner != index for index, partner in enumerate(siblings))
    paired = num_classes - num_classes % 2
    assert all(siblings[siblings[index]] == index for index in range(paired))


@pytest.mark.parametrize("num_classes", [2, 7, 10, 12, 20, 198, 300])
def test_default_difficulty_is_even_and_independent_of_the_order(num_classes):
    difficulty = draw.default_difficulty(num_classes)
    np.testing.assert_allclose(np.sort(difficulty), np.linspace(0, 1, num_classes))
    if num_classes >= 10:
        assert abs(spearmanr(difficulty, np.arange(num_classes)).statistic) < 0.1


def test_raw_bits_are_the_known_ones():
    """First value of PCG64 with SeedSequence((1, 2, 3)), as documented streams must stay what they are."""
    known = np.random.Generator(np.random.PCG64(np.random.SeedSequence((1, 2, 3)))).random()
    assert painting.uniform((1, 2, 3), 1, 1)[0, 0] == pytest.approx(known, abs=2**-24)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"counts": [5]}, r"counts is \[5\]; allowed: 2 to"),
        ({"counts": [3, -1]}, "counts is"),
        ({"counts": [0, 0]}, "counts is .* not all 0"),
        ({"difficulty": [0.1]}, "difficulty has 1 entries; 2 are needed, one per class"),
        ({"difficulty": [0.1, -0.2]}, "difficulty reaches from -0.2 to 0.1"),
        ({"size": 15}, "size is 15; allowed: an integer from 16 to 224"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        draw.draw(**{"counts": [1, 1], **arguments})


def test_import_needs_neither_torch_nor_scipy():
    heavy = "{'torch', 'scipy', 'matplotlib', 'IPython'}"
    code = f"import sys, spbl_nb.data.synthetic.draw; sys.exit(bool({heavy} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)

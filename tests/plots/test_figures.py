"""Figures: drawn for few and for many classes, white, true to the numbers given, and shown with alt text."""

import base64
import io

import numpy as np
import pytest
from matplotlib import colors
from PIL import Image

from spbl_nb.plots import comparisons, figures, style

RNG = np.random.default_rng(0)
HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.2},
    {"epoch": 2, "train_loss": 1.0, "train_accuracy": 0.6, "validation_loss": 1.2, "validation_accuracy": 0.5},
]


def _names(classes):
    return [f"class number {index}" for index in range(classes)]


def _images(count):
    return RNG.integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)


def _heights(bars):
    return [path.get_extents().height for path in bars.get_paths()]


FIGURES = {
    "class sizes": lambda c: figures.class_sizes(RNG.integers(1, 99, c), _names(c), RNG.random(c)),
    "sorted class sizes": lambda c: figures.class_sizes(RNG.integers(1, 99, c), _names(c), sort=True, logarithmic=True),
    "confusion": lambda c: figures.confusion(RNG.integers(0, 9, (c, c)), _names(c)),
    "recall": lambda c: figures.recall_against_size(RNG.random(c), RNG.integers(1, 99, c), _names(c), RNG.random(c)),
    "plain recall": lambda c: figures.recall_against_size(RNG.random(c), np.full(c, 7), _names(c)),
    "bars": lambda c: figures.class_bars(RNG.random(c), _names(c), "recall"),
    "sheet": lambda c: figures.contact_sheet(_images(c), np.arange(c), _names(c), 1, np.ones(c)),
    "curves": lambda c: figures.learning_curves(HISTORY),
    "seeds": lambda c: comparisons.seeds_and_means({"a": [0.1, 0.2], "b": [0.3]}, "accuracy"),
    "images": lambda c: figures.image_grid(_images(11), _names(11), columns=4),
    "rows": lambda c: figures.image_grid(_images(8), ["a", "b"], columns=4),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [2, 12, 198])
@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_on_white_without_a_warning(name, classes):
    figure = FIGURES[name](classes)
    image = np.asarray(Image.open(io.BytesIO(figures.to_png(figure))).convert("RGB"))
    assert image.shape[:2] == figure.canvas.get_width_height()[::-1]
    assert (image[0, 0] == 255).all()
    assert image.std() > 5, "an empty figure"


def test_names_give_way_to_indices_for_many_classes():
    few, many = (figures.class_bars(np.ones(c), _names(c), "recall").axes[0] for c in (12, 198))
    assert [label.get_text() for label in few.get_xticklabels()] == _names(12)
    assert [label.get_text() for label in many.get_xticklabels()] == [str(index) for index in range(0, 198, 20)]
    assert many.get_xlabel() == "class index"


def test_class_sizes_are_bars_with_numbers_and_shades():
    axes = figures.class_sizes(np.array([3, 7]), ["a", "b"], np.array([0.0, 1.0]), sort=True).axes[0]
    (bars,) = axes.collections
    assert _heights(bars) == [7, 3]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["b", "a"]
    assert [text.get_text() for text in axes.texts] == ["7\n(1.0)", "3\n(0.0)"]
    dark, light = (colors.rgb_to_hsv(colour[:3])[2] for colour in bars.get_facecolor())
    assert dark < light
    brightness = style.shade(np.linspace(0, 1, 11))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) < -0.02).all(), "an order must survive a print in grey"
    assert figures.class_sizes(np.zeros(2, int), ["a", "b"]).axes[0].get_ylim()[1] >= 1, "empty classes are allowed"


def test_bars_leave_a_gap_where_there_is_no_value():
    axes = figures.class_bars(np.array([0.5, np.nan]), ["a", "b"], "recall").axes[0]
    assert _heights(axes.collections[0]) == [0.5, 0]
    assert [text.get_text() for text in axes.texts] == ["0.50"]


def test_hard_classes_are_larger_squares_and_what_has_no_recall_is_not_drawn():
    recall, difficulty = np.array([0.5, np.nan, 0.9]), np.array([0.0, 0.4, 1.0])
    axes = figures.recall_against_size(recall, np.array([10, 20, 100]), ["a", "b", "c"], difficulty).axes[0]
    easy, hard = axes.collections
    assert len(hard.get_offsets()) == 1
    assert hard.get_sizes().min() > easy.get_sizes().max()
    assert len(hard.get_paths()[0].vertices) != len(easy.get_paths()[0].vertices), "the same marker"
    assert sorted(text.get_text() for text in axes.texts) == ["a", "c"]


def test_confusion_writes_samples_and_shades_shares():
    axes = figures.confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["3", "1"]


def test_contact_sheet_puts_images_into_the_row_of_their_class():
    images = np.zeros((3, 3, 4, 4), np.uint8) + np.array([10, 20, 30], np.uint8)[:, None, None, None]
    axes = figures.contact_sheet(images, np.array([1, 0, 1]), ["a", "b"], 2, [1, 2]).axes[0]
    cells = axes.images[0].get_array()[1::6, 1::6, 0]
    assert cells.tolist() == [[20, 255], [10, 30]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (1)", "b (2)"]


@pytest.mark.parametrize(("height", "width", "classes"), [(12, 12, 30), (10, 20, 3)])
def test_a_contact_sheet_stretches_no_image_and_cuts_no_name(height, width, classes):
    images = RNG.integers(0, 256, (classes, 3, height, width), dtype=np.uint8)
    figure = figures.contact_sheet(images, np.arange(classes), _names(classes), 8, np.ones(classes))
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cell = np.diff(axes.transData.transform([(0, 0), (1, 1)]), axis=0)[0]
    assert abs(cell[1] / cell[0]) == pytest.approx(height / width)
    assert all(label.get_window_extent().x0 >= 0 for label in axes.get_yticklabels())


def test_an_exact_png_is_exact_and_a_small_one_smaller():
    figure = figures.image_grid(np.sort(_images(8), axis=2), columns=4)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    small, exact = style.small_png(pixels), style.fast_png(pixels)
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(exact))), pixels[..., :3])
    assert len(small) < 0.7 * len(exact)


def test_small_png_keeps_the_colours_of_a_few_marks_beside_photographs():
    pixels = RNG.integers(90, 190, (200, 300, 3), dtype=np.uint8)
    pixels[..., 2] //= 2
    marks = {colour: (slice(5 * row, 5 * row + 4), slice(0, 4)) for row, colour in enumerate(style.PALETTE[:6])}
    for colour, place in marks.items():
        pixels[place] = np.round(255 * np.array(colors.to_rgb(colour)))
    small = np.asarray(Image.open(io.BytesIO(style.small_png(pixels))).convert("RGB")).astype(int)
    for place in marks.values():
        assert np.abs(small[place] - pixels[place]).max() < 25


def test_pixel_image_shows_the_nearest_pixels():
    figure = style.new_figure(1, 1)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    pixels = RNG.integers(0, 256, (4, 3, 3), dtype=np.uint8)
    style.PixelImage(axes, pixels)
    figure.canvas.draw()
    np.testing.assert_array_equal(np.asarray(figure.canvas.buffer_rgba())[..., :3], pixels.repeat(24, 0).repeat(32, 1))


def test_showing_carries_the_alt_text_and_leaves_pyplot_alone(monkeypatch):
    from matplotlib import pyplot

    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, metadata, raw: shown.append((bundle, metadata, raw)))
    before = pyplot.get_fignums()
    figures.show(figures.class_sizes(np.array([1, 2]), ["a", "b"]), alt="Two bars.")
    assert pyplot.get_fignums() == before
    ((bundle, metadata, raw),) = shown
    assert raw
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == "Two bars."
    assert metadata == {"image/png": {"alt": "Two bars."}}
    with pytest.raises(ValueError, match="alt is empty"):
        figures.png_bundle(b"", "  ")

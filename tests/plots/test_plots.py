"""Figures: drawn for few and for many classes, white, true to the numbers given, and shown with alt text."""

import base64
import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from matplotlib import colors
from PIL import Image

from spbl_nb.plots import figures
from spbl_nb.plots import style as drawing

RNG = np.random.default_rng(0)
HISTORY = [
    {"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.2},
    {"epoch": 2, "train_loss": 1.0, "train_accuracy": 0.6, "validation_loss": 1.2, "validation_accuracy": 0.5},
]


def _names(classes):
    return [f"class number {index}" for index in range(classes)]


def _pictures(count):
    return RNG.integers(0, 256, (count, 3, 16, 16), dtype=np.uint8)


def _heights(bars):
    return [path.get_extents().height for path in bars.get_paths()]


FIGURES = {
    "class sizes": lambda c: figures.class_sizes(RNG.integers(1, 99, c), _names(c), RNG.random(c)),
    "sorted class sizes": lambda c: figures.class_sizes(RNG.integers(1, 99, c), _names(c), sort=True, logarithmic=True),
    "confusion": lambda c: figures.confusion(RNG.integers(0, 9, (c, c)), _names(c)),
    "recall": lambda c: figures.recall_against_size(RNG.random(c), RNG.integers(1, 99, c), _names(c), RNG.random(c)),
    "plain recall": lambda c: figures.recall_against_size(RNG.random(c), np.full(c, 7), _names(c)),
    "bars": lambda c: figures.class_bars(np.where(np.arange(c) == 1, np.nan, 0.5), _names(c), "recall"),
    "several bars": lambda c: figures.class_bars({"a": RNG.random(c), "b": RNG.random(c)}, _names(c), "recall"),
    "sheet": lambda c: figures.contact_sheet(_pictures(c), np.arange(c), _names(c), per_class=2, scale=0.2),
    "curves": lambda c: figures.learning_curves(HISTORY),
    "several curves": lambda c: figures.learning_curves({"ce": HISTORY, "oversample": HISTORY}),
    "seeds": lambda c: figures.seeds_and_means({"a": [0.1, 0.2], "b": [0.3]}, "accuracy"),
    "methods": lambda c: figures.compare_methods(RNG.random((2, 3, 4)), ["a", "b"], ["x", "y", "z"]),
    "pictures": lambda c: figures.picture_grid(_pictures(11), _names(11), columns=4),
    "rows": lambda c: figures.picture_grid(_pictures(8), ["a", "b"], columns=4),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("classes", [2, 12, 198])
@pytest.mark.parametrize("name", FIGURES)
def test_figures_draw_on_white_without_a_warning(name, classes):
    figure = FIGURES[name](classes)
    picture = np.asarray(Image.open(io.BytesIO(figures.to_png(figure))).convert("RGB"))
    assert picture.shape[:2] == figure.canvas.get_width_height()[::-1]
    assert (picture[0, 0] == 255).all()
    assert picture.std() > 5, "an empty picture"


def test_names_give_way_to_indices_for_many_classes():
    few, many = (figures.class_bars(np.ones(c), _names(c), "recall").axes[0] for c in (12, 198))
    assert [label.get_text() for label in few.get_xticklabels()] == _names(12)
    assert 5 <= len(many.get_xticklabels()) <= 12
    assert many.get_xlabel() == "class index"


def test_class_sizes_are_bars_with_numbers_and_shades():
    axes = figures.class_sizes(np.array([3, 7]), ["a", "b"], np.array([0.0, 1.0]), sort=True).axes[0]
    (bars,) = axes.collections
    assert _heights(bars) == [7, 3]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["b", "a"]
    assert [text.get_text() for text in axes.texts] == ["7\n(1.0)", "3\n(0.0)"]
    dark, light = (colors.rgb_to_hsv(colour[:3])[2] for colour in bars.get_facecolor())
    assert dark < light


def test_shades_darken_evenly():
    """An order must survive a print in grey."""
    brightness = drawing.shade(np.linspace(0, 1, 11))[:, :3] @ [0.299, 0.587, 0.114]
    assert (np.diff(brightness) < -0.02).all()


def test_recall_leaves_out_what_is_not_defined_and_names_the_rest():
    figure = figures.recall_against_size(np.array([0.5, np.nan, 0.9]), np.array([10, 20, 100]), ["a", "b", "c"])
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["a", "c"]


def test_hard_classes_are_larger_squares():
    difficulty = np.array([0.0, 0.4, 1.0])
    axes = figures.recall_against_size(
        np.array([0.5, 0.7, 0.9]), np.array([10, 20, 100]), ["a", "b", "c"], difficulty
    ).axes[0]
    easy, hard = axes.collections
    assert len(easy.get_offsets()) == 2
    assert len(hard.get_offsets()) == 1
    assert hard.get_sizes().min() > easy.get_sizes().max()
    assert len(hard.get_paths()[0].vertices) != len(easy.get_paths()[0].vertices), "the same marker"


def test_names_of_points_overlap_neither_points_nor_each_other():
    figure = figures.recall_against_size(RNG.random(198), RNG.integers(1, 400, 198), _names(198))
    axes = figure.axes[0]
    renderer = figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer).extents for text in axes.texts]
    assert 10 < len(boxes) < 198
    for index, (left, low, right, high) in enumerate(boxes):
        for other in boxes[index + 1 :]:
            assert right < other[0] + 2 or other[2] < left + 2 or high < other[1] + 2 or other[3] < low + 2


def test_confusion_writes_samples_and_shades_shares():
    axes = figures.confusion(np.array([[3, 1], [0, 0]]), ["a", "b"]).axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.75, 0.25], [0, 0]])
    assert [text.get_text() for text in axes.texts] == ["3", "1"]


def test_learning_curves_take_what_is_there():
    loss, accuracy = figures.learning_curves(HISTORY).axes
    assert [line.get_xydata().tolist() for line in loss.lines] == [[[1, 2.0], [2, 1.0]], [[2, 1.2]]]
    assert [line.get_label() for line in accuracy.lines] == ["training", "validation"]
    assert len({line.get_linestyle() for line in loss.lines}) == 2


def test_methods_are_compared_by_mean_and_deviation_over_their_own_seeds():
    values = np.array([[[0.1, 0.3, np.nan]], [[0.5, np.nan, np.nan]]])
    axes = figures.compare_methods(values, ["two seeds", "one seed"], ["accuracy"]).axes[0]
    two, one = axes.containers
    assert two.lines[0].get_xdata() == pytest.approx([0.2])
    (left, right), _ = two.lines[2][0].get_segments()[0].T
    assert right - left == pytest.approx(2 * 2**0.5 / 10)
    assert np.ptp(one.lines[2][0].get_segments()[0][:, 0]) == 0


def test_contact_sheet_puts_pictures_into_the_row_of_their_class():
    images = np.zeros((3, 3, 4, 4), np.uint8) + np.array([10, 20, 30], np.uint8)[:, None, None, None]
    axes = figures.contact_sheet(images, np.array([1, 0, 1]), ["a", "b"], per_class=2).axes[0]
    cells = axes.images[0].get_array()[1::6, 1::6, 0]
    assert cells.tolist() == [[20, 255], [10, 30]]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a (1)", "b (2)"]


@pytest.mark.parametrize(("height", "width", "classes"), [(12, 12, 2), (12, 12, 30), (10, 20, 3), (20, 10, 9)])
def test_a_contact_sheet_stretches_no_picture_and_cuts_no_name(height, width, classes):
    images = RNG.integers(0, 256, (classes, 3, height, width), dtype=np.uint8)
    names = [f"class number {index}" for index in range(classes)]
    figure = figures.contact_sheet(images, np.arange(classes), names, per_class=8)
    figure.draw_without_rendering()
    axes = figure.axes[0]
    cell = np.diff(axes.transData.transform([(0, 0), (1, 1)]), axis=0)[0]
    assert abs(cell[1] / cell[0]) == pytest.approx(height / width)
    assert all(label.get_window_extent().x0 >= 0 for label in axes.get_yticklabels())


@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 9), st.integers(1, 9), st.sampled_from([3, 4]))))
def test_png_bytes_decode_to_the_pixels(pixels):
    decoded = np.asarray(Image.open(io.BytesIO(drawing.fast_png(pixels))))
    np.testing.assert_array_equal(decoded, pixels[..., :3])


def test_small_png_is_smaller_and_looks_the_same():
    figure = figures.picture_grid(np.sort(_pictures(8), axis=2), columns=4)
    figure.canvas.draw()
    pixels = np.asarray(figure.canvas.buffer_rgba())
    small, exact = drawing.small_png(pixels), drawing.fast_png(pixels)
    assert len(small) < 0.7 * len(exact)
    difference = np.asarray(Image.open(io.BytesIO(small)).convert("RGB")).astype(int) - pixels[..., :3]
    assert np.abs(difference).mean() < 8


def test_small_png_keeps_the_colours_of_a_few_marks_beside_photographs():
    pixels = RNG.integers(90, 190, (200, 300, 3), dtype=np.uint8)
    pixels[..., 2] //= 2
    marks = {colour: (slice(5 * row, 5 * row + 4), slice(0, 4)) for row, colour in enumerate(drawing.PALETTE[:6])}
    for colour, place in marks.items():
        pixels[place] = np.round(255 * np.array(colors.to_rgb(colour)))
    small = np.asarray(Image.open(io.BytesIO(drawing.small_png(pixels))).convert("RGB")).astype(int)
    for place in marks.values():
        assert np.abs(small[place] - pixels[place]).max() < 25


def test_mosaic_joins_rows_and_columns():
    joined = drawing.mosaic(np.arange(6, dtype=np.uint8).reshape(2, 3, 1, 1, 1).repeat(3, axis=2), gap=1)
    assert joined[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert (joined[1::2] == 255).all()


def test_pixel_image_shows_the_nearest_pixels():
    figure = drawing.new_figure(1, 1)
    figure.set_layout_engine("none")
    axes = figure.add_axes((0, 0, 1, 1))
    axes.axis("off")
    pixels = RNG.integers(0, 256, (4, 3, 3), dtype=np.uint8)
    drawing.PixelImage(axes, pixels)
    figure.canvas.draw()
    np.testing.assert_array_equal(np.asarray(figure.canvas.buffer_rgba())[..., :3], pixels.repeat(24, 0).repeat(32, 1))


def test_bars_move():
    axes = drawing.new_figure().subplots()
    bars = drawing.Bars(axes, np.array([1.0, 2.0]))
    bars.set(np.array([3.0, np.nan]), ["red", "blue"])
    assert _heights(bars.artist) == [3, 0]
    bars = drawing.Bars(axes, np.array([1.0, 2.0]), horizontal=True)
    assert [path.get_extents().width for path in bars.artist.get_paths()] == [1, 2]


def test_showing_carries_the_alt_text(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, metadata, raw: shown.append((bundle, metadata, raw)))
    figures.show(figures.class_sizes(np.array([1, 2]), ["a", "b"]), alt="Two bars.")
    ((bundle, metadata, raw),) = shown
    assert raw
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert bundle["text/plain"] == "Two bars."
    assert metadata == {"image/png": {"alt": "Two bars."}}


def test_pyplot_knows_none_of_the_figures():
    from matplotlib import pyplot

    before = pyplot.get_fignums()
    figures.class_sizes(np.array([1, 2]), ["a", "b"])
    assert pyplot.get_fignums() == before


def test_a_difficulty_may_miss_its_bounds_by_rounding():
    off = figures.class_sizes(np.array([1, 2]), ["a", "b"], np.array([-1e-17, 1 + 3e-16]))
    on = figures.class_sizes(np.array([1, 2]), ["a", "b"], np.array([0.0, 1.0]))
    for rounded, exact in zip(off.axes[0].collections, on.axes[0].collections, strict=True):
        np.testing.assert_array_equal(rounded.get_facecolor(), exact.get_facecolor())


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("logarithmic", [False, True])
def test_classes_may_all_be_empty(logarithmic):
    axes = figures.class_sizes(np.zeros(2, int), ["a", "b"], logarithmic=logarithmic).axes[0]
    assert axes.get_ylim()[1] >= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: figures.png_bundle(b"", "  "), "alt is empty"),
        (lambda: figures.class_sizes(np.ones(2), ["a", "b"], np.array([0, 1.01])), "from 0 to 1.01; allowed"),
        (lambda: figures.class_sizes(np.array([1, 2]), ["a"]), "counts has 2 entries; 1 are needed"),
        (lambda: figures.class_sizes(np.array([1, 2]), ["a", "b"], np.array([0, np.nan])), r"difficulty\[1\] is nan"),
        (lambda: figures.class_bars(np.zeros((2, 2)), ["a", "b"], "x"), "values has shape"),
        (lambda: figures.picture_grid(np.zeros((0, 3, 8, 8), np.uint8)), r"images has shape \(0, 3, 8, 8\)"),
        (lambda: figures.picture_grid(np.zeros((8, 3, 8, 8))), "dtype float64"),
        (lambda: figures.picture_grid(_pictures(8), ["a"] * 3, columns=4), "titles has 3 texts"),
        (lambda: figures.contact_sheet(_pictures(2), np.array([0, 2]), ["a", "b"]), "labels"),
        (lambda: figures.confusion(np.zeros((3, 3)), ["a", "b"]), "matrix has 3 entries"),
        (lambda: figures.compare_methods(np.zeros((2, 3)), ["a", "b"], ["x"]), r"allowed: \[2, 1, S\]"),
        (lambda: drawing.mosaic(np.zeros((2, 3, 4), np.uint8)), r"uint8\[R,K,3,H,W\]"),
    ],
)
def test_errors(call, message):
    with pytest.raises(ValueError, match=message):
        call()

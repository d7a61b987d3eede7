"""What all figures share: the palette, an empty figure, class axes, bars, labels and mosaics as single artists, PNG bytes.

Colours are those of Okabe & Ito, which stay apart under every common form of colour blindness; an order, such as
difficulty, is a shade of one map that darkens evenly. Wherever colour says something, a marker, a line style, a number
or a word says it too. Nothing here touches pyplot or its list of open figures.
"""

import io
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal, cast

import numpy as np
from matplotlib import colormaps
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.figure import Figure
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.textpath import TextPath
from matplotlib.ticker import LogLocator, NullFormatter
from matplotlib.transforms import Affine2D, Bbox, BboxBase
from numpy.typing import ArrayLike
from PIL import Image

BLUE, ORANGE, GREEN, PURPLE = "#0072B2", "#E69F00", "#009E73", "#CC79A7"
SKY, RED, BLACK = "#56B4E9", "#D55E00", "#000000"
PALETTE = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, BLACK)
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
LINES = ("-", "--", "-.", ":")
HATCH = "////"  # of bars that colour sets apart from the bars they stand on
FAINT = "0.9"  # grid lines and empty places
DPI = 96
_BESIDE = 8  # places for a name that touch its point; the others need a line to it
FEW = 20  # up to so many classes each has its name on the axis and its number in the figure


def new_figure(width: float = 8.0, height: float = 3.5) -> Figure:
    """Return an empty, opaque white figure of the given size in inches, with a canvas and automatic layout."""
    figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def canvas_of(figure: Figure) -> FigureCanvasAgg:
    """Return the canvas of a figure that :func:`new_figure` made."""
    return cast(FigureCanvasAgg, figure.canvas)


def tidy(axes: Axes, grid: Literal["x", "y", "both"] = "y") -> None:
    """Take away the frame's upper and right line and put a faint grid ("x", "y" or "both") behind the data."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
    axes.grid(axis=grid, color=FAINT, linewidth=0.8)


def shade(difficulty: np.ndarray) -> np.ndarray:
    """Return RGBA float[..., 4] for difficulties in [0, 1]: yellow is easy, dark blue is hard."""
    return colormaps["cividis_r"](np.asarray(difficulty, dtype=float))


def class_axis(axes: Axes, names: Sequence[str], which: str = "x", start: float = 0) -> None:
    """Put classes on the axis "x" or "y" from ``start``: up to 20 by name, more by index, thinned to about ten."""
    axis, count = axes.xaxis if which == "x" else axes.yaxis, len(names)
    if count <= FEW:
        room = axes.bbox.width / axes.figure.dpi / count  # inches for a name; a character of 9 points takes about 0.08
        slanted = which == "x" and 0.085 * max(map(len, names)) > room
        turned: dict[str, Any] = (
            {"rotation": 35, "ha": "right", "rotation_mode": "anchor"} if slanted else {"rotation": 0}
        )
        axis.set_ticks(np.arange(count) + start, list(names), fontsize=9, **turned)
    else:
        step = next(step for step in (5, 10, 20, 50, 10 ** len(str(count))) if count / step <= 12)
        places = np.arange(0, count, step)
        axis.set_ticks(places + start, list(map(str, places)), rotation=0)
        axis.set_label_text("class index")
    if which == "x":
        axes.set_xlim(-0.6, count - 0.4)
    else:
        axes.set_ylim(count - 0.5, -0.5)


def plain_log(axes: Axes, low: float, high: float) -> None:
    """Make the x axis, from ``low`` to ``high``, logarithmic with plain numbers: powers of ten, and 2 and 5 if there is room."""
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high < 1000 * low else (1.0,)))
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter(NullFormatter())


class Bars:
    """Bars of classes 0..C-1 as one artist: 198 of them move and redraw in about 1 ms, where 198 rectangles take 8."""

    def __init__(self, axes: Axes, lengths: np.ndarray, *, horizontal: bool = False, **style: Any):
        self.horizontal = horizontal
        many = len(lengths) > 3 * FEW
        width, outline = (1.0, 0.0) if many else (0.8, 0.5)  # among many bars, gaps and outlines would hide the colours
        places = np.arange(len(lengths))
        self.sides = np.stack([places - width / 2, places + width / 2, places + width / 2, places - width / 2], axis=1)
        look: dict[str, Any] = {"facecolor": BLUE, "edgecolor": "0.25", "linewidth": outline}
        if many:
            style["linestyle"] = "-"  # dashes of an outline without width are an error before Matplotlib 3.11
        self.artist = PolyCollection([], **look | style)
        axes.add_collection(self.artist, autolim=False)
        self.set(lengths)

    def set(self, lengths: np.ndarray, colours: Any = None) -> None:
        """Give the bars these lengths float[C] (NaN: no bar), and these face colours if any."""
        lengths = np.nan_to_num(np.asarray(lengths, dtype=float))
        ends = np.stack([0 * lengths, 0 * lengths, lengths, lengths], axis=1)
        pair = (ends, self.sides) if self.horizontal else (self.sides, ends)
        self.artist.set_verts(list(np.stack(pair, axis=2)))
        if colours is not None:
            self.artist.set_facecolor(colours)


class Labels(PathCollection):
    """Short texts beside points of the data as one artist: forty take 1 ms to draw, where forty texts take 17.

    ``align`` is the share of a text that lies left of its point (0 to 1), ``rise`` the height of its foot, in points.
    """

    def __init__(self, axes: Axes, size: float = 8, align: float = 0.5, rise: float = 3) -> None:
        super().__init__([], facecolor=BLACK, linewidth=0, offset_transform=axes.transData)
        self.size, self.align, self.rise = size, align, rise
        self.put([], [], [])
        axes.add_collection(self, autolim=False)
        self.set_transform(Affine2D().scale(1 / 72) + axes.figure.dpi_scale_trans)  # outlines are in points
        self.set_in_layout(False)

    def put(self, x: ArrayLike, y: ArrayLike, texts: Sequence[str]) -> None:
        """Write one text, of one line or several, at each point (x, y)."""
        self.points, self.texts = np.column_stack([x, y]), list(texts)
        self.set_paths([_outline(text, self.size, self.align, self.rise) for text in texts])
        self.set_offsets(self.points)


@lru_cache(maxsize=4096)
def _outline(text: str, size: float, align: float, rise: float) -> Path:
    """Return the outline of a text beside the point (0, 0), in points."""
    lines = [TextPath((0, 0), line, size) for line in reversed(text.split("\n"))]
    widths = [line.get_extents().x1 if len(line.vertices) else 0.0 for line in lines]
    feet = [Affine2D().translate(-align * width, rise + 1.15 * row * size) for row, width in enumerate(widths)]
    return Path.make_compound_path(*(foot.transform_path(line) for foot, line in zip(feet, lines, strict=True)))


class PixelImage(Artist):
    """An image uint8[H,W,3] that fills an axes; pixels are repeated or skipped, ten times as fast as ``imshow`` resamples."""

    def __init__(self, axes: Axes, pixels: np.ndarray):
        super().__init__()
        self.home = axes
        self.pixels = pixels
        axes.add_artist(self)

    def draw(self, renderer: Any) -> None:
        """Copy the pixels nearest to those of the canvas."""
        left, low, right, high = np.rint(self.home.bbox.extents).astype(int)
        height, width = self.pixels.shape[:2]
        rows = np.arange(high - low) * height // (high - low)
        columns = np.arange(right - left) * width // (right - left)
        opaque = np.full((len(rows), len(columns), 4), 255, dtype=np.uint8)
        opaque[..., :3] = self.pixels[rows[:, None], columns]
        renderer.draw_image(renderer.new_gc(), left, low, opaque[::-1])
        self.stale = False


def name_points(axes: Axes, x: np.ndarray, y: np.ndarray, names: Sequence[str], radius: np.ndarray) -> None:
    """Write names beside points (``radius`` float[C], pixels) where they cover no point and no name, lowest points first.

    Where there is no room beside a point, and there are few, its name stands further off, at the end of a thin line. A
    point without a name is not covered either. The figure must have been laid out.
    """
    points = axes.transData.transform(np.column_stack([x, y]))
    shown = np.flatnonzero(~np.isnan(points).any(axis=1)).tolist()
    taken: list[BboxBase] = [Bbox([points[index] - radius[index], points[index] + radius[index]]) for index in shown]
    few = sum(map(bool, names)) <= FEW
    text = Text(figure=axes.get_figure(), fontsize=8 if few else 7)
    for index in sorted((index for index in shown if names[index]), key=lambda index: y[index]):
        text.set_text(names[index])
        width, height = text.get_window_extent().size
        away = radius[index] + 3
        moves = [(dx, -height / 2) for dx in (away, -away - width)]
        for rise in (away, away + 14, away + 28, away + 42) if few else (away,):
            moves += [(dx, dy) for dy in (rise, -rise - height) for dx in (-width / 2, 0, -width)]
        place = free_place(axes, points[index] + np.array(moves), (width, height), taken)
        if place is not None:
            line = {"arrowstyle": "-", "color": "0.6", "linewidth": 0.8, "shrinkA": 0, "shrinkB": 0}
            style: dict[str, Any] = {"fontsize": text.get_fontsize(), "arrowprops": line if place >= _BESIDE else None}
            axes.annotate(names[index], (x[index], y[index]), moves[place], textcoords="offset pixels", **style)


def free_place(axes: Axes, corners: np.ndarray, size: tuple[float, float], taken: list[BboxBase]) -> int | None:
    """Return the first of some places for a text that lies in the axes and covers nothing; None if none does.

    ``corners`` float[K,2] are the lower left corners of a text of ``size`` width and height, in pixels of the figure. The
    place is added to the boxes that are ``taken``.
    """
    for place, corner in enumerate(corners):
        box = Bbox([corner, corner + size])
        if axes.bbox.count_contains(box.corners()) == 4 and not box.count_overlaps(taken):
            taken.append(box)
            return place
    return None


def mosaic(images: np.ndarray, gap: int = 2) -> np.ndarray:
    """Join images uint8[R,K,3,H,W] into one, uint8[R*(H+gap), K*(W+gap), 3], in R rows, white between them."""
    framed = np.pad(images, ((0, 0), (0, 0), (0, 0), (0, gap), (0, gap)), constant_values=255)
    rows, columns, _, height, width = framed.shape
    return framed.transpose(0, 3, 1, 4, 2).reshape(rows * height, columns * width, 3)


def row_shares(confusion: np.ndarray) -> np.ndarray:
    """Return float[C,C], each row of a confusion matrix int[C,C] as shares of its class (0 where it has no sample)."""
    return confusion / np.maximum(confusion.sum(axis=1, keepdims=True), 1)


def fast_png(pixels: np.ndarray) -> bytes:
    """Encode uint8[H,W,3 or more] as an RGB PNG, quickly rather than small: for figures that move."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert("RGB").save(buffer, format="PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def small_png(pixels: np.ndarray) -> bytes:
    """Encode uint8[H,W,3 or more] as a PNG of 56 colours, a quarter of the size of an exact one: for notebooks kept in git.

    A few marks keep their colours beside many pixels of photographs.
    """
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    buffer = io.BytesIO()
    few = image.quantize(56, method=Image.Quantize.MAXCOVERAGE, kmeans=4, dither=Image.Dither.NONE)
    shades = np.array(few.getpalette())
    few.putpalette(np.where(shades > 250, 255, shades).tolist())  # a white that was averaged with others stays white
    few.save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()

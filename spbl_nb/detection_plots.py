"""Pictures of what a detector found: boxes with class and score, beside the truth.

Found boxes have solid lines, the truth dashed ones; classes have a colour of the palette and their name, so that
nothing is told by colour alone.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from spbl_nb import boxes, checks
from spbl_nb.boxed_images import DetectionData, Detections
from spbl_nb.drawing import BLACK, PALETTE, new_figure

_SAME_PLACE = 0.4  # boxes that overlap more share their place, and only the best of them says its class
_HALO = 1.6  # points of white on either side of a line or letter, so that it is seen on any picture


def predictions(
    data: DetectionData,
    rows: np.ndarray,
    detections: Sequence[Detections] | None = None,
    *,
    least_score: float = 0.3,
    most: int = 20,
    truth: bool = True,
    columns: int = 4,
    scale: float = 2.4,
) -> Figure:
    """Draw pictures with found boxes (solid, with class and score) and the true ones (dashed) in rows of ``columns``.

    Of found boxes that share a place only the best says its class and score.

    Parameters
    ----------
    rows : int64[n], pictures of ``data``; ``detections`` what was found in each, or None: the truth alone, with names.
    least_score : boxes with a lower score are not drawn; ``most`` boxes a picture at most, the best.
    truth : draw the true boxes too; ignored ones are dotted.
    scale : side of a picture in inches.

    Raises ValueError for rows and detections of different number.
    """
    rows = checks.row_array("rows", rows, len(data))
    if detections is not None and len(detections) != len(rows):
        raise ValueError(f"detections has {len(detections)} entries for {len(rows)} rows; one for each row is needed")
    least_score, most = checks.real("least_score", least_score, 0, 1), checks.integer("most", most, 1)
    columns, scale = min(checks.integer("columns", columns, 1), len(rows)), checks.real("scale", scale, 0.1, 20)
    lines = -(-len(rows) // columns)
    figure = new_figure(columns * scale, lines * scale + 0.35)
    pictures = data.images[rows]
    for place, axes in enumerate(figure.subplots(lines, columns, squeeze=False).flat):
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
        if place >= len(rows):
            continue
        row = int(rows[place])
        height, width = np.maximum(np.rint(data.sizes[row] * data.scale[row]).astype(int), 1)
        axes.imshow(
            pictures[place].transpose(1, 2, 0)[:height, :width], extent=(0, width, height, 0), interpolation="nearest"
        )
        axes.set_anchor("N")
        if truth or detections is None:
            _draw_truth(axes, data, row, detections is None)
        if detections is not None:
            found = detections[place]
            drawn = np.flatnonzero(found.scores >= least_score)[:most]
            shared = np.tril(boxes.overlap(found.boxes[drawn], found.boxes[drawn]), -1) > _SAME_PLACE
            for index, better in reversed(list(zip(drawn, shared, strict=True))):  # the best lies on top
                text = f"{data.class_names[found.labels[index]]} {found.scores[index]:.2f}"
                _draw(axes, found.boxes[index], found.labels[index], "-", "" if better.any() else text)
    _legend(figure, data, detections is not None, truth)
    return figure


def _draw_truth(axes: Axes, data: DetectionData, row: int, named: bool) -> None:
    for ignored, line in ((False, "--"), (True, ":")):
        there = data.truth(row, ignored)
        for box, label in zip(there.boxes, there.labels, strict=True):
            _draw(axes, box, label, line, data.class_names[label] if named else "")


def _draw(axes: Axes, box: np.ndarray, label: int, line: str, text: str) -> None:
    """Draw one box in the colour of its class, and a text at its upper edge that stays in the picture."""
    left, top, right, bottom = (float(value) for value in box)
    colour = PALETTE[label % len(PALETTE)] if line == "-" or text else BLACK
    halo = [withStroke(linewidth=1.5 + _HALO, foreground="white")]
    axes.add_patch(
        Rectangle(
            (left, top), right - left, bottom - top, fill=False, edgecolor=colour, linestyle=line, linewidth=1.5,
            path_effects=halo,
        )
    )  # fmt: skip
    if text:
        width, height = axes.get_xlim()[1], axes.get_ylim()[0]
        under, rightwards = top < 0.09 * height, width - left >= right  # to the side with more room
        axes.text(
            max(left, 0) if rightwards else min(right, width),
            bottom if under else top,
            text,
            color=colour,
            fontsize=7,
            va="top" if under else "bottom",
            ha="left" if rightwards else "right",
            clip_on=True,
            path_effects=[withStroke(linewidth=_HALO, foreground="white")],
        )


def _legend(figure: Figure, data: DetectionData, found: bool, truth: bool) -> None:
    handles = [Line2D([], [], color=BLACK, linestyle="-", label="found: class and score")] if found else []
    if truth or not found:
        handles.append(Line2D([], [], color=BLACK, linestyle="--", label="true box"))
        if data.ignored.any():
            handles.append(Line2D([], [], color=BLACK, linestyle=":", label="ignored (crowd or difficult)"))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=len(handles),
        fontsize=8,
        frameon=False,
        title="synthetic pictures" if data.synthetic else None,
        title_fontsize=8,
    )

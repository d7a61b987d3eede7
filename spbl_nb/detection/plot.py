"""Pictures of what a detector found: boxes with class and score, beside the truth.

Found boxes have solid lines, the truth dashed ones; classes have a colour of the palette and their name, so that
nothing is told by colour alone.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from spbl_nb import checks
from spbl_nb.detection import boxes
from spbl_nb.detection.dataset import DetectionData, Detections
from spbl_nb.plots.style import BLACK, PALETTE, free_place, new_figure

_SAME_PLACE = 0.4  # boxes that overlap more share their place, and only the best of them says its class
_Name = tuple[np.ndarray, str]  # a box and what is to be written at it
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
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    named: list[list[_Name]] = [[] for _ in rows]
    for place, axes in enumerate(panels):
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
            named[place] += _draw_truth(axes, data, row, detections is None)
        if detections is not None:
            found = detections[place]
            drawn = np.flatnonzero(found.scores >= least_score)[:most]
            shared = np.tril(boxes.overlap(found.boxes[drawn], found.boxes[drawn]), -1) > _SAME_PLACE
            for index, better in reversed(list(zip(drawn, shared, strict=True))):  # the best lies on top
                box, label = found.boxes[index], int(found.labels[index])
                _draw(axes, box, _colour(label), "-")
                if not better.any():
                    named[place].insert(0, (box, f"{data.class_names[label]} {found.scores[index]:.2f}"))
    _legend(figure, data, detections is not None, truth)
    figure.draw_without_rendering()  # names are placed by pixels
    for axes, names in zip(panels, named, strict=False):
        _write_names(axes, names)
    return figure


def _draw_truth(axes: Axes, data: DetectionData, row: int, named: bool) -> list[_Name]:
    """Draw the true boxes and return the names that are to be written, none unless ``named``."""
    names: list[_Name] = []
    for ignored, line in ((False, "--"), (True, ":")):
        there = data.truth(row, ignored)
        for box, label in zip(there.boxes, there.labels.tolist(), strict=True):
            _draw(axes, box, _colour(label) if named else BLACK, line)
            names += [(box, data.class_names[label])] if named else []
    return names


def _colour(label: int) -> str:
    return PALETTE[label % len(PALETTE)]


def _draw(axes: Axes, box: np.ndarray, colour: str, line: str) -> None:
    left, top, right, bottom = (float(value) for value in box)
    halo = [withStroke(linewidth=1.5 + _HALO, foreground="white")]
    style: dict[str, Any] = {
        "fill": False,
        "edgecolor": colour,
        "linestyle": line,
        "linewidth": 1.5,
        "path_effects": halo,
    }
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, **style))


def _write_names(axes: Axes, names: Sequence[_Name]) -> None:
    """Write each name over or under its box, or else inside, where it leaves the picture clear of other names, if it can."""
    taken: list[tuple[float, ...]] = []
    edge, _, far, _ = axes.get_window_extent().extents
    for box, words in names:
        style: dict[str, Any] = {"color": BLACK, "fontsize": 7, "va": "bottom", "clip_on": True}
        text = axes.text(0, 0, words, path_effects=[withStroke(linewidth=_HALO, foreground="white")], **style)
        width, height = text.get_window_extent().size
        (left, high), (right, low) = axes.transData.transform([box[:2], box[2:]])
        heights = (high + 1, low - height - 2, high - height - 2, low + 1)
        places = np.array([(np.clip(x, edge, far - width), y) for y in heights for x in (left, right - width)])
        number = free_place(axes, places, (width, height), taken) or 0
        x, y = axes.transData.inverted().transform(places[number])
        text.set_position((x, y))


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

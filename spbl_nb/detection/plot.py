"""Figures of what a detector found: boxes with class and score, beside the truth.

Found boxes have solid lines, the truth dashed ones; classes have a colour of the palette and their name, so that
nothing is told by colour alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.transforms import BboxBase
from torchvision.ops import box_iou

from spbl_nb.detection.dataset import DetectionData, Detections
from spbl_nb.plots.style import BLACK, PALETTE, free_place, new_figure

_SAME_PLACE = 0.4  # boxes that overlap more share their place, and only the best of them says its class
_HALO = 1.6  # points of white on either side of a line or letter, so that it is seen on any image
_COLUMNS, _SIDE = 4, 2.4  # images in a row, and the side of each in inches

_Name = tuple[np.ndarray, str]  # a box and what is to be written at it


def predictions(
    data: DetectionData,
    rows: np.ndarray,
    detections: Sequence[Detections] | None = None,
    *,
    least_score: float = 0.3,
    most: int = 20,
) -> Figure:
    """Draw images with what was found in them (solid, with class and score) and the true boxes (dashed; ignored: dotted).

    ``rows`` int64[n] are images of ``data``; without ``detections`` the true boxes have their names. At most ``most`` boxes
    an image are drawn, the best, and none below ``least_score``.
    """
    columns = min(_COLUMNS, len(rows))
    lines = -(-len(rows) // columns)
    figure = new_figure(columns * _SIDE, lines * _SIDE + 0.35)
    panels = figure.subplots(lines, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set(xticks=[], yticks=[], anchor="N")
        axes.spines[:].set_visible(False)
    named: list[list[_Name]] = []
    shown: Sequence[Detections | None] = [None] * len(rows) if detections is None else detections
    for axes, row, found in zip(panels, rows, shown, strict=False):
        height, width = np.maximum(np.rint(data.sizes[row] * data.scale[row]).astype(int), 1)
        pixels = data.images[int(row)].transpose(1, 2, 0)[:height, :width]
        axes.imshow(pixels, extent=(0, width, height, 0), interpolation="nearest")
        names = _draw_truth(axes, data, row, coloured=found is None)
        named.append(names if found is None else _draw_found(axes, data, found, least_score, most))
    _legend(figure, data, detections is not None)
    figure.draw_without_rendering()  # names are placed by pixels
    for axes, names in zip(panels, named, strict=False):
        _write_names(axes, names)
    return figure


def _draw_truth(axes: Axes, data: DetectionData, row: int, coloured: bool) -> list[_Name]:
    """Draw the true boxes; return their names."""
    names: list[_Name] = []
    for ignored, line in ((False, "--"), (True, ":")):
        there = data.truth(row, ignored)
        for box, label in zip(there.boxes, there.labels.tolist(), strict=True):
            _draw_box(axes, box, PALETTE[label % len(PALETTE)] if coloured else BLACK, line)
            names.append((box, data.class_names[label]))
    return names


def _draw_found(axes: Axes, data: DetectionData, found: Detections, least_score: float, most: int) -> list[_Name]:
    """Draw the found boxes, the best on top; return the names that are to be written, that of the best first."""
    drawn = np.flatnonzero(found.scores >= least_score)[:most]
    boxes = torch.as_tensor(found.boxes[drawn])
    better = (np.tril(box_iou(boxes, boxes).numpy(), -1) > _SAME_PLACE).any(axis=1)
    for index in drawn[::-1]:
        _draw_box(axes, found.boxes[index], PALETTE[found.labels[index] % len(PALETTE)], "-")
    return [
        (found.boxes[index], f"{data.class_names[found.labels[index]]} {found.scores[index]:.2f}")
        for index in drawn[~better]
    ]


def _draw_box(axes: Axes, box: np.ndarray, colour: str, line: str) -> None:
    left, top, right, bottom = (float(value) for value in box)
    halo = [withStroke(linewidth=1.5 + _HALO, foreground="white")]
    style: dict[str, Any] = {"fill": False, "edgecolor": colour, "linestyle": line, "linewidth": 1.5}
    axes.add_patch(Rectangle((left, top), right - left, bottom - top, path_effects=halo, **style))


def _write_names(axes: Axes, names: Sequence[_Name]) -> None:
    """Write each name over or under its box, or else inside, where it covers no other name, if it can."""
    taken: list[BboxBase] = []
    edge, far = axes.bbox.intervalx
    for box, words in names:
        style: dict[str, Any] = {"color": BLACK, "fontsize": 7, "va": "bottom", "clip_on": True}
        text = axes.text(0, 0, words, path_effects=[withStroke(linewidth=_HALO, foreground="white")], **style)
        width, height = text.get_window_extent().size
        (left, high), (right, low) = axes.transData.transform([box[:2], box[2:]])
        heights = (high + 1, low - height - 2, high - height - 2, low + 1)
        corners = np.array([(np.clip(x, edge + 1, far - width - 1), y) for y in heights for x in (left, right - width)])
        place = free_place(axes, corners, (width, height), taken) or 0
        text.set(position=axes.transData.inverted().transform(corners[place]))


def _legend(figure: Figure, data: DetectionData, found: bool) -> None:
    said: dict[Any, str] = {"-": "found: class and score"} if found else {}
    said |= {"--": "true box"}
    said |= {":": "ignored (crowd or difficult)"} if data.ignored.any() else {}
    handles = [Line2D([], [], color=BLACK, linestyle=line, label=label) for line, label in said.items()]
    title = "synthetic images" if data.synthetic else None
    look: dict[str, Any] = {"fontsize": 8, "frameon": False, "title": title, "title_fontsize": 8}
    figure.legend(handles=handles, loc="outside lower center", ncols=len(handles), **look)

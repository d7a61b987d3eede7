"""The common form of every detection data set: images of one size, and the boxes and classes of what they show.

A box is (left, top, right, bottom) in pixels: left and top are inside it, right and bottom just beyond. A photograph is
scaled until its longer side fills a square, and the rest of the square has the mean colour of ImageNet (letterboxing).
``scale`` leads back to the pixels of the file, in which average precision is measured.
"""

import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from spbl_nb import checks, files
from spbl_nb.data import decode

FILL = (124, 116, 104)  # the mean of ImageNet, rounded
ROUNDING = 1.0  # pixels by which annotations may reach over the border of an image; they are cut there


@dataclass(frozen=True)
class Detections:
    """What a detector found in one image, or what is there.

    ``boxes`` float32[D,4], ``scores`` float32[D] in [0, 1] with the best first (1 for the truth), ``labels`` int64[D].
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


class ImageFiles:
    """Images of files as an array uint8[N,3,size,size], indexed by a number, a slice or int[n].

    A file is decoded when its image is first asked for, and its square kept in a file that vanishes with the process; where
    the disk has no room for all, images are decoded at each use. A file that cannot be decoded, or is not of the height and
    width that the annotations state (``sizes`` int[N,2]), is refused with a ValueError.
    """

    def __init__(self, paths: Sequence[Path], sizes: np.ndarray, size: int = 512) -> None:
        self.paths, self.sizes, self.size = list(paths), sizes, size
        self.scale = size / sizes.max(axis=1)
        self.shape = (len(self.paths), 3, size, size)
        self._decoded = np.zeros(len(self), dtype=bool)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, rows: int | slice | np.ndarray) -> np.ndarray:
        index = np.atleast_1d(np.arange(len(self))[rows])
        if self._kept is None:
            images = self._squares(index)
        else:
            missing = np.unique(index[~self._decoded[index]])
            if missing.size:
                self._kept[missing] = self._squares(missing)
                self._decoded[missing] = True
            images = self._kept[index]
        return images[0] if isinstance(rows, (int, np.integer)) else images

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over the names of the files, their sizes in bytes and the side of the squares."""
        lines = [f"{path.parent.name}/{path.name} {path.stat().st_size}" for path in self.paths]
        return files.sha256_of("\n".join(lines), str(self.size))

    @cached_property
    def _kept(self) -> np.ndarray | None:
        """The squares decoded so far; None where the disk has not twice the room for all."""
        needed = int(np.prod(self.shape, dtype=np.int64))
        if shutil.disk_usage(tempfile.gettempdir()).free < 2 * needed:
            return None
        return np.memmap(tempfile.TemporaryFile(), dtype=np.uint8, mode="w+", shape=self.shape)

    def _squares(self, index: np.ndarray) -> np.ndarray:
        """Decode several files at once."""
        with ThreadPoolExecutor(min(len(index), os.cpu_count() or 1)) as pool:
            return np.stack(list(pool.map(self._square, index)))

    def _square(self, index: int) -> np.ndarray:
        """Return uint8[3,size,size], one image in the upper left corner of its square."""
        path, (height, width) = self.paths[index], self.sizes[index]
        fitted = [max(1, round(side * self.scale[index])) for side in (height, width)]
        try:
            content = decode.read_bytes(str(path))
            # without turn, because boxes are given in the pixels as they are stored
            image, _ = decode.upright(content, path.name, min(fitted), turn=False)
        except decode.ImageError as error:
            raise ValueError(f"image {path} cannot be decoded ({error}); get the file again or remove it") from None
        found = Image.open(io.BytesIO(content)).size
        if found != (width, height):
            raise ValueError(
                f"image {path} has {found[0]} x {found[1]} pixels, but its annotation says {width} x {height}"
            )
        square = np.empty((self.size, self.size, 3), dtype=np.uint8)
        square[:] = FILL
        square[: fitted[0], : fitted[1]] = np.asarray(image.resize(fitted[::-1], Image.Resampling.BILINEAR))
        return square.transpose(2, 0, 1)


@dataclass(repr=False, eq=False)
class DetectionData:
    """Images with boxes.

    Attributes
    ----------
    images : uint8[N,3,S,S], an array or :class:`ImageFiles`.
    owner : int64[M], the image that each box belongs to, ascending; an image without boxes is allowed.
    boxes : float32[M,4], in pixels of ``images``; ``labels`` int64[M] in 0..C-1.
    ignored : bool[M], crowds of COCO and difficult objects of VOC: not learnt, and neither right nor wrong when found.
    split : int8[N], 0 train, 1 validation, 2 test, or None.
    sizes, scale : int64[N,2], height and width of the file, and float64[N], pixels of ``images`` per pixel of the file.
    areas : float64[M], area of the object in pixels of the file, which may be less than its box; default: that of the box.
    skipped : what a reader has skipped, a sentence for each.

    Raises ValueError for a box that does not lie in its image, and for entries that do not fit each other.
    """

    name: str
    images: np.ndarray | ImageFiles
    owner: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    ignored: np.ndarray = field(default_factory=lambda: np.empty(0))
    split: np.ndarray | None = None
    sizes: np.ndarray = field(default_factory=lambda: np.empty(0))
    scale: np.ndarray = field(default_factory=lambda: np.empty(0))
    areas: np.ndarray = field(default_factory=lambda: np.empty(0))
    source: str = ""
    synthetic: bool = False
    mirror: bool = True
    skipped: tuple[str, ...] = ()

    def __repr__(self) -> str:
        found = f"{len(self.images)} images, {len(self.labels)} boxes of {len(self.class_names)} classes"
        return f"<{type(self).__name__} {self.name}: {found}>"

    def __post_init__(self) -> None:
        number, count = len(self.images), len(self.labels)
        self.owner, self.labels = np.asarray(self.owner, dtype=np.int64), np.asarray(self.labels, dtype=np.int64)
        self.class_names = tuple(self.class_names)
        self.split = None if self.split is None else np.asarray(self.split, dtype=np.int8)
        self.sizes = np.asarray(self.sizes if len(self.sizes) else [self.images.shape[2:]] * number, dtype=np.int64)
        self.scale = np.asarray(self.scale if len(self.scale) else np.ones(number), dtype=np.float64)
        self.ignored = np.asarray(self.ignored if len(self.ignored) else np.zeros(count), dtype=bool)
        boxes = np.asarray(self.boxes, dtype=np.float64).reshape(-1, 4)
        if len(boxes) != count or len(self.owner) != count or (np.diff(self.owner) < 0).any():
            raise ValueError(
                f"{self.name} has {count} labels, {len(boxes)} boxes and {len(self.owner)} owners; one each, the owners "
                "ascending, is needed"
            )
        if count:
            checks.label_array("labels", self.labels, self.num_classes)
            checks.label_array("owner", self.owner, number)
        held = (self.sizes * self.scale[:, None])[self.owner]
        for index, fault in box_faults(boxes, held).items():
            raise ValueError(f"boxes[{index}] of {self.name}: {fault}")
        self.boxes = clip_boxes(boxes, held)
        if not len(self.areas):
            extent = self.boxes[:, 2:].astype(np.float64) - self.boxes[:, :2]
            self.areas = extent.prod(axis=1) / self.scale[self.owner] ** 2

    def __len__(self) -> int:
        return self.images.shape[0]

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    @property
    def size(self) -> int:
        """Side of the squares, pixels."""
        return self.images.shape[2]

    @cached_property
    def first(self) -> np.ndarray:
        """int64[N+1]: the boxes of image i are those from ``first[i]`` to ``first[i + 1]``."""
        return np.searchsorted(self.owner, np.arange(len(self) + 1))

    def rows_of(self, split: int) -> np.ndarray:
        """Return int64[n], the rows of split 0 train, 1 validation or 2 test; all rows where there is no split."""
        return np.arange(len(self)) if self.split is None else np.flatnonzero(self.split == split)

    def truth(self, row: int, ignored: bool = False) -> Detections:
        """Return what image ``row`` shows, or, with ``ignored``, what is to be ignored in it."""
        place = slice(self.first[row], self.first[row + 1])
        kept = self.ignored[place] == ignored
        boxes = self.boxes[place][kept]
        return Detections(boxes, np.ones(len(boxes), dtype=np.float32), self.labels[place][kept])

    def counts(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return int64[C], boxes per class in ``rows`` (default: all), without the ignored ones."""
        kept = ~self.ignored if rows is None else ~self.ignored & np.isin(self.owner, rows)
        return np.bincount(self.labels[kept], minlength=self.num_classes)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over images (of files: their names and sizes in bytes), boxes, labels and split."""
        images = self.images if isinstance(self.images, np.ndarray) else self.images.sha256
        names = "\n".join(self.class_names)
        return files.sha256_of(images, self.owner, self.boxes, self.labels, self.ignored, names, self.split)


def box_faults(boxes: np.ndarray, sizes: np.ndarray) -> dict[int, str]:
    """Return by index what is wrong with boxes float64[M,4] in images of ``sizes`` float[M,2], height and width."""
    low, high, room = boxes[:, :2], boxes[:, 2:], np.asarray(sizes)[:, ::-1]
    with np.errstate(invalid="ignore"):
        beyond = (low < -ROUNDING) | (high > room + ROUNDING) | (np.minimum(high, room) <= np.maximum(low, 0))
        tests = {
            "has a coordinate that is not finite": ~np.isfinite(boxes),
            "is inverted (right before left, or bottom above top)": high < low,
            "is empty (no width or no height)": high == low,
            "reaches out of the image": beyond,
        }
    found: dict[int, str] = {}
    for fault, wrong in tests.items():
        for index in np.flatnonzero(wrong.any(axis=1)).tolist():
            box, (width, height) = ", ".join(f"{value:g}" for value in boxes[index]), room[index]
            found.setdefault(index, f"({box}) {fault}; the image is {width:g} x {height:g}")
    return dict(sorted(found.items()))


def clip_boxes(boxes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return float32[M,4], boxes cut at the borders of images of ``sizes`` [M,2], height and width."""
    return np.clip(boxes, 0, np.asarray(sizes)[:, [1, 0, 1, 0]]).astype(np.float32)

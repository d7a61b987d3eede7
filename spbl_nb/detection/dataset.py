"""The common form of every detection data set: pictures of one size, and the boxes and classes of what they show.

Whatever a reader or a generator delivers, it ends as one :class:`DetectionData`, checked on the way in, so that nothing
downstream asks again whether boxes lie in their pictures. Pictures of different sizes are made equal by letterboxing
(:mod:`spbl_nb.detection.letterbox`); ``scale`` leads back to the pixels of the file, in which average precision is measured.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from spbl_nb import checks, files
from spbl_nb.data.dataset import official_split
from spbl_nb.detection import boxes as box_tools
from spbl_nb.detection.letterbox import PictureFiles


def _unset() -> np.ndarray:
    """Stand for a field that is not given: what it then is depends on the others."""
    return np.empty(0)


@dataclass(frozen=True)
class Detections:
    """What a detector found in one picture, or what is there.

    ``boxes`` float32[D,4], ``scores`` float32[D] in [0, 1] with the best first (1 for the truth), ``labels`` int64[D].
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, repr=False)
class DetectionData:
    """Pictures with boxes.

    Attributes
    ----------
    images : uint8[N,3,S,S], an array, or :class:`spbl_nb.detection.letterbox.PictureFiles`, which decodes a picture when it is
        first asked for.
    owner : int64[M], the picture that each box belongs to, ascending; a picture without boxes is allowed.
    boxes : float32[M,4], (left, top, right, bottom) in pixels of ``images``.
    labels : int64[M] in 0..C-1. A class may be without boxes, as in a part of COCO.
    class_names : C texts.
    ignored : bool[M], crowds of COCO and difficult objects of VOC: not learnt, and neither right nor wrong when found.
    split : int8[N], 0 train, 1 validation, 2 test, or None.
    sizes : int64[N,2], height and width of the picture's own pixels; ``scale`` float64[N], pixels of ``images`` per own
        pixel. The picture lies in the upper left corner of its square. Defaults: the squares themselves.
    areas : float64[M], area of the object in own pixels, which may be less than its box; default: that of the box.
    left_out : what a reader that was told to skip has left out, a sentence for each.
    name, source, synthetic, mirror : as in :class:`spbl_nb.data.dataset.ImageData`.

    Raises ValueError naming the field that does not fit.
    """

    name: str
    images: np.ndarray | PictureFiles
    owner: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    ignored: np.ndarray = field(default_factory=_unset)
    split: np.ndarray | None = None
    sizes: np.ndarray = field(default_factory=_unset)
    scale: np.ndarray = field(default_factory=_unset)
    areas: np.ndarray = field(default_factory=_unset)
    source: str = ""
    synthetic: bool = False
    mirror: bool = True
    left_out: tuple[str, ...] = field(default=(), compare=False)

    def __repr__(self) -> str:
        found = f"{len(self.images)} pictures, {len(self.labels)} boxes of {len(self.class_names)} classes"
        return f"<{type(self).__name__} {self.name}: {found}>"

    def __post_init__(self) -> None:
        shape, dtype = tuple(getattr(self.images, "shape", ())), getattr(self.images, "dtype", None)
        if len(shape) != 4 or shape[1] != 3 or shape[0] == 0 or dtype != np.uint8:
            raise ValueError(
                f"images of {self.name} have shape {shape} and dtype {dtype}; uint8[N,3,H,W] is needed, N >= 1"
            )
        for part in ("labels", "owner", "boxes", "sizes", "scale", "ignored", "areas"):
            checks.as_array(part, getattr(self, part))  # refuses what is no array
        number, count = shape[0], np.size(self.labels)
        names = tuple(checks.texts("class_names", self.class_names))
        if not names:
            raise ValueError(f"{self.name} has no class names; at least one class is needed")
        labels = checks.label_array("labels", self.labels, len(names)) if count else np.zeros(0, dtype=np.int64)
        owner = checks.row_array("owner", self.owner, number) if count else np.zeros(0, dtype=np.int64)
        if len(owner) != count or (np.diff(owner) < 0).any():
            raise ValueError(f"owner has {len(owner)} entries for {count} labels; one each, ascending, is needed")
        sizes = (
            np.broadcast_to(shape[2:], (number, 2))
            if np.size(self.sizes) == 0
            else checks.finite_array("sizes", self.sizes, ndim=2)
        )
        scale = np.ones(number) if np.size(self.scale) == 0 else checks.finite_array("scale", self.scale, ndim=1)
        shaped = sizes.shape == (number, 2) and scale.shape == (number,)
        if not shaped or scale.min() <= 0 or max(sizes.max(), scale.max()) >= 2**31:
            raise ValueError(
                f"sizes {sizes.shape} and scale {scale.shape} of {self.name} must have a row above 0 for each of {number} "
                "pictures, and none of 2^31 or more"
            )
        held = sizes * scale[:, None]
        boxes = np.zeros((0, 4)) if not count and not np.size(self.boxes) else checks.as_array("boxes", self.boxes)
        if boxes.ndim != 2 or len(boxes) != count:
            raise ValueError(
                f"boxes of {self.name} has {len(np.atleast_1d(boxes))} rows (shape {boxes.shape}) for {count} labels; one "
                "each is needed"
            )
        boxes = box_tools.checked(f"boxes of {self.name}", boxes, held[owner])
        own = box_tools.areas(boxes) / scale[owner] ** 2
        ignored = np.zeros(count, dtype=bool) if np.size(self.ignored) == 0 else np.asarray(self.ignored, dtype=bool)
        areas = own if np.size(self.areas) == 0 else checks.float_array("areas", self.areas)
        if ignored.shape != (count,) or areas.shape != (count,):
            raise ValueError(
                f"ignored {ignored.shape} and areas {areas.shape} of {self.name} must have one entry for each of {count} boxes"
            )
        split = None if self.split is None else official_split(self.name, self.split, number, "picture")
        values = {"labels": labels, "owner": owner, "boxes": boxes, "ignored": ignored, "areas": areas, "split": split}
        values |= {"sizes": sizes.astype(np.int64), "scale": scale, "class_names": names}
        for key, value in values.items():
            object.__setattr__(self, key, value)

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
        """int64[N+1]: the boxes of picture i are those from ``first[i]`` to ``first[i + 1]``."""
        return np.searchsorted(self.owner, np.arange(len(self) + 1))

    def part(self, which: int) -> np.ndarray:
        """Return int64[n], the rows of part 0 train, 1 validation or 2 test; all rows where there is no split."""
        return np.arange(len(self)) if self.split is None else np.flatnonzero(self.split == which)

    def truth(self, row: int, ignored: bool = False) -> Detections:
        """Return what picture ``row`` shows, or, with ``ignored``, what is to be ignored in it."""
        place = slice(self.first[row], self.first[row + 1])
        kept = self.ignored[place] == ignored
        boxes = self.boxes[place][kept]
        return Detections(boxes, np.ones(len(boxes), dtype=np.float32), self.labels[place][kept])

    def counts(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return int64[C], boxes per class in ``rows`` (default: all), ignored ones left out."""
        kept = ~self.ignored if rows is None else ~self.ignored & np.isin(self.owner, rows)
        return np.bincount(self.labels[kept], minlength=self.num_classes)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over pictures (of files: their names and sizes in bytes), boxes, labels and split."""
        pictures = self.images if isinstance(self.images, np.ndarray) else self.images.sha256
        names = "\n".join(self.class_names)
        return files.sha256_of(pictures, self.owner, self.boxes, self.labels, self.ignored, names, self.split)

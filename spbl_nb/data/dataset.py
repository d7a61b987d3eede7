"""The common form of every data set: images as uint8, labels, class names, groups and official split.

Every reader and generator ends in one :class:`ImageData`, which is checked here, so that nothing downstream asks again
whether labels fit the images.
"""

import contextlib
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from spbl_nb import checks, files

TRAIN, VALIDATION, TEST = 0, 1, 2


class ImageRows:
    """Some rows of images that are in a file: reads like an array uint8[n,3,H,W] and loads only what is asked for.

    ``images`` is a memory map uint8[N,3,H,W], ``rows`` int64[n] are rows of it, in any order and also twice.
    ``np.asarray`` makes the array.

    >>> ImageRows(np.zeros((9, 3, 8, 8), np.uint8), np.array([4, 2, 2]))[:2].shape
    (2, 3, 8, 8)
    """

    ndim = 4

    def __init__(self, images: np.ndarray, rows: np.ndarray) -> None:
        self.images = images
        self.rows = np.arange(len(images))[rows]  # counted from 0, and inside
        self.dtype = images.dtype

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        """Return the images of an index, a slice or an array of indices; further axes are cut from what that loads."""
        first, *others = key if isinstance(key, tuple) else (key,)
        if first is None or first is Ellipsis or not all(isinstance(one, (int, slice)) for one in others):
            return np.asarray(self)[key]
        chosen = self.rows[first]
        return np.asarray(self.images[chosen])[(slice(None),) * np.ndim(chosen) + tuple(others)]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.images[self.rows], dtype=dtype)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Number of rows, 3, height and width."""
        return (len(self.rows), *self.images.shape[1:])

    @property
    def nbytes(self) -> int:
        """Bytes of the array."""
        return len(self.rows) * self.images[:1].nbytes


@dataclass(frozen=True)
class Broken:
    """An image that is skipped: its ``path``, ``kind``, ``what`` in words, and ``index`` among the paths asked for.

    The index is -1 for a file that a list of the data set names, but that is missing.
    """

    path: str
    kind: str
    what: str
    index: int


@dataclass(frozen=True)
class Cached:
    """Images out of the cache.

    Attributes: ``images`` uint8[n,3,S,S], a read-only memory map or :class:`ImageRows` of one; ``kept`` int64[n], which of
    the paths asked for they are, ascending; ``report`` the broken ones; ``converted`` by note (see
    :mod:`spbl_nb.data.decode`) the indices of the paths it was noted of; ``folder`` of this cache.
    """

    images: Any
    kept: np.ndarray
    report: list[Broken]
    converted: dict[str, list[int]]
    folder: Path

    def known_sha256(self, key: str, compute: Callable[[], str]) -> str:
        """Return the hash stored beside the images under ``key``; where there is none, compute and store it."""
        path = self.folder / "data_sha256.json"
        known: dict[str, str] = {}
        with contextlib.suppress(OSError, ValueError):
            known = files.read_json(path)
        if key not in known:
            known[key] = compute()
            with contextlib.suppress(OSError):  # a cache that others own may be read-only
                files.write_json(path, known)
        return known[key]


def mapped(images: Any) -> Any:
    """Return the array, or memory map, of which ``images`` are rows."""
    return images.images if isinstance(images, ImageRows) else images


class _Labelled:
    """What ``labels`` and ``class_names`` say of a set of samples."""

    labels: np.ndarray
    class_names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {getattr(self, 'name', '')}: {len(self)} samples in {self.num_classes} classes>"

    @property
    def num_classes(self) -> int:
        """Number of classes C."""
        return len(self.class_names)

    def counts(self, rows: np.ndarray | None = None) -> np.ndarray:
        """Return int64[C], samples per class among ``rows`` (default: all)."""
        return np.bincount(self.labels if rows is None else self.labels[rows], minlength=self.num_classes)


@dataclass(frozen=True, repr=False)
class ImageData(_Labelled):
    """A labelled set of images.

    Attributes
    ----------
    images : uint8[N,3,H,W], an array, a memory map (read-only will do) or :class:`ImageRows` of one; grey images have
        three equal channels.
    labels : int64[N] in 0..C-1; every class has at least one sample.
    class_names : C texts.
    groups : int64[N], equal where samples belong together (one lesion, one patient), or None.
    split : int8[N], the official split (0 train, 1 validation, 2 test), or None.
    name, source : what it is and where it comes from, in words.
    synthetic : True for drawn images; every page that shows them says so.
    mirror : True where a mirrored image still shows its class (a lesion; not a digit).
    difficulty : float64[C] in [0,1] where the data set knows how hard each class was made, or None.
    paths : object[N], the file of each image, or None where images have no files of their own.
    cached : how the files were read, with the broken ones (:class:`Cached`), or None.
    """

    name: str
    images: Any
    labels: np.ndarray
    class_names: tuple[str, ...]
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    source: str = ""
    synthetic: bool = False
    mirror: bool = False
    difficulty: np.ndarray | None = field(default=None, compare=False)
    paths: np.ndarray | None = field(default=None, compare=False)
    cached: Cached | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        shape, dtype = tuple(getattr(self.images, "shape", ())), getattr(self.images, "dtype", None)
        if len(shape) != 4 or shape[1] != 3 or dtype != np.uint8:
            raise ValueError(f"images of {self.name} have shape {shape} and dtype {dtype}; uint8[N,3,H,W] is needed")
        names = tuple(map(str, self.class_names))
        labels = checks.label_array(f"labels of {self.name}", self.labels, len(names), length=len(self.images))
        counts = np.bincount(labels, minlength=len(names))
        if len(names) < 2:
            raise ValueError(f"{self.name} has the single class {names[0]!r}; at least two are needed to tell apart")
        if counts.min() == 0:
            missing = [f"{index} ({names[index]})" for index in np.flatnonzero(counts == 0)[:5]]
            raise ValueError(
                f"labels of {self.name} have gaps: no sample of class {', '.join(missing)}; "
                f"number the classes 0..C-1 without gaps or drop the empty names"
            )
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "class_names", names)
        if self.groups is not None:
            groups = np.asarray(self.groups)
            if groups.shape != labels.shape:
                raise ValueError(f"groups of {self.name} have shape {groups.shape}; {labels.shape} is needed")
            object.__setattr__(self, "groups", np.unique(groups, return_inverse=True)[1].astype(np.int64))
        if self.split is not None:
            split = np.asarray(self.split)
            if split.shape != labels.shape or not np.isin(split, (TRAIN, VALIDATION, TEST)).all():
                raise ValueError(
                    f"split of {self.name} must hold 0 (train), 1 (validation) or 2 (test) for each sample"
                )
            for value, part in ((TRAIN, "train"), (TEST, "test")):
                if not (split == value).any():
                    raise ValueError(f"split of {self.name} has an empty {part} part; leave the split out to make one")
            object.__setattr__(self, "split", split.astype(np.int8))

    @property
    def size(self) -> tuple[int, int]:
        """Image height and width in pixels."""
        return self.images.shape[2], self.images.shape[3]

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over images, labels, class names, groups and official split; of cached images computed once ever."""
        rest = (self.labels, "\n".join(self.class_names), self.groups, self.split)
        rows = self.images.rows if isinstance(self.images, ImageRows) else None
        if self.cached is None or mapped(self.images) is not mapped(self.cached.images):  # none, or other images by now
            return files.sha256_of(self.images, *rest)
        return self.cached.known_sha256(files.sha256_of(rows, *rest), lambda: files.sha256_of(self.images, *rest))

    @property
    def data_sha256(self) -> str:
        """The hash by which splits know their data set."""
        return self.sha256

    def take(self, rows: np.ndarray) -> "ImageData":
        """Return the data set reduced to ``rows``; every class must keep a sample.

        Images that are in a file stay there (:class:`ImageRows`); others are copied.
        """
        images = self.images
        if isinstance(images, ImageRows):
            images = ImageRows(images.images, images.rows[rows])
        else:
            images = ImageRows(images, rows) if isinstance(images, np.memmap) else images[rows]
        return dataclasses.replace(
            self,
            images=images,
            labels=self.labels[rows],
            groups=None if self.groups is None else self.groups[rows],
            split=None if self.split is None else self.split[rows],
            paths=None if self.paths is None else self.paths[rows],
        )


@dataclass(frozen=True, repr=False)
class FeatureData(_Labelled):
    """A labelled set of which only features under a frozen backbone are kept.

    ``features`` float32[N,D]; ``labels`` int64[N] and ``class_names`` are those of the images, whose hash is
    ``data_sha256``, so that their splits fit. Training, prediction and every method take it in place of an
    :class:`ImageData`; the network is then a linear head. Raises ValueError naming the field that does not fit.
    """

    name: str
    features: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...]
    data_sha256: str
    mirror: bool = False

    def __post_init__(self) -> None:
        labels = checks.label_array("labels", self.labels, len(self.class_names))
        features = checks.finite_array("features", self.features, ndim=2, length=len(labels)).astype(np.float32)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "features", features)

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over features, labels and class names."""
        return files.sha256_of(self.features, self.labels, "\n".join(self.class_names))


def resize(images: Any, size: int, block: int = 2**23) -> np.ndarray:
    """Resize uint8[N,3,H,W] to uint8[N,3,size,size] (bilinear, antialiased), about ``block`` bytes of images at a time."""
    import torch

    if images.shape[2:] == (size, size):
        return images
    result = np.empty((len(images), 3, size, size), dtype=np.uint8)
    block = max(1, block * len(images) // max(images.nbytes, result.nbytes))
    for start in range(0, len(images), block):
        rows = torch.from_numpy(np.array(images[start : start + block])).float()
        scaled = torch.nn.functional.interpolate(
            rows, size=(size, size), mode="bilinear", align_corners=False, antialias=True
        )
        result[start : start + block] = scaled.round_().clamp_(0, 255).byte().numpy()
    return result


def as_rgb(images: np.ndarray) -> np.ndarray:
    """Return uint8[N,3,H,W] from grey [N,H,W], [N,H,W,1] or colour [N,H,W,3] images."""
    if images.ndim == 3:
        images = images[..., None]
    return np.ascontiguousarray(np.broadcast_to(images, (*images.shape[:3], 3)).transpose(0, 3, 1, 2))

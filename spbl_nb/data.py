"""Data sets: pictures as uint8, labels, class names, groups and official splits, all by ``load(name)``.

Embedded sets need nothing: ``lesions`` (synthetic, drawn by :mod:`spbl_nb.lesions`) and ``digits`` (scikit-learn's real
handwritten digits, enlarged, with a long tail). The others are read from local ``.npz`` files in the customary layouts.
Whatever the source, the result is one :class:`ImageData`, checked on the way in: a file that is truncated, needs
pickle, or holds labels with gaps is refused with a message that says what was found.

Taught in: notebooks/01_data.
"""

import dataclasses
import inspect
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from spbl_nb import checks, imbalance, lesions
from spbl_nb.config import Config
from spbl_nb.images import ImageData, as_rgb, resize
from spbl_nb.readers import read_npz
from spbl_nb.splits import TEST, TRAIN, Split, make_split

__all__ = ["EMBEDDED", "NAMES", "ImageData", "Split", "load", "load_for", "make_split", "read_npz"]


def load(name: str, root: str | os.PathLike | None = None, size: int | None = None, **options: Any) -> ImageData:
    """Load a data set by name.

    ``lesions``, ``digits`` are embedded; ``mnist``, ``fashion_mnist``, ``ham10000``, ``medmnist`` are read from
    ``root``, an ``.npz`` file or the folder it lies in. ``size`` is the picture side in pixels (None: the set's own).
    Options of the embedded sets: ``profile``, ``factor``, ``largest`` (the long tail of the training part),
    ``test_per_class``, ``seed``; of ``lesions`` also ``num_classes``, ``difficulty``, ``pictures_per_lesion``. Options of the
    others: ``profile``, ``factor``, ``largest``, ``seed``, applied to the training part.

    Raises ValueError for an unknown name or option (the nearest is suggested) and for a file that does not hold what it
    should; FileNotFoundError says where it looked and how to get the data.
    """
    reader = _READERS[checks.one_of("data set", name, NAMES)]
    allowed = [key for key in inspect.signature(reader).parameters if key not in ("name", "root", "size")]
    for key in options:
        checks.one_of(f"option of {name}", key, allowed)
    if size is not None:
        size = checks.integer("size", size, 8, 1024)
    if "seed" in options:
        checks.integer("seed", options["seed"], 0)
    return reader(name, root, size, **options)


def load_for(config: Config, name: str, root: str | os.PathLike | None = None) -> ImageData:
    """Load a data set with the sizes and the imbalance that a configuration asks for."""
    checks.one_of("data set", name, NAMES)
    options: dict[str, Any] = {"largest": config.largest if name in EMBEDDED else None}
    if config.profile is not None:
        options["profile"] = config.profile
    if config.factor is not None and (name in EMBEDDED or config.profile is not None):
        options["factor"] = config.factor
    if name in EMBEDDED:
        options["test_per_class"] = config.test_per_class
    if name == "lesions":
        options["num_classes"] = config.num_classes
    return load(name, root, config.size, **options)


def _load_lesions(
    name: str,
    root: str | os.PathLike | None,
    size: int | None,
    *,
    num_classes: int = 12,
    profile: str = "exponential",
    factor: float = 10.0,
    largest: int | None = 120,
    test_per_class: int = 50,
    difficulty: np.ndarray | float | None = None,
    pictures_per_lesion: int = 1,
    seed: int = 0,
) -> ImageData:
    """Draw a long-tailed training part and a balanced test part of other synthetic lesions."""
    if difficulty is None:
        difficulty = lesions.default_difficulty(num_classes)
    train = imbalance.class_counts(profile, num_classes, 120 if largest is None else largest, factor)
    test = np.full(num_classes, checks.integer("test_per_class", test_per_class, 1))
    parts = [
        lesions.draw(counts, difficulty, size or 32, seed, pictures_per_lesion=pictures_per_lesion, stream=stream)
        for stream, counts in enumerate((train, test))
    ]
    return ImageData(
        name=name,
        images=np.concatenate([part.images for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        class_names=tuple(prototype.name for prototype in lesions.class_prototypes(num_classes)),
        groups=_join_groups([part.groups for part in parts]) if pictures_per_lesion > 1 else None,
        split=np.repeat([TRAIN, TEST], [train.sum(), test.sum()]),
        source=f"synthetic pictures drawn by spbl_nb.lesions; {imbalance.describe_factor(factor)}, {profile}",
        synthetic=True,
        mirror=True,
        difficulty=np.broadcast_to(np.asarray(difficulty, dtype=np.float64), num_classes).copy(),
    )


def _join_groups(parts: list[np.ndarray]) -> np.ndarray:
    """Number the groups of several parts apart from each other."""
    first, second = parts
    return np.concatenate([first, second + first.max() + 1])


def _load_digits(
    name: str,
    root: str | os.PathLike | None,
    size: int | None,
    *,
    profile: str = "exponential",
    factor: float = 20.0,
    largest: int | None = 120,
    test_per_class: int = 50,
    seed: int = 0,
) -> ImageData:
    """Read scikit-learn's digits: a balanced test part is set aside, the rest gets the long tail."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    sizes = np.bincount(labels)
    checks.integer("test_per_class", test_per_class, 1, int(sizes.min()) - 1)
    split = np.full(len(labels), TRAIN, dtype=np.int8)
    for index in range(len(sizes)):
        rows = np.random.default_rng([seed, index]).permutation(np.flatnonzero(labels == index))
        split[rows[:test_per_class]] = TEST
    grey = (bunch.images * (255 / 16)).round().astype(np.uint8)
    whole = ImageData(
        name=name,
        images=resize(as_rgb(grey), size or 28),
        labels=labels,
        class_names=tuple(str(digit) for digit in bunch.target_names),
        split=split,
        source=f"handwritten digits of scikit-learn (Alpaydin, Kaynak 1998); {imbalance.describe_factor(factor)}, {profile}",
    )
    return _reduce_training(whole, profile, factor, largest, seed)


def _load_npz(
    name: str,
    root: str | os.PathLike | None,
    size: int | None,
    *,
    profile: str = "natural",
    factor: float = 1.0,
    largest: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Read a data set that lies in an ``.npz`` file and reduce its training part as asked."""
    if imbalance.imbalance_factor(factor) != 1 and profile == "natural":
        raise ValueError(
            f"factor is {factor:g}, but profile 'natural' leaves class sizes as they are; name another profile"
        )
    data = read_npz(_find_npz(name, root), name=name)
    data = dataclasses.replace(data, mirror=name not in ("mnist", "fashion_mnist"))
    if size is not None and data.size != (size, size):
        data = dataclasses.replace(data, images=resize(data.images, size))
    if profile == "natural" and largest is None:
        return data
    return _reduce_training(data, profile, factor, largest, seed)


def _reduce_training(data: ImageData, profile: str, factor: float, largest: int | None, seed: int) -> ImageData:
    """Apply an imbalance profile to the training rows (all rows where there is no official split)."""
    training = np.arange(len(data)) if data.split is None else np.flatnonzero(data.split == TRAIN)
    kept = imbalance.subsample(
        data.labels[training], profile, factor, largest=largest, num_classes=data.num_classes, seed=seed
    )
    others = np.setdiff1d(np.arange(len(data)), training)
    return data.take(np.sort(np.concatenate([training[kept], others])))


def _find_npz(name: str, root: str | os.PathLike | None) -> Path:
    """Return the ``.npz`` of a data set: ``root`` itself, or ``name*.npz`` in the folder ``root``."""
    how = (
        f"give the .npz file or the folder that holds {name}.npz; the file has train_images, train_labels, … "
        "(MedMNIST), x_train, y_train, … (Keras) or images, labels[, split]. Without it, run the embedded sets "
        f"{' or '.join(EMBEDDED)}"
    )
    if root is None:
        raise FileNotFoundError(f"{name} is not embedded and root (DATA_ROOT, --data-root) is not set: {how}")
    root = Path(root).expanduser()
    if root.is_file():
        return root
    candidates = [root / f"{name}.npz", *sorted(root.glob(f"{name}*.npz"))] if root.is_dir() else []
    found = [path for path in candidates if path.is_file()]
    if len(set(found)) > 1 and found[0].name != f"{name}.npz":
        raise ValueError(
            f"{root} holds several files for {name}: {', '.join(path.name for path in found)}; give one of them"
        )
    if not found:
        looked = f"looked for {name}.npz in {root}" if root.is_dir() else f"{root} does not exist"
        raise FileNotFoundError(f"no file for {name}: {looked}; {how}")
    return found[0]


EMBEDDED = ("lesions", "digits")

_READERS: dict[str, Callable[..., ImageData]] = {
    "lesions": _load_lesions,
    "digits": _load_digits,
    "mnist": _load_npz,
    "fashion_mnist": _load_npz,
    "ham10000": _load_npz,
    "medmnist": _load_npz,
}

NAMES = tuple(_READERS)

"""Data sets: images as uint8, labels, class names, groups and official splits, all by ``load(name)``.

Embedded sets need nothing: ``lesions`` and ``lesions198`` (synthetic, drawn by :mod:`spbl_nb.data.synthetic.draw`) and ``digits``
(scikit-learn's real handwritten digits, enlarged, with a long tail). The others are read from local files: one's own
``folder`` of images and the photographs of ``ham10000``, ``sd198``, ``sd260``, ``mit67``, ``caltech101`` and ``mlc``, which are
decoded once into a cache, and arrays. Whatever the source, the result is one :class:`ImageData`.

How each set is laid out on disk, and how the protocols of the published numbers are called, is in
:mod:`spbl_nb.data.layouts`. To add a data set, add a reader to one of the two tables below, its options, and its layout.
"""

import dataclasses
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spbl_nb import checks, imbalance
from spbl_nb.config import Config
from spbl_nb.data import archives, embedded, read_arrays, read_corals, read_photos
from spbl_nb.data.cache import cache_folder, cached_images, open_prepared
from spbl_nb.data.dataset import TEST, TRAIN, Broken, ImageData, resize
from spbl_nb.data.read_photos import Listing
from spbl_nb.data.split import held_out_rows

_DRAWN: dict[str, Callable[..., ImageData]] = {
    "lesions": embedded.lesions,
    "digits": embedded.digits,
    "lesions198": embedded.lesions198,
}
_READ: dict[str, Callable[..., ImageData | Listing]] = {  # a listing names image files, which are then decoded
    "mnist": read_arrays.mnist,
    "fashion_mnist": read_arrays.mnist,
    "ham10000": read_photos.ham10000,
    "medmnist": read_arrays.npz,
    "folder": read_photos.folder,
    "sd198": read_photos.clinical,
    "sd260": read_photos.clinical,
    "mit67": read_photos.mit67,
    "caltech101": read_photos.caltech101,
    "mlc": read_corals.mlc,
}
EMBEDDED, NAMES = tuple(_DRAWN), (*_DRAWN, *_READ)

_TAIL = ("profile", "factor", "largest", "test_per_class", "seed")
_LISTED = ("official", "on_broken")
_OPTIONS = {  # of each reader
    "lesions": ("num_classes", *_TAIL, "difficulty", "pictures_per_lesion"),
    "digits": _TAIL,
    "lesions198": ("largest", "difficulty", "seed"),
    "mnist": ("download",),
    "fashion_mnist": ("download",),
    "ham10000": _LISTED,
    "medmnist": (),
    "folder": _LISTED,
    "sd198": ("lists", *_LISTED),
    "sd260": ("lists", *_LISTED),
    "mit67": _LISTED,
    "caltech101": ("background", "download", "on_broken"),
    "mlc": ("patch", "train_years", "test_years", *_LISTED),
}
_DECODING = ("on_broken", "workers", "progress")
_SHAPING = ("official", "test", "profile", "factor", "largest", "seed")
_WITH_TEST_SPLIT = ("lesions", "digits")  # which their readers shape
_UNDER_A_FOLDER = ("folder", "ham10000")  # in an archive these may be in a folder of any name
_SIZES = {"folder": 64, "ham10000": 64, "mlc": 64}  # image sides in pixels where no size is asked for; else:
_PHOTOGRAPH = 224
_NAMED = 3  # images that were skipped


def load(name: str, root: str | os.PathLike | None = None, size: int | None = None, **asked: Any) -> ImageData:
    """Load a data set by name.

    Parameters
    ----------
    name : one of :data:`NAMES`.
    root : file or folder of a set that is not embedded: what :func:`spbl_nb.data.layouts.layout` draws, or the folder that
        holds it under its name; or a zip or tar archive of it, which is unpacked once, beside the image cache.
    size : image side in pixels, to which images are resized whatever their shape. None: 32 for drawn lesions, 28 for
        digits, that of the file for arrays, 64 for ``folder``, ``ham10000`` and ``mlc``, 224 for ``sd198``, ``sd260``,
        ``mit67`` and ``caltech101``.
    asked : options. Of every set that is not ``lesions`` or ``digits``

        - ``profile``, ``factor``, ``largest``, ``seed``: imbalance of the training split (of all images where there is
          none); the factor is accepted either way round;
        - ``test``: where there is no official test split, this share of images is set aside, by ``seed``, *before* the
          training split is reduced, so that the test split keeps its natural sizes;
        - ``official``: False drops the official split, so that ``make_split`` draws one or makes folds.

        Of image files, ``on_broken`` ("refuse" or "skip" what is missing or cannot be decoded), ``cache`` (folder),
        ``workers`` and ``progress``; ``lists`` of ``sd198`` and ``sd260``; ``background`` of ``caltech101``; ``patch``,
        ``train_years``, ``test_years`` of ``mlc``; ``download`` of ``mnist``, ``fashion_mnist``, ``caltech101``, which lets
        torchvision fetch the files. Options of ``lesions`` and ``digits``: ``profile``, ``factor``, ``largest`` (the long
        tail of the training split), ``test_per_class``, ``seed``; of ``lesions`` also ``num_classes``, ``difficulty``,
        ``pictures_per_lesion``; of ``lesions198`` also ``difficulty``. Of every set, ``prepared``: the key that
        :func:`spbl_nb.data.prepare` gave; where it is still known, the other options are not applied again.

    Raises ValueError for an unknown name or option (the nearest is suggested), for the root of an embedded set, and for
    files that do not hold what they should; FileNotFoundError says where it looked, what was expected there, how to get the
    data and what to run instead.
    """
    _check(name, root, size, asked)
    if asked.get("prepared"):
        found = open_prepared(asked["prepared"], asked.get("cache"))
        if found is not None and found.name == name:
            return found
    own = {key: value for key, value in asked.items() if key in _OPTIONS[name]}
    if name in _DRAWN:
        data = _DRAWN[name](name, size, **own)
    else:
        if root is not None and archives.is_archive(root):
            root = archives.unpacked(root, cache_folder(asked.get("cache")) / "archives", inner=name in _UNDER_A_FOLDER)
        listed = _READ[name](name, root, **own)
        data = _decode(name, listed, size, asked) if isinstance(listed, Listing) else _resized(listed, size)
    if name in _WITH_TEST_SPLIT:
        return data
    return _shape(data, **{key: value for key, value in asked.items() if key in _shaping(name)})


def options(name: str) -> list[str]:
    """Return the names of the options that :func:`load` takes for a data set."""
    checks.one_of("data set", name, NAMES)
    decoding = ("cache", *_DECODING) if "on_broken" in _OPTIONS[name] else ()
    shaping = () if name in _WITH_TEST_SPLIT else _shaping(name)
    return list(dict.fromkeys([*_OPTIONS[name], *decoding, *shaping, "prepared"]))


def options_from(text: str, name: str) -> dict[str, Any]:
    """Return the options of :func:`load` that a line names, as a notebook's parameter or a command line gives them.

    >>> options_from("profile: odd_classes, factor: 10", "mnist")
    {'profile': 'odd_classes', 'factor': 10}

    Raises ValueError for what is not ``option: value`` joined by commas, and for an option that ``name`` does not have.
    """
    checks.instance("data options", text, str)
    try:
        asked = yaml.safe_load("{" + text + "}")
    except (yaml.YAMLError, ValueError):  # also a date that is none
        asked = None
    if not isinstance(asked, dict) or any(value is None for value in asked.values()):
        raise ValueError(
            f"data options are {text!r}; write 'option: value', joined by commas, as 'profile: step, factor: 20'"
        )
    for key in asked:
        checks.one_of(f"option of {name}", key, options(name))
    return asked


def load_for(config: Config, name: str, root: str | os.PathLike | None = None, **options: Any) -> ImageData:
    """Load a data set with the sizes and the imbalance that a configuration asks for; ``options`` of :func:`load` win."""
    checks.one_of("data set", name, NAMES)
    asked: dict[str, Any] = {"largest": config.largest if name in EMBEDDED else None}
    if config.profile is not None:
        asked["profile"] = config.profile
    if config.factor is not None and (name in _WITH_TEST_SPLIT or config.profile is not None):
        asked["factor"] = config.factor
    if name in _WITH_TEST_SPLIT:
        asked["test_per_class"] = config.test_per_class
    elif config.profile is not None:
        asked["test"] = config.test
    if name == "lesions":
        asked["num_classes"] = config.num_classes
    return load(name, root, **{"size": config.size} | asked | options)


def _check(name: str, root: object, size: int | None, asked: Mapping[str, Any]) -> None:
    """Refuse wrong arguments of :func:`load` before anything is read."""
    allowed = options(name)
    for key in asked:
        checks.one_of(f"option of {name}", key, allowed)
    if root is not None and name in EMBEDDED:
        raise ValueError(
            f"root is {str(root)!r}, but {name} is embedded and reads no files; leave the root out (--data-root, DATA_ROOT), or "
            "ask for 'folder', which reads images of your own"
        )
    if size is not None:
        checks.integer("size", size, 8, 1024)
    for key in ("official", "background", "download", "progress"):
        checks.instance(key, asked.get(key, True), bool)
    checks.one_of("on_broken", asked.get("on_broken", "skip"), ("refuse", "skip"))
    checks.integer("seed", asked.get("seed", 0), 0)
    checks.instance("prepared", asked.get("prepared") or "", str)
    if asked.get("workers") is not None:
        checks.integer("workers", asked["workers"], 1, 256)
    factor = asked.get("factor")
    natural = name not in _WITH_TEST_SPLIT and asked.get("profile", "natural") == "natural"
    if natural and factor is not None and imbalance.imbalance_factor(factor) != 1:
        raise ValueError(
            f"factor is {factor:g}, but profile 'natural' leaves class sizes as they are; name another profile"
        )


def _shaping(name: str) -> list[str]:
    """Return the options of :func:`_shape`, apart from those that the reader sees to; both draw by ``seed``."""
    return [key for key in _SHAPING if key in ("seed", "official") or key not in _OPTIONS[name]]


def _shape(
    data: ImageData,
    official: bool = True,
    test: float | None = None,
    profile: str = "natural",
    factor: float = 1.0,
    largest: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Drop or draw the split as asked, then reduce its training rows."""
    if not official:
        data = dataclasses.replace(data, split=None)
    if test is not None and data.split is None:
        split = np.full(len(data), TRAIN, dtype=np.int8)
        split[held_out_rows(data, test, seed)] = TEST
        data = dataclasses.replace(
            data, split=split, source=f"{data.source}; test share {test:g} drawn with seed {seed}"
        )
    checks.one_of("profile", profile, imbalance.PROFILES)
    if profile == "natural" and largest is None:
        return data
    reduced = embedded.reduce_training(data, profile, factor, largest, seed)
    cut = f"{imbalance.describe_factor(factor)}, {profile}" if profile != "natural" else f"at most {largest} of a class"
    return dataclasses.replace(reduced, source=f"{data.source}; training split: {cut}")


def _resized(data: ImageData, size: int | None) -> ImageData:
    return data if size is None else dataclasses.replace(data, images=resize(data.images, size))


def _decode(name: str, listed: Listing, size: int | None, asked: Mapping[str, Any]) -> ImageData:
    """Decode the images of a listing into the cache, or find them there."""
    size = size or _SIZES.get(name, _PHOTOGRAPH)
    how = {key: asked[key] for key in _DECODING if key in asked}
    decoded = cached_images(listed.paths, size, folder=asked.get("cache"), crops=listed.crops, **how)
    rows = decoded.kept
    missing = [Broken(str(path), "missing", "a list names it, but it is not there", -1) for path in listed.missing]
    source = [listed.source]
    if decoded.report:
        named = ["/".join(Path(one.path).parts[-2:]) for one in decoded.report[:_NAMED]]
        more = ", …" if len(decoded.report) > _NAMED else ""
        source.append(f"skipped, as they cannot be decoded: {len(decoded.report)} of these ({', '.join(named)}{more})")
    if decoded.converted:
        source.append("converted: " + ", ".join(f"{len(rows)} {note}" for note, rows in decoded.converted.items()))
    return ImageData(
        name=name,
        images=decoded.images,
        labels=listed.labels[rows],
        class_names=listed.class_names,
        groups=None if listed.groups is None else listed.groups[rows],
        split=None if listed.split is None else listed.split[rows],
        source="; ".join(source),
        mirror=True,
        paths=np.array([str(listed.paths[row]) for row in rows], dtype=object),
        cached=dataclasses.replace(decoded, report=[*missing, *decoded.report]),
    )

"""Data sets: pictures as uint8, labels, class names, groups and official splits, all by ``load(name)``.

Embedded sets need nothing: ``lesions`` and ``lesions198`` (synthetic, drawn by :mod:`spbl_nb.data.synthetic.draw`) and ``digits``
(scikit-learn's real handwritten digits, enlarged, with a long tail). The others are read from local files: one's own
``folder`` of pictures, the photographs of ``ham10000``, ``sd198``, ``sd260``, ``mit67``, ``caltech101`` and ``mlc``, which
are decoded once into a cache, and ``.npz`` files. Whatever the source, the result is one :class:`ImageData`, checked on the
way in: a list or file that does not hold what it should is refused with a message that says what was found.

How each set lies on disk, and how the protocols of the published numbers are called, is in :mod:`spbl_nb.data.layouts`.

Taught in: notebooks/01_data.
"""

import dataclasses
import inspect
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from spbl_nb import checks, imbalance
from spbl_nb.config import Config
from spbl_nb.data import archives, embedded, idx_files, layouts, read_corals, read_photos
from spbl_nb.data.cache import Broken, cache_folder, cached_pictures
from spbl_nb.data.dataset import TEST, TRAIN, ImageData, resize
from spbl_nb.data.listings import Listing, Root
from spbl_nb.data.read_arrays import read_npz
from spbl_nb.data.split import Split, held_out_rows, make_split

__all__ = ["EMBEDDED", "NAMES", "ImageData", "Split", "load", "load_for", "make_split", "options_from", "read_npz"]

SIZES = {"folder": 64, "ham10000": 64, "mlc": 64}  # picture sides in pixels where no size is asked for; else:
_PHOTOGRAPH = 224


def load(name: str, root: str | os.PathLike | None = None, size: int | None = None, **asked: Any) -> ImageData:
    """Load a data set by name.

    Parameters
    ----------
    name : one of :data:`NAMES`.
    root : file or folder of a set that is not embedded: what :func:`spbl_nb.data.layouts.layout` draws, or the folder that
        holds it under its name; or a zip or tar archive of it, which is unpacked once, beside the picture cache.
    size : picture side in pixels, to which pictures are resized whatever their shape. None: 32 for drawn lesions, 28 for
        digits, that of the file for ``.npz`` and MNIST, 64 for ``folder``, ``ham10000`` and ``mlc``, 224 for ``sd198``,
        ``sd260``, ``mit67`` and ``caltech101`` (the release's size, for a large network; ask for less with a small one).
    asked : options. Of every set that is not ``lesions`` or ``digits``

        - ``profile``, ``factor``, ``largest``, ``seed``: imbalance of the training part (of all pictures where there is
          none); the factor is accepted either way round;
        - ``test``: where there is no official test part, this share of pictures is set aside, by ``seed``, *before* the
          training part is reduced, so that the test part keeps its natural sizes;

        of all that are read from files, ``official`` (False: the official parts are dropped, so that ``make_split`` draws
        them or makes folds); of picture files, ``on_broken`` ("refuse" or "skip" what is missing or cannot be decoded);
        ``lists`` of ``sd198`` and ``sd260``; ``background`` of ``caltech101``; ``patch``, ``train_years``, ``test_years`` of
        ``mlc``; ``download`` of ``mnist``, ``fashion_mnist``, ``caltech101``, which lets torchvision fetch the files.
        Options of ``lesions`` and ``digits``: ``profile``, ``factor``, ``largest`` (the long tail of the training part),
        ``test_per_class``, ``seed``; of ``lesions`` also ``num_classes``, ``difficulty``, ``pictures_per_lesion``; of
        ``lesions198`` also ``difficulty``.

    Raises ValueError for an unknown name or option (the nearest is suggested), for the root of an embedded set, and for
    files that do not hold what they should; FileNotFoundError says where it looked, what was expected there, how to get the
    data and what to run instead.
    """
    allowed = options(name)
    for key in asked:
        checks.one_of(f"option of {name}", key, allowed)
    if root is not None and name in EMBEDDED:
        raise ValueError(
            f"root is {str(root)!r}, but {name} is embedded and reads no files; leave the root out (--data-root, DATA_ROOT), or "
            "ask for 'folder', which reads pictures of your own"
        )
    if root is not None and archives.is_archive(root):
        place = cache_folder(asked.get("cache")) / "archives"
        root = archives.unpacked(root, place, inner=name in _UNDER_A_FOLDER)
    if size is not None:
        size = checks.integer("size", size, 8, 1024)
    if "seed" in asked:
        checks.integer("seed", asked["seed"], 0)
    checks.boolean("official", asked.get("official", True))
    if name not in _WITH_TEST_PART:
        _check_profile(asked)
    reader = _READERS[name]
    data = reader.read(name, root, size, **{key: value for key, value in asked.items() if key in reader.options})
    if name in _WITH_TEST_PART:
        return data
    return _shape(data, **{key: value for key, value in asked.items() if key in _left_to_shape(reader)})


def options(name: str) -> list[str]:
    """Return the names of the options that :func:`load` takes for a data set."""
    reader = _READERS[checks.one_of("data set", name, NAMES)]
    shared = () if name in _WITH_TEST_PART else _left_to_shape(reader)
    return list(dict.fromkeys([*reader.options, *shared]))


def options_from(text: str, name: str) -> dict[str, Any]:
    """Return the options of :func:`load` that a line names, as a notebook's parameter or a command line gives them.

    >>> options_from("profile: odd_classes, factor: 10", "mnist")
    {'profile': 'odd_classes', 'factor': 10}

    Raises ValueError for what is not ``option: value`` joined by commas, and for an option that ``name`` does not have.
    """
    checks.instance("data options", text, str)
    try:
        asked = yaml.safe_load("{" + text + "}")
    except (yaml.YAMLError, ValueError, OverflowError):  # also a date that is none, a number of endless digits
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
    if config.factor is not None and (name in _WITH_TEST_PART or config.profile is not None):
        asked["factor"] = config.factor
    if name in _WITH_TEST_PART:
        asked["test_per_class"] = config.test_per_class
    elif config.profile is not None:
        asked["test"] = config.test
    if name == "lesions":
        asked["num_classes"] = config.num_classes
    return load(name, root, **{"size": config.size} | asked | options)


@dataclass(frozen=True)
class _Reader:
    """A function of name, root, size and its ``options``."""

    read: Callable[..., ImageData]
    options: tuple[str, ...]


def _reader(function: Callable[..., ImageData]) -> _Reader:
    return _Reader(function, tuple(_keywords(function)))


def _left_to_shape(reader: _Reader) -> list[str]:
    """Return the options of :func:`_shape`, apart from those that the reader sees to; both draw by ``seed``."""
    return [key for key in _keywords(_shape) if key == "seed" or key not in reader.options]


def _keywords(function: Callable) -> list[str]:
    return [key for key, one in inspect.signature(function).parameters.items() if one.kind is one.KEYWORD_ONLY]


def _check_profile(options: dict[str, Any]) -> None:
    """Refuse a factor that nothing would use, before anything is read."""
    factor = options.get("factor")
    if factor is None:
        return
    if imbalance.imbalance_factor(factor) != 1 and options.get("profile", "natural") == "natural":
        raise ValueError(
            f"factor is {factor:g}, but profile 'natural' leaves class sizes as they are; name another profile"
        )


def _shape(
    data: ImageData,
    *,
    official: bool = True,
    test: float | None = None,
    profile: str = "natural",
    factor: float = 1.0,
    largest: int | None = None,
    seed: int = 0,
) -> ImageData:
    """Drop or draw the parts as asked, then reduce the training part."""
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
    return dataclasses.replace(reduced, source=f"{data.source}; training part: {cut}")


# --- from files ------------------------------------------------------------------------------------------------------


def _pictures(lister: Callable[..., Listing]) -> _Reader:
    """Return a reader that decodes what ``lister`` lists; its options are those of the two."""
    listing, decoding = _keywords(lister), _keywords(_decode)

    def read(name: str, root: Root, size: int | None, **asked: Any) -> ImageData:
        listed = lister(name, root, **{key: value for key, value in asked.items() if key in listing})
        how = {key: value for key, value in asked.items() if key in decoding}
        return _decode(name, listed, size or SIZES.get(name, _PHOTOGRAPH), **how)

    return _Reader(read, tuple(dict.fromkeys([*listing, *decoding])))


def _decode(
    name: str,
    listed: Listing,
    size: int,
    *,
    on_broken: str = "refuse",
    cache: str | os.PathLike | None = None,
    workers: int | None = None,
    progress: bool = False,
) -> ImageData:
    """Decode the pictures of a listing into the cache, or find them there."""
    decoded = cached_pictures(
        listed.paths, size, folder=cache, crops=listed.crops, on_broken=on_broken, workers=workers, progress=progress
    )
    rows = decoded.kept
    absent = [Broken(str(path), "missing", "a list names it, but it is not there", -1) for path in listed.missing]
    said = [_left_out(decoded.report)] if decoded.report else []
    notes = ", ".join(f"{len(of)} {note}" for note, of in decoded.converted.items())
    said += [f"converted: {notes}"] if notes else []
    return ImageData(
        name=name,
        images=decoded.images,
        labels=listed.labels[rows],
        class_names=listed.class_names,
        groups=None if listed.groups is None else listed.groups[rows],
        split=None if listed.split is None else listed.split[rows],
        source="; ".join([listed.source, *said]),
        mirror=True,
        paths=np.array([str(listed.paths[row]) for row in rows], dtype=object),
        cached=dataclasses.replace(decoded, report=[*absent, *decoded.report]),
    )


def _left_out(report: list[Broken]) -> str:
    """Return in words how many pictures are left out, and the first of them by file and folder."""
    named = ["/".join(Path(one.path).parts[-2:]) for one in report[:_NAMED]]
    more = ["…"] if len(report) > _NAMED else []
    return f"left out, as they cannot be decoded: {len(report)} of these ({', '.join(named + more)})"


def _ham10000(name: str, root: Root, size: int | None, **asked: Any) -> ImageData:
    """Read HAM10000 as pictures and metadata where these are there, else from an ``.npz``."""
    if read_photos.ham10000_metadata(root) is not None:
        return _HAM_PICTURES.read(name, root, size, **asked)
    return _shape(_load_npz(name, root, size), official=asked.get("official", True))


def _load_npz(name: str, root: Root, size: int | None) -> ImageData:
    path = _find_npz(name, root)
    if path is None:
        raise layouts.absent(name, root)
    return _resized(dataclasses.replace(read_npz(path, name=name), mirror=name not in idx_files.FOLDERS), size)


def _load_mnist(name: str, root: str | os.PathLike | None, size: int | None, *, download: bool = False) -> ImageData:
    """Read MNIST or Fashion-MNIST from an ``.npz`` where one is there, else from torchvision's files."""
    path = _find_npz(name, root)
    if path is not None:
        return _load_npz(name, root, size)
    if root is None:
        raise layouts.absent(name, None)
    home = Path(root).expanduser()
    if checks.boolean("download", download):
        idx_files.download(home, name)
    folder = idx_files.raw_folder(home, name)
    if folder is None:
        raise layouts.absent(name, root)
    return _resized(idx_files.read_mnist(folder, name), size)


def _resized(data: ImageData, size: int | None) -> ImageData:
    return data if size is None else dataclasses.replace(data, images=resize(data.images, size))


def _find_npz(name: str, root: str | os.PathLike | None) -> Path | None:
    """Return the ``.npz`` of a data set: ``root`` itself, or ``name*.npz`` in the folder ``root``; None without one."""
    if root is None:
        return None
    root = Path(root).expanduser()
    if root.is_file():
        return root
    candidates = [root / f"{name}.npz", *sorted(root.glob(f"{name}*.npz"))] if root.is_dir() else []
    found = [path for path in candidates if path.is_file()]
    if len(set(found)) > 1 and found[0].name != f"{name}.npz":
        raise ValueError(
            f"{root} holds several files for {name}: {', '.join(path.name for path in found)}; give one of them"
        )
    return found[0] if found else None


_HAM_PICTURES = _pictures(read_photos.ham10000)

_READERS: dict[str, _Reader] = {
    "lesions": _reader(embedded.drawn_lesions),
    "digits": _reader(embedded.digits),
    "lesions198": _reader(embedded.lesions198),
    "mnist": _reader(_load_mnist),
    "fashion_mnist": _reader(_load_mnist),
    "ham10000": _Reader(_ham10000, _HAM_PICTURES.options),
    "medmnist": _reader(_load_npz),
    "folder": _pictures(read_photos.folder),
    "sd198": _pictures(read_photos.clinical),
    "sd260": _pictures(read_photos.clinical),
    "mit67": _pictures(read_photos.mit67),
    "caltech101": _pictures(read_photos.caltech101),
    "mlc": _pictures(read_corals.mlc),
}

EMBEDDED = ("lesions", "digits", "lesions198")
_NAMED = 3  # pictures that were left out
_UNDER_A_FOLDER = ("folder", "ham10000")  # in an archive these may lie in a folder of any name
_WITH_TEST_PART = ("lesions", "digits")
NAMES = tuple(_READERS)

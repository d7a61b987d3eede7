"""The data sets of photographs: where each keeps its images, its lists and its labels.

One function per layout returns a :class:`Listing`: which files make up the data set, with label, group and split of each,
before one of them is opened. ``root`` is the folder of the set, or one that holds it under its name. Every layout goes
through one walk of folders (:func:`spbl_nb.data.layouts.images_below`), one reader of lists (:func:`read_lines`), one of
tables (:func:`read_table`), and one function that judges what is named (:func:`listing`).
"""

import dataclasses
import difflib
import io
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from spbl_nb import checks
from spbl_nb.data import decode, layouts, read_arrays
from spbl_nb.data.dataset import TEST, TRAIN, VALIDATION, ImageData
from spbl_nb.data.layouts import Root, class_folders, homes, images_below, relative

SPLITS = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
HAM_CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
HAM_METADATA = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
CLINICAL_CLASSES = {"sd198": 198, "sd260": 260}
BACKGROUND = "BACKGROUND_Google"
_SPLIT_NAMES = {None: "no split", TRAIN: "train", VALIDATION: "validation", TEST: "test"}


class Entry(NamedTuple):
    """One image as a list or a folder names it.

    ``place`` says where it is named (``"train.txt, line 3"``), ``path`` is relative to the folder of the images, with
    ``/``; ``group`` and ``split`` (0 train, 1 validation, 2 test) are None where nothing is known of them.
    """

    place: str
    path: str
    label: str
    group: str | None = None
    split: int | None = None


@dataclass(frozen=True)
class Listing:
    """The images of a data set.

    Attributes: ``paths`` N files; ``labels`` int64[N] in 0..C-1; ``class_names`` C texts; ``groups`` N texts or None;
    ``split`` int8[N] (0 train, 1 validation, 2 test) or None; ``crops`` int64[N,4] (left, top, right, bottom) in pixels of
    the file, or None for whole images; ``source`` says in words where they come from and what was skipped; ``missing``
    files are named, but not there, and skipped.
    """

    paths: list[Path]
    labels: np.ndarray
    class_names: tuple[str, ...]
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    crops: np.ndarray | None = None
    source: str = ""
    missing: tuple[Path, ...] = ()


# --- own images ------------------------------------------------------------------------------------------------------


def folder(name: str, root: Root, official: bool = True, on_broken: str = "refuse") -> Listing:
    """List a folder of one's own images: ``class/file``, or such trees under train, val, test, or a csv table.

    The table, ``root`` itself or ``labels.csv`` in it, has the columns path and label, and where there are group and
    split; its paths are relative to its folder. ``official`` False ignores the split. A tree or table with train and val
    alone is tested on val.
    """
    if root is None:
        raise layouts.absent(name, None)
    path = Path(root).expanduser()
    if path.suffix.lower() == ".npz":
        raise ValueError(f"{path} holds arrays, not image files; such files are read as the data set 'medmnist'")
    table = path if path.is_file() else path / "labels.csv"
    if table.is_file():
        return _own_table(table, official, on_broken)
    if not path.is_dir():
        raise layouts.absent(name, path)
    classes = class_folders(path)
    if not classes:
        loose = len(images_below(path))
        hint = f"; {loose} images are in it without a class folder" if loose else ""
        raise layouts.absent(name, path, f"{path} holds no folder{hint}")
    splits = [one for one in classes if one.name.lower() in SPLITS]
    is_split = len(splits) == len(classes) or any(one.name.lower() == "train" and class_folders(one) for one in splits)
    entries = _own_splits(path, classes, official) if is_split else class_tree(path)
    return listing(entries, path, f"{len(entries)} images of the folder {path.name}", on_broken)


def _own_splits(path: Path, folders: list[Path], official: bool) -> list[Entry]:
    """Return the images of the folders train, val and test in ``path``."""
    names = ", ".join(one.name for one in folders if one.name.lower() in SPLITS)
    entries = []
    for one in folders:
        if one.name.lower() not in SPLITS:
            raise ValueError(
                f"{path} holds splits ({names}) and another folder ({one.name}); keep splits or class folders, not both"
            )
        if not class_folders(one):
            raise ValueError(
                f"{path} holds splits ({names}), but {one.name} no class folders; expected {one.name}/CLASS/*.jpg"
            )
        entries += class_tree(one, SPLITS[one.name.lower()] if official else None, under=f"{one.name}/")
    return entries


def _own_table(table: Path, official: bool, on_broken: str) -> Listing:
    entries: list[Entry] = []
    for place, row in read_table(table, ("path", "label"), ("group", "split")):
        if not row["label"]:
            raise ValueError(f"{place}: the label is empty; give every image a label")
        split = split_of(place, row.get("split", "")) if official else None
        entries.append(Entry(place, relative(place, row["path"]), row["label"], row.get("group") or None, split))
    if not entries:
        raise ValueError(f"{table} names columns but no image; a line per image is needed")
    return listing(entries, table.parent, f"{len(entries)} images listed in {table.name}", on_broken)


# --- skin ------------------------------------------------------------------------------------------------------------


def ham10000(name: str, root: Root, official: bool = True, on_broken: str = "refuse") -> Listing | ImageData:
    """List HAM10000 as its owners hand it out: a metadata table, and images in any folders below it; else an ``.npz``.

    Groups are the lesions, because several photographs may show one. A column ``split`` is taken where the table has one.
    """
    table = None
    if root is not None:
        path = Path(root).expanduser()
        tables = [place / one for place in homes(path, name) for one in HAM_METADATA]
        is_table = path.is_file() and path.suffix.lower() != ".npz"
        table = path if is_table else next((one for one in tables if one.is_file()), None)
    if table is None:
        return read_arrays.npz(name, root)
    images: dict[str, str] = {}
    for own in images_below(table.parent):
        stem = PurePosixPath(own).stem
        if images.setdefault(stem, own) != own:
            raise ValueError(f"{stem} is there twice: {images[stem]} and {own}; keep one")
    entries = []
    for place, row in read_table(table, ("lesion_id", "image_id", "dx")):
        label = checks.one_of(f"{place}: dx", row["dx"].lower(), HAM_CLASSES)
        image = relative(place, row["image_id"])
        split = split_of(place, row.get("split", "")) if official else None
        entries.append(Entry(place, images.get(image, f"{image}.jpg"), label, row["lesion_id"] or None, split))
    return listing(entries, table.parent, f"{len(entries)} dermatoscopic images listed in {table.name}", on_broken)


def clinical(
    name: str,
    root: Root,
    official: bool = True,
    lists: Sequence[str] = ("train.txt", "val.txt"),
    on_broken: str = "refuse",
) -> Listing:
    """List SD-198 or SD-260: two lists of "path label" under ``raw/`` and the images under ``raw/images/``.

    The second list is the test split, as in the release. ``official`` False joins the lists without a split, for
    cross-validation (``make_split(data, fold=k)``). ``lists`` names other lists, such as those of another fold. A class
    has the name of the folder that its images share, else its number. Labels count from 0 or from 1.
    """
    if len(lists) != 2 or isinstance(lists, str):
        raise ValueError(f"lists is {lists!r}; allowed: the names of two files, one to train and one to test")
    places = [] if root is None else homes(Path(root).expanduser(), name, "raw")
    home = next((place for place in places if (place / lists[0]).is_file()), None)
    if home is None:
        raise layouts.absent(name, root)
    if not (home / lists[1]).is_file():
        raise layouts.absent(name, root, f"{home / lists[0]} is there, but {lists[1]} beside it is not")
    classes = CLINICAL_CLASSES[name]
    found = []
    for file, split in zip(lists, (TRAIN, TEST), strict=True):
        for place, line in read_lines(home / file):
            words = line.rsplit(None, 1)
            if len(words) < 2 or not re.fullmatch(r"[+-]?\d{1,9}", words[1]):
                raise ValueError(f"{place}: {line!r} is no 'path label'; allowed: a path, a space and a whole number")
            if not 0 <= int(words[1]) <= classes:
                raise ValueError(f"{place}: the label is {int(words[1])}; allowed: 0..{classes - 1}, or 1..{classes}")
            path = relative(place, words[0]).removeprefix("images/")
            found.append((place, path, int(words[1]), split if official else None))
    first, last = min(one[2] for one in found), max(one[2] for one in found)
    if last - first >= classes:
        raise ValueError(
            f"the labels of {lists[0]}, {lists[1]} reach from {first} to {last}, but {name} has {classes} classes; number them "
            "from 0 or from 1"
        )
    start = int(first == 1 or last == classes)
    entries = [Entry(place, path, str(label - start), split=split) for place, path, label, split in found]
    source = f"{len(entries)} clinical photographs listed in {', '.join(lists)}"
    read = listing(entries, home / "images", source, on_broken)
    pairs = sorted({(int(label), path.parent.name) for path, label in zip(read.paths, read.labels, strict=True)})
    names = tuple(folder for _, folder in pairs)
    one_folder_each = len(pairs) == len(set(names)) == len(read.class_names)
    return dataclasses.replace(read, class_names=names) if one_folder_each else read


# --- scenes and objects ----------------------------------------------------------------------------------------------


def mit67(name: str, root: Root, official: bool = True, on_broken: str = "refuse") -> Listing:
    """List MIT-67: ``TrainImages.txt`` and ``TestImages.txt`` of "class/file", images under ``Images/``.

    ``official`` False takes all images under ``Images/`` without a split, for the random 60/40.
    """
    places = [] if root is None else homes(Path(root).expanduser(), name)
    lists = ("TrainImages.txt", "TestImages.txt")
    home = next((place for place in places if (place / "Images").is_dir()), None)
    if home is None:
        raise layouts.absent(name, root)
    images = home / "Images"
    if not official:
        entries = class_tree(images)
        return listing(entries, images, f"all {len(entries)} images under Images", on_broken)
    known = [one.name for one in class_folders(images)]
    entries = []
    for file, split in zip(lists, (TRAIN, TEST), strict=True):
        if not (home / file).is_file():
            raise layouts.absent(
                name, root, f"{home} has Images, but no {file} (official=False does without the lists)"
            )
        for place, line in read_lines(home / file):
            path = relative(place, line)
            if "/" not in path:
                raise ValueError(f"{place}: {line.strip()!r} is no 'class/file'")
            label = checks.one_of(f"{place}: class", path.split("/")[0], known)
            entries.append(Entry(place, path, label, split=split))
    return listing(entries, images, f"{len(entries)} images of the official lists", on_broken)


def caltech101(
    name: str, root: Root, background: bool = True, download: bool = False, on_broken: str = "refuse"
) -> Listing:
    """List Caltech-101: one folder per category, 102 with ``BACKGROUND_Google``, which ``background`` False skips.

    ``download`` True lets torchvision fetch the archive into ``root`` if it is not there.
    """
    if root is not None and download:
        from torchvision.datasets import Caltech101

        Caltech101(str(Path(root).expanduser()), download=True)
    places = [] if root is None else homes(Path(root).expanduser(), name, "101_ObjectCategories")
    found = [place for place in places if place.name == "101_ObjectCategories" and place.is_dir()]
    found += [place for place in places if (place / BACKGROUND).is_dir()]
    if not found:
        raise layouts.absent(name, root)
    entries = [entry for entry in class_tree(found[0]) if background or entry.label != BACKGROUND]
    number = len({entry.label for entry in entries})
    source = f"{len(entries)} images of {number} categories, {'with' if background else 'without'} {BACKGROUND}"
    return listing(entries, found[0], source, on_broken)


# --- what a listing may be -------------------------------------------------------------------------------------------


def listing(entries: Sequence[Entry], folder: Path, source: str, on_broken: str) -> Listing:
    """Return the listing of ``entries``, whose paths are relative to ``folder``; classes are the labels that occur.

    With ``on_broken`` ``"skip"``, images that are named but not there are skipped, and ``source`` says how many;
    ``"refuse"`` raises. Raises ValueError for an image that is named twice or in two splits, groups or splits that only
    some images have, and a class that is tested but not trained; FileNotFoundError for missing images.
    """
    _refuse_repeats(entries)
    top = os.fspath(folder)
    missing = [entry for entry in entries if not os.path.isfile(os.path.join(top, entry.path))]
    if missing and on_broken == "refuse":
        first = missing[0]
        raise FileNotFoundError(
            f"{len(missing)} of {len(entries)} images that are named are missing in {folder}; the first is {first.path} "
            f"({first.place}). Add them, or skip them with {decode.SKIPPING}"
        )
    gone = {entry.path for entry in missing}
    entries = [entry for entry in entries if entry.path not in gone]
    if not entries:
        raise ValueError(f"{folder} holds no image of the data set; every image that is named is missing")
    names = sort_names({entry.label for entry in entries})
    index = {name: number for number, name in enumerate(names)}
    groups = _all_or_none(entries, "group", [entry.group for entry in entries])
    splits = _all_or_none(entries, "split", [entry.split for entry in entries])
    labels = np.array([index[entry.label] for entry in entries], dtype=np.int64)
    return Listing(
        paths=[folder / entry.path for entry in entries],
        labels=labels,
        class_names=tuple(names),
        groups=None if groups is None else np.array(groups),
        split=None if splits is None else _checked_split(np.array(splits, dtype=np.int8), labels, names, folder),
        source=source + (f"; {len(missing)} of the images named are missing and skipped" if missing else ""),
        missing=tuple(folder / entry.path for entry in missing),
    )


def _refuse_repeats(entries: Sequence[Entry]) -> None:
    seen: dict[str, Entry] = {}
    for entry in entries:
        other = seen.setdefault(entry.path, entry)
        if other is entry:
            continue
        what = "twice"
        if other.split != entry.split:
            halves = f"in {_SPLIT_NAMES[other.split]} and in {_SPLIT_NAMES[entry.split]}"
            what = f"{halves}, which would test on what was trained"
        elif other.label != entry.label:
            what = f"with two labels, {other.label!r} and {entry.label!r}"
        raise ValueError(f"{entry.path} is named {what}: {other.place}; {entry.place}. Remove one of the two")


def _all_or_none(entries: Sequence[Entry], what: str, values: list) -> list | None:
    known = [value is not None for value in values]
    if not any(known):
        return None
    if not all(known):
        place = entries[known.index(False)].place
        raise ValueError(f"{place}: no {what} is given, but other images have one; give every image one, or none")
    return values


def _checked_split(split: np.ndarray, labels: np.ndarray, names: Sequence[str], folder: Path) -> np.ndarray:
    """Return the split after checking that whatever is tested was trained; without test images, validation is tested on."""
    if not (split == TEST).any():
        split = np.where(split == VALIDATION, np.int8(TEST), split)
    for value, what in ((TRAIN, "to train"), (TEST, "to test (nor to validate)")):
        if not (split == value).any():
            raise ValueError(f"{folder} has splits, but no image {what}; leave the splits out to have them drawn")
    untrained = np.setdiff1d(labels, labels[split == TRAIN])
    if len(untrained):
        raise ValueError(
            f"class {names[untrained[0]]!r} has images to test or validate but none to train in {folder}; add some, or drop it"
        )
    return split


def sort_names(names: Iterable[str]) -> list[str]:
    """Sort class names: by value where all are whole numbers (2 before 10), else by letters."""
    names = list(names)
    if all(re.fullmatch(r"\d{1,18}", name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


# --- lists and tables ------------------------------------------------------------------------------------------------


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Return (place, text) of every line that is not blank; a byte order mark and all line ends are passed over.

    Raises ValueError when the file is no text in UTF-8, or holds no line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    lines = [(f"{path.name}, line {number}", line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    if not lines:
        raise ValueError(f"{path} is empty; a line per image is needed")
    return lines


def read_table(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (place, row) of a csv file (comma, semicolon or tab) whose first line names the columns.

    Fields that a row lacks are empty. Raises ValueError when a ``required`` column is missing, when a row has more fields,
    for a column that is named twice, and for one that is nearly named like an ``optional`` one, which would be ignored.
    """
    import pandas as pd

    lines = read_lines(path)
    header = lines[0][1]
    try:
        table = pd.read_csv(
            io.StringIO("\n".join(line for _, line in lines)),
            sep=max(",;\t", key=header.count),
            header=None,
            dtype=str,
            keep_default_na=False,
        )
    except pd.errors.ParserError as error:
        raise ValueError(f"{path} is no csv file ({error})") from None
    columns = [str(column).strip().lower() for column in table.iloc[0]]
    absent = [column for column in required if column not in columns]
    if absent:
        raise ValueError(
            f"{path}: the first line is {header[:80]!r}, without a column {absent[0]!r}; it must name the columns: "
            f"{', '.join(required)}"
        )
    if len(set(columns)) < len(columns):
        raise ValueError(f"{path}: a column is named twice in {header[:80]!r}")
    for meant in optional:
        close = [] if meant in columns else difflib.get_close_matches(meant, columns, n=1, cutoff=0.75)
        if close:
            raise ValueError(
                f"{path}: there is a column {close[0]!r}; name it {meant!r} if that is meant, else otherwise"
            )
    for (place, _), row in zip(lines[1:], table.iloc[1:].itertuples(index=False), strict=False):
        yield place, dict(zip(columns, (field.strip() for field in row), strict=True))


def split_of(place: str, text: str) -> int | None:
    """Return the split that a table's text names: train, val, valid, validation, test or 0, 1, 2; empty is None."""
    allowed = {**SPLITS, "0": TRAIN, "1": VALIDATION, "2": TEST}
    return allowed[checks.one_of(f"{place}: split", text.lower(), allowed)] if text else None


def class_tree(folder: Path, split: int | None = None, under: str = "") -> list[Entry]:
    """Return the images of a folder with one folder per class, at any depth inside it, class by class.

    Raises ValueError naming a class folder without an image.
    """
    entries = []
    for one in class_folders(folder):
        names = images_below(one)
        if not names:
            raise ValueError(
                f"the class folder {one} holds no image ({', '.join(decode.IMAGE_SUFFIXES)}); fill it or remove it"
            )
        entries += [Entry(f"folder {one.name}", f"{under}{one.name}/{name}", one.name, split=split) for name in names]
    return entries

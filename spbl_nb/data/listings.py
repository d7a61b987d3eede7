"""Which picture files make up a data set, with label, group and part of each, before one of them is opened.

A data set of photographs comes as a tree of folders, as lists of file names, or as a table. Each ends here as one
:class:`Listing`. What people's lists really contain is met on the way: a byte order mark, Windows line ends and blank
lines are passed over; a path that leaves the folder, a picture named twice or for training and test, a label that is no
class, a column that is not there is refused, with the file and the line.

Taught in: notebooks/01_data, section 4.
"""

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from spbl_nb import checks
from spbl_nb.data import decode
from spbl_nb.data.dataset import TEST, TRAIN, VALIDATION

SUFFIXES = decode.picture_suffixes()
ON_BROKEN = ("refuse", "skip")
Root = str | os.PathLike | None
PARTS = {"train": TRAIN, "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION, "test": TEST}
_PART_NAMES = {None: "no part", TRAIN: "train", VALIDATION: "validation", TEST: "test"}


class Entry(NamedTuple):
    """One picture as a list or a folder names it.

    ``place`` says where it is named (``"train.txt, line 3"``), ``path`` is relative to the folder of the pictures, with
    ``/``; ``group`` and ``part`` (0 train, 1 validation, 2 test) are None where nothing is known of them.
    """

    place: str
    path: str
    label: str
    group: str | None = None
    part: int | None = None


@dataclass(frozen=True)
class Listing:
    """The pictures of a data set.

    Attributes: ``paths`` N files; ``labels`` int64[N] in 0..C-1; ``class_names`` C texts; ``groups`` N texts or None;
    ``split`` int8[N] (0 train, 1 validation, 2 test) or None; ``crops`` int64[N,4] (left, top, right, bottom) in pixels of
    the file, or None for whole pictures; ``source`` says in words where they come from and what was left out;
    ``missing`` files are named, but not there, and left out.
    """

    paths: list[Path]
    labels: np.ndarray
    class_names: tuple[str, ...]
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    crops: np.ndarray | None = None
    source: str = ""
    missing: tuple[Path, ...] = ()

    def __len__(self) -> int:
        return len(self.paths)


def listing(
    entries: Sequence[Entry], folder: Path, source: str, class_names: Sequence[str] | None = None,
    on_broken: str = "refuse",
) -> Listing:  # fmt: skip
    """Return the listing of ``entries``, whose paths are relative to ``folder``.

    ``class_names`` None: the labels that occur, in order (numbers by value, else by letters). With ``on_broken``
    ``"skip"``, pictures that are named but not there are left out, and ``source`` says how many; ``"refuse"`` raises.

    Raises ValueError for a picture that is named twice or in two parts, a label that is none of ``class_names``, groups
    or parts that only some pictures have; FileNotFoundError for missing pictures.
    """
    checks.one_of("on_broken", on_broken, ON_BROKEN)
    _refuse_repeats(entries)
    entries, missing = _present(entries, folder, on_broken)
    if not entries:
        raise ValueError(f"{folder} holds no picture of the data set; every picture that is named is missing")
    names = tuple(sort_names({entry.label for entry in entries}) if class_names is None else class_names)
    index = {name: number for number, name in enumerate(names)}
    for entry in entries:
        if entry.label not in index:
            raise ValueError(
                f"{entry.place}: {entry.label!r} is no class; allowed: {_some(names)}{checks.nearest(entry.label, names)}"
            )
    groups = _all_or_none(entries, "group", [entry.group for entry in entries])
    parts = _all_or_none(entries, "split", [entry.part for entry in entries])
    labels = np.array([index[entry.label] for entry in entries], dtype=np.int64)
    split = None if parts is None else _checked_parts(np.array(parts, dtype=np.int8), labels, names, folder)
    return Listing(
        paths=[folder / entry.path for entry in entries],
        labels=labels,
        class_names=names,
        groups=None if groups is None else np.array(groups),
        split=split,
        source=source + (f"; {len(missing)} of the pictures named are missing and left out" if missing else ""),
        missing=tuple(folder / entry.path for entry in missing),
    )


def _refuse_repeats(entries: Sequence[Entry]) -> None:
    seen: dict[str, Entry] = {}
    for entry in entries:
        other = seen.setdefault(entry.path, entry)
        if other is entry:
            continue
        if other.part != entry.part:
            what = (
                f"in {_PART_NAMES[other.part]} and in {_PART_NAMES[entry.part]}, which would test on what was trained"
            )
        elif other.label != entry.label:
            what = f"with two labels, {other.label!r} and {entry.label!r}"
        else:
            what = "twice"
        raise ValueError(f"{entry.path} stands {what}: {other.place}; {entry.place}. Take one of the two out")


def _present(entries: Sequence[Entry], folder: Path, on_broken: str) -> tuple[list[Entry], list[Entry]]:
    """Return the entries whose picture is there, and those whose is not."""
    top = os.fspath(folder)
    missing = [entry for entry in entries if not os.path.isfile(os.path.join(top, entry.path))]
    if missing and on_broken == "refuse":
        first = missing[0]
        raise FileNotFoundError(
            f"{len(missing)} of {len(entries)} pictures that are named are missing in {folder}; the first is {first.path} "
            f"({first.place}). Add them, or leave them out with {decode.SKIPPING}"
        )
    gone = {entry.path for entry in missing}
    return [entry for entry in entries if entry.path not in gone], missing


def _all_or_none(entries: Sequence[Entry], what: str, values: list) -> list | None:
    known = [value is not None for value in values]
    if not any(known):
        return None
    if not all(known):
        place = entries[known.index(False)].place
        raise ValueError(f"{place}: no {what} is given, but other pictures have one; give every picture one, or none")
    return values


def _checked_parts(parts: np.ndarray, labels: np.ndarray, names: Sequence[str], folder: Path) -> np.ndarray:
    """Return the parts after checking that whatever is tested was trained; without a test part, validation is it."""
    if not (parts == TEST).any():
        parts = np.where(parts == VALIDATION, np.int8(TEST), parts)
    for part, what in ((TRAIN, "to train"), (TEST, "to test (nor to validate)")):
        if not (parts == part).any():
            raise ValueError(f"{folder} has parts, but no picture {what}; leave the parts out to have them drawn")
    untrained = np.setdiff1d(labels, labels[parts == TRAIN])
    if len(untrained):
        raise ValueError(
            f"class {names[untrained[0]]!r} has pictures to test or validate but none to train in {folder}; add some, or drop it"
        )
    return parts


def sort_names(names: Iterable[str]) -> list[str]:
    """Sort class names: by value where all are whole numbers (2 before 10), else by letters."""
    names = list(names)
    if all(re.fullmatch(r"\d{1,18}", name) for name in names):
        return sorted(names, key=lambda name: (int(name), name))
    return sorted(names)


def _some(names: Sequence[str], most: int = 12) -> str:
    return ", ".join(names[:most]) + (f", … ({len(names)} in all)" if len(names) > most else "")


# --- lists and tables ------------------------------------------------------------------------------------------------


def read_lines(path: Path) -> list[tuple[str, str]]:
    """Return (place, text) of every line that is not blank; a byte order mark and all line ends are passed over.

    Raises ValueError when the file is no text in UTF-8, or holds no line.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path} is no text in UTF-8 ({error.reason} at byte {error.start}); save it as UTF-8"
        ) from None
    if "\0" in text:
        raise ValueError(f"{path} holds zero bytes, so it is no list; copy it again from its source")
    lines = [
        (f"{path.name}, line {number}", line)
        for number, line in enumerate(re.split(r"\r\n|\r|\n", text), 1)
        if line.strip()
    ]
    if not lines:
        raise ValueError(f"{path} is empty; a line per picture is needed")
    return lines


def relative(place: str, text: str) -> str:
    """Return a path as a list may name it: relative, with ``/``, inside its folder.

    Raises ValueError for an absolute path and for one that climbs out by ``..``.
    """
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if path.is_absolute() or re.match(r"[A-Za-z]:", str(path)) or str(path).startswith("~"):
        raise ValueError(f"{place}: {text!r} is an absolute path; write it relative to the folder of the pictures")
    if ".." in path.parts:
        raise ValueError(f"{place}: {text!r} leaves the folder of the pictures by '..', which is refused")
    if not path.parts:
        raise ValueError(f"{place}: no path is given; a picture's path is needed")
    return str(path)


def numbered_list(path: Path, part: int, num_classes: int) -> list[tuple[Entry, int]]:
    """Return the pictures of a list of lines ``path label``, each with its label as a number.

    Raises ValueError for a line of another form and for a label outside 0..``num_classes`` (lists count from 0 or 1).
    """
    found = []
    for place, line in read_lines(path):
        words = line.rsplit(None, 1)
        if len(words) < 2 or not re.fullmatch(r"[+-]?\d{1,9}", words[1]):
            raise ValueError(f"{place}: {line!r} is no 'path label'; allowed: a path, a space and a whole number")
        label = int(words[1])
        if not 0 <= label <= num_classes:
            raise ValueError(f"{place}: the label is {label}; allowed: 0..{num_classes - 1}, or 1..{num_classes}")
        found.append((Entry(place, relative(place, words[0]), words[1], part=part), label))
    return found


def read_table(path: Path, required: Sequence[str]) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield (place, row) of a csv file (comma, semicolon or tab) whose first line names the columns.

    Raises ValueError when a ``required`` column is missing, when a row has more or fewer fields, or for a column that
    stands twice.
    """
    lines = read_lines(path)
    header = lines[0][1]
    delimiter = max(",;\t", key=header.count)
    reader = csv.reader((line for _, line in lines), delimiter=delimiter, strict=True)
    try:
        columns = [column.strip().lower() for column in next(reader)]
        absent = [column for column in required if column not in columns]
        if absent:
            raise ValueError(
                f"{path}: the first line is {header[:80]!r}, without a column {absent[0]!r}; it must name the columns: "
                f"{', '.join(required)}"
            )
        if len(set(columns)) < len(columns):
            raise ValueError(f"{path}: a column stands twice in {header[:80]!r}")
        for fields in reader:
            place = lines[reader.line_num - 1][0]
            if len(fields) != len(columns):
                raise ValueError(f"{place}: {len(fields)} fields, but the first line names {len(columns)} columns")
            yield place, dict(zip(columns, (field.strip() for field in fields), strict=True))
    except csv.Error as error:
        raise ValueError(f"{path} is no csv file ({error})") from None


def part_of(place: str, text: str) -> int | None:
    """Return the part that a table's text names: train, val, valid, validation, test or 0, 1, 2; empty is None."""
    allowed = {**PARTS, "0": TRAIN, "1": VALIDATION, "2": TEST}
    if not text:
        return None
    return allowed[checks.one_of(f"{place}: split", text.lower(), allowed)]


# --- folders ---------------------------------------------------------------------------------------------------------


def homes(root: Path, name: str, *below: str) -> list[Path]:
    """Return where a data set may lie: in ``root`` or ``root/name``, or in a folder ``below`` one of them."""
    return [place / part for place in (root, root / name) for part in ("", *below)]


def class_tree(folder: Path, part: int | None = None, under: str = "") -> list[Entry]:
    """Return the pictures of a folder with one folder per class, at any depth inside it, class by class.

    Hidden files and files that are no pictures by their suffix are passed over. Raises ValueError naming a class folder
    without a picture.
    """
    entries = []
    for one in class_folders(folder):
        names = pictures_below(one)
        if not names:
            raise ValueError(f"the class folder {one} holds no picture ({', '.join(SUFFIXES)}); fill it or take it out")
        entries += [Entry(f"folder {one.name}", f"{under}{one.name}/{name}", one.name, part=part) for name in names]
    return entries


def class_folders(folder: Path) -> list[Path]:
    """Return the visible folders in ``folder``, by name."""
    return sorted(one for one in folder.iterdir() if one.is_dir() and not _hidden(one.name))


def pictures_below(folder: Path) -> list[str]:
    """Return all picture files in ``folder`` and the folders below it, relative to it with ``/``, folder by folder."""
    top, found = os.fspath(folder), []
    for place, folders, names in os.walk(top):
        folders[:] = sorted(one for one in folders if not _hidden(one))
        below = os.path.relpath(place, top).replace(os.sep, "/")
        before = "" if below == "." else f"{below}/"
        found += [before + one for one in sorted(names) if one.lower().endswith(SUFFIXES) and not _hidden(one)]
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"

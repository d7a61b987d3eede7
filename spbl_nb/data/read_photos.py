"""The data sets of photographs: where each keeps its pictures, its lists and its labels.

One function per layout returns a :class:`spbl_nb.data.listings.Listing`; no picture is decoded here. ``root`` is the folder
of the set, or one that holds it under its name. What the layouts are, how each set is obtained and which protocol goes
with it stands in :mod:`spbl_nb.data.layouts`.

Taught in: notebooks/01_data, section 4.
"""

import dataclasses
import difflib
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from spbl_nb import checks
from spbl_nb.data import layouts
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.data.listings import (
    PARTS,
    Entry,
    Listing,
    Root,
    class_folders,
    class_tree,
    homes,
    listing,
    numbered_list,
    part_of,
    pictures_below,
    read_lines,
    read_table,
    relative,
)

HAM_CLASSES = ("akiec", "bcc", "bkl", "df", "mel", "nv", "vasc")
HAM_METADATA = ("HAM10000_metadata.csv", "HAM10000_metadata", "HAM10000_metadata.tab")
CLINICAL_CLASSES = {"sd198": 198, "sd260": 260}
BACKGROUND = "BACKGROUND_Google"


# --- own pictures ----------------------------------------------------------------------------------------------------


def folder(name: str, root: Root, *, official: bool = True, on_broken: str = "refuse") -> Listing:
    """List a folder of one's own pictures: ``class/file``, or such trees under train, val, test, or a csv table.

    The table, ``root`` itself or ``labels.csv`` in it, has the columns path and label, and where there are group and
    split; its paths are relative to its folder. ``official`` False leaves the parts out, so that they are drawn. A tree
    or table with parts train and val alone is tested on val.
    """
    if root is None:
        raise layouts.absent(name, None)
    path = Path(root).expanduser()
    if path.suffix.lower() == ".npz":
        raise ValueError(f"{path} holds arrays, not picture files; such files are read as the data set 'medmnist'")
    table = path if path.is_file() else path / "labels.csv"
    if table.is_file():
        return _own_table(table, official, on_broken)
    if not path.is_dir():
        raise layouts.absent(name, path)
    classes = class_folders(path)
    if not classes:
        loose = len(pictures_below(path))
        hint = f"; {loose} pictures lie in it without a class folder" if loose else ""
        raise layouts.absent(name, path, f"{path} holds no folder{hint}")
    parts = [one for one in classes if one.name.lower() in PARTS]
    in_parts = len(parts) == len(classes) or any(one.name.lower() == "train" and class_folders(one) for one in parts)
    entries = _own_parts(path, classes, official) if in_parts else class_tree(path)
    return listing(entries, path, f"{len(entries)} pictures of the folder {path.name}", on_broken=on_broken)


def _own_parts(path: Path, folders: list[Path], official: bool) -> list[Entry]:
    """Return the pictures of the folders train, val and test in ``path``."""
    names = ", ".join(one.name for one in folders if one.name.lower() in PARTS)
    entries = []
    for one in folders:
        if one.name.lower() not in PARTS:
            raise ValueError(
                f"{path} holds parts ({names}) and another folder ({one.name}); keep parts or class folders, not both"
            )
        if not class_folders(one):
            raise ValueError(
                f"{path} holds parts ({names}), but {one.name} no class folders; expected {one.name}/CLASS/*.jpg"
            )
        entries += class_tree(one, PARTS[one.name.lower()] if official else None, under=f"{one.name}/")
    return entries


def _own_table(table: Path, official: bool, on_broken: str) -> Listing:
    entries: list[Entry] = []
    for place, row in read_table(table, ("path", "label")):
        if not entries:
            _refuse_near_misses(table, list(row))
        if not row["label"]:
            raise ValueError(f"{place}: the label is empty; give every picture a label")
        part = part_of(place, row.get("split", "")) if official else None
        entries.append(Entry(place, relative(place, row["path"]), row["label"], row.get("group") or None, part))
    if not entries:
        raise ValueError(f"{table} names columns but no picture; a line per picture is needed")
    return listing(entries, table.parent, f"{len(entries)} pictures listed in {table.name}", on_broken=on_broken)


def _refuse_near_misses(table: Path, columns: list[str]) -> None:
    """Refuse ``groups`` or ``spilt``, which would be passed over like any other column, and leak."""
    for meant in ("group", "split"):
        close = [] if meant in columns else difflib.get_close_matches(meant, columns, n=1, cutoff=0.75)
        if close:
            raise ValueError(
                f"{table}: there is a column {close[0]!r}; name it {meant!r} if that is meant, else otherwise"
            )


# --- skin ------------------------------------------------------------------------------------------------------------


def ham10000_metadata(root: Root) -> Path | None:
    """Return the metadata table of HAM10000 as an image folder, or None where there is none."""
    if root is None:
        return None
    root = Path(root).expanduser()
    if root.is_file():
        return None if root.suffix.lower() == ".npz" else root
    return next(
        (place / one for place in homes(root, "ham10000") for one in HAM_METADATA if (place / one).is_file()), None
    )


def ham10000(name: str, root: Root, *, official: bool = True, on_broken: str = "refuse") -> Listing:
    """List HAM10000 as its owners hand it out: a metadata table, and pictures in any folders below it.

    Groups are the lesions, for several photographs show one. A column ``split`` is taken where the table has one.
    """
    table = ham10000_metadata(root)
    if table is None:
        raise layouts.absent(name, root)
    pictures: dict[str, str] = {}
    for own in pictures_below(table.parent):
        stem = PurePosixPath(own).stem
        if pictures.setdefault(stem, own) != own:
            raise ValueError(f"{stem} is there twice: {pictures[stem]} and {own}; keep one")
    entries = []
    for place, row in read_table(table, ("lesion_id", "image_id", "dx")):
        label = checks.one_of(f"{place}: dx", row["dx"].lower(), HAM_CLASSES)
        image = relative(place, row["image_id"])
        part = part_of(place, row.get("split", "")) if official else None
        entries.append(Entry(place, pictures.get(image, f"{image}.jpg"), label, row["lesion_id"] or None, part))
    return listing(
        entries, table.parent, f"{len(entries)} dermatoscopic pictures listed in {table.name}", on_broken=on_broken
    )


def clinical(
    name: str, root: Root, *, official: bool = True, lists: Sequence[str] = ("train.txt", "val.txt"),
    on_broken: str = "refuse",
) -> Listing:  # fmt: skip
    """List SD-198 or SD-260: two lists of "path label" under ``raw/`` and the pictures under ``raw/images/``.

    The second list is the test part, as in the release. ``official`` False joins the lists without parts, for
    cross-validation (``make_split(data, fold=k)``). ``lists`` names other lists, such as those of another fold. A class
    bears the name of the folder that its pictures share, else its number.
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
    found = [
        one
        for file, part in zip(lists, (TRAIN, TEST), strict=True)
        for one in numbered_list(home / file, part, classes)
    ]
    first = min(label for _, label in found)
    last = max(label for _, label in found)
    if last - first >= classes:
        raise ValueError(
            f"the labels of {lists[0]}, {lists[1]} reach from {first} to {last}, but {name} has {classes} classes; number them "
            "from 0 or from 1"
        )
    start = int(first == 1 or last == classes)
    entries = [
        entry._replace(
            path=entry.path.removeprefix("images/"), label=str(label - start), part=entry.part if official else None
        )
        for entry, label in found
    ]
    read = listing(
        entries,
        home / "images",
        f"{len(entries)} clinical photographs listed in {', '.join(lists)}",
        on_broken=on_broken,
    )
    return _named_by_folder(read)


def _named_by_folder(read: Listing) -> Listing:
    """Give every class the name of its pictures' folder where each class has a folder of its own."""
    pairs = sorted({(int(label), path.parent.name) for path, label in zip(read.paths, read.labels, strict=True)})
    names = [folder for _, folder in pairs]
    if not len(pairs) == len(set(names)) == len(read.class_names):
        return read
    return dataclasses.replace(read, class_names=tuple(names))


# --- scenes and objects ----------------------------------------------------------------------------------------------


def mit67(name: str, root: Root, *, official: bool = True, on_broken: str = "refuse") -> Listing:
    """List MIT-67: ``TrainImages.txt`` and ``TestImages.txt`` of "class/file", pictures under ``Images/``.

    ``official`` False takes all pictures under ``Images/`` without parts, for the random 60/40.
    """
    places = [] if root is None else homes(Path(root).expanduser(), name)
    lists = ("TrainImages.txt", "TestImages.txt")
    home = next((place for place in places if (place / "Images").is_dir()), None)
    if home is None:
        raise layouts.absent(name, root)
    images = home / "Images"
    if not official:
        entries = class_tree(images)
        return listing(entries, images, f"all {len(entries)} pictures under Images", on_broken=on_broken)
    for one in lists:
        if not (home / one).is_file():
            raise layouts.absent(name, root, f"{home} has Images, but no {one} (official=False does without the lists)")
    entries = []
    for file, part in zip(lists, (TRAIN, TEST), strict=True):
        for place, line in read_lines(home / file):
            path = relative(place, line)
            if "/" not in path:
                raise ValueError(f"{place}: {line.strip()!r} is no 'class/file'")
            entries.append(Entry(place, path, path.split("/")[0], part=part))
    known = [one.name for one in class_folders(images)]
    for entry in entries:
        checks.one_of(f"{entry.place}: class", entry.label, known)
    return listing(entries, images, f"{len(entries)} pictures of the official lists", on_broken=on_broken)


def caltech101(
    name: str, root: Root, *, background: bool = True, download: bool = False, on_broken: str = "refuse"
) -> Listing:
    """List Caltech-101: one folder per category, 102 with ``BACKGROUND_Google``, which ``background`` False leaves out.

    ``download`` True lets torchvision fetch the archive into ``root`` if it is not there.
    """
    if root is not None and checks.boolean("download", download):
        from torchvision.datasets import Caltech101

        Caltech101(str(Path(root).expanduser()), download=True)
    places = [] if root is None else homes(Path(root).expanduser(), name, "101_ObjectCategories")
    found = [place for place in places if place.name == "101_ObjectCategories" and place.is_dir()]
    found += [place for place in places if (place / BACKGROUND).is_dir()]
    if not found:
        raise layouts.absent(name, root)
    entries = class_tree(found[0])
    if not checks.boolean("background", background):
        entries = [entry for entry in entries if entry.label != BACKGROUND]
    number = len({entry.label for entry in entries})
    source = f"{len(entries)} pictures of {number} categories, {'without' if not background else 'with'} {BACKGROUND}"
    return listing(entries, found[0], source, on_broken=on_broken)

"""Readers of COCO and Pascal VOC in their customary layouts.

::

    coco/        annotations/instances_train2017.json, annotations/instances_val2017.json, train2017/, val2017/
    VOCdevkit/   VOC2007/ and VOC2012/, each with JPEGImages/, Annotations/ and ImageSets/Main/*.txt

Nothing a file says is believed: categories are numbered anew, whatever gaps their ids have; a picture is looked for in
its folder and nowhere else; XML with a document type or an entity, through which a file could have others read, is
refused. What is wrong (a missing picture, a box that is none) is refused or, if the caller says so, left out and told.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from spbl_nb import checks, files
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.detection import boxes as box_tools
from spbl_nb.detection.dataset import DetectionData
from spbl_nb.detection.letterbox import PictureFiles

EMPTY, BROKEN = ("keep", "drop"), ("refuse", "skip")
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


@dataclass
class _Found:
    """A picture as its annotation tells it; ``rows`` are (box, class, ignored, area in pixels)."""

    path: Path
    height: int
    width: int
    part: int
    rows: list[tuple[tuple[float, ...], Any, bool, float]] = field(default_factory=list)


def read_coco(
    root: str | os.PathLike | None,
    size: int = 512,
    *,
    year: int = 2017,
    empty: str = "keep",
    broken: str = "refuse",
    limit: int | None = None,
) -> DetectionData:
    """Read COCO: the pictures of ``train2017`` become part 0 (train), those of ``val2017`` part 2 (test).

    Parameters
    ----------
    root : the folder with ``annotations``, or one that holds it as ``coco``. One of the two parts may be absent.
    size : side of the letterboxed squares, pixels, 32 to 2048.
    year : the number in the names of files and folders.
    empty : "keep" or "drop" training pictures without boxes. Test pictures stay, for what is found in them is wrong.
    broken : "refuse" a file with a missing picture or a wrong box, or "skip" those and tell them in ``left_out``.
    limit : pictures of each part at most, the first ones; None: all.

    Raises FileNotFoundError saying which layout is expected and where it looked, and ValueError naming file, entry and
    what is wrong with it.
    """
    layout = (
        f"annotations/instances_train{year}.json, annotations/instances_val{year}.json, train{year}/ and val{year}/"
    )
    folder = _folder("coco", root, ("", "coco", "data/coco"), lambda path: (path / "annotations").is_dir(), layout)
    report = _Report(broken)
    found, names = [], None
    for word, part in (("train", TRAIN), ("val", TEST)):
        path = folder / "annotations" / f"instances_{word}{year}.json"
        if not path.is_file():
            continue
        pictures, here = _coco_part(path, folder / f"{word}{year}", part, limit, report)
        if names is not None and here != names:
            raise ValueError(f"{path} has other categories than the training part; both must list the same")
        names = here
        found += pictures
    if names is None:
        raise FileNotFoundError(f"no annotations in {folder / 'annotations'}; a COCO folder holds {layout}")
    return _finished(
        "coco", found, tuple(names.values()), list(names), size, empty, report, f"COCO, read from {folder.name}"
    )


def read_voc(
    root: str | os.PathLike | None,
    size: int = 512,
    *,
    years: Iterable[int] = (2007, 2012),
    empty: str = "keep",
    broken: str = "refuse",
    limit: int | None = None,
) -> DetectionData:
    """Read Pascal VOC: the lists ``trainval`` of all years become part 0 (train), ``test`` of all years part 2 (test).

    Where no year has a list ``test``, ``train`` and ``val`` take their places. ``root`` is ``VOCdevkit``, a folder that
    holds it, or one year's folder; a year that is not there is passed over. Objects marked difficult are ignored as
    crowds of COCO are. Coordinates count from 1 in the files and from 0 here. The other arguments, and the errors, are
    those of :func:`read_coco`.
    """
    years = [checks.integer("years", year, 1) for year in years]
    layout = "VOC2007/ and VOC2012/, each with JPEGImages/, Annotations/ and ImageSets/Main/*.txt"

    def years_in(path: Path) -> list[Path]:
        folders = [path / f"VOC{year}" for year in years]
        return [folder for folder in [*folders, path] if (folder / "ImageSets" / "Main").is_dir()]

    folder = _folder("voc", root, ("", "VOCdevkit", "data/VOCdevkit"), lambda path: bool(years_in(path)), layout)
    places = years_in(folder)
    tested = any((place / "ImageSets" / "Main" / "test.txt").is_file() for place in places)
    lists = (("trainval", TRAIN), ("test", TEST)) if tested else (("train", TRAIN), ("val", TEST))
    report = _Report(broken)
    found = []
    for word, part in lists:
        entries = [
            (place, name, f"{path}, line {number}")
            for place in places
            if (path := place / "ImageSets" / "Main" / f"{word}.txt").is_file()
            for number, name in _listed(path)
        ]
        for place, name, where in entries[:limit]:
            picture = _voc_picture(place, _inside(name, where), part)
            if report.there(picture.path, f"{where}: "):
                found.append(picture)
    if not found:
        raise FileNotFoundError(f"{folder} has no list {lists[0][0]}.txt or {lists[1][0]}.txt with pictures; {layout}")
    classes = {label for picture in found for _, label, _, _ in picture.rows}
    names = VOC_CLASSES if classes <= set(VOC_CLASSES) else tuple(sorted(classes))
    return _finished("voc", found, names, list(names), size, empty, report, f"Pascal VOC, read from {folder.name}")


class _Report:
    """What is done about things that are wrong: refuse the first, or leave them out and remember."""

    def __init__(self, broken: str) -> None:
        self.skip = checks.one_of("broken", broken, BROKEN) == "skip"
        self.left_out: list[str] = []

    def wrong(self, words: str) -> None:
        if not self.skip:
            raise ValueError(f"{words}; mend the file, or leave such entries out with broken='skip'")
        self.left_out.append(words)

    def there(self, path: Path, where: str = "") -> bool:
        """Return whether a picture is there; where not, that is wrong."""
        if not path.is_file():
            self.wrong(f"{where}picture {path} is named but does not exist")
            return False
        return True


def _folder(
    name: str, root: str | os.PathLike | None, tries: tuple[str, ...], fits: Callable[[Path], bool], layout: str
) -> Path:
    how = f"a folder for {name} holds {layout}. Without it, run the embedded set 'synthetic'"
    if root is None:
        raise FileNotFoundError(f"{name} is not embedded and root (DATA_ROOT, --data-root) is not set: {how}")
    root = Path(root).expanduser()
    places = [root / path for path in tries]
    for place in places:
        if fits(place):
            return place
    looked = f"looked in {', '.join(map(str, places))}" if root.is_dir() else f"{root} is no folder"
    raise FileNotFoundError(f"{name} was not found: {looked}; {how}")


def _inside(name: Any, where: str) -> str:
    """Return a file name that cannot lead out of its folder, or raise ValueError."""
    if not isinstance(name, str) or not name or "\0" in name:
        raise ValueError(f"{where} names the picture {name!r}; a file name is needed")
    for kind in (PurePosixPath, PureWindowsPath):
        path = kind(name)
        if path.is_absolute() or path.drive or path.root or ".." in path.parts:
            raise ValueError(
                f"{where} names the picture {name!r}, which leads out of its folder and is refused; names must stay inside"
            )
    return name


# COCO


def _coco_part(
    path: Path, folder: Path, part: int, limit: int | None, report: _Report
) -> tuple[list[_Found], dict[int, str]]:
    """Read one annotation file; return its pictures, and {category id: name} by rising id."""
    content = files.read_json(path)
    images, annotations, categories = (_entries(path, content, key) for key in ("images", "annotations", "categories"))
    names = {_whole(path, "categories", i, entry, "id"): str(entry.get("name")) for i, entry in enumerate(categories)}
    if len(names) < len(categories) or not names:
        raise ValueError(
            f"{path}: categories has {len(categories)} entries and {len(names)} ids; each id once is needed"
        )
    found: dict[int, _Found] = {}
    known: set[int] = set()
    for index, entry in enumerate(images):
        number, height, width = (_whole(path, "images", index, entry, key) for key in ("id", "height", "width"))
        if number in known or min(height, width) < 1:
            raise ValueError(
                f"{path}: images[{index}] has id {number}, height {height} and width {width}; each id once and sides of at "
                "least 1 are needed"
            )
        known.add(number)
        picture = folder / _inside(entry.get("file_name"), f"{path}: images[{index}]")
        if (limit is None or len(found) < limit) and report.there(picture, f"{path}: images[{index}]: "):
            found[number] = _Found(picture, height, width, part)
    for index, entry in enumerate(annotations):
        owner, category = (_whole(path, "annotations", index, entry, key) for key in ("image_id", "category_id"))
        if owner not in known or category not in names:
            unknown = f"image_id {owner}" if owner not in known else f"category_id {category}"
            raise ValueError(f"{path}: annotations[{index}] has the {unknown}, which the file does not list")
        if owner in found:
            left, top, across, down = _numbers(entry.get("bbox"), f"{path}: annotations[{index}]")
            area = entry.get("area", across * down)
            if isinstance(area, bool) or not isinstance(area, (int, float)):
                raise ValueError(f"{path}: annotations[{index}] has area {area!r}; a number is needed")
            box = (left, top, left + across, top + down)
            found[owner].rows.append((box, category, bool(entry.get("iscrowd", 0)), float(area)))
    return list(found.values()), dict(sorted(names.items()))


def _entries(path: Path, content: Any, key: str) -> list[dict[str, Any]]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        has = f"has the keys {', '.join(map(str, content)) or 'none'}" if isinstance(content, dict) else "is no object"
        raise ValueError(
            f"{path} is no COCO annotation of objects: it {has}; lists of objects under images, annotations and categories "
            "are needed"
        )
    return entries


def _whole(path: Path, key: str, index: int, entry: dict[str, Any], name: str) -> int:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{path}: {key}[{index}] has {name} {value!r}; an integer is needed")
    return value


def _numbers(box: Any, where: str) -> tuple[float, ...]:
    if not isinstance(box, (list, tuple)) or len(box) != 4 or not all(isinstance(v, (int, float)) for v in box):
        raise ValueError(f"{where} has bbox {box!r}; four numbers (left, top, width, height) are needed")
    return tuple(map(float, box))


# Pascal VOC


def _listed(path: Path) -> list[tuple[int, str]]:
    """Return (line number, name) of a list of pictures; a second column (1, 0, -1 in the lists of one class) is passed over."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is no text file: {error}") from None
    return [(number, line.split()[0]) for number, line in enumerate(lines, 1) if line.strip()]


def _voc_picture(place: Path, name: str, part: int) -> _Found:
    path = place / "Annotations" / f"{name}.xml"
    root = _parsed(path)
    width, height = (_voc_number(path, root, f"size/{key}") for key in ("width", "height"))
    if min(width, height) < 1:
        raise ValueError(f"{path} tells a picture of {width:g} x {height:g} pixels; at least 1 x 1 is needed")
    found = _Found(place / "JPEGImages" / f"{name}.jpg", int(height), int(width), part)
    for item in root.findall("object"):
        left, top, right, bottom = (
            _voc_number(path, item, f"bndbox/{key}") for key in ("xmin", "ymin", "xmax", "ymax")
        )
        box = (left - 1, top - 1, right, bottom)
        label = (item.findtext("name") or "").strip()
        if not label:
            raise ValueError(f"{path} has an object without a name; each object needs one")
        difficult = (item.findtext("difficult") or "0").strip() not in ("", "0")
        found.rows.append((box, label, difficult, (box[2] - box[0]) * (box[3] - box[1])))
    return found


def _parsed(path: Path) -> Element:
    try:
        return ElementTree.parse(path, forbid_dtd=True).getroot()
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist, but its picture is listed in ImageSets/Main") from None
    except DefusedXmlException:
        raise ValueError(
            f"{path} declares a document type or an entity, through which other files could be read; it is refused. VOC "
            "annotations need neither: remove the declaration"
        ) from None
    except ParseError as error:
        raise ValueError(f"{path} is broken XML ({error}); get it anew from its source") from None


def _voc_number(path: Path, element: Element, key: str) -> float:
    text = element.findtext(key)
    try:
        return float(text or "")
    except ValueError:
        raise ValueError(f"{path} has {text!r} as {element.tag}/{key}; a number is needed") from None


# both


def _finished(
    name: str,
    found: list[_Found],
    class_names: tuple[str, ...],
    keys: list[Any],
    size: int,
    empty: str,
    report: _Report,
    source: str,
) -> DetectionData:
    """Check the boxes, drop what is to be dropped, and put everything into arrays."""
    checks.one_of("empty", empty, EMPTY)
    for picture in found:
        boxes = np.array([row[0] for row in picture.rows]).reshape(-1, 4)
        wrong = dict(box_tools.faults(boxes, (picture.height, picture.width)))
        for index, words in wrong.items():
            report.wrong(f"{picture.path}: box {index}, {box_tools.described(boxes[index])}, {words}")
        picture.rows = [row for index, row in enumerate(picture.rows) if index not in wrong]
    if empty == "drop":
        found = [picture for picture in found if picture.part != TRAIN or any(not row[2] for row in picture.rows)]
    if not found:
        raise ValueError(
            f"{name} has no picture left; look at the annotations, or keep pictures without boxes (empty='keep')"
        )
    sizes = np.array([(picture.height, picture.width) for picture in found])
    images = PictureFiles([picture.path for picture in found], sizes, size)
    owner = np.repeat(np.arange(len(found)), [len(picture.rows) for picture in found])
    rows = [row for picture in found for row in picture.rows]
    number = {key: index for index, key in enumerate(keys)}
    own = np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, 4)
    boxes = box_tools.clipped(own, sizes[owner]) * images.scale[owner][:, None]
    return DetectionData(
        name=name,
        images=images,
        owner=owner,
        boxes=boxes,
        labels=np.array([number[row[1]] for row in rows], dtype=np.int64),
        class_names=class_names,
        ignored=np.array([row[2] for row in rows], dtype=bool),
        split=np.array([picture.part for picture in found]),
        sizes=sizes,
        scale=images.scale,
        areas=np.array([row[3] for row in rows], dtype=np.float64),
        source=source,
        left_out=tuple(report.left_out),
    )

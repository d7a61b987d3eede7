"""Data sets for detection: ``load(name)`` returns images of one size with the boxes and classes of what they show.

``synthetic`` needs no files: lesions drawn on skin by :mod:`spbl_nb.data.synthetic.groups`. ``coco`` and ``voc`` are read
from their customary layouts (:mod:`spbl_nb.data.layouts`) by pycocotools and torchvision. An image is looked for in its
folder and nowhere else; XML with a document type or an entity, through which a file could have others read, is refused.
A missing image or a box that is none is refused or, if the caller says so, skipped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException
from torchvision.datasets import VOCDetection

from spbl_nb import checks, files
from spbl_nb.data import layouts
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.data.layouts import Root
from spbl_nb.data.read_photos import read_lines
from spbl_nb.data.synthetic import draw, groups
from spbl_nb.detection.dataset import DetectionData, ImageFiles, box_faults, clip_boxes
from spbl_nb.detection.evaluate import coco_index

_OPTIONS = {
    "synthetic": ("count", "seed", "test_share", "num_classes", "least", "most", "factor", "difficulty"),
    "coco": ("year", "empty"),
    "voc": ("years", "empty"),
}
NAMES = tuple(_OPTIONS)
SMALLEST, LARGEST = 32, 2048  # sides of the squares of images from files, pixels
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable", "dog"),
    *("horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)


def load(
    name: str,
    root: Root = None,
    size: int | None = None,
    limit: int | None = None,
    broken: str = "refuse",
    **options: Any,
) -> DetectionData:
    """Load a detection data set by name: ``synthetic``, ``coco`` or ``voc``.

    Parameters
    ----------
    root : the folder of a real one, or the folder that holds it as ``coco`` or ``VOCdevkit``.
    size : side of the squares in pixels, 48 to 512 drawn (default 96), 32 to 2048 from files (default 512).
    limit : images of each split at most, the first ones; None: all.
    broken : "refuse" a file with a missing image or a wrong box, or "skip" those and name them in ``skipped``.
    options : of ``synthetic`` those of :func:`synthetic_lesions`; of files ``empty`` ("keep" or "drop" training images
        without boxes), and the ``year`` in COCO's names or the ``years`` of VOC.

    Raises ValueError for an unknown name or option and for files that do not hold what they should, naming file, entry and
    what is wrong; FileNotFoundError says which layout is expected and where it looked.
    """
    checks.one_of("data set", name, NAMES)
    for key in options:
        checks.one_of(f"option of {name}", key, _OPTIONS[name])
    skipped = _Skipped(checks.one_of("broken", broken, ("refuse", "skip")) == "skip")
    limit = None if limit is None else checks.integer("limit", limit, 1)
    if name == "synthetic":
        return synthetic_lesions(size=96 if size is None else size, limit=limit, **options)
    size = checks.integer("size", 512 if size is None else size, SMALLEST, LARGEST)
    empty = checks.one_of("empty", options.pop("empty", "keep"), ("keep", "drop"))
    reader = _read_coco if name == "coco" else _read_voc
    found, class_names, source = reader(root, skipped, limit, **options)
    return _assemble(name, found, class_names, size, empty, skipped, source)


def synthetic_lesions(
    count: int = 400,
    size: int = 96,
    seed: int = 0,
    *,
    test_share: float = 0.25,
    limit: int | None = None,
    **drawing: Any,
) -> DetectionData:
    """Draw ``count`` synthetic images of skin with one to four lesions, of which ``test_share`` are the test split.

    Training and test images come from different random streams; each begins with the same images whatever the count.
    The other arguments are those of :func:`spbl_nb.data.synthetic.groups.draw`. About 20 ms an image of 96 pixels.
    """
    count = checks.integer("count", count, 2)
    tested = round(count * checks.real("test_share", test_share, 0, 1, open_high=True))
    numbers = [number if limit is None else min(number, limit) for number in (count - tested, tested)]
    streams = [(stream, number) for stream, number in enumerate(numbers) if number]
    splits = [groups.draw(number, size, seed, stream=stream, **drawing) for stream, number in streams]
    starts = np.cumsum([0, *(number for _, number in streams)])
    return DetectionData(
        name="synthetic",
        images=np.concatenate([split.images for split in splits]),
        owner=np.concatenate([split.owner + start for split, start in zip(splits, starts, strict=False)]),
        boxes=np.concatenate([split.boxes for split in splits]),
        labels=np.concatenate([split.labels for split in splits]),
        class_names=tuple(one.name for one in draw.class_prototypes(drawing.get("num_classes", 6))),
        split=np.repeat([TRAIN, TEST], numbers),
        source="synthetic images drawn by spbl_nb.data.synthetic.groups",
        synthetic=True,
    )


@dataclass
class _Found:
    """An image as its annotation describes it; ``rows`` are (box, class name or category, ignored, area in pixels)."""

    path: Path
    height: int
    width: int
    split: int
    rows: list[tuple[tuple[float, ...], Any, bool, float]] = field(default_factory=list)


@dataclass
class _Skipped:
    """What was wrong: the first is refused, or, with ``skip``, all are remembered as ``sentences``."""

    skip: bool
    sentences: list[str] = field(default_factory=list)

    def add(self, sentence: str) -> None:
        if not self.skip:
            raise ValueError(f"{sentence}; correct the file, or skip such entries with broken='skip'")
        self.sentences.append(sentence)

    def has(self, path: Path, where: str) -> bool:
        """Return whether an image is there; where not, that is wrong."""
        if not path.is_file():
            self.add(f"{where}: image {path} is named but does not exist")
        return path.is_file()


_Read = tuple[list[_Found], dict[Any, str], str]  # images, name by category, source


def _read_coco(root: Root, skipped: _Skipped, limit: int | None, year: int = 2017) -> _Read:
    """Read COCO: ``train2017`` becomes split 0 (train), ``val2017`` split 2 (test); one of the two may be absent."""
    folder = _folder("coco", root, ("", "coco", "data/coco"), "annotations")
    found, names = [], None
    for word, split in (("train", TRAIN), ("val", TEST)):
        path = folder / "annotations" / f"instances_{word}{year}.json"
        if not path.is_file():
            continue
        images, here = _read_annotations(path, folder / f"{word}{year}", split, limit, skipped)
        if names is not None and here != names:
            raise ValueError(f"{path} has other categories than the training split; both must list the same")
        names = here
        found += images
    if names is None:
        raise layouts.absent("coco", root, f"no instances_train{year}.json or instances_val{year}.json")
    return found, names, f"COCO, read from {folder.name}"


def _read_annotations(
    path: Path, folder: Path, split: int, limit: int | None, skipped: _Skipped
) -> tuple[list[_Found], dict[int, str]]:
    """Read one annotation file of COCO; return its images, and {category id: name} by rising id."""
    content = files.read_json(path)
    try:
        coco = coco_index(content)
        names = {number: str(coco.cats[number]["name"]) for number in sorted(coco.cats)}
        counts = [(key, len(content[key]), len(ids)) for key, ids in (("images", coco.imgs), ("categories", names))]
    except (AttributeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no COCO annotation of objects: {error!r}") from None
    for key, entries, ids in counts:
        if not ids or ids < entries:
            raise ValueError(f"{path}: {key} has {entries} entries and {ids} ids; each id once is needed")
    found: list[_Found] = []
    for index, entry in enumerate(content["images"]):
        where = f"{path}: images[{index}]"
        try:
            height, width = int(entry["height"]), int(entry["width"])
            image = folder / layouts.relative(where, str(entry["file_name"]))
        except (KeyError, TypeError) as error:
            raise ValueError(f"{where} is {entry}: {error!r}; file_name, height and width are needed") from None
        if min(height, width) < 1:
            raise ValueError(f"{where} has height {height} and width {width}; sides of at least 1 are needed")
        if (limit is None or len(found) < limit) and skipped.has(image, where):
            found.append(_Found(image, height, width, split))
            for annotation in coco.imgToAnns.get(entry["id"], []):
                found[-1].rows.append(_coco_box(path, annotation, names))
    if unknown := sorted(set(coco.imgToAnns) - set(coco.imgs)):
        raise ValueError(f"{path}: annotations name the image_id {unknown[0]}, which the file does not list")
    return found, names


def _coco_box(path: Path, entry: dict[str, Any], names: dict[int, str]) -> tuple[tuple[float, ...], int, bool, float]:
    where = f"{path}: the annotation with id {entry['id']}"
    if entry["category_id"] not in names:
        raise ValueError(f"{where} has the category_id {entry['category_id']}, which the file does not list")
    try:
        left, top, width, height = map(float, entry["bbox"])
        area = float(entry.get("area", width * height))
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{where} has bbox {entry.get('bbox')} and area {entry.get('area')}: {error!r}") from None
    return (left, top, left + width, top + height), entry["category_id"], bool(entry.get("iscrowd", 0)), area


def _read_voc(root: Root, skipped: _Skipped, limit: int | None, years: Sequence[int] = (2007, 2012)) -> _Read:
    """Read Pascal VOC: the lists ``trainval`` of all years become split 0 (train), ``test`` of all years split 2 (test).

    Where no year has a list ``test``, ``train`` and ``val`` take their places. A year that is not there is passed over.
    Objects marked difficult are ignored as crowds of COCO are. Coordinates count from 1 in the files and from 0 here.
    """
    main = "ImageSets/Main"
    names_of_years = [f"VOC{year}" for year in years]
    folder = _folder(
        "voc", root, ("", "VOCdevkit", "data/VOCdevkit"), main, *(f"{one}/{main}" for one in names_of_years)
    )
    places = [place for place in (*(folder / one for one in names_of_years), folder) if (place / main).is_dir()]
    tested = any((place / main / "test.txt").is_file() for place in places)
    lists = (("trainval", TRAIN), ("test", TEST)) if tested else (("train", TRAIN), ("val", TEST))
    found = []
    for word, split in lists:
        paths = [(place, place / main / f"{word}.txt") for place in places]
        listed = [(place, path, line) for place, path in paths if path.is_file() for line in read_lines(path)]
        for place, path, (where, line) in listed[:limit]:
            where = f"{path.parent}/{where}"
            image = _voc_image(place, layouts.relative(where, line.split()[0]), split)
            if skipped.has(image.path, where):
                found.append(image)
    if not found:
        raise layouts.absent("voc", root, f"no list {lists[0][0]}.txt or {lists[1][0]}.txt with images")
    classes = {row[1] for image in found for row in image.rows}
    names = VOC_CLASSES if classes <= set(VOC_CLASSES) else sorted(classes)
    return found, dict(zip(names, names, strict=True)), f"Pascal VOC, read from {folder.name}"


def _voc_image(place: Path, name: str, split: int) -> _Found:
    """Read the annotation of one image of VOC."""
    path = place / "Annotations" / f"{name}.xml"
    try:
        content = VOCDetection.parse_voc_xml(ElementTree.parse(path, forbid_dtd=True).getroot())["annotation"]
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist, but its image is listed in ImageSets/Main") from None
    except (DefusedXmlException, ParseError, KeyError) as error:
        raise ValueError(
            f"{path} is no VOC annotation: {error!r}. XML with the root <annotation> is needed, without a document type or "
            "an entity"
        ) from None
    width, height = (_number(path, content, "size", side) for side in ("width", "height"))
    if min(width, height) < 1:
        raise ValueError(f"{path} describes an image of {width:g} x {height:g} pixels; at least 1 x 1 is needed")
    found = _Found(place / "JPEGImages" / f"{name}.jpg", int(height), int(width), split)
    for item in content["object"]:
        if not item.get("name"):
            raise ValueError(f"{path} has an object without a name; each object needs one")
        left, top, right, bottom = (_number(path, item, "bndbox", side) for side in ("xmin", "ymin", "xmax", "ymax"))
        box = (left - 1, top - 1, right, bottom)
        found.rows.append((box, item["name"], item.get("difficult", "0") != "0", (right - box[0]) * (bottom - box[1])))
    return found


def _number(path: Path, content: dict[str, Any], tag: str, key: str) -> float:
    try:
        return float(content[tag][key])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} has no number as {tag}/{key}: {error!r}") from None


def _folder(name: str, root: Root, below: Sequence[str], *inside: str) -> Path:
    """Return the first of some folders below ``root`` that has one of the folders ``inside``."""
    if root is None:
        raise layouts.absent(name, root)
    places = [Path(root).expanduser() / place for place in below]
    for place in places:
        if any((place / one).is_dir() for one in inside):
            return place
    raise layouts.absent(name, root, f"looked in {', '.join(map(str, places))}")


def _assemble(
    name: str, found: list[_Found], class_names: dict[Any, str], size: int, empty: str, skipped: _Skipped, source: str
) -> DetectionData:
    """Check the boxes, drop what is to be dropped, and put everything into arrays."""
    for image in found:
        boxes = np.array([row[0] for row in image.rows]).reshape(-1, 4)
        faults = box_faults(boxes, np.tile([image.height, image.width], (len(boxes), 1)))
        for index, fault in faults.items():
            skipped.add(f"{image.path}: box {index} {fault}")
        image.rows = [row for index, row in enumerate(image.rows) if index not in faults]
    if empty == "drop":
        found = [image for image in found if image.split != TRAIN or any(not row[2] for row in image.rows)]
    if not found:
        raise ValueError(
            f"{name} has no image left; look at the annotations, or keep images without boxes (empty='keep')"
        )
    sizes = np.array([(image.height, image.width) for image in found])
    images = ImageFiles([image.path for image in found], sizes, size)
    owner = np.repeat(np.arange(len(found)), [len(image.rows) for image in found])
    rows = [row for image in found for row in image.rows]
    number = {key: index for index, key in enumerate(class_names)}
    boxes = clip_boxes(np.array([row[0] for row in rows], dtype=np.float64).reshape(-1, 4), sizes[owner])
    return DetectionData(
        name=name,
        images=images,
        owner=owner,
        boxes=boxes * images.scale[owner][:, None],
        labels=np.array([number[row[1]] for row in rows], dtype=np.int64),
        class_names=tuple(class_names.values()),
        ignored=np.array([row[2] for row in rows], dtype=bool),
        split=np.array([image.split for image in found]),
        sizes=sizes,
        scale=images.scale,
        areas=np.array([row[3] for row in rows], dtype=np.float64),
        source=source,
        skipped=tuple(skipped.sentences),
    )

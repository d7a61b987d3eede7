"""Data sets for detection: ``load(name)`` returns images of one size with the boxes and classes of what they show.

``synthetic`` needs no files: lesions drawn on skin by :mod:`spbl_nb.data.synthetic.groups`. ``coco`` and ``voc`` are read
from their customary layouts (:mod:`spbl_nb.data.layouts`) by pycocotools and torchvision. An image is looked for in its
folder and nowhere else; XML with a document type or an entity, through which a file could have others read, is refused.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import ElementTree
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

    Raises ValueError for an unknown name or option and for files that do not hold what they should, and FileNotFoundError
    with the layout that is expected.
    """
    checks.one_of("data set", name, NAMES)
    for key in options:
        checks.one_of(f"option of {name}", key, _OPTIONS[name])
    broken = checks.one_of("broken", broken, ("refuse", "skip"))
    limit = None if limit is None else checks.integer("limit", limit, 1)
    if name == "synthetic":
        return synthetic_lesions(size=96 if size is None else size, limit=limit, **options)
    size = checks.integer("size", 512 if size is None else size, SMALLEST, LARGEST)
    empty = checks.one_of("empty", options.pop("empty", "keep"), ("keep", "drop"))
    splits, names, source = (_read_coco if name == "coco" else _read_voc)(root, **options)
    skipped: list[str] = []

    def wrong(sentence: str) -> None:
        if broken == "refuse":
            raise ValueError(f"{sentence}; correct the file, or skip such entries with broken='skip'")
        skipped.append(sentence)

    found = [image for entries in splits for image in islice(_sound(entries, wrong), limit)]
    if empty == "drop":
        found = [image for image in found if image.split != TRAIN or not image.ignored.all()]
    if not found:
        raise ValueError(f"{name} in {root} has no image left; look at the annotations, or take empty='keep'")
    return _assemble(name, found, names, size, source, tuple(skipped))


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


class _Entry(NamedTuple):
    """An image as an annotation file describes it, in COCO's words; ``where`` is its place in the file."""

    where: str
    path: Path
    split: int
    image: dict[str, Any]  # height, width
    objects: list[dict[str, Any]]  # each with bbox (left, top, width, height), category_id, area, iscrowd


class _Image(NamedTuple):
    """An image with its M objects; boxes and areas in pixels of the file."""

    path: Path
    split: int
    size: tuple[int, int]
    boxes: np.ndarray
    kinds: list[Any]
    ignored: np.ndarray
    areas: np.ndarray


_Read = tuple[list[Iterator[_Entry]], dict[Any, str], str]  # entries of each split, class names by category, source


def _sound(entries: Iterator[_Entry], wrong: Callable[[str], None]) -> Iterator[_Image]:
    """Yield the images that are there, with the boxes that are boxes; say what is ``wrong`` with the others."""
    for where, path, split, image, objects in entries:
        with _reading(where, "file_name, height and width, and bbox and category_id for each object"):
            size = int(image["height"]), int(image["width"])
            boxes = np.array([one["bbox"] for one in objects], dtype=np.float64).reshape(-1, 4)
            areas = [float(one.get("area", box[2] * box[3])) for one, box in zip(objects, boxes, strict=True)]
            kinds = [one["category_id"] for one in objects]
        if min(size) < 1:
            raise ValueError(f"{where} has height {size[0]} and width {size[1]}; sides of at least 1 are needed")
        if not path.is_file():
            wrong(f"{where}: image {path} is named but does not exist")
            continue
        boxes[:, 2:] += boxes[:, :2]
        faults = box_faults(boxes, np.tile(size, (len(boxes), 1)))
        for index, fault in faults.items():
            wrong(f"{path}: box {index} {fault}")
        kept = [index for index in range(len(boxes)) if index not in faults]
        ignored = np.array([bool(objects[index].get("iscrowd", 0)) for index in kept], dtype=bool)
        yield _Image(path, split, size, boxes[kept], [kinds[i] for i in kept], ignored, np.array(areas)[kept])


def _assemble(
    name: str, found: list[_Image], names: dict[Any, str], size: int, source: str, skipped: tuple[str, ...]
) -> DetectionData:
    """Put images and objects into arrays; classes without ``names`` are those of VOC, or what is there."""
    kinds = [kind for image in found for kind in image.kinds]
    names = names or {kind: kind for kind in (VOC_CLASSES if set(kinds) <= set(VOC_CLASSES) else sorted(set(kinds)))}
    number = {kind: index for index, kind in enumerate(names)}
    sizes = np.array([image.size for image in found])
    images = ImageFiles([image.path for image in found], sizes, size)
    owner = np.repeat(np.arange(len(found)), [len(image.kinds) for image in found])
    boxes = clip_boxes(np.concatenate([image.boxes for image in found]), sizes[owner])
    return DetectionData(
        name=name,
        images=images,
        owner=owner,
        boxes=boxes * images.scale[owner][:, None],
        labels=np.array([number[kind] for kind in kinds], dtype=np.int64),
        class_names=tuple(names.values()),
        ignored=np.concatenate([image.ignored for image in found]),
        split=np.array([image.split for image in found]),
        sizes=sizes,
        scale=images.scale,
        areas=np.concatenate([image.areas for image in found]),
        source=source,
        skipped=skipped,
    )


@contextmanager
def _reading(where: str, needed: str) -> Iterator[None]:
    """Name the place in a file where something is missing or not what it should be."""
    try:
        yield
    except (AttributeError, KeyError, TypeError, ValueError, ParseError) as error:
        raise ValueError(f"{where} cannot be read: {error!r}; needed: {needed}") from None


def _read_coco(root: Root, year: int = 2017) -> _Read:
    """Read COCO: ``train2017`` becomes split 0 (train), ``val2017`` split 2 (test); one of the two may be absent."""
    folder = _folder("coco", root, ("", "coco", "data/coco"), ("annotations",))
    splits: list[Iterator[_Entry]] = []
    names: dict[int, str] = {}
    for word, split in (("train", TRAIN), ("val", TEST)):
        path = folder / "annotations" / f"instances_{word}{year}.json"
        if not path.is_file():
            continue
        content = files.read_json(path)
        with _reading(str(path), "images, annotations and categories as COCO has them"):
            coco = coco_index(content)
            here = {number: str(coco.cats[number]["name"]) for number in sorted(coco.cats)}
            named = {entry["category_id"] for entry in content["annotations"]}
        for key, unknown in (("image", set(coco.imgToAnns) - set(coco.imgs)), ("category", named - set(here))):
            if unknown:
                raise ValueError(f"{path}: annotations name the {key}_id {min(unknown)}, which the file does not list")
        if names and here != names:
            raise ValueError(f"{path} has other categories than the training split; both must list the same")
        names = here
        splits.append(_coco_entries(path, coco, folder / f"{word}{year}", split))
    if not splits:
        raise layouts.absent("coco", root, f"no instances_train{year}.json or instances_val{year}.json")
    return splits, names, f"COCO, read from {folder.name}"


def _coco_entries(path: Path, coco: Any, folder: Path, split: int) -> Iterator[_Entry]:
    for index, image in enumerate(coco.dataset["images"]):
        where = f"{path}: images[{index}]"
        file = folder / layouts.relative(where, str(image.get("file_name", "")))
        yield _Entry(where, file, split, image, coco.imgToAnns.get(image["id"], []))


def _read_voc(root: Root, years: Sequence[int] = (2007, 2012)) -> _Read:
    """Read Pascal VOC: the lists ``trainval`` of all years become split 0 (train), ``test`` of all years split 2 (test).

    Where no year has a list ``test``, ``train`` and ``val`` take their places. A year that is not there is passed over.
    Objects marked difficult are ignored as crowds of COCO are.
    """
    main, below = "ImageSets/Main", [f"VOC{year}" for year in years]
    folder = _folder("voc", root, ("", "VOCdevkit", "data/VOCdevkit"), [f"{year}/{main}" for year in (*below, "")])
    places = [place for place in (*(folder / year for year in below), folder) if (place / main).is_dir()]
    tested = any((place / main / "test.txt").is_file() for place in places)
    words = (("trainval", TRAIN), ("test", TEST)) if tested else (("train", TRAIN), ("val", TEST))
    if not any((place / main / f"{word}.txt").is_file() for word, _ in words for place in places):
        raise layouts.absent("voc", root, f"no list {words[0][0]}.txt or {words[1][0]}.txt")
    splits = [_voc_entries([(place, place / main / f"{word}.txt") for place in places], split) for word, split in words]
    return splits, {}, f"Pascal VOC, read from {folder.name}"


def _voc_entries(lists: list[tuple[Path, Path]], split: int) -> Iterator[_Entry]:
    for place, path in lists:
        for line_place, line in read_lines(path) if path.is_file() else ():
            where = f"{path.parent}/{line_place}"
            name = layouts.relative(where, line.split()[0])
            notes = place / "Annotations" / f"{name}.xml"
            if not notes.is_file():
                raise FileNotFoundError(f"{notes} does not exist, but its image is listed: {where}")
            with _reading(str(notes), "XML with the root <annotation>, without a document type or an entity"):
                content = VOCDetection.parse_voc_xml(ElementTree.parse(notes, forbid_dtd=True).getroot())["annotation"]
                size = {side: float(content["size"][side]) for side in ("height", "width")}
                objects = [_voc_object(item) for item in content["object"]]
            yield _Entry(str(notes), place / "JPEGImages" / f"{name}.jpg", split, size, objects)


def _voc_object(item: dict[str, Any]) -> dict[str, Any]:
    """Return an object in COCO's words; VOC counts pixels from 1, and its right and bottom pixels are inside the box."""
    left, top, right, bottom = (float(item["bndbox"][side]) for side in ("xmin", "ymin", "xmax", "ymax"))
    box = [left - 1, top - 1, right - left + 1, bottom - top + 1]
    return {"bbox": box, "category_id": item["name"], "iscrowd": item.get("difficult", "0") != "0"}


def _folder(name: str, root: Root, below: Sequence[str], inside: Sequence[str]) -> Path:
    """Return the first of some folders below ``root`` that has one of the folders ``inside``."""
    if root is None:
        raise layouts.absent(name, root)
    places = [Path(root).expanduser() / place for place in below]
    for place in places:
        if any((place / one).is_dir() for one in inside):
            return place
    raise layouts.absent(name, root, f"looked in {', '.join(map(str, places))}")

"""Small COCO and VOC folders in the exact layout, and a set of two images with one box."""

import json

import numpy as np
from PIL import Image

from spbl_nb.detection.dataset import DetectionData

SIZES = ((40, 80), (60, 30), (50, 50))  # height, width


def one_image(**fields):
    values = {"owner": [0], "boxes": [[1, 1, 9, 9]], "labels": [0], "class_names": ("a", "b")}
    return DetectionData("one", np.zeros((2, 3, 32, 32), dtype=np.uint8), **values | fields)


def image(path, height, width, value=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((height, width, 3), value, dtype=np.uint8)).save(path)


def coco_content(start=1):
    """Three images; category ids with gaps; a crowd; an image without boxes."""
    images = [
        {"id": start + i, "file_name": f"{start + i:012}.jpg", "height": h, "width": w}
        for i, (h, w) in enumerate(SIZES)
    ]
    boxes = [
        {"image_id": start + 1, "category_id": 90, "bbox": [3, 4, 10, 20], "area": 150.0, "iscrowd": 0},
        {"image_id": start, "category_id": 7, "bbox": [0, 0, 80, 40], "area": 99.0, "iscrowd": 1},
        {"image_id": start, "category_id": 13, "bbox": [10, 10, 20, 10], "area": 200.0, "iscrowd": 0},
    ]
    annotations = [{"id": index} | box for index, box in enumerate(boxes)]
    categories = [{"id": 90, "name": "toothbrush"}, {"id": 7, "name": "train"}, {"id": 13, "name": "stop sign"}]
    return {"images": images, "annotations": annotations, "categories": categories}


def coco(folder, change=lambda content: None):
    """Write a COCO folder; ``change`` may spoil the training annotations."""
    for part, start in (("train", 1), ("val", 11)):
        content = coco_content(start)
        for one in content["images"]:
            image(folder / f"{part}2017" / one["file_name"], one["height"], one["width"])
        if part == "train":
            content = change(content) or content
        path = folder / "annotations" / f"instances_{part}2017.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder


BOX = "<bndbox><xmin>{}</xmin><ymin>{}</ymin><xmax>{}</xmax><ymax>{}</ymax></bndbox>"
OBJECT = f"<object><name>{{}}</name><difficult>{{}}</difficult>{BOX}</object>"


def voc_xml(height, width, objects, head=""):
    size = f"<size><width>{width}</width><height>{height}</height><depth>3</depth></size>"
    return f"{head}<annotation>{size}{''.join(OBJECT.format(*one) for one in objects)}</annotation>"


def voc(folder, years=(2007, 2012), lists=("trainval", "test")):
    """Write a VOCdevkit of two images a year; only the first year has the second list."""
    for year in years:
        place = folder / f"VOC{year}"
        names = [f"{year}_000001", f"{year}_000002"]
        objects = [[("dog", 0, 1, 1, 20, 30), ("cat", 1, 5, 5, 10, 10)], []]
        for name, (height, width), mine in zip(names, SIZES, objects, strict=False):
            image(place / "JPEGImages" / f"{name}.jpg", height, width)
            path = place / "Annotations" / f"{name}.xml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(voc_xml(height, width, mine))
        main = place / "ImageSets" / "Main"
        main.mkdir(parents=True)
        (main / f"{lists[0]}.txt").write_text(f"{names[0]}\n" if year == years[0] else "\n".join(names))
        if year == years[0]:
            (main / f"{lists[1]}.txt").write_text(f"{names[1]}\n")
        (main / f"dog_{lists[0]}.txt").write_text(f"{names[0]}  1\n")
    return folder

"""What each data set looks like on disk, how it is obtained, and which protocol a published number was made by.

``PROTOCOLS`` is a table to print; ``absent`` makes the error of a data set that is not there: the layout expected, where
was looked, how to get it, and what to run instead. The walk through folders that all readers share is here too.
"""

import os
import re
import textwrap
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from spbl_nb.data import decode

Root = str | os.PathLike | None


class Protocol(NamedTuple):
    """How a data set is cut in a published comparison, and how to say that here.

    ``standing`` says how sure that is: "official" (the data set's own lists), "release" (its code or README says so), "recalled",
    "inferred", or "ours", where we found none.
    """

    data: str
    protocol: str
    standing: str
    load: str
    split: str


PROTOCOLS: tuple[Protocol, ...] = (
    Protocol("sd198", "5-fold cross-validation", "inferred", "load('sd198', root, official=False)", "make_split(data, fold=0)"),
    Protocol("sd198", "the lists train.txt, val.txt", "release", "load('sd198', root)", "make_split(data)"),
    Protocol("sd260", "as SD-198", "inferred", "load('sd260', root, official=False)", "make_split(data, fold=0)"),
    Protocol("mit67", "the lists of its authors", "official", "load('mit67', root)", "make_split(data)"),
    Protocol(
        "mit67", "60/40, odd classes keep 10 %", "recalled",
        "load('mit67', root, official=False, test=0.4, profile='odd_classes', factor=10)", "make_split(data)",
    ),
    Protocol(
        "caltech101", "60/40, odd classes keep 10 %", "recalled",
        "load('caltech101', root, test=0.4, profile='odd_classes', factor=10)", "make_split(data)",
    ),
    Protocol(
        "mnist", "odd digits keep 10 %", "recalled", "load('mnist', root, profile='odd_classes', factor=10)", "make_split(data)",
    ),
    Protocol("mlc", "patches, train on 2008, test on 2009", "inferred", "load('mlc', root)", "make_split(data)"),
    Protocol("ham10000", "no official test split; lesions kept whole", "ours", "load('ham10000', root)", "make_split(data)"),
    Protocol("lesions198", "5 folds of synthetic images", "ours", "load('lesions198')", "make_split(data, fold=0)"),
)  # fmt: skip


class _Layout(NamedTuple):
    """``tree`` is the layout expected, ``obtain`` how to get the data, ``instead`` what runs without them."""

    tree: str
    obtain: str
    instead: str


_LISTS = """
root/
  raw/
    train.txt          lines "path label", paths relative to raw/images
    val.txt            the same; tested on
    images/…/*.jpg
"""
_BY_REQUEST = "from its owners, by request (Sun, Yang, Sun, Wang 2016 for SD-198); no mirror is named here"
_CLINICAL = "'lesions198' (synthetic images with SD-198's class sizes), 'ham10000' (open, grouped by lesion)"

LAYOUTS: dict[str, _Layout] = {
    "folder": _Layout(
        """
root/                       root/                  root/labels.csv
  melanoma/a.jpg              train/melanoma/…       path,label,group,split
  nevus/b.png                 val/melanoma/…         a.jpg,melanoma,patient 1,train
  …                           test/melanoma/…        …   (group and split may be left out)
""",
        "these are your own images: give the folder that holds the class folders, or the csv file",
        "'lesions' or 'digits', which need no files",
    ),
    "ham10000": _Layout(
        """
root/                            or an .npz: ham10000.npz, or root itself
  HAM10000_metadata.csv          columns lesion_id, image_id, dx
  HAM10000_images_part_1/*.jpg   (images may be in any folder below root)
  HAM10000_images_part_2/*.jpg
""",
        "Harvard Dataverse, doi 10.7910/DVN/DBW86T (Tschandl et al. 2018; CC BY-NC 4.0)",
        "'lesions' or 'lesions198', which need no files, or 'folder' on images of your own",
    ),
    "sd198": _Layout(_LISTS, _BY_REQUEST, _CLINICAL),
    "sd260": _Layout(_LISTS, _BY_REQUEST, _CLINICAL),
    "mit67": _Layout(
        """
root/
  TrainImages.txt      lines "class/file.jpg"
  TestImages.txt
  Images/
    airport_inside/*.jpg
    …                  67 folders
""",
        "the page of its authors (Quattoni, Torralba 2009, Recognizing Indoor Scenes)",
        "'digits' with profile='odd_classes', or 'folder' on images of your own",
    ),
    "caltech101": _Layout(
        """
root/
  101_ObjectCategories/    (also inside a folder caltech101/)
    BACKGROUND_Google/*.jpg
    Faces/*.jpg
    …                      102 folders
""",
        "CaltechDATA, doi 10.22002/D1.20086 (Li, Andreeto, Ranzato, Perona), or the option 'download: true', by torchvision",
        "'digits' with profile='odd_classes', or 'folder' on images of your own",
    ),
    "mlc": _Layout(
        """
root/
  2008/                (also inside the folder that an archive was unpacked to)
    <photograph>.jpg
    <photograph>.jpg.txt     lines "row; column; label"
  2009/ …
  2010/ …              (not needed for the usual protocol)
""",
        "Environmental Data Initiative, package knb-lter-mcr.5006.3 (Moorea Coral Reef LTER; three archives, 5.6 GB)",
        "'lesions' with an imbalance profile, or 'folder' on images of your own",
    ),
    "mnist": _Layout(
        """
root/
  mnist.npz                        or root itself; x_train, y_train, x_test, y_test
root/
  MNIST/raw/                       torchvision's layout; unpacked from .gz
    train-images-idx3-ubyte        train-labels-idx1-ubyte
    t10k-images-idx3-ubyte         t10k-labels-idx1-ubyte
""",
        "the option 'download: true' (DATA_OPTIONS, --data-options; download=True in Python) lets torchvision fetch it into root",
        "'digits', scikit-learn's handwritten digits, which need no files",
    ),
    "fashion_mnist": _Layout(
        """
root/
  fashion_mnist.npz                or root itself; x_train, y_train, x_test, y_test
root/
  FashionMNIST/raw/                torchvision's layout; unpacked from .gz
    train-images-idx3-ubyte        train-labels-idx1-ubyte
    t10k-images-idx3-ubyte         t10k-labels-idx1-ubyte
""",
        "the option 'download: true' (DATA_OPTIONS, --data-options; download=True in Python) lets torchvision fetch it into root",
        "'digits', scikit-learn's handwritten digits, which need no files",
    ),
    "medmnist": _Layout(
        """
root/
  medmnist*.npz        or root itself; train_images, train_labels, val_…, test_… (MedMNIST),
                       x_train, y_train, … (Keras) or images, labels[, split, groups, class_names]
""",
        "the MedMNIST collection's page (Yang et al. 2023), or an .npz of your own",
        "'lesions' or 'digits', which need no files, or 'folder' on images of your own",
    ),
    "coco": _Layout(
        """
root/
  annotations/
    instances_train2017.json
    instances_val2017.json      tested on
  train2017/*.jpg
  val2017/*.jpg
""",
        "the COCO page (Lin et al. 2014)",
        "the detection set 'synthetic', which needs no files",
    ),
    "voc": _Layout(
        """
VOCdevkit/
  VOC2007/, VOC2012/          each with
    JPEGImages/*.jpg
    Annotations/*.xml
    ImageSets/Main/*.txt      trainval and test, or train and val
""",
        "the Pascal VOC page (Everingham et al. 2010)",
        "the detection set 'synthetic', which needs no files",
    ),
}  # fmt: skip


def layout(name: str) -> str:
    """Return the layout of a data set as a small tree, indented by two."""
    return textwrap.indent(LAYOUTS[name].tree.strip("\n"), "  ")


def absent(name: str, root: Root, found: str = "") -> FileNotFoundError:
    """Return the error of a data set that is not at ``root``; ``found`` says what was there instead."""
    if root is None:
        looked = f"{name} is not embedded and root (DATA_ROOT, --data-root) is not set"
    else:
        place = os.path.expanduser(root)
        if not os.path.exists(place):
            found = "that does not exist"
        looked = f"{name} is not in {place}" + (f": {found}" if found else "")
        if name != "folder" and os.path.isdir(place) and not found:
            looked += f", nor in a folder {name} there"
    about = LAYOUTS[name]
    return FileNotFoundError(
        f"{looked}.\nExpected:\n{layout(name)}\nTo obtain it: {about.obtain}.\nInstead, run {about.instead}."
    )


# --- folders and paths -----------------------------------------------------------------------------------------------


def homes(root: Path, name: str, *below: str) -> list[Path]:
    """Return where a data set may be: in ``root`` or ``root/name``, or in a folder ``below`` one of them."""
    return [place / part for place in (root, root / name) for part in ("", *below)]


def class_folders(folder: Path) -> list[Path]:
    """Return the visible folders in ``folder``, by name."""
    return sorted(one for one in folder.iterdir() if one.is_dir() and not _hidden(one.name))


def images_below(folder: Path) -> list[str]:
    """Return all image files in ``folder`` and the folders below it, relative to it with ``/``, folder by folder.

    Hidden files and files that are no images by their suffix are skipped.
    """
    top, found = os.fspath(folder), []
    for place, folders, names in os.walk(top):
        folders[:] = sorted(one for one in folders if not _hidden(one))
        below = os.path.relpath(place, top).replace(os.sep, "/")
        before = "" if below == "." else f"{below}/"
        found += [
            before + one for one in sorted(names) if one.lower().endswith(decode.IMAGE_SUFFIXES) and not _hidden(one)
        ]
    return found


def _hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def relative(place: str, text: str) -> str:
    """Return a path as a list may name it: relative, with ``/``, inside its folder.

    Raises ValueError for an absolute path and for one that climbs out by ``..``.
    """
    path = PurePosixPath(text.strip().replace("\\", "/"))
    if path.is_absolute() or re.match(r"[A-Za-z]:", str(path)) or str(path).startswith("~"):
        raise ValueError(f"{place}: {text!r} is an absolute path; write it relative to the folder of the images")
    if ".." in path.parts:
        raise ValueError(f"{place}: {text!r} leaves the folder of the images by '..', which is refused")
    if not path.parts:
        raise ValueError(f"{place}: no path is given; an image's path is needed")
    return str(path)

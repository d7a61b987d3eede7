"""What each data set looks like on disk, how it is obtained, and which protocol a published number was made by.

``PROTOCOLS`` is a table to print; ``absent`` makes the error of a data set that is not there: the layout expected, where
was looked, how to get it, and what to run instead.

Taught in: notebooks/01_data, section 4.
"""

import os
import textwrap
from typing import NamedTuple


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
    Protocol("ham10000", "no official test part; lesions kept whole", "ours", "load('ham10000', root)", "make_split(data)"),
    Protocol("lesions198", "5 folds of synthetic pictures", "ours", "load('lesions198')", "make_split(data, fold=0)"),
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
_CLINICAL = "'lesions198' (synthetic pictures with SD-198's class sizes), 'ham10000' (open, grouped by lesion)"

LAYOUTS: dict[str, _Layout] = {
    "folder": _Layout(
        """
root/                       root/                  root/labels.csv
  melanoma/a.jpg              train/melanoma/…       path,label,group,split
  nevus/b.png                 val/melanoma/…         a.jpg,melanoma,patient 1,train
  …                           test/melanoma/…        …   (group and split may be left out)
""",
        "these are your own pictures: give the folder that holds the class folders, or the csv file",
        "'lesions' or 'digits', which need no files",
    ),
    "ham10000": _Layout(
        """
root/                            or an .npz: ham10000.npz, or root itself
  HAM10000_metadata.csv          columns lesion_id, image_id, dx
  HAM10000_images_part_1/*.jpg   (pictures may lie in any folder below root)
  HAM10000_images_part_2/*.jpg
""",
        "Harvard Dataverse, doi 10.7910/DVN/DBW86T (Tschandl et al. 2018; CC BY-NC 4.0)",
        "'lesions' or 'lesions198', which need no files, or 'folder' on pictures of your own",
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
        "'digits' with profile='odd_classes', or 'folder' on pictures of your own",
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
        "'digits' with profile='odd_classes', or 'folder' on pictures of your own",
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
        "'lesions' with an imbalance profile, or 'folder' on pictures of your own",
    ),
    "mnist": _Layout(
        """
root/
  mnist.npz                        or root itself; x_train, y_train, x_test, y_test
root/
  MNIST/raw/                       torchvision's layout; files may end in .gz
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
  FashionMNIST/raw/                torchvision's layout; files may end in .gz
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
        "'lesions' or 'digits', which need no files, or 'folder' on pictures of your own",
    ),
}  # fmt: skip


def layout(name: str) -> str:
    """Return the layout of a data set as a small tree, indented by two."""
    return textwrap.indent(LAYOUTS[name].tree.strip("\n"), "  ")


def absent(name: str, root: str | os.PathLike | None, found: str = "") -> FileNotFoundError:
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

"""MNIST's own files: the IDX format, as torchvision keeps it under ``MNIST/raw``, plain or gzipped.

A file begins with two zero bytes, the type (8: bytes), the number of dimensions and their sizes as big-endian 32-bit
numbers; the bytes follow. What is shorter or longer than its head says is refused.

Taught in: notebooks/01_data, section 4.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np

from spbl_nb import checks
from spbl_nb.data.dataset import TEST, TRAIN, ImageData, as_rgb

FOLDERS = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}
FASHION = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")
_PARTS = (("train", TRAIN), ("t10k", TEST))
_MOST_BYTES = 1 << 31


def raw_folder(root: Path, name: str) -> Path | None:
    """Return the folder of the four files: ``root/MNIST/raw``, ``root/raw`` or ``root``; None where there is none."""
    for place in (root / FOLDERS[name] / "raw", root / "raw", root):
        if _find(place, "train-images-idx3-ubyte"):
            return place
    return None


def read_mnist(folder: Path, name: str) -> ImageData:
    """Read the four files of MNIST or Fashion-MNIST; ValueError says which file is missing or broken, and how."""
    images, labels, split = [], [], []
    for prefix, part in _PARTS:
        pictures = read_idx(_needed(folder, f"{prefix}-images-idx3-ubyte"), 3)
        classes = read_idx(_needed(folder, f"{prefix}-labels-idx1-ubyte"), 1)
        if len(pictures) != len(classes):
            raise ValueError(f"{folder}: {prefix} has {len(pictures)} pictures, but {len(classes)} labels")
        images.append(pictures)
        labels.append(classes)
        split.append(np.full(len(classes), part, dtype=np.int8))
    return ImageData(
        name=name,
        images=as_rgb(np.concatenate(images)),
        labels=checks.label_array(f"{folder}: labels", np.concatenate(labels), 10),
        class_names=FASHION if name == "fashion_mnist" else tuple(map(str, range(10))),
        split=np.concatenate(split),
        source=f"read from the IDX files of {FOLDERS[name]}",
    )


def download(root: Path, name: str) -> None:
    """Let torchvision fetch the files into ``root/MNIST/raw`` (or ``FashionMNIST``) where they are not there."""
    from torchvision import datasets

    getattr(datasets, FOLDERS[name])(str(root), download=True)


def _find(folder: Path, stem: str) -> Path | None:
    return next((path for path in (folder / stem, folder / f"{stem}.gz") if path.is_file()), None)


def _needed(folder: Path, stem: str) -> Path:
    found = _find(folder, stem)
    if found is None:
        raise FileNotFoundError(
            f"{folder} lacks {stem} (or {stem}.gz), though other files of the set are there; add it"
        )
    return found


def read_idx(path: Path, dimensions: int) -> np.ndarray:
    """Return the uint8 array of an IDX file with so many dimensions, plain or gzipped.

    Raises ValueError when it is no such file, truncated, or longer than its head says.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            head = file.read(4)
            if head != bytes((0, 0, 8, dimensions)):
                raise ValueError(f"{path} begins with {head.hex(' ')!r}; an IDX file of bytes with {dimensions} "
                                 f"dimensions begins with '00 00 08 0{dimensions}'")  # fmt: skip
            sizes = file.read(4 * dimensions)
            shape = struct.unpack(f">{dimensions}I", sizes) if len(sizes) == 4 * dimensions else (0,)
            wanted = int(np.prod(shape, dtype=object))
            if not 0 < wanted < _MOST_BYTES:
                raise ValueError(f"{path} says its shape is {shape}; copy it again from its source")
            content = file.read(wanted + 1)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path} is truncated or no gzip file ({error}); copy it again from its source") from None
    if len(content) != wanted:
        what = "ends before its" if len(content) < wanted else "is longer than its"
        raise ValueError(f"{path} {what} {wanted} bytes; copy it again from its source")
    return np.frombuffer(content, dtype=np.uint8).reshape(shape)

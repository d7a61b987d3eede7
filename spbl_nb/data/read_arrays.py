"""Readers of data sets that come as arrays: ``.npz`` files and the raw files of MNIST and Fashion-MNIST.

Arrays are read without pickle, so nothing here runs code from a file. What does not hold what it should is refused with
a message that says what was found and what to do.
"""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from spbl_nb import checks
from spbl_nb.data import layouts
from spbl_nb.data.dataset import TEST, TRAIN, VALIDATION, ImageData, as_rgb

TORCHVISION = {"mnist": "MNIST", "fashion_mnist": "FashionMNIST"}  # name -> torchvision's class, and folder below root
_SPLITS = (("train_images", "train_labels", TRAIN), ("val_images", "val_labels", VALIDATION),
           ("test_images", "test_labels", TEST), ("x_train", "y_train", TRAIN), ("x_val", "y_val", VALIDATION),
           ("x_test", "y_test", TEST))  # fmt: skip


def npz(name: str, root: str | os.PathLike | None) -> ImageData:
    """Read a set from ``root``, an ``.npz`` file or the folder of one."""
    path = find_npz(name, root)
    if path is None:
        raise layouts.absent(name, root)
    return read_npz(path, name)


def mnist(name: str, root: str | os.PathLike | None, download: bool = False) -> ImageData:
    """Read MNIST or Fashion-MNIST from an ``.npz`` where there is one, else from torchvision's files below ``root``.

    ``download`` lets torchvision fetch the files into ``root``.
    """
    from torchvision import datasets

    path = find_npz(name, root)
    if path is not None:
        return read_npz(path, name)
    if root is None:
        raise layouts.absent(name, None)
    folder = Path(root).expanduser().absolute()
    inside = [one for one in (folder, *folder.parents[:2]) if (one / TORCHVISION[name] / "raw").is_dir()]
    try:
        read = getattr(datasets, TORCHVISION[name])
        halves = [read((inside or [folder])[0], train, download=download) for train in (True, False)]
    except (RuntimeError, ValueError, OSError, EOFError, AssertionError, KeyError, IndexError) as error:
        if "not found" in str(error):
            raise layouts.absent(name, root) from None
        raise ValueError(f"the files of {name} in {root} are damaged ({error}); copy them again") from None
    labels = [half.targets.numpy() for half in halves]
    return ImageData(
        name=name,
        images=as_rgb(np.concatenate([half.data.numpy() for half in halves])),
        labels=checks.label_array(f"labels of {name}", np.concatenate(labels), 10),
        class_names=tuple(map(str, range(10))) if name == "mnist" else tuple(halves[0].classes),
        split=np.repeat([TRAIN, TEST], [len(one) for one in labels]),
        source=f"read from the IDX files of {TORCHVISION[name]}",
    )


def find_npz(name: str, root: str | os.PathLike | None) -> Path | None:
    """Return the ``.npz`` of a data set: ``root`` itself, or ``name*.npz`` in the folder ``root``; None without one."""
    if root is None:
        return None
    root = Path(root).expanduser()
    if root.is_file():
        return root
    exact, found = root / f"{name}.npz", sorted(root.glob(f"{name}*.npz"))
    if exact not in found and len(found) > 1:
        raise ValueError(
            f"{root} holds several files for {name}: {', '.join(path.name for path in found)}; give one of them"
        )
    return exact if exact in found else next(iter(found), None)


def read_npz(path: str | os.PathLike, name: str | None = None) -> ImageData:
    """Read a labelled image set from an ``.npz`` file without pickle.

    Layouts: MedMNIST (``train_images``, ``train_labels``, the same with ``val_`` and ``test_``), Keras (``x_train``,
    ``y_train``, ``x_test``, ``y_test``) and ``images``, ``labels`` with optional ``split`` (0/1/2), ``class_names``
    and ``groups`` or ``lesion_id``. Images are uint8 [N,H,W], [N,H,W,1] or [N,H,W,3]; labels integers [N] or [N,1].
    Raises ValueError saying what is wrong with the file, FileNotFoundError when it is missing.
    """
    path = Path(path)
    arrays = _open_npz(path)
    held = ", ".join(sorted(arrays)) or "nothing"
    parts = [("images", "labels", None)] if "images" in arrays else [one for one in _SPLITS if one[0] in arrays]
    found = {part for _, _, part in parts}
    if not parts:
        raise ValueError(
            f"{path} holds {held}; expected images and labels, train_images and train_labels, or x_train and y_train"
        )
    if found != {None} and TRAIN not in found:
        raise ValueError(f"{path} holds {held}, but no training images (train_images or x_train)")
    if found != {None} and TEST not in found and len(found) > 1:
        raise ValueError(f"{path} has training and validation images, but none to test (test_images or x_test)")
    for _, key, _ in parts:
        if key not in arrays:
            raise ValueError(f"{path} has no array {key!r}; it holds {held}")
    images = [_images(path, key, arrays[key]) for key, _, _ in parts]
    shapes = sorted({one.shape[1:] for one in images})
    if len(shapes) > 1:
        raise ValueError(f"{path} mixes image shapes {shapes}; all splits must agree")
    labels = [_labels(path, key, arrays[key], len(one)) for (_, key, _), one in zip(parts, images, strict=True)]
    joined = np.concatenate(labels)
    split = arrays.get("split") if found == {None} else None
    if len(parts) > 1:
        split = np.repeat([part for _, _, part in parts], [len(one) for one in labels])
    names = arrays["class_names"] if "class_names" in arrays else _numbered_names(path, joined)
    return ImageData(
        name=name or path.stem,
        images=np.concatenate([as_rgb(one) for one in images]),
        labels=joined,
        class_names=tuple(names.tolist()),
        groups=arrays.get("groups", arrays.get("lesion_id")),
        split=split,
        source=f"read from {path.name}",
        mirror=name not in TORCHVISION,
    )


def _numbered_names(path: Path, labels: np.ndarray) -> np.ndarray:
    """Return 0..C-1 as names; gaps are refused, because a stray label would ask for endless names."""
    present = np.unique(labels)
    if len(present) <= present[-1]:
        first = int(np.flatnonzero(present != np.arange(len(present)))[0])
        raise ValueError(
            f"labels of {path} have gaps: no sample of class {first}, yet labels reach {present[-1]}; number the classes 0..C-1 "
            "without gaps"
        )
    return np.arange(len(present))


def _open_npz(path: Path) -> dict[str, np.ndarray]:
    """Return all arrays of an ``.npz`` file, refusing what is not one and what would need pickle."""
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist or is no file; give the path of an .npz file")
    try:
        archive = np.load(path, allow_pickle=False)
        if isinstance(archive, np.ndarray):
            raise ValueError("it is a single array; an .npz file with named arrays is needed")
        with archive:
            return {key: np.asarray(archive[key]) for key in archive.files}
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, MemoryError) as error:
        raise ValueError(f"{path} is truncated or no .npz file ({error}); copy it again from its source") from None
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise ValueError(
                f"{path} needs pickle to be read (object arrays, or no .npz at all), which can run code and is refused; "
                "save plain numbers and texts instead"
            ) from None
        raise ValueError(f"{path} cannot be read: {error}") from None


def _images(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """Check an image array of a file."""
    if array.ndim not in (3, 4) or (array.ndim == 4 and array.shape[3] not in (1, 3)) or 0 in array.shape:
        raise ValueError(f"{path}: {key} has shape {array.shape}; allowed: [N,H,W], [N,H,W,1] or [N,H,W,3]")
    if array.dtype != np.uint8:
        raise ValueError(f"{path}: {key} has dtype {array.dtype}; allowed: uint8 in 0..255")
    return array


def _labels(path: Path, key: str, array: np.ndarray, length: int) -> np.ndarray:
    """Check a label array of a file; [N,1] counts as [N]."""
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    elif array.ndim == 2:
        raise ValueError(f"{path}: {key} has shape {array.shape}: several labels per image; one per image is needed")
    return checks.label_array(f"{path}: {key}", array, length=length)

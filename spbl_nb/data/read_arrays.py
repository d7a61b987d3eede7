"""Readers of picture files: from the customary layouts on disk to :class:`spbl_nb.data.dataset.ImageData`.

Nothing here runs code from a file: arrays are read without pickle, and what would need it is refused. A file that is
truncated, mislabelled or of an unknown layout is refused with a message that says what was found and what to do.

Taught in: notebooks/01_data, section 4.
"""

import os
import zipfile
import zlib
from pathlib import Path

import numpy as np

from spbl_nb import checks
from spbl_nb.data.dataset import TEST, TRAIN, VALIDATION, ImageData, as_rgb


def read_npz(path: str | os.PathLike, name: str | None = None) -> ImageData:
    """Read a labelled picture set from an ``.npz`` file without pickle.

    Layouts: MedMNIST (``train_images``, ``train_labels``, the same with ``val_`` and ``test_``), Keras (``x_train``,
    ``y_train``, ``x_test``, ``y_test``) and ``images``, ``labels`` with optional ``split`` (0/1/2), ``class_names``
    and ``groups`` or ``lesion_id``. Pictures are uint8 [N,H,W], [N,H,W,1] or [N,H,W,3]; labels integers [N] or [N,1].
    Raises ValueError saying what is wrong with the file, FileNotFoundError when it is missing.
    """
    path = Path(path)
    arrays = _open_npz(path)
    if "images" in arrays:
        parts: list[tuple[str, str, int | None]] = [("images", "labels", None)]
    else:
        prefixes = (("train_images", "train_labels", TRAIN), ("val_images", "val_labels", VALIDATION),
                    ("test_images", "test_labels", TEST), ("x_train", "y_train", TRAIN), ("x_val", "y_val", VALIDATION),
                    ("x_test", "y_test", TEST))  # fmt: skip
        parts = [part for part in prefixes if part[0] in arrays]
    if not parts:
        raise ValueError(
            f"{path} holds {', '.join(sorted(arrays)) or 'nothing'}; expected images and labels, train_images and "
            "train_labels, or x_train and y_train"
        )
    found = {part for _, _, part in parts}
    if found != {None} and TRAIN not in found:
        raise ValueError(
            f"{path} holds {', '.join(sorted(arrays))}, but no training pictures (train_images or x_train)"
        )
    if found != {None} and TEST not in found and len(found) > 1:
        raise ValueError(f"{path} has training and validation pictures, but none to test (test_images or x_test)")
    for _, key, _ in parts:
        if key not in arrays:
            raise ValueError(f"{path} has no array {key!r}; it holds {', '.join(sorted(arrays))}")
    pictures = [_pictures(path, key, arrays[key]) for key, _, _ in parts]
    shapes = sorted({picture.shape[1:] for picture in pictures})
    if len(shapes) > 1:
        raise ValueError(f"{path} mixes picture shapes {shapes}; all parts must agree")
    labels = [
        _labels(path, key, arrays[key], len(picture)) for (_, key, _), picture in zip(parts, pictures, strict=True)
    ]
    joined = np.concatenate(labels)
    if parts[0][2] is None:
        split = arrays.get("split")
    elif len(parts) > 1:
        split = np.concatenate([np.full(len(label), part) for (_, _, part), label in zip(parts, labels, strict=True)])
    else:
        split = None
    names = arrays["class_names"] if "class_names" in arrays else _numbered_names(path, joined)
    if names.ndim != 1:
        raise ValueError(f"{path}: class_names has shape {names.shape}; allowed: one dimension, a text per class")
    return ImageData(
        name=name or path.stem,
        images=np.concatenate([as_rgb(picture) for picture in pictures]),
        labels=joined,
        class_names=tuple(str(label) for label in names.tolist()),
        groups=arrays.get("groups", arrays.get("lesion_id")),
        split=split,
        source=f"read from {path.name}",
        mirror=True,
    )


def _numbered_names(path: Path, labels: np.ndarray) -> np.ndarray:
    """Return 0..C-1 as names, after checking that the labels have no gaps (a stray label would ask for endless names)."""
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
            arrays = {key: archive[key] for key in archive.files}
        for key, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"its member {key!r} is no array")
        return arrays
    except MemoryError as error:
        raise ValueError(f"{path} holds more than there is memory, or a damaged head says so ({error})") from None
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        raise ValueError(f"{path} is truncated or no .npz file ({error}); copy it again from its source") from None
    except ValueError as error:
        if "pickle" in str(error).lower():
            raise ValueError(
                f"{path} needs pickle to be read (object arrays, or no .npz at all), which can run code and is refused; "
                "save plain numbers and texts instead"
            ) from None
        raise ValueError(f"{path} cannot be read: {error}") from None


def _pictures(path: Path, key: str, array: np.ndarray) -> np.ndarray:
    """Check a picture array of a file."""
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
        raise ValueError(
            f"{path}: {key} has shape {array.shape}: several labels per picture; one per picture is needed"
        )
    return checks.label_array(f"{path}: {key}", array, length=length)

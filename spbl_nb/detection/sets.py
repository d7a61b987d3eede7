"""Data sets for detection: ``load(name)`` returns pictures of one size with the boxes and classes of what they show.

``synthetic`` needs nothing: lesions drawn on skin by :mod:`spbl_nb.data.synthetic.groups`. ``coco`` and ``voc`` are read from
the two customary layouts by :mod:`spbl_nb.detection.read`.

Taught in: notebooks/06_gradient_harmonizing, section 6.
"""

import inspect
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from spbl_nb import checks
from spbl_nb.data.dataset import TEST, TRAIN
from spbl_nb.data.synthetic import draw as lesions
from spbl_nb.data.synthetic import groups as lesion_groups
from spbl_nb.detection.dataset import DetectionData, Detections
from spbl_nb.detection.read import read_coco, read_voc

__all__ = ["NAMES", "DetectionData", "Detections", "load", "read_coco", "read_voc", "synthetic_lesions"]


def synthetic_lesions(
    count: int = 400,
    size: int = 96,
    seed: int = 0,
    *,
    num_classes: int = 6,
    least: int = 1,
    most: int = 4,
    factor: float = 1.0,
    difficulty: Sequence[float] | np.ndarray | float | None = 0.0,
    test_share: float = 0.25,
) -> DetectionData:
    """Draw ``count`` synthetic pictures of skin with ``least`` to ``most`` lesions, of which ``test_share`` are to test.

    Training and test pictures come from different random streams; each begins with the same pictures whatever the
    count. The other arguments are those of :func:`spbl_nb.data.synthetic.groups.draw`. About 20 ms a picture of 96 pixels.

    >>> data = synthetic_lesions(8)
    >>> len(data), data.num_classes, data.synthetic
    (8, 6, True)
    """
    count = checks.integer("count", count, 2)
    test = round(count * checks.real("test_share", test_share, 0, 1, open_high=True))
    options: dict[str, Any] = {
        "num_classes": num_classes,
        "least": least,
        "most": most,
        "factor": factor,
        "difficulty": difficulty,
    }
    numbers = [(stream, number) for stream, number in ((0, count - test), (1, test)) if number]
    parts = [lesion_groups.draw(number, size, seed, stream=stream, **options) for stream, number in numbers]
    starts = np.cumsum([0, *(number for _, number in numbers)])
    return DetectionData(
        name="synthetic",
        images=np.concatenate([part.images for part in parts]),
        owner=np.concatenate([part.owner + start for part, start in zip(parts, starts, strict=False)]),
        boxes=np.concatenate([part.boxes for part in parts]),
        labels=np.concatenate([part.labels for part in parts]),
        class_names=tuple(prototype.name for prototype in lesions.class_prototypes(num_classes)),
        split=np.repeat([TRAIN, TEST], [count - test, test]),
        source="synthetic pictures drawn by spbl_nb.data.synthetic.groups",
        synthetic=True,
    )


def load(name: str, root: str | os.PathLike | None = None, size: int | None = None, **options: Any) -> DetectionData:
    """Load a detection data set by name: ``synthetic``, ``coco`` or ``voc``.

    ``root`` is the folder of a real one, or the folder that holds ``coco`` or ``VOCdevkit``; ``size`` the side of the
    letterboxed pictures in pixels (default: 96 drawn, 512 from files). Options are the further arguments of
    :func:`synthetic_lesions`, :func:`spbl_nb.detection.read.read_coco` and
    :func:`spbl_nb.detection.read.read_voc`.

    Raises ValueError for an unknown name or option, and for files that do not hold what they should; FileNotFoundError
    says which layout is expected and where it looked.
    """
    reader = _READERS[checks.one_of("data set", name, NAMES)]
    allowed = [key for key in inspect.signature(reader).parameters if key not in ("root", "size")]
    for key in options:
        checks.one_of(f"option of {name}", key, allowed)
    options |= {} if size is None else {"size": size}
    return reader(**options) if name == "synthetic" else reader(root, **options)


_READERS: dict[str, Callable[..., DetectionData]] = {
    "synthetic": synthetic_lesions,
    "coco": read_coco,
    "voc": read_voc,
}

NAMES = tuple(_READERS)

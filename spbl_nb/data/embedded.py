"""The embedded data sets, which need no files: drawn lesions, two kinds, and scikit-learn's real handwritten digits."""

from typing import Any

import numpy as np

from spbl_nb import checks, imbalance
from spbl_nb.data.dataset import TEST, TRAIN, ImageData, as_rgb, resize
from spbl_nb.data.synthetic import classes, draw

_DRAWN = "synthetic images drawn by spbl_nb.data.synthetic.draw"


def lesions(
    name: str,
    size: int | None,
    num_classes: int = 12,
    profile: str = "exponential",
    factor: float = 10.0,
    largest: int | None = 120,
    test_per_class: int = 50,
    difficulty: Any = None,
    pictures_per_lesion: int = 1,
    seed: int = 0,
) -> ImageData:
    """Draw a long-tailed training split and a balanced test split of other synthetic lesions."""
    train = imbalance.class_counts(profile, num_classes, 120 if largest is None else largest, factor)
    test = np.full(num_classes, checks.integer("test_per_class", test_per_class, 1))
    drawn = [
        draw.draw(counts, difficulty, size or 32, seed, pictures_per_lesion=pictures_per_lesion, stream=stream)
        for stream, counts in enumerate((train, test))
    ]
    groups = np.concatenate([drawn[0].groups, drawn[1].groups + drawn[0].groups.max() + 1])
    return ImageData(
        name=name,
        images=np.concatenate([one.images for one in drawn]),
        labels=np.concatenate([one.labels for one in drawn]),
        class_names=tuple(prototype.name for prototype in classes.class_prototypes(num_classes)),
        groups=groups if pictures_per_lesion > 1 else None,
        split=np.repeat([TRAIN, TEST], [train.sum(), test.sum()]),
        source=f"{_DRAWN}; {imbalance.describe_factor(factor)}, {profile}",
        synthetic=True,
        mirror=True,
        difficulty=draw.checked_difficulty(difficulty, num_classes),
    )


def lesions198(
    name: str,
    size: int | None,
    largest: int | None = None,
    difficulty: Any = None,
    seed: int = 0,
) -> ImageData:
    """Draw 198 classes of synthetic lesions with the class sizes of SD-198, at most ``largest`` each, without a split.

    Size and difficulty are uncorrelated in rank, as in ``lesions``. The names are those of the drawn looks.
    """
    counts = np.array(list(classes.sd198_sizes().values()))
    if largest is not None:
        counts = np.minimum(counts, checks.integer("largest", largest, 1))
    drawn = draw.draw(counts, difficulty, size or 32, seed)
    return ImageData(
        name=name,
        images=drawn.images,
        labels=drawn.labels,
        class_names=tuple(prototype.name for prototype in classes.class_prototypes(len(counts))),
        source=f"{_DRAWN}, in the class sizes of SD-198" + ("" if largest is None else f", at most {largest} of each"),
        synthetic=True,
        mirror=True,
        difficulty=draw.checked_difficulty(difficulty, len(counts)),
    )


def digits(
    name: str,
    size: int | None,
    profile: str = "exponential",
    factor: float = 20.0,
    largest: int | None = 120,
    test_per_class: int = 50,
    seed: int = 0,
) -> ImageData:
    """Read scikit-learn's digits: a balanced test split is set aside, the rest gets the long tail."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    labels = bunch.target.astype(np.int64)
    sizes = np.bincount(labels)
    checks.integer("test_per_class", test_per_class, 1, int(sizes.min()) - 1)
    split = np.full(len(labels), TRAIN, dtype=np.int8)
    for index in range(len(sizes)):
        rows = np.random.default_rng([seed, index]).permutation(np.flatnonzero(labels == index))
        split[rows[:test_per_class]] = TEST
    grey = (bunch.images * (255 / 16)).round().astype(np.uint8)
    whole = ImageData(
        name=name,
        images=resize(as_rgb(grey), size or 28),
        labels=labels,
        class_names=tuple(str(digit) for digit in bunch.target_names),
        split=split,
        source=f"handwritten digits of scikit-learn (Alpaydin, Kaynak 1998); {imbalance.describe_factor(factor)}, {profile}",
    )
    return reduce_training(whole, profile, factor, largest, seed)


def reduce_training(data: ImageData, profile: str, factor: float, largest: int | None, seed: int) -> ImageData:
    """Apply an imbalance profile to the training rows (all rows where there is no official split)."""
    training = np.arange(len(data)) if data.split is None else np.flatnonzero(data.split == TRAIN)
    kept = imbalance.subsample(
        data.labels[training], profile, factor, largest=largest, num_classes=data.num_classes, seed=seed
    )
    others = np.setdiff1d(np.arange(len(data)), training)
    return data.take(np.sort(np.concatenate([training[kept], others])))

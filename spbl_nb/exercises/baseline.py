"""Checkers of the exercises of notebook 02: a batch made ready, a balanced order, and one F1 for all classes."""

from collections.abc import Callable
from typing import Any

import numpy as np

from spbl_nb import metrics
from spbl_nb.exercises.check import Case, Seeded, Trap, Verdict, difference, examine, matches, misfit, named

_COPIES = 64  # of one image: that all turn alike by chance has the probability 2^-63
_FEWEST = 10  # of them to be turned each way; fewer has the probability 2e-8


def check_prepare(mine: Callable) -> Verdict:
    """Check exercise 2.1, ``mine(pictures, mean, std, rng) -> float[N,3,H,W]``: mirrored one by one, and normalised."""
    praise = "Next: with one coin for the whole batch, how many different batches can these images make, and how many with yours?"
    return examine("2.1", mine, _batches(), _prepared, praise)


def check_balanced_order(mine: Callable) -> Verdict:
    """Check exercise 2.2, ``mine(labels, rng) -> int[M]``: an epoch in which every class comes equally often."""
    praise = "This is `oversample`. What does the network see of a class of two images in one epoch? That is its price."
    return examine("2.2", mine, _label_lists(), _balanced, praise)


def check_macro_f1(mine: Callable) -> Verdict:
    """Check exercise 2.3, ``mine(confusion) -> float``: the mean of the classes' F1."""

    def of_the_means(confusion):
        report = metrics.report_from_confusion(confusion)
        return 2 * report.precision * report.recall / max(report.precision + report.recall, 1e-300)

    def accuracy(confusion):
        return np.trace(confusion) / confusion.sum()

    def over_all_classes(confusion):
        return (2 * np.diag(confusion) / np.maximum(confusion.sum(axis=1) + confusion.sum(axis=0), 1)).mean()

    traps: list[Trap] = [
        (of_the_means, "Is the F1 of two means the mean of the F1s?"),
        (accuracy, "That counts samples, not classes. What is it called?"),
        (over_all_classes, "A class without samples cannot be found or missed. May it count?"),
    ]
    praise = "Papers print both numbers under this name. Next: exercise 7.1, on a mean that a single class can ruin."
    judge = matches(lambda confusion: metrics.report_from_confusion(confusion).f1)
    return examine("2.3", mine, _confusions(), judge, praise, traps)


def _prepared(answer: Any, case: Case, call: Callable[..., Any]) -> str:
    images, mean, std = case["pictures"], case["mean"], case["std"]
    upright = (images - mean[:, None, None]) / std[:, None, None]
    off = misfit(answer, "float", images.shape)
    if off:
        return off
    found = np.asarray(answer, dtype=float)
    is_upright, is_mirrored = (
        np.isclose(found, one, rtol=1e-4, atol=1e-4).all(axis=(1, 2, 3)) for one in (upright, upright[..., ::-1])
    )
    strange = np.flatnonzero(~(is_upright | is_mirrored))
    if len(strange):
        index = int(strange[0])
        if np.allclose(found[index], upright[index, :, ::-1], atol=1e-4):
            return f"Image {index} stands on its head. Which axis runs from left to right?"
        return f"Image\n    {upright[index].tolist()}\nwas wanted at index {index}, as it is or mirrored."
    many = len(images) == _COPIES
    if many and not _FEWEST <= is_mirrored.sum() <= _COPIES - _FEWEST:
        return (
            f"Of {_COPIES} images {is_mirrored.sum()} were mirrored. Is there a coin for each of them, and a fair one?"
        )
    return _fault_of_chance(found, case, call, many)


def _balanced(answer: Any, case: Case, call: Callable[..., Any]) -> str:
    labels = case["labels"]
    counts = np.bincount(labels)
    off = misfit(answer, "int", (None,))
    if off:
        return off
    order = np.asarray(answer, dtype=int)
    if len(order) == 0 or order.min() < 0 or order.max() >= len(labels):
        return f"Rows from 0 to {len(labels) - 1} are wanted."
    shown, times = np.bincount(labels[order], minlength=len(counts)), np.bincount(order, minlength=len(labels))
    for c in range(len(counts)):
        if shown[c] != counts.max():
            return f"Class {c} comes {_times(shown[c])}; every class should come {_times(counts.max())}."
        own = np.flatnonzero(labels == c)
        most, least = own[times[own].argmax()], own[times[own].argmin()]
        if times[most] - times[least] > 1:
            return f"Row {most} comes {_times(times[most])}, row {least} of the same class {_times(times[least])}."
    half = np.bincount(labels[order[: len(order) // 2]], minlength=len(counts))
    many = len(labels) >= _COPIES
    if many and (half == 0).any():
        return f"Class {int(half.argmin())} does not come at all in the first half. Is the order random?"
    return _fault_of_chance(order, case, call, many)


def _fault_of_chance(found: np.ndarray, case: Case, call: Callable[..., Any], many: bool) -> str:
    """Return what is wrong if the answer does not depend on the generator alone; ``many``: not by chance the same."""
    if difference(call(**case), found):
        return "With the same generator a second call gave something else. Is all chance taken from `rng`?"
    if many and not difference(call(**case | {"rng": Seeded(99)}), found):
        return "With another generator the answer is the same. Is `rng` asked at all?"
    return ""


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


def _batches() -> list[Case]:
    rng = np.random.default_rng(0)
    shapes = [(1, 3, 1, 2), (2, 3, 2, 2), (3, 3, 2, 3), (3, 3, 3, 3), (4, 3, 3, 2), (2, 3, 5, 4)]
    batches = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in shapes]
    batches.append(np.repeat(rng.integers(0, 256, (1, 3, 2, 3), dtype=np.uint8), _COPIES, axis=0))
    mean, std = [120.0, 110.0, 100.0], [60.0, 50.0, 40.0]
    return named("pictures mean std rng", [(one, mean, std, Seeded(seed)) for seed, one in enumerate(batches)])


def _label_lists() -> list[Case]:
    rng = np.random.default_rng(1)
    lists: list[Any] = [[0], [0, 1], [0, 0, 1], [1, 0, 0], [0, 0, 0, 1, 1], [2, 0, 0, 0, 1], [0, 0, 0, 0, 1, 1, 1]]
    lists += [rng.permutation(np.repeat(np.arange(3), rng.integers(1, 6, 3))) for _ in range(12)]
    lists += [rng.permutation(np.repeat(np.arange(4), [40, 20, 9, 3]))]
    return named("labels rng", [(labels, Seeded(seed)) for seed, labels in enumerate(lists)])


def _confusions() -> list[Case]:
    """Return small matrices; in some a class is never called, in some a class has no sample."""
    cases: list[Any] = [[[3, 0], [0, 2]], [[3, 1], [0, 2]], [[4, 0], [2, 0]], [[3, 1], [0, 0]], [[0, 2], [3, 0]]]
    rng = np.random.default_rng(2)
    for index in range(48):
        matrix = rng.integers(0, 6, (2 + index % 3, 2 + index % 3))
        matrix[0, 0] += 1
        if index % 4 == 1:
            matrix[-1] = 0
        if index % 4 == 2:
            matrix[:, -1] = 0
        cases.append(matrix)
    return named("confusion", [(matrix,) for matrix in cases])

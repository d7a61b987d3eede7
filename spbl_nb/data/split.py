"""Splits: who trains, who validates, who tests, decided once and saved as a manifest with a SHA-256.

A split is stratified (every class is cut in the same proportion) and keeps groups whole: a model must not be tested on a
lesion of which it has seen another photograph. Where a data set has an official split, that one is taken.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from spbl_nb import checks, files
from spbl_nb.data.dataset import TEST, TRAIN, VALIDATION, ImageData

_NAMES = ("train", "validation", "test")
_SCHEMA = 1


@dataclass(frozen=True)
class Split:
    """Row indices of the train, validation and test split of a data set.

    Attributes: ``train``, ``validation``, ``test`` int64, ascending, without overlap; ``data_sha256`` the data set they
    belong to; ``origin`` says in words how they were made. Raises ValueError when one is empty or two share a row.
    """

    train: np.ndarray
    validation: np.ndarray
    test: np.ndarray
    data_sha256: str
    origin: str

    def __post_init__(self) -> None:
        for name in _NAMES:
            rows = np.asarray(getattr(self, name))
            if rows.ndim != 1 or rows.size == 0 or rows.dtype.kind not in "iu":
                raise ValueError(f"split.{name} has shape {rows.shape}; a non-empty list of row indices is needed")
            if rows.min() < 0:
                raise ValueError(f"split.{name} holds the row {int(rows.min())}; rows count from 0")
            object.__setattr__(self, name, np.sort(rows.astype(np.int64)))
        values, times = np.unique(np.concatenate([self.train, self.validation, self.test]), return_counts=True)
        if times.max() > 1:
            raise ValueError(
                f"row {int(values[np.argmax(times)])} is twice in the split; each row goes to one of the three"
            )

    @cached_property
    def sha256(self) -> str:
        """SHA-256 (hex) over the data set's hash and the three index lists."""
        return files.sha256_of(self.data_sha256, self.train, self.validation, self.test)

    def save(self, path: str | os.PathLike) -> None:
        """Write the manifest (JSON) in one step."""
        parts = {name: getattr(self, name).tolist() for name in _NAMES}
        head = {"schema": _SCHEMA, "sha256": self.sha256, "data_sha256": self.data_sha256, "origin": self.origin}
        files.write_text(path, files.to_json(head | parts, indent=None) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike, data: ImageData | None = None) -> "Split":
        """Read a manifest; a ValueError says so when it was altered or, given ``data``, belongs to other data."""
        content = files.read_json(path)
        missing = {"schema", "sha256", "data_sha256", "origin", *_NAMES} - set(
            content if isinstance(content, dict) else ()
        )
        if missing:
            raise ValueError(f"{path} is no split manifest: it lacks {', '.join(sorted(missing))}")
        if content["schema"] != _SCHEMA:
            raise ValueError(f"{path} has manifest schema {content['schema']!r}; this version reads schema {_SCHEMA}")
        split = cls(**{name: content[name] for name in ("data_sha256", "origin", *_NAMES)})
        if split.sha256 != content["sha256"]:
            raise ValueError(f"{path} was altered after it was written (SHA-256 differs); make the split again")
        if data is not None and split.data_sha256 != data.sha256:
            raise ValueError(
                f"{path} belongs to other data (data hash {split.data_sha256[:12]}, here {data.sha256[:12]}); "
                "load the data with the options used then, or make a new split"
            )
        return split


def make_split(
    data: ImageData, validation: float = 0.1, test: float = 0.2, seed: int = 0, fold: int | None = None
) -> Split:
    """Split a data set into train, validation and test.

    Of an official split (``data.split``), the test rows are taken as they are, and the validation rows too where it has
    some; otherwise ``validation`` is cut from its training rows. Without one, ``test`` and ``validation`` are shares of
    all rows. ``fold`` = 0..k-1 tests on one of k = round(1/test) disjoint folds.

    Every class gets at least one sample (one group) in each split; its number of test and validation samples is its
    rounded share. Raises ValueError naming a class that is too small for that, and for shares outside (0, 1) or a fold
    that does not exist or contradicts an official split.
    """
    validation = checks.real("validation", validation, 0, 1, open_low=True, open_high=True)
    test = checks.real("test", test, 0, 1, open_low=True, open_high=True)
    seed = checks.integer("seed", seed, 0)
    rng = np.random.default_rng([seed, 0 if fold is None else 1])
    part = np.full(len(data.labels), TRAIN, dtype=np.int8) if data.split is None else data.split.copy()
    origin = [f"seed {seed}"]
    if data.split is None and validation + test >= 1:
        raise ValueError(f"validation + test is {validation + test:g}; allowed: less than 1, so that rows train")
    if data.split is not None:
        if fold is not None:
            raise ValueError(f"fold is {fold}, but {data.name} has an official split; leave fold out or drop the split")
        origin.append("official test part")  # committed results bear these words
    elif fold is not None:
        folds = max(2, round(1 / test))
        fold = checks.integer("fold", fold, 0, folds - 1)
        part[_deal(data, folds, rng) == fold] = TEST
        origin.append(f"fold {fold} of {folds}")
    else:
        part[_cut(data, part == TRAIN, test, rng, leave=2)] = TEST
        origin.append(f"test share {test:g}")
    if not (part == VALIDATION).any():
        share = validation if data.split is not None else validation / (1 - (part == TEST).mean())
        part[_cut(data, part == TRAIN, share, rng, leave=1)] = VALIDATION
        origin.append(f"validation share {validation:g}")
    if data.groups is not None:
        origin.append("grouped")
    train, held_out, tested = (np.flatnonzero(part == value) for value in (TRAIN, VALIDATION, TEST))
    return Split(train, held_out, tested, data_sha256=data.sha256, origin=", ".join(origin))


def held_out_rows(data: ImageData, test: float = 0.2, seed: int = 0) -> np.ndarray:
    """Return int64 rows of a stratified test split with whole groups, the one that :func:`make_split` would draw."""
    test = checks.real("test", test, 0, 1, open_low=True, open_high=True)
    rng = np.random.default_rng([checks.integer("seed", seed, 0), 0])
    return np.sort(_cut(data, np.ones(len(data.labels), dtype=bool), test, rng, leave=2))


def group_leaks(data: ImageData, split: Split) -> dict[str, int]:
    """Return how many groups are on both sides of each border, e.g. ``{"train/test": 0, …}``.

    Raises ValueError when the data set has no groups.
    """
    if data.groups is None:
        raise ValueError(f"{data.name} has no groups, so a leak through groups cannot be counted")
    members = {name: np.unique(data.groups[getattr(split, name)]) for name in _NAMES}
    pairs = (("train", "validation"), ("train", "test"), ("validation", "test"))
    return {f"{a}/{b}": len(np.intersect1d(members[a], members[b])) for a, b in pairs}


def _units(data: ImageData, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None, np.ndarray, np.ndarray]:
    """Return what is dealt out as a whole: unit of each row; int64[U,C], samples of each class in it, or None where every
    unit has one class only; class and size of each unit (of several classes the commonest)."""
    if data.groups is None:
        return np.arange(len(rows)), None, data.labels[rows], np.ones(len(rows), dtype=np.int64)
    _, unit = np.unique(data.groups[rows], return_inverse=True)
    table = np.zeros((unit.max() + 1, len(data.class_names)), dtype=np.int64)
    np.add.at(table, (unit, data.labels[rows]), 1)
    mixed = np.count_nonzero(table, axis=1).max() > 1
    return unit, table if mixed else None, table.argmax(axis=1), table.sum(axis=1)


def _refuse_few(data: ImageData, index: int, found: int, least: int) -> None:
    if found < least:
        what = "sample" if data.groups is None else "group"
        raise ValueError(
            f"class {index} ({data.class_names[index]}) has {found} {what}{'' if found == 1 else 's'} to split; at least "
            f"{least} are needed, one for each split: merge the class, drop it, or collect more"
        )


def _units_by_class(data: ImageData, classes: np.ndarray, least: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Yield each class's units in random order after checking that it has at least ``least`` of them."""
    for index in range(len(data.class_names)):
        own = np.flatnonzero(classes == index)
        _refuse_few(data, index, len(own), least)
        yield rng.permutation(own)


def _cut(data: ImageData, pool: np.ndarray, share: float, rng: np.random.Generator, leave: int) -> np.ndarray:
    """Return the rows of a stratified, group-whole cut of about ``share`` of the pool, leaving ``leave`` units a class."""
    rows = np.flatnonzero(pool)
    unit, table, classes, sizes = _units(data, rows)
    if table is not None:
        return rows[_cut_mixed(data, table, share, rng, leave)[unit]]
    chosen = np.zeros(len(sizes), dtype=bool)
    for own in _units_by_class(data, classes, leave + 1, rng):
        wanted = max(1, round(share * int(sizes[own].sum())))
        before = np.cumsum(sizes[own]) - sizes[own]
        take = max(1, int((before + sizes[own] / 2 <= wanted).sum()))
        chosen[own[: min(take, len(own) - leave)]] = True
    return rows[chosen[unit]]


def _cut_mixed(data: ImageData, table: np.ndarray, share: float, rng: np.random.Generator, leave: int) -> np.ndarray:
    """Return bool[U], a cut of units that hold several classes each, such as photographs of a reef.

    The rarest class chooses first, since the others come along with its units; each goes on until it has its share. A unit
    stays where it would leave fewer than ``leave`` units of one of its classes.
    """
    wanted = np.maximum(1, np.round(share * table.sum(axis=0)))
    chosen = np.zeros(len(table), dtype=bool)
    left, have = np.count_nonzero(table, axis=0), np.zeros(table.shape[1])
    for index in np.argsort(table.sum(axis=0), kind="stable"):
        own = rng.permutation(np.flatnonzero(table[:, index]))
        _refuse_few(data, int(index), len(own), leave + 1)
        for one in own:
            holds = table[one] > 0
            enough = have[index] > 0 and have[index] + table[one, index] / 2 > wanted[index]
            if enough or chosen[one] or (left[holds] <= leave).any():
                continue
            chosen[one] = True
            left[holds] -= 1
            have += table[one]
        if have[index] == 0:
            raise ValueError(
                f"class {index} ({data.class_names[index]}) cannot be in every split: its groups also hold the last ones of "
                "other classes; drop a class, or collect more groups"
            )
    return chosen


def _deal(data: ImageData, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each row: each class's units go, largest first, to the fold that has least of that class."""
    unit, table, classes, sizes = _units(data, np.arange(len(data.labels)))
    if table is not None:
        return _deal_mixed(data, table, folds, rng)[unit]
    fold = np.empty(len(sizes), dtype=np.int64)
    for own in _units_by_class(data, classes, folds, rng):
        load = rng.uniform(0, 1e-6, folds)  # ties fall to a random fold, so that no fold collects all remainders
        for one in own[np.argsort(-sizes[own], kind="stable")]:
            fold[one] = np.argmin(load)
            load[fold[one]] += sizes[one]
    return fold[unit]


def _deal_mixed(data: ImageData, table: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """Return the fold of each unit where units hold several classes: the rarest class of a unit deals it out."""
    fold = np.full(len(table), -1, dtype=np.int64)
    load = rng.uniform(0, 1e-6, (folds, table.shape[1]))
    for index in np.argsort(table.sum(axis=0), kind="stable"):
        own = rng.permutation(np.flatnonzero(table[:, index]))
        _refuse_few(data, int(index), len(own), folds)
        own = own[fold[own] < 0]
        for one in own[np.argsort(-table[own, index], kind="stable")]:
            fold[one] = np.argmin(load[:, index])
            load[fold[one]] += table[one]
    empty = np.argwhere(load < 1)
    if len(empty):
        index = int(empty[0, 1])
        raise ValueError(
            f"class {index} ({data.class_names[index]}) falls into fewer than {folds} folds, since its groups follow their "
            "rarer classes; make fewer folds (a larger test share)"
        )
    return fold

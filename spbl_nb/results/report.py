"""What a set of runs says together: which of them may stand side by side, who differs from whom, which classes pay.

Nothing is trained, and every number follows from result files alone. The comparison that counts was chosen before there
were any results: :data:`PRIMARY` against :data:`BASELINE` in :data:`METRIC`. Methods are known by the names in the files,
so that a new one needs no change here. What competes on unequal terms is kept apart: runs that saw fewer labels enter no
comparison and no ranking, and runs that chose on the test pictures are marked.

Taught in: notebooks/09_reproduction_report.
"""

import itertools
import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spbl_nb import config, significance
from spbl_nb.results import store, tables
from spbl_nb.results.store import Run

BASELINE, PRIMARY, METRIC = "ce", "spbl_clean", "f1"  # declared before any result was seen
LEAKING = "spbl_released"  # the primary's twin that chooses on the test pictures
ALPHA = 0.05
COST_COLUMNS = ["dataset", "method", "runs", "steps", "seconds", "deviation"]
TITLES = {
    "accuracy": "accuracy",
    "precision": "macro precision",
    "recall": "macro recall",
    "f1": "macro F1",
    "g_mean": "G-mean",
    "mauc": "MAUC",
}

Values = dict[str, dict[Any, float]]  # blocks: anything that can be put in order, mostly (data set, seed)


@dataclass(frozen=True)
class Collection:
    """The runs of one configuration that may stand side by side, and what does not.

    ``runs``; ``broken`` and ``left_out`` as (place below the runs folder, reason); ``elsewhere`` the names of other
    configurations that have runs.
    """

    preset: str
    runs: list[Run]
    broken: list[tuple[str, str]] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    @property
    def trial(self) -> bool:
        """Whether the numbers are those of a trial at preset smoke, and so no results."""
        presets = [self.preset, *(str(_settings(run).get("preset")) for run in self.runs)]
        return any(config.watermark(name) for name in presets)


def collect(root: str | os.PathLike, preset: str) -> Collection:
    """Read the runs of one configuration below ``root`` and keep those that agree in data, settings and split.

    Of each data set those pictures count that most runs have, of each seed that split, and of all runs those settings;
    a setting that an older version of the library did not record counts as equal. Raises ValueError for a ``preset`` that
    names no single configuration.
    """
    root = Path(root)
    names = sorted({folder.parts[-4] for folder in root.glob("*/*/*/seed-*") if folder.parts[-4][0] != "."})
    if not isinstance(preset, str) or not preset or set(preset) & set("*?[]/\\"):
        raise ValueError(
            f"preset is {preset!r}; a report is on one configuration, for numbers of different budgets cannot be compared: "
            f"name one of {', '.join(names) or 'the presets'}"
        )
    found = store.scan(root, preset)
    kept = [run for run in found.complete if run.result["config_name"] == preset]
    reasons = {
        id(run): f"it is a run of configuration {run.result['config_name']}"
        for run in found.complete
        if run.result["config_name"] != preset
    }
    kept, others = tables.same_data(kept)
    reasons |= {id(run): "it was made on another state of the data" for run in others}
    kept, others = _same_settings(kept)
    reasons |= {id(run): f"it was made with other settings: {_unlike(run, kept[0])}" for run in others}
    kept, others = tables.same_split(kept)
    reasons |= {id(run): "its split is not that of most runs with this seed" for run in others}
    return Collection(
        preset,
        kept,
        broken=[(_place(folder), reason.replace(f"{root}{os.sep}", "")) for folder, reason in found.broken],
        left_out=[(_place(run.folder), reasons[id(run)]) for run in found.complete if id(run) in reasons],
        elsewhere=[name for name in names if name != preset],
    )


def _same_settings(kept: list[Run]) -> tuple[list[Run], list[Run]]:
    """Return (kept, left out) by the settings that all runs have recorded."""
    known = set.intersection(*(set(_settings(run)) for run in kept)) if kept else set()
    return tables.agreeing(kept, lambda _: None, lambda run: repr([_settings(run)[key] for key in sorted(known)]))


def _unlike(run: Run, usual: Run) -> str:
    mine, theirs = _settings(run), _settings(usual)
    return ", ".join(
        f"{key} {mine[key]!r} instead of {theirs[key]!r}"
        for key in sorted(mine.keys() & theirs.keys())
        if mine[key] != theirs[key]
    )


def _settings(run: Run) -> dict[str, Any]:
    return run.result["fingerprint"].get("config") or {}


def _place(folder: Path) -> str:
    return "/".join(folder.parts[-4:])


def ordered(methods: Iterable[str]) -> list[str]:
    """Return the names in the order of the report: the baseline, the rivals, then SPBL with its variants."""
    return sorted(methods, key=lambda method: (method != BASELINE, method.startswith("spbl"), method))


def missing(table: pd.DataFrame) -> list[str]:
    """Name the gaps in the grid that a table of :func:`tables.frame` spans: every method with every seed of a data set."""
    there = set(table[["dataset", "method", "seed"]].itertuples(index=False, name=None))
    gaps = []
    for dataset, group in table.groupby("dataset"):
        for method in ordered(table["method"].unique()):
            lacking = [seed for seed in sorted(group["seed"].unique()) if (dataset, method, seed) not in there]
            if lacking:
                gaps.append(f"{dataset} {method} seed{'s' * (len(lacking) > 1)} {', '.join(map(str, lacking))}")
    return gaps


def competing(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that saw the labels of all training pictures, and so may be compared and ranked."""
    return table[~table["fewer_labels"]]


@dataclass(frozen=True)
class Block:
    """The part of ``{method: {block: value}}`` that has no gaps, and in words what was left out for it."""

    values: Values
    left_out: str = ""


def complete_block(values: Mapping[str, Mapping[Hashable, float]], keep: Sequence[str] = ()) -> Block:
    """Return methods, and blocks that all of them have, such that they hold as many values as possible.

    A block is a seed, or a (data set, seed). What is tried are the blocks of each method, and those that the methods with
    most blocks share; every method that has all of the chosen ones is in. Methods in ``keep`` are never left out; where
    these share no block, the result is empty.
    """
    blocks = {name: frozenset(of_method) for name, of_method in values.items()}
    every: frozenset[Any] = frozenset().union(*blocks.values())
    kept = every.intersection(*(blocks[name] for name in keep))
    by_size = sorted(blocks.values(), key=len, reverse=True)
    shared = itertools.accumulate(by_size, frozenset.intersection, initial=kept)
    tried = [*(kept & mine for mine in by_size), *shared]
    fitting = {blocks_tried: [name for name in values if blocks_tried <= blocks[name]] for blocks_tried in tried}
    chosen = max(fitting, key=lambda one: (len(one) * len(fitting[one]), len(fitting[one])))
    if not chosen:
        return Block({})
    out = [f"{name} ({len(blocks[name])} of {len(every)})" for name in values if name not in fitting[chosen]]
    out += [_block_name(block) for block in sorted(every - chosen)]
    return Block({name: {one: values[name][one] for one in sorted(chosen)} for name in fitting[chosen]}, ", ".join(out))


def _block_name(block: Hashable) -> str:
    return f"{block[0]} seed {block[1]}" if isinstance(block, tuple) else f"seed {block}"


@dataclass(frozen=True)
class Differences:
    """Every rival against the baseline on one data set, or the ``reason`` why there is nothing to compare."""

    dataset: str
    comparisons: tuple[significance.Comparison, ...] = ()
    left_out: str = ""
    reason: str = ""

    @property
    def primary(self) -> significance.Comparison | None:
        """The comparison that was declared beforehand, None where it was not run."""
        return next((found for found in self.comparisons if found.method == PRIMARY), None)


def differences(table: pd.DataFrame, dataset: str, metric: str = METRIC) -> Differences:
    """Compare every method with the baseline, seed by seed; :data:`PRIMARY` is tested alone, the others by Holm.

    ``table`` is that of :func:`tables.frame`. Only seeds that all compared methods have are used, and what had to be left
    out for it is named.
    """
    mine = competing(table[table["dataset"] == dataset]).dropna(subset=metric)
    values = significance.collect(
        (row["method"], row["seed"], row[metric]) for _, row in mine.sort_values(["method", "seed"]).iterrows()
    )
    values = {method: values[method] for method in ordered(values)}
    if BASELINE not in values:
        return Differences(dataset, reason=f"{BASELINE} was not run, and the others are compared with it")
    if len(values) == 1:
        return Differences(dataset, reason=f"no method but {BASELINE} was run")
    block = complete_block(values, [name for name in (BASELINE, PRIMARY) if name in values])
    if len(block.values) < 2:
        block = complete_block(values, [BASELINE])
    if len(block.values) < 2:
        return Differences(dataset, reason=f"no other method has a seed in common with {BASELINE}")
    primary = PRIMARY if PRIMARY in block.values else None
    return Differences(dataset, significance.paired_comparison(block.values, BASELINE, primary=primary), block.left_out)


def leak(table: pd.DataFrame, dataset: str, metric: str) -> significance.Comparison | None:
    """Return the difference of the released and the clean code, or None where one of the two was not run.

    It has two causes: epochs chosen on the test pictures, and another stream of penalty weights.
    """
    mine = table[(table["dataset"] == dataset) & table["method"].isin([LEAKING, PRIMARY])].dropna(subset=metric)
    values = significance.collect(mine[["method", "seed", metric]].itertuples(index=False, name=None))
    block = complete_block(values, [LEAKING, PRIMARY] if len(values) == 2 else [])
    return significance.paired_comparison(block.values, PRIMARY)[0] if len(block.values) == 2 else None


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of the methods over all blocks, and on each data set alone; ``left_out`` names what has gaps."""

    overall: significance.Ranking
    by_dataset: dict[str, significance.Ranking]
    left_out: str


def ranks(table: pd.DataFrame, metric: str = METRIC) -> Ranks | None:
    """Rank the methods over data sets and seeds, or return None where fewer than two can be ranked."""
    mine = competing(table).dropna(subset=metric)
    values = significance.collect(
        (method, (dataset, seed), value)
        for dataset, method, seed, value in mine[["dataset", "method", "seed", metric]].itertuples(index=False)
    )
    block = complete_block({method: values[method] for method in ordered(values)})
    if len(block.values) < 2:
        return None
    datasets = sorted({dataset for dataset, _ in next(iter(block.values.values()))})
    alone = {
        dataset: significance.rank_methods(
            {
                method: {place: value for place, value in of_method.items() if place[0] == dataset}
                for method, of_method in block.values.items()
            }
        )
        for dataset in datasets
    }
    return Ranks(significance.rank_methods(block.values), alone if len(alone) > 1 else {}, block.left_out)


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of one data set, and how well each method recognises them.

    ``names`` C texts, ``sizes`` float[C] training pictures; ``difficulty`` float[C] where the pictures were drawn with one;
    ``complexity`` float[C], exp(mean loss)/size as ``measured_by`` that method at its last pace, where there is one;
    ``recall`` ``{method: float[C]}``, means over ``seeds`` ``{method: n}``. NaN where there is no value.
    """

    dataset: str
    names: list[str]
    sizes: np.ndarray
    difficulty: np.ndarray | None
    complexity: np.ndarray | None
    measured_by: str
    recall: dict[str, np.ndarray]
    seeds: dict[str, int]


def classes(kept: Iterable[Run], dataset: str) -> Classes | None:
    """Return the :class:`Classes` of a data set; None where no result file holds values per class."""
    cells: dict[str, list[dict[str, Any]]] = {}
    names: list[str] = []
    for run in kept:
        result, mark = run.result, run.result["fingerprint"]
        if mark["dataset"] == dataset and "per_class" in result["report"]:
            names = names or result["class_names"]
            cells.setdefault(mark["method"], []).append(result)
    if not cells:
        return None
    cells = {method: cells[method] for method in ordered(cells)}
    every = [result for cell in cells.values() for result in cell]
    difficulty = next((result["difficulty"] for result in every if result.get("difficulty") is not None), None)
    measured_by, complexity = _complexity(cells)
    return Classes(
        dataset,
        names,
        _mean([result["class_counts"]["train"] for result in every]),
        None if difficulty is None else np.array(difficulty, dtype=float),
        complexity,
        measured_by,
        {method: _mean([one["report"]["per_class"]["recall"] for one in cell]) for method, cell in cells.items()},
        {method: len(cell) for method, cell in cells.items()},
    )


def _complexity(cells: Mapping[str, list[dict[str, Any]]]) -> tuple[str, np.ndarray | None]:
    """Return (method, float[C]) of the first method that measured it, the primary before all others."""
    for method in sorted(cells, key=lambda name: name != PRIMARY):
        paces = [(result.get("details") or {}).get("paces") or [{}] for result in cells[method]]
        last = [found[-1]["complexity"] for found in paces if found[-1].get("complexity")]
        if last:
            return method, _mean(last)
    return "", None


def _mean(rows: Sequence[Sequence[float | None]]) -> np.ndarray:
    """Return the column means of the values that are there, NaN where there is none."""
    array = np.array(rows, dtype=float)
    known = ~np.isnan(array)
    return np.divide(np.nansum(array, axis=0), known.sum(axis=0), out=np.full(array.shape[1], np.nan),
                     where=known.any(axis=0))  # fmt: skip


def pair(found: Classes) -> list[str]:
    """Return the methods whose classes are shown side by side: baseline and primary, or those that stand in for them."""
    there = list(found.recall)
    first = BASELINE if BASELINE in there else there[0]
    rest = [method for method in (PRIMARY, *reversed(there)) if method in there and method != first]
    return [first, *rest[:1]]


def who_pays(found: Classes) -> pd.DataFrame:
    """Return per method the rank correlations over classes of recall with size, difficulty and complexity."""
    rows = []
    for method, recall in found.recall.items():
        sides = {"size": found.sizes, "difficulty": found.difficulty, "complexity": found.complexity}
        known = pd.DataFrame({"recall": recall} | {k: v for k, v in sides.items() if v is not None}).dropna(
            subset="recall"
        )
        ranked = known.corr("spearman")["recall"].drop("recall")
        dead = int((known["recall"] == 0).sum())
        rows.append(
            {"data set": found.dataset, "method": method, "seeds": found.seeds[method]} | dict(ranked) | {"dead": dead}
        )
    return pd.DataFrame(rows)


def costs(kept: Iterable[Run]) -> pd.DataFrame:
    """Return per data set and method: runs, mean steps, mean and deviation of the seconds, then the seconds of each part.

    What a method did beside the parts it told apart is ``rest``; ``whole run`` are the seconds of one that told none.
    """
    rows = []
    for run in kept:
        timing, mark = run.result["timing"], run.result["fingerprint"]
        seconds = timing.get("seconds", np.nan)
        parts = {name: part for name, part in (timing.get("parts") or {}).items() if part is not None}
        parts = parts | {"rest": max(seconds - sum(parts.values()), 0.0)} if parts else {"whole run": seconds}
        row = {"dataset": mark["dataset"], "method": mark["method"], "steps": run.result["steps"], "seconds": seconds}
        rows.append(row | parts)
    table = pd.DataFrame(rows, columns=None if rows else COST_COLUMNS)
    told = [name for name in table.columns if name not in COST_COLUMNS]
    told.sort(key=lambda name: (name == "rest", name != "whole run", -table[name].sum()))
    grouped = table.fillna(dict.fromkeys(told, 0.0)).groupby(["dataset", "method"])
    found = grouped[["steps", "seconds", *told]].mean()
    found.insert(0, "runs", grouped.size())
    found.insert(3, "deviation", grouped["seconds"].std())
    return found.reset_index()

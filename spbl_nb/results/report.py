"""What a set of runs says together: which of them can be compared, who differs from whom, which classes pay.

Every number follows from result files alone. The comparison that counts was chosen before there were any results:
:data:`PRIMARY` against :data:`BASELINE` in :data:`METRIC`. Runs that saw fewer labels enter no comparison and no ranking.
"""

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spbl_nb import config, significance
from spbl_nb.results import store
from spbl_nb.results.store import Run

BASELINE, PRIMARY, METRIC = "ce", "spbl_clean", "f1"  # declared before any result was seen
LEAKING = "spbl_released"  # the primary's twin that chooses on the test images
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


@dataclass(frozen=True)
class Collection:
    """The runs of one configuration that can be compared; ``broken`` and ``left_out`` as (place below the root, reason).

    ``elsewhere`` are the names of other configurations that have runs.
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

    Where several states are found, that of the run finished last counts, for each data set and seed; the others are left
    out with the reason. A setting that an older version did not record counts as equal. Raises ValueError for a ``preset``
    that names no single configuration.
    """
    root = Path(root)
    names = sorted({folder.parts[-4] for folder in root.glob("*/*/*/seed-*") if folder.parts[-4][0] != "."})
    if not isinstance(preset, str) or not preset or set(preset) & set("*?[]/\\"):
        raise ValueError(
            f"preset is {preset!r}; a report is on one configuration, because numbers of different budgets cannot be compared: "
            f"name one of {', '.join(names) or 'the presets'}"
        )
    found = store.scan(root, preset)
    newest: dict[Any, Run] = {}
    reasons: dict[Path, str] = {}
    for run in sorted(found.complete, key=lambda run: run.result["timing"].get("finished", ""), reverse=True):
        reason = _reason_to_leave_out(run, preset, newest)
        if reason:
            reasons[run.folder] = reason
    return Collection(
        preset,
        [run for run in found.complete if run.folder not in reasons],
        broken=[(_place(folder), reason.replace(f"{root}{os.sep}", "")) for folder, reason in found.broken],
        left_out=[(_place(folder), reasons[folder]) for folder in sorted(reasons)],
        elsewhere=[name for name in names if name != preset],
    )


def _reason_to_leave_out(run: Run, preset: str, newest: dict[Any, Run]) -> str:
    """Return why a run cannot be compared with the ``newest`` ones, by data set and seed; note it there if it can."""
    if run.result["config_name"] != preset:
        return f"it is a run of configuration {run.result['config_name']}"
    mine = run.result["fingerprint"]
    dataset, seed = mine["dataset"], (mine["dataset"], mine["seed"])
    if dataset in newest and mine["data_sha256"] != newest[dataset].result["fingerprint"]["data_sha256"]:
        return "it was made on another state of the data than the newest run"
    settings, others = _settings(run), _settings(newest.get("settings", run))
    if changed := [key for key in sorted(settings.keys() & others.keys()) if settings[key] != others[key]]:
        changes = ", ".join(f"{key} {settings[key]!r} instead of {others[key]!r}" for key in changed)
        return f"it was made with other settings than the newest run: {changes}"
    if seed in newest and mine["split_sha256"] != newest[seed].result["fingerprint"]["split_sha256"]:
        return "its split is not that of the newest run with this seed"
    for key in ("settings", dataset, seed):
        newest.setdefault(key, run)
    return ""


def _settings(run: Run) -> dict[str, Any]:
    return run.result["fingerprint"].get("config") or {}


def _place(folder: Path) -> str:
    return "/".join(folder.parts[-4:])


def ordered(methods: Iterable[str]) -> list[str]:
    """Return the names in the order of the report: the baseline, other baselines, then SPBL with its variants."""
    return sorted(methods, key=lambda method: (method != BASELINE, method.startswith("spbl"), method))


def missing_cells(table: pd.DataFrame) -> list[str]:
    """Name the gaps in the grid that a table of :func:`tables.frame` spans: every method with every seed of a data set."""
    gaps = []
    for dataset, group in table.groupby("dataset"):
        seeds = pd.crosstab(group["seed"], group["method"]).reindex(
            columns=ordered(table["method"].unique()), fill_value=0
        )
        for method, there in seeds.items():
            if lacking := [str(seed) for seed in seeds.index[there == 0]]:
                gaps.append(f"{dataset} {method} seed{'s' * (len(lacking) > 1)} {', '.join(lacking)}")
    return gaps


def competing(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that saw the labels of all training images, and so may be compared and ranked."""
    return table[~table["fewer_labels"]]


def _pivot(table: pd.DataFrame, metric: str, block: Sequence[str]) -> pd.DataFrame:
    """Return a row a block (seeds, or data sets with seeds) and a column a method, in the order of the report."""
    values = table.dropna(subset=metric).pivot(index=list(block), columns="method", values=metric)
    return values[ordered(values.columns)]


def _without_gaps(values: pd.DataFrame, declared: Sequence[str]) -> tuple[pd.DataFrame, str]:
    """Return the blocks that all ``declared`` methods have, with every method that has all of these, and what is left out."""
    rows = values.dropna(subset=[name for name in declared if name in values] or None)
    kept = rows.dropna(axis="columns")
    left_out = [
        f"{name} ({values[name].count()} of {len(values)})" for name in values.columns.difference(kept.columns, False)
    ]
    left_out += [
        f"{block[0]} seed {block[1]}" if isinstance(block, tuple) else f"seed {block}"
        for block in values.index.difference(kept.index)
    ]
    return kept, ", ".join(left_out)


@dataclass(frozen=True)
class Differences:
    """Every method against the baseline on one data set, or the ``reason`` why there is nothing to compare."""

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

    ``table`` is that of :func:`tables.frame`. Used are the seeds that baseline and primary share (those of the baseline,
    where they share none); a method that lacks one of these is left out, and named.
    """
    values = _pivot(competing(table[table["dataset"] == dataset]), metric, ["seed"])
    if BASELINE not in values:
        return Differences(dataset, reason=f"{BASELINE} was not run, and the others are compared with it")
    if len(values.columns) == 1:
        return Differences(dataset, reason=f"no method but {BASELINE} was run")
    kept, left_out = _without_gaps(values, [BASELINE, PRIMARY])
    if kept.empty:
        kept, left_out = _without_gaps(values, [BASELINE])
    if len(kept.columns) < 2:
        return Differences(dataset, reason=f"no other method has a seed in common with {BASELINE}")
    primary = PRIMARY if PRIMARY in kept else None
    comparisons = significance.paired_comparison(kept.to_dict(), BASELINE, primary=primary)
    return Differences(dataset, comparisons, left_out)


def leak(table: pd.DataFrame, dataset: str, metric: str) -> significance.Comparison | None:
    """Return the difference of the released and the clean code, or None where one of the two was not run.

    It has two causes: epochs chosen on the test images, and another stream of penalty weights.
    """
    mine = table[(table["dataset"] == dataset) & table["method"].isin([LEAKING, PRIMARY])]
    values = _pivot(mine, metric, ["seed"]).dropna()
    if values.empty or len(values.columns) < 2:
        return None
    return significance.paired_comparison(values.to_dict(), PRIMARY)[0]


@dataclass(frozen=True)
class Ranks:
    """Mean ranks of the methods over ``all`` blocks, and on each of several data sets; ``left_out`` names what has gaps."""

    rankings: dict[str, significance.Ranking]
    left_out: str


def ranks(table: pd.DataFrame, metric: str = METRIC) -> Ranks | None:
    """Rank the methods over data sets and seeds, or return None where fewer than two can be ranked.

    Which blocks and methods are used, and which left out, is decided as in :func:`differences`.
    """
    values, left_out = _without_gaps(_pivot(competing(table), metric, ["dataset", "seed"]), [BASELINE, PRIMARY])
    if values.empty or len(values.columns) < 2:
        return None
    parts = {"all": values, **dict(iter(values.groupby(level="dataset")))}
    rankings = {name: significance.rank_methods(part.to_dict()) for name, part in parts.items()}
    return Ranks(rankings if len(rankings) > 2 else {"all": rankings["all"]}, left_out)


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of one data set, and how well each method recognises them; NaN where there is no value.

    ``recall`` has a row a class and a column a method: means over ``seeds`` ``{method: n}``. ``sides`` has the rows of
    ``recall`` and the columns ``size`` (training images), ``difficulty`` where the images were drawn with one, and
    ``complexity``, exp(mean loss)/size at the last pace of ``measured_by``, where a method measured it.
    """

    dataset: str
    recall: pd.DataFrame
    sides: pd.DataFrame
    measured_by: str
    seeds: dict[str, int]


def classes(kept: Iterable[Run], dataset: str) -> Classes | None:
    """Return the :class:`Classes` of a data set; None where no result file holds values per class."""
    results = [run.result for run in kept if run.result["fingerprint"]["dataset"] == dataset]
    results = [result for result in results if "per_class" in result["report"]]
    if not results:
        return None
    methods = [result["fingerprint"]["method"] for result in results]
    names = results[0]["class_names"]
    sides = pd.DataFrame({"size": np.mean([result["class_counts"]["train"] for result in results], axis=0)}, names)
    difficulty = [result["difficulty"] for result in results if result.get("difficulty") is not None]
    if difficulty:
        sides["difficulty"] = difficulty[0]
    paces = [(result.get("details") or {}).get("paces") or [{}] for result in results]
    unknown = [None] * len(names)
    complexity = _means_by_method([found[-1].get("complexity") or unknown for found in paces], methods)
    measured_by = next((method for method in [PRIMARY, *complexity] if method in complexity), "")
    if measured_by:
        sides["complexity"] = complexity[measured_by].to_numpy()
    recall = _means_by_method([result["report"]["per_class"]["recall"] for result in results], methods)
    seeds = {method: methods.count(method) for method in recall}
    return Classes(dataset, recall.set_axis(names), sides, measured_by, seeds)


def _means_by_method(rows: Sequence[Sequence[float | None]], methods: Sequence[str]) -> pd.DataFrame:
    """Return a row a class and a column a method: means over its runs of the values that are there."""
    runs = pd.DataFrame(rows, methods, dtype=float)
    means = pd.DataFrame({method: group.mean() for method, group in runs.groupby(level=0)}).dropna(axis=1, how="all")
    return means[ordered(means)]


def methods_to_contrast(found: Classes) -> list[str]:
    """Return the methods whose classes are shown side by side: baseline and primary, or others in their place."""
    first, *others = found.recall  # the baseline is the first where it was run
    return [first, PRIMARY if PRIMARY in others else others[-1]] if others else [first]


def who_pays(found: Classes) -> pd.DataFrame:
    """Return per method the rank correlations over classes of recall with size, difficulty and complexity."""
    table = pd.concat([found.recall, found.sides], axis="columns").corr("spearman")
    table = table.loc[list(found.recall), list(found.sides)]
    table = table.rename_axis("method").assign(dead=(found.recall == 0).sum()).reset_index()
    table.insert(0, "data set", found.dataset)
    table.insert(2, "seeds", table["method"].map(found.seeds))
    return table


def costs(kept: Iterable[Run]) -> pd.DataFrame:
    """Return per data set and method: runs, mean steps, mean and deviation of the seconds, then the seconds of each part.

    ``rest`` are the seconds outside the parts that a method timed; ``whole run`` those of a method that timed none.
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
    timed = [name for name in table.columns if name not in COST_COLUMNS]
    timed.sort(key=lambda name: (name == "rest", name != "whole run", -table[name].sum()))
    grouped = table.fillna(dict.fromkeys(timed, 0.0)).groupby(["dataset", "method"])
    found = grouped[["steps", "seconds", *timed]].mean()
    found.insert(0, "runs", grouped.size())
    found.insert(3, "deviation", grouped["seconds"].std())
    return found.reset_index()

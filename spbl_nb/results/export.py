"""The report in tables: rows for a reader of the page, CSV and LaTeX for a paper.

They show what :mod:`spbl_nb.results.report` found. A mean always has its deviation and number of seeds beside it, a
difference its interval, and a p-value the smallest one that so many seeds could reach.
"""

import dataclasses
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from spbl_nb import files, significance
from spbl_nb.results import published, report, tables
from spbl_nb.results.store import Run
from spbl_nb.results.text import format_interval, format_signed, label

COLUMNS = ("accuracy", "recall", "f1", "g_mean", "mauc")
_DEAD = "classes at 0"
_MARKS = {"selected_on_test": "†", "fewer_labels": "‡"}


def overview(kept: Sequence[Run]) -> pd.DataFrame:
    """Return per data set: classes, sizes of the splits, largest and smallest class, methods, seeds and runs."""
    rows = []
    for dataset in sorted({run.result["fingerprint"]["dataset"] for run in kept}):
        mine = [run.result for run in kept if run.result["fingerprint"]["dataset"] == dataset]
        sizes = mine[0]["class_counts"]
        marks = [result["fingerprint"] for result in mine]
        rows.append(
            {
                "data set": label(kept, dataset),
                "classes": len(mine[0]["class_names"]),
                "training images": f"{sum(sizes['train']):,} ({max(sizes['train'])} to {min(sizes['train'])} a class)",
                "test images": f"{sum(sizes['test']):,}",
                "methods": len({mark["method"] for mark in marks}),
                "seeds": len({mark["seed"] for mark in marks}),
                "runs": len(mine),
            }
        )
    return pd.DataFrame(rows)


def by_method(table: pd.DataFrame, metric: str) -> dict[str, list[float]]:
    """Return ``{method: values over seeds}`` of one metric, the baseline first; NaN where it is not defined."""
    groups = {method: group[metric].tolist() for method, group in table.groupby("method")}
    return {method: groups[method] for method in report.ordered(groups)}


def marks(table: pd.DataFrame) -> dict[str, str]:
    """Return a mark for each method that chose on the test images (†) or saw fewer labels (‡)."""
    found = {mark: set(table.loc[table[column], "method"]) for column, mark in _MARKS.items()}
    return {method: f" {mark}" for mark, methods in found.items() for method in methods}


def marked(values: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """Return a mapping by method under names with their marks."""
    found = marks(table)
    return {method + found.get(method, ""): value for method, value in values.items()}


def means(table: pd.DataFrame, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Return mean ± deviation over seeds per data set and method, the baseline first, under readable names."""
    found = tables.mean_and_spread(table, columns)
    return _in_order(found).rename(columns=report.TITLES)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by data set, then by method in the order of the report."""
    place = {method: index for index, method in enumerate(report.ordered(table["method"].unique()))}
    table = table.assign(place=table["method"].map(place)).sort_values(["data set", "place"])
    return table.drop(columns="place").reset_index(drop=True)


def differences(found: report.Differences) -> pd.DataFrame:
    """Return a row per comparison: difference, interval and how it was made, p, Holm's p and the smallest attainable."""
    rows = [
        {
            "data set": found.dataset,
            "method": one.method,
            "seeds": len(one.seeds),
            "difference": format_signed(one.mean) + (f" ± {one.deviation:.3f}" if len(one.seeds) > 1 else ""),
            f"{100 * one.interval.level:g} % interval": format_interval(one.interval),
            "p": f"{one.test.p:.3g}",
            "adjusted p": f"{one.adjusted_p:.3g}",
            "smallest possible": f"{one.smallest_p:.3g}",
            "family": one.family if one.comparisons == 1 else f"{one.family}, Holm over {one.comparisons}",
        }
        for one in found.comparisons
    ]
    return pd.DataFrame(rows)


def marked_ranking(found: significance.Ranking, table: pd.DataFrame) -> significance.Ranking:
    """Return a ranking whose methods carry their marks."""
    names = {method: method + marks(table).get(method, "") for method in found.methods}
    groups = tuple(tuple(names[method] for method in group) for group in found.groups)
    return dataclasses.replace(found, methods=tuple(names.values()), groups=groups)


def ranks(found: report.Ranks) -> pd.DataFrame:
    """Return the mean rank of each method over all blocks, and over the seeds of each data set alone."""
    columns = {"all": found.overall, **found.by_dataset}
    places = {f"{name} ({one.blocks})": pd.Series(one.mean_ranks, one.methods) for name, one in columns.items()}
    table = pd.DataFrame(places).loc[list(found.overall.methods)]
    return table.map("{:.2f}".format).rename_axis("method").reset_index()


def sides(found: report.Classes) -> dict[str, np.ndarray]:
    """Return what is known of the classes, by axis label: size, and the difficulty and complexity where there are any."""
    known = {"training images": found.sizes, "difficulty": found.difficulty}
    known[f"complexity, measured by {found.measured_by}"] = found.complexity
    return {name: values for name, values in known.items() if values is not None}


def cost_parts(found: pd.DataFrame) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Return ({method: {part: seconds}}, {method: deviation of the whole}) from the rows of one data set."""
    rows = found.set_index("method").loc[report.ordered(found["method"])]
    parts = rows.drop(columns=report.COST_COLUMNS, errors="ignore").T.to_dict()
    return (
        {method: {part: value for part, value in mine.items() if value} for method, mine in parts.items()},
        rows["deviation"].to_dict(),
    )


def costs(found: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`report.costs` for a reader: seconds as mean ± deviation, and of each part the mean."""
    rows = []
    for row in found.to_dict("records"):
        seconds = f"{row['seconds']:.1f}" + (f" ± {row['deviation']:.1f}" if row["runs"] > 1 else "")
        shown = {"data set": row["dataset"], "method": row["method"], "runs": row["runs"]}
        shown |= {"steps": f"{row['steps']:.0f}", "seconds": seconds}
        parts = [name for name in found.columns if name not in report.COST_COLUMNS]
        rows.append(shown | {part: f"{row[part]:.1f}" if row[part] else "–" for part in parts})
    return _in_order(pd.DataFrame(rows)) if rows else pd.DataFrame()


def who_pays(found: Iterable[report.Classes]) -> pd.DataFrame:
    """Return the rank correlations of :func:`report.who_pays` over several data sets for a reader."""
    table = pd.concat([pd.DataFrame(), *map(report.who_pays, found)], ignore_index=True)
    for side in ("size", "difficulty", "complexity"):
        if side in table:
            table[side] = ["–" if pd.isna(value) else format_signed(value, 2) for value in table[side]]
            table = table.rename(columns={side: f"recall with {side}"})
    if "dead" in table:
        table[_DEAD] = table.pop("dead")
    return table


def beside_published(kept: Sequence[Run]) -> tuple[pd.DataFrame, tuple[published.Badge, ...]]:
    """Return the published numbers with ours below each, in per cent, and every badge once, with its meaning.

    The column ``badges`` has the badges of a row as text, one a line.
    """
    names = [column.name for column in published.COLUMNS]
    rows: list[dict[str, Any]] = []
    used: list[published.Badge] = []
    for protocol in published.PROTOCOLS:
        values = {name: published.value_of(protocol.dataset, name) for name in names}
        cells = {name: "–" if value is None else str(value) for name, value in values.items()}
        named = published.definition_badges(protocol.dataset)
        used += named
        rows.append({"data": protocol.title, "numbers": "published", **cells, "badges": _lines(named)})
        ours = published.beside(kept, protocol)
        for one in ours:
            numbers = f"ours: {one.method}, {one.seeds} seed{'s' * (one.seeds > 1)}"
            rows.append({"data": "", "numbers": numbers, **one.values, "badges": _lines(one.badges)})
            used += one.badges
        if not ours:
            rows.append({"data": "", "numbers": "ours: not run here", **dict.fromkeys(names, ""), "badges": ""})
    return pd.DataFrame(rows), tuple(dict.fromkeys(used))


def _lines(badges: Iterable[published.Badge]) -> str:
    return "\n".join(f"{badge.kind}: {badge.label}" for badge in badges)


def export(collection: report.Collection, folder: str | os.PathLike) -> list[str]:
    """Write the report's tables as CSV, and means and differences as LaTeX too; return the names of the files.

    Every CSV has the configuration in its first column, and LaTeX of a trial run says so in its caption. Each file is whole
    or absent. Without runs nothing is written. Raises OSError naming the file if the folder cannot be written.
    """
    if not collection.runs:
        return []
    table = tables.frame(collection.runs)
    datasets = sorted(table["dataset"].unique())
    compared = [report.differences(table, dataset) for dataset in datasets]
    csv = {
        "runs": table.drop(columns="folder"),
        "means": _long_means(table),
        "differences": pd.concat([_plain_differences(one) for one in compared]),
        "ranks": _plain_ranks(table),
        "classes": pd.concat([_plain_classes(report.classes(collection.runs, dataset)) for dataset in datasets]),
        "costs": report.costs(collection.runs),
        "published": _plain_published(collection.runs),
    }
    written = []
    for name, content in csv.items():
        marked = content.drop(columns="config", errors="ignore")
        marked.insert(0, "config", collection.preset)
        files.write_text(Path(folder) / f"{name}.csv", marked.to_csv(index=False))
        written.append(f"{name}.csv")
    trial = "Trial run, numbers are no results. " if collection.trial else ""
    equal, apart = report.competing(table), table[table["fewer_labels"]]
    latex = {
        "means": (means(equal), "Mean and standard deviation over seeds."),
        "means_fewer_labels": (means(apart), "Methods that see fewer labels: mean and standard deviation over seeds."),
        "differences": (
            pd.concat([differences(one) for one in compared]),
            f"Differences from {report.BASELINE} in {report.TITLES[report.METRIC]}, paired over seeds.",
        ),
    }
    for name, (content, caption) in latex.items():
        if len(content):
            text = tables.to_latex(content, f"{trial}{caption} Configuration {collection.preset}.", f"tab:{name}")
            files.write_text(Path(folder) / f"{name}.tex", text)
            written.append(f"{name}.tex")
    return written


def _long_means(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["dataset", "method", "fewer_labels", "selected_on_test"]
    long = table.melt([*keys, "seed"], [*tables.SUMMARY, "dead_classes", "seconds"], "metric")
    grouped = long.groupby([*keys, "metric"])["value"]
    return grouped.agg(seeds="count", mean="mean", deviation="std").reset_index()


def _plain_differences(found: report.Differences) -> pd.DataFrame:
    rows = [
        {"dataset": found.dataset, "metric": report.METRIC, "method": one.method, "baseline": one.baseline}
        | {"seeds": " ".join(map(str, one.seeds)), "mean": one.mean, "deviation": one.deviation}
        | {"low": one.interval.low, "high": one.interval.high, "level": one.interval.level}
        | {"interval_by": one.interval.method, "p": one.test.p, "adjusted_p": one.adjusted_p}
        | {"smallest_p": one.smallest_p, "family": one.family, "comparisons": one.comparisons}
        for one in found.comparisons
    ]
    return pd.DataFrame(rows)


def _plain_ranks(table: pd.DataFrame) -> pd.DataFrame:
    columns = ["dataset", "method", "mean_rank", "blocks", "critical_difference", "alpha", "friedman_p"]
    found = report.ranks(table)
    rankings = {"all": found.overall, **found.by_dataset} if found else {}
    rows = [
        [dataset, method, rank, one.blocks, one.critical_difference, one.alpha, one.friedman_p]
        for dataset, one in rankings.items()
        for method, rank in zip(one.methods, one.mean_ranks, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def _plain_classes(found: report.Classes | None) -> pd.DataFrame:
    if found is None:
        return pd.DataFrame()
    fixed = {"size": found.sizes, "difficulty": found.difficulty, "complexity": found.complexity}
    parts = [
        pd.DataFrame({"dataset": found.dataset, "method": method, "class": found.names} | fixed | {"recall": recall})
        for method, recall in found.recall.items()
    ]
    return pd.concat(parts).assign(complexity_by=found.measured_by)


def _plain_published(kept: Sequence[Run]) -> pd.DataFrame:
    rows = []
    for value in published.VALUES:
        protocol = published.protocol_of(value.dataset)
        fixed = {"dataset": value.dataset, "column": value.column, "published_mean": value.mean}
        fixed |= {"published_deviation": value.deviation, "source": value.source}
        ours = (published.beside(kept, protocol) if protocol else []) or [published.Ours("not run here", 0, {}, ())]
        rows += [
            fixed
            | {"ours": one.method, "seeds": one.seeds, "ours_percent": one.values.get(value.column, "")}
            | {"differences": "; ".join(map(str, one.badges))}
            for one in ours
        ]
    return pd.DataFrame(rows)

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
_CLASS_COLUMNS = ["dataset", "method", "class", "size", "difficulty", "complexity", "recall", "complexity_by"]


def overview(kept: Sequence[Run]) -> pd.DataFrame:
    """Return per data set: classes, sizes of the splits, largest and smallest class, methods, seeds and runs."""
    rows = []
    for dataset, group in tables.frame(kept).groupby("dataset"):
        result = next(run.result for run in kept if run.result["fingerprint"]["dataset"] == dataset)
        train, test = (result["class_counts"][split] for split in ("train", "test"))
        rows.append(
            {
                "data set": label(kept, str(dataset)),
                "classes": len(result["class_names"]),
                "training images": f"{sum(train):,} ({max(train)} to {min(train)} a class)",
                "test images": f"{sum(test):,}",
                "methods": group["method"].nunique(),
                "seeds": group["seed"].nunique(),
                "runs": len(group),
            }
        )
    return pd.DataFrame(rows)


def by_method(table: pd.DataFrame, metric: str) -> dict[str, list[float]]:
    """Return ``{method: values over seeds}`` of one metric, the baseline first; NaN where it is not defined."""
    return {
        method: table.loc[table["method"] == method, metric].tolist()
        for method in report.ordered(table["method"].unique())
    }


def marks(table: pd.DataFrame) -> dict[str, str]:
    """Return a mark for each method that chose on the test images (†) or saw fewer labels (‡)."""
    tested = dict.fromkeys(table.loc[table["selected_on_test"], "method"], " †")
    return tested | dict.fromkeys(table.loc[table["fewer_labels"], "method"], " ‡")


def marked(values: Mapping[str, Any], table: pd.DataFrame) -> dict[str, Any]:
    """Return a mapping by method under names with their marks."""
    found = marks(table)
    return {method + found.get(method, ""): value for method, value in values.items()}


def marked_ranking(found: significance.Ranking, table: pd.DataFrame) -> significance.Ranking:
    """Return a ranking whose methods carry their marks."""
    groups = tuple(tuple(marked(dict.fromkeys(group), table)) for group in found.groups)
    return dataclasses.replace(found, methods=tuple(marked(dict.fromkeys(found.methods), table)), groups=groups)


def means(table: pd.DataFrame, columns: Sequence[str] = COLUMNS) -> pd.DataFrame:
    """Return mean ± deviation over seeds per data set and method, the baseline first, under readable names."""
    return _in_order(tables.mean_and_spread(table, columns)).rename(columns=report.TITLES)


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    """Sort rows by data set, then by method in the order of the report."""
    order = pd.CategoricalDtype(report.ordered(table["method"].unique()), ordered=True)
    table = table.astype({"method": order}).sort_values(["data set", "method"], ignore_index=True)
    return table.astype({"method": object})


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


def ranks(found: report.Ranks) -> pd.DataFrame:
    """Return the mean rank of each method over all blocks, and over the seeds of each data set alone."""
    places = {f"{name} ({one.blocks})": pd.Series(one.mean_ranks, one.methods) for name, one in found.rankings.items()}
    table = pd.DataFrame(places).loc[list(found.rankings["all"].methods)]
    return table.map("{:.2f}".format).rename_axis("method").reset_index()


def sides(found: report.Classes) -> dict[str, np.ndarray]:
    """Return what is known of the classes, by axis label: size, and the difficulty and complexity where there are any."""
    titles = {"size": "training images", "complexity": f"complexity, measured by {found.measured_by}"}
    return {titles.get(name, name): found.sides[name].to_numpy() for name in found.sides}


def cost_parts(found: pd.DataFrame) -> tuple[dict[str, dict[str, float]], dict[str, float]]:
    """Return ({method: {part: seconds}}, {method: deviation of the whole}) from the rows of one data set."""
    rows = found.set_index("method").loc[report.ordered(found["method"])]
    parts = rows.drop(columns=report.COST_COLUMNS, errors="ignore")
    return {method: row[row > 0].to_dict() for method, row in parts.iterrows()}, rows["deviation"].to_dict()


def costs(found: pd.DataFrame) -> pd.DataFrame:
    """Return :func:`report.costs` for a reader: seconds as mean ± deviation, and of each part the mean."""
    parts = found.columns.difference(report.COST_COLUMNS, sort=False)
    shown = found.drop(columns="deviation").rename(columns={"dataset": "data set"})
    shown["steps"] = found["steps"].map("{:.0f}".format)
    shown["seconds"] = found["seconds"].map("{:.1f}".format)
    shown["seconds"] += found["deviation"].map(" ± {:.1f}".format, na_action="ignore").where(found["runs"] > 1, "")
    shown[parts] = found[parts].map(lambda seconds: f"{seconds:.1f}" if seconds else "–")
    return _in_order(shown)


def who_pays(found: Iterable[report.Classes]) -> pd.DataFrame:
    """Return the rank correlations of :func:`report.who_pays` over several data sets for a reader."""
    table = pd.concat([pd.DataFrame(), *map(report.who_pays, found)], ignore_index=True)
    for side in table.columns.intersection(["size", "difficulty", "complexity"]):
        table[side] = ["–" if pd.isna(value) else format_signed(value, 2) for value in table[side]]
        table = table.rename(columns={side: f"recall with {side}"})
    if "dead" in table:
        table["classes at 0"] = table.pop("dead")
    return table


def beside_published(kept: Sequence[Run]) -> tuple[pd.DataFrame, tuple[published.Badge, ...]]:
    """Return the published numbers with ours below each, in per cent, and every badge once, with its meaning.

    The column ``badges`` has the badges of a row as text, one a line.
    """
    rows: list[dict[str, Any]] = []
    used: list[published.Badge] = []

    def add(data: str, numbers: str, values: Mapping[str, Any], badges: Sequence[published.Badge], gap: str) -> None:
        cells = {column: str(values.get(column, gap)) for column in published.COLUMNS}
        words = "\n".join(f"{badge.kind}: {badge.label}" for badge in badges)
        rows.append({"data": data, "numbers": numbers, **cells, "badges": words})
        used.extend(badges)

    for protocol in published.PROTOCOLS:
        misleading = [badge for column, badge in published.MISLEADING.items() if column in protocol.values]
        add(protocol.title, "published", protocol.values, misleading, "–")
        ours = published.beside(kept, protocol)
        for one in ours:
            add("", f"ours: {one.method}, {one.seeds} seed{'s' * (one.seeds > 1)}", one.values, one.badges, "")
        if not ours:
            add("", "ours: not run here", {}, [], "")
    return pd.DataFrame(rows), tuple(dict.fromkeys(used))


def export(collection: report.Collection, folder: str | os.PathLike) -> list[str]:
    """Write the report's tables as CSV, and means and differences as LaTeX too; return the names of the files.

    Every CSV has the configuration in its first column, and LaTeX of a trial run says so in its caption. Without runs
    nothing is written. Raises OSError naming the file if the folder cannot be written.
    """
    if not collection.runs:
        return []
    table = tables.frame(collection.runs)
    datasets = sorted(table["dataset"].unique())
    compared = [report.differences(table, dataset) for dataset in datasets]
    classes = [found for dataset in datasets if (found := report.classes(collection.runs, dataset))]
    csv = {
        "runs": table.drop(columns="folder"),
        "means": _long_means(table),
        "differences": pd.DataFrame([row for found in compared for row in _plain_differences(found)]),
        "ranks": _plain_ranks(report.ranks(table)),
        "classes": pd.concat([pd.DataFrame(columns=_CLASS_COLUMNS), *map(_plain_classes, classes)]),
        "costs": report.costs(collection.runs),
        "published": _plain_published(collection.runs),
    }
    latex = {
        "means": (means(report.competing(table)), "Mean and standard deviation over seeds."),
        "means_fewer_labels": (
            means(table[table["fewer_labels"]]),
            "Methods that see fewer labels: mean and standard deviation over seeds.",
        ),
        "differences": (
            pd.concat([differences(one) for one in compared]),
            f"Differences from {report.BASELINE} in {report.TITLES[report.METRIC]}, paired over seeds.",
        ),
    }
    texts = {}
    for name, content in csv.items():
        content = content.drop(columns="config", errors="ignore")
        content.insert(0, "config", collection.preset)
        texts[f"{name}.csv"] = content.to_csv(index=False)
    trial = "Trial run, numbers are no results. " if collection.trial else ""
    for name, (content, caption) in latex.items():
        if len(content):
            caption = f"{trial}{caption} Configuration {collection.preset}."
            texts[f"{name}.tex"] = tables.to_latex(content, caption, f"tab:{name}")
    for name, text in texts.items():
        files.write_text(Path(folder) / name, text)
    return list(texts)


def _long_means(table: pd.DataFrame) -> pd.DataFrame:
    keys = ["dataset", "method", "fewer_labels", "selected_on_test"]
    long = table.melt([*keys, "seed"], [*tables.SUMMARY, "dead_classes", "seconds"], "metric")
    grouped = long.groupby([*keys, "metric"])["value"]
    return grouped.agg(seeds="count", mean="mean", deviation="std").reset_index()


def _plain_differences(found: report.Differences) -> list[dict[str, Any]]:
    return [
        {"dataset": found.dataset, "metric": report.METRIC, "method": one.method, "baseline": one.baseline}
        | {"seeds": " ".join(map(str, one.seeds)), "mean": one.mean, "deviation": one.deviation}
        | {"low": one.interval.low, "high": one.interval.high, "level": one.interval.level}
        | {"interval_by": one.interval.method, "p": one.test.p, "adjusted_p": one.adjusted_p}
        | {"smallest_p": one.smallest_p, "family": one.family, "comparisons": one.comparisons}
        for one in found.comparisons
    ]


def _plain_ranks(found: report.Ranks | None) -> pd.DataFrame:
    columns = ["dataset", "method", "mean_rank", "blocks", "critical_difference", "alpha", "friedman_p"]
    rows = [
        [dataset, method, rank, one.blocks, one.critical_difference, one.alpha, one.friedman_p]
        for dataset, one in (found.rankings.items() if found else ())
        for method, rank in zip(one.methods, one.mean_ranks, strict=True)
    ]
    return pd.DataFrame(rows, columns=columns)


def _plain_classes(found: report.Classes) -> pd.DataFrame:
    table = found.recall.melt(ignore_index=False, var_name="method", value_name="recall").join(found.sides)
    table = table.rename_axis("class").reset_index().assign(dataset=found.dataset, complexity_by=found.measured_by)
    return table.reindex(columns=_CLASS_COLUMNS)


def _plain_published(kept: Sequence[Run]) -> pd.DataFrame:
    rows = []
    for protocol in published.PROTOCOLS:
        ours = published.beside(kept, protocol) or [published.Ours("not run here", 0, {}, ())]
        for column, value in protocol.values.items():
            fixed = {"dataset": protocol.dataset, "column": column, "published_mean": value.mean}
            fixed |= {"published_deviation": value.deviation, "source": published.SOURCE}
            rows += [
                fixed
                | {"ours": one.method, "seeds": one.seeds, "ours_percent": one.values.get(column, "")}
                | {"differences": "; ".join(f"[{badge.kind}: {badge.label}]" for badge in one.badges)}
                for one in ours
            ]
    return pd.DataFrame(rows)

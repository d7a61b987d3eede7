"""Tables over many runs: one row a run, and mean and spread over seeds.

Taught in: notebooks/09_reproduction_report, section 2.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd

from spbl_nb.metrics import SUMMARY
from spbl_nb.runs import Run


def frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row a run: names, seed, the report's numbers, dead classes, optimiser steps, seconds and folder.

    What is not defined (null in the file) is NaN.
    """
    rows = []
    for run in runs:
        result, report = run.result, run.result["report"]
        row = {"config": result["config_name"]} | {
            key: result["fingerprint"][key] for key in ("dataset", "method", "seed")
        }
        row |= {key: np.nan if report.get(key) is None else report[key] for key in SUMMARY}
        row |= {"dead_classes": len(report.get("dead_classes", ())), "steps": result["steps"]}
        rows.append(row | {"seconds": result["timing"]["seconds"], "folder": str(run.folder)})
    columns = ["config", "dataset", "method", "seed", *SUMMARY, "dead_classes", "steps", "seconds", "folder"]
    return pd.DataFrame(rows, columns=columns)


def same_data(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """Return (kept, left out): of each data set the runs on those pictures, by hash, that most of its runs were made on."""
    runs = list(runs)
    seen = Counter((run.result["fingerprint"]["dataset"], run.result["fingerprint"]["data_sha256"]) for run in runs)
    chosen = {dataset: data for (dataset, data), _ in reversed(seen.most_common())}
    kept: list[Run] = []
    others: list[Run] = []
    for run in runs:
        mark = run.result["fingerprint"]
        (kept if chosen[mark["dataset"]] == mark["data_sha256"] else others).append(run)
    return kept, others


def mean_and_spread(table: pd.DataFrame, columns: Sequence[str] = ("accuracy", "f1", "g_mean", "mauc")) -> pd.DataFrame:
    """Return one row per data set and method: n seeds, and ``mean ± standard deviation`` over seeds of each column.

    ``table`` is that of :func:`frame`. The deviation is that of a sample (n - 1); with one seed there is none, and only
    the value is given. Raises ValueError if the table mixes configurations, whose numbers cannot be compared.
    """
    mixed = sorted(table["config"].unique())
    if len(mixed) > 1:
        raise ValueError(f"the table mixes the configurations {', '.join(mixed)}; choose the rows of one of them")
    rows = []
    for (dataset, method), group in table.groupby(["dataset", "method"], sort=True):
        row = {"data set": dataset, "method": method, "seeds": len(group)}
        rows.append(row | {column: _plus_minus(group[column]) for column in columns})
    return pd.DataFrame(rows, columns=["data set", "method", "seeds", *columns])


def _plus_minus(values: pd.Series) -> str:
    return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}" if len(values) > 1 else f"{values.mean():.3f}"

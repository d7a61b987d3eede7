"""Tables over many runs: one row a run, mean and spread over seeds, and the form in which a page or a paper shows them."""

import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from spbl_nb import files
from spbl_nb.metrics import SUMMARY
from spbl_nb.results.store import Run
from spbl_nb.significance import mean_and_deviation

if TYPE_CHECKING:
    from pandas.io.formats.style import Styler

FEWER_LABEL_METHODS = ("spaco",)  # methods that see fewer labels than the others
FEWER_LABELS, TEST_SELECTED = "‡ fewer labels", "† selected on test"
_MISSING = "–"
_LATEX = str.maketrans({"±": r"$\pm$", "−": "$-$", "–": "--", "†": r"$\dagger$", "‡": r"$\ddagger$"})
_LATEX_CAPTION = str.maketrans({letter: f"\\{letter}" for letter in "_%&#$"})


def frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row a run: names, seed, the report's numbers, dead classes, optimiser steps, seconds and folder.

    What is not defined, or not in the file of an older version, is NaN. ``fewer_labels`` and ``selected_on_test`` mark
    runs that do not compete on equal terms.
    """
    rows = [
        {
            "config": run.result["config_name"],
            **{key: run.result["fingerprint"][key] for key in ("dataset", "method", "seed")},
            **{key: run.result["report"].get(key) for key in SUMMARY},
            "dead_classes": len(run.result["report"].get("dead_classes", ())),
            "steps": run.result["steps"],
            "fewer_labels": fewer_labels(run.result),
            "selected_on_test": selected_on_test(run.result),
            "seconds": run.result["timing"].get("seconds", np.nan),
            "folder": str(run.folder),
        }
        for run in runs
    ]
    columns = ["config", "dataset", "method", "seed", *SUMMARY, "dead_classes", "steps"]
    table = pd.DataFrame(rows, columns=[*columns, "fewer_labels", "selected_on_test", "seconds", "folder"])
    return table.astype({"fewer_labels": bool, "selected_on_test": bool} | dict.fromkeys(SUMMARY, float))


def fewer_labels(result: dict[str, Any]) -> bool:
    """Say whether a run saw the labels of only some of its training images."""
    details = result.get("details") or {}
    return result["fingerprint"]["method"] in FEWER_LABEL_METHODS or bool(details.get("unlabelled"))


def selected_on_test(result: dict[str, Any]) -> bool:
    """Say whether a run chose its epochs on the test images, so that its numbers promise too much."""
    switches = (result.get("details") or {}).get("switches") or {}
    return switches.get("selection", (result["fingerprint"].get("config") or {}).get("selection")) == "test"


def mean_and_spread(table: pd.DataFrame, columns: Sequence[str] = ("accuracy", "f1", "g_mean", "mauc")) -> pd.DataFrame:
    """Return one row per data set and method: number of seeds, and mean ± standard deviation (n - 1) of each column.

    ``table`` is that of :func:`frame`. Where any method sees fewer labels or chooses on the test images, a last column
    ``remark`` says so. Raises ValueError if the table mixes configurations, whose numbers cannot be compared.
    """
    mixed = sorted(table["config"].unique())
    if len(mixed) > 1:
        raise ValueError(f"the table mixes the configurations {', '.join(mixed)}; choose the rows of one of them")
    marks = {"fewer_labels": FEWER_LABELS, "selected_on_test": TEST_SELECTED}
    rows = []
    for (dataset, method), group in table.groupby(["dataset", "method"], sort=True):
        row = {"data set": dataset, "method": method, "seeds": len(group)}
        row |= {column: plus_minus(group[column]) for column in columns}
        rows.append(row | {"remark": ", ".join(text for column, text in marks.items() if group[column].any())})
    found = pd.DataFrame(rows, columns=["data set", "method", "seeds", *columns, "remark"])
    return found if found["remark"].any() else found.drop(columns="remark")


def plus_minus(values: Iterable[float], digits: int = 3, scale: float = 1.0) -> str:
    """Return ``mean ± deviation`` of the values that are numbers; the mean alone of one value, a dash of none."""
    known = scale * np.array([value for value in values if not pd.isna(value)], dtype=float)
    if len(known) == 0:
        return _MISSING
    mean, deviation = mean_and_deviation(known)
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}" if len(known) > 1 else f"{mean:.{digits}f}"


def bundle(table: pd.DataFrame, caption: str = "") -> dict[str, str]:
    """Return a table for ``display(…, raw=True)``: HTML where there is a browser, plain text elsewhere.

    Columns of numbers are set to the right; a line break in a cell stays one.
    """
    if table.empty:
        text = f"{caption or 'table'}: nothing to show"
        return {"text/html": f"<p>{html.escape(text)}</p>", "text/plain": text}
    plain = table.replace("\n", " ", regex=True).to_string(index=False)
    sides = {
        name: "right;white-space:nowrap" if _is_numeric(table[name]) else "left;white-space:pre-line" for name in table
    }
    styled = _style(table, "html").set_uuid(files.sha256_of(caption, plain)[:8]).set_caption(html.escape(caption))
    styled.set_table_styles([{"selector": "caption", "props": "text-align:left;padding:4px 0;white-space:nowrap"}])
    styles = {name: [{"selector": "", "props": f"text-align:{side}"}] for name, side in sides.items()}
    page = styled.set_table_styles(styles, axis=0, overwrite=False).to_html(table_attributes='style="margin:0"')
    text = f"{caption}\n{plain}" if caption else plain
    group = f'role="group" aria-label="{html.escape(caption or "table")}" tabindex="0"'  # the keyboard scrolls it
    return {"text/html": f'<div style="overflow-x:auto" {group}>{page}</div>', "text/plain": text}


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a ``table`` environment with booktabs rules."""
    sides = "".join("r" if _is_numeric(table[name]) else "l" for name in table.columns)
    return (
        _style(table, "latex")
        .to_latex(
            column_format=sides,
            position_float="centering",
            hrules=True,
            caption=caption.translate(_LATEX_CAPTION),
            label=label,
        )
        .translate(_LATEX)
    )


def _style(table: pd.DataFrame, escape: str) -> "Styler":
    styled = table.reset_index(drop=True).style.hide(axis="index")
    return styled.format(escape=escape).format_index(escape=escape, axis="columns")


def _is_numeric(column: pd.Series) -> bool:
    """Say whether every cell is a number, with or without a deviation, or a dash."""
    texts = [str(cell) for cell in column]
    return any(text[:1].isdigit() for text in texts) and all(text[:1] in "0123456789+−–" for text in texts)

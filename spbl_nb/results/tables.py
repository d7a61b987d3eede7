"""Tables over many runs: one row a run, mean and spread over seeds, and the form in which a page or a paper shows them.

Only what was measured alike may stand in one table. :func:`agreeing` keeps, of several states of data, split or
settings, the one that most runs have, and hands back the others, so that they can be named.

Taught in: notebooks/09_reproduction_report, section 2.
"""

import html
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from spbl_nb.metrics import SUMMARY
from spbl_nb.results.store import Run
from spbl_nb.significance import mean_and_deviation

APART = ("spaco",)  # methods that see fewer labels than the others
FEWER_LABELS, TEST_SELECTED = "‡ fewer labels", "† selected on test"
_MISSING = "–"


@dataclass(frozen=True)
class Badge:
    """A short mark on a number: ``kind`` "definition" or "protocol", a few words, and their ``meaning`` in a sentence."""

    kind: str
    label: str
    meaning: str

    def __str__(self) -> str:
        return f"[{self.kind}: {self.label}]"


@dataclass(frozen=True, eq=False)
class Shown:
    """A table as a page shows it: HTML where there is a browser, plain text elsewhere.

    Cells are texts, or tuples of :class:`Badge`, which in HTML stand in a line of their own below their row. A column of
    numbers is set to the right.
    """

    table: pd.DataFrame
    caption: str = ""

    def __repr__(self) -> str:
        if self.table.empty:
            return f"{self.caption or 'table'}: nothing to show"
        text = self.table.map(_text).to_string(index=False)
        return f"{self.caption}\n{text}" if self.caption else text

    def _repr_html_(self) -> str:
        if self.table.empty:
            return f"<p>{html.escape(repr(self))}</p>"
        below = [name for name in self.table.columns if any(isinstance(cell, tuple) for cell in self.table[name])]
        shown = self.table.drop(columns=below)
        sides = ["right" if _is_numeric(shown[name]) else "left" for name in shown.columns]
        head = "".join(
            f'<th scope="col" style="text-align:{side}">{html.escape(str(name))}</th>'
            for name, side in zip(shown.columns, sides, strict=True)
        )
        lines = []
        for place, row in enumerate(shown.itertuples(index=False)):
            cells = [
                f'<td style="text-align:{side};white-space:nowrap">{html.escape(str(cell))}</td>'
                for cell, side in zip(row, sides, strict=True)
            ]
            lines.append(f"<tr>{''.join(cells)}</tr>")
            badges = [badge for name in below for badge in self.table[name].iloc[place]]
            if badges:
                pills = " ".join(map(_pill, badges))
                lines.append(f'<tr><td></td><td colspan="{len(sides) - 1}" style="text-align:left">{pills}</td></tr>')
        caption = f'<caption style="text-align:left;padding:4px 0">{html.escape(self.caption)}</caption>'
        return (
            f'<div style="overflow-x:auto"><table style="margin:0">{caption if self.caption else ""}'
            f"<thead><tr>{head}</tr></thead>\n<tbody>\n{chr(10).join(lines)}\n</tbody></table></div>"
        )


def frame(runs: Iterable[Run]) -> pd.DataFrame:
    """Return one row a run: names, seed, the report's numbers, dead classes, optimiser steps, seconds and folder.

    What is not defined (null in the file), or not in the file of an older version, is NaN. ``fewer_labels`` and
    ``selected_on_test`` mark runs that do not compete on equal terms.
    """
    rows = []
    for run in runs:
        result, report = run.result, run.result["report"]
        row = {"config": result["config_name"]} | {
            key: result["fingerprint"][key] for key in ("dataset", "method", "seed")
        }
        row |= {key: np.nan if report.get(key) is None else report[key] for key in SUMMARY}
        row |= {"dead_classes": len(report.get("dead_classes", ())), "steps": result["steps"]}
        row |= {"fewer_labels": fewer_labels(result), "selected_on_test": selected_on_test(result)}
        rows.append(row | {"seconds": result["timing"].get("seconds", np.nan), "folder": str(run.folder)})
    columns = ["config", "dataset", "method", "seed", *SUMMARY, "dead_classes", "steps"]
    table = pd.DataFrame(rows, columns=[*columns, "fewer_labels", "selected_on_test", "seconds", "folder"])
    return table.astype({"fewer_labels": bool, "selected_on_test": bool})


def fewer_labels(result: dict[str, Any]) -> bool:
    """Say whether a run saw the labels of only some of its training pictures."""
    return result["fingerprint"]["method"] in APART or bool(_details(result).get("unlabelled"))


def selected_on_test(result: dict[str, Any]) -> bool:
    """Say whether a run chose its epochs on the test pictures, so that its numbers promise too much."""
    switches = _details(result).get("switches") or {}
    return switches.get("selection", (result["fingerprint"].get("config") or {}).get("selection")) == "test"


def _details(result: dict[str, Any]) -> dict[str, Any]:
    return result.get("details") or {}


def agreeing(
    runs: Iterable[Run], group_of: Callable[[Run], Hashable], state_of: Callable[[Run], Hashable]
) -> tuple[list[Run], list[Run]]:
    """Return (kept, left out): of each group the runs in that state in which most of the group are.

    Of states that are level, the one that comes first counts.
    """
    runs = list(runs)
    seen = Counter((group_of(run), state_of(run)) for run in runs)
    chosen = {group: state for (group, state), _ in reversed(seen.most_common())}
    kept: list[Run] = []
    others: list[Run] = []
    for run in runs:
        (kept if chosen[group_of(run)] == state_of(run) else others).append(run)
    return kept, others


def same_data(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """Return (kept, left out): of each data set the runs on those pictures, by hash, that most of its runs were made on."""
    return agreeing(runs, _mark("dataset"), _mark("data_sha256"))


def same_split(runs: Iterable[Run]) -> tuple[list[Run], list[Run]]:
    """Return (kept, left out): of each data set and seed the runs on that split, by hash, that most of them have."""
    return agreeing(runs, _mark("dataset", "seed"), _mark("split_sha256"))


def _mark(*keys: str) -> Callable[[Run], Hashable]:
    return lambda run: tuple(run.result["fingerprint"].get(key) for key in keys)


def mean_and_spread(table: pd.DataFrame, columns: Sequence[str] = ("accuracy", "f1", "g_mean", "mauc")) -> pd.DataFrame:
    """Return one row per data set and method: n seeds, and ``mean ± standard deviation`` over seeds of each column.

    ``table`` is that of :func:`frame`. The deviation is that of a sample (n - 1); with one seed there is none, and only
    the value is given. A last column ``remark`` tells, where there are any, which methods see fewer labels or choose on
    the test pictures. Raises ValueError if the table mixes configurations, whose numbers cannot be compared.
    """
    mixed = sorted(table["config"].unique())
    if len(mixed) > 1:
        raise ValueError(f"the table mixes the configurations {', '.join(mixed)}; choose the rows of one of them")
    rows = []
    for (dataset, method), group in table.groupby(["dataset", "method"], sort=True):
        row = {"data set": dataset, "method": method, "seeds": len(group)}
        row |= {column: plus_minus(group[column]) for column in columns}
        rows.append(row | {"remark": remark(group)})
    found = pd.DataFrame(rows, columns=["data set", "method", "seeds", *columns, "remark"])
    return found if found["remark"].any() else found.drop(columns="remark")


def remark(group: pd.DataFrame) -> str:
    """Return what keeps the rows of one method from competing on equal terms, an empty text if nothing does."""
    marks = {"fewer_labels": FEWER_LABELS, "selected_on_test": TEST_SELECTED}
    return ", ".join(text for column, text in marks.items() if group[column].any())


def plus_minus(values: Iterable[float], digits: int = 3, scale: float = 1.0) -> str:
    """Return ``mean ± deviation`` of the values that are numbers; the mean alone of one value, a dash of none."""
    known = scale * np.array([value for value in values if not pd.isna(value)], dtype=float)
    if len(known) == 0:
        return _MISSING
    mean, deviation = mean_and_deviation(known)
    return f"{mean:.{digits}f} ± {deviation:.{digits}f}" if len(known) > 1 else f"{mean:.{digits}f}"


_LATEX = {
    "\\": r"\textbackslash{}", "_": r"\_", "%": r"\%", "&": r"\&", "#": r"\#", "$": r"\$", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "±": r"$\pm$", "−": "$-$", "–": "--", "†": r"$\dagger$",
    "‡": r"$\ddagger$", "“": "``", "”": "''",
}  # fmt: skip


def to_latex(table: pd.DataFrame, caption: str, label: str) -> str:
    """Return a ``table`` environment with booktabs rules; a rule parts rows that differ in the first column."""
    sides = "".join("r" if _is_numeric(table[name]) else "l" for name in table.columns)
    lines = [r"\begin{table}", r"\centering", rf"\caption{{{_latex(caption)}}}", rf"\label{{{label}}}"]
    lines += [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", _latex_row(table.columns), r"\midrule"]
    previous = None
    for row in table.itertuples(index=False):
        if previous not in (None, row[0]):
            lines.append(r"\midrule")
        previous = row[0]
        lines.append(_latex_row(row))
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex_row(cells: Iterable[Any]) -> str:
    return " & ".join(_latex(_text(cell)) for cell in cells) + r" \\"


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def _is_numeric(column: pd.Series) -> bool:
    """Say whether every cell is a number, with or without a deviation, or a dash."""
    texts = [_text(cell) for cell in column]
    return any(text[:1].isdigit() for text in texts) and all(text[:1] in "0123456789+−–" for text in texts)


def _text(cell: Any) -> str:
    return " ".join(map(str, cell)) if isinstance(cell, tuple) else str(cell)


_COLOURS = {"definition": "#0072B2", "protocol": "#8a5a00"}


def _pill(badge: Badge) -> str:
    colour = _COLOURS[badge.kind]
    return (
        f'<span title="{html.escape(badge.meaning, quote=True)}" style="display:inline-block;margin:1px;padding:0 7px;'
        f"border:1px solid {colour};border-radius:9px;color:{colour};background:#fff;font-size:90%;"
        f'white-space:nowrap">{badge.kind}: {html.escape(badge.label)}</span>'
    )

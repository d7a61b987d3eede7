"""What README.md shows of the notebooks and of the committed results: made from them, never typed in.

A part of the file between ``<!-- made from WHAT -->`` and ``<!-- end -->`` is written by :func:`update`: the table of
the series, the tables of one result file (the means alone, if it has several data sets), or (``FILE#CLASS``) what one class
weighed in each of its runs. The pictures beside them come from the same sources: an explorer as it stands in the
executed notebook, and the scores of a result file. ``spbl-nb render`` renews all of it; a test finds what is stale.
"""

import base64
import io
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from spbl_nb import files, places
from spbl_nb.methods.spbl_variants import VARIANTS
from spbl_nb.plots import figures, report_plots
from spbl_nb.results import report, store, tables
from spbl_nb.results import text as report_words
from tools import render as rendering
from tools import series

README, EXPLORER, SCORES = "README.md", "explorer.png", "scores.png"
_PART = re.compile(r"(<!-- made from (\S+) -->\n).*?(\n<!-- end -->)", re.S)
_SHOWN = ("04_balance_learning", "Balance explorer")  # the notebook, and how the alt text of its picture begins
_SCORED = "ham10000_28.json"
_SHUFFLED = [f"spbl_{name}" for name, switches in VARIANTS.items() if switches.assignment == "released"]
_COLUMNS = {
    "precision": "precision",
    "recall": "recall",
    "f1": "F1",
    "g_mean": "G-mean",
    "weighted_harmonic": "harmonic",
    "mauc": "MAUC",
    "accuracy": "accuracy",
}
_SOURCE = "made-from-sha256"


def update(notebooks: str | os.PathLike | None = None) -> list[str]:
    """Renew README.md beside the notebooks' folder, and its pictures; return the names of the files that changed."""
    folder = places.notebooks_dir(notebooks)
    readme = folder.parent / README
    if not readme.is_file():
        return []
    before = readme.read_text(encoding="utf-8")
    after = _text(before, folder)
    if after != before:
        files.write_text(readme, after)
    return [README] * (after != before) + list(_write_pictures(folder))


def stale(notebooks: str | os.PathLike | None = None) -> list[str]:
    """Return a message for the README, and for each of its pictures, that is not made from what stands there now."""
    folder = places.notebooks_dir(notebooks)
    readme = folder.parent / README
    if not readme.is_file():
        return []
    before = readme.read_text(encoding="utf-8")
    found = [README] * (_text(before, folder) != before)
    found += [name for name, path, source, _ in _pictures(folder) if _made_from(path) != source]
    return [f"{name} does not show the present notebooks and results; run 'spbl-nb render --readme'" for name in found]


def _text(readme: str, folder: Path) -> str:
    """Return the text of a README with its made parts as they should be."""

    def made(found: re.Match) -> str:
        name, _, label = found[2].partition("#")
        path = folder.parent / name
        part = rendering.table(folder) if name == "notebooks" else weights(path, label) if label else results(path)
        return f"{found[1]}{part}{found[3]}"

    return _PART.sub(made, readme)


def results(path: Path) -> str:
    """Return the tables of a result file in Markdown, and in words what they say; of several data sets the means alone."""
    frame = _frame(path)
    dataset, *more = sorted(frame["dataset"].unique())
    if more:
        return _means(frame, [dataset, *more])
    lines = [f"| method | seeds | {' | '.join(_COLUMNS.values())} |", "|---" * (2 + len(_COLUMNS)) + "|"]
    lines += _rows(frame, [(dataset, metric) for metric in _COLUMNS])
    lines += [
        "",
        "| minus `ce`, seed by seed | macro F1 | 95 % interval | p | accuracy | 95 % interval | p |",
    ]
    lines += ["|---" * 7 + "|"]
    found = {metric: report.differences(frame, dataset, metric) for metric in ("f1", "accuracy")}
    for first, second in zip(found["f1"].comparisons, found["accuracy"].comparisons, strict=True):
        cells = [
            cell
            for one in (first, second)
            for cell in (report_words.signed(one.mean), report_words.interval(one.interval), f"{one.adjusted_p:.3g}")
        ]
        declared = ", declared beforehand" if first.family == "primary" else ""
        lines.append(f"| `{first.method}`{declared} | {' | '.join(cells)} |")
    limits = [line for line in report_words.limits(found["f1"]).splitlines() if not line.startswith("Primary")]
    told = [report_words.verdict(found["f1"]), *limits, report_words.highest(frame, dataset)]
    told.append(
        "p: by the exact sign-flip test over seeds ([07](notebooks/07_evaluation.ipynb)), of the others adjusted for their "
        f"number (Holm); of `{report.PRIMARY}` as it is, for its macro F1 was declared beforehand "
        "([in the code](spbl_nb/results/report.py)). Its accuracy was not: read that p as one look more."
    )
    told.append(
        "Where interval and p disagree, believe p: it assumes no more than that without an effect every sign is as likely as "
        "the other."
    )
    return "\n".join([*lines, "", *(f"- {sentence.strip()}" for sentence in told if sentence)])


def _means(frame: pd.DataFrame, datasets: list[str]) -> str:
    """Return one table with macro F1 and accuracy on every data set."""
    shown = {(name, metric): f"{name}: {_COLUMNS[metric]}" for name in datasets for metric in ("f1", "accuracy")}
    lines = [f"| method | seeds | {' | '.join(shown.values())} |", "|---" * (2 + len(shown)) + "|"]
    return "\n".join([*lines, *_rows(frame, shown)])


def _rows(frame: pd.DataFrame, shown: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield a row for each method: mean and deviation of the ``shown`` (data set, metric), and the number of seeds."""
    for method in report.ordered(frame["method"].unique()):
        mine = frame[frame["method"] == method]
        mark = " †" if mine["selected_on_test"].any() else ""
        cells = [
            tables.plus_minus(mine.loc[mine["dataset"] == name, metric]).replace("0.", ".") for name, metric in shown
        ]
        seeds = sorted({len(runs_of) for _, runs_of in mine.groupby("dataset")})
        yield f"| `{method}`{mark} | {' or '.join(map(str, seeds))} | {' | '.join(cells)} |"


def weights(path: Path, label: str) -> str:
    """Return, in Markdown, the penalty weight of one class at the last pace of every run that shuffles weights, least first.

    With it stand the run's method, its seed and its accuracy.
    """
    found = []
    for record in store.read_records(path):
        mark = record["fingerprint"]
        if mark["method"] in _SHUFFLED:
            weight = record["details"]["paces"][-1]["weights"][record["class_names"].index(label)]
            method = f"`{mark['method']}`{' †' if tables.selected_on_test(record) else ''}"
            found.append((weight, method, mark["seed"], record["report"]["accuracy"]))
    lines = [f"| weight of {label} at the last pace | method | seed | accuracy |", "|---" * 4 + "|"]
    for weight, method, seed, accuracy in sorted(found):
        lines.append(f"| {weight:.2f} | {method} | {seed} | {accuracy:.3f} |".replace(" 0.", " ."))
    return "\n".join(lines)


def _write_pictures(folder: Path) -> Iterator[str]:
    for name, path, source, draw in _pictures(folder):
        if _made_from(path) != source:
            path.parent.mkdir(parents=True, exist_ok=True)
            info = PngInfo()
            info.add_text(_SOURCE, source)
            with files.replacing(path) as handle:
                draw().save(handle, format="PNG", optimize=True, pnginfo=info)
            yield name


def _pictures(folder: Path) -> Iterator[tuple[str, Path, str, Callable[[], Image.Image]]]:
    """Yield name, path, hash of the source and drawing of each picture that can be made."""
    place = folder.parent / "results" / "pictures"
    shown, scored = _explorer(folder), folder.parent / "results" / _SCORED
    if shown is not None:
        yield EXPLORER, place / EXPLORER, files.sha256_of(shown), lambda: Image.open(io.BytesIO(shown))
    if scored.is_file():
        yield SCORES, place / SCORES, files.sha256_of(scored.read_bytes()), lambda: _scores(scored)


def _explorer(folder: Path) -> bytes | None:
    """Return the explorer's picture from the executed notebook, None where it holds no outputs."""
    name, title = _SHOWN
    for cell in series.read(folder / f"{name}.ipynb").content["cells"]:
        for output in cell.get("outputs", ()):
            if output.get("metadata", {}).get("image/png", {}).get("alt", "").startswith(title):
                return base64.b64decode("".join(output["data"]["image/png"]))
    return None


def _scores(path: Path) -> Image.Image:
    frame = _frame(path)
    methods = report.ordered(frame["method"].unique())
    values = {
        report.TITLES[metric]: {method: frame.loc[frame["method"] == method, metric].tolist() for method in methods}
        for metric in ("f1", "g_mean", "accuracy")
    }
    marks = dict.fromkeys(frame.loc[frame["selected_on_test"], "method"], " †")
    return Image.open(io.BytesIO(figures.to_png(report_plots.scores(values, marks))))


def _made_from(path: Path) -> str:
    if not path.is_file():
        return ""
    with Image.open(path) as picture:
        return str(picture.info.get(_SOURCE, ""))


def _frame(path: Path) -> pd.DataFrame:
    nothing = np.empty(0)
    return tables.frame(
        store.Run(path, record, nothing, nothing, nothing, nothing, []) for record in store.read_records(path)
    )

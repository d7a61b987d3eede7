"""What README.md and docs/ show of the notebooks and of the committed results: made from them, never typed in.

A part of such a file between ``<!-- made from WHAT -->`` and ``<!-- end -->`` is the table of the series (``notebooks``),
that of the original configuration names (``names``), or the tables of one result file. The images beside them come from the
same sources: an explorer as it stands in the executed notebook, and the scores of a result file. ``python -m tools.render``
renews all of it; a test finds what is stale.
"""

import base64
import io
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from spbl_nb import config_files, files
from spbl_nb.plots import comparisons, figures
from spbl_nb.results import report, store, tables
from spbl_nb.results.text import (
    describe_highest,
    describe_limits,
    describe_verdict,
    format_interval,
    format_signed,
)
from tools import series

KEY = "spbl_nb"  # in a notebook's metadata: what its rendering leaves there
MEASURED = re.compile(r"about \d+ (?:s|seconds|minutes?)\b")  # how long a page takes, written by the rendering itself
EXPLORER, SCORES = "explorer.png", "scores.png"
_PART = re.compile(r"(<!-- made from (\S+) -->\n).*?(\n<!-- end -->)", re.S)
_SHOWN = ("04_balance_learning", "Balance explorer")  # the notebook, and how the alt text of its image begins
_SCORED = "ham10000_28.json"
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


def update(notebooks: Path) -> list[str]:
    """Renew README.md and docs/*.md beside the notebooks' folder, and their images; return the names of what changed."""
    changed = []
    for path, before, after in _texts(notebooks):
        if after != before:
            files.write_text(path, after)
            changed.append(path.name)
    return changed + list(_write_images(notebooks))


def stale(notebooks: Path) -> list[str]:
    """Return a message for each file, and each image, that is not made from what stands there now."""
    found = [path.name for path, before, after in _texts(notebooks) if before != after]
    found += [name for name, path, source, _ in _images(notebooks) if _made_from(path) != source]
    again = "run 'python -m tools.render --readme'"
    return [f"{name} does not show the present notebooks and results; {again}" for name in found]


def filled(text: str, notebooks: Path) -> str:
    """Return the text with each part between ``<!-- made from WHAT -->`` and ``<!-- end -->`` as it should be."""

    def made(found: re.Match) -> str:
        made_from = {"notebooks": lambda: table(notebooks), "names": names}
        part = made_from.get(found[2], lambda: results(notebooks.parent / found[2]))()
        return f"{found[1]}{part}{found[3]}"

    return _PART.sub(made, text)


def _texts(notebooks: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield each file with its text as it stands and as it should be."""
    root = notebooks.parent
    for path in [root / "README.md", *sorted((root / "docs").glob("*.md"))]:
        if path.is_file():
            before = path.read_text(encoding="utf-8")
            yield path, before, filled(before, notebooks)


def duration(seconds: float) -> str:
    """Return seconds as a page gives them: rounded to five, from two minutes on to whole minutes."""
    if seconds >= 115:
        return f"about {round(seconds / 60)} minutes"
    return f"about {max(5, 5 * round(seconds / 5))} seconds"


def table(notebooks: Path) -> str:
    """Return the table of the series in Markdown: notebook, the question it answers, its measured time."""
    every = series.read_series(notebooks)
    row = re.compile(r"^\| (?:\*\*|\[)(\d\d [^\]*]+)(?:\*\*|\]\([^)]*\)) \| (.+?) \|$", re.M)  # the map in notebook 00
    first = next(iter(every.values()))
    questions = dict(found for cell in first.of_kind("markdown") for found in row.findall(cell.source))
    lines = ["| notebook | question | on two cores |", "|---|---|---|"]
    for name, notebook in every.items():
        title = notebook.headings()[0][1].split(":")[0]
        seconds = notebook.content["metadata"].get(KEY, {}).get("seconds")
        took = "not measured" if seconds is None else duration(seconds)
        lines.append(f"| [{title}]({notebooks.name}/{name}.ipynb) | {questions.get(title, '')} | {took} |")
    return "\n".join(lines)


def names() -> str:
    """Return the table of the original configuration names in Markdown."""
    rows = [f"| `{row.original}` | {row.ours or 'no effect'} | {row.remark} |" for row in config_files.NAMES]
    return "\n".join(["| name | here | remark |", "|---|---|---|", *rows])


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
            for cell in (format_signed(one.mean), format_interval(one.interval), f"{one.adjusted_p:.3g}")
        ]
        declared = ", declared beforehand" if first.family == "primary" else ""
        lines.append(f"| `{first.method}`{declared} | {' | '.join(cells)} |")
    limits = [line for line in describe_limits(found["f1"]).splitlines() if not line.startswith("Primary")]
    sentences = [describe_verdict(found["f1"]), *limits, describe_highest(frame, dataset)]
    sentences.append(
        "p: by the exact sign-flip test over seeds (notebook 07), of the others adjusted for their "
        f"number (Holm); of `{report.PRIMARY}` as it is, for its macro F1 was declared beforehand "
        "(`spbl_nb/results/report.py`). Its accuracy was not: read that p as one look more."
    )
    sentences.append(
        "Where interval and p disagree, believe p: it assumes no more than that without an effect every sign is as likely as "
        "the other."
    )
    return "\n".join([*lines, "", *(f"- {sentence.strip()}" for sentence in sentences if sentence)])


def _means(frame: pd.DataFrame, datasets: list[str]) -> str:
    """Return one table with macro F1 on every data set."""
    shown = {(name, "f1"): f"{name}: F1" for name in datasets}
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


def _write_images(notebooks: Path) -> Iterator[str]:
    for name, path, source, draw in _images(notebooks):
        if _made_from(path) != source:
            path.parent.mkdir(parents=True, exist_ok=True)
            info = PngInfo()
            info.add_text(_SOURCE, source)
            with files.replacing(path) as handle:
                draw().save(handle, format="PNG", optimize=True, pnginfo=info)
            yield name


def _images(notebooks: Path) -> Iterator[tuple[str, Path, str, Callable[[], Image.Image]]]:
    """Yield name, path, hash of the source and drawing of each image that can be made."""
    place = notebooks.parent / "results" / "pictures"
    shown, scored = _explorer(notebooks), notebooks.parent / "results" / _SCORED
    if shown is not None:
        yield EXPLORER, place / EXPLORER, files.sha256_of(shown), lambda: Image.open(io.BytesIO(shown))
    if scored.is_file():
        yield SCORES, place / SCORES, files.sha256_of(scored.read_bytes()), lambda: _scores(scored)


def _explorer(notebooks: Path) -> bytes | None:
    """Return the explorer's image from the executed notebook, None where it holds no outputs."""
    name, title = _SHOWN
    path = notebooks / f"{name}.ipynb"
    for cell in series.read(path).content["cells"] if path.is_file() else ():
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
    return Image.open(io.BytesIO(figures.to_png(comparisons.scores(values, marks))))


def _made_from(path: Path) -> str:
    if not path.is_file():
        return ""
    with Image.open(path) as image:
        return str(image.info.get(_SOURCE, ""))


def _frame(path: Path) -> pd.DataFrame:
    nothing = np.empty(0)
    return tables.frame(
        store.Run(path, record, nothing, nothing, nothing, nothing, []) for record in store.read_records(path)
    )

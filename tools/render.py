"""Committed pages: every notebook executed at its defaults, stripped to what a reader sees, and marked with what it shows.

``spbl-nb render`` runs the notebooks as they stand (preset ``fast``, embedded data) and writes outputs, execution counts
1..n and a fingerprint into them; their sources stay as they are, but for the time they took. Widget state, progress bars and
metadata of the execution are left out: an explorer is there as the pictures of its presets and of its start. ``--check``
runs nothing: it compares each fingerprint with the present notebook and library, and says which pages to render again.

Notebook 08 makes its run in a folder that is thrown away. Notebook 09 reports what stands in the runs folder, so the default
grid of ``spbl-nb reproduce`` has to be there. Measured seconds are the only numbers that differ between two renderings on
one machine.

Taught in: notebooks/00_start_here, section 2.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from spbl_nb import checks, files, places
from spbl_nb.batch import parameters, workers
from tools import fingerprints, series
from tools import lint as notebook_lint

PRESET = "fast"
LARGEST = 400_000  # bytes of a committed notebook
SECONDS_FILE = "seconds.json"  # beside the notebooks: what each took
_KEY = "spbl_nb"  # in a notebook's metadata
_TIME_LIMIT = 900.0
_KEPT = ("image/png", "text/html", "text/markdown", "text/latex", "text/plain")


class RenderError(ValueError):
    """A notebook ran, but what it shows must not be committed; the message says why."""


def render(
    names: Iterable[str] = (),
    *,
    folder: str | os.PathLike | None = None,
    runs_dir: str | os.PathLike | None = None,
    jobs: int | None = None,
) -> list[str]:
    """Run notebooks, write their outputs into them, and return what went wrong, one message each, best empty.

    ``names`` are stems and choose some (default: all); ``jobs`` run at a time (default: one a core). A notebook that fails
    keeps what stands in it. Prints a line for each.
    """
    where = places.notebooks_dir(folder)
    every = series.read_series(where)
    chosen = [checks.one_of("name", Path(name).stem, every) for name in names] or list(every)
    results = places.runs_dir(runs_dir)
    if places.REPORT in chosen and not any((results / PRESET).glob("*/*/seed-*/result.json")):
        raise FileNotFoundError(
            f"{places.REPORT} reports the runs in {results}, and there are none of preset {PRESET}; make them with "
            "'spbl-nb reproduce --no-notebooks', or give another --runs-dir"
        )
    jobs = min(len(chosen), checks.integer("jobs", workers.available_cores() if jobs is None else jobs, 1))
    problems, seconds = [], {}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_render_one, every[name].path, results): name for name in chosen}
        for future in as_completed(running):
            name = running[future]
            try:
                seconds[name], size = future.result()
            except (RuntimeError, ValueError, OSError) as error:
                problems.append(f"{name}: {error}")
                print(f"FAILED {name}: {error}", flush=True)
            else:
                print(f"{name:<28}{seconds[name]:6.1f} s{size / 1000:8.0f} kB", flush=True)
    _remember(where / SECONDS_FILE, seconds, jobs)
    return problems


def check(names: Iterable[str] = (), folder: str | os.PathLike | None = None) -> list[str]:
    """Return a message for every committed page that is stale or not fit to be committed, each with the command to run."""
    every = series.read_series(places.notebooks_dir(folder))
    chosen = [checks.one_of("name", Path(name).stem, every) for name in names] or list(every)
    return [problem for name in chosen for problem in faults(every[name])]


def faults(notebook: series.Notebook) -> list[str]:
    """Return what is wrong with one committed page."""
    name, again = notebook.path.name, f"run 'spbl-nb render {notebook.path.stem}'"
    found = notebook.metadata.get(_KEY, {}).get("sha256")
    if found is None:
        return [f"{name} holds no outputs of a rendering; {again}"]
    told = []
    if found != fingerprints.of_notebook(notebook):
        told.append(f"{name} is stale: the notebook or a module it imports has changed since; {again}")
    cells = [cell for cell in notebook.content["cells"] if cell["cell_type"] == "code"]
    if [cell["execution_count"] for cell in cells] != list(range(1, len(cells) + 1)):
        told.append(f"{name} was not executed from top to bottom; {again}")
    size = notebook.path.stat().st_size
    if size > LARGEST:
        told.append(f"{name} has {size / 1000:.0f} kB; allowed: {LARGEST // 1000}. Show fewer or smaller pictures")
    return told + [f"{name}: {what}; {again}" for what in _unfit(cells)]


def seconds(folder: str | os.PathLike | None = None) -> dict[str, float]:
    """Return the seconds that each notebook took when it was last rendered, from the committed file; empty without one."""
    path = places.notebooks_dir(folder) / SECONDS_FILE
    return files.read_json(path)["seconds"] if path.is_file() else {}


def in_words(measured: float) -> str:
    """Return seconds as a page says them: rounded to five, from two minutes on to whole minutes."""
    return (
        f"about {round(measured / 60)} minutes"
        if measured >= 115
        else f"about {max(5, 5 * round(measured / 5))} seconds"
    )


def table(folder: str | os.PathLike | None = None) -> str:
    """Return the table of the series in Markdown: notebook, the question it answers, its measured time."""
    where = places.notebooks_dir(folder)
    every, took = series.read_series(where), seconds(folder)
    questions = _questions(next(iter(every.values())))
    lines = ["| notebook | question | on two cores |", "|---|---|---|"]
    for name, notebook in every.items():
        title = notebook.headings()[0][2].split(":")[0]
        time_taken = in_words(took[name]) if name in took else "not measured"
        lines.append(f"| [{title}]({where.name}/{name}.ipynb) | {questions.get(title, '')} | {time_taken} |")
    return "\n".join(lines)


def _questions(start: series.Notebook) -> dict[str, str]:
    """Return the question of each chapter by its short title, from the map in notebook 00."""
    found = {}
    for cell in start.of_kind("markdown"):
        for words, question in re.findall(
            r"^\| (?:\*\*|\[)(\d\d [^\]*]+)(?:\*\*|\]\([^)]*\)) \| (.+?) \|$", cell.source, re.M
        ):
            found[words] = question
    return found


def _render_one(path: Path, runs_dir: Path) -> tuple[float, int]:
    """Run one notebook and write its page; return the seconds it took and the bytes it has. Runs in a process of its own."""
    from spbl_nb.batch import execute

    notebook = series.read(path)
    known = parameters.declared(notebook.content)
    with tempfile.TemporaryDirectory(prefix="spbl-") as scratch:
        runs = runs_dir if path.stem == places.REPORT else Path(scratch) / "runs"
        folders = {"RUNS_DIR": str(runs), "TABLES_DIR": str(Path(scratch) / "tables")}
        values = {name: value for name, value in folders.items() if name in known}
        started = time.perf_counter()
        executed = execute.execute(
            path, Path(scratch) / path.name, values, time_limit=_TIME_LIMIT, folder=path.parent, threads=1
        )
        took = time.perf_counter() - started
        hidden = {str(runs): "runs", str(Path(scratch) / "tables"): "tables"}
        outputs = [
            [_cleaned(output, hidden) for output in _seen(cell.get("outputs", ()))]
            for cell in executed.cells
            if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.get("tags", ())
        ]
    files.write_text(path, page(notebook, outputs, took))
    return took, path.stat().st_size


def page(notebook: series.Notebook, outputs: list[list[dict[str, Any]]], took: float) -> str:
    """Return the text of the notebook with these outputs, one list for each code cell, and its fingerprint.

    Raises :class:`RenderError` for what must not be committed: text on standard error, an error, a picture without a
    description, an absolute path.
    """
    content = json.loads(json.dumps(notebook.content))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    for count, (cell, shown) in enumerate(zip(cells, outputs, strict=True), 1):
        cell["execution_count"] = count
        cell["outputs"] = [one | {"execution_count": count} if "execution_count" in one else one for one in shown]
    wrong = _unfit(cells)
    if wrong:
        raise RenderError("; ".join(wrong))
    first = content["cells"][0]["source"]
    for cell in content["cells"][:2]:
        text = fingerprints.MEASURED.sub(in_words(took), "".join(cell["source"]))
        cell["source"] = text.splitlines(keepends=True) if isinstance(first, list) else text
    kept = {name: value for name, value in content["metadata"].items() if name in ("kernelspec", "language_info")}
    content["metadata"] = kept | {_KEY: {"preset": PRESET, "sha256": fingerprints.of_notebook(notebook)}}
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _seen(outputs: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the outputs that a page without a kernel shows.

    A progress bar and a bare widget leave nothing; a widget leaves its picture, unless it starts at a preset that is shown.
    """
    outputs = list(outputs)
    live = [any("widget-view" in kind for kind in output.get("data", {})) for output in outputs]
    pictures = [output.get("data", {}).get("image/png") for output in outputs]
    still = {picture for picture, widget in zip(pictures, live, strict=True) if not widget}
    for output, picture, widget in zip(outputs, pictures, live, strict=True):
        if not widget or (picture is not None and picture not in still):
            yield output


def _cleaned(output: dict[str, Any], hidden: dict[str, str]) -> dict[str, Any]:
    """Return an output with what a page shows and nothing else; folders of this machine get the names they have for all."""
    if "data" not in output:
        return dict(output) | ({"text": _lines(_relative(output["text"], hidden))} if "text" in output else {})
    data = {kind: value for kind, value in output["data"].items() if kind in _KEPT}
    shown = {
        kind: value if kind == "image/png" else _lines(_relative("".join(value), hidden))
        for kind, value in data.items()
    }
    told = output.get("metadata", {}).get("image/png", {}).get("alt", "")
    metadata = {"image/png": {"alt": _relative(told, hidden)}} if told and "image/png" in data else {}
    return dict(output) | {"data": shown, "metadata": metadata}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def _relative(text: str, hidden: dict[str, str]) -> str:
    known = hidden | {f"{places.PACKAGE.parent}{os.sep}": "", sys.prefix: ".venv", str(Path.home()): "~"}
    for folder in sorted(known, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, known[folder])
    return text


def _unfit(cells: list[dict[str, Any]]) -> list[str]:
    """Return why outputs must not be committed."""
    told = []
    for count, cell in enumerate(cells, 1):
        for output in cell["outputs"]:
            data = output.get("data", {})
            if output["output_type"] == "error" or output.get("name") == "stderr":
                what = output.get("evalue") or "".join(output.get("text", "")).strip().splitlines()[-1]
                told.append(f"cell [{count}] writes an error or to standard error: {what}")
            if "image/png" in data and not output["metadata"].get("image/png", {}).get("alt", "").strip():
                told.append(f"cell [{count}] shows a picture without a description")
            if any("widget" in kind for kind in data):
                told.append(f"cell [{count}] stores a widget")
            texts = ["".join(value) for kind, value in data.items() if kind.startswith("text/")]
            for path in notebook_lint.ABSOLUTE_PATH.findall("".join(output.get("text", "")) + " ".join(texts)):
                told.append(f"cell [{count}] shows a path of this machine ({path}…)")
    return told


def _remember(path: Path, measured: dict[str, float], jobs: int) -> None:
    """Write the seconds just measured into the committed file, beside those of other notebooks."""
    if measured:
        before = files.read_json(path)["seconds"] if path.is_file() else {}
        rounded = {name: round(value, 1) for name, value in measured.items()}
        remark = "Seconds from starting the kernel to the last cell, measured by 'spbl-nb render' on the machine named."
        content = {"remark": remark, "cores": workers.available_cores(), "at_a_time": jobs, "seconds": before | rounded}
        files.write_json(path, content)

"""Committed pages: every notebook executed at its defaults, with the outputs that a reader sees.

``python -m tools.render`` runs the notebooks (preset ``fast``, embedded data), writes outputs, execution counts and a
fingerprint into them, and renews README and docs. ``--check`` runs nothing: it compares each fingerprint with the present
notebook and library. Progress bars and widget state are left out; an explorer leaves the images of its presets and of its start.

Notebook 08 makes its run in a folder that is thrown away; notebook 09 reports the runs folder, so the default grid of
``spbl-nb reproduce`` has to be there.
"""

import argparse
import ast
import functools
import io
import json
import os
import sys
import tempfile
import time
import tokenize
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from spbl_nb import files, places
from spbl_nb.batch import parameters
from tools import lint, readme, series

PRESET = "fast"
LARGEST = 400_000  # bytes of a committed notebook
_TIME_LIMIT = 900.0
_KEPT = ("image/png", "text/html", "text/markdown", "text/latex", "text/plain")


def render(names: Iterable[str], folder: Path, runs_dir: Path, jobs: int) -> list[str]:
    """Run notebooks, ``jobs`` at a time, write their outputs into them, and return what went wrong, best empty.

    A notebook that fails keeps what stands in it. Prints a line for each.
    """
    chosen = series.choose(folder, names)
    if places.REPORT in chosen and not any((runs_dir / PRESET).glob("*/*/seed-*/result.json")):
        raise FileNotFoundError(
            f"{places.REPORT} reports the runs in {runs_dir}, and there are none of preset {PRESET}; make them with "
            "'spbl-nb reproduce --no-notebooks', or give another --runs-dir"
        )
    problems = []
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_render_one, one.path, runs_dir): name for name, one in chosen.items()}
        for future in as_completed(running):
            name = running[future]
            try:
                seconds, size = future.result()
            except (RuntimeError, ValueError, OSError) as error:
                problems.append(f"{name}: {error}")
                print(f"FAILED {name}: {error}", flush=True)
            else:
                print(f"{name:<28}{seconds:6.1f} s{size / 1000:8.0f} kB", flush=True)
    return problems


def faults(notebook: series.Notebook) -> list[str]:
    """Return what is wrong with one committed page, each with the command that renews it."""
    name, again = notebook.path.name, f"run 'python -m tools.render {notebook.path.stem}'"
    found = notebook.content["metadata"].get(readme.KEY, {}).get("sha256")
    if found is None:
        return [f"{name} holds no outputs of a rendering; {again}"]
    wrong = []
    if found != fingerprint(notebook):
        wrong.append(f"{name} is stale: the notebook or a module it imports has changed since; {again}")
    cells = [cell for cell in notebook.content["cells"] if cell["cell_type"] == "code"]
    if [cell["execution_count"] for cell in cells] != list(range(1, len(cells) + 1)):
        wrong.append(f"{name} was not executed from top to bottom; {again}")
    size = notebook.path.stat().st_size
    if size > LARGEST:
        wrong.append(f"{name} has {size / 1000:.0f} kB; allowed: {LARGEST // 1000}. Show fewer or smaller images")
    return wrong + [f"{name}: {what}; {again}" for what in _unfit(cells)]


def fingerprint(notebook: series.Notebook) -> str:
    """Return the SHA-256 (hex) of a notebook's cells and of the library's modules that it imports, directly or through others.

    Comments, docstrings, blank lines and the measured time do not count, so that a better explanation makes no page stale.
    """
    cells = [[cell.kind, list(cell.tags), readme.MEASURED.sub("", cell.source)] for cell in notebook.cells]
    waiting = set().union(*(_imported(cell.source) for cell in notebook.of_kind("code")))
    used: set[Path] = set()
    while waiting:
        path = waiting.pop()
        used.add(path)
        waiting |= _imported_by(path) - used
    sources = [[path.relative_to(places.PACKAGE).as_posix(), bare_source(path)] for path in sorted(used)]
    return files.sha256_of(files.to_json([cells, sources]))


@functools.cache
def _imported_by(path: Path) -> frozenset[Path]:
    return frozenset(_imported(path.read_text(encoding="utf-8")))


def _imported(source: str) -> set[Path]:
    """Return the files of the library that a piece of code imports, packages' ``__init__.py`` included."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{one.name}" for one in node.names)}
        elif isinstance(node, ast.Import):
            names |= {one.name for one in node.names}
    found = set()
    for name in names:
        root, *parts = name.split(".")
        if root == places.PACKAGE.name:
            within = [places.PACKAGE.joinpath(*parts[:depth], "__init__.py") for depth in range(len(parts) + 1)]
            found |= {path for path in (*within, places.PACKAGE.joinpath(*parts).with_suffix(".py")) if path.is_file()}
    return found


@functools.cache
def bare_source(path: Path) -> str:
    """Return a module's source without comments, docstrings and blank lines; text, since syntax trees differ by version."""
    source = path.read_text(encoding="utf-8")
    lines = source.splitlines()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
            first, last = node.body[0].lineno, node.body[0].end_lineno or 0
            lines[first - 1 : last] = [""] * (last - first + 1)
    return "\n".join(line.rstrip() for line in lines if line.strip())


def _render_one(path: Path, runs_dir: Path) -> tuple[float, int]:
    """Run one notebook and write its page; return its seconds and its bytes. Runs in a process of its own."""
    from spbl_nb.batch import execute

    notebook = series.read(path)
    known = parameters.declared(path)
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

    Raises ValueError for what must not be committed: text on standard error, an error, an image without a description,
    a widget, an absolute path.
    """
    content = json.loads(json.dumps(notebook.content))
    cells = [cell for cell in content["cells"] if cell["cell_type"] == "code"]
    for count, (cell, shown) in enumerate(zip(cells, outputs, strict=True), 1):
        cell["execution_count"] = count
        cell["outputs"] = [one | {"execution_count": count} if "execution_count" in one else one for one in shown]
    if wrong := _unfit(cells):
        raise ValueError("; ".join(wrong))
    for cell in content["cells"][:2]:
        text = readme.MEASURED.sub(readme.duration(took), "".join(cell["source"]))
        cell["source"] = text.splitlines(keepends=True)
    kept = {name: value for name, value in content["metadata"].items() if name in ("kernelspec", "language_info")}
    content["metadata"] = kept | {
        readme.KEY: {"preset": PRESET, "sha256": fingerprint(notebook), "seconds": round(took, 1)}
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _seen(outputs: Iterable[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield the outputs that a page without a kernel shows: no progress bar, and an explorer's start unless a preset shows it."""
    outputs = list(outputs)
    live = [any("widget-view" in kind for kind in output.get("data", {})) for output in outputs]
    images = [output.get("data", {}).get("image/png") for output in outputs]
    still = {image for image, widget in zip(images, live, strict=True) if not widget}
    for output, image, widget in zip(outputs, images, live, strict=True):
        if not widget or (image is not None and image not in still):
            yield output


def _cleaned(output: dict[str, Any], hidden: dict[str, str]) -> dict[str, Any]:
    """Return an output with what a page shows and nothing else; folders of this machine get the names they have for all."""
    if "data" not in output:
        return dict(output) | ({"text": _relative(output["text"], hidden)} if "text" in output else {})
    data = {kind: value for kind, value in output["data"].items() if kind in _KEPT}
    shown = {kind: value if kind == "image/png" else _relative("".join(value), hidden) for kind, value in data.items()}
    alt = "".join(_relative(output.get("metadata", {}).get("image/png", {}).get("alt", ""), hidden))
    metadata = {"image/png": {"alt": alt}} if alt and "image/png" in data else {}
    return dict(output) | {"data": shown, "metadata": metadata}


def _relative(text: str, hidden: dict[str, str]) -> list[str]:
    known = hidden | {f"{places.PACKAGE.parent}{os.sep}": "", sys.prefix: ".venv", str(Path.home()): "~"}
    for folder in sorted(known, key=len, reverse=True):
        if len(folder) > 1:
            text = text.replace(folder, known[folder])
    return text.splitlines(keepends=True)


def _unfit(cells: list[dict[str, Any]]) -> list[str]:
    """Return why outputs must not be committed."""
    wrong = []
    for count, cell in enumerate(cells, 1):
        for output in cell["outputs"]:
            data = output.get("data", {})
            if output["output_type"] == "error" or output.get("name") == "stderr":
                what = output.get("evalue") or "".join(output.get("text", "")).strip().splitlines()[-1]
                wrong.append(f"cell [{count}] writes an error or to standard error: {what}")
            if "image/png" in data and not output["metadata"].get("image/png", {}).get("alt", "").strip():
                wrong.append(f"cell [{count}] shows an image without a description")
            if any("widget" in kind for kind in data):
                wrong.append(f"cell [{count}] stores a widget")
            texts = ["".join(value) for kind, value in data.items() if kind.startswith("text/")]
            for path in lint.ABSOLUTE_PATH.findall("".join(output.get("text", "")) + " ".join(texts)):
                wrong.append(f"cell [{count}] shows a path of this machine ({path}…)")
    return wrong


def main(arguments: list[str] | None = None) -> int:
    """Render or check the chosen notebooks and what README and docs show; return 1 if something is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tools.render", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="notebooks, such as 03_self_paced_selection")
    parser.add_argument("--check", action="store_true", help="run nothing; name what is stale")
    parser.add_argument("--readme", action="store_true", help="run nothing; renew README and docs alone")
    parser.add_argument("--jobs", type=int, default=places.available_cores(), metavar="N", help="notebooks at a time")
    parser.add_argument("--notebooks", metavar="DIR", help="their folder")
    parser.add_argument("--runs-dir", metavar="DIR", help="the runs that notebook 09 reports")
    options = parser.parse_args(arguments)
    folder = places.notebooks_dir(options.notebooks)
    try:
        if options.check:
            problems = [what for one in series.choose(folder, options.names).values() for what in faults(one)]
            problems += readme.stale(folder)
            print("\n".join([*problems, f"{len(problems)} found"]))
            return 1 if problems else 0
        problems = []
        if not options.readme:
            problems = render(options.names, folder, places.runs_dir(options.runs_dir), max(1, options.jobs))
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    for name in readme.update(folder):
        print(f"{name} is renewed")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

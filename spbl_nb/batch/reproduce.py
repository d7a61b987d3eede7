"""The main job: the grid, the teaching notebooks, the report over all results, and a page that links everything.

Grid cells and teaching notebooks share the workers, since both are notebooks; the report is made last, from result files
only. Everything is keyed by what it depends on, so a second call does what is missing and nothing else.

Taught in: notebooks/09_reproduction_report.
"""

import re
import shlex
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from spbl_nb import config, files, places
from spbl_nb.batch import grid, parameters, workers
from spbl_nb.batch import page as html_pages
from spbl_nb.results import store, tables

DATASETS = ("digits", "lesions")
METHODS = ("ce", "logit_adjusted", "spbl_released", "spbl_clean", "spbl_intended")
TABLE = "results.csv"
_LESSON_SECONDS = 900.0
_NUMBERED = re.compile(r"\d\d_\w+")


def reproduce(
    cells: Sequence[grid.Cell],
    *,
    runs_dir: str | Path | None = None,
    notebooks: str | Path | None = None,
    data_root: str | None = None,
    data_options: str = "",
    time_limit: float | None = None,
    teaching: bool = True,
    **options: Any,
) -> int:
    """Run what is missing of the grid, of the teaching notebooks (unless ``teaching`` is False) and of the report.

    ``options`` say where notebooks run: see :func:`workers.run_tasks`. Prints a line per finished notebook and, at the end,
    what failed and where everything is. Returns the number of failures. Raises ValueError or OSError before anything is
    started if the runs folder, the notebooks or an argument will not do.
    """
    started = time.perf_counter()
    folder = store.check_writable(places.runs_dir(runs_dir))
    store.clean_staging(folder)
    sources = places.notebooks_dir(notebooks)
    settings = cells[0].config
    experiment = sources / f"{places.EXPERIMENT}.ipynb"
    todo = grid.plan(cells, experiment, folder, data_root=data_root, data_options=data_options, time_limit=time_limit)
    lessons = _teaching_tasks(sources, folder) if teaching else []
    fresh = [task for task in lessons if not task.is_complete()]
    _announce(todo, len(lessons), len(fresh), folder / settings.name)
    outcomes = workers.run_tasks(todo.pending + fresh, **options)
    outcomes.append(_report(sources, folder, settings.name))
    failures = [outcome for outcome in outcomes if outcome.status == workers.FAILED]
    _tell(failures, folder, settings.name, time.perf_counter() - started)
    return len(failures)


def _teaching_tasks(sources: Path, runs_dir: Path) -> list[workers.Task]:
    """Return a task for every numbered notebook but the experiment and the report, at preset smoke."""
    paths = [path for path in sorted(sources.glob("*.ipynb")) if _NUMBERED.fullmatch(path.stem)]
    paths = [path for path in paths if path.stem not in (places.EXPERIMENT, places.REPORT)]
    return [
        _notebook_task(path, runs_dir, f"notebooks/{path.stem}", PRESET="smoke", INTERACTIVE=False) for path in paths
    ]


def _notebook_task(path: Path, runs_dir: Path, folder: str, inputs: str = "", **wanted: Any) -> workers.Task:
    """Return the task of executing one notebook with those of the ``wanted`` parameters that it declares."""
    try:
        known = parameters.declared(path)
    except ValueError:
        known = {}  # the worker will meet the same mistake and report it
    values = {name: value for name, value in wanted.items() if name in known}
    given = [part for name, value in values.items() for part in ("-p", name, str(value))]
    return workers.Task(
        label=path.stem,
        notebook=str(path),
        values=values,
        runs_dir=str(runs_dir),
        folder=folder,
        time_limit=None if "TIME_LIMIT" in known else _LESSON_SECONDS,
        watermark=config.watermark(wanted["PRESET"]),
        repeat=shlex.join(["papermill", str(path), f"{path.stem}-again.ipynb", *given]),
        inputs=inputs,
    )


def _report(sources: Path, runs_dir: Path, config_name: str) -> workers.Outcome:
    """Write the results table and execute the report notebook, unless it was made from the very same results."""
    found = store.scan(runs_dir, config_name)
    state = [(str(run.folder), files.to_json(run.result)) for run in found.complete] + [
        (str(folder), reason) for folder, reason in found.broken
    ]
    task = _notebook_task(
        sources / f"{places.REPORT}.ipynb",
        runs_dir,
        f"{config_name}/report",
        files.to_json(state),
        PRESET=config_name,
        RUNS_DIR=str(runs_dir),
    )
    try:
        files.write_text(runs_dir / config_name / TABLE, tables.frame(found.complete).to_csv(index=False))
    except OSError as error:
        return workers.Outcome(task, workers.FAILED, problem=workers.with_advice(error))
    outcome = workers.work(task)
    if outcome.status != workers.SKIPPED:
        print(f"{'':8}{outcome.line()}")
    return outcome


def _announce(todo: grid.Plan, lessons: int, fresh: int, place: Path) -> None:
    """Say what is left to do, and what is not done again."""
    cells = len(todo.pending) + len(todo.standing)
    print(f"runs: {cells}, {len(todo.standing)} complete already, {len(todo.pending)} to do; results in {place}")
    if lessons:
        print(f"teaching notebooks: {lessons}, {lessons - fresh} done already with the present code, {fresh} to do")
    if todo.outdated:
        print(
            f"note: {len(todo.outdated)} of the complete runs were made by an earlier state of the library; they are kept. "
            "Give another --runs-dir to make them anew"
        )
    for folder, reason in todo.set_aside:
        print(f"note: a broken run was set aside as {folder} and is made again: {reason.split(';')[0]}")


def _tell(failures: list[workers.Outcome], runs_dir: Path, config_name: str, seconds: float) -> None:
    """Print the failures with what to do, the table, and where everything is."""
    for outcome in failures:
        print(
            f"\nFAILED {' '.join(outcome.task.label.split())}: {outcome.problem}\n  repeat it alone: {outcome.task.repeat}"
        )
    if (runs_dir / config_name / TABLE).exists() and len(table := pd.read_csv(runs_dir / config_name / TABLE)):
        print(f"\n{tables.mean_and_spread(table).to_string(index=False)}\n{config.watermark(config_name)}")
    try:
        _write_index(runs_dir)
    except OSError as error:
        print(workers.with_advice(error))
    report = runs_dir / config_name / "report" / f"{places.REPORT}.html"
    exported, lessons = runs_dir / config_name / "tables", runs_dir / "notebooks"
    where = {
        "results table": runs_dir / config_name / TABLE,
        "report": report if report.exists() else None,
        "its tables": exported if exported.exists() else None,
        "executed notebooks": runs_dir / config_name / "<data set>" / "<method>" / "seed-<k>",
        "teaching notebooks, trial runs": lessons if lessons.exists() else None,
        "all pages; open this first": runs_dir / "index.html",
    }
    for name, place in where.items():
        if place is not None:
            print(f"{name:<32}{place}")
    duration = f"{seconds / 60:.1f} minutes" if seconds > 60 else f"{seconds:.0f} seconds"
    print(f"{len(failures)} failed; {duration}" if failures else f"all done in {duration}")


def _write_index(runs_dir: Path) -> None:
    """Write ``index.html`` with links to every page below the runs folder."""

    def links(pattern: str, label_parts: slice, before: str = "") -> list[tuple[str, str]]:
        pages = sorted(page.relative_to(runs_dir) for page in runs_dir.glob(pattern))
        return [
            (before + ", ".join(page.parts[label_parts]), page.as_posix()) for page in pages if page.parts[0][0] != "."
        ]

    made = links("*/*/*/seed-*/*.html", slice(2, 4))
    shown = {Path(page).parent for _, page in made}
    made += [
        (f"{label} (its record; it was made without a page)", record)
        for label, record in links(f"*/*/*/seed-*/{store.RESULT}", slice(2, 4))
        if Path(record).parent not in shown
    ]
    groups = sorted({Path(page).parts[:2] for _, page in made})
    sections = [
        (
            "Reports: what all runs of a configuration say together; begin here",
            links("*/report/*.html", slice(0, 1), "report of ") + links(f"*/{TABLE}", slice(0, 1), "all numbers of "),
        ),
        (
            "Teaching notebooks, trial runs at preset smoke (open them with spbl-nb lab for real numbers)",
            links("notebooks/*/*.html", slice(1, 2)),
        ),
        *(
            (
                f"Single runs of {name} on {dataset}",
                sorted(link for link in made if Path(link[1]).parts[:2] == (name, dataset)),
            )
            for name, dataset in groups
        ),
        ("The tables of the reports, for your own work", links("*/tables/*", slice(0, 3, 2))),
    ]
    note = "A configuration is a preset; one with changed settings has a + and the beginning of their hash behind its name."
    html_pages.write_index(runs_dir / "index.html", "Self-paced balance learning: executed notebooks", sections, note)

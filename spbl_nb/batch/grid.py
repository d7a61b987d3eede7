"""The main job: the grid data sets x methods x seeds, the teaching notebooks, the report, and a page that links them.

Every run of the grid is one execution of notebook 08. A complete run is left as it is; a folder that holds a run of
something else stops the grid before anything is started; a broken one is set aside, not deleted, and run again. The data
are prepared once, by the command. :func:`train` makes one run without a notebook, by one process or by several.
"""

import functools
import os
import re
import shlex
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from spbl_nb import checks, config, config_files, data, files, methods, metrics, places, training
from spbl_nb.batch import page, parameters, workers
from spbl_nb.data.dataset import ImageData
from spbl_nb.results import provenance, store, tables
from spbl_nb.results.store import RunId

DATASETS = ("digits", "lesions")
METHODS = ("ce", "logit_adjusted", "spbl_released", "spbl_clean", "spbl_intended")
TABLE = "results.csv"
_LESSON_SECONDS = 900.0
_NUMBERED = re.compile(r"\d\d_\w+")


@dataclass(frozen=True)
class Grid:
    """Runs to be made, at least one, all with one configuration, and where things are.

    ``config_file`` is the file of the settings (empty: they are those of a preset with a device and a precision),
    ``data_root`` the place of all data sets that are not embedded, ``data_options`` a line for
    :func:`spbl_nb.data.options_from`, ``time_limit`` the seconds for each run (None: the notebook's own limit).
    """

    runs: Sequence[RunId]
    runs_dir: Path
    notebooks: Path
    config_file: str = ""
    data_root: str | None = None
    data_options: str = ""
    time_limit: float | None = None

    @property
    def config(self) -> config.Config:
        """The settings of all runs."""
        return self.runs[0].config

    @functools.cached_property
    def asked(self) -> config_files.Meaning:
        """What the file or the preset asks for by itself."""
        return config_files.request(self.config_file, self.config.preset)

    def root_of(self, dataset: str) -> str | None:
        """Return where a data set is; where none of the grid reads files, loading refuses the place."""
        mixed = any(run.dataset not in data.EMBEDDED for run in self.runs)
        if not self.data_root or (mixed and dataset in data.EMBEDDED):
            return None
        return str(Path(self.data_root).expanduser().absolute())  # workers have folders of their own


def list_runs(
    datasets: Iterable[str], method_names: Iterable[str], seeds: Iterable[int], settings: config.Config
) -> list[RunId]:
    """Return the grid's runs, seed by seed, so that a grid that is stopped has something of every method.

    Raises ValueError for an unknown name, an empty list, a name or seed that is named twice, and a seed below 0.
    """
    names = _distinct("data set", [checks.one_of("data set", name, data.NAMES) for name in datasets])
    trained = _distinct("method", [checks.one_of("method", name, methods.METHODS) for name in method_names])
    numbers = _distinct("seed", list(seeds))
    return [RunId(name, method, seed, settings) for seed in numbers for name in names for method in trained]


def _distinct(what: str, values: list) -> list:
    if not values:
        raise ValueError(f"no {what} is given; name at least one")
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise ValueError(f"the {what} {twice[0]!r} is named twice; name each once")
    return values


class Plan(NamedTuple):
    """What a grid has to do: pending tasks, complete ones, folders of runs that are outdated, and broken ones.

    ``outdated`` runs were made by another state of the library and are kept; the runs of those ``set_aside``, each with
    what is wrong with it, are pending again.
    """

    pending: list[workers.Task]
    complete: list[workers.Task]
    outdated: list[Path]
    set_aside: list[tuple[Path, str]]


def plan(grid: Grid) -> Plan:
    """Look what is in the runs folder, prepare the data, and return what is left to do; broken runs are set aside.

    Raises :class:`store.RunConflict` naming runs in whose folder a run of something else is, or one that another version
    of the package wrote; then nothing was changed. Raises what :func:`spbl_nb.data.load` raises.
    """
    if grid.time_limit is not None:
        checks.real("time_limit", grid.time_limit, 0, open_low=True)
    if grid.asked.checkpoint and len(grid.runs) > 1:
        raise ValueError(
            f"resume_from names one checkpoint, but the grid has {len(grid.runs)} runs; each has its own and goes on by "
            "itself: leave resume_from out, or ask for one run"
        )

    @functools.cache
    def load(dataset: str) -> ImageData:
        options = data.options_from(grid.data_options, dataset)
        return data.load_for(grid.config, dataset, grid.root_of(dataset), **options)

    @functools.cache
    def prepare(dataset: str) -> str:
        return data.prepare(load(dataset))

    pending: list[RunId] = []
    complete: list[RunId] = []
    outdated, conflicts, broken = [], [], []
    for run in grid.runs:
        images = load(run.dataset)
        split = data.make_split(images, run.config.validation, run.config.test, seed=run.seed)
        folder = grid.runs_dir / run.folder
        try:
            found = store.find_complete_run(folder, run.fingerprint(images.sha256, split.sha256))
        except (store.RunConflict, store.OtherVersion) as conflict:
            conflicts.append(str(conflict))
            continue
        except store.BrokenRun as reason:
            broken.append((folder, str(reason)))
            found = None
        (pending if found is None else complete).append(run)
        if found is not None and found.result.get("library_sha256") != provenance.library_sha256():
            outdated.append(folder)
    if conflicts:
        raise store.RunConflict("\n".join(conflicts))
    left = [_task(run, grid, prepare(run.dataset)) for run in pending]
    done = [_task(run, grid) for run in complete]
    for task in done:
        workers.drop_checkpoints(task)  # a command may have been killed when a run was complete and this not done
    return Plan(left, done, outdated, [(store.set_aside(folder), reason) for folder, reason in broken])


def _task(run: RunId, grid: Grid, prepared: str = "") -> workers.Task:
    """Return the task of making a run by notebook 08, from the data that were prepared under a key."""
    root, settings = grid.root_of(run.dataset), run.config
    command = ["spbl-nb", "reproduce", "--datasets", run.dataset, "--methods", run.method, "--seeds", str(run.seed)]
    command += ["--config", grid.config_file] if grid.config_file else ["--preset", settings.preset]
    command += ["--runs-dir", str(grid.runs_dir), "--no-notebooks"]
    for name in ("device", "precision"):
        value = getattr(settings, name)
        command += [f"--{name}", value] if value != getattr(grid.asked.settings, name) else []
    command += ["--data-root", root] if root else []
    command += ["--data-options", grid.data_options] if grid.data_options else []
    options = filter(None, [grid.data_options, prepared and f"prepared: {prepared}"])
    return workers.Task(
        label=f"{run.dataset:<12} {run.method:<14} seed {run.seed}",
        notebook=str(grid.notebooks / f"{places.EXPERIMENT}.ipynb"),
        values={
            "PRESET": settings.preset,
            **({"CONFIG": grid.config_file} if grid.config_file else {}),
            "DATASET": run.dataset,
            "METHOD": run.method,
            "SEED": run.seed,
            "DEVICE": settings.device,
            "PRECISION": settings.precision,
            "DATA_ROOT": root or "",
            "DATA_OPTIONS": ", ".join(options),
            "INTERACTIVE": False,
        },
        runs_dir=str(grid.runs_dir),
        folder=run.folder,
        leaves_run=True,
        checkpoint=not grid.asked.checkpoint,
        threads=settings.threads,
        time_limit=grid.time_limit,
        watermark=config.watermark(settings.preset),
        repeat=shlex.join(command),
    )


def reproduce(grid: Grid, *, teaching: bool = True, **options: Any) -> int:
    """Run what is missing of the grid, of the teaching notebooks (unless ``teaching`` is False) and of the report.

    ``options`` say where notebooks run: see :func:`workers.run_tasks`. Returns the number of failures. Raises ValueError
    or OSError before anything is started if the runs folder or an argument will not do.
    """
    started = time.perf_counter()
    store.check_writable(grid.runs_dir)
    store.clean_staging(grid.runs_dir)
    todo = plan(grid)
    lessons = _lessons(grid) if teaching else []
    fresh = [task for task in lessons if not task.is_complete()]
    _announce(todo, len(lessons), len(fresh), grid.runs_dir / grid.config.name)
    try:
        outcomes = workers.run_tasks(todo.pending + fresh, **options)
    finally:
        store.clean_staging(grid.runs_dir)  # of workers that died
    outcomes.append(_report(grid))
    failures = [outcome for outcome in outcomes if outcome.status == workers.FAILED]
    _summarise(failures, grid.runs_dir, grid.config.name)
    ended = f"{len(failures)} failed" if failures else "all done"
    print(f"{ended}; {(time.perf_counter() - started) / 60:.1f} minutes")
    return len(failures)


def _lessons(grid: Grid) -> list[workers.Task]:
    """Return a task for every numbered notebook but the experiment and the report, at preset smoke."""
    paths = [path for path in sorted(grid.notebooks.glob("*.ipynb")) if _NUMBERED.fullmatch(path.stem)]
    return [
        _notebook_task(path, grid.runs_dir, f"notebooks/{path.stem}", PRESET="smoke", INTERACTIVE=False)
        for path in paths
        if path.stem not in (places.EXPERIMENT, places.REPORT)
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


def _report(grid: Grid) -> workers.Outcome:
    """Write the results table and execute the report notebook, unless it was made from the very same results."""
    name = grid.config.name
    found = store.scan(grid.runs_dir, name)
    state = [(str(run.folder), files.to_json(run.result)) for run in found.complete]
    state += [(str(folder), reason) for folder, reason in found.broken]
    path = grid.notebooks / f"{places.REPORT}.ipynb"
    wanted = {"PRESET": name, "RUNS_DIR": str(grid.runs_dir)}
    task = _notebook_task(path, grid.runs_dir, f"{name}/report", files.to_json(state), **wanted)
    try:
        files.write_text(grid.runs_dir / name / TABLE, tables.frame(found.complete).to_csv(index=False))
    except OSError as error:
        return workers.Outcome(task, workers.FAILED, problem=workers.with_advice(error))
    outcome = workers.work(task)
    if outcome.status != workers.SKIPPED:
        print(f"{'':8}{outcome.line()}")
    return outcome


def _announce(todo: Plan, lessons: int, fresh: int, place: Path) -> None:
    """Print what is left to do, and what is not done again."""
    done, left = len(todo.complete), len(todo.pending)
    print(f"runs: {done + left}, {done} complete already, {left} to do; results in {place}")
    if lessons:
        print(f"teaching notebooks: {lessons}, {lessons - fresh} done already with the present code, {fresh} to do")
    if todo.outdated:
        print(
            f"note: {len(todo.outdated)} of the complete runs were made by an earlier state of the library; they are kept. "
            "Give another --runs-dir to make them again"
        )
    for folder, reason in todo.set_aside:
        print(f"note: a broken run was set aside as {folder} and is made again: {reason.split(';')[0]}")


def _summarise(failures: list[workers.Outcome], runs_dir: Path, config_name: str) -> None:
    """Print the failures with what to do, the table, and where everything is."""
    for outcome in failures:
        label = " ".join(outcome.task.label.split())
        print(f"\nFAILED {label}: {outcome.problem}\n  repeat it alone: {outcome.task.repeat}")
    own = runs_dir / config_name
    if (own / TABLE).exists() and len(table := pd.read_csv(own / TABLE)):
        print(f"\n{tables.mean_and_spread(table).to_string(index=False)}\n{config.watermark(config_name)}")
    try:
        page.write_index(runs_dir, TABLE)
    except OSError as error:
        print(workers.with_advice(error))
    where = {
        "results table": own / TABLE,
        "report": own / "report" / f"{places.REPORT}.html",
        "its tables": own / "tables",
        "executed notebooks": own / "<data set>" / "<method>" / "seed-<k>",
        "teaching notebooks, trial runs": runs_dir / "notebooks",
        "all pages; open this first": runs_dir / "index.html",
    }
    for name, place in where.items():
        if place.exists() or name == "executed notebooks":
            print(f"{name:<32}{place}")


def train(
    method: str,
    dataset: str,
    settings: str | config.Config = "fast",
    seed: int = 0,
    data_root: str | os.PathLike | None = None,
    runs_dir: str | os.PathLike | None = None,
    checkpoint: str | os.PathLike | None = None,
    data_options: str = "",
) -> Path:
    """Train by one method without a notebook, write the run where notebook 08 would, and return its folder.

    ``settings`` are a preset's name or a configuration; ``checkpoint`` is a file from which an interrupted run goes on;
    ``data_options`` is a line for :func:`spbl_nb.data.options_from`. A complete run is left as it is. Started several times
    by a launcher (``accelerate launch -m spbl_nb train``, or ``accelerate.notebook_launcher(grid.train, …)``), the
    processes share the work and the main process alone writes.

    Raises ValueError for a method and a data set in each other's place, and what loading, training and saving raise.
    """
    swapped = method in data.NAMES or dataset in methods.METHODS
    if swapped and method not in methods.METHODS and dataset not in data.NAMES:
        raise ValueError(
            f"method is {method!r} and data set is {dataset!r}, which seem to have changed places; METHOD comes first: "
            f"train {dataset} {method}"
        )
    settings = config.preset(settings) if isinstance(settings, str) else settings
    training.accelerator_for(settings)  # from here on the processes know of each other
    root = training.broadcast_from_main(lambda: store.check_writable(places.runs_dir(runs_dir)))
    images = data.load_for(settings, dataset, data_root, **data.options_from(data_options, dataset))
    split = data.make_split(images, settings.validation, settings.test, seed=seed)
    _print(f"{images.name}: {images.source}")
    run = RunId(images.name, method, seed, settings)
    folder = root / run.folder
    wanted = run.fingerprint(images.sha256, split.sha256)
    trial = config.watermark(settings.name)
    found = training.broadcast_from_main(lambda: _describe_complete(folder, wanted))
    if found:
        _print(found, trial)
        return folder
    progress = sys.stderr.isatty()
    result = methods.run(method, images, split, settings, seed, checkpoint=checkpoint, progress=progress)
    report = metrics.report(images.labels[split.test], result.scores, images.num_classes, result.predicted)
    training.broadcast_from_main(lambda: store.save(root, run, data=images, split=split, result=result, report=report))
    count = training.process_count()
    by = "one process" if count == 1 else f"{count} processes"
    _print(str(report), f"{result.steps} steps in {result.seconds:.1f} s by {by}; written: {folder}", trial)
    return folder


def _describe_complete(folder: Path, wanted: dict[str, Any]) -> str:
    """Return the numbers of the complete run in a folder, as text; empty if there is none."""
    run = store.find_complete_run(folder, wanted)
    if run is None:
        return ""
    report = metrics.report(run.labels, run.scores, predicted=run.predicted)
    seconds = run.result["timing"]["seconds"]
    return f"{report}\n{run.result['steps']} steps in {seconds:.1f} s; complete already: {folder}"


def _print(*lines: str) -> None:
    if training.is_main_process():
        print("\n".join(filter(None, lines)), flush=True)

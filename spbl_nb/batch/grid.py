"""The grid data sets x methods x seeds, every cell one run of notebook 08.

A cell whose run stands complete is left as it is; a folder that holds a run of something else stops the grid before
anything is started; one that is broken is set aside, not deleted, and run again. So the same command can be given again
after any accident, and goes on where it stopped.

Taught in: notebooks/09_reproduction_report, section 1.
"""

import functools
import os
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spbl_nb import checks, config, config_files, data
from spbl_nb.batch import workers
from spbl_nb.data.dataset import ImageData
from spbl_nb.results import provenance, store


@dataclass(frozen=True)
class Cell:
    """One run to be made: a data set, a method, a seed, the settings of all, and the file they come from, if any."""

    dataset: str
    method: str
    seed: int
    config: config.Config
    config_file: str = ""

    @property
    def label(self) -> str:
        """Name of the cell in messages."""
        return f"{self.dataset:<12} {self.method:<14} seed {self.seed}"

    @property
    def run(self) -> store.RunId:
        """Which run it is."""
        return store.RunId(self.dataset, self.method, self.seed, self.config)

    @property
    def folder(self) -> str:
        """Folder of its run, relative to the runs folder."""
        return self.run.folder


@dataclass(frozen=True)
class Plan:
    """What a grid has to do.

    Attributes: ``pending`` tasks; ``standing`` outcomes of complete runs, those in ``outdated`` made by another state of
    the library; broken folders that were ``set_aside`` with what is wrong with them, whose runs are pending again.
    """

    pending: list[workers.Task]
    standing: list[workers.Outcome]
    outdated: list[Path]
    set_aside: list[tuple[Path, str]]


def cells(
    datasets: Iterable[str],
    methods: Iterable[str],
    seeds: Iterable[int],
    settings: config.Config,
    config_file: str | os.PathLike = "",
) -> list[Cell]:
    """Return the grid's cells, seed by seed, so that a grid that is stopped has something of every method.

    ``settings`` are those of a preset, a device and a precision, or those of ``config_file`` (see :mod:`spbl_nb.config_files`).

    Raises ValueError for an unknown name (the nearest is suggested), an empty list, a name or seed that stands twice, a
    seed below 0, settings that notebook 08 cannot be told, or one checkpoint for several runs.
    """
    from spbl_nb.methods.registry import METHODS  # brings torch, which the commands that need no grid do without

    datasets = _distinct(
        "data set", [checks.one_of("data set", name, data.NAMES) for name in checks.sequence("datasets", datasets)]
    )
    methods = _distinct(
        "method", [checks.one_of("method", name, METHODS) for name in checks.sequence("methods", methods)]
    )
    seeds = _distinct("seed", [checks.integer("seed", seed, 0) for seed in checks.sequence("seeds", seeds)])
    path = str(Path(config_file).expanduser().absolute()) if config_file else ""
    told = {"device": settings.device, "precision": settings.precision}
    if config_files.request(path, settings.preset, **told).settings.digest != settings.digest:
        raise ValueError(
            f"settings are {settings.name!r}; the grid runs presets ({', '.join(config.PRESETS)}) and a device and precision, "
            "or the settings of a file; write others into a YAML file and give it (--config)"
        )
    found = [Cell(name, method, seed, settings, path) for seed in seeds for name in datasets for method in methods]
    if path and len(found) > 1 and config_files.read(path).checkpoint:
        raise ValueError(
            f"resume_from names one checkpoint, but the grid has {len(found)} runs; each has its own and goes on by itself: "
            "leave resume_from out, or ask for one run"
        )
    return found


def _distinct(what: str, values: list) -> list:
    if not values:
        raise ValueError(f"no {what} is given; name at least one")
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise ValueError(f"the {what} {twice[0]!r} stands twice; name each once")
    return values


def plan(
    grid: Sequence[Cell],
    notebook: str | Path,
    runs_dir: str | Path,
    *,
    data_root: str | None = None,
    data_options: str = "",
    time_limit: float | None = None,
) -> Plan:
    """Look what stands in the runs folder and return what is left to do; broken runs are set aside on the way.

    ``data_options`` is a line for :func:`spbl_nb.data.options_from`, the same for all data sets.

    Raises :class:`store.RunConflict` naming cells in whose folder a run of something else stands, or one that another
    version of the package wrote; then nothing was changed. Raises what :func:`spbl_nb.data.load` raises; ``data_root`` is
    the place of all data sets that are not embedded.
    """
    runs_dir = Path(runs_dir)
    if time_limit is not None:
        time_limit = checks.real("time_limit", time_limit, 0, open_low=True)
    data_root = str(Path(data_root).expanduser().absolute()) if data_root else None  # workers have folders of their own
    mixed = any(cell.dataset not in data.EMBEDDED for cell in grid)  # if none reads files, loading refuses the root
    roots = {cell.dataset: None if mixed and cell.dataset in data.EMBEDDED else data_root for cell in grid}
    found, conflicts, broken = Plan([], [], [], []), [], []
    fingerprint = _fingerprints(roots, data_options)
    for cell in grid:
        task = _task(cell, notebook, runs_dir, roots[cell.dataset], data_options, time_limit)
        wanted = fingerprint(cell)  # also proves, before anything is started, that the data are there and can be split
        try:
            run = store.find_complete_run(task.target, wanted)
        except (store.RunConflict, store.OtherVersion) as conflict:
            conflicts.append(str(conflict))
            continue
        except store.BrokenRun as reason:
            broken.append((task.target, str(reason)))
            run = None
        if run is None:
            found.pending.append(task)
            continue
        found.standing.append(workers.Outcome(task, workers.SKIPPED))
        if run.result.get("library_sha256") != provenance.library_sha256():
            found.outdated.append(task.target)
    if conflicts:
        more = f"\nand {len(conflicts) - 3} more such folders" if len(conflicts) > 3 else ""
        raise store.RunConflict("\n".join(conflicts[:3]) + more)
    for outcome in found.standing:
        workers.drop_checkpoints(
            outcome.task
        )  # a command may have been killed when a run was complete and this not done
    found.set_aside.extend((store.set_aside(folder), reason) for folder, reason in broken)
    return found


def run_grid(
    grid: Sequence[Cell],
    notebook: str | Path,
    runs_dir: str | Path,
    *,
    data_root: str | None = None,
    data_options: str = "",
    time_limit: float | None = None,
    **options: Any,
) -> list[workers.Outcome]:
    """Run what is not there yet and return an outcome for every cell; see :func:`plan`, and :func:`workers.run_tasks` for
    the ``options``."""
    todo = plan(grid, notebook, runs_dir, data_root=data_root, data_options=data_options, time_limit=time_limit)
    return todo.standing + workers.run_tasks(todo.pending, **options)


def _fingerprints(roots: Mapping[str, str | None], data_options: str) -> Callable[[Cell], dict]:
    """Return a function from a cell to its fingerprint that loads each data set once."""

    @functools.cache
    def load(settings: config.Config, name: str) -> ImageData:
        return data.load_for(settings, name, roots[name], **data.options_from(data_options, name))

    def of(cell: Cell) -> dict:
        pictures = load(cell.config, cell.dataset)
        split = data.make_split(pictures, cell.config.validation, cell.config.test, seed=cell.seed)
        return cell.run.fingerprint(pictures.sha256, split.sha256)

    return of


def _task(
    cell: Cell,
    notebook: str | Path,
    runs_dir: Path,
    data_root: str | None,
    data_options: str,
    time_limit: float | None,
) -> workers.Task:
    command = ["spbl-nb", "reproduce", "--datasets", cell.dataset, "--methods", cell.method, "--seeds", str(cell.seed)]
    command += ["--config", cell.config_file] if cell.config_file else ["--preset", cell.config.preset]
    command += ["--runs-dir", str(runs_dir), "--no-notebooks"]
    unasked = config_files.request(cell.config_file, cell.config.preset).settings
    for name in ("device", "precision"):
        value = getattr(cell.config, name)
        command += [f"--{name}", value] if value != getattr(unasked, name) else []
    command += ["--data-root", data_root] if data_root else []
    command += ["--data-options", data_options] if data_options else []
    return workers.Task(
        label=cell.label,
        notebook=str(Path(notebook).absolute()),
        values={
            "PRESET": cell.config.preset,
            **({"CONFIG": cell.config_file} if cell.config_file else {}),
            "DATASET": cell.dataset,
            "METHOD": cell.method,
            "SEED": cell.seed,
            "DEVICE": cell.config.device,
            "PRECISION": cell.config.precision,
            "DATA_ROOT": data_root or "",
            **({"DATA_OPTIONS": data_options} if data_options else {}),
            "INTERACTIVE": False,
        },
        runs_dir=str(runs_dir),
        folder=cell.folder,
        leaves_run=True,
        checkpoint=not (cell.config_file and config_files.read(cell.config_file).checkpoint),
        threads=cell.config.threads,
        time_limit=time_limit,
        watermark=config.watermark(cell.config.preset),
        repeat=shlex.join(command),
    )

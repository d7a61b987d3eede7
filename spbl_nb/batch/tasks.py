"""Many notebooks at once on Dask, each executed strictly, each leaving a complete folder or none.

A :class:`Task` is one notebook with its parameters and the folder it is to leave. A worker executes it in a staging
folder, adds the executed notebook and its HTML page, and renames the whole to its place; so a killed worker costs time
and nothing else. What is complete already is not run again. The workers are processes of this machine unless the address
of a Dask scheduler is given: any cluster that Dask can deploy on will do, if its workers see the same folders.

Taught in: notebooks/08_experiment and notebooks/09_reproduction_report.
"""

import contextlib
import dataclasses
import errno
import functools
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spbl_nb import files, places
from spbl_nb.batch import execute, parameters, workers
from spbl_nb.batch import page as html_pages
from spbl_nb.results import provenance, store

if TYPE_CHECKING:
    from distributed import Future

DONE, STANDING, FAILED = "done", "already there", "failed"
_MARK = "task.json"
_CHECKPOINTS = ".checkpoints"
_WORKER_DEATHS = 2
_ARRIVAL_SECONDS = 10
_DISK_FULL = os.strerror(errno.ENOSPC)
_FREE_SPACE = (
    "; the disk is full: free some space and give the same command again, or choose another folder (--runs-dir); what is "
    "complete stays"
)


@dataclass(frozen=True)
class Task:
    """One notebook to execute.

    Attributes
    ----------
    label : how it is called in messages, e.g. ``"digits ce seed 0"``.
    notebook, values : path of the notebook and its parameters; unless given, ``RUNS_DIR`` is the staging folder.
    runs_dir : the runs folder; staging and failed notebooks are kept below it.
    folder : where the finished folder goes, relative to ``runs_dir``.
    leaves_run : True if the notebook itself writes a run (see :mod:`spbl_nb.results.store`) to that folder.
    checkpoint : True if the notebook takes a parameter ``CHECKPOINT``, a file to resume from after a kill.
    time_limit : seconds, or None for the notebook's own limit.
    watermark : text laid across its HTML page.
    repeat : command line by which a person repeats it alone.
    inputs : anything else that its outcome depends on, as text; part of :attr:`key`.
    """

    label: str
    notebook: str
    values: dict[str, Any]
    runs_dir: str
    folder: str
    leaves_run: bool = False
    checkpoint: bool = False
    threads: int = 1
    time_limit: float | None = None
    watermark: str = ""
    repeat: str = ""
    inputs: str = ""

    @property
    def target(self) -> Path:
        """Absolute path of the folder that the task leaves."""
        return Path(self.runs_dir) / self.folder

    @property
    def key(self) -> str:
        """SHA-256 (hex) over notebook, parameters, the library's source and ``inputs``: equal key, equal outcome."""
        source = provenance.notebook_sha256(self.notebook)
        return files.sha256_of(source, files.to_json(self.values), provenance.library_sha256(), self.inputs)

    def stands(self) -> bool:
        """Say whether the task's folder is there, with the run it is to leave, and was made by an equal task."""
        if self.leaves_run and not (self.target / store.RESULT).is_file():
            return False
        try:
            return files.read_json(self.target / _MARK)["key"] == self.key
        except (OSError, ValueError, KeyError, TypeError):  # no mark, or not one of ours
            return False


@dataclass(frozen=True)
class Outcome:
    """What became of a task: its ``status``, wall ``seconds``, some ``numbers`` of its result, and what went wrong."""

    task: Task
    status: str
    seconds: float = 0.0
    numbers: dict[str, float] = field(default_factory=dict)
    problem: str = ""

    def line(self) -> str:
        """Return the outcome in one line."""
        numbers = "".join(f"   {name} {value:.3f}" for name, value in self.numbers.items())
        return f"{self.task.label:<34} {self.status:<13} {self.seconds:6.1f} s{numbers}"


def work(task: Task, memory_limit: float | None = None, preload: bool = False) -> Outcome:
    """Execute one task, a second time if its notebook fails; called on a worker, where it never raises for a bad notebook.

    ``memory_limit`` is what the notebook may take, in GiB (default: what the Dask worker may take); ``preload`` forks its
    kernel from a process that has the imports behind it.

    What stands already is not made again: a worker may die when its task is complete, before anybody has heard of it. A
    notebook that ran over its time or its memory, or into a full disk, is not repeated, and keeps its checkpoint for
    better times. Otherwise the checkpoint is dropped before the second attempt, in case it is what made the first one fail.
    """
    if task.stands():
        drop_checkpoints(task)
        return Outcome(task, STANDING, numbers=_numbers(task))
    started = time.perf_counter()
    problem = ""
    limits = {"memory_limit": memory_limit or workers.own_limit(), "preload": preload}
    for _ in range(2):
        try:
            _attempt(task, limits)
        except execute.TimeLimitError as error:
            problem = f"{error}; grant more with --time-limit"
            break
        except execute.MemoryLimitError as error:
            problem = f"{error}; grant more with --memory-limit (GiB), which lets fewer run at a time"
            break
        except execute.NotebookError as error:
            problem = with_advice(error)
            if _DISK_FULL in problem:
                break
            drop_checkpoints(task)
        except (ValueError, OSError) as error:
            problem = with_advice(error)
            break
        else:
            drop_checkpoints(task)
            _failed_copy(task).unlink(missing_ok=True)
            return Outcome(task, DONE, time.perf_counter() - started, _numbers(task))
    return Outcome(task, FAILED, time.perf_counter() - started, problem=problem)


def with_advice(error: Exception) -> str:
    """Return an error's text and, if the disk is full, what to do about it."""
    return f"{error}{_FREE_SPACE if _DISK_FULL in str(error) else ''}"


def _attempt(task: Task, limits: dict[str, Any]) -> None:
    """Execute the notebook in a staging folder and move what it leaves to its place."""
    name = Path(task.notebook).stem
    with store.staging(task.runs_dir) as stage:
        finished = stage / task.folder
        executed = stage / f"{name}.ipynb"
        values = _own_values(task, stage) | task.values
        must_leave = [finished / store.RESULT] if task.leaves_run else []
        try:
            execute.execute(
                task.notebook,
                executed,
                values,
                time_limit=task.time_limit,
                must_leave=must_leave,
                threads=task.threads,
                **limits,
            )
        except execute.NotebookError as error:
            raise _with_kept_notebook(task, error) from None
        finished.mkdir(parents=True, exist_ok=True)
        _name_final_place(executed, stage, task.runs_dir)
        page_of = functools.partial(_page_of, task)
        html_pages.to_html(executed, finished / f"{name}.html", watermark=task.watermark, page_of=page_of)
        os.replace(executed, finished / executed.name)
        files.write_json(finished / _MARK, {"key": task.key, "label": task.label})
        if task.leaves_run:
            store.publish(finished, task.target)
        else:
            _replace_folder(finished, task.target, stage / "previous")


def _numbers(task: Task) -> dict[str, float]:
    """Return some numbers of the run that a finished task has left; none of one that cannot be read, as its reader will say."""
    if not task.leaves_run:
        return {}
    try:
        report = files.read_json(task.target / store.RESULT)["report"]
    except (OSError, ValueError, KeyError):
        return {}
    numbers = {"accuracy": report["accuracy"], "F1": report["f1"]}
    return {name: value for name, value in numbers.items() if value is not None}


def _own_values(task: Task, stage: Path) -> dict[str, str]:
    """Return the places that a worker decides on, for a notebook that has parameters for them."""
    values = {"RUNS_DIR": str(stage)}
    if task.checkpoint:
        checkpoint = _checkpoint_of(task)
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        values["CHECKPOINT"] = str(checkpoint)
    known = parameters.of_file(task.notebook)
    return {name: value for name, value in values.items() if name in known}


def _name_final_place(executed: Path, stage: Path, runs_dir: str) -> None:
    """Let an executed notebook name the runs folder where it names the staging folder, which goes away."""
    files.write_text(executed, executed.read_text(encoding="utf-8").replace(str(stage), runs_dir))


def _page_of(task: Task, stem: str) -> str:
    """Return where a page of this task links to for another notebook: its page, where there is one, else the index."""
    own = Path(task.folder)
    beside = own.name == Path(task.notebook).stem and Path(task.notebook).with_name(f"{stem}.ipynb").exists()
    if beside and stem not in (places.EXPERIMENT, places.REPORT):
        return f"../{stem}/{stem}.html"
    lesson = f"notebooks/{stem}/{stem}.html"
    made = not task.leaves_run and (Path(task.runs_dir) / lesson).exists()  # a run may be there before the lessons are
    return "../" * len(own.parts) + (lesson if made else "index.html")


def _checkpoint_of(task: Task) -> Path:
    """Return the task's checkpoint file; another state of the library or the notebook has another one."""
    return Path(task.runs_dir) / _CHECKPOINTS / f"{_plain_name(task)}-{task.key[:12]}.pt"


def drop_checkpoints(task: Task) -> None:
    """Remove the task's checkpoint with those of its stages, and what other states of the library or a kill left of them."""
    folder = Path(task.runs_dir) / _CHECKPOINTS
    for pattern in (f"{_plain_name(task)}-*.pt*", f".{_plain_name(task)}-*.partial"):
        for checkpoint in folder.glob(pattern):
            checkpoint.unlink(missing_ok=True)


def _failed_copy(task: Task) -> Path:
    return Path(task.runs_dir) / "failed" / f"{_plain_name(task)}.ipynb"


def _plain_name(task: Task) -> str:
    return task.folder.replace("/", "-")


def _with_kept_notebook(task: Task, error: execute.NotebookError) -> execute.NotebookError:
    """Take what was executed out of the staging folder, which goes away, and name its new place."""
    if error.failed is None:
        return error
    kept = _failed_copy(task)
    kept.parent.mkdir(parents=True, exist_ok=True)
    os.replace(error.failed, kept)
    return type(error)(str(error).replace(str(error.failed), str(kept)), kept)


def _replace_folder(stage: Path, target: Path, previous: Path) -> None:
    """Put a finished folder in the place of an older one, which goes away with the staging folder."""
    if target.exists():
        os.rename(target, previous)
    if not store.move_into_place(stage, target):
        raise OSError(f"{target} was written by another process at the same time; run the command again")


def run_tasks(
    tasks: Sequence[Task],
    *,
    jobs: int | None = None,
    scheduler: str | None = None,
    memory_limit: float | None = None,
    preload: bool = False,
    progress: bool = True,
) -> list[Outcome]:
    """Execute tasks on Dask workers, print a line as each finishes, and return their outcomes in the order of ``tasks``.

    ``jobs`` is the number of worker processes on this machine (default: its cores, as far as its memory reaches);
    ``scheduler`` is the address of a running Dask scheduler to use instead. ``memory_limit`` is what a notebook may take,
    in GiB (default: what its worker may take); ``preload`` forks kernels from a process that has the imports behind it.
    A task whose worker dies is repeated on another one. Ctrl-C stops the workers and passes on KeyboardInterrupt: what
    is complete stays.

    Raises ValueError for ``jobs`` below 1, for memory that no worker has and for workers that do not see the same files,
    and ConnectionError naming a scheduler that does not answer.
    """
    if not tasks:
        return []
    outcomes: dict[str, Outcome] = {}
    started = time.perf_counter()
    with (
        _no_leftovers(tasks),
        workers.client(jobs, scheduler, len(tasks), memory_limit) as client,
        _progress_bar(len(tasks), progress) as bar,
    ):
        if scheduler is not None:
            workers.check_workers(client, {task.runs_dir for task in tasks}, {task.notebook for task in tasks})
            if not client.scheduler_info()["workers"]:
                print(f"no worker yet; waiting for 'dask worker {scheduler} --nthreads 1'")
        if address := workers.dashboard(client):
            print(f"the workers can be watched at {address}")
        resources = workers.declared(client, memory_limit)
        options = {"retries": _WORKER_DEATHS, "pure": False, "resources": resources}
        print(f"each worker first imports what it needs; then a line follows for each notebook ({len(tasks)} in all)")
        futures = {
            client.submit(work, task, memory_limit, preload, key=_dask_key(task), priority=-place, **options): task
            for place, task in enumerate(tasks)
        }
        for outcome in _as_finished(futures):
            outcomes[outcome.task.folder] = outcome
            bar.write(f"{len(outcomes):>3}/{len(tasks)}  {outcome.line()}", file=sys.stdout)
            if not progress and len(tasks) >= 8 and len(outcomes) in (len(tasks) // 4, len(tasks) // 2):
                left = (time.perf_counter() - started) / len(outcomes) * (len(tasks) - len(outcomes))
                print(f"about {math.ceil(left / 60)} min left")
            bar.update(1)
    return [outcomes[task.folder] for task in tasks]


@contextlib.contextmanager
def _no_leftovers(tasks: Sequence[Task]) -> Iterator[None]:
    """Clear the staging folders of workers that died, however the block ends."""
    try:
        yield
    finally:
        for runs_dir in {task.runs_dir for task in tasks}:
            store.clean_staging(runs_dir)


def _dask_key(task: Task) -> str:
    return f"{task.folder}-{task.key[:12]}"


def _as_finished(futures: "dict[Future, Task]") -> Iterator[Outcome]:
    from distributed import as_completed

    for future in as_completed(futures):
        task = futures[future]
        try:
            outcome = dataclasses.replace(future.result(), task=task)
        except Exception as error:  # whatever Dask says of a worker that died too often, or of a lost scheduler
            yield Outcome(task, FAILED, problem=f"the worker failed: {type(error).__name__}: {error}")
        else:
            future.release()  # else Dask makes it again when the worker that remembers the outcome dies
            yield _arrived(outcome)


def _arrived(outcome: Outcome) -> Outcome:
    """Return the outcome, or a failure if what was done elsewhere is not to be seen here."""
    give_up = time.monotonic() + _ARRIVAL_SECONDS  # a network disk may take a while
    while outcome.status == DONE and not outcome.task.target.exists():
        if time.monotonic() > give_up:
            problem = (
                f"a worker finished it, but {outcome.task.target} is not here; all workers must see the same folders"
            )
            return dataclasses.replace(outcome, status=FAILED, problem=problem)
        time.sleep(0.1)
    return outcome


def _progress_bar(total: int, wanted: bool) -> Any:
    from tqdm.auto import tqdm

    return tqdm(total=total, unit="notebook", disable=not wanted, dynamic_ncols=True)

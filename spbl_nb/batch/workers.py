"""Many notebooks at once on Dask, each executed strictly, each leaving a complete folder or none.

A worker executes a :class:`Task` in a staging folder, adds the HTML page, and renames the whole to its place; so a killed
worker costs time and nothing else. Workers are processes of this machine, unless the address of a Dask scheduler is
given: any cluster that Dask can deploy on (SLURM, Kubernetes, SSH) will do, if its workers see the same folders.
"""

import contextlib
import errno
import functools
import os
import signal
import sys
import time
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spbl_nb import files, places
from spbl_nb.batch import execute, page, parameters
from spbl_nb.results import provenance, store

if TYPE_CHECKING:
    from distributed import Client, Future

DONE, SKIPPED, FAILED = "done", "already there", "failed"
_MARK = "task.json"
_CHECKPOINTS = ".checkpoints"
_WORKER_DEATHS = 2
_ARRIVAL_SECONDS = 10
_SCHEDULER_SECONDS = 10
_WORKER_BYTES = 2 * 2**30  # unless the number of jobs is given, there is so much memory for each
_DISK_FULL = os.strerror(errno.ENOSPC)
_FREE_SPACE = (
    "; the disk is full: free some space and give the same command again, or choose another folder (--runs-dir); what is "
    "complete stays"
)
_SETTINGS = {  # Dask's profiler and monitors take 5 % of a core from each notebook
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.preload": [__name__],
}


def dask_setup(_worker: Any) -> None:
    """Ignore Ctrl-C, which is for the command that started the workers and ends them; Dask calls this in each of them."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@dataclass(frozen=True)
class Task:
    """One notebook to execute.

    ``notebook`` is its path, ``values`` its parameters; unless given, ``RUNS_DIR`` is the staging folder. The finished
    folder becomes ``folder`` below ``runs_dir``. With ``leaves_run`` the notebook itself writes a run (see
    :mod:`spbl_nb.results.store`) there; with ``checkpoint`` it takes a parameter ``CHECKPOINT``, a file to resume from.
    ``time_limit`` is in seconds (None: the notebook's own), ``watermark`` a text laid across its page, ``repeat`` the
    command line by which a person repeats it alone, ``inputs`` anything else that its outcome depends on.
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

    @property
    def plain_name(self) -> str:
        """The folder's name without slashes, for files that belong to the task."""
        return self.folder.replace("/", "-")

    def is_complete(self) -> bool:
        """Return whether the task's folder is there, with the run it is to leave, and was made by an equal task."""
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


def work(task: Task) -> Outcome:
    """Execute one task, a second time if its notebook fails; called on a worker, never raises for a bad notebook.

    A notebook that ran over its time, or into a full disk, is not repeated and keeps its checkpoint. Otherwise the
    checkpoint is dropped before the second attempt, because it may have made the first one fail.
    """
    if task.is_complete():
        drop_checkpoints(task)
        return Outcome(task, SKIPPED, numbers=_numbers(task))
    started = time.perf_counter()
    problem = ""
    for _ in range(2):
        try:
            _attempt(task)
        except execute.TimeLimitError as error:
            problem = f"{error}; grant more with --time-limit"
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
            return Outcome(task, DONE, time.perf_counter() - started, _numbers(task))
    return Outcome(task, FAILED, time.perf_counter() - started, problem=problem)


def with_advice(error: Exception) -> str:
    """Return an error's text and, if the disk is full, what to do about it."""
    return f"{error}{_FREE_SPACE if _DISK_FULL in str(error) else ''}"


def _attempt(task: Task) -> None:
    """Execute the notebook in a staging folder and move what it leaves to its place."""
    name = Path(task.notebook).stem
    with store.staging(task.runs_dir) as stage:
        finished = stage / task.folder
        executed = stage / f"{name}.ipynb"
        own = {"RUNS_DIR": str(stage)}
        if task.checkpoint:
            checkpoints = Path(task.runs_dir, _CHECKPOINTS)
            checkpoints.mkdir(parents=True, exist_ok=True)
            # another state of the library or the notebook has another checkpoint
            own["CHECKPOINT"] = str(checkpoints / f"{task.plain_name}-{task.key[:12]}.pt")
        known = parameters.declared(task.notebook)
        execute.execute(
            task.notebook,
            executed,
            {place: path for place, path in own.items() if place in known} | task.values,
            time_limit=task.time_limit,
            threads=task.threads,
            failed=Path(task.runs_dir) / "failed" / f"{task.plain_name}.ipynb",
        )
        if task.leaves_run and not (finished / store.RESULT).is_file():
            raise execute.NotebookError(f"{name} ran to its end, but did not leave its result {store.RESULT}")
        finished.mkdir(parents=True, exist_ok=True)
        # the staging folder goes away, so an executed notebook names the runs folder in its place
        text = executed.read_text(encoding="utf-8").replace(str(stage), task.runs_dir)
        files.write_text(finished / executed.name, text)
        page_of = functools.partial(_page_of, task)
        page.to_html(finished / executed.name, finished / f"{name}.html", watermark=task.watermark, page_of=page_of)
        files.write_json(finished / _MARK, {"key": task.key, "label": task.label})
        if task.leaves_run:
            store.publish(finished, task.target)
            return
        if task.target.exists():
            os.rename(task.target, stage / "previous")
        if not store.move_into_place(finished, task.target):
            raise OSError(f"{task.target} was written by another process at the same time; run the command again")


def _numbers(task: Task) -> dict[str, float]:
    """Return some numbers of the run that a finished task has left."""
    if not task.leaves_run:
        return {}
    report = files.read_json(task.target / store.RESULT)["report"]
    numbers = {"accuracy": report["accuracy"], "F1": report["f1"]}
    return {name: value for name, value in numbers.items() if value is not None}


def _page_of(task: Task, stem: str) -> str:
    """Return where a page of this task links to for another notebook: its page, where there is one, else the index."""
    own = Path(task.folder)
    beside = own.name == Path(task.notebook).stem and Path(task.notebook).with_name(f"{stem}.ipynb").exists()
    if beside and stem not in (places.EXPERIMENT, places.REPORT):
        return f"../{stem}/{stem}.html"
    lesson = f"notebooks/{stem}/{stem}.html"
    made = not task.leaves_run and (Path(task.runs_dir) / lesson).exists()  # a run may be there before the lessons are
    return "../" * len(own.parts) + (lesson if made else "index.html")


def drop_checkpoints(task: Task) -> None:
    """Remove the task's checkpoint with those of its stages, and what other states of the library or a kill left of them."""
    folder = Path(task.runs_dir) / _CHECKPOINTS
    for pattern in (f"{task.plain_name}-*.pt*", f".{task.plain_name}-*.partial"):
        for checkpoint in folder.glob(pattern):
            checkpoint.unlink(missing_ok=True)


def run_tasks(
    tasks: Sequence[Task], *, jobs: int | None = None, scheduler: str | None = None, progress: bool = True
) -> list[Outcome]:
    """Execute tasks on Dask workers, print a line as each finishes, and return their outcomes in the order of ``tasks``.

    ``jobs`` is the number of worker processes on this machine (default: its cores, as far as its memory reaches);
    ``scheduler`` is the address of a running Dask scheduler to use instead. A task whose worker dies is repeated on
    another one. Ctrl-C stops the workers and passes on KeyboardInterrupt: what is complete stays.

    Raises ValueError for workers that do not see the same files, and ConnectionError naming a scheduler that does not
    answer.
    """
    if not tasks:
        return []
    outcomes: dict[str, Outcome] = {}
    with (
        client(jobs, scheduler, len(tasks)) as dask,
        files.progress_bar(len(tasks), "notebooks", unit="notebook", wanted=progress) as bar,
    ):
        if scheduler is not None:
            check_workers(dask, {task.runs_dir for task in tasks}, {task.notebook for task in tasks})
            if not dask.scheduler_info()["workers"]:
                print(f"no worker yet; waiting for 'dask worker {scheduler} --nthreads 1'")
        if "dashboard" in dask.scheduler_info()["services"]:
            print(f"the workers can be watched at {dask.dashboard_link}")
        print(f"each worker first imports what it needs; then a line follows for each notebook ({len(tasks)} in all)")
        futures = {
            dask.submit(
                work, task, key=f"{task.folder}-{task.key[:12]}", priority=-place, retries=_WORKER_DEATHS, pure=False
            ): task
            for place, task in enumerate(tasks)
        }
        for outcome in _as_finished(futures):
            outcomes[outcome.task.folder] = outcome
            bar.write(f"{len(outcomes):>3}/{len(tasks)}  {outcome.line()}", file=sys.stdout)
            bar.update(1)
    return [outcomes[task.folder] for task in tasks]


def _as_finished(futures: "dict[Future, Task]") -> Iterator[Outcome]:
    from distributed import as_completed

    for future in as_completed(futures):
        task = futures[future]
        try:
            outcome = future.result()
        except Exception as error:  # whatever Dask says of a worker that died too often, or of a lost scheduler
            yield Outcome(task, FAILED, problem=f"the worker failed: {type(error).__name__}: {error}")
            continue
        future.release()  # else Dask makes it again when the worker that remembers the outcome dies
        give_up = time.monotonic() + _ARRIVAL_SECONDS  # a folder may take a while to appear on a network disk
        while outcome.status == DONE and not task.target.exists() and time.monotonic() < give_up:
            time.sleep(0.1)
        if outcome.status == DONE and not task.target.exists():
            problem = f"a worker finished it, but {task.target} is not here; all workers must see the same folders"
            outcome = Outcome(task, FAILED, problem=problem)
        yield outcome


@contextlib.contextmanager
def client(jobs: int | None, scheduler: str | None, tasks: int) -> "Iterator[Client]":
    """Yield a client of the given scheduler, or of at most ``jobs`` workers on this machine that end with the block."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.system import MEMORY_LIMIT

    if scheduler is not None:
        try:
            client = Client(scheduler, timeout=_SCHEDULER_SECONDS)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConnectionError(
                f"no Dask scheduler answers at {scheduler} ({error}); start one with 'dask scheduler' and workers with "
                "'dask worker ADDRESS --nthreads 1', or leave --scheduler out to use this machine"
            ) from None
        with client:
            yield client
        return
    most = max(1, min(places.available_cores(), MEMORY_LIMIT // _WORKER_BYTES))
    workers = min(jobs or most, tasks)
    with (
        dask.config.set(_SETTINGS),
        LocalCluster(
            n_workers=workers,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # Dask would pause and kill workers by it, which are small; the notebooks are what is large
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def check_workers(client: "Client", runs_dirs: Iterable[str], notebooks: Iterable[str]) -> None:
    """Raise ValueError naming a worker that does not see the same files, or has another state of this package.

    A file is written to each runs folder for a moment, and every worker is asked whether it and the notebooks are there.
    """
    probes = [Path(folder) / f".probe-{uuid.uuid4().hex[:8]}" for folder in runs_dirs]
    try:
        for probe in probes:
            files.write_text(probe, "spbl")
        answers = client.run(_unseen, [*map(str, probes), *notebooks], on_error="return")
    finally:
        for probe in probes:
            probe.unlink(missing_ok=True)
    for worker, answer in answers.items():
        if isinstance(answer, OSError):
            continue  # it has just died, which Dask copes with
        if isinstance(answer, Exception):
            problem = (
                f"cannot use spbl_nb ({type(answer).__name__}: {answer}); start it where this package is installed"
            )
        elif answer[0] != provenance.library_sha256():
            problem = "has another state of spbl_nb than this command; start the workers again from the same checkout"
        elif unseen := answer[1]:
            problem = (
                f"does not see {unseen[0]}; all workers must see the same runs folder and notebooks, on a shared disk"
            )
        else:
            continue
        raise ValueError(f"the worker {worker} {problem}")


def _unseen(paths: list[str]) -> tuple[str, list[str]]:
    """Return, on a worker, the state of its package and which of the files are not there."""
    return provenance.library_sha256(), [path for path in paths if not os.path.exists(path)]

"""Where notebooks run: worker processes of this machine, or a Dask cluster that somebody has started.

One thread a worker, for a worker runs one notebook at a time and the notebook has a process of its own. Dask deploys on
SLURM, Kubernetes and over SSH; all that is needed here is the address of the scheduler.

A notebook may take its worker's share of the machine's memory, and no more. What it may take is declared to the scheduler
as the resource ``memory``, in bytes: on this machine every worker offers an equal share, and workers started elsewhere
offer theirs with ``dask worker … --resources "memory=8e9"`` or have Dask's own ``--memory-limit``.

Taught in: notebooks/09_reproduction_report.
"""

import contextlib
import importlib.util
import os
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spbl_nb import checks
from spbl_nb.results import provenance

if TYPE_CHECKING:
    from distributed import Client

GIB = 2**30
MEMORY = "memory"
_SCHEDULER_SECONDS = 10
_SETTINGS = {  # Dask's profiler and monitors take 5 % of a core from each notebook, which nobody looks at in a notebook's worker
    "distributed.worker.profile.enabled": False,
    "distributed.admin.system-monitor.interval": "2s",
    "distributed.admin.tick.interval": "1s",
    "distributed.worker.preload": ["spbl_nb.batch.uninterrupted"],
}
_USUAL_GIB = 2.0  # a worker of this machine gets at least so much unless the number of jobs is given


@contextlib.contextmanager
def client(
    jobs: int | None, scheduler: str | None, tasks: int, memory_limit: float | None = None
) -> "Iterator[Client]":
    """Yield a client of the given scheduler, or of a cluster on this machine that ends with the block.

    There, ``jobs`` workers are started (default: one a core, as far as the memory reaches), but no more than there are
    ``tasks``; each may take ``memory_limit`` GiB (default: an equal share of the machine's).

    Raises ValueError for ``jobs`` below 1 or more memory than there is, and ConnectionError naming a scheduler that does
    not answer.
    """
    import dask
    from distributed import Client, LocalCluster

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
    jobs, share = shares(jobs, tasks, memory_limit)
    with (
        dask.config.set(_SETTINGS),
        LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,  # Dask would pause and kill workers by it, which are small; the notebooks are what is large
            resources={MEMORY: int(share * GIB)},
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def shares(jobs: int | None, tasks: int, memory_limit: float | None = None) -> tuple[int, float]:
    """Return the number of workers for this machine, and the memory in GiB that each may take."""
    from distributed.system import MEMORY_LIMIT

    there = MEMORY_LIMIT / GIB
    needed = _USUAL_GIB if memory_limit is None else checks.real("memory_limit", memory_limit, 0, open_low=True)
    if memory_limit is not None and needed * (jobs or 1) > there:
        room = int(there // needed)
        raise ValueError(
            f"memory_limit is {needed:g} GiB for {jobs or 1} at a time, and this machine has {there:.1f} GiB; allowed: "
            + (f"{room} at a time (--jobs {room}), or less memory" if room else f"at most {int(there)} GiB")
        )
    most = max(1, min(available_cores(), int(there // needed)))
    jobs = min(checks.integer("jobs", most if jobs is None else jobs, 1), tasks)
    return jobs, memory_limit or there / jobs


def declared(client: "Client", memory_limit: float | None) -> dict[str, float]:
    """Return what a task declares to the scheduler: its memory, where the workers offer any.

    Raises ValueError if no worker has as much, for the scheduler would wait for one for ever.
    """
    if memory_limit is None:
        return {}
    workers = client.scheduler_info()["workers"].values()
    offered = [worker["resources"].get(MEMORY, worker["memory_limit"] or float("inf")) for worker in workers]
    if offered and max(offered) < memory_limit * GIB:
        raise ValueError(
            f"memory_limit is {memory_limit:g} GiB, and no worker may take more than {max(offered) / GIB:.1f} GiB; ask for "
            "less, or start workers with more (dask worker … --memory-limit)"
        )
    offering = any(MEMORY in worker["resources"] for worker in workers)
    return {MEMORY: memory_limit * GIB} if offering else {}


def own_limit() -> float | None:
    """Return the memory in GiB that the notebook of the Dask worker in which this is called may take, None if unlimited."""
    from distributed import get_worker

    try:
        worker = get_worker()
    except ValueError:  # not in a worker
        return None
    limit = worker.state.total_resources.get(MEMORY) or worker.memory_manager.memory_limit
    return limit / GIB if limit else None


def check_workers(client: "Client", runs_dirs: Iterable[str], notebooks: Iterable[str]) -> None:
    """Raise ValueError naming a worker that does not see the same files, or has another state of this package.

    A file is written to each runs folder for a moment, and every worker is asked whether it and the notebooks are there.
    """
    probes = [Path(folder) / f".probe-{uuid.uuid4().hex[:8]}" for folder in runs_dirs]
    paths = [*map(str, probes), *notebooks]
    try:
        for probe in probes:
            probe.parent.mkdir(parents=True, exist_ok=True)
            probe.write_bytes(b"spbl")
        answers = client.run(_seen, paths, on_error="return")
    finally:
        for probe in probes:
            with contextlib.suppress(OSError):
                probe.unlink()
    for worker, answer in answers.items():
        if isinstance(answer, OSError):
            continue  # it has just died, which Dask copes with
        if isinstance(answer, Exception):
            raise ValueError(
                f"the worker {worker} cannot use spbl_nb ({type(answer).__name__}: {answer}); start it in an environment in "
                "which this package is installed"
            )
        library, unseen = answer
        if library != provenance.library_sha256():
            raise ValueError(
                f"the worker {worker} has another state of spbl_nb than this command; start the workers anew from the same "
                "checkout"
            )
        if unseen:
            raise ValueError(
                f"the worker {worker} does not see {unseen[0]}; all workers must see the runs folder and the notebooks "
                "under the same paths, on a shared disk"
            )


def _seen(paths: list[str]) -> tuple[str, list[str]]:
    """Return, on a worker, the state of its package and which of the files are not there."""
    return provenance.library_sha256(), [path for path in paths if not os.path.exists(path)]


def dashboard(client: "Client") -> str:
    """Return the address of the page on which Dask shows its workers, empty where there is none.

    Without Bokeh, which draws it, Dask serves a page that says so and nothing else.
    """
    info = client.scheduler_info()
    there = importlib.util.find_spec("bokeh") and "dashboard" in info["services"]
    return client.dashboard_link if there else ""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Where notebooks run: worker processes of this machine, or a Dask cluster that somebody has started.

One thread a worker, for a worker runs one notebook at a time and the notebook has a process of its own. Dask deploys on
SLURM, Kubernetes and over SSH; all that is needed here is the address of the scheduler.

Taught in: notebooks/09_reproduction_report.
"""

import contextlib
import importlib.util
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from spbl_nb import checks

if TYPE_CHECKING:
    from distributed import Client

_SCHEDULER_SECONDS = 10


@contextlib.contextmanager
def client(jobs: int | None, scheduler: str | None, tasks: int) -> "Iterator[Client]":
    """Yield a client of the given scheduler, or of a cluster on this machine that ends with the block.

    There, ``jobs`` workers are started (default: one a core), but no more than there are ``tasks``. Raises ValueError for
    ``jobs`` below 1 and ConnectionError naming a scheduler that does not answer.
    """
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
    jobs = min(checks.integer("jobs", available_cores() if jobs is None else jobs, 1), tasks)
    with (
        LocalCluster(
            n_workers=jobs,
            threads_per_worker=1,
            processes=True,
            dashboard_address="127.0.0.1:0",
            memory_limit=0,
            silence_logs=50,
        ) as cluster,
        Client(cluster) as client,
    ):
        yield client


def dashboard(client: "Client") -> str:
    """Return the address of the page on which Dask shows its workers, empty if the library that draws it is missing."""
    return client.dashboard_link if importlib.util.find_spec("bokeh") else ""


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

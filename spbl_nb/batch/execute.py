"""Papermill made strict: a notebook either runs clean to its end, or fails with a message that says why.

Papermill by itself lets much pass: an unknown parameter, a value of another type, an error that a widget swallowed, an
output notebook whose cells all say "completed" after a time-out. :func:`execute` checks the parameters before a kernel
starts, gives the whole notebook one time limit, looks into every output and every widget afterwards, and lets the
executed notebook appear under its name only if all is well. Plain ``papermill in.ipynb out.ipynb`` keeps working.

The kernel is always this very Python in a private place (:mod:`spbl_nb.batch.kernels`), started anew or forked from a process
that has the imports behind it (:mod:`spbl_nb.batch.forked_kernels`), and may be limited in its time and in its memory.

Taught in: notebooks/00_start_here.
"""

import logging
import os
import time
import uuid
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
import papermill
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from spbl_nb import checks
from spbl_nb.batch import forked_kernels, kernel_memory, kernels, notebook_errors, parameters

RESULT_MIME = "application/vnd.spbl.result+json"
_ENGINE = "spbl_nb"
_START_SECONDS = 60
_OUTPUT_SECONDS = 60

_log = logging.getLogger(__name__)
_log.addHandler(logging.NullHandler())


class NotebookError(RuntimeError):
    """A notebook did not run clean to its end; ``.failed`` is the path of what was executed, or None."""

    def __init__(self, message: str, failed: Path | None = None) -> None:
        super().__init__(message)
        self.failed = failed

    def __reduce__(self) -> tuple:
        return type(self), (self.args[0], self.failed)


class TimeLimitError(NotebookError):
    """A notebook was stopped because it ran longer than it was allowed to."""


class MemoryLimitError(NotebookError):
    """A notebook was stopped because it took more memory than it was allowed to."""


def execute(
    notebook: str | os.PathLike,
    output: str | os.PathLike,
    values: dict[str, Any] | None = None,
    *,
    time_limit: float | None = None,
    must_leave: Iterable[str | os.PathLike] = (),
    folder: str | os.PathLike | None = None,
    threads: int | None = None,
    memory_limit: float | None = None,
    preload: bool = False,
    progress: bool = False,
) -> nbformat.NotebookNode:
    """Run ``notebook`` with the given parameter ``values`` and write the executed notebook to ``output``.

    ``time_limit`` is the number of seconds that the whole notebook may take, its kernel's start included; without it the
    notebook's own parameter ``TIME_LIMIT`` counts, if it has one (0: no limit). ``must_leave`` names
    files that the notebook has to write. ``folder`` is its working folder (default: the notebook's own). ``threads`` is
    the number of threads that the kernel's numerical libraries may use (default: as the environment says).
    ``memory_limit`` is the memory in GiB that the kernel and its children may take (default: no limit). ``preload``
    forks the kernel from a process that has the imports behind it (see :mod:`spbl_nb.batch.forked_kernels`), and whose own
    start no limit counts.

    Raises :class:`parameters.ParameterError` before anything is started; :class:`TimeLimitError`,
    :class:`MemoryLimitError` or :class:`NotebookError` if it fails. What was executed is then kept as
    ``<output>.failed.ipynb``, and what stood under ``output`` before is unchanged.
    """
    notebook, output = Path(notebook).absolute(), Path(output).absolute()
    known = parameters.declared(_read(notebook))
    values = parameters.checked(values or {}, known)
    if time_limit is None and "TIME_LIMIT" in known:
        time_limit = values.get("TIME_LIMIT", known["TIME_LIMIT"].default) or None
    if time_limit is not None:
        time_limit = checks.real("time_limit", time_limit, 0, open_low=True)
    if memory_limit is not None:
        memory_limit = checks.real("memory_limit", memory_limit, 0, open_low=True)
    options = {
        "time_limit": time_limit,
        "memory_limit": memory_limit,
        "folder": Path(folder or notebook.parent),
        "threads": threads,
        "server": _server(threads) if preload else None,
    }
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.stem}.{uuid.uuid4().hex[:8]}.partial.ipynb")
    failed = output.with_name(f"{output.stem}.failed.ipynb")
    started = time.time()
    try:
        executed = _run(notebook, partial, values, options, progress)
        _require_files(must_leave, started)
        nbformat.write(executed, partial)
        os.replace(partial, output)
    except NotebookError as error:
        if partial.exists():
            os.replace(partial, failed)
            error.failed = failed
            error.args = (f"{error.args[0]} (what was executed: {failed})",)
        raise
    finally:
        partial.unlink(missing_ok=True)
    failed.unlink(missing_ok=True)
    return executed


def _server(threads: int | None) -> forked_kernels.Server | None:
    """Return the server of forked kernels, or None with a warning if it does not start: a new kernel does as well."""
    try:
        return forked_kernels.server(threads)
    except RuntimeError as error:
        warnings.warn(f"{error}; the notebook gets a new kernel instead", RuntimeWarning, stacklevel=3)
        return None


def _read(path: Path) -> nbformat.NotebookNode:
    if not path.is_file():
        raise FileNotFoundError(f"there is no notebook {path}")
    try:
        return nbformat.read(path, as_version=4)
    except (ValueError, nbformat.reader.NotJSONError) as error:
        raise NotebookError(f"{path} is no notebook: {error}") from None


def _run(
    notebook: Path,
    output: Path,
    values: dict[str, Any],
    options: dict[str, Any],
    progress: bool,
) -> nbformat.NotebookNode:
    """Let papermill run the notebook; turn everything that can go wrong into a NotebookError that names it."""
    title = notebook.name
    try:
        executed = papermill.execute_notebook(
            _literal(notebook),
            _literal(output),
            values,
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=progress,
            **options,
        )
    except _NoTimeLeft:
        limit = options["time_limit"]
        raise TimeLimitError(f"{title} ran over its time limit of {limit:g} s and was stopped") from None
    except kernel_memory.OverLimit as over:
        raise MemoryLimitError(f"{title} {over} and was stopped") from None
    except PapermillExecutionError as error:
        raise NotebookError(f"{title} raised {error.ename} in its cell [{error.exec_count}]: {error.evalue}") from None
    except _KernelTrouble as trouble:
        raise NotebookError(f"the kernel of {title} {trouble}") from None
    hidden = notebook_errors.find_errors(executed)
    if hidden:
        raise NotebookError(f"{title} ran to its end, but hides an error: {'; '.join(hidden)}")
    for key in ("input_path", "output_path"):
        executed.metadata.papermill.pop(key, None)
    return executed


def _literal(path: Path) -> str:
    """Return a path that papermill, which fills in {names}, leaves as it is."""
    return str(path).replace("{", "{{").replace("}", "}}")


def _require_files(paths: Iterable[str | os.PathLike], started: float) -> None:
    """Raise unless each file exists and was written since ``started`` (two seconds are granted to coarse clocks)."""
    for path in map(Path, paths):
        if not path.exists():
            raise NotebookError(f"the notebook ran to its end, but did not leave its result {path}")
        if path.stat().st_mtime < started - 2:
            raise NotebookError(f"the notebook ran to its end, but its result {path} is older than this run")


def displayed_result(executed: nbformat.NotebookNode) -> dict[str, Any] | None:
    """Return the result object that an executed notebook displays in its last cells, or None."""
    for cell in reversed(executed.cells):
        for output in reversed(cell.get("outputs", [])):
            if RESULT_MIME in output.get("data", {}):
                return output["data"][RESULT_MIME]
    return None


class _NoTimeLeft(Exception):
    """The time limit has passed."""


class _KernelTrouble(Exception):
    """The kernel did not start, or died."""


class _StrictEngine(Engine):
    """Papermill's engine with our kernel and one time limit for the whole notebook."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        time_limit: float | None,
        memory_limit: float | None,
        folder: Path,
        threads: int | None,
        server: forked_kernels.Server | None,
        **unused: Any,
    ) -> None:
        deadline = None if time_limit is None else time.monotonic() + time_limit

        def remaining(_cell: Any) -> float | None:
            if deadline is None:
                return None
            left = deadline - time.monotonic()
            if left <= 0:
                raise _NoTimeLeft
            return left

        with (
            kernels.private_folder() as home,
            open(home / "kernel.log", "w+", encoding="utf-8", errors="replace") as log,
        ):
            manager = kernels.manager(home) if server is None else forked_kernels.manager(home, server)
            client = PapermillNotebookClient(
                nb_man,
                km=manager,
                kernel_name=kernel_name,
                timeout_func=remaining,
                startup_timeout=_START_SECONDS,
                iopub_timeout=_OUTPUT_SECONDS,
                shutdown_kernel="immediate",  # a polite request is lost one time in five, and then takes 3 s
                resources={"metadata": {"path": str(folder)}},
                log=_log,
            )
            client.owns_km = True
            try:
                with kernel_memory.watched(manager, memory_limit):
                    client.execute(env=kernels.environment(home, threads), stdout=log, stderr=log)
            except CellTimeoutError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise _NoTimeLeft from None
                raise _KernelTrouble(f"did not deliver a cell's outputs within {_OUTPUT_SECONDS} s") from None
            except DeadKernelError:
                raise _KernelTrouble(f"died; the machine may have run out of memory{kernels.last_words(log)}") from None
            except RuntimeError as error:
                raise _KernelTrouble(f"did not start: {error}{kernels.last_words(log)}") from None


papermill_engines.register(_ENGINE, _StrictEngine)

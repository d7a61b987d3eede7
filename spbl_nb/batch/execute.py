"""Papermill made strict: a notebook either runs clean to its end, or fails with a message that says why.

:func:`execute` checks the parameters before a kernel starts, gives the whole notebook one time limit, looks into every
output and every widget afterwards, and lets the executed notebook appear under its name only if all is well. Plain
``papermill in.ipynb out.ipynb`` keeps working.
"""

import html
import os
import re
import sys
import tempfile
import time
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any

import nbformat
import papermill
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines
from papermill.exceptions import PapermillExecutionError

from spbl_nb.batch import parameters
from spbl_nb.places import PACKAGE, cache_variable

_ENGINE = "spbl_nb"
_START_SECONDS = 60
_OUTPUT_SECONDS = 60
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
_WIDGETS = "application/vnd.jupyter.widget-state+json"
_TRACEBACK = "Traceback (most recent call last)"

os.environ["JUPYTER_PREFER_ENV_PATH"] = "1"  # the kernel python3 is this environment's, whatever a user has installed


class NotebookError(RuntimeError):
    """A notebook did not run clean to its end."""


class TimeLimitError(NotebookError):
    """A notebook was stopped because it ran longer than it was allowed to."""


def execute(
    notebook: str | os.PathLike,
    output: str | os.PathLike,
    values: dict[str, Any] | None = None,
    *,
    time_limit: float | None = None,
    folder: str | os.PathLike | None = None,
    threads: int | None = None,
    failed: str | os.PathLike | None = None,
) -> nbformat.NotebookNode:
    """Run ``notebook`` with the given parameter ``values`` and write the executed notebook to ``output``.

    ``time_limit`` is in seconds for the whole notebook, its kernel's start included; without it the notebook's own parameter
    ``TIME_LIMIT`` counts, if it has one (0: no limit). ``folder`` is its working folder (default: the notebook's own),
    ``threads`` the number of threads of its numerical libraries. ``failed`` is where a notebook that fails is kept (default:
    ``<output>.failed.ipynb``); success removes what an earlier failure left there.

    Raises :class:`parameters.ParameterError` before anything is started; :class:`TimeLimitError` or
    :class:`NotebookError` naming the kept notebook if it fails. What was under ``output`` before is then unchanged.
    """
    notebook, output = Path(notebook).absolute(), Path(output).absolute()
    known = parameters.declared(notebook)
    values = parameters.checked(values or {}, known)
    if time_limit is None and "TIME_LIMIT" in known:
        time_limit = values.get("TIME_LIMIT", known["TIME_LIMIT"].default) or None
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f".{output.stem}.{uuid.uuid4().hex[:8]}.partial.ipynb")
    failed = Path(failed or output.with_name(f"{output.stem}.failed.ipynb"))
    try:
        executed = _run(notebook, partial, values, time_limit, Path(folder or notebook.parent), threads)
        nbformat.write(executed, partial)
        os.replace(partial, output)
    except NotebookError as error:
        if partial.exists():
            failed.parent.mkdir(parents=True, exist_ok=True)
            os.replace(partial, failed)
            error.args = (f"{error} (what was executed: {failed})",)
        raise
    finally:
        partial.unlink(missing_ok=True)
    failed.unlink(missing_ok=True)
    return executed


def _run(
    notebook: Path, output: Path, values: dict[str, Any], time_limit: float | None, folder: Path, threads: int | None
) -> nbformat.NotebookNode:
    """Let papermill run the notebook; raise NotebookError for a cell that failed and for an error that is hidden."""
    title = notebook.name
    try:
        executed = papermill.execute_notebook(
            parameters.literal(notebook),
            parameters.literal(output),
            values,
            engine_name=_ENGINE,
            kernel_name="python3",
            language="python",
            progress_bar=False,
            title=title,
            time_limit=time_limit,
            folder=folder,
            threads=threads,
        )
    except PapermillExecutionError as error:
        raise NotebookError(f"{title} raised {error.ename} in its cell [{error.exec_count}]: {error.evalue}") from None
    hidden = find_errors(executed)
    if hidden:
        raise NotebookError(f"{title} ran to its end, but hides an error: {'; '.join(hidden)}")
    for key in ("input_path", "output_path"):
        executed.metadata.papermill.pop(key, None)
    return executed


class _StrictEngine(Engine):
    """Papermill's engine with a private place for the kernel and one time limit for the whole notebook."""

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        *,
        title: str,
        time_limit: float | None,
        folder: Path,
        threads: int | None,
        **unused: Any,
    ) -> None:
        deadline = None if time_limit is None else time.monotonic() + time_limit
        too_long = TimeLimitError(f"{title} ran over its time limit of {time_limit or 0:g} s and was stopped")

        def remaining(_cell: Any) -> float | None:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                raise too_long
            return left

        # a socket's path may have about 100 characters
        short = "/tmp" if len(tempfile.gettempdir()) > 60 and os.access("/tmp", os.W_OK) else None
        with (
            tempfile.TemporaryDirectory(prefix="spbl-", dir=short, ignore_cleanup_errors=True) as home,
            open(Path(home, "kernel.log"), "w+", encoding="utf-8", errors="replace") as log,
        ):
            manager = AsyncKernelManager(
                kernel_name=kernel_name,
                connection_file=str(Path(home, "k.json")),
                transport="tcp" if sys.platform == "win32" else "ipc",  # of many kernels at once, some fail over TCP
            )
            client = PapermillNotebookClient(
                nb_man,
                km=manager,
                kernel_name=kernel_name,
                timeout_func=remaining,
                startup_timeout=_START_SECONDS,
                iopub_timeout=_OUTPUT_SECONDS,
                shutdown_kernel="immediate",  # a polite request is lost one time in five, and then takes 3 s
                resources={"metadata": {"path": str(folder)}},
            )
            client.owns_km = True
            try:
                client.execute(env=_environment(home, threads), stdout=log, stderr=log)
            except TimeLimitError:
                raise
            except CellTimeoutError:
                if deadline is not None and time.monotonic() >= deadline:
                    raise too_long from None
                problem = f"did not deliver a cell's outputs within {_OUTPUT_SECONDS} s"
            except DeadKernelError:
                problem = f"died; the machine may have run out of memory{_last_words(log)}"
            except RuntimeError as error:
                problem = f"did not start: {error}{_last_words(log)}"
            else:
                return
            raise NotebookError(f"the kernel of {title} {problem}")


papermill_engines.register(_ENGINE, _StrictEngine)


def _environment(home: str, threads: int | None) -> dict[str, str]:
    """Return this process's environment with what a kernel needs, and without what a Dask worker sets for itself.

    A worker gives freed memory back at once (``MALLOC_TRIM_THRESHOLD_``), which doubles the time of a training.
    """
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    environment |= {"IPYTHONDIR": str(Path(home, "ipython"))} | cache_variable()
    if threads is not None:
        environment |= dict.fromkeys(_THREAD_VARIABLES, str(threads))
    if (PACKAGE.parent / "pyproject.toml").is_file():  # a checkout, which need not be installed
        others = [environment["PYTHONPATH"]] if environment.get("PYTHONPATH") else []
        environment["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *others])
    return environment


def _last_words(log: IO[str]) -> str:
    """Return the last line that a kernel wrote to its log, if any, as an addition to a message."""
    log.seek(0)
    lines = log.read().strip().splitlines()
    return f" (its last words: {lines[-1]})" if lines else ""


def find_errors(notebook: Mapping[str, Any]) -> list[str]:
    """Return one text for each error that an executed notebook (nbformat 4) shows or hides; empty if it is clean.

    A callback that fails inside an ``Output`` widget, or in an explorer, stops nothing: the notebook runs to its end and
    papermill is content. What failed is still written down in the widget state of the notebook's metadata.
    """
    found = []
    for index, cell in enumerate(notebook["cells"]):
        found += [f"cell {index}: {text}" for text in _in_outputs(cell.get("outputs", ()))]
    states = notebook["metadata"].get("widgets", {}).get(_WIDGETS, {}).get("state", {})
    for model in states.values():
        state = model.get("state", {})
        texts = _in_outputs(state.get("outputs") or ())
        texts += [text for value in state.values() if isinstance(value, str) for text in _in_text(value)]
        found += [f"inside a widget ({model.get('model_name')}): {text}" for text in texts]
    return found


def _in_outputs(outputs: Iterable[Mapping[str, Any]]) -> list[str]:
    found = []
    for output in outputs:
        if output.get("output_type") == "error":
            found.append(f"{output.get('ename')}: {output.get('evalue')}")
        elif output.get("name") == "stderr":
            text = "".join(output.get("text", ""))
            found += [_last_line(text)] if _TRACEBACK in text else []
    return found


def _in_text(value: str) -> list[str]:
    from spbl_nb.explorers.base import ERROR_MARK  # brings Matplotlib, which only a notebook with widgets asks for

    if ERROR_MARK in value:
        return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", value)).split())]
    return [_last_line(value)] if _TRACEBACK in value else []


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]

"""A kernel's surroundings: this very Python, a private folder with a short name, and an environment without surprises.

Whatever kernelspec a user has installed, the kernel is the Python that runs this code. It speaks over sockets in a short
private folder, and neither reads nor writes the user's Jupyter and IPython settings.

Taught in: notebooks/00_start_here.
"""

import contextlib
import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from ipykernel.kernelspec import get_kernel_dict
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager

from spbl_nb.places import PACKAGE, cache_variable

_LONGEST_SOCKET_FOLDER = 60  # a socket's path may have about 100 characters, and its own name takes some
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


class _OwnKernelSpecs(KernelSpecManager):
    """Knows one kernel, python3, and it is the Python that runs this code."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        return KernelSpec(**get_kernel_dict())


@contextlib.contextmanager
def private_folder() -> Iterator[Path]:
    """Yield a private folder with a short name for one kernel's sockets, settings and log; it is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="spbl-", dir=_short_folder()))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def manager(home: Path) -> AsyncKernelManager:
    """Return a manager for one kernel of this Python that speaks over sockets in ``home`` (Windows: over TCP)."""
    return AsyncKernelManager(
        kernel_name="python3",
        kernel_spec_manager=_OwnKernelSpecs(),
        connection_file=str(home / "k.json"),
        transport="tcp" if sys.platform == "win32" else "ipc",
    )


def last_words(log: IO[str]) -> str:
    """Return the last line that a process wrote to its log, if any, as an addition to a message."""
    log.seek(0)
    lines = log.read().strip().splitlines()
    return f" (its last words: {lines[-1]})" if lines else ""


def environment(home: Path, threads: int | None) -> dict[str, str]:
    """Return this process's environment with what a kernel needs, and without what a Dask worker sets for itself.

    A worker gives freed memory back at once (``MALLOC_TRIM_THRESHOLD_``), which doubles the time of a training.
    """
    inherited = {name: value for name, value in os.environ.items() if name != "MALLOC_TRIM_THRESHOLD_"}
    private = {"IPYTHONDIR": str(home / "ipython"), "JUPYTER_PREFER_ENV_PATH": "1"}
    numerics = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    return inherited | private | numerics | cache_variable() | _import_path()


def _short_folder() -> str | None:
    """Return where temporary folders have short names, or None for the system's default place."""
    usual = tempfile.gettempdir()
    return "/tmp" if len(usual) > _LONGEST_SOCKET_FOLDER and os.access("/tmp", os.W_OK) else None


def _import_path() -> dict[str, str]:
    """Let the kernel import this very package, also from a checkout that is not installed."""
    parent = str(PACKAGE.parent)
    if parent in sysconfig.get_paths().values():
        return {}
    others = os.environ.get("PYTHONPATH")
    return {"PYTHONPATH": os.pathsep.join([parent, others] if others else [parent])}

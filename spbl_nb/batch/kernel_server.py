"""A process that has imported everything once, and forks a kernel whenever it is asked to.

A kernel's start costs little, but the imports of a notebook cost seconds. Here they are done before the fork, and each
kernel has them at once. A kernel gets a process group, an environment, a working folder and random numbers of its own, so
that it finds nothing that another one left. Nothing is computed here and no GPU is touched: threads and a GPU's driver do
not survive a fork.

It speaks one JSON value a line over a socket: ``{"fork": {...}}`` is answered by ``{"pid": n}`` or ``{"error": text}``,
``{"poll": pid}`` by ``{"status": None or the exit status}``. When the other side is gone, it stops its kernels and ends.

Started by: spbl_nb/batch/forked_kernels.py, which is what a program uses.
"""

import contextlib
import gc
import importlib
import json
import os
import random
import signal
import socket
import sys
import threading
from pathlib import Path
from typing import Any

PRELOADED = (  # not matplotlib_inline.backend_inline, which connects itself to the kernel that imports it
    "IPython.core.completerlib",
    "IPython.core.debugger",
    "IPython.display",
    "IPython.extensions.storemagic",
    "accelerate",
    "ipykernel.debugger",
    "ipykernel.kernelapp",
    "matplotlib.pyplot",
    "numpy",
    "pandas",
    "scipy.stats",
    "sklearn.datasets",
    "sklearn.metrics",
    "sklearn.svm",
    "torch",
    "torchvision",
    "spbl_nb.config",
    "spbl_nb.data",
    "spbl_nb.methods",
    "spbl_nb.metrics",
    "spbl_nb.plots.figures",
    "spbl_nb.results.store",
)


def main() -> None:
    """Import everything, say so, and answer requests until the other side closes the socket named on the command line."""
    if sys.path[0] == "" or Path(sys.path[0]) == Path.cwd():
        del sys.path[0]  # as ipykernel_launcher does
    before = dict(os.environ)
    for name in PRELOADED:
        with contextlib.suppress(ImportError):  # the notebook that needs it will say so
            importlib.import_module(name)
    set_by_imports = {name: value for name, value in os.environ.items() if before.get(name) != value}
    gc.collect()
    gc.freeze()  # else the first collection in a kernel would copy every page
    connection = socket.socket(fileno=int(sys.argv[1]))
    kernels: dict[int, int | None] = {}  # exit status by process number
    try:
        with connection.makefile("rw", encoding="utf-8") as channel:
            _say(channel, {"threads": _threads()})
            for line in channel:
                request = json.loads(line)
                if "fork" in request:
                    request["fork"]["environment"] = set_by_imports | request["fork"]["environment"]
                    try:
                        _say(channel, {"pid": _fork(request["fork"], kernels, connection)})
                    except OSError as error:
                        _say(channel, {"error": str(error)})
                else:
                    _say(channel, {"status": _status(request["poll"], kernels)})
    finally:
        for pid in kernels:
            if _status(pid, kernels) is None:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(pid, signal.SIGKILL)


def _threads() -> int:
    """Return the number of this process's threads, as far as the system tells those that are not Python's."""
    listed = Path("/proc/self/task")
    return len(list(listed.iterdir())) if listed.is_dir() else threading.active_count()


def _say(channel: Any, answer: dict[str, Any]) -> None:
    channel.write(json.dumps(answer) + "\n")
    channel.flush()


def _fork(kernel: dict[str, Any], kernels: dict[int, int | None], connection: socket.socket) -> int:
    """Fork one kernel and return its process number; the child never comes back from here."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.setpgid(0, 0)
            os.close(connection.fileno())
            _be_kernel(**kernel)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            with contextlib.suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            os._exit(status)
    with contextlib.suppress(OSError):  # whoever of the two is first
        os.setpgid(pid, pid)
    kernels[pid] = None
    return pid


def _be_kernel(connection_file: str, environment: dict[str, str], folder: str, log: str) -> None:
    """Turn this process, just forked, into a kernel as if it had been started afresh; return when that ends."""
    nothing = os.open(os.devnull, os.O_RDONLY)
    written = os.open(log, os.O_WRONLY | os.O_APPEND)
    for source, target in ((nothing, 0), (written, 1), (written, 2)):
        os.dup2(source, target)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    random.seed()
    sys.modules["numpy"].random.seed()
    sys.modules["torch"].default_generator.seed()
    parent = f"--IPKernelApp.parent_handle={os.getppid()}"  # the kernel ends when the server is gone
    sys.argv = ["ipykernel_launcher", "-f", connection_file, parent]
    sys.modules["ipykernel.kernelapp"].launch_new_instance()


def _status(pid: int, kernels: dict[int, int | None]) -> int | None:
    """Return a kernel's exit status (negative: the signal that ended it), or None while it runs."""
    if kernels[pid] is None:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            kernels[pid] = os.waitstatus_to_exitcode(status)
    return kernels[pid]


if __name__ == "__main__":
    main()

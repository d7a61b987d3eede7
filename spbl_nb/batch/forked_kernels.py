"""Kernels that have their imports behind them: forked from a server process instead of started anew.

Most of a small notebook's time goes into its imports. One process imports torch, Matplotlib, scikit-learn and this
package once (:mod:`spbl_nb.batch.kernel_server`) and forks a kernel for each notebook, which starts in a fraction of a second
and gives the same results. ``spbl-nb reproduce`` does so by default under Linux on the CPU, and elsewhere on request: a fork
needs a POSIX system, Apple's numerical libraries do not bear it, a GPU's driver must not have been touched before, and a
library imported at the fork is the one that was on the disk when the server started. A server takes as long to start as
two or three new kernels.

A server lives as long as the process that asked for it, is replaced when the package's source changes, and takes its
kernels with it when it ends, however it ends.

Taught in: notebooks/09_reproduction_report.
"""

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from jupyter_client.manager import AsyncKernelManager
from jupyter_client.provisioning import LocalProvisioner
from traitlets import Instance

from spbl_nb.batch import kernels
from spbl_nb.places import PACKAGE
from spbl_nb.results import provenance

if TYPE_CHECKING:
    from jupyter_client.connect import KernelConnectionInfo

_INLINE = "module://matplotlib_inline.backend_inline"  # what a kernel sets for itself
_NO_WARNING = ["-Xfrozen_modules=off"] if sys.version_info >= (3, 11) else []  # a debugger's, which a kernel brings
_START_SECONDS = 120
_ANSWER_SECONDS = 60
_servers: dict[tuple, "Server"] = {}
_starting = threading.Lock()


def available() -> bool:
    """Say whether this system can fork."""
    return hasattr(os, "fork") and sys.platform != "win32"


def server(threads: int | None) -> "Server":
    """Return the running server of this process for kernels with that many threads; one is started if there is none.

    Raises ValueError where processes cannot fork and RuntimeError with the server's last words if it does not start.
    """
    if not available():
        raise ValueError("preload is True; allowed here: False, for this system cannot fork processes (Windows cannot)")
    key = (threads, provenance.library_sha256.__wrapped__())  # the source as it is now
    with _starting:
        running = _servers.get(key)
        if running is None or not running.alive():
            for old in [other for other in _servers if other[0] == threads]:
                _servers.pop(old).close()
            running = _servers[key] = Server(threads)
    return running


def manager(home: Path, server: "Server") -> AsyncKernelManager:
    """Return a manager as :func:`kernels.manager` does, whose kernel comes from the server."""
    made = kernels.manager(home)
    made.provisioner = ForkedProvisioner(
        kernel_id=str(uuid.uuid4()), kernel_spec=made.kernel_spec, parent=made, server=server
    )
    return made


def close_servers() -> None:
    """End all servers of this process, and with them their kernels."""
    with _starting:
        while _servers:
            _servers.popitem()[1].close()


atexit.register(close_servers)


class Server:
    """A running :mod:`spbl_nb.batch.kernel_server`; ``threads`` is the number of threads of its kernels' numerical libraries."""

    def __init__(self, threads: int | None) -> None:
        self._ours, theirs = socket.socketpair()
        self._lock = threading.Lock()
        with theirs, tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as log:
            environment = kernels.environment(Path(tempfile.gettempdir()), threads)
            environment.setdefault("MPLBACKEND", _INLINE)  # before pyplot is imported, else every figure is lost
            self._process = subprocess.Popen(
                [sys.executable, *_NO_WARNING, "-m", "spbl_nb.batch.kernel_server", str(theirs.fileno())],
                cwd=PACKAGE.parent,  # Python looks there first; where the user stands, anything may be called random.py
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C in a terminal is for the program that uses the server
            )
            theirs.close()
            self._channel = self._ours.makefile("rw", encoding="utf-8")
            self._ours.settimeout(_START_SECONDS)
            try:
                self.threads = self._answer()["threads"]
            except (OSError, ValueError) as error:
                self.close()
                raise RuntimeError(
                    f"the server of preloaded kernels did not start: {error}{kernels.last_words(log)}"
                ) from None
        self._ours.settimeout(_ANSWER_SECONDS)

    @property
    def pid(self) -> int:
        """Number of the server's process."""
        return self._process.pid

    def alive(self) -> bool:
        """Say whether the server runs."""
        return self._process.poll() is None

    def fork(self, connection_file: str, environment: dict[str, str], folder: str, log: str) -> int:
        """Fork a kernel and return its process number; raises RuntimeError with the reason if that cannot be done."""
        kernel = {"connection_file": connection_file, "environment": environment, "folder": folder, "log": log}
        try:
            answer = self._ask({"fork": kernel})
        except (OSError, ValueError) as error:
            raise RuntimeError(f"the server of preloaded kernels does not answer ({error})") from None
        if "error" in answer:
            raise RuntimeError(f"the server of preloaded kernels cannot fork ({answer['error']})")
        return answer["pid"]

    def status(self, pid: int) -> int | None:
        """Return the exit status of one of its kernels, or None while it runs; without a server it is killed."""
        try:
            return self._ask({"poll": pid})["status"]
        except (OSError, ValueError):
            with contextlib.suppress(OSError):
                os.killpg(pid, signal.SIGKILL)
            return -signal.SIGKILL

    def close(self) -> None:
        """End the server and its kernels."""
        for end in (self._channel, self._ours):
            with contextlib.suppress(OSError):
                end.close()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to a request; a server that fails once is ended, for a late answer would be taken for the next."""
        with self._lock:
            try:
                self._channel.write(json.dumps(request) + "\n")
                self._channel.flush()
                return self._answer()
            except BaseException:
                self._process.kill()
                self._process.wait()
                raise

    def _answer(self) -> dict[str, Any]:
        line = self._channel.readline()
        if not line:
            raise ConnectionError("it ended")
        return json.loads(line)


class ForkedProvisioner(LocalProvisioner):
    """Jupyter's way to a local kernel, but the process comes from a :class:`Server`."""

    server = Instance(Server)

    async def launch_kernel(self, cmd: list[str], **options: Any) -> "KernelConnectionInfo":
        """Fork the kernel; its connection file has been written already."""
        folder, log = str(options["cwd"]), options["stderr"].name
        pid = self.server.fork(cast(AsyncKernelManager, self.parent).connection_file, options["env"], folder, log)
        self.process = cast(subprocess.Popen, ForkedProcess(pid, self.server))
        self.pid = self.pgid = pid
        self.cwd = folder
        return self.connection_info


class ForkedProcess:
    """As much of ``subprocess.Popen`` as a provisioner uses, for a process that is a child of the server."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, server: Server) -> None:
        self.pid = pid
        self._server = server

    def poll(self) -> int | None:
        """Return the exit status, or None while the process runs."""
        return self._server.status(self.pid)

    def wait(self) -> int:
        """Return the exit status when there is one."""
        while (status := self.poll()) is None:
            time.sleep(0.02)
        return status

    def send_signal(self, number: int) -> None:
        """Send a signal to the process and to whatever it started."""
        os.killpg(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)

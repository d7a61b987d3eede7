"""A limit to the memory that a kernel may take, so that one notebook cannot bring down the machine and all others.

A thread looks ten times a second at how much memory the kernel has made its own, and stops it when that is more than it
was granted. What it only maps from files, such as a cache of pictures, or shares with other processes does not count.
The operating system's own limits will not do: they count addresses, of which a GPU's driver takes many and uses few.

Taught in: notebooks/09_reproduction_report.
"""

import contextlib
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from jupyter_client.manager import AsyncKernelManager

GIB = 2**30
_SECONDS_BETWEEN_LOOKS = 0.1
_LOOKS_BETWEEN_FAMILIES = 10  # finding a kernel's children means reading the whole process table


class OverLimit(Exception):
    """The kernel took more memory than it was granted, and was stopped."""


@contextlib.contextmanager
def watched(manager: "AsyncKernelManager", limit: float | None) -> Iterator[None]:
    """Stop the manager's kernel when it and its children take more than ``limit`` GiB (None: no limit).

    Whatever the block then raises becomes :class:`OverLimit`, whose text says how much was taken and allowed.
    """
    if limit is None:
        yield
        return
    over: list[float] = []
    ended = threading.Event()
    watch = threading.Thread(target=_watch, args=(manager, limit, over, ended), daemon=True)
    watch.start()
    try:
        yield
    except Exception:
        if over:
            raise OverLimit(f"took {over[0]:.2f} GiB of memory, more than its limit of {limit:.4g} GiB,") from None
        raise
    finally:
        ended.set()
        watch.join()


def _watch(manager: "AsyncKernelManager", limit: float, over: list[float], ended: threading.Event) -> None:
    """Look until ``ended``; if the kernel takes more than its ``limit``, note how much in ``over`` and kill it."""
    family: list[psutil.Process] = []
    look = 0
    while not ended.wait(_SECONDS_BETWEEN_LOOKS):
        pid = getattr(manager.provisioner, "pid", None)
        if pid is None:
            continue
        if look % _LOOKS_BETWEEN_FAMILIES == 0:
            family = _family(pid)
        look += 1
        taken = sum(map(own_bytes, family)) / GIB
        if taken > limit and psutil.LINUX:
            taken = sum(map(_unshared_bytes, family)) / GIB
        if taken > limit:
            over.append(taken)
            for process in reversed(_family(pid)):
                with contextlib.suppress(psutil.Error):
                    process.kill()
            return


def _family(pid: int) -> list[psutil.Process]:
    """Return the process and its descendants, as far as they are alive."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


def _unshared_bytes(process: psutil.Process) -> int:
    """Return what :func:`own_bytes` does without the pages that a fork still shares, which takes the system longer to tell."""
    try:
        return process.memory_full_info().uss
    except psutil.Error:
        return 0


def own_bytes(process: psutil.Process) -> int:
    """Return the bytes that a process has in memory for itself alone (where the system tells, else all that it has)."""
    try:
        memory = process.memory_info()
    except psutil.Error:
        return 0
    return memory.rss - getattr(memory, "shared", 0)

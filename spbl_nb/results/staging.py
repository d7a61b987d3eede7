"""Folders that appear as a whole: filled under ``.staging``, then renamed to their final place.

A rename inside one file system is a single step, so a reader finds a folder complete or not at all, whatever happens to
the process that fills it. What a killed process leaves behind carries its machine and process number and is cleared
away by the next run.
"""

import contextlib
import errno
import os
import platform
import shutil
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

STAGING = ".staging"
_HOST = platform.node() or "host"


def check_writable(root: str | os.PathLike) -> Path:
    """Create the folder and write a file in it, so that a wrong path is reported before the training, not after it.

    Raises OSError naming the folder and what to do.
    """
    root = Path(root)
    probe = root / f".probe-{uuid.uuid4().hex[:8]}"
    try:
        root.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"spbl")
    except OSError as error:
        raise OSError(
            error.errno,
            f"cannot write to the runs folder {root} ({error.strerror}); choose another one (RUNS_DIR in a notebook, "
            "--runs-dir on the command line) or mend its permissions",
        ) from None
    finally:
        with contextlib.suppress(OSError):
            probe.unlink()
    return root


@contextlib.contextmanager
def staging(root: str | os.PathLike) -> Iterator[Path]:
    """Yield a fresh folder below ``root/.staging``, named after this machine and process; it is removed at the end."""
    stage = Path(root) / STAGING / f"{_HOST}--{os.getpid()}--{uuid.uuid4().hex[:8]}"
    stage.mkdir(parents=True)
    try:
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def clean_staging(root: str | os.PathLike) -> int:
    """Remove staging folders that dead processes of this machine left behind; return how many.

    Folders of living processes and of other machines are left alone: theirs may be at work on a shared disk.
    """
    import psutil

    removed = 0
    for stage in sorted((Path(root) / STAGING).glob("*--*--*")):
        host, pid, _ = stage.name.rsplit("--", 2)
        if host == _HOST and pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(stage, ignore_errors=True)
            removed += 1
    return removed


def _sync_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the system can (Windows cannot)."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def move_into_place(stage: Path, folder: Path) -> bool:
    """Rename a filled folder to its final place; return False, leaving both as they are, if something stands there.

    ``stage`` must lie on the same file system. Raises OSError if the rename fails for another reason.
    """
    _sync_folder(stage)
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        os.rename(stage, folder)
    except OSError as error:
        if folder.exists() and error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.EACCES):
            return False
        raise
    _sync_folder(folder.parent)
    return True


def set_aside(folder: Path) -> Path:
    """Rename a folder to the first free ``<name>.broken-<k>`` and return the new path; nothing is deleted."""
    for number in range(1, 1000):
        aside = folder.with_name(f"{folder.name}.broken-{number}")
        if not aside.exists():
            shutil.move(folder, aside)
            return aside
    raise OSError(f"{folder.parent} holds a thousand broken copies of {folder.name}; remove some")

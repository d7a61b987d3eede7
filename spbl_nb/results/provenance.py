"""Where a number comes from: versions of the libraries, hash of this package's source, revision of its checkout."""

import contextlib
import functools
import os
import platform
import subprocess
import sys
from importlib import metadata

from spbl_nb import __version__, files
from spbl_nb.places import PACKAGE


def versions() -> dict[str, str]:
    """Return the versions of Python, of this package and of the libraries that the numbers depend on."""
    found = {"python": platform.python_version(), "spbl_nb": __version__}
    for name in ("numpy", "torch", "torchvision", "scikit-learn"):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def machine() -> dict[str, str | int | None]:
    """Return system, processor type, number of cores and, if torch is loaded and sees one, the name of the GPU."""
    torch = sys.modules.get("torch")
    gpu = torch.cuda.get_device_name(0) if torch is not None and torch.cuda.is_available() else None
    return {"system": platform.system(), "machine": platform.machine(), "cores": os.cpu_count(), "gpu": gpu}


@functools.cache
def library_sha256() -> str:
    """Return the SHA-256 (hex) over all source files and tables of the package."""
    sources = sorted(path for path in PACKAGE.rglob("*") if path.suffix in (".py", ".csv", ".yaml", ".js"))
    return files.sha256_of(*(part for path in sources for part in (path.name, path.read_bytes())))


def notebook_sha256(path: str | os.PathLike) -> str:
    """Return the SHA-256 (hex) over types, tags and sources of a notebook's cells; what an execution adds does not count."""
    cells = files.read_json(path)["cells"]
    parts = [[cell["cell_type"], cell["metadata"].get("tags", []), "".join(cell["source"])] for cell in cells]
    return files.sha256_of(files.to_json(parts))


@functools.cache
def git_revision() -> str:
    """Return the checkout's revision, ``…-dirty`` if it was changed since, or "unknown" outside a checkout of this package."""
    command = ["git", "-C", str(PACKAGE.parent), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    if (PACKAGE.parent / ".git").exists():
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            return subprocess.run(command, capture_output=True, text=True, timeout=20, check=True).stdout.strip()
    return "unknown"

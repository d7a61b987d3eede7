"""Is everything here that the notebooks and commands need? One finding a requirement, each with what to do.

Taught in: notebooks/00_start_here, section 1.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from spbl_nb import places
from spbl_nb.results import store

if TYPE_CHECKING:
    from packaging.requirements import Requirement

OK, WARN, FAIL = "OK", "WARN", "FAIL"
PYTHON = (3, 10)
_DISTRIBUTION = "spbl-nb"
_FREE_BYTES_NEEDED, _FREE_BYTES_WISHED = 200_000_000, 2_000_000_000
_TORCH_PROBE = """
import json, torch, torchvision
gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
print(json.dumps([torch.__version__, torchvision.__version__, gpu]))
"""


@dataclass(frozen=True)
class Finding:
    """One requirement: its ``level`` (OK, WARN or FAIL), ``what`` was looked at, what was ``found`` and the ``fix``."""

    level: str
    what: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"\n{'':9}-> {self.fix}" if self.fix else ""
        return f"[{self.level:^6}] {self.what}: {self.found}{fix}"


def check(runs_dir: str | os.PathLike | None = None) -> list[Finding]:
    """Return a finding for every requirement, in an order in which to mend them; nothing is changed.

    ``runs_dir`` is the runs folder whose disk and permissions are looked at (default: that of :mod:`spbl_nb.places`).
    """
    folder = places.runs_dir(runs_dir)
    return [_python(), *_packages(), *_torch_pair(), _kernel(), _widgets(), _writable(folder), _disk(folder), _cores()]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    if sys.version_info < PYTHON:
        wanted = ".".join(map(str, PYTHON))
        return Finding(FAIL, "Python", found, f"make a new environment with Python {wanted} or newer")
    return Finding(OK, "Python", found)


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what this package's metadata asks for."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        yield Finding(
            WARN,
            "packages",
            f"{_DISTRIBUTION} is not installed, so its requirements are not known",
            f"{sys.executable} -m pip install -e . in the checkout",
        )
        return
    for requirement in wanted:
        if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
            yield _package(requirement.name, requirement)


def _package(name: str, requirement: "Requirement") -> Finding:
    fix = f'{sys.executable} -m pip install "{name}{requirement.specifier}"'
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(FAIL, name, "not installed", fix)
    if not requirement.specifier.contains(version, prereleases=True):
        return Finding(FAIL, name, f"{version}, but {requirement.specifier} is needed", fix)
    return Finding(OK, name, version)


def _torch_pair() -> Iterator[Finding]:
    """Import torch and torchvision together, in a process of its own: a mismatched pair can fail in many ways."""
    what = "torch with torchvision"
    again = f"{sys.executable} -m pip install --force-reinstall torch torchvision (both from the same index)"
    try:
        probe = subprocess.run([sys.executable, "-c", _TORCH_PROBE], capture_output=True, text=True, timeout=180)
    except subprocess.TimeoutExpired:
        yield Finding(FAIL, what, "importing them took more than three minutes", "look for a slow or full disk")
        return
    if probe.returncode:
        yield Finding(FAIL, what, explain_torch(probe.stderr), again)
        return
    torch, vision, gpu = json.loads(probe.stdout.strip().splitlines()[-1])
    yield Finding(OK, what, f"{torch} with {vision}")
    yield Finding(OK, "GPU", f"{gpu}; used with DEVICE or --device cuda" if gpu else "none found; none is needed")


def explain_torch(errors: str) -> str:
    """Say in words why torch and torchvision do not import, from what Python wrote on standard error."""
    last = errors.strip().splitlines()[-1] if errors.strip() else "the process died without a word"
    if "torchvision::nms" in errors:
        return f"they do not belong together, e.g. a CPU-only torch beside a torchvision built for another one ({last})"
    return last


def _kernel() -> Finding:
    """Does the kernel that notebooks name, python3, run this Python?"""
    what, fix = "Jupyter kernel python3", f"{sys.executable} -m pip install ipykernel"
    try:
        from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
    except ImportError as error:
        return Finding(FAIL, what, str(error), fix)
    try:
        spec = KernelSpecManager().get_kernel_spec("python3")
    except NoSuchKernel:
        return Finding(FAIL, what, "not there", fix)
    program = spec.argv[0]
    if program in ("python", "python3") or _same_program(program):
        return Finding(OK, what, f"runs {sys.executable}")
    return Finding(
        WARN,
        what,
        f"{spec.resource_dir} runs {program}, not {sys.executable}",
        "start JupyterLab with 'spbl-nb lab', which prefers this environment's kernel, or remove that kernelspec with "
        "'jupyter kernelspec remove python3'",
    )


def _same_program(program: str) -> bool:
    """Say whether a kernel's program is the Python of this environment; python and python3 beside each other are."""
    found = shutil.which(program)
    return found is not None and Path(found).absolute().parent == Path(sys.executable).absolute().parent


def _widgets() -> Finding:
    """Is the part of ipywidgets that runs in JupyterLab installed where JupyterLab of this Python looks for it?"""
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError as error:
        fix = f"{sys.executable} -m pip install --force-reinstall jupyterlab ipywidgets"
        return Finding(FAIL, "widgets in JupyterLab", f"Jupyter cannot be imported ({error})", fix)

    manager = Path("@jupyter-widgets", "jupyterlab-manager", "package.json")
    if any((Path(folder) / manager).exists() for folder in jupyter_path("labextensions")):
        return Finding(OK, "widgets in JupyterLab", "their front end is installed")
    fix = f"{sys.executable} -m pip install --force-reinstall ipywidgets jupyterlab_widgets"
    return Finding(
        FAIL, "widgets in JupyterLab", "their front end (jupyterlab_widgets) is missing: sliders stay blank", fix
    )


def _writable(folder: Path) -> Finding:
    try:
        store.check_writable(_nearest_existing(folder))
    except OSError as error:
        return Finding(
            FAIL, "runs folder", error.strerror or str(error), "choose another one with RUNS_DIR or --runs-dir"
        )
    return Finding(OK, "runs folder", f"{folder} can be written")


def _nearest_existing(folder: Path) -> Path:
    return next(path for path in (folder, *folder.parents) if path.exists())


def _disk(folder: Path) -> Finding:
    existing = _nearest_existing(folder)
    free = shutil.disk_usage(existing).free
    found, fix = f"{free / 1e9:.1f} GB free", f"free some space on the disk of {existing}"
    if free < _FREE_BYTES_NEEDED:
        return Finding(FAIL, "disk", found, fix)
    return Finding(WARN, "disk", found, fix) if free < _FREE_BYTES_WISHED else Finding(OK, "disk", found)


def _cores() -> Finding:
    cores = places.available_cores()
    if cores == 1:
        return Finding(WARN, "processor", "1 core", "everything runs, the grid takes about twice as long as on two")
    return Finding(OK, "processor", f"{cores} cores")

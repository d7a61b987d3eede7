"""Is everything here that the notebooks and commands need? One finding a requirement, each with what to do."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from spbl_nb import places
from spbl_nb.results import store

OK, WARN, FAIL = "OK", "WARN", "FAIL"
PYTHON = (3, 10)
_DISTRIBUTION = "spbl-nb"
_BYTES_NEEDED, _BYTES_WISHED = 200_000_000, 2_000_000_000
_TORCH_PROBE = """
import json, torch, torchvision
gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
print(json.dumps([torch.__version__, torchvision.__version__, gpu]))
"""


@dataclass(frozen=True)
class Finding:
    """One requirement: its ``level`` (OK, WARN or FAIL), ``what`` was checked, what was ``found`` and the ``fix``."""

    level: str
    what: str
    found: str
    fix: str = ""

    def __str__(self) -> str:
        fix = f"\n{'':9}-> {self.fix}" if self.fix else ""
        return f"[{self.level:^6}] {self.what}: {self.found}{fix}"


def check(runs_dir: str | os.PathLike | None = None) -> list[Finding]:
    """Return a finding for every requirement, in an order in which to fix them; nothing is changed.

    ``runs_dir`` is the runs folder whose disk and permissions are checked (default: that of :mod:`spbl_nb.places`).
    """
    folder = places.runs_dir(runs_dir)
    return [_python(), *_packages(), *_torch_pair(), _kernel(), _widgets(), *_disk(folder), _cores()]


def _python() -> Finding:
    found = ".".join(map(str, sys.version_info[:3]))
    wanted = ".".join(map(str, PYTHON))
    fits = sys.version_info >= PYTHON
    return Finding(
        OK if fits else FAIL, "Python", found, "" if fits else f"make a new environment with Python {wanted} or newer"
    )


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what this package's metadata asks for."""
    from packaging.requirements import Requirement

    try:
        wanted = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        fix = f"{sys.executable} -m pip install -e . in the checkout"
        yield Finding(WARN, "packages", f"{_DISTRIBUTION} is not installed, so its requirements are not known", fix)
        return
    for need in wanted:
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        fix = f'{sys.executable} -m pip install "{need.name}{need.specifier}"'
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield Finding(FAIL, need.name, "not installed", fix)
            continue
        if need.specifier.contains(version, prereleases=True):
            yield Finding(OK, need.name, version)
        else:
            yield Finding(FAIL, need.name, f"{version}, but {need.specifier} is needed", fix)


def _torch_pair() -> Iterator[Finding]:
    """Import torch and torchvision together, in a process of its own: a mismatched pair can fail in many ways."""
    what = "torch with torchvision"
    probe = subprocess.run([sys.executable, "-c", _TORCH_PROBE], capture_output=True, text=True)
    if probe.returncode:
        errors = probe.stderr.strip()
        last = errors.splitlines()[-1] if errors else "the process died without a word"
        if "torchvision::nms" in errors:
            last = f"they do not belong together, e.g. a CPU-only torch beside a torchvision built for another one ({last})"
        fix = f"{sys.executable} -m pip install --force-reinstall torch torchvision (both from the same index)"
        yield Finding(FAIL, what, last, fix)
        return
    torch, vision, gpu = json.loads(probe.stdout.strip().splitlines()[-1])
    yield Finding(OK, what, f"{torch} with {vision}")
    yield Finding(OK, "GPU", f"{gpu}; used with DEVICE or --device cuda" if gpu else "none found; none is needed")


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
    found = shutil.which(program)
    beside = found is not None and Path(found).absolute().parent == Path(sys.executable).absolute().parent
    if program in ("python", "python3") or beside:
        return Finding(OK, what, f"runs {sys.executable}")
    return Finding(
        WARN,
        what,
        f"{spec.resource_dir} runs {program}, not {sys.executable}",
        "start JupyterLab with 'spbl-nb lab', which prefers this environment's kernel, or remove that kernelspec with "
        "'jupyter kernelspec remove python3'",
    )


def _widgets() -> Finding:
    """Is the part of ipywidgets that runs in JupyterLab installed where JupyterLab of this Python looks for it?"""
    what, fix = (
        "widgets in JupyterLab",
        f"{sys.executable} -m pip install --force-reinstall ipywidgets jupyterlab_widgets",
    )
    try:
        from jupyter_core.paths import jupyter_path
    except ImportError as error:
        return Finding(FAIL, what, f"Jupyter cannot be imported ({error})", fix)
    manager = Path("@jupyter-widgets", "jupyterlab-manager", "package.json")
    if any((Path(folder) / manager).exists() for folder in jupyter_path("labextensions")):
        return Finding(OK, what, "their front end is installed")
    return Finding(FAIL, what, "their front end (jupyterlab_widgets) is missing: sliders stay blank", fix)


def _disk(folder: Path) -> Iterator[Finding]:
    """Can the runs folder, or the one in which it will be made, be written, and is there room?"""
    existing = next(path for path in (folder, *folder.parents) if path.exists())
    try:
        store.check_writable(existing)
        yield Finding(OK, "runs folder", f"{folder} can be written")
    except OSError as error:
        fix = "choose another one with RUNS_DIR or --runs-dir"
        yield Finding(FAIL, "runs folder", error.strerror or str(error), fix)
    free = shutil.disk_usage(existing).free
    level = FAIL if free < _BYTES_NEEDED else WARN if free < _BYTES_WISHED else OK
    fix = "" if level == OK else f"free some space on the disk of {existing}"
    yield Finding(level, "disk", f"{free / 1e9:.1f} GB free", fix)


def _cores() -> Finding:
    cores = places.available_cores()
    if cores == 1:
        return Finding(WARN, "processor", "1 core", "everything runs, the grid takes about twice as long as on two")
    return Finding(OK, "processor", f"{cores} cores")

"""Is everything here that the notebooks and commands need? One finding a requirement, each with what to do."""

import json
import os
import platform
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
_DISTRIBUTION = "spbl-nb"
_BYTES_NEEDED, _BYTES_WISHED = 200_000_000, 2_000_000_000
_PIP = f"{sys.executable} -m pip install"
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
    findings = [Finding(OK, "Python", platform.python_version()), *_packages(), *_torch_pair()]
    if all(finding.level != FAIL for finding in findings):
        findings += [_kernel(), _widgets()]  # these import Jupyter
    cores = places.available_cores()
    processor = Finding(OK, "processor", "1 core" if cores == 1 else f"{cores} cores")
    return [*findings, *_disk(places.runs_dir(runs_dir)), processor]


def _packages() -> Iterator[Finding]:
    """Compare what is installed with what this package's metadata asks for."""
    from packaging.requirements import Requirement

    try:
        needed = [Requirement(text) for text in metadata.requires(_DISTRIBUTION) or ()]
    except metadata.PackageNotFoundError:
        fix = f"{_PIP} -e . in the checkout"
        yield Finding(WARN, "packages", f"{_DISTRIBUTION} is not installed, so its requirements are not known", fix)
        return
    for need in needed:
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            continue
        fix = f'{_PIP} "{need.name}{need.specifier}"'
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
        last = (probe.stderr.strip() or "the process died without a word").splitlines()[-1]
        if "torchvision::nms" in probe.stderr:
            last = f"they do not belong together, e.g. a CPU-only torch beside a torchvision built for another one ({last})"
        yield Finding(FAIL, what, last, f"{_PIP} --force-reinstall torch torchvision (both from the same index)")
        return
    torch, vision, gpu = json.loads(probe.stdout.strip().splitlines()[-1])
    yield Finding(OK, what, f"{torch} with {vision}")
    yield Finding(OK, "GPU", f"{gpu}; used with DEVICE or --device cuda" if gpu else "none found; none is needed")


def _kernel() -> Finding:
    """Does the kernel that notebooks name, python3, run this Python?"""
    from jupyter_client.kernelspec import KernelSpecManager

    what, spec = "Jupyter kernel python3", KernelSpecManager().get_kernel_spec("python3")
    program = Path(spec.argv[0])
    if program.name == spec.argv[0] or program.parent == Path(sys.executable).parent:
        return Finding(OK, what, f"runs {sys.executable}")
    fix = (
        "start JupyterLab with 'spbl-nb lab', which prefers this environment's kernel, or remove that kernelspec with "
        "'jupyter kernelspec remove python3'"
    )
    return Finding(WARN, what, f"{spec.resource_dir} runs {program}, not {sys.executable}", fix)


def _widgets() -> Finding:
    """Is the part of ipywidgets that runs in JupyterLab installed where JupyterLab of this Python looks for it?"""
    from jupyter_core.paths import jupyter_path

    what, manager = "widgets in JupyterLab", Path("@jupyter-widgets", "jupyterlab-manager", "package.json")
    if any((Path(folder) / manager).exists() for folder in jupyter_path("labextensions")):
        return Finding(OK, what, "their front end is installed")
    fix = f"{_PIP} --force-reinstall ipywidgets jupyterlab_widgets"
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

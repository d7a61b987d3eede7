"""Where things are: the package, its checkout, the notebooks and the runs folder."""

import os
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
EXPERIMENT = "08_experiment"
REPORT = "09_reproduction_report"


def runs_dir(path: str | os.PathLike | None = None) -> Path:
    """Return the runs folder as an absolute path: ``path``, or where it is empty ``runs/`` beside the package's checkout.

    Without a checkout (an installed package) it is ``runs/`` in the current folder.
    """
    if path:
        return Path(path).expanduser().absolute()
    checkout = PACKAGE.parent
    return (checkout if (checkout / "pyproject.toml").is_file() else Path.cwd()) / "runs"


def cache_variable() -> dict[str, str]:
    """Return ``SPBL_NB_CACHE`` with an absolute path, where it is set, for a process that works in another folder."""
    chosen = os.environ.get("SPBL_NB_CACHE")
    return {"SPBL_NB_CACHE": str(Path(chosen).expanduser().absolute())} if chosen else {}


def notebooks_dir(path: str | os.PathLike | None = None) -> Path:
    """Return the folder of the notebooks: ``path``, or ``notebooks/`` beside the package's checkout.

    Raises FileNotFoundError saying where it looked if notebook 08 is not there.
    """
    looked = Path(path).expanduser().absolute() if path else PACKAGE.parent / "notebooks"
    if not (looked / f"{EXPERIMENT}.ipynb").is_file():
        raise FileNotFoundError(
            f"there is no {EXPERIMENT}.ipynb in {looked}; clone the repository and give its notebooks folder with "
            "--notebooks DIR (an installed package does not contain the notebooks)"
        )
    return looked


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Self-paced balance learning (SPBL), taught and reproduced in notebooks.

``import spbl_nb`` is cheap: a module such as :mod:`spbl_nb.metrics` is imported when it is first used,
so neither torch nor Jupyter is loaded before something needs them.

Data flows one way, and a module imports only from those left of it::

    checks, files -> pace, balance, metrics, losses -> config -> data -> models -> training -> spbl -> methods -> runs
    runs -> plots -> widgets -> batch -> cli
"""

import importlib

__version__ = "0.1.0"

_MODULES = (
    "batch",
    "batches",
    "checks",
    "cli",
    "config",
    "data",
    "environment",
    "files",
    "images",
    "imbalance",
    "lesions",
    "methods",
    "metrics",
    "models",
    "pace",
    "plots",
    "readers",
    "runs",
    "splits",
    "training",
    "widgets",
)

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str):
    """Import a submodule on first access (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

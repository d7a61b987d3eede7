"""Self-paced balance learning (SPBL), taught and reproduced in notebooks.

``import spbl_nb`` is cheap: a module such as :mod:`spbl_nb.metrics` is imported when it is first used,
so neither torch nor Jupyter is loaded before something needs them.

Data flows one way, from data to report, and a module imports only from its own row and the rows above:

========================  ===========================================================================================
checks, files,            messages for bad input; files that are whole or absent
pace, balance, metrics,   pure mathematics on arrays
imbalance, statistics,
ranking, cached_head
losses, loss_inputs,      losses against imbalance, on tensors
gradient_harmonizing
exercises,                checkers of the notebooks' exercises
exercise_checks,
…_exercises
config                    the settings of a run, and presets
lesions (lesion_classes,  pictures and labels in one form, from a generator or from files; splits; what lies where on
lesion_painting), splits, disk and by which protocol it is cut; picture files decoded once into a cache
picture_files,
source_hashes,
cache_building,
picture_cache, images,
sd198_sizes, embedded,
readers, idx_files,
listings, protocols,
photo_sets, corals, data
boxes, boxed_images,      pictures with boxes around objects: drawn (lesion_groups) or read from COCO and VOC
letterbox, lesion_groups,
detection_readers,
detection_data
models, batches,          networks, and the loop that trains them
training
detectors, detection,     RetinaNet with GHM, its training, and average precision
average_precision
svm, jobs, self_paced,    every way to train on imbalanced data, behind ``methods.run``
co_training, rivals,
decoupled, spbl, methods
provenance, staging,      the result store: one folder a run, complete or absent; tables over runs
places, runs, tables,
result_files
published, report,         published numbers; what all runs say together, in tables, words and pictures
report_…, rank_plots
plots, detection_plots,   figures, and explorers that answer a slider at once
widgets, explorers, …
parameters,               strict notebooks, the grid on Dask, the commands
notebook_runner,
html_pages, environment,
cluster, batch, grid,
reproduce, cli
========================  ===========================================================================================

Everything down to ``runs`` works without any Jupyter package.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

_MODULES = (
    "average_precision",
    "balance",
    "balance_exercises",
    "balance_explorers",
    "baseline_exercises",
    "batch",
    "batches",
    "boxed_images",
    "boxes",
    "cache_building",
    "cached_head",
    "checkpoints",
    "checks",
    "cli",
    "cluster",
    "co_training",
    "config",
    "controls",
    "corals",
    "data",
    "data_exercises",
    "decoupled",
    "detection",
    "detection_data",
    "detection_plots",
    "detection_readers",
    "detectors",
    "drawing",
    "embedded",
    "environment",
    "evaluation_exercises",
    "exercise_checks",
    "exercises",
    "explorers",
    "files",
    "gradient_harmonizing",
    "glossary_lint",
    "grid",
    "html_pages",
    "idx_files",
    "images",
    "imbalance",
    "jobs",
    "lesion_classes",
    "lesion_groups",
    "lesion_painting",
    "lesions",
    "letterbox",
    "listings",
    "loss_columns",
    "loss_inputs",
    "losses",
    "methods",
    "metric_explorers",
    "metrics",
    "models",
    "notebook_errors",
    "notebook_lint",
    "notebook_runner",
    "pace",
    "pace_exercises",
    "pace_explorers",
    "parameters",
    "photo_sets",
    "picture_cache",
    "picture_files",
    "places",
    "plots",
    "protocols",
    "provenance",
    "published",
    "rank_plots",
    "ranking",
    "readers",
    "report",
    "report_plots",
    "report_tables",
    "report_words",
    "reproduce",
    "result_files",
    "rivals",
    "runs",
    "sd198_sizes",
    "self_paced",
    "series",
    "source_hashes",
    "spbl",
    "spbl_exercises",
    "spbl_explorers",
    "spbl_variants",
    "splits",
    "staging",
    "statistics",
    "svm",
    "tables",
    "training",
    "widgets",
)

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> ModuleType:
    """Import a submodule on first access (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

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
source_hashes, archives,
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
models, batches,          networks, and the loop that trains them, in one process or in several
processes, training
detectors, detection,     RetinaNet with GHM, its training, and average precision
average_precision
svm, jobs, self_paced,    every way to train on imbalanced data, behind ``methods.run``
co_training, rivals,
decoupled, spbl, methods
original_names,           settings from a file, by our names or those of the original READMEs
settings_file
provenance, staging,      the result store: one folder a run, complete or absent; tables over runs
places, runs, tables,
result_files, single_run
published, report,         published numbers; what all runs say together, in tables, words and pictures
report_…, rank_plots
plots, detection_plots,   figures, and explorers that answer a slider at once
widgets, explorers, …
detection_runs            one training of a detector from a settings file, kept as a folder
parameters, kernels,      strict notebooks, the grid on Dask, the commands
kernel_memory,
kernel_server,
forked_kernels,
notebook_runner,
html_pages, environment,
data_check,
cluster, batch, grid,
reproduce, command_line,
cli
========================  ===========================================================================================

Everything down to ``runs`` works without any Jupyter package.
"""

import importlib
import pkgutil
from types import ModuleType

__version__ = "0.1.0"

_MODULES = tuple(sorted(found.name for found in pkgutil.iter_modules(__path__) if found.name != "__main__"))

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> ModuleType:
    """Import a submodule on first access (PEP 562)."""
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)

"""Notebooks of a few cells, made on the spot for the tests of what executes notebooks."""

import nbformat
from nbformat import v4

PARAMETERS = "N: int = 1  # a number"


def write(path, *cells, parameters=PARAMETERS, title="# 99 Tiny\nA notebook for tests."):
    """Write a notebook of a heading, a parameters cell (several for a tuple) and the given code cells; return its path."""
    notebook = v4.new_notebook(
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    )
    notebook.cells = [v4.new_markdown_cell(title)]
    for source in (parameters,) if isinstance(parameters, str) else parameters:
        notebook.cells.append(v4.new_code_cell(source, metadata={"tags": ["parameters"]}))
    notebook.cells += [v4.new_code_cell(cell) for cell in cells]
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(notebook, path)
    return path


def printed(notebook):
    """Return everything that an executed notebook printed."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


EXPERIMENT_PARAMETERS = """\
PRESET: str = "fast"  # preset
DATASET: str = "digits"  # data set
METHOD: str = "ce"  # method
SEED: int = 0  # seed
DEVICE: str = ""  # device
PRECISION: str = ""  # arithmetic
DATA_ROOT: str = ""  # folder
DATA_OPTIONS: str = ""  # options
RUNS_DIR: str = ""  # folder
CHECKPOINT: str = ""  # file
INTERACTIVE: bool = True  # live"""

EXPERIMENT = """\
from types import SimpleNamespace
import numpy as np
from spbl_nb import data, metrics
from spbl_nb import config_files
from spbl_nb.results import store
settings = config_files.request("", PRESET, device=DEVICE, precision=PRECISION).settings
images = data.load_for(settings, DATASET, DATA_ROOT or None, **data.options_from(DATA_OPTIONS, DATASET))
split = data.make_split(images, settings.validation, settings.test, seed=SEED)
scores = np.random.default_rng(SEED).dirichlet(np.ones(images.num_classes), len(split.test))
result = SimpleNamespace(scores=scores, score_kind="probability", predicted=scores.argmax(1), history=[],
                         seconds=0.1, steps=1, details={}, timing={})
report = metrics.report(images.labels[split.test], scores, images.num_classes)
run = store.RunId(images.name, METHOD, SEED, settings)
store.save(RUNS_DIR, run, data=images, split=split, result=result, report=report)"""


def experiment(folder, *more):
    """Write a notebook 08 that guesses instead of training, and return its path; ``more`` cells come before the last."""
    return write(
        folder / "08_experiment.ipynb", *more, EXPERIMENT, parameters=EXPERIMENT_PARAMETERS, title="# 08 Guess"
    )

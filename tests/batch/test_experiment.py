"""Notebook 08 as it is: run at preset smoke, repeated, and by papermill alone."""

import os
import subprocess
import sys

import pytest
import tiny_notebooks as tiny

from spbl_nb import config, data, files, places
from spbl_nb.batch import execute, parameters
from spbl_nb.results import store

pytestmark = [pytest.mark.notebooks, pytest.mark.slow]

NOTEBOOKS = places.PACKAGE.parent / "notebooks"
EXPERIMENT = NOTEBOOKS / "08_experiment.ipynb"
MIME = "application/vnd.spbl.result+json"


def experiment(folder, **values):
    """Run notebook 08 at preset smoke; return (executed notebook, run)."""
    values = {"PRESET": "smoke", "DATASET": "digits", "INTERACTIVE": False, "RUNS_DIR": str(folder / "runs")} | values
    executed = execute.execute(EXPERIMENT, folder / "08.ipynb", values, threads=1)
    return executed, store.load(folder / "runs" / "smoke" / "digits" / "ce" / "seed-0")


def shown(executed):
    """Return all texts that an executed notebook shows, alt texts included."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    texts = [output.get("data", {}) for output in outputs]
    kinds = ("text/markdown", "text/plain")
    return "\n".join([tiny.printed(executed), *(text.get(kind, "") for text in texts for kind in kinds)])


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run of notebook 08: (folder, executed notebook, run)."""
    folder = tmp_path_factory.mktemp("made")
    return folder, *experiment(folder)


def test_the_experiment_leaves_a_run_and_shows_it(made):
    _, executed, run = made
    assert run.result["steps"] == max(entry["step"] for entry in run.history) > 0
    assert run.scores.shape == (100, 10)
    outputs = [output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", [])]
    assert [output[MIME] for output in outputs if MIME in output] == [run.result]
    assert "ce on digits, seed 0: accuracy" in shown(executed)
    assert "written: smoke/digits/ce/seed-0" in shown(executed)


def test_the_same_seed_twice_gives_the_same_result_file_also_from_prepared_data(made, tmp_path):
    _, _, run = made
    key = data.prepare(data.load_for(config.preset("smoke"), "digits"))
    _, again = experiment(tmp_path, DATA_OPTIONS=f"prepared: {key}")
    first, second = ({key: value for key, value in each.result.items() if key != "timing"} for each in (run, again))
    assert files.to_json(first) == files.to_json(second)
    assert (run.folder / store.SCORES).read_bytes() == (again.folder / store.SCORES).read_bytes()
    assert (run.folder / store.HISTORY).read_bytes() == (again.folder / store.HISTORY).read_bytes()


def test_papermill_alone_runs_it_and_lists_its_parameters(tmp_path):
    command = [sys.executable, "-m", "papermill", "--no-progress-bar", str(EXPERIMENT), str(tmp_path / "out.ipynb")]
    options = f"-p METHOD spbl_released -p DATASET digits -p PRESET smoke -p RUNS_DIR {tmp_path / 'runs'} -p INTERACTIVE False"
    variables = os.environ | {
        "PYTHONPATH": str(NOTEBOOKS.parent),
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(tmp_path / "i"),
    }
    answer = subprocess.run([*command, *options.split()], env=variables, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr[-2000:]
    assert store.load(tmp_path / "runs" / "smoke" / "digits" / "spbl_released" / "seed-0")
    command = [*command[:3], "--help-notebook", str(EXPERIMENT)]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for parameter in parameters.declared(EXPERIMENT).values():
        assert f"{parameter.name}: {parameter.type} " in told
        assert parameter.meaning in told

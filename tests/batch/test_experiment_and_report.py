"""Notebooks 08 and 09 as they are: run at preset smoke, repeated, by papermill alone, and without results."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_notebooks as tiny

from spbl_nb import files, places
from spbl_nb.batch import execute, parameters
from spbl_nb.results import store

pytestmark = pytest.mark.notebooks

NOTEBOOKS = places.PACKAGE.parent / "notebooks"
EXPERIMENT = NOTEBOOKS / "08_experiment.ipynb"
REPORT = NOTEBOOKS / "09_reproduction_report.ipynb"
MIME = "application/vnd.spbl.result+json"


def experiment(folder, **values):
    """Run notebook 08 at preset smoke; return (executed notebook, run)."""
    values = {"PRESET": "smoke", "DATASET": "digits", "INTERACTIVE": False, "RUNS_DIR": str(folder / "runs")} | values
    executed = execute.execute(EXPERIMENT, folder / "08.ipynb", values, threads=1)
    method, seed = values.get("METHOD", "ce"), values.get("SEED", 0)
    place = Path(values["RUNS_DIR"]) / "smoke" / values["DATASET"] / method / f"seed-{seed}"
    return executed, store.load(place)


def report(folder, runs_dir, preset="smoke"):
    """Run notebook 09; return the executed notebook."""
    return execute.execute(REPORT, folder / "09.ipynb", {"PRESET": preset, "RUNS_DIR": str(runs_dir)})


def shown(executed):
    """Return all texts that an executed notebook shows, alt texts included."""
    outputs = [output for cell in executed.cells for output in cell.get("outputs", [])]
    return "\n".join(
        output.get("text", "")
        + output.get("data", {}).get("text/markdown", "")
        + output.get("data", {}).get("text/plain", "")
        for output in outputs
    )


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One run of notebook 08: (folder, executed notebook, run)."""
    folder = tmp_path_factory.mktemp("made")
    return folder, *experiment(folder)


def test_the_experiment_leaves_a_run_and_shows_it(made):
    _, executed, run = made
    assert run.result["fingerprint"]["config"]["preset"] == "smoke"
    assert run.result["steps"] == max(entry["step"] for entry in run.history) > 0
    assert run.scores.shape == (100, 10)
    assert run.history
    (shown_result,) = [
        out.data[MIME] for cell in executed.cells for out in cell.get("outputs", []) if MIME in out.get("data", {})
    ]
    assert shown_result == run.result
    assert "ce on digits, seed 0: accuracy" in shown(executed)
    assert "written: smoke/digits/ce/seed-0" in shown(executed)


def test_the_same_seed_twice_gives_the_same_result_file(made, tmp_path):
    _, _, run = made
    _, again = experiment(tmp_path)
    first, second = ({key: value for key, value in each.result.items() if key != "timing"} for each in (run, again))
    assert files.to_json(first) == files.to_json(second)
    assert (run.folder / store.SCORES).read_bytes() == (again.folder / store.SCORES).read_bytes()
    assert (run.folder / store.HISTORY).read_bytes() == (again.folder / store.HISTORY).read_bytes()


def test_every_picture_has_its_alternative_text(made):
    _, executed, _ = made
    pictures = [
        output for cell in executed.cells for output in cell.get("outputs", []) if "image/png" in output.get("data", {})
    ]
    assert len(pictures) == 4
    assert all(len(picture.metadata["image/png"]["alt"]) > 20 for picture in pictures)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"DATASET": "digit"}, "did you mean 'digits'"),
        ({"METHOD": "se"}, "method is 'se'; allowed: ce"),
    ],
)
def test_names_that_do_not_exist_stop_the_experiment(tmp_path, values, message):
    with pytest.raises(execute.NotebookError, match=message):
        experiment(tmp_path, **values)
    assert not (tmp_path / "runs" / "smoke").exists()


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
    told = subprocess.run(
        [*command[:3], "--help-notebook", str(EXPERIMENT)], capture_output=True, text=True, check=True
    )
    for parameter in parameters.declared(EXPERIMENT).values():
        assert f"{parameter.name}: {parameter.type} " in told.stdout
        assert parameter.meaning in told.stdout


def test_the_report_without_results_says_so(tmp_path):
    told = shown(report(tmp_path, tmp_path / "nothing", "fast"))
    assert "There are no results yet" in told
    assert "0 complete runs, 0 broken" in told


def test_the_report_marks_trial_runs_and_names_what_is_broken_missing_or_on_other_data(made, tmp_path):
    place, _, run = made
    shutil.copytree(place / "runs", tmp_path / "runs")
    folder = tmp_path / "runs" / run.folder.relative_to(place / "runs").parent
    for seed in (1, 2, 3):
        shutil.copytree(folder / "seed-0", folder / f"seed-{seed}")
        result = files.read_json(folder / f"seed-{seed}" / store.RESULT)
        result["fingerprint"]["seed"] = seed
        result["fingerprint"]["data_sha256"] = "other" if seed == 3 else result["fingerprint"]["data_sha256"]
        files.write_json(folder / f"seed-{seed}" / store.RESULT, result)
    shutil.copytree(folder, folder.with_name("oversample"))
    for seed in (1, 2, 3):
        shutil.rmtree(folder.with_name("oversample") / f"seed-{seed}")
    result = files.read_json(folder.with_name("oversample") / "seed-0" / store.RESULT)
    result["fingerprint"]["method"] = "oversample"
    files.write_json(folder.with_name("oversample") / "seed-0" / store.RESULT, result)
    (folder / "seed-2" / store.SCORES).unlink()
    told = shown(report(tmp_path, tmp_path / "runs"))
    assert "Preset smoke: this page proves that everything runs" in told
    assert "configuration smoke: 3 complete runs, 1 broken, 1 on other data" in told
    assert "broken: smoke/digits/ce/seed-2: " in told
    assert "left out: smoke/digits/ce/seed-3" in told
    assert "missing runs: digits oversample seed 1" in told
    assert "Trial run, no result." in told


def test_the_report_never_mixes_presets(made, tmp_path):
    place, _, _ = made
    assert "configuration fast: 0 complete runs" in shown(report(tmp_path, place / "runs", "fast"))


@pytest.mark.parametrize("notebook", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_parameters_are_declared_as_the_batch_needs_them(notebook):
    """Exactly one cell, all in the one form, and in types that papermill's own command line can list."""
    known = parameters.declared(notebook)
    assert "PRESET" in known


def test_a_notebook_that_differs_is_noticed(tmp_path):
    """A negative control of the check above."""
    with pytest.raises(parameters.ParameterError, match="has no meaning"):
        parameters.declared(tiny.write(tmp_path / "x.ipynb", parameters='PRESET: str = "fast"'))

"""Strict papermill: a clean notebook appears, and each way to fail is told apart and leaves the old output alone."""

import json
import sys
import time

import nbformat
import pytest
import tiny_notebooks as tiny

from spbl_nb.batch import execute as runner
from spbl_nb.batch import parameters
from spbl_nb.explorers.base import ERROR_MARK
from spbl_nb.places import PACKAGE

pytestmark = pytest.mark.notebooks


@pytest.fixture
def run(tmp_path):
    """Execute the given cells; returns the executed notebook. ``run.output`` is where it goes."""

    def execute(*cells, values=None, parameters=tiny.PARAMETERS, **options):
        source = tiny.write(tmp_path / "in {1}" / "tiny.ipynb", *cells, parameters=parameters)
        return runner.execute(source, execute.output, values, **options)

    execute.output = tmp_path / "out {2}" / "tiny.ipynb"
    return execute


def test_a_clean_notebook(run):
    executed = run("print(N + 1)", values={"N": 41})
    assert tiny.printed(executed) == "42\n"
    assert [path.name for path in run.output.parent.iterdir()] == ["tiny.ipynb"]
    nbformat.validate(nbformat.read(run.output, as_version=4))
    assert executed.cells[2].metadata.tags == ["injected-parameters"]


@pytest.mark.slow
def test_the_kernel_is_this_python_in_a_private_place(run, tmp_path, monkeypatch):
    """A kernelspec of the user that is called python3 too is not used, nor a Dask worker's setting of the memory."""
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "wrong", "language": "python"}))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "65536")
    monkeypatch.setenv("SPBL_NB_CACHE", "a cache")
    monkeypatch.chdir(tmp_path)
    names = ["SPBL_NB_CACHE", "OMP_NUM_THREADS", "MALLOC_TRIM_THRESHOLD_"]
    code = f"import os, sys, json, spbl_nb\nprint(json.dumps([os.environ.get(name) for name in {names}]))\n"
    code += "print(json.dumps([sys.executable, os.getcwd(), spbl_nb.__file__]))"
    variables, here = map(json.loads, tiny.printed(run(code, threads=1)).splitlines())
    assert variables == [str(tmp_path / "a cache"), "1", None]
    assert here == [sys.executable, str(tmp_path / "in {1}"), str(PACKAGE / "__init__.py")]


def test_parameters_are_checked_before_a_kernel_starts(run):
    with pytest.raises(parameters.ParameterError, match=r"no parameter 'n'.*did you mean 'N'"):
        run("raise SystemError('a kernel was started')", values={"n": 1})
    assert not run.output.parent.exists()


FAILURES = {
    "an error": ("1/0", r"tiny.ipynb raised ZeroDivisionError in its cell \[2\]: division by zero"),
    "an error in interact": (
        "import ipywidgets\ndef show(x):\n    1/0\nipywidgets.interact(show, x=(0, 3));",
        r"hides an error: inside a widget \(OutputModel\): ZeroDivisionError",
    ),
    "a dead kernel": ("import os; os._exit(3)", "kernel of tiny.ipynb died"),
}


@pytest.mark.slow
@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_named_and_the_old_output_stays(run, failure):
    code, message = FAILURES[failure]
    run.output.parent.mkdir()
    run.output.write_text("the result of last week")
    with pytest.raises(runner.NotebookError, match=message) as caught:
        run(code)
    assert run.output.read_text() == "the result of last week"
    failed = run.output.with_name("tiny.failed.ipynb")
    assert f"(what was executed: {failed})" in str(caught.value)
    nbformat.validate(nbformat.read(failed, as_version=4))
    assert len(list(run.output.parent.iterdir())) == 2
    run("1")
    assert [path.name for path in run.output.parent.iterdir()] == ["tiny.ipynb"], "success removes the failed copy"


@pytest.mark.slow
@pytest.mark.parametrize("cells", [["x = 10 ** 10 ** 9"], ["import time; time.sleep(1)"] * 5])
def test_the_time_limit_counts_over_all_cells_and_stops_one_deaf_to_signals(run, cells):
    started = time.monotonic()
    with pytest.raises(runner.TimeLimitError, match=r"ran over its time limit of 3 s and was stopped"):
        run(*cells, time_limit=3)
    assert time.monotonic() - started < 600


@pytest.mark.slow
def test_the_notebook_may_bring_its_own_time_limit(run):
    declared = "TIME_LIMIT: float = 1.5  # seconds for the whole notebook"
    with pytest.raises(runner.TimeLimitError, match=r"1.5 s"):
        run("import time; time.sleep(60)", parameters=declared)
    run("import time; time.sleep(1.5)", parameters=declared, values={"TIME_LIMIT": 0})


TRACEBACK = "Traceback (most recent call last)\n  File\nKeyError: 'x'\n"
ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'x'"}
ALERT = f'<p role="alert" {ERROR_MARK}><b>ValueError</b>: 1 &lt; 2</p>'


@pytest.mark.parametrize(
    ("output", "state", "found"),
    [
        (ERROR, {}, ["cell 1: KeyError: 'x'"]),
        ({"output_type": "stream", "name": "stderr", "text": ["a\n", TRACEBACK]}, {}, ["cell 1: KeyError: 'x'"]),
        ({}, {"outputs": [ERROR]}, ["inside a widget (Some): KeyError: 'x'"]),
        ({}, {"value": ALERT}, ["inside a widget (Some): ValueError : 1 < 2"]),
        ({"output_type": "stream", "name": "stderr", "text": "a warning"}, {"value": "a caption"}, []),
        ({"output_type": "stream", "name": "stdout", "text": TRACEBACK}, {}, []),
    ],
)
def test_errors_are_found(output, state, found):
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"model_name": "Some", "state": state}}}}
    cells = [{"cell_type": "markdown"}, {"outputs": [output]}]
    assert runner.find_errors({"cells": cells, "metadata": {"widgets": widgets}}) == found
    assert runner.find_errors({"cells": cells[:1], "metadata": {}}) == []

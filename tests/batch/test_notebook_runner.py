"""Strict papermill: a clean notebook appears, and each way to fail is told apart and leaves the old output alone."""

import json
import os
import subprocess
import sys
import tempfile
import time

import nbformat
import pytest
import tiny_notebooks as tiny

from spbl_nb.batch import execute as runner
from spbl_nb.batch import parameters
from spbl_nb.places import PACKAGE

pytestmark = pytest.mark.notebooks


@pytest.fixture
def run(tmp_path):
    """Execute the given cells; returns the executed notebook. ``run.output`` is where it goes."""

    def execute(*cells, values=None, parameters=tiny.PARAMETERS, **options):
        source = tiny.write(tmp_path / "in" / "tiny.ipynb", *cells, parameters=parameters)
        return runner.execute(source, execute.output, values, **options)

    execute.output = tmp_path / "out" / "tiny.ipynb"
    return execute


def test_a_clean_notebook(run):
    executed = run("print(N + 1)", values={"N": 41})
    assert tiny.printed(executed) == "42\n"
    assert [path.name for path in run.output.parent.iterdir()] == ["tiny.ipynb"]
    nbformat.validate(nbformat.read(run.output, as_version=4))
    assert executed.cells[2].metadata.tags == ["injected-parameters"]


def test_the_kernel_is_this_python_in_a_private_place(run, tmp_path, monkeypatch):
    """A kernelspec of the user that is called python3 too, and would win elsewhere, is not used."""
    spec = tmp_path / "jupyter" / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "wrong", "language": "python"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "jupyter"))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("IPYTHONDIR", raising=False)
    code = (
        "import os, sys, json, spbl_nb\n"
        "print(json.dumps([sys.executable, os.environ['IPYTHONDIR'], os.getcwd(), spbl_nb.__file__]))"
    )
    program, ipython, folder, package = json.loads(tiny.printed(run(code)))
    assert program == sys.executable
    assert not os.path.exists(ipython)
    assert folder == str(tmp_path / "in")
    assert package == str(PACKAGE / "__init__.py")
    assert not (tmp_path / "home").exists()
    assert [path.name for path in (tmp_path / "jupyter").iterdir()] == ["kernels"]


def test_threads_and_working_folder(run, tmp_path):
    code = "import os; print(os.environ['OMP_NUM_THREADS'], os.environ['OPENBLAS_NUM_THREADS'], os.getcwd())"
    executed = run(code, threads=1, folder=tmp_path)
    assert tiny.printed(executed).split() == ["1", "1", str(tmp_path)]


def test_a_relative_cache_folder_is_the_same_for_a_kernel_that_works_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SPBL_NB_CACHE", "a cache")
    (tmp_path / "elsewhere").mkdir()
    executed = run("from spbl_nb.data import cache\nprint(cache.cache_folder())", folder=tmp_path / "elsewhere")
    assert tiny.printed(executed).strip() == str(tmp_path / "a cache")


def test_names_with_braces_and_spaces(tmp_path):
    source = tiny.write(tmp_path / "a {b} c" / "tiny.ipynb", "print(N)")
    output = tmp_path / "{out}" / "tiny {1}.ipynb"
    runner.execute(source, output)
    assert output.is_file()


@pytest.mark.parametrize(
    ("values", "message"),
    [({"n": 1}, "no parameter 'n'.*did you mean 'N'"), ({"N": "1"}, r"N is '1' \(str\)"), ({"N": True}, "N is True")],
)
def test_parameters_are_checked_before_a_kernel_starts(run, values, message):
    with pytest.raises(parameters.ParameterError, match=message):
        run("raise SystemError('a kernel was started')", values=values)
    assert not run.output.parent.exists()


def test_yaml_text_for_a_float_is_refused(run):
    with pytest.raises(parameters.ParameterError, match=r"write 1.0e-3"):
        run("1", values={"LR": "1e-3"}, parameters="LR: float = 0.1  # learning rate")


@pytest.mark.parametrize("cells", [(), (tiny.PARAMETERS, tiny.PARAMETERS)])
def test_none_or_two_parameters_cells_are_refused(run, cells):
    with pytest.raises(parameters.ParameterError, match=f"has {len(cells)} cells tagged 'parameters'"):
        run("1", parameters=cells)


FAILURES = {
    "an error": (
        "1/0",
        runner.NotebookError,
        r"tiny.ipynb raised ZeroDivisionError in its cell \[2\]: division by zero",
    ),
    "a traceback on stderr": (
        "import traceback\ntry:\n    1/0\nexcept Exception:\n    traceback.print_exc()",
        runner.NotebookError,
        "hides an error: cell 2: ZeroDivisionError: division by zero",
    ),
    "an error in an Output widget": (
        "import ipywidgets\nout = ipywidgets.Output()\ndisplay(out)\nwith out:\n    1/0",
        runner.NotebookError,
        r"hides an error: inside a widget \(OutputModel\): ZeroDivisionError",
    ),
    "an error in interact": (
        "import ipywidgets\ndef show(x):\n    1/0\nipywidgets.interact(show, x=(0, 3));",
        runner.NotebookError,
        "hides an error: inside a widget",
    ),
    "a traceback in an HTML widget": (
        "import ipywidgets\nipywidgets.HTML('<pre>Traceback (most recent call last):\\nKeyError: 3')",
        runner.NotebookError,
        r"inside a widget \(HTMLModel\): KeyError: 3",
    ),
    "a dead kernel": ("import os; os._exit(3)", runner.NotebookError, "kernel of tiny.ipynb died"),
    "an early exit": ("import sys; sys.exit(0)", runner.NotebookError, "SystemExit"),
}


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_is_named_and_the_old_output_stays(run, failure):
    code, kind, message = FAILURES[failure]
    run.output.parent.mkdir()
    run.output.write_text("the result of last week")
    with pytest.raises(kind, match=message) as caught:
        run(code)
    assert run.output.read_text() == "the result of last week"
    assert caught.value.failed == run.output.with_name("tiny.failed.ipynb")
    assert str(caught.value.failed) in str(caught.value)
    nbformat.validate(nbformat.read(caught.value.failed, as_version=4))
    assert len(list(run.output.parent.iterdir())) == 2


def test_success_removes_what_an_earlier_failure_left(run):
    with pytest.raises(runner.NotebookError):
        run("1/0")
    run("1")
    assert [path.name for path in run.output.parent.iterdir()] == ["tiny.ipynb"]


@pytest.mark.parametrize("code", ["import time; time.sleep(900)", "x = 10 ** 10 ** 9"])
def test_the_time_limit_stops_a_cell_even_one_deaf_to_signals(run, code):
    started = time.monotonic()
    with pytest.raises(runner.TimeLimitError, match=r"ran over its time limit of 2 s and was stopped"):
        run(code, time_limit=2)
    assert time.monotonic() - started < 600


def test_the_time_limit_counts_over_all_cells(run):
    """No cell alone takes too long, all together do."""
    with pytest.raises(runner.TimeLimitError):
        run(*["import time; time.sleep(1)"] * 5, time_limit=3)


def test_the_notebook_may_bring_its_own_time_limit(run):
    declared = "TIME_LIMIT: float = 1.5  # seconds for the whole notebook"
    with pytest.raises(runner.TimeLimitError, match=r"1.5 s"):
        run("import time; time.sleep(60)", parameters=declared)
    run("import time; time.sleep(1.5)", parameters=declared, values={"TIME_LIMIT": 0})


def test_outputs_that_do_not_arrive_are_no_time_limit(run, monkeypatch):
    """Papermill raises the same error for both; without a limit there is none to be over."""

    def never(*_args, **_options):
        raise runner.CellTimeoutError("Timeout waiting for IOPub output")

    monkeypatch.setattr(runner.PapermillNotebookClient, "execute", never)
    with pytest.raises(runner.NotebookError, match="did not deliver a cell's outputs") as caught:
        run("1")
    assert not isinstance(caught.value, runner.TimeLimitError)


def test_a_time_limit_of_nothing_is_refused(run):
    with pytest.raises(ValueError, match="time_limit is 0"):
        run("1", time_limit=0)


def test_a_missing_result_fails(run, tmp_path):
    with pytest.raises(runner.NotebookError, match=r"did not leave its result .*result.json"):
        run("1", must_leave=[tmp_path / "result.json"])
    run(f"open({str(tmp_path / 'result.json')!r}, 'w').close()", must_leave=[tmp_path / "result.json"])


def test_an_old_result_is_no_result(run, tmp_path):
    old = tmp_path / "result.json"
    old.write_text("{}")
    os.utime(old, (1e9, 1e9))
    with pytest.raises(runner.NotebookError, match="older than this run"):
        run("1", must_leave=[old])


def test_no_notebook_and_no_json(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is no notebook"):
        runner.execute(tmp_path / "nothing.ipynb", tmp_path / "out.ipynb")
    (tmp_path / "bad.ipynb").write_text("{")
    with pytest.raises(runner.NotebookError, match="is no notebook"):
        runner.execute(tmp_path / "bad.ipynb", tmp_path / "out.ipynb")


def test_the_displayed_result_is_found(run):
    executed = run(f"display({{{runner.RESULT_MIME!r}: {{'f1': 0.5}}, 'text/plain': 'F1 0.5'}}, raw=True)", "1")
    assert runner.displayed_result(executed) == {"f1": 0.5}
    assert runner.displayed_result(run("1")) is None


def test_nothing_is_printed_and_no_socket_folder_is_left(tmp_path):
    """Runs in a process of its own, whose terminal and temporary folder can be looked at."""
    source = tiny.write(tmp_path / "tiny.ipynb", "print(N)")
    code = f"from spbl_nb import notebook_runner as r; r.execute({str(source)!r}, {str(tmp_path / 'out.ipynb')!r})"
    with tempfile.TemporaryDirectory() as temporary:  # pytest's own have names too long for sockets
        environment = os.environ | {"TMPDIR": temporary, "PYTHONPATH": str(PACKAGE.parent)}
        answer = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=True
        )
        assert (answer.stdout, answer.stderr) == ("", "")
        assert os.listdir(temporary) == []

"""Preloaded kernels: as quick to start as a fork, as separate as processes, with the numbers of plain ones."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import tiny_notebooks as tiny

from spbl_nb.batch import execute as runner
from spbl_nb.batch import forked_kernels
from spbl_nb.places import PACKAGE
from spbl_nb.results import store

pytestmark = [
    pytest.mark.notebooks,
    pytest.mark.skipif(not forked_kernels.available(), reason="this system cannot fork"),
]


@pytest.fixture(scope="module", autouse=True)
def no_server_left():
    """The server that all tests of this file share ends with them."""
    yield
    forked_kernels.close_servers()
    assert forked_kernels._servers == {}


@pytest.fixture
def run(tmp_path):
    """Execute the given cells in a forked kernel; returns the executed notebook."""

    def execute(*cells, parameters=tiny.PARAMETERS, **options):
        source = tiny.write(tmp_path / "in" / "tiny.ipynb", *cells, parameters=parameters)
        return runner.execute(source, tmp_path / "out.ipynb", threads=1, **{"preload": True} | options)

    return execute


STATE = """\
import json, os, random, signal, sys, numpy as np, torch
state = {
    "loaded": "torchvision" in sys.modules, "pid": os.getpid(), "group": os.getpgid(0), "folder": os.getcwd(),
    "draws": [random.random(), np.random.rand(), torch.rand(1).item()], "path": sys.path,
    "environment": sorted(set(os.environ) - {"IPYTHONDIR"}), "threads": torch.get_num_threads(),
    "interrupt": signal.getsignal(signal.SIGINT) is signal.default_int_handler, "argv": sys.argv[:2:2],
}
print(json.dumps(state))"""


def test_a_kernel_finds_what_a_plain_one_finds_and_nothing_of_another(run, tmp_path):
    first, second = (json.loads(tiny.printed(run(STATE))) for _ in range(2))
    plain = json.loads(tiny.printed(run("import torchvision", STATE, preload=False)))
    for state in (first, second):
        assert state["loaded"]
        assert state["group"] == state["pid"]
        assert state["interrupt"]
        assert state["folder"] == str(tmp_path / "in")
        for same in ("path", "threads", "folder"):
            assert state[same] == plain[same]
        assert set(plain["environment"]) - set(state["environment"]) <= {"JPY_PARENT_PID"}
    assert first["pid"] != second["pid"]
    assert not set(first["draws"]) & set(second["draws"])


def test_the_server_has_one_thread_and_serves_all(run):
    """A fork copies one thread, so a lock that another one holds would never be released."""
    server = forked_kernels.server(1)
    assert server.threads == 1
    run("1")
    assert forked_kernels.server(1) is server
    assert server.alive()


def test_a_changed_library_gets_a_new_server(monkeypatch):
    class Pretended:
        def __init__(self, threads):
            self.running = True

        def alive(self):
            return self.running

        def close(self):
            self.running = False

    monkeypatch.setattr(forked_kernels, "_servers", {})
    monkeypatch.setattr(forked_kernels, "Server", Pretended)
    old, other = forked_kernels.server(1), forked_kernels.server(2)
    assert forked_kernels.server(1) is old
    monkeypatch.setattr(forked_kernels.provenance.library_sha256, "__wrapped__", lambda: "another")
    new = forked_kernels.server(1)
    assert new is not old
    assert [server.alive() for server in (old, other, new)] == [False, True, True]


def test_figures_appear(run):
    executed = run("from matplotlib import pyplot\npyplot.plot([1, 2])\npyplot.show()")
    assert any("image/png" in output.get("data", {}) for cell in executed.cells for output in cell.get("outputs", []))


@pytest.mark.parametrize(
    ("code", "options", "kind", "message"),
    [
        ("import time; time.sleep(900)", {"time_limit": 1.5}, runner.TimeLimitError, "over its time limit of 1.5 s"),
        ("x = 10 ** 10 ** 9", {"time_limit": 1.5}, runner.TimeLimitError, "over its time limit of 1.5 s"),
        ("import os; os._exit(3)", {}, runner.NotebookError, "the kernel of tiny.ipynb died"),
        ("import os; os.kill(os.getpid(), 9)", {}, runner.NotebookError, "the kernel of tiny.ipynb died"),
        ("1/0", {}, runner.NotebookError, "raised ZeroDivisionError in its cell"),
        ("x = bytearray(10**9)", {"memory_limit": 0.7}, runner.MemoryLimitError, "more than its limit of 0.7 GiB"),
    ],
)
def test_a_failure_is_named_and_leaves_no_process(run, code, options, kind, message):
    with pytest.raises(kind, match=message):
        run(code, "import time; time.sleep(900)", **options)
    server = psutil.Process(forked_kernels.server(1).pid)
    assert server.children() == []


def test_a_kernel_whose_server_was_killed_is_dead(run):
    with pytest.raises(runner.NotebookError, match="died"):
        run("import os; os.kill(os.getppid(), 9)", "import time; time.sleep(900)")
    assert tiny.printed(run("print(1)")) == "1\n", "a new server is started"


def test_the_numbers_of_a_run_are_those_of_a_plain_kernel(tmp_path):
    code = tiny.EXPERIMENT.replace("data, metrics", "data, methods, metrics").split("scores = ")[0]
    code += "result = methods.run(METHOD, pictures, split, settings, SEED)\n"
    code += (
        "report = metrics.report(pictures.labels[split.test], result.scores, pictures.num_classes, result.predicted)\n"
    )
    code += tiny.EXPERIMENT.splitlines()[-1]
    source = tiny.write(tmp_path / "08.ipynb", code, parameters=tiny.EXPERIMENT_PARAMETERS)
    made = []
    for preload in (False, True):
        folder = tmp_path / str(preload)
        values = {"PRESET": "smoke", "METHOD": "spbl_clean", "SEED": 3, "RUNS_DIR": str(folder)}
        runner.execute(source, tmp_path / "out.ipynb", values, threads=1, preload=preload)
        (run,) = store.scan(folder).complete
        made.append(run)
    plain, forked = ({key: value for key, value in run.result.items() if key != "timing"} for run in made)
    assert forked == plain
    np.testing.assert_array_equal(made[1].scores, made[0].scores)


def test_server_and_kernel_end_with_a_program_that_was_killed(tmp_path):
    source = tiny.write(tmp_path / "slow.ipynb", "open('started', 'w').close()", "import time; time.sleep(900)")
    code = f"from spbl_nb import notebook_runner as r; r.execute({str(source)!r}, {str(tmp_path / 'o.ipynb')!r}, preload=True)"
    program = subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)})
    give_up = time.monotonic() + 600
    while not (tmp_path / "started").exists():
        assert program.poll() is None
        assert time.monotonic() < give_up
        time.sleep(0.1)
    family = psutil.Process(program.pid).children(recursive=True)
    assert len(family) == 2
    program.kill()
    program.wait()
    _, alive = psutil.wait_procs(family, timeout=300)
    assert alive == []


def test_the_folder_one_stands_in_is_not_searched(run, tmp_path, monkeypatch):
    (tmp_path / "spbl_nb").mkdir()
    for name in ("random.py", "torch.py", "spbl_nb/__init__.py"):
        (tmp_path / name).write_text("raise ImportError('this is another one')")
    monkeypatch.chdir(tmp_path)
    forked_kernels.close_servers()
    assert tiny.printed(run("import spbl_nb; print(spbl_nb.__path__[0])")).strip() == str(PACKAGE)


def test_a_server_that_fell_silent_is_replaced(run, monkeypatch):
    run("1")
    old = forked_kernels.server(1)
    old._ours.settimeout(0.5)
    os.kill(old.pid, signal.SIGSTOP)
    with pytest.raises(runner.NotebookError, match="the server of preloaded kernels does not answer"):
        run("1")
    assert not psutil.pid_exists(old.pid)
    assert tiny.printed(run("print(2)")) == "2\n"
    assert forked_kernels.server(1) is not old


def test_a_fork_that_is_refused_is_told(run, monkeypatch):
    monkeypatch.setattr(forked_kernels.Server, "_ask", lambda *_: {"error": "Cannot allocate memory"})
    with pytest.raises(runner.NotebookError, match=r"cannot fork \(Cannot allocate memory\)"):
        run("1")


def test_a_notebook_does_without_a_server_that_does_not_start(run, monkeypatch):
    def fail(_threads):
        raise RuntimeError("the server of preloaded kernels did not start: it ended")

    monkeypatch.setattr(forked_kernels, "server", fail)
    with pytest.warns(RuntimeWarning, match="it ended; the notebook gets a new kernel instead"):
        assert tiny.printed(run("print(1)")) == "1\n"


def test_what_a_kernel_shares_with_its_server_is_not_its_own(run):
    assert tiny.printed(run("print(1)", memory_limit=0.3)) == "1\n"
    with pytest.raises(runner.MemoryLimitError, match=r"took 0\.[34]\d GiB of memory, more than its limit of 0.3 GiB"):
        run("hoard = [bytearray(10**7) for _ in range(100) if not __import__('time').sleep(0.1)]", memory_limit=0.3)


def test_a_server_that_does_not_start_tells_why(monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "no such backend")
    with pytest.raises(RuntimeError, match=r"did not start: it ended \(its last words: .*no such backend"):
        forked_kernels.Server(1)


def test_systems_without_fork_are_told(monkeypatch, run):
    monkeypatch.setattr(forked_kernels, "available", lambda: False)
    with pytest.raises(ValueError, match="preload is True; allowed here: False"):
        run("1")

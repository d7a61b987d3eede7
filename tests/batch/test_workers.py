"""Notebooks on Dask workers: complete or absent, repeated once; killed workers and clusters of others."""

import contextlib
import dataclasses
import errno
import os
import re
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest
import tiny_notebooks as tiny
from distributed import Client, LocalCluster
from free_port import free_port

from spbl_nb import cli, files
from spbl_nb.batch import execute, workers
from spbl_nb.places import PACKAGE
from spbl_nb.results import provenance, store

pytestmark = pytest.mark.notebooks

RUNS_DIR = 'RUNS_DIR: str = ""  # folder of the results\nFLAG: str = ""  # a file of the test'
CHECKPOINT = RUNS_DIR + '\nCHECKPOINT: str = ""  # file'


@pytest.fixture(scope="module")
def scheduler():
    """Address of a cluster of two workers, as a person might have started it."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def task(tmp_path):
    """Return a function that makes a task of some cells."""

    def make(name, *cells, values=None, parameters=RUNS_DIR, **options):
        source = tiny.write(tmp_path / "notebooks" / f"{name}.ipynb", *cells, parameters=parameters)
        return workers.Task(name, str(source), values or {}, str(tmp_path / "runs"), f"notebooks/{name}", **options)

    return make


@pytest.fixture
def executed(monkeypatch):
    """Let notebooks be executed by a function of the test, at once and without a kernel."""

    def by(function):
        def execute_(notebook, output, values, **_options):
            function(values)
            output.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(notebook, output)

        monkeypatch.setattr(execute, "execute", execute_)

    return by


@pytest.mark.slow
def test_folders_appear_whole_with_notebook_and_page(scheduler, task, tmp_path, capsys):
    tasks = [task(name, "print(RUNS_DIR)") for name in ("first", "second", "third")]
    outcomes = workers.run_tasks(tasks, scheduler=scheduler, progress=False)
    assert [outcome.status for outcome in outcomes] == [workers.DONE] * 3
    assert [outcome.task for outcome in outcomes] == tasks
    told = capsys.readouterr().out
    assert len(re.findall(r"(first|second|third) +done +\d", told)) == 3
    assert "can be watched at http://127.0.0.1:" in told
    runs = tmp_path / "runs"
    assert sorted(path.relative_to(runs).as_posix() for path in runs.rglob("*") if path.is_file()) == [
        f"notebooks/{name}/{file}"
        for name in ("first", "second", "third")
        for file in sorted((f"{name}.html", f"{name}.ipynb", "task.json"))
    ]
    assert all(each.is_complete() for each in tasks)
    text = (tasks[0].target / "first.ipynb").read_text()
    assert ".staging" not in text
    assert text.count(str(runs)) >= 2


@pytest.mark.parametrize(
    ("folder", "stem", "page"),
    [
        ("notebooks/01_data", "02_cnn", "../02_cnn/02_cnn.html"),
        ("notebooks/01_data", "08_experiment", "../../index.html"),
        ("fast/digits/ce/seed-0", "02_cnn", "../../../../index.html"),
        ("fast/report", "02_cnn", "../../notebooks/02_cnn/02_cnn.html"),
    ],
)
def test_links_between_pages_lead_to_pages(tmp_path, folder, stem, page):
    for name in ("01_data", "02_cnn", "08_experiment"):
        tiny.write(tmp_path / f"{name}.ipynb")
    (tmp_path / "notebooks" / "02_cnn").mkdir(parents=True)
    (tmp_path / "notebooks" / "02_cnn" / "02_cnn.html").touch()
    task = workers.Task("x", str(tmp_path / "01_data.ipynb"), {}, str(tmp_path), folder, leaves_run="seed" in folder)
    assert workers._page_of(task, stem) == page


def test_a_changed_notebook_parameter_input_or_library_is_run_again(task, executed, monkeypatch):
    executed(lambda _values: None)
    made = task("keyed", "1", values={"FLAG": "a"})
    assert workers.work(made).status == workers.DONE
    assert made.is_complete()
    assert workers.work(made).status == workers.SKIPPED
    assert not task("keyed", "1", values={"FLAG": "b"}).is_complete()
    assert not task("keyed", "1", values={"FLAG": "a"}, inputs="others").is_complete()
    new = task("keyed", "print('new')", values={"FLAG": "a"})
    assert not new.is_complete()
    assert workers.work(new).status == workers.DONE
    assert "new" in (new.target / "keyed.html").read_text()
    assert [path.name for path in new.target.parent.iterdir()] == ["keyed"]
    monkeypatch.setattr(provenance, "library_sha256", lambda: "another")
    assert not new.is_complete()


@pytest.mark.slow
def test_a_notebook_that_fails_is_repeated_once_then_reported_and_kept(task, tmp_path):
    flag, kept = tmp_path / "flag", tmp_path / "runs" / "failed" / "notebooks-bad.ipynb"
    made = task("bad", "open(FLAG, 'a').write('x')", "1/0", values={"FLAG": str(flag)})
    outcome = workers.work(made)
    assert outcome.status == workers.FAILED
    assert "ZeroDivisionError" in outcome.problem
    assert str(kept) in outcome.problem
    assert ".staging" not in outcome.problem
    assert kept.is_file()
    assert flag.read_text() == "xx"
    assert not made.target.exists()
    shaky = "import os\nif len(open(FLAG).read()) == 2:\n    open(FLAG, 'a').write('x')\n    raise OSError('once')"
    assert workers.work(task("bad", shaky, values={"FLAG": str(flag)})).status == workers.DONE
    assert not kept.exists()


@pytest.mark.slow
def test_over_the_time_limit_is_not_repeated_and_keeps_its_checkpoint(task, tmp_path, monkeypatch):
    """The limit is generous until the checkpoint is written, and nearly used up then."""
    checkpoints = tmp_path / "runs" / ".checkpoints"

    def clock():
        return time.monotonic() + (1999 if list(checkpoints.glob("*")) else 0)

    monkeypatch.setattr(execute, "time", SimpleNamespace(monotonic=clock))
    cells = "open(CHECKPOINT, 'a').write('x')", "import time; time.sleep(900)"
    outcome = workers.work(task("slow", *cells, parameters=CHECKPOINT, checkpoint=True, time_limit=2000))
    assert "over its time limit of 2000 s" in outcome.problem
    (checkpoint,) = checkpoints.iterdir()
    assert checkpoint.read_text() == "x"


def test_a_full_disk_leaves_nothing_half_is_not_repeated_and_says_what_to_do(task, executed, monkeypatch):
    tried = []

    def fill(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "a file")

    def run(values):
        tried.append(values["CHECKPOINT"])
        files.write_text(values["CHECKPOINT"], "x")

    executed(run)
    monkeypatch.setattr(workers.page, "to_html", fill)
    made = task("full", "1", parameters=CHECKPOINT, checkpoint=True)
    outcome = workers.work(made)
    assert outcome.status == workers.FAILED
    assert "No space left on device" in outcome.problem
    assert "free some space and give the same command again" in outcome.problem
    assert not made.target.exists()
    assert len(tried) == 1
    assert os.path.exists(tried[0])


def test_a_checkpoint_is_dropped_after_a_failure_and_after_success(task, executed, tmp_path):
    """With what a process left that was killed while it wrote one; what belongs to another task stays."""
    folder = tmp_path / "runs" / ".checkpoints"
    folder.mkdir(parents=True)
    others = folder / ".cells-another-0123456789ab.pt.0a1b2c3d.partial"
    others.touch()

    def leave(values):
        name = os.path.basename(values["CHECKPOINT"])
        for left in (name, f"{name}.pace-1", f".{name}.0a1b2c3d.partial"):
            (folder / left).touch()
        if "fails" in name:
            raise execute.NotebookError("it failed")

    executed(leave)
    for name, status in (("works", workers.DONE), ("fails", workers.FAILED)):
        assert workers.work(task(name, "1", parameters=CHECKPOINT, checkpoint=True)).status == status
        assert list(folder.iterdir()) == [others]


def test_a_task_that_is_to_leave_a_run_is_complete_by_mark_and_result(task, executed):
    made = task("cell", "1", leaves_run=True)
    made.target.mkdir(parents=True)
    files.write_json(made.target / "task.json", {"key": made.key})
    assert not made.is_complete(), "a mark without a result"
    files.write_json(made.target / store.RESULT, {})
    assert made.is_complete()
    assert not dataclasses.replace(made, inputs="others").is_complete()
    executed(lambda _values: None)
    assert "did not leave its result" in workers.work(task("empty", "1", leaves_run=True)).problem


@pytest.mark.slow
def test_a_worker_that_always_dies_is_reported(task, scheduler):
    made = task("poison", "import os; os.kill(os.getppid(), 9); import time; time.sleep(900)")
    (outcome,) = workers.run_tasks([made], scheduler=scheduler, progress=False)
    assert outcome.status == workers.FAILED
    assert "the worker failed" in outcome.problem


def test_what_is_done_on_another_disk_is_no_result(scheduler, task, monkeypatch):
    monkeypatch.setattr(workers, "_ARRIVAL_SECONDS", 0)
    made = task("elsewhere", "1")
    with Client(scheduler) as client:
        future = client.submit(workers.Outcome, made, workers.DONE)
        (outcome,) = workers._as_finished({future: made})
    assert outcome.status == workers.FAILED
    assert "all workers must see the same folders" in outcome.problem


def test_no_scheduler_at_the_address(task, monkeypatch):
    monkeypatch.setattr(workers, "_SCHEDULER_SECONDS", 1)
    with pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9.*leave --scheduler out"):
        workers.run_tasks([task("any", "1")], scheduler="tcp://127.0.0.1:9")


def test_workers_are_asked_what_they_see(tmp_path):
    """By a client whose workers give the answers of this test."""
    here = provenance.library_sha256()

    def check(answer):
        client = SimpleNamespace(run=lambda *_arguments, on_error: {"tcp://a:1": (here, []), "tcp://b:2": answer})
        workers.check_workers(client, [str(tmp_path / "runs")], [])

    check((here, []))
    check(OSError("it died"))
    for answer, message in [
        (("another", []), "has another state of spbl_nb than this command"),
        ((here, ["/nfs/runs/.probe"]), "does not see /nfs/runs/.probe; all workers must see"),
        (ModuleNotFoundError("No module named 'spbl_nb'"), "cannot use spbl_nb"),
    ]:
        with pytest.raises(ValueError, match=f"the worker tcp://b:2 {message}"):
            check(answer)
    assert list((tmp_path / "runs").iterdir()) == []


@pytest.mark.slow
def test_a_cluster_started_by_hand_from_two_shells(tmp_path):
    """The commands of the documentation: a scheduler and a worker as programs of their own, and the grid sent to them."""
    tiny.experiment(tmp_path / "notebooks")
    report = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'
    tiny.write(tmp_path / "notebooks" / "09_reproduction_report.ipynb", "print(PRESET)", parameters=report)
    address = f"tcp://127.0.0.1:{free_port()}"
    line = [sys.executable, "-m", "dask"]
    commands = (
        ["scheduler", "--host", address, "--dashboard-address", "127.0.0.1:0"],
        ["worker", address, "--nthreads", "1"],
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    with contextlib.ExitStack() as ending:
        for command in commands:
            program = ending.enter_context(subprocess.Popen([*line, *command], env=environment, cwd=tmp_path))
            ending.callback(program.terminate)
        with Client(address, timeout=300) as client:
            client.wait_for_workers(1, timeout=300)
        command = ["reproduce", "--datasets", "digits", "--methods", "ce", "oversample", "--seeds", "0"]
        command += ["--notebooks", str(tmp_path / "notebooks"), "--runs-dir", str(tmp_path / "runs")]
        assert cli.main([*command, "--scheduler", address]) == 0
        assert len(store.scan(tmp_path / "runs").complete) == 2
        assert program.poll() is None, "a cluster that is not ours is left running"

"""Notebooks on Dask workers: complete or absent, repeated once, killed workers and Ctrl-C survived."""

import contextlib
import dataclasses
import errno
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest
import tiny_notebooks as tiny
from distributed import LocalCluster

from spbl_nb import files
from spbl_nb.batch import tasks as batch
from spbl_nb.places import PACKAGE
from spbl_nb.results import store

pytestmark = pytest.mark.notebooks

RUNS_DIR = 'RUNS_DIR: str = ""  # folder of the results\nFLAG: str = ""  # a file of the test'


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
        return batch.Task(name, str(source), values or {}, str(tmp_path / "runs"), f"notebooks/{name}", **options)

    return make


def all_files(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_folders_appear_whole_with_notebook_and_page(scheduler, task, tmp_path, capsys):
    tasks = [task(name, "print(RUNS_DIR)") for name in ("first", "second", "third")]
    outcomes = batch.run_tasks(tasks, scheduler=scheduler, progress=False)
    assert [outcome.status for outcome in outcomes] == [batch.DONE] * 3
    assert [outcome.task for outcome in outcomes] == tasks
    told = capsys.readouterr().out
    assert len(re.findall(r"(first|second|third) +done +\d", told)) == 3
    assert ("can be watched at http://127.0.0.1:" in told) == (importlib.util.find_spec("bokeh") is not None)
    assert all_files(tmp_path / "runs") == [
        f"notebooks/{name}/{file}"
        for name in ("first", "second", "third")
        for file in sorted((f"{name}.html", f"{name}.ipynb", "task.json"))
    ]
    assert all(each.stands() for each in tasks)


@pytest.mark.parametrize(
    ("folder", "stem", "page"),
    [
        ("notebooks/01_data", "02_cnn", "../02_cnn/02_cnn.html"),
        ("notebooks/01_data", "08_experiment", "../../index.html"),
        ("notebooks/01_data", "77_not_there", "../../index.html"),
        ("fast/digits/ce/seed-0", "02_cnn", "../../../../index.html"),
        ("fast/report", "02_cnn", "../../notebooks/02_cnn/02_cnn.html"),
        ("fast/report", "08_experiment", "../../index.html"),
    ],
)
def test_links_between_pages_lead_to_pages(tmp_path, folder, stem, page):
    for name in ("01_data", "02_cnn", "08_experiment"):
        tiny.write(tmp_path / f"{name}.ipynb")
    (tmp_path / "notebooks" / "02_cnn").mkdir(parents=True)
    (tmp_path / "notebooks" / "02_cnn" / "02_cnn.html").touch()
    task = batch.Task("x", str(tmp_path / "01_data.ipynb"), {}, str(tmp_path), folder, leaves_run="seed" in folder)
    assert batch._page_of(task, stem) == page


def test_a_worker_does_not_hand_its_memory_settings_to_the_notebook(scheduler, task, tmp_path):
    """Dask's workers return freed memory at once, which doubles the time of a training in a kernel that inherits it."""
    made = task("memory", "import os; print('inherited:', os.environ.get('MALLOC_TRIM_THRESHOLD_'))")
    batch.run_tasks([made], scheduler=scheduler, progress=False)
    assert "inherited: None" in (made.target / "memory.ipynb").read_text()


def test_the_executed_notebook_names_the_runs_folder_and_not_the_staging_folder(task, tmp_path):
    made = task("places", "print(RUNS_DIR)")
    batch.work(made)
    text = (made.target / "places.ipynb").read_text()
    assert ".staging" not in text
    assert text.count(str(tmp_path / "runs")) >= 2


def test_a_changed_notebook_parameter_input_or_library_is_run_again(task, monkeypatch):
    made = task("keyed", "1", parameters=RUNS_DIR + "\nN: int = 1  # a number")
    batch.work(made)
    assert made.stands()
    assert not task("keyed", "1", parameters=RUNS_DIR + "\nN: int = 1  # a number", values={"N": 2}).stands()
    assert not task("keyed", "1", parameters=RUNS_DIR + "\nN: int = 1  # a number", inputs="others").stands()
    assert not task("keyed", "2", parameters=RUNS_DIR + "\nN: int = 1  # a number").stands()
    changed = task("keyed", "1", parameters=RUNS_DIR + "\nN: int = 1  # a number")
    assert changed.stands()
    monkeypatch.setattr(batch.provenance, "library_sha256", lambda: "another")
    assert not changed.stands()


@pytest.mark.parametrize("mark", ["null", "[]", "{}", '{"key": 1}', "no JSON"])
def test_a_mark_that_is_none_of_ours_is_no_complete_folder(task, mark):
    made = task("marked", "1")
    made.target.mkdir(parents=True)
    (made.target / "task.json").write_text(mark)
    assert not made.stands()


def test_a_new_execution_takes_the_place_of_the_old(task):
    batch.work(task("again", "print('old')"))
    new = task("again", "print('new')")
    assert batch.work(new).status == batch.DONE
    assert "new" in (new.target / "again.html").read_text()
    assert [path.name for path in new.target.parent.iterdir()] == ["again"]


def test_a_notebook_that_fails_once_is_repeated(task, tmp_path):
    flag = tmp_path / "flag"
    code = "import os\nif not os.path.exists(FLAG):\n    open(FLAG, 'w').close()\n    raise OSError('the first time')"
    outcome = batch.work(task("shaky", code, values={"FLAG": str(flag)}))
    assert outcome.status == batch.DONE
    assert not (tmp_path / "runs" / "failed" / "notebooks-shaky.ipynb").exists()


def test_a_notebook_that_fails_twice_is_reported_and_kept(task, tmp_path):
    made = task("bad", "open(FLAG, 'a').write('x')", "1/0", values={"FLAG": str(tmp_path / "count")})
    outcome = batch.work(made)
    assert outcome.status == batch.FAILED
    kept = tmp_path / "runs" / "failed" / "notebooks-bad.ipynb"
    assert "ZeroDivisionError" in outcome.problem
    assert str(kept) in outcome.problem
    assert ".staging" not in outcome.problem
    assert kept.is_file()
    assert (tmp_path / "count").read_text() == "xx"
    assert not made.target.exists()


def test_over_the_time_limit_is_not_repeated_and_keeps_its_checkpoint(task, tmp_path, monkeypatch):
    """The limit is generous until the checkpoint is written, and nearly used up then."""
    checkpoints = tmp_path / "runs" / ".checkpoints"

    def clock():
        return time.monotonic() + (1999 if list(checkpoints.glob("*")) else 0)

    monkeypatch.setattr(batch.notebook_runner, "time", SimpleNamespace(monotonic=clock, time=time.time))
    cells = "open(CHECKPOINT, 'a').write('x')", "import time; time.sleep(900)"
    made = task("slow", *cells, parameters='CHECKPOINT: str = ""  # file', checkpoint=True, time_limit=2000)
    outcome = batch.work(made)
    assert "over its time limit of 2000 s" in outcome.problem
    (checkpoint,) = checkpoints.iterdir()
    assert checkpoint.read_text() == "x"


def test_over_the_memory_limit_is_not_repeated_and_keeps_its_checkpoint(scheduler, task, tmp_path):
    cells = "open(CHECKPOINT, 'a').write('x')", "x = bytearray(9 * 10**8)\nimport time; time.sleep(900)"
    made = task("greedy", *cells, parameters='CHECKPOINT: str = ""  # file', checkpoint=True)
    (outcome,) = batch.run_tasks([made], scheduler=scheduler, memory_limit=0.5, progress=False)
    assert re.search(
        r"took \S+ GiB of memory, more than its limit of 0.5 GiB.*grant more with --memory-limit", outcome.problem
    )
    assert str(tmp_path / "runs" / "failed" / "notebooks-greedy.ipynb") in outcome.problem
    (checkpoint,) = (tmp_path / "runs" / ".checkpoints").iterdir()
    assert checkpoint.read_text() == "x"


def test_a_notebook_may_take_what_its_worker_may(task, monkeypatch):
    seen = []
    monkeypatch.setattr(batch, "_attempt", lambda _task, limits: seen.append(limits["memory_limit"]) or {})
    monkeypatch.setattr(batch.cluster, "own_limit", lambda: 3.0)
    batch.work(task("any", "1"))
    batch.work(task("any", "1"), memory_limit=2.0)
    assert seen == [3.0, 2.0]


def test_a_full_disk_leaves_nothing_half_is_not_repeated_and_says_what_to_do(task, tmp_path, monkeypatch):
    """It fills while the notebook runs, and while its page is written."""
    cells = (
        "for name in (CHECKPOINT, FLAG):\n    open(name, 'a').write('x')",
        "import errno, os\nraise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'result.json')",
    )
    parameters = RUNS_DIR + '\nCHECKPOINT: str = ""  # file'
    values = {"FLAG": str(tmp_path / "count")}
    inside = task("inside", *cells, parameters=parameters, values=values, checkpoint=True)
    outside = task("outside", cells[0], parameters=parameters, values=values, checkpoint=True)

    def full(*_arguments, **_options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "page.html")

    monkeypatch.setattr(batch.html_pages, "to_html", full)
    for made in (inside, outside):
        outcome = batch.work(made)
        assert outcome.status == batch.FAILED
        assert "No space left on device" in outcome.problem
        assert "free some space and give the same command again" in outcome.problem
        assert not made.target.exists()
    assert (tmp_path / "count").read_text() == "xx", "each was tried once"
    assert len(list((tmp_path / "runs" / ".checkpoints").iterdir())) == 2
    assert list((tmp_path / "runs" / ".staging").iterdir()) == []


def test_what_is_done_on_another_disk_is_no_result(task, monkeypatch):
    monkeypatch.setattr(batch, "_ARRIVAL_SECONDS", 0)
    outcome = batch._arrived(batch.Outcome(task("elsewhere", "1"), batch.DONE))
    assert outcome.status == batch.FAILED
    assert "all workers must see the same folders" in outcome.problem


def test_preloaded_kernels_on_workers(scheduler, task):
    made = task("quick", "import sys; print('torch is here:', 'torch' in sys.modules)")
    (outcome,) = batch.run_tasks([made], scheduler=scheduler, preload=True, progress=False)
    assert outcome.status == batch.DONE, outcome.problem
    assert "torch is here: True" in (made.target / "quick.ipynb").read_text()


def test_a_checkpoint_is_dropped_after_a_failure_and_after_success(task, tmp_path):
    """With what a process left that was killed while it wrote one; what belongs to another task stays."""
    code = "from pathlib import Path\npath = Path(CHECKPOINT)\n"
    code += "names = path.name, path.name + '.pace-1', f'.{path.name}.0a1b2c3d.partial'\n"
    code += "for name in names:\n    path.with_name(name).write_text('x')"
    parameters = 'CHECKPOINT: str = ""  # file'
    folder = tmp_path / "runs" / ".checkpoints"
    folder.mkdir(parents=True)
    others = folder / ".cells-another-0123456789ab.pt.0a1b2c3d.partial"
    others.write_text("x")
    batch.work(task("works", code, parameters=parameters, checkpoint=True))
    batch.work(task("fails", code, "1/0", parameters=parameters, checkpoint=True))
    assert list(folder.iterdir()) == [others]


def test_a_task_that_is_to_leave_a_run_stands_by_mark_and_result(task):
    made = task("cell", "1", leaves_run=True)
    made.target.mkdir(parents=True)
    files.write_json(made.target / "task.json", {"key": made.key})
    assert not made.stands(), "a mark without a result"
    files.write_json(made.target / store.RESULT, {})
    assert made.stands()
    assert not dataclasses.replace(made, inputs="others").stands()


def test_a_run_that_is_not_left_is_a_failure(task):
    outcome = batch.work(task("empty", "1", leaves_run=True))
    assert "did not leave its result" in outcome.problem


def test_a_second_parameters_cell_is_reported_not_raised(task):
    outcome = batch.work(task("twice", "1", parameters=(RUNS_DIR, RUNS_DIR)))
    assert outcome.status == batch.FAILED
    assert "2 cells tagged 'parameters'" in outcome.problem


def test_a_killed_worker_costs_time_and_nothing_else(scheduler, task, tmp_path):
    """The notebook kills the worker that runs it, once."""
    code = "import os\nif not os.path.exists(FLAG):\n    open(FLAG, 'w').close()\n    os.kill(os.getppid(), 9)\nprint('alive')"
    tasks = [task("murder", code, values={"FLAG": str(tmp_path / "flag")}), task("bystander", "1")]
    outcomes = batch.run_tasks(tasks, scheduler=scheduler, progress=False)
    assert [outcome.status for outcome in outcomes] == [batch.DONE] * 2
    assert (tmp_path / "flag").exists()
    assert tasks[0].stands()
    assert list((tmp_path / "runs" / ".staging").iterdir()) == []


def test_what_is_reported_is_not_made_again_when_its_worker_dies(scheduler, task, tmp_path):
    """Dask would, for the worker took the outcome with it; the other notebook kills that worker and waits a while."""
    flag = tmp_path / "flag"
    append = "import os\nwith open(FLAG, 'a') as flag:\n    print(os.getppid(), file=flag)\n1 / 0"
    kill = """\
import os, time
while not os.path.exists(FLAG) or len(open(FLAG).readlines()) < 2:
    time.sleep(0.02)
time.sleep(2)
os.kill(int(open(FLAG).readline()), 9)
time.sleep(6)"""
    values = {"FLAG": str(flag)}
    tasks = [task("reported", append, values=values), task("murderer", kill, values=values)]
    outcomes = batch.run_tasks(tasks, scheduler=scheduler, progress=False)
    assert [outcome.status for outcome in outcomes] == [batch.FAILED, batch.DONE]
    assert len(flag.read_text().split()) == 2  # each notebook that fails is tried twice


def test_a_complete_folder_is_not_made_again(task, tmp_path):
    """As when a worker dies between the last rename and its answer; the checkpoint goes now."""
    parameters = 'CHECKPOINT: str = ""  # file'
    made = task("complete", "open(CHECKPOINT, 'w').close()", parameters=parameters, checkpoint=True)
    assert batch.work(made).status == batch.DONE
    left = tmp_path / "runs" / ".checkpoints" / f"notebooks-complete-{made.key[:12]}.pt"
    left.touch()
    page = (made.target / "complete.html").stat()
    assert batch.work(made).status == batch.STANDING
    assert (made.target / "complete.html").stat() == page
    assert not left.exists()


def test_a_worker_that_always_dies_is_reported(task, scheduler):
    made = task("poison", "import os; os.kill(os.getppid(), 9); import time; time.sleep(900)")
    (outcome,) = batch.run_tasks([made], scheduler=scheduler, progress=False)
    assert outcome.status == batch.FAILED
    assert "the worker failed" in outcome.problem


def test_no_scheduler_at_the_address(task, monkeypatch):
    monkeypatch.setattr(batch.cluster, "_SCHEDULER_SECONDS", 1)
    with pytest.raises(ConnectionError, match=r"no Dask scheduler answers at tcp://127.0.0.1:9.*leave --scheduler out"):
        batch.run_tasks([task("any", "1")], scheduler="tcp://127.0.0.1:9")


def test_jobs_must_be_positive(task):
    with pytest.raises(ValueError, match="jobs is 0"):
        batch.run_tasks([task("any", "1")], jobs=0)
    assert batch.run_tasks([], jobs=0) == []


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal to a process group")
@pytest.mark.parametrize("preload", [False, True])
def test_ctrl_c_leaves_complete_folders_and_no_process(task, tmp_path, preload):
    """A terminal's Ctrl-C reaches the parent and all workers at once, while one task is done and others run."""
    quick, flags = task("quick", "1"), [tmp_path / f"started{index}" for index in range(2)]
    cell = "open(FLAG, 'w').close(); import time; time.sleep(900)"
    slow = [task(flag.name, cell, values={"FLAG": str(flag)}) for flag in flags]
    script = tmp_path / "script.py"
    script.write_text(
        "import faulthandler, signal\n"
        "from spbl_nb import batch\n"
        "if __name__ == '__main__':\n"
        "    faulthandler.register(signal.SIGUSR1)\n"
        f"    tasks = [batch.Task(*t) for t in {[list(vars(t).values()) for t in (quick, *slow)]!r}]\n"
        f"    batch.run_tasks(tasks, jobs=2, preload={preload})\n"
    )
    environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
    parent = subprocess.Popen(
        [sys.executable, str(script)],
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background jobs ignore Ctrl-C
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    give_up = time.monotonic() + 600
    while not (quick.target.exists() and all(flag.exists() for flag in flags)):
        assert time.monotonic() < give_up, parent.communicate()
        time.sleep(0.2)
    family = psutil.Process(parent.pid).children(recursive=True)
    os.killpg(parent.pid, signal.SIGINT)
    try:
        _, errors = parent.communicate(timeout=300)
    except subprocess.TimeoutExpired:
        parent.send_signal(signal.SIGUSR1)  # it tells where each of its threads stands
        time.sleep(2)
        for process in [*family, parent]:
            with contextlib.suppress(psutil.Error):
                process.kill()
        pytest.fail(f"still running five minutes after Ctrl-C:\n{parent.communicate()[1].decode()}")
    assert errors.count(b"Traceback") == 1, "the script's own; the workers keep quiet"
    assert b"KeyboardInterrupt" in errors
    _, alive = psutil.wait_procs(family, timeout=300)
    assert alive == []
    assert (quick.target / "quick.html").exists()
    assert not any(each.target.exists() for each in slow)

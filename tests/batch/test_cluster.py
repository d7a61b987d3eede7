"""Where notebooks run: shares of this machine, workers of others, and a cluster started by hand from two shells."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request

import pytest
import tiny_notebooks as tiny
from distributed import Client, system

from spbl_nb import cli
from spbl_nb.batch import workers as cluster
from spbl_nb.places import PACKAGE
from spbl_nb.results import provenance, store


@pytest.fixture
def machine(monkeypatch):
    """A machine with 8 cores and 12 GiB."""
    monkeypatch.setattr(cluster, "available_cores", lambda: 8)
    monkeypatch.setattr(system, "MEMORY_LIMIT", 12 * cluster.GIB)


@pytest.mark.parametrize(
    ("jobs", "tasks", "limit", "expected"),
    [
        (None, 100, None, (6, 2.0)),  # memory is scarcer than cores
        (None, 3, None, (3, 4.0)),
        (8, 100, None, (8, 1.5)),
        (None, 100, 5.0, (2, 5.0)),
        (1, 100, 12.0, (1, 12.0)),
    ],
)
def test_workers_share_the_memory(machine, jobs, tasks, limit, expected):
    assert cluster.shares(jobs, tasks, limit) == expected


@pytest.mark.parametrize(
    ("jobs", "limit", "message"),
    [
        (0, None, "jobs is 0"),
        (
            4,
            5.0,
            r"memory_limit is 5 GiB for 4 at a time, and this machine has 12.0 GiB; allowed: 2 at a time \(--jobs 2\)",
        ),
        (None, 16.0, "memory_limit is 16 GiB for 1 at a time, and this machine has 12.0 GiB; allowed: at most 12 GiB"),
        (None, 0.0, "memory_limit is 0"),
    ],
)
def test_more_memory_than_there_is_is_refused(machine, jobs, limit, message):
    with pytest.raises(ValueError, match=message):
        cluster.shares(jobs, 100, limit)


class Cluster:
    """A client of workers that exist in this test only."""

    def __init__(self, *workers, answers=None):
        self.workers = {f"tcp://w:{place}": worker for place, worker in enumerate(workers)}
        self.answers = answers

    def scheduler_info(self):
        return {"workers": self.workers}

    def run(self, function, *arguments, on_error):
        assert on_error == "return"
        return self.answers or {"tcp://w:0": function(*arguments)}


def worker(limit=0, **resources):
    return {"memory_limit": limit * cluster.GIB, "resources": {n: v * cluster.GIB for n, v in resources.items()}}


def test_memory_is_declared_where_workers_offer_it():
    assert cluster.declared(Cluster(worker(memory=4)), None) == {}
    assert cluster.declared(Cluster(worker(memory=4), worker()), 3) == {"memory": 3 * cluster.GIB}
    assert cluster.declared(Cluster(worker(4)), 3) == {}
    assert cluster.declared(Cluster(), 3) == {}
    assert cluster.declared(Cluster(worker()), 300) == {}


@pytest.mark.parametrize("workers", [[worker(memory=4), worker(memory=5)], [worker(4), worker(5)]])
def test_memory_that_no_worker_has_is_refused_instead_of_waiting_for_ever(workers):
    with pytest.raises(ValueError, match=r"memory_limit is 6 GiB, and no worker may take more than 5.0 GiB"):
        cluster.declared(Cluster(*workers), 6)


def test_dask_looks_less_at_workers_of_this_machine():
    import dask

    name = "distributed.worker.profile.enabled"
    before = dask.config.get(name)
    with cluster.client(1, None, 1) as client:
        assert client.submit(dask.config.get, name).result() is False
    assert dask.config.get(name) is before


def test_workers_are_asked_what_they_see(tmp_path):
    notebook = tiny.write(tmp_path / "08.ipynb")
    cluster.check_workers(Cluster(), [str(tmp_path / "runs")], [str(notebook)])
    assert list((tmp_path / "runs").iterdir()) == []
    with pytest.raises(ValueError, match=r"worker tcp://w:0 does not see .*/09.ipynb; all workers must see"):
        cluster.check_workers(Cluster(), [str(tmp_path / "runs")], [str(tmp_path / "09.ipynb")])
    here = provenance.library_sha256()
    for answer, message in [
        (("another", []), "has another state of spbl_nb than this command"),
        ((here, ["/nfs/runs/.probe"]), "does not see /nfs/runs/.probe"),
        (ModuleNotFoundError("No module named 'spbl_nb'"), "cannot use spbl_nb"),
    ]:
        answers = {"tcp://a:1": (here, []), "tcp://b:2": answer}
        with pytest.raises(ValueError, match=rf"the worker tcp://b:2 {message}"):
            cluster.check_workers(Cluster(answers=answers), [str(tmp_path)], [])
    cluster.check_workers(Cluster(answers={"tcp://b:2": OSError("it died")}), [str(tmp_path)], [])


MEETING = """\
import os, time
from pathlib import Path
folder = Path({folder!r})
folder.mkdir(exist_ok=True)
(folder / str(os.getppid())).touch()
while len(list(folder.iterdir())) < 2:
    time.sleep(0.05)"""  # the notebook waits until another worker is at work too


@pytest.mark.notebooks
def test_a_cluster_started_by_hand_from_two_shells(tmp_path, capsys):
    """The commands of the README: a scheduler and two workers as programs of their own, and the grid sent to them."""
    notebooks = tmp_path / "notebooks"
    tiny.experiment(notebooks, MEETING.format(folder=str(tmp_path / "at-work")))
    report = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'
    tiny.write(notebooks / "09_reproduction_report.ipynb", "print(PRESET)", parameters=report)
    note, programs = tmp_path / "scheduler.json", []

    def start(*command):
        environment = os.environ | {"PYTHONPATH": str(PACKAGE.parent)}
        with open(tmp_path / "cluster.log", "a") as log:
            programs.append(
                subprocess.Popen(
                    [sys.executable, "-m", "dask", *command, "--scheduler-file", str(note)],
                    env=environment,
                    stdout=log,
                    stderr=log,
                    cwd=tmp_path,
                )
            )

    try:
        start("scheduler", "--host", "127.0.0.1", "--port", "0", "--dashboard-address", "127.0.0.1:0")
        for number in range(2):
            start("worker", "--nthreads", "1", "--name", f"shell-{number}", "--local-directory", str(tmp_path))
        give_up = time.monotonic() + 300
        while not note.exists():
            assert time.monotonic() < give_up, (tmp_path / "cluster.log").read_text()
            time.sleep(0.1)
        address = json.loads(note.read_text())["address"]
        with Client(address, timeout=300) as client:
            client.wait_for_workers(2, timeout=300)
        command = ["reproduce", "--datasets", "digits", "--methods", "ce", "oversample", "--seeds", "0"]
        command += ["--notebooks", str(notebooks), "--runs-dir", str(tmp_path / "runs"), "--scheduler", address]
        assert cli.main(command) == 0, (tmp_path / "cluster.log").read_text()
        told = capsys.readouterr().out
        page = re.search(r"the workers can be watched at (http://\S+)", told)[1]
        with urllib.request.urlopen(page, timeout=120) as answer:
            assert b"Dask" in answer.read()
        assert len(store.scan(tmp_path / "runs").complete) == 2
        assert len(list((tmp_path / "at-work").iterdir())) == 2, "each worker had a notebook"
        assert all(program.poll() is None for program in programs), "a cluster that is not ours is left running"
    finally:
        for program in programs:
            program.terminate()
        for program in programs:
            program.wait(300)

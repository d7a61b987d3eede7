"""The main job on small stand-ins for the notebooks: what is made, what is skipped, what a failure looks like."""

import re

import pandas as pd
import pytest
import tiny_notebooks as tiny
from distributed import LocalCluster

from spbl_nb import config
from spbl_nb.batch import grid, reproduce
from spbl_nb.results import store

pytestmark = pytest.mark.notebooks

REPORT = """\
from spbl_nb.results import store
print(PRESET, len(store.scan(RUNS_DIR, PRESET).complete), "runs")"""
REPORT_PARAMETERS = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'


@pytest.fixture
def notebooks(tmp_path):
    """A folder with a guessing 08, a counting 09 and one lesson."""
    folder = tmp_path / "notebooks"
    tiny.experiment(folder)
    tiny.write(folder / "09_reproduction_report.ipynb", REPORT, parameters=REPORT_PARAMETERS, title="# 09 Report")
    tiny.write(
        folder / "01_lesson.ipynb", "print(PRESET, N)", parameters='PRESET: str = "fast"  # preset\nN: int = 1  # n'
    )
    return folder


@pytest.fixture(scope="module")
def scheduler():
    """Address of a cluster of two workers that all tests share."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def run(notebooks, tmp_path, scheduler):
    """Run the job with a grid of digits, the given methods and seed 0; returns the number of failures."""

    def job(methods=("ce", "oversample"), **options):
        places = {"notebooks": notebooks, "runs_dir": tmp_path / "runs", "scheduler": scheduler}
        cells = grid.cells(["digits"], methods, [0], config.preset("fast"))
        return reproduce.reproduce(cells, **(places | options), progress=False)

    return job


def test_the_whole_job_and_a_second_call(run, tmp_path, capsys):
    folder = tmp_path / "runs"
    assert run() == 0
    told = capsys.readouterr().out
    assert "runs: 2, 0 complete already, 2 to do" in told
    assert "teaching notebooks: 1, 0 done already with the present code, 1 to do" in told
    assert (
        len(re.findall(r"^ *\d/3  digits +(ce|oversample) +seed 0 done .* accuracy 0\.\d+   F1 0\.\d+$", told, re.M))
        == 2
    )
    for place in ("fast/results.csv", "fast/report/09_reproduction_report.html", "index.html"):
        assert str(folder / place) in told
        assert (folder / place).is_file()
    assert "fast 2 runs" in (folder / "fast" / "report" / "09_reproduction_report.html").read_text()
    assert "smoke 1" in (folder / "notebooks" / "01_lesson" / "01_lesson.html").read_text()
    assert pd.read_csv(folder / "fast" / "results.csv")["method"].tolist() == ["ce", "oversample"]

    links = re.findall(r'href="([^"]+)"', (folder / "index.html").read_text())
    assert len(links) == 5  # the report and its numbers, a lesson, two runs
    assert all((folder / link).is_file() for link in links)

    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}
    assert run() == 0
    told = capsys.readouterr().out
    assert "runs: 2, 2 complete already, 0 to do" in told
    assert "1 done already with the present code, 0 to do" in told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")} == times

    assert run(methods=["ce"], teaching=False) == 0
    assert "teaching" not in capsys.readouterr().out.split("results table")[0]


def test_failures_are_counted_and_told_with_the_way_to_repeat_them(run, notebooks, tmp_path, capsys):
    tiny.experiment(notebooks, "if METHOD == 'oversample':\n    raise ValueError('too heavy')")
    tiny.write(notebooks / "02_bad.ipynb", "1/0")
    tiny.write(notebooks / "02_bad-again.ipynb", "raise ValueError('a copy that somebody left here')")
    folder = tmp_path / "runs"
    assert run() == 2
    told = capsys.readouterr().out
    assert "FAILED digits oversample seed 0: 08_experiment.ipynb raised ValueError" in told
    assert f"what was executed: {folder}/failed/fast-digits-oversample-seed-0.ipynb" in told
    assert (
        f"spbl-nb reproduce --datasets digits --methods oversample --seeds 0 --preset fast --runs-dir {folder}" in told
    )
    assert f"papermill {notebooks}/02_bad.ipynb 02_bad-again.ipynb" in told
    assert "2 failed" in told
    assert len(store.scan(folder).complete) == 1


def test_nothing_starts_without_notebooks_or_a_writable_folder(run, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no 08_experiment.ipynb in .*--notebooks DIR"):
        run(notebooks=tmp_path / "elsewhere")
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="cannot write to the runs folder"):
        run(runs_dir=tmp_path / "file" / "runs")

"""The main job: which runs there are, what is complete already, what is done about the rest, and a run by itself."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import tiny_notebooks as tiny
from distributed import LocalCluster
from free_port import free_port

from spbl_nb import cli, config, data, files, methods, metrics
from spbl_nb.batch import grid, workers
from spbl_nb.results import provenance, store

FAST = config.preset("fast")


def test_runs_come_seed_by_seed():
    runs = grid.list_runs(["digits", "lesions"], ["ce", "oversample"], [0, 3], FAST)
    assert [(run.dataset, run.method, run.seed) for run in runs] == [
        (dataset, method, seed)
        for seed in (0, 3)
        for dataset in ("digits", "lesions")
        for method in ("ce", "oversample")
    ]
    assert runs[0].folder == "fast/digits/ce/seed-0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["digits"], [], [0]), "no method is given"),
        ((["digits", "digits"], ["ce"], [0]), "the data set 'digits' is named twice"),
        ((["digits"], ["ce"], [-1]), "seed is -1"),
    ],
)
def test_what_is_no_grid_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        grid.list_runs(*arguments, FAST)


@pytest.fixture
def notebook(tmp_path):
    """A notebook 08 that guesses instead of training."""
    return tiny.experiment(tmp_path / "notebooks")


@pytest.fixture
def wanted(notebook, tmp_path, own_cache):
    """Return a function that makes a grid of one data set."""

    def make(dataset="digits", methods=("ce",), settings=FAST, **more):
        runs = grid.list_runs([*dataset.split(",")], methods, [0], settings)
        return grid.Grid(runs, tmp_path / "my runs", notebook.parent, **more)

    return make


@pytest.fixture
def archive(tmp_path):
    """Sixty images of two classes as files of ham10000 and of mnist; the folder."""
    images = np.zeros((60, 8, 8), np.uint8)
    images[:, 0, 0] = np.arange(60)
    np.savez(tmp_path / "ham10000.npz", images=images, labels=np.arange(60) % 2)
    np.savez(tmp_path / "mnist.npz", images=images, labels=np.arange(60) % 2, split=np.repeat([0, 2], 30))
    return tmp_path


def test_a_plan_tells_how_to_repeat_a_run(wanted, archive):
    settings = config.preset("full", device="auto")
    line = "profile: odd_classes, factor: 5"
    (task,) = grid.plan(wanted("mnist", settings=settings, data_root=str(archive), data_options=line)).pending
    assert task.repeat == (
        "spbl-nb reproduce --datasets mnist --methods ce --seeds 0 --preset full "
        f"--runs-dir '{archive}/my runs' --no-notebooks --device auto --data-root {archive} --data-options '{line}'"
    )
    assert task.values["DATA_ROOT"] == str(archive)
    assert task.values["DATA_OPTIONS"].startswith(f"{line}, prepared: mnist-")
    assert task.watermark == ""
    with pytest.raises(ValueError, match="did you mean 'profile'"):
        grid.plan(wanted("mnist", data_root=str(archive), data_options="profil: step"))


def test_the_data_are_prepared_once_and_workers_are_told_the_key(wanted, archive):
    first, second = grid.plan(wanted("ham10000", ["ce", "oversample"], data_root=str(archive))).pending
    assert first.values["DATA_OPTIONS"] == second.values["DATA_OPTIONS"]
    options = data.options_from(first.values["DATA_OPTIONS"], "ham10000")
    assert options["prepared"].startswith("ham10000-")
    (archive / "ham10000.npz").unlink()
    images = data.load_for(FAST, "ham10000", str(archive), **options)
    assert images.images[:, 0, 0, 0].tolist() == list(range(60))
    assert "--data-options" not in first.repeat


def test_the_place_of_the_data_is_for_those_that_read_files(wanted, archive):
    in_files, embedded = grid.plan(wanted("ham10000,digits", data_root=str(archive))).pending
    assert in_files.values["DATA_ROOT"] == str(archive)
    assert embedded.values["DATA_ROOT"] == ""
    assert "--data-root" not in embedded.repeat


def test_the_arithmetic_of_the_settings_is_that_of_the_notebook(wanted):
    """Preset paper computes in bf16; a notebook that was told nothing would take the default of another preset."""
    for changed, precision, repeated in (({}, "bf16", ""), ({"precision": "fp32"}, "fp32", "--precision fp32")):
        (task,) = grid.plan(wanted(settings=config.preset("paper", size=16, **changed))).pending
        assert task.values["PRECISION"] == precision
        assert task.repeat.partition("--no-notebooks")[2].strip() == repeated


REPORT = """\
from spbl_nb.results import store
print(PRESET, len(store.scan(RUNS_DIR, PRESET).complete), "runs")"""
REPORT_PARAMETERS = 'PRESET: str = "smoke"  # configuration\nRUNS_DIR: str = ""  # folder'
LESSON_PARAMETERS = 'PRESET: str = "fast"  # preset\nN: int = 1  # n'


@pytest.fixture(scope="module")
def scheduler():
    """Address of a cluster of two workers that all tests share."""
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50) as cluster:
        yield cluster.scheduler_address


@pytest.fixture
def run(notebook, tmp_path, scheduler):
    """Run the job with a grid of digits, the given methods and seed 0; returns the number of failures."""
    report = notebook.with_name("09_reproduction_report.ipynb")
    tiny.write(report, REPORT, parameters=REPORT_PARAMETERS, title="# 09 Report")
    tiny.write(notebook.with_name("01_lesson.ipynb"), "print(PRESET, N)", parameters=LESSON_PARAMETERS)

    def job(methods=("ce", "oversample"), **options):
        runs = grid.list_runs(["digits"], methods, [0], FAST)
        wanted = grid.Grid(runs, tmp_path / "runs", notebook.parent)
        return grid.reproduce(wanted, scheduler=scheduler, progress=False, **options)

    return job


@pytest.mark.slow
@pytest.mark.notebooks
def test_the_whole_job_and_a_second_call(run, tmp_path, capsys):
    folder = tmp_path / "runs"
    assert run() == 0
    told = capsys.readouterr().out
    assert "runs: 2, 0 complete already, 2 to do" in told
    assert "teaching notebooks: 1, 0 done already with the present code, 1 to do" in told
    lines = r"^ *\d/3  digits +(ce|oversample) +seed 0 done .* accuracy 0\.\d+   F1 0\.\d+$"
    assert len(re.findall(lines, told, re.M)) == 2
    for place in ("fast/results.csv", "fast/report/09_reproduction_report.html", "index.html"):
        assert str(folder / place) in told
        assert (folder / place).is_file()
    assert "fast 2 runs" in (folder / "fast" / "report" / "09_reproduction_report.html").read_text()
    assert "smoke 1" in (folder / "notebooks" / "01_lesson" / "01_lesson.html").read_text()
    assert pd.read_csv(folder / "fast" / "results.csv")["method"].tolist() == ["ce", "oversample"]
    links = re.findall(r'href="([^"]+)"', (folder / "index.html").read_text())
    assert len(links) == 5  # the report and its numbers, a lesson, two runs
    assert all((folder / link).is_file() for link in links)
    assert sorted(path.name for path in (folder / "fast" / "digits" / "ce" / "seed-0").iterdir()) == [
        "08_experiment.html", "08_experiment.ipynb", "history.jsonl", "result.json", "scores.npz", "task.json"
    ]  # fmt: skip

    left = folder / ".checkpoints" / "fast-digits-ce-seed-0-0123456789ab.pt"  # by a kill after the run was complete
    left.touch()
    times = {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")}
    assert run() == 0
    told = capsys.readouterr().out
    assert "runs: 2, 2 complete already, 0 to do" in told
    assert "1 done already with the present code, 0 to do" in told
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.ipynb")} == times
    assert not left.exists()


@pytest.mark.slow
@pytest.mark.notebooks
def test_failures_are_counted_and_told_with_the_way_to_repeat_them(run, notebook, tmp_path, capsys):
    tiny.experiment(notebook.parent, "if METHOD == 'oversample':\n    raise ValueError('too heavy')")
    tiny.write(notebook.with_name("02_bad.ipynb"), "1/0")
    tiny.write(notebook.with_name("02_bad-again.ipynb"), "raise ValueError('a copy that somebody left here')")
    folder = tmp_path / "runs"
    assert run() == 2
    told = capsys.readouterr().out
    assert "FAILED digits oversample seed 0: 08_experiment.ipynb raised ValueError" in told
    assert f"what was executed: {folder}/failed/fast-digits-oversample-seed-0.ipynb" in told
    assert (
        f"spbl-nb reproduce --datasets digits --methods oversample --seeds 0 --preset fast --runs-dir {folder}" in told
    )
    assert f"papermill {notebook.parent}/02_bad.ipynb 02_bad-again.ipynb" in told
    assert "2 failed" in told
    assert len(store.scan(folder).complete) == 1


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A runs folder with two runs, made once by executing the cells of the guessing notebook in this process."""
    place = tmp_path_factory.mktemp("grid")
    notebook = tiny.experiment(place / "notebooks")
    runs = grid.list_runs(["digits"], ["ce", "oversample"], [0], FAST)
    for run in runs:
        names: dict = {}
        exec(tiny.EXPERIMENT_PARAMETERS, names)
        exec(tiny.EXPERIMENT, names | {"METHOD": run.method, "RUNS_DIR": str(place / "runs")})
    return runs, notebook, place / "runs"


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of that runs folder, to be harmed: the grid, and the folder of each run."""
    runs, notebook, folder = finished
    shutil.copytree(folder, tmp_path / "runs")
    wanted = grid.Grid(runs, tmp_path / "runs", notebook.parent)
    return wanted, [wanted.runs_dir / run.folder for run in runs]


def test_runs_of_another_state_of_the_library_are_kept_and_counted(copy, monkeypatch):
    wanted, folders = copy
    monkeypatch.setattr(provenance, "library_sha256", lambda: "another")
    plan = grid.plan(wanted)
    assert plan.pending == []
    assert [task.target for task in plan.complete] == plan.outdated == folders


@pytest.mark.slow
@pytest.mark.notebooks
def test_a_broken_run_is_set_aside_and_made_again(copy):
    wanted, (broken, _) = copy
    (broken / store.SCORES).unlink()
    plan = grid.plan(wanted)
    assert [task.target for task in plan.pending] == [broken]
    ((aside, reason),) = plan.set_aside
    assert aside == broken.with_name("seed-0.broken-1")
    assert (aside / store.RESULT).exists()
    assert "scores.npz is missing" in reason
    assert workers.work(plan.pending[0]).status == workers.DONE
    assert store.load(broken)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("data_sha256", "f" * 64, r"oversample/seed-0 holds another run \(data_sha256: 'f{12}…' there"),
        ("schema", store.SCHEMA + 1, r"written by another version of spbl_nb.*give another runs folder"),
    ],
)
def test_runs_of_something_else_stop_the_grid_and_nothing_is_moved(copy, name, value, message):
    """Nor is a broken run set aside then: a refused grid changes nothing."""
    wanted, (broken, other) = copy
    result = files.read_json(other / store.RESULT)
    result["fingerprint"][name] = value
    files.write_json(other / store.RESULT, result)
    (broken / store.SCORES).unlink()
    before = sorted(wanted.runs_dir.rglob("*"))
    with pytest.raises(store.RunConflict, match=message):
        grid.plan(wanted)
    assert sorted(wanted.runs_dir.rglob("*")) == before


@pytest.mark.slow
def test_a_run_from_the_command_line_is_that_of_the_library(tmp_path, capsys):
    command = ["train", "spbl_clean", "digits", "--preset", "smoke", "--seed", "3", "--runs-dir", str(tmp_path)]
    assert cli.main([*command, "--checkpoint", str(tmp_path / "going-on" / "here")]) == 0
    told = capsys.readouterr().out.splitlines()
    settings = config.preset("smoke")
    images = data.load_for(settings, "digits")
    split = data.make_split(images, settings.validation, settings.test, seed=3)
    expected = methods.run("spbl_clean", images, split, settings, 3)
    run = store.load(tmp_path / store.RunId("digits", "spbl_clean", 3, settings).folder)
    assert (run.scores == expected.scores).all()
    report = metrics.report(images.labels[split.test], expected.scores, 10, expected.predicted)
    assert run.result["report"]["accuracy"] == report.accuracy
    assert told[:-2] == [f"digits: {images.source}", *str(report).splitlines()]
    assert told[-2].endswith(f" s by one process; written: {run.folder}")
    assert told[-1] == config.watermark("smoke")
    assert cli.main(command) == 0
    again = capsys.readouterr().out.splitlines()
    assert again[:-2] + again[-1:] == told[:-2] + told[-1:]
    assert again[-2] == told[-2].replace(" by one process; written", "; complete already")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["digits", "spbl_clean"], "METHOD comes first: train spbl_clean digits"),
        (["ce", "digits", "--preset", "papers"], "did you mean 'paper'"),
        (["ce", "digits", "--seed", "-1"], "seed is -1"),
        (["ce", "lesions", "--preset", "smoke", "--weights", "IMAGENET1K_V1"], "small_cnn has no published weights"),
    ],
)
def test_mistakes_in_train_are_answered_in_one_line(tmp_path, capsys, arguments, message):
    assert cli.main(["train", *arguments, "--runs-dir", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_a_notebook_launches_several_processes(tmp_path):
    """In a process of its own: one that has trained already cannot launch others."""
    arguments = ("ce", "digits", "smoke", 0, None, str(tmp_path))
    options = f"num_processes=2, use_port='{free_port()}'"
    code = f"import accelerate; from spbl_nb.batch import grid; accelerate.notebook_launcher(grid.train, {arguments}, {options})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "by 2 process" in done.stdout
    assert done.stdout.count("written:") == 1
    assert len(store.scan(tmp_path).complete) == 1
    assert grid.train(*arguments).is_dir()

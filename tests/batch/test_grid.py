"""The grid: which cells there are, what stands already, and what is done about the rest."""

import shutil

import numpy as np
import pytest
import tiny_notebooks as tiny

from spbl_nb import config, files
from spbl_nb.batch import grid, workers
from spbl_nb.results import provenance, store

FAST = config.preset("fast")


def test_cells_come_seed_by_seed():
    cells = grid.cells(["digits", "lesions"], ["ce", "oversample"], [0, 3], FAST)
    assert [(cell.dataset, cell.method, cell.seed) for cell in cells] == [
        (dataset, method, seed)
        for seed in (0, 3)
        for dataset in ("digits", "lesions")
        for method in ("ce", "oversample")
    ]
    assert cells[0].folder == "fast/digits/ce/seed-0"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((["digit"], ["ce"], [0]), "data set is 'digit'.*did you mean 'digits'"),
        ((["digits"], ["oversampl"], [0]), "method is 'oversampl'.*did you mean 'oversample'"),
        ((["digits"], ["ce"], []), "no seed is given"),
        (([], ["ce"], [0]), "no data set is given"),
        ((["digits"], [], [0]), "no method is given"),
        ((["digits"], ["ce"], [1, 0, 1]), "the seed 1 stands twice"),
        ((["digits", "digits"], ["ce"], [0]), "the data set 'digits' stands twice"),
        ((["digits"], ["ce"], [-1]), "seed is -1"),
        ((["digits"], ["ce"], [True]), "seed is True"),
    ],
)
def test_what_is_no_grid_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        grid.cells(*arguments, FAST)


def test_settings_that_the_notebook_cannot_be_told_are_refused():
    assert grid.cells(["digits"], ["ce"], [0], config.preset("fast", device="auto"))
    assert grid.cells(["digits"], ["ce"], [0], config.preset("fast", seeds=(7,)))
    with pytest.raises(ValueError, match=r"settings are 'fast\+.*runs presets"):
        grid.cells(["digits"], ["ce"], [0], config.preset("fast", lr=0.01))


def test_a_plan_tells_how_to_repeat_a_cell(tmp_path):
    images = np.zeros((60, 8, 8), np.uint8)
    np.savez(tmp_path / "ham10000.npz", images=images, labels=np.arange(60) % 2)
    (cell,) = grid.cells(["ham10000"], ["ce"], [2], config.preset("full", device="auto"))
    (task,) = grid.plan([cell], "08.ipynb", tmp_path / "my runs", data_root=str(tmp_path)).pending
    assert task.repeat == (
        "spbl-nb reproduce --datasets ham10000 --methods ce --seeds 2 --preset full "
        f"--runs-dir '{tmp_path}/my runs' --no-notebooks --device auto --data-root {tmp_path}"
    )
    assert task.values["DATA_ROOT"] == str(tmp_path)
    assert "DATA_OPTIONS" not in task.values
    assert task.watermark == ""


def test_the_place_of_the_data_is_for_those_that_read_files(tmp_path):
    np.savez(tmp_path / "ham10000.npz", images=np.zeros((60, 8, 8), np.uint8), labels=np.arange(60) % 2)
    cells = grid.cells(["ham10000", "digits"], ["ce"], [0], FAST)
    files, embedded = grid.plan(cells, "08.ipynb", tmp_path / "runs", data_root=str(tmp_path)).pending
    assert files.values["DATA_ROOT"] == str(tmp_path)
    assert embedded.values["DATA_ROOT"] == ""
    assert "--data-root" not in embedded.repeat
    with pytest.raises(ValueError, match="digits is embedded and reads no files; leave the root out"):
        grid.plan(cells[1:], "08.ipynb", tmp_path / "runs", data_root=str(tmp_path))


def test_options_of_the_data_reach_the_run_and_its_repetition(tmp_path):
    images = np.zeros((60, 8, 8), np.uint8)
    images[:, 0, 0] = np.arange(60)
    split = np.repeat([0, 2], 30)
    np.savez(tmp_path / "mnist.npz", images=images, labels=np.arange(60) % 2, split=split)
    (cell,) = grid.cells(["mnist"], ["ce"], [0], FAST)
    line = "profile: odd_classes, factor: 5"
    (task,) = grid.plan([cell], "08.ipynb", tmp_path, data_root=str(tmp_path), data_options=line).pending
    assert task.values["DATA_OPTIONS"] == line
    assert task.repeat.endswith(f" --data-options '{line}'")
    with pytest.raises(ValueError, match="did you mean 'profile'"):
        grid.plan([cell], "08.ipynb", tmp_path, data_root=str(tmp_path), data_options="profil: step")


def test_the_arithmetic_of_the_settings_is_that_of_the_notebook():
    """Preset paper computes in bf16; a notebook that was told nothing would take the default of another preset."""
    (cell,) = grid.cells(["digits"], ["ce"], [0], config.preset("paper"))
    (task,) = grid.plan([cell], "08.ipynb", "nowhere").pending
    assert task.values["PRECISION"] == "bf16"
    assert "--precision" not in task.repeat
    exact = config.preset("paper", device="cpu", precision="fp32")
    (task,) = grid.plan(grid.cells(["digits"], ["ce"], [0], exact), "08.ipynb", "nowhere").pending
    assert (task.values["PRECISION"], task.values["DEVICE"]) == ("fp32", "cpu")
    assert "--device cpu --precision fp32" in task.repeat


def test_absent_data_are_noticed_before_anything_starts(tmp_path):
    (cell,) = grid.cells(["mnist"], ["ce"], [0], FAST)
    with pytest.raises(FileNotFoundError, match="mnist is not embedded and root"):
        grid.plan([cell], "08.ipynb", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A grid of two guessing runs, made once."""
    place = tmp_path_factory.mktemp("grid")
    notebook = tiny.experiment(place / "notebooks")
    cells = grid.cells(["digits"], ["ce", "oversample"], [0], FAST)
    outcomes = grid.run_grid(cells, notebook, place / "runs", jobs=2)
    assert [outcome.status for outcome in outcomes] == [workers.DONE] * 2, outcomes
    return cells, notebook, place / "runs"


@pytest.fixture
def copy(made, tmp_path):
    """A copy of that grid's runs folder, to be harmed."""
    cells, notebook, folder = made
    shutil.copytree(folder, tmp_path / "runs")
    return cells, notebook, tmp_path / "runs"


@pytest.mark.notebooks
def test_every_run_is_complete_with_notebook_and_page(made):
    cells, _, folder = made
    assert len(store.scan(folder, "fast").complete) == 2
    for cell in cells:
        names = sorted(path.name for path in (folder / cell.folder).iterdir())
        assert names == [f"08_experiment.{kind}" for kind in ("html", "ipynb")] + [
            "history.jsonl",
            "result.json",
            "scores.npz",
            "task.json",
        ]


@pytest.mark.notebooks
def test_what_is_complete_is_not_run_again(copy, monkeypatch):
    cells, notebook, folder = copy
    monkeypatch.setattr(workers, "client", None)
    left = folder / ".checkpoints" / "fast-digits-ce-seed-0-0123456789ab.pt"  # by a kill after the run was complete
    left.parent.mkdir(exist_ok=True)
    left.touch()
    outcomes = grid.run_grid(cells, notebook, folder)
    assert [outcome.status for outcome in outcomes] == [workers.SKIPPED] * 2
    assert not left.exists()


@pytest.mark.notebooks
def test_runs_of_another_state_of_the_library_are_kept_and_counted(copy, monkeypatch):
    cells, notebook, folder = copy
    monkeypatch.setattr(provenance, "library_sha256", lambda: "another")
    plan = grid.plan(cells, notebook, folder)
    assert plan.pending == []
    assert plan.outdated == [folder / cell.folder for cell in cells]


@pytest.mark.notebooks
def test_a_broken_run_is_set_aside_and_made_again(copy):
    cells, notebook, folder = copy
    broken = folder / cells[0].folder
    (broken / store.SCORES).unlink()
    plan = grid.plan(cells, notebook, folder)
    assert [task.target for task in plan.pending] == [broken]
    ((aside, reason),) = plan.set_aside
    assert aside == broken.with_name("seed-0.broken-1")
    assert (aside / store.RESULT).exists()
    assert "scores.npz is missing" in reason
    assert workers.work(plan.pending[0]).status == workers.DONE
    assert store.load(broken)


@pytest.mark.notebooks
def test_runs_on_other_data_stop_the_grid_before_it_starts(copy):
    cells, notebook, folder = copy
    path = folder / cells[1].folder / store.RESULT
    result = files.read_json(path)
    result["fingerprint"]["data_sha256"] = "f" * 64
    files.write_json(path, result)
    before = path.read_bytes()
    with pytest.raises(store.RunConflict, match=r"oversample/seed-0 holds another run \(data_sha256: 'f{12}…' there"):
        grid.plan(cells, notebook, folder)
    assert path.read_bytes() == before


@pytest.mark.notebooks
def test_runs_of_another_version_stop_the_grid_and_nothing_is_moved(copy):
    """Nor is a broken run set aside then: a refused grid changes nothing."""
    cells, notebook, folder = copy
    path = folder / cells[1].folder / store.RESULT
    result = files.read_json(path)
    result["fingerprint"]["schema"] = store.SCHEMA + 1
    files.write_json(path, result)
    (folder / cells[0].folder / store.SCORES).unlink()
    before = sorted(folder.rglob("*"))
    with pytest.raises(store.RunConflict, match=r"written by another version of spbl_nb.*give another runs folder"):
        grid.plan(cells, notebook, folder)
    assert sorted(folder.rglob("*")) == before


@pytest.mark.notebooks
def test_a_missing_array_is_named_when_its_run_is_set_aside(copy):
    cells, notebook, folder = copy
    path = folder / cells[0].folder / store.SCORES
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "labels"}
    files.write_npz(path, **arrays)
    ((_, reason),) = grid.plan(cells, notebook, folder).set_aside
    assert "lacks the array labels" in reason

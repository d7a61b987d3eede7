"""A grid on a folder of one's own images: a relative root, images decoded once, another folder refused."""

import pytest
import tiny_notebooks as tiny
from image_trees import class_folders

from spbl_nb import config
from spbl_nb.batch import grid, workers
from spbl_nb.results import store

FAST = config.preset("fast")


@pytest.mark.notebooks
def test_a_grid_decodes_an_own_folder_once_and_refuses_another(tmp_path, monkeypatch):
    cache = tmp_path / "cache"
    monkeypatch.setenv("SPBL_NB_CACHE", str(cache))
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "mine", {"a": 12, "b": 8})
    class_folders(tmp_path / "other", {"a": 12, "b": 8}, first=1)
    notebook = tiny.experiment(tmp_path / "notebooks")
    runs = grid.list_runs(["folder"], ["ce", "oversample"], [0, 1], FAST)

    def plan(root):
        return grid.plan(grid.Grid(runs, tmp_path / "runs", notebook.parent, data_root=root))

    planned = plan("mine").pending
    assert len(planned) == 4
    assert {task.values["DATA_ROOT"] for task in planned} == {str(tmp_path / "mine")}
    decoded = {path: path.stat().st_mtime_ns for path in cache.rglob("images.npy")}
    assert len(decoded) == 1

    outcome = workers.work(planned[0])
    assert outcome.status == workers.DONE, outcome
    assert {path: path.stat().st_mtime_ns for path in cache.rglob("images.npy")} == decoded
    assert len(plan(str(tmp_path / "mine")).complete) == 1
    with pytest.raises(store.RunConflict, match="data_sha256"):
        plan("other")

"""The result store: complete or absent, the same twice, and never overwritten."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from saved_runs import REPORT, TINY, fake_result, save_run

from spbl_nb import cli, files, places
from spbl_nb.data.split import make_split
from spbl_nb.results import provenance, store


def test_a_saved_run_is_read_back_whole(tmp_path, blobs):
    saved = save_run(tmp_path)
    assert saved.written
    assert saved.folder == tmp_path / "smoke" / "blobs" / "ce" / "seed-0"
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == {store.HISTORY, store.RESULT, store.SCORES}
    run = store.load(saved.folder)
    split = make_split(blobs([12, 8, 6]), seed=0)
    np.testing.assert_array_equal(run.scores, fake_result(split).scores)
    np.testing.assert_array_equal(run.test_rows, split.test)
    np.testing.assert_array_equal(run.labels, blobs([12, 8, 6]).labels[split.test])
    assert run.history == [{"epoch": 1, "train_loss": 1.5}, {"epoch": 2, "train_loss": None}]
    assert run.result["report"]["mauc"] is None
    assert run.result["class_counts"]["train"] == np.bincount(blobs([12, 8, 6]).labels[split.train]).tolist()
    assert run.result["versions"]["numpy"] == np.__version__
    assert "seeds" not in run.result["fingerprint"]["config"]


def test_the_same_run_gives_the_same_files_apart_from_timing(tmp_path):
    first = save_run(tmp_path / "a", seconds=1.0).folder
    second = save_run(tmp_path / "b", seconds=99.0).folder
    contents = [files.read_json(folder / store.RESULT) for folder in (first, second)]
    assert contents[0].pop("timing")["seconds"] != contents[1].pop("timing")["seconds"]
    assert files.to_json(contents[0]) == files.to_json(contents[1])
    for name in (store.SCORES, store.HISTORY):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_complete_run_is_left_as_it_is(tmp_path, blobs):
    folder = save_run(tmp_path).folder
    before = (folder / store.RESULT).read_bytes()
    assert not save_run(tmp_path, seconds=99.0).written
    with pytest.raises(store.RunConflict, match=r"data_sha256: .* there, .* now.*another runs folder"):
        save_run(tmp_path, data=blobs([12, 8, 6], seed=5))
    assert (folder / store.RESULT).read_bytes() == before


def test_a_run_is_known_by_its_settings_but_not_by_the_seeds_of_its_grid(tmp_path):
    there = store.RunId("digits", "ce", 0, TINY)
    assert there.folder == "smoke/digits/ce/seed-0"
    fingerprint = there.fingerprint("a" * 64, "b" * 64)
    assert set(fingerprint) == {"schema", "dataset", "method", "seed", "config", "data_sha256", "split_sha256"}
    other_grid = store.RunId("digits", "ce", 0, TINY.replace(seeds=(0, 1)))
    assert other_grid.fingerprint("a" * 64, "b" * 64) == fingerprint
    now = store.RunId("digits", "ce", 0, TINY.replace(lr=0.01)).fingerprint("a" * 64, "c" * 64)
    with pytest.raises(store.RunConflict) as caught:
        store.check_same_run(tmp_path, now, fingerprint)
    assert "config.lr: 0.05 there, 0.01 now" in str(caught.value)
    assert f"split_sha256: '{'b' * 12}…' there, '{'c' * 12}…' now" in str(caught.value)


@pytest.mark.parametrize("name", ["", ".hidden", "a/b"])
def test_names_that_are_no_folder_are_refused(name):
    with pytest.raises(ValueError, match="names a folder"):
        store.RunId(name, "ce", 0, TINY)


def test_data_of_another_run_are_refused(tmp_path, blobs):
    data = blobs([12, 8, 6])
    split = make_split(data, seed=0)
    run = store.RunId("digits", "ce", 0, TINY)
    with pytest.raises(ValueError, match="data is 'blobs', but the run is one on 'digits'"):
        store.save(tmp_path, run, data=data, split=split, result=fake_result(split), report=REPORT)


def remove_array(folder):
    arrays = dict(np.load(folder / store.SCORES))
    del arrays["labels"]
    files.write_npz(folder / store.SCORES, **arrays)


def alter(change):
    """Return a function that changes the record in a run's folder."""

    def harm(folder):
        result = files.read_json(folder / store.RESULT)
        change(result)
        files.write_json(folder / store.RESULT, result)

    return harm


DAMAGE = {
    "no history": (lambda folder: (folder / store.HISTORY).unlink(), "history.jsonl is missing"),
    "truncated scores": (lambda folder: os.truncate(folder / store.SCORES, 300), "scores.npz cannot be read"),
    "missing array": (remove_array, "scores.npz cannot be read .*labels"),
    "other schema": (
        alter(lambda result: result["fingerprint"].update(schema=99)),
        r"another version of spbl_nb \(schema 99; this one reads schema 1\); it was left",
    ),
    "lost report": (alter(lambda result: result.pop("report")), "lacks report"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_run_is_named_with_the_reason(tmp_path, damage):
    whole = save_run(tmp_path, seed=0).folder
    folder = save_run(tmp_path, seed=1).folder
    harm, message = DAMAGE[damage]
    harm(folder)
    with pytest.raises(store.BrokenRun, match=message):
        store.load(folder)
    found = store.scan(tmp_path)
    assert [run.folder for run in found.complete] == [whole]
    assert [path for path, _ in found.broken] == [folder]
    with pytest.raises(store.BrokenRun, match="move the run's folder away"):
        save_run(tmp_path, seed=1)


def test_scan_sees_one_configuration_and_no_staging_or_set_aside_folders(tmp_path):
    save_run(tmp_path)
    save_run(tmp_path, settings=TINY.replace(lr=0.01))
    save_run(tmp_path / store.STAGING / "x")
    (tmp_path / "smoke" / "blobs" / "ce" / "seed-0.broken-1").mkdir()
    assert len(store.scan(tmp_path).complete) == 2
    assert len(store.scan(tmp_path, "smoke").complete) == 1
    assert store.scan(tmp_path).broken == []
    assert store.scan(tmp_path / "nothing").complete == []


def test_two_processes_that_write_the_same_run(tmp_path):
    """One wins, the other drops its own; and both return the same folder."""
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    writers = [context.Process(target=write_at_once, args=(str(tmp_path), barrier, answers)) for _ in range(2)]
    for writer in writers:
        writer.start()
    written = sorted(answers.get(timeout=600) for _ in writers)
    for writer in writers:
        writer.join()
    assert written == [False, True]
    assert len(store.scan(tmp_path).complete) == 1
    assert list((tmp_path / store.STAGING).iterdir()) == []


def write_at_once(root, barrier, answers):
    """Save the same run as another process, both reaching the final rename together."""
    publish = store.publish

    def publish_together(stage, folder):
        barrier.wait(600)
        return publish(stage, folder)

    store.publish = publish_together
    answers.put(save_run(root).written)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """A limit on the size of files stands for the full disk: writing fails in the middle of the arrays."""
    code = f"""
import resource, sys
sys.path[:0] = {[os.fspath(provenance.PACKAGE.parent), os.fspath(Path(__file__).parents[1] / "helpers")]!r}
from saved_runs import save_run
from small_data import blobs
data = blobs([2400, 480, 360])
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    save_run({str(tmp_path)!r}, data=data)
except OSError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert "could not write the run" in answer.stdout, answer.stderr
    assert "nothing was left there" in answer.stdout
    assert [path for path in tmp_path.rglob("*") if path.name != store.STAGING] == []


def test_a_folder_that_cannot_be_written_is_named_before_anything(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write to the runs folder .*file.*--runs-dir"):
        store.check_writable(blocked / "runs")
    assert store.check_writable(tmp_path / "new" / "runs").is_dir()
    assert list((tmp_path / "new" / "runs").iterdir()) == []


def test_staging_of_dead_processes_is_cleared_and_no_other(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with store.staging(tmp_path) as mine:
        host = mine.name.rsplit("--", 2)[0]
        dead = mine.with_name(f"{host}--{gone.pid}--0a1b2c3d")
        elsewhere = mine.with_name(f"other-{host}--{gone.pid}--0a1b2c3d")
        for folder in (dead, elsewhere):
            folder.mkdir()
        assert store.clean_staging(tmp_path) == 1
        assert mine.exists()
        assert elsewhere.exists()
        assert not dead.exists()
    assert not mine.exists()


def test_set_aside_deletes_nothing(tmp_path):
    for content in ("one", "two"):
        files.write_text(tmp_path / "seed-0" / "result.json", content)
        store.set_aside(tmp_path / "seed-0")
    assert (tmp_path / "seed-0.broken-1" / "result.json").read_text() == "one"
    assert (tmp_path / "seed-0.broken-2" / "result.json").read_text() == "two"


def test_git_revision_is_that_of_this_package_only(tmp_path, monkeypatch):
    """A package inside somebody else's repository must not report that repository's revision."""
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "site-packages" / "spbl_nb")
    provenance.git_revision.cache_clear()
    assert provenance.git_revision() == "unknown"
    provenance.git_revision.cache_clear()


@pytest.mark.parametrize(
    ("module", "heavy"),
    [
        ("store", ("torch", "IPython", "papermill", "nbformat", "pandas")),
        ("export", ("torch", "IPython", "papermill", "nbformat", "matplotlib")),
    ],
)
def test_results_need_neither_torch_nor_jupyter(module, heavy):
    code = f"import sys, spbl_nb.results.{module}; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=provenance.PACKAGE.parent, check=True
    )
    assert json.loads(answer.stdout.replace("'", '"')) == []


@pytest.fixture
def root(tmp_path):
    """A folder with the made-up runs of two methods and two seeds."""
    for method in ("ce", "oversample"):
        for seed in (0, 1):
            save_run(tmp_path / "runs", method=method, seed=seed)
    return tmp_path / "runs"


def test_exported_records_are_read_back_whole(root, tmp_path):
    path = tmp_path / "results.json"
    assert store.write_records(root, path, "a remark") == 4
    assert store.read_records(path) == [run.result for run in store.scan(root).complete]
    content = files.read_json(path)
    assert content["remark"] == "a remark"
    files.write_json(path, content | {"schema": 2})
    with pytest.raises(store.BrokenRun, match="no file of exported runs"):
        store.read_records(path)


def test_nothing_and_broken_runs_are_refused_and_nothing_is_written(root, tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(ValueError, match="no complete run below"):
        store.write_records(tmp_path / "elsewhere", path)
    broken = next(root.glob("*/*/*/seed-1"))
    (broken / store.SCORES).unlink()
    with pytest.raises(ValueError, match=r"1 runs below .* first .*seed-1"):
        store.write_records(root, path)
    assert not path.exists()


def test_the_command_export(root, tmp_path, capsys):
    path = tmp_path / "results.json"
    assert cli.main(["export", str(path), "--runs-dir", str(root), "--remark", "two methods"]) == 0
    printed = capsys.readouterr().out
    assert "4 runs written" in printed
    assert "4 of them are trial runs at preset smoke" in printed
    assert len(store.read_records(path)) == 4
    assert cli.main(["export", str(path), "--runs-dir", str(tmp_path / "none")]) == 2
    assert "no complete run" in capsys.readouterr().err


def test_the_committed_results_can_be_read():
    paths = sorted((places.PACKAGE.parent / "results").glob("*.json"))
    assert paths
    for path in paths:
        records = store.read_records(path)
        assert records
        assert all(not record["git_revision"].endswith("-dirty") for record in records)

"""The result store: complete or absent, the same twice, and never overwritten."""

import errno
import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from saved_runs import REPORT, TINY, fake_result, save_run

from spbl_nb import files
from spbl_nb.data.split import make_split
from spbl_nb.results import provenance, staging, store


def test_a_saved_run_is_read_back_whole(tmp_path, blobs):
    saved = save_run(tmp_path)
    assert saved.written
    assert saved.folder == tmp_path / "smoke" / "blobs" / "ce" / "seed-0"
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


def test_nothing_but_the_run_is_left_in_the_folder(tmp_path):
    save_run(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == [
        "history.jsonl",
        "result.json",
        "scores.npz",
    ]


def test_the_same_run_gives_the_same_file_apart_from_timing(tmp_path):
    first = save_run(tmp_path / "a", seconds=1.0).folder
    second = save_run(tmp_path / "b", seconds=99.0).folder
    contents = [files.read_json(folder / store.RESULT) for folder in (first, second)]
    assert contents[0].pop("timing")["seconds"] != contents[1].pop("timing")["seconds"]
    assert files.to_json(contents[0]) == files.to_json(contents[1])
    assert (first / store.SCORES).read_bytes() == (second / store.SCORES).read_bytes()
    assert (first / store.HISTORY).read_bytes() == (second / store.HISTORY).read_bytes()


def test_a_run_that_stands_already_is_left_as_it_is(tmp_path):
    before = (save_run(tmp_path).folder / store.RESULT).read_bytes()
    again = save_run(tmp_path, seconds=99.0)
    assert not again.written
    assert (again.folder / store.RESULT).read_bytes() == before


def test_another_run_in_the_folder_is_refused_naming_the_difference(tmp_path, blobs):
    folder = save_run(tmp_path).folder
    before = (folder / store.RESULT).read_bytes()
    with pytest.raises(store.RunConflict, match=r"data_sha256: .* there, .* now.*another runs folder"):
        save_run(tmp_path, data=blobs([12, 8, 6], seed=5))
    assert (folder / store.RESULT).read_bytes() == before


def test_differences_name_the_setting_with_both_values():
    there = store.fingerprint("digits", "ce", 0, TINY, "a" * 64, "b" * 64)
    now = store.fingerprint("digits", "ce", 0, TINY.replace(lr=0.01), "a" * 64, "c" * 64)
    assert store.differences(now, there) == [
        "config.lr: 0.05 there, 0.01 now",
        f"split_sha256: '{'b' * 12}…' there, '{'c' * 12}…' now",
    ]


def test_the_list_of_seeds_of_a_grid_is_no_difference():
    assert store.fingerprint("digits", "ce", 0, TINY, "", "") == store.fingerprint(
        "digits", "ce", 0, TINY.replace(seeds=(0, 1)), "", ""
    )


@pytest.mark.parametrize("name", ["", ".hidden", "a/b", "..", "a\\b"])
def test_names_that_are_no_folder_are_refused(name):
    with pytest.raises(ValueError, match="names a folder"):
        store.run_folder("runs", "fast", name, "ce", 0)


def remove_array(folder):
    arrays = dict(np.load(folder / store.SCORES))
    del arrays["labels"]
    files.write_npz(folder / store.SCORES, **arrays)


def alter_array(folder):
    arrays = dict(np.load(folder / store.SCORES))
    arrays["scores"] = arrays["scores"] + 1e-9
    files.write_npz(folder / store.SCORES, **arrays)


def other_schema(folder):
    result = files.read_json(folder / store.RESULT)
    result["fingerprint"]["schema"] = 99
    files.write_json(folder / store.RESULT, result)


def lose_line(folder):
    lines = (folder / store.HISTORY).read_text().splitlines(keepends=True)
    (folder / store.HISTORY).write_text(lines[0])


def lose_report(folder):
    result = files.read_json(folder / store.RESULT)
    del result["report"]
    files.write_json(folder / store.RESULT, result)


DAMAGE = {
    "no result": (lambda folder: (folder / store.RESULT).unlink(), "result.json cannot be read"),
    "no scores": (lambda folder: (folder / store.SCORES).unlink(), "scores.npz is missing"),
    "no history": (lambda folder: (folder / store.HISTORY).unlink(), "history.jsonl cannot be read"),
    "truncated result": (lambda folder: os.truncate(folder / store.RESULT, 50), "is not a JSON file"),
    "truncated scores": (lambda folder: os.truncate(folder / store.SCORES, 300), "scores.npz cannot be read"),
    "truncated history": (
        lambda folder: os.truncate(folder / store.HISTORY, 30),
        "does not hold one JSON value a line",
    ),
    "lost line": (lose_line, "history.jsonl has 1 lines, and 2 were written"),
    "missing array": (remove_array, "lacks the array labels"),
    "altered array": (alter_array, "array scores was altered"),
    "other schema": (other_schema, r"another version of spbl_nb \(schema 99; this one reads schema 1\); it was left"),
    "lost report": (lose_report, "lacks report"),
    "a list": (lambda folder: (folder / store.RESULT).write_text("[]"), "names no schema"),
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
    save_run(tmp_path / staging.STAGING / "x")
    (tmp_path / "smoke" / "blobs" / "ce" / "seed-0.broken-1").mkdir()
    assert len(store.scan(tmp_path).complete) == 2
    assert len(store.scan(tmp_path, "smoke").complete) == 1
    assert store.scan(tmp_path).broken == []
    assert store.scan(tmp_path / "nothing").complete == []


def test_two_processes_that_write_the_same_run(tmp_path):
    """One wins, the other drops its own; and both say the same folder."""
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
    assert list((tmp_path / staging.STAGING).iterdir()) == []


def write_at_once(root, barrier, answers):
    """Save the same run as another process, both reaching the final rename together."""
    from small_data import blobs

    publish = store.publish

    def publish_together(stage, folder):
        barrier.wait(600)
        return publish(stage, folder)

    store.publish = publish_together
    data = blobs([12, 8, 6])
    split = make_split(data, seed=0)
    saved = store.save(
        root, method="ce", data=data, split=split, config=TINY, seed=0, result=fake_result(split), report=REPORT
    )
    answers.put(saved.written)


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on file sizes")
def test_a_full_disk_leaves_nothing_half_written(tmp_path):
    """A limit on the size of files stands for the full disk: writing fails in the middle of the arrays."""
    code = f"""
import resource, sys
sys.path[:0] = {[os.fspath(provenance.PACKAGE.parent), os.fspath(Path(__file__).parents[1] / "helpers")]!r}
from test_runs import *
from small_data import blobs
data = blobs([400, 80, 60])
split = make_split(data, seed=0, test=0.5)
resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
try:
    store.save({str(tmp_path)!r}, method="ce", data=data, split=split, config=TINY, seed=0,
              result=fake_result(split), report=REPORT)
except OSError as error:
    print(error)
"""
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert "could not write the run" in answer.stdout, answer.stderr
    assert "nothing was left there" in answer.stdout
    assert [path for path in tmp_path.rglob("*") if path.name != staging.STAGING] == []


def test_no_space_when_flushing_leaves_nothing(tmp_path, monkeypatch):
    def no_space(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(OSError, match=r"No space left on device.*nothing was left there") as caught:
        save_run(tmp_path)
    assert caught.value.errno == errno.ENOSPC
    monkeypatch.undo()
    assert store.scan(tmp_path).complete == []
    assert save_run(tmp_path).written


def test_a_folder_that_cannot_be_written_is_named_before_anything(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    with pytest.raises(OSError, match=r"cannot write to the runs folder .*file.*--runs-dir"):
        staging.check_writable(blocked / "runs")
    assert staging.check_writable(tmp_path / "new" / "runs").is_dir()
    assert list((tmp_path / "new" / "runs").iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_without_permission_is_named(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match="cannot write to the runs folder"):
        staging.check_writable(tmp_path / "runs")
    tmp_path.chmod(0o700)


def test_staging_of_dead_processes_is_cleared_and_no_other(tmp_path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    with staging.staging(tmp_path) as mine:
        host = mine.name.rsplit("--", 2)[0]
        dead = mine.with_name(f"{host}--{gone.pid}--0a1b2c3d")
        elsewhere = mine.with_name(f"other-{host}--{gone.pid}--0a1b2c3d")
        for folder in (dead, elsewhere):
            folder.mkdir()
        assert staging.clean_staging(tmp_path) == 1
        assert mine.exists()
        assert elsewhere.exists()
        assert not dead.exists()
    assert not mine.exists()


def test_set_aside_deletes_nothing(tmp_path):
    for content in ("one", "two"):
        files.write_text(tmp_path / "seed-0" / "result.json", content)
        staging.set_aside(tmp_path / "seed-0")
    assert (tmp_path / "seed-0.broken-1" / "result.json").read_text() == "one"
    assert (tmp_path / "seed-0.broken-2" / "result.json").read_text() == "two"


def test_git_revision_is_that_of_this_package_only(tmp_path, monkeypatch):
    """A package inside somebody else's repository must not report that repository's revision."""
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "site-packages" / "spbl_nb")
    provenance.git_revision.cache_clear()
    assert provenance.git_revision() == "unknown"
    provenance.git_revision.cache_clear()


def test_the_store_needs_neither_torch_nor_jupyter():
    heavy = "('torch', 'IPython', 'papermill', 'nbformat', 'pandas')"
    code = f"import sys, spbl_nb.results.store; print([name for name in {heavy} if name in sys.modules])"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=provenance.PACKAGE.parent, check=True
    )
    assert json.loads(answer.stdout.replace("'", '"')) == []


def test_an_altered_report_is_noticed(tmp_path, blobs):
    data = blobs([12, 8, 6])
    split = make_split(data, seed=0)
    folder = store.save(
        tmp_path, method="ce", data=data, split=split, config=TINY, seed=0, result=fake_result(split), report=REPORT
    ).folder
    result = files.read_json(folder / store.RESULT)
    result["report"]["accuracy"] = 0.99
    files.write_json(folder / store.RESULT, result)
    with pytest.raises(store.BrokenRun, match="was altered after it was written"):
        store.load(folder)
    for broken in ({"fingerprint": []}, {"arrays": None}, {"timing": None}):
        files.write_json(folder / store.RESULT, result | broken)
        with pytest.raises(store.BrokenRun):
            store.load(folder)

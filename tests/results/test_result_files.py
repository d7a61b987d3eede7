"""Many runs in one file: whole records, nothing altered, nothing left out in silence."""

import json

import pytest
from saved_runs import save_run

from spbl_nb import cli, places
from spbl_nb.results import result_files, store


@pytest.fixture
def root(tmp_path):
    """A folder with the made-up runs of two methods and two seeds."""
    for method in ("ce", "oversample"):
        for seed in (0, 1):
            save_run(tmp_path / "runs", method=method, seed=seed)
    return tmp_path / "runs"


def test_what_is_exported_is_read_back_whole(root, tmp_path):
    path = tmp_path / "results.json"
    assert result_files.export(root, path, "a remark") == 4
    records = result_files.read(path)
    assert records == [run.result for run in store.scan(root).complete]
    assert json.loads(path.read_text())["remark"] == "a remark"
    assert {(r["fingerprint"]["method"], r["fingerprint"]["seed"]) for r in records} == {
        (method, seed) for method in ("ce", "oversample") for seed in (0, 1)
    }


def test_a_number_touched_by_hand_is_found_out(root, tmp_path):
    path = tmp_path / "results.json"
    result_files.export(root, path)
    content = json.loads(path.read_text())
    content["runs"][2]["report"]["accuracy"] += 0.01
    path.write_text(json.dumps(content))
    with pytest.raises(store.BrokenRun, match="run 2 was altered"):
        result_files.read(path)


def test_the_clock_may_differ_but_not_the_schema(root, tmp_path):
    path = tmp_path / "results.json"
    result_files.export(root, path)
    content = json.loads(path.read_text())
    content["runs"][0]["timing"]["seconds"] = 1e9
    path.write_text(json.dumps(content))
    assert len(result_files.read(path)) == 4
    for wrong in ([], {"runs": []}, content | {"schema": 2}, content | {"runs": {}}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(store.BrokenRun, match="no file of exported runs"):
            result_files.read(path)
    path.write_text(json.dumps(content | {"runs": ["text"]}))
    with pytest.raises(store.BrokenRun, match="run 0 was altered"):
        result_files.read(path)


def test_nothing_and_broken_runs_are_refused_and_nothing_is_written(root, tmp_path):
    path = tmp_path / "results.json"
    with pytest.raises(ValueError, match="no complete run below"):
        result_files.export(tmp_path / "elsewhere", path)
    broken = next(root.glob("*/*/*/seed-1"))
    (broken / store.SCORES).unlink()
    with pytest.raises(ValueError, match=r"1 runs below .* first .*seed-1"):
        result_files.export(root, path)
    assert not path.exists()


def test_the_command(root, tmp_path, capsys):
    path = tmp_path / "results.json"
    assert cli.main(["export", str(path), "--runs-dir", str(root), "--remark", "two methods"]) == 0
    told = capsys.readouterr().out
    assert "4 runs written" in told
    assert "4 of them are trial runs at preset smoke" in told
    assert len(result_files.read(path)) == 4
    assert cli.main(["export", str(path), "--runs-dir", str(tmp_path / "none")]) == 2
    assert "no complete run" in capsys.readouterr().err


def test_the_committed_results_are_as_they_were_written():
    files = sorted((places.PACKAGE.parent / "results").glob("*.json"))
    assert files
    for path in files:
        records = result_files.read(path)
        assert records
        assert all(not record["git_revision"].endswith("-dirty") for record in records)

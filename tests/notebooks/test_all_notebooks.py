"""Every notebook runs clean from end to end at preset smoke, with no skip list. Their form is checked by the lint."""

from pathlib import Path

import pytest

from spbl_nb.batch import execute, parameters

NOTEBOOKS = sorted(Path(__file__).parents[2].glob("notebooks/*.ipynb"))


def test_the_series_is_there():
    assert [f"{number:02}" for number in range(10)] == sorted({path.stem[:2] for path in NOTEBOOKS})[:10]


@pytest.mark.slow
@pytest.mark.notebooks
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_runs_clean_at_smoke(path, tmp_path):
    values = {"PRESET": "smoke", "RUNS_DIR": str(tmp_path / "runs")}
    known = parameters.declared(path)
    given = {name: value for name, value in values.items() if name in known}
    executed = execute.execute(path, tmp_path / path.name, given, time_limit=1200, threads=1)
    outputs = [out for cell in executed.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert all(out.metadata["image/png"]["alt"].strip() for out in outputs), "an image without alt text"

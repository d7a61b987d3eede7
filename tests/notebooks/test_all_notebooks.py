"""Every notebook runs clean from end to end at preset smoke, with no skip list. Their form is checked by the lint."""

from pathlib import Path

import pytest

from spbl_nb.batch import execute, parameters

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def test_the_series_is_there():
    assert {
        "00_start_here",
        "01_data",
        "02_baseline_cnn",
        "03_self_paced_selection",
        "04_balance_learning",
        "05_spbl",
        "06_gradient_harmonizing",
        "07_evaluation",
        "08_experiment",
        "09_reproduction_report",
    } <= {path.stem for path in NOTEBOOKS}


@pytest.mark.notebooks
@each
def test_runs_clean_at_smoke(path, tmp_path):
    known = parameters.declared(path)
    values = {"PRESET": "smoke", "RUNS_DIR": str(tmp_path / "runs")}
    executed = execute.execute(
        path,
        tmp_path / path.name,
        {name: value for name, value in values.items() if name in known},
        time_limit=1200,
        threads=1,
    )
    pictures = [out for cell in executed.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert all(out.metadata["image/png"]["alt"].strip() for out in pictures), "a picture without alt text"

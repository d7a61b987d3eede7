"""Every notebook runs clean from end to end at preset smoke, with no skip list, and is well formed."""

import re
from pathlib import Path

import nbformat
import pytest

from spbl_nb import notebook_runner, parameters

FOLDER = Path(__file__).parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def _cells(path, kind):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == kind]


def test_the_series_is_there():
    assert {
        "00_start_here",
        "01_data",
        "02_baseline_cnn",
        "03_self_paced_selection",
        "04_balance_learning",
        "05_spbl",
        "07_evaluation",
        "08_experiment",
        "09_reproduction_report",
    } <= {path.stem for path in NOTEBOOKS}


@pytest.mark.notebooks
@each
def test_runs_clean_at_smoke(path, tmp_path):
    known = parameters.of_file(path)
    values = {"PRESET": "smoke", "RUNS_DIR": str(tmp_path / "runs")}
    executed = notebook_runner.execute(
        path,
        tmp_path / path.name,
        {name: value for name, value in values.items() if name in known},
        time_limit=240,
        threads=1,
    )
    pictures = [out for cell in executed.cells for out in cell.get("outputs", []) if "image/png" in out.get("data", {})]
    assert all(out.metadata["image/png"]["alt"].strip() for out in pictures), "a picture without alt text"


@each
def test_parameters_are_typed_and_explained(path):
    known = parameters.of_file(path)
    assert "PRESET" in known
    assert all(name.isupper() for name in known)


@each
def test_is_well_formed(path):
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert notebook.cells[0].source.startswith(f"# {path.stem[:2]} ")
    text = "\n".join(_cells(path, "markdown"))
    assert "## What you learned" in text
    assert re.search(r"in the paper", text, re.IGNORECASE)


@each
def test_links_lead_somewhere(path):
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", "\n".join(_cells(path, "markdown"))):
        assert (FOLDER / target).exists(), f"{path.name} links to {target}, which is not there"

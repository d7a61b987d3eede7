"""An exercise in a real JupyterLab: folded until asked for, by keyboard too, and its check answers in the cell."""

import nbformat
import pytest
from exercise_cells import ALL, FOLDER

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_PUT = """code => {
  const notebook = window.jupyterapp.shell.currentWidget.content;
  const place = notebook.widgets.findIndex(cell => cell.model.sharedModel.source.includes('check_root_weights'));
  notebook.activeCellIndex = place;
  notebook.widgets[place].model.sharedModel.setSource(code);
  void window.jupyterapp.commands.execute('notebook:run-cell');
}"""


def _exercises_alone(folder):
    """Write a notebook of the exercises of chapter 03 alone, which needs no training."""
    notebook = nbformat.read(FOLDER / "03_self_paced_selection.ipynb", as_version=4)
    own = [cell for cell in notebook.cells if cell.id.startswith("03-ex")]
    notebook.cells = [nbformat.v4.new_code_cell("import numpy as np\nfrom spbl_nb import exercises"), *own]
    nbformat.write(notebook, folder / "exercises.ipynb")
    return folder / "exercises.ipynb"


def test_folds_open_by_keyboard_and_checks_answer(tmp_path, open_notebook):
    page = open_notebook(_exercises_alone(tmp_path)).page
    folds = page.locator(".jp-RenderedMarkdown details")
    assert folds.locator("summary").all_inner_texts() == ["Hint", "Solution"] * 3
    assert not any(folds.nth(k).evaluate("fold => fold.open") for k in range(6))
    solution = folds.nth(1).locator("pre")
    assert not solution.is_visible()
    folds.nth(1).locator("summary").focus()
    page.keyboard.press("Enter")
    solution.wait_for(state="visible")
    assert page.get_by_text("not attempted yet").count() == 3

    exercise = next(one for one in ALL if one.checker == "check_root_weights")
    check = f"exercises.{exercise.checker}({exercise.function})"
    wrong = f"def {exercise.function}(loss, age):\n    return (age / loss) ** 2"
    page.evaluate(_PUT, f"{wrong}\n\n\n{check}")
    page.get_by_text("May a weight be larger than 1?").wait_for()
    page.evaluate(_PUT, f"{solution.inner_text()}\n\n\n{check}")
    page.get_by_text("Exercise 3.1: well done!").wait_for()
    assert page.get_by_text("Verdict(").count() == 0

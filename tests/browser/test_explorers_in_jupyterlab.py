"""Explorers in a real JupyterLab: every control answers to the keyboard with another picture, and errors show."""

import re
from pathlib import Path

import axe
import lab_page
import nbformat
import pytest
import tiny_notebooks

NOTEBOOKS = sorted(
    path for path in (lab_page.ROOT / "notebooks").glob("*.ipynb") if ".show(interactive=" in path.read_text("utf-8")
)
FAILING = """
from spbl_nb.explorers.base import Explorer, Slider

class Failing(Explorer):
    title, size = "Failing", (4, 2)
    controls = (Slider("value", "Value (v)", 0.0, 1.0, 0.25, 0.5, "From 0 to 1"),)

    def build(self, figure):
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        (self.point,) = axes.plot([0.5], [0.5], "o")
        return [self.point]

    def update(self, value):
        if value == 1:
            raise RuntimeError("the greatest value <fails>")
        self.point.set_xdata([value])
        return f"v = {value:g}"

Failing()
"""

pytestmark = pytest.mark.browser


def _at_smoke(path: Path, folder: Path) -> Path:
    """Copy a notebook, its preset set to smoke."""
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
    cell.source, count = re.subn(r'PRESET: str = "\w+"', 'PRESET: str = "smoke"', cell.source)
    assert count == 1
    nbformat.write(notebook, folder / path.name)
    return folder / path.name


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_control_of_a_notebook_answers_to_the_keyboard(path, tmp_path, open_notebook):
    page = open_notebook(_at_smoke(path, tmp_path))
    assert not page.errors()
    assert page.explorers(), "the notebook shows no live explorer"
    for explorer in page.explorers():
        _drive(explorer)
    assert not page.errors()


def _drive(explorer: lab_page.NotebookPage) -> None:
    """Move every slider by keyboard and by its field, and lead back each time; field and caption follow the picture."""
    from playwright.sync_api import expect

    start = explorer.picture(), explorer.caption()
    assert explorer.sliders(), "an explorer without a slider"
    for label in explorer.sliders():
        value = explorer.field(label).input_value()
        _move(explorer, label)
        expect(explorer.field(label), label).not_to_have_value(value)
        explorer.field(label).fill(value)
        assert explorer.press(explorer.field(label), "Tab"), label
        expect(explorer.status(), f"{label}: typing the first value leads back").to_have_text(start[1])
        assert explorer.picture() == start[0], f"{label}: typing the first value leads back"
    _move(explorer, label)
    assert explorer.changed(explorer.button("Reset").click)
    for label in explorer.choices():
        assert explorer.choice(label).count() == 1, label
    expect(explorer.status(), "Reset leads back").to_have_text(start[1])
    assert explorer.picture() == start[0], "Reset leads back"


def _move(explorer: lab_page.NotebookPage, label: str) -> None:
    """Move a slider to one of its ends, by keyboard, with another picture."""
    from playwright.sync_api import expect

    slider, field, picture = explorer.slider(label), explorer.field(label), explorer.picture()
    for key, end in (("End", "aria-valuemax"), ("Home", "aria-valuemin")):
        if float(slider.get_attribute("aria-valuenow")) != float(slider.get_attribute(end)):
            value = field.input_value()
            slider.press(key)
            expect(field, label).not_to_have_value(value)  # the field follows the picture
            if explorer.picture() != picture:
                return
    raise AssertionError(f"{label}: neither end shows another picture")


def test_a_failing_callback_is_seen_and_typing_and_reset_work(tmp_path, open_notebook):
    from playwright.sync_api import expect

    page = open_notebook(tiny_notebooks.write(tmp_path / "failing.ipynb", FAILING))
    assert not page.errors()
    assert page.press(page.slider("Value (v)"), "ArrowRight")
    expect(page.status()).to_have_text("v = 0.75")
    expect(page.field("Value (v)")).to_have_value("0.75")
    page.page.keyboard.press("ArrowRight")
    page.page.get_by_role("alert").wait_for()
    (error,) = page.errors()
    assert "RuntimeError: the greatest value <fails>" in error
    assert axe.violations(page.page, ".spbl-explorer") == []
    page.field("Value (v)").fill("0.25")
    assert page.press(page.field("Value (v)"), "Tab")
    expect(page.status()).to_have_text("v = 0.25")
    assert page.changed(page.button("Reset").click)
    expect(page.status()).to_have_text("v = 0.5")
    expect(page.slider("Value (v)")).to_have_attribute("aria-valuenow", "0.5")

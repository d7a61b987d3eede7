"""The reconstruction player in a real JupyterLab: the play button walks from the selected counts to the capped ones."""

import pytest
import tiny_notebooks

RUN = """
from spbl_nb.explorers.balance import ReconstructionPlayer

ReconstructionPlayer([30, 12, 5], [0.1, 0.4, 0.9], ["a", "b", "c"])
"""

pytestmark = pytest.mark.browser


def test_play_walks_to_the_caps_and_a_cap_moves_the_end(tmp_path, open_notebook):
    from playwright.sync_api import expect

    page = open_notebook(tiny_notebooks.write(tmp_path / "player.ipynb", RUN))
    assert page.caption().startswith("Step 1 of 7")
    page.page.locator(".spbl-explorer .widget-play button").first.focus()
    page.page.keyboard.press("Enter")
    page.page.get_by_text("Step 7 of 7").wait_for()
    expect(page.field("Step")).to_have_value("7")
    expect(page.status()).to_contain_text("47 samples were selected, 72 are shown")
    page.field("Cap: most samples added").fill("10")
    assert page.press(page.field("Cap: most samples added"), "Tab")
    expect(page.status()).to_contain_text("47 samples were selected, 57 are shown")
    assert not page.errors()

"""The curriculum player in a real JupyterLab: the play button walks through the paces by itself."""

import pytest
import tiny_notebooks

RUN = """
import numpy as np
from spbl_nb import pace
from spbl_nb.explorers.pace import CurriculumPlayer
from spbl_nb.methods.self_paced import SelfPacedRecord

rng = np.random.default_rng(0)
labels, records = np.repeat([0, 1, 2], 20), []
for number, share in enumerate((0.3, 0.6, 1.0), 1):
    loss = rng.gamma(2.0, size=60)
    age = pace.quantile_age(loss, share)
    records.append(SelfPacedRecord(number, share, age, loss, pace.self_paced_weights(loss, age)))
CurriculumPlayer(records, labels, ["a", "b", "c"])
"""

pytestmark = pytest.mark.browser


def test_play_walks_to_the_last_pace_and_the_field_follows(tmp_path, open_notebook):
    from playwright.sync_api import expect

    page = open_notebook(tiny_notebooks.write(tmp_path / "player.ipynb", RUN))
    assert page.caption().startswith("Pace 1 of 3")
    play = page.page.locator(".spbl-explorer .widget-play button").first
    play.focus()
    page.page.keyboard.press("Enter")
    page.page.get_by_text("Pace 3 of 3").wait_for()
    expect(page.field("Pace (t)")).to_have_value("3")
    assert not page.errors()

"""Speed of an explorer at the size of SD-198, as ratios against drawing anew, which is what ``interact`` does.

Run with: ``python -m pytest benchmarks/bench_widgets.py -s --benchmark-disable-gc``
"""

from pathlib import Path

import lab_page
import loss_explorer
import numpy as np
import pytest
import stopwatch
import tiny_notebooks

PRESSES, BLOCKS = 15, 4
CELLS = {
    "explorer": "loss_explorer.LossExplorer()",
    "interact": "%matplotlib inline\nloss_explorer.under_interact()",
}

# Notes for each key press when the next picture, whatever element holds it, has been decoded.
STOPWATCH = """() => {
  window.waits = [];
  let pressed = null;
  document.addEventListener('keydown', () => { pressed = performance.now(); }, true);
  const seen = async image => {
    const since = pressed;
    await image.decode();
    if (since !== null && since === pressed) { window.waits.push(performance.now() - since); pressed = null; }
  };
  new MutationObserver(changes => {
    for (const change of changes) {
      const nodes = change.type === 'attributes' ? [change.target] : [...change.addedNodes];
      for (const node of nodes) {
        if (node.nodeType !== 1) continue;
        for (const image of node.matches('img') ? [node] : node.querySelectorAll('img')) seen(image);
      }
    }
  }).observe(document.body, {subtree: true, childList: true, attributes: true, attributeFilter: ['src']});
}"""


def bench_render_against_a_new_figure(benchmark):
    ages = np.tile(np.round(np.linspace(0.5, 5.5, 10), 2), 3).tolist()
    stopwatch.compare_rendering(benchmark, "losses", loss_explorer.LossExplorer(), "age", ages)


@pytest.mark.browser
def bench_key_to_picture_against_interact(benchmark, tmp_path):
    """Press the arrow keys in both explorers in turn, so that a busy machine slows both."""
    compare_in_the_browser(benchmark, tmp_path, "loss_explorer", CELLS)


def compare_in_the_browser(benchmark, folder, module, cells):
    """Print and note the milliseconds from key to picture of the cells "explorer" and "interact", which use ``module``."""
    if lab_page.chromium_path() is None:
        pytest.skip("no Chromium found: the browser benchmark does not run")
    start = f"import sys\nsys.path.insert(0, {str(Path(__file__).parent)!r})\nimport {module}"
    waits = {}
    with lab_page.jupyterlab(folder / "lab") as lab, lab_page.chromium() as browser:
        for name, cell in cells.items():
            notebook = tiny_notebooks.write(folder / f"{name}.ipynb", start, cell)
            with lab_page.opened(lab, browser, notebook) as page:
                page.page.wait_for_timeout(1500)
                waits[name] = _key_to_picture(page.page)
    ours, rival = waits["explorer"], waits["interact"]
    benchmark.pedantic(lambda: None, rounds=1)
    benchmark.extra_info |= {"explorer_ms": ours, "interact_ms": rival}
    print(f"\nkey to picture: {ours:.0f} ms; interact: {rival:.0f} ms; {rival / ours:.1f} times as fast")


def _key_to_picture(page):
    """Return the median milliseconds from key press to new picture, pressing one key after the other."""
    page.evaluate(STOPWATCH)
    handle = page.locator(".jp-OutputArea .noUi-handle").first
    handle.focus()
    for count in range(PRESSES * BLOCKS):
        page.keyboard.press("ArrowRight" if count // PRESSES % 2 else "ArrowLeft")
        page.wait_for_function("count => window.waits.length > count", arg=count, polling=5)
        page.wait_for_timeout(120)
    return float(np.median(page.evaluate("window.waits")))

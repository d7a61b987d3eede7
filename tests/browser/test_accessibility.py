"""Every explorer in a real JupyterLab, by keyboard alone and by what assistive technology reads, in light and in dark."""

import json

import axe
import lab_page
import pytest
import tiny_notebooks

SHOW_ALL = f"""
import json, sys
sys.path.insert(0, {str(lab_page.ROOT / "tests")!r})
from every_explorer import every_explorer, tab_order
explorers = every_explorer()
for explorer in explorers:
    display(explorer)
print(json.dumps([tab_order(explorer) for explorer in explorers]))
"""
PLAYER = "Reconstruction player"
_ONE_STEP = """interval => {
  const plain = window.setTimeout;
  let steps = 0;
  window.setTimeout = (act, wait, ...rest) => wait === interval && steps++ ? 0 : plain(act, wait, ...rest);
  window.endOneStep = () => { window.setTimeout = plain };
}"""  # the player goes one step and no further, however long the test takes to see it
_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
_FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const place = [...document.querySelectorAll('.spbl-explorer')].indexOf(one.closest('.spbl-explorer'));
  const roles = {INPUT: one.type === 'checkbox' ? 'checkbox' : 'spinbutton', SELECT: 'combobox', BUTTON: 'button'};
  const name = one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent;
  const ring = style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2 ? style.outlineColor : 'none';
  return {place, role: one.getAttribute('role') || roles[one.tagName] || one.tagName, name: name.trim(), ring};
}"""
_FREE_KEY = """one => one.tagName === 'SELECT'
  ? (one.selectedIndex + 1 < one.length ? 'End' : 'Home')
  : (Number(one.ariaValueNow) > Number(one.ariaValueMin) ? 'ArrowDown' : 'ArrowUp')"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(tmp_path_factory, lab_and_browser):
    """One notebook page that shows every explorer."""
    notebook = tiny_notebooks.write(tmp_path_factory.mktemp("all") / "all.ipynb", SHOW_ALL)
    with lab_page.opened(*lab_and_browser, notebook) as page:
        assert not page.errors()
        page.page.wait_for_function("() => [...document.querySelectorAll('img.widget-image')].every(one => one.alt)")
        yield page


@pytest.fixture
def theme(page):
    """A function that changes JupyterLab's theme, until the test is over."""

    def change(name):
        page.page.evaluate(_THEME, f"JupyterLab {name}")
        page.page.wait_for_function(f"() => document.body.dataset.jpThemeName === 'JupyterLab {name}'")

    yield change
    change("Light")


def _expected(page):
    """Return [place of the explorer, role, name] of all that the tab key should reach."""
    printed = page.page.locator("[data-mime-type='application/vnd.jupyter.stdout']").inner_text()
    return [[place, *one] for place, order in enumerate(json.loads(printed)) for one in order]


def _image(explorer):
    return explorer.explorer.locator("img.widget-image")


def _player(page):
    return next(one for one in page.explorers() if _image(one).get_attribute("alt").startswith(PLAYER))


@pytest.mark.parametrize("name", ["Light", "Dark"])
def test_assistive_technology_finds_names_texts_and_contrast(page, theme, name):
    theme(name)
    assert axe.violations(page.page, ".spbl-explorer", best_practice=True) == []


def test_axe_would_find_what_is_missing(page):
    page.page.evaluate("document.querySelector('.spbl-explorer').append(document.createElement('button'))")
    page.page.evaluate("document.querySelector('.noUi-handle').removeAttribute('aria-label')")
    page.page.evaluate("document.querySelector('.noUi-handle').removeAttribute('title')")
    page.page.evaluate("document.querySelector('img.widget-image').removeAttribute('alt')")
    found = {one.split(":")[0] for one in axe.violations(page.page, ".spbl-explorer")}
    assert found == {"button-name", "aria-input-field-name", "image-alt"}
    page.page.evaluate(
        "document.querySelector('.spbl-explorer').lastChild.remove()"
    )  # which has all names written again
    assert axe.violations(page.page, ".spbl-explorer") == []


@pytest.mark.parametrize("name", ["Light", "Dark"])
def test_the_tab_key_reaches_every_control_in_order_with_a_ring_and_leaves(page, theme, name):
    theme(name)
    expected = _expected(page)
    page.page.locator(".spbl-explorer :is(select, input, .noUi-handle)").first.focus()
    page.page.keyboard.press("Shift+Tab")  # so that the first control, too, is reached by the tab key
    visited = []
    for _ in expected:
        page.page.keyboard.press("Tab")
        visited.append(page.page.evaluate(_FOCUSED))
    assert [[one["place"], one["role"], one["name"]] for one in visited] == expected
    ring = {"Light": "rgb(0, 0, 0)", "Dark": "rgb(255, 255, 255)"}[name]
    assert {one["ring"] for one in visited} == {ring}
    page.page.keyboard.press("Tab")
    assert page.page.evaluate(_FOCUSED)["place"] == -1, "the tab key leads out of the last explorer"
    page.page.keyboard.press("Shift+Tab")
    assert page.page.evaluate(_FOCUSED)["name"] == "Reset"


def test_keys_change_pictures_and_their_alt_text(page):
    from playwright.sync_api import expect

    for explorer in page.explorers():
        for control in (explorer.explorer.locator(".noUi-handle"), explorer.explorer.locator("select")):
            if control.count():
                before = _image(explorer).get_attribute("alt")
                assert explorer.press(control.first, control.first.evaluate(_FREE_KEY)), before
                expect(_image(explorer)).not_to_have_attribute("alt", before)
                assert _image(explorer).get_attribute("alt").endswith(f": {explorer.caption()}")
    assert not page.errors()


def test_a_player_is_started_paused_stepped_and_stopped_by_keyboard(page):
    from playwright.sync_api import expect

    player = _player(page)
    slider = player.slider("Step")
    slider.press("Home")
    expect(player.status()).to_contain_text("Step 1 of 7")
    page.page.evaluate(_ONE_STEP, 900)
    player.button("Play").press("Enter")
    expect(player.status()).to_contain_text("Step 2 of 7")
    player.button("Pause").press("Space")
    expect(player.button("Play")).to_be_focused()
    page.page.evaluate("window.endOneStep()")
    slider.press("ArrowRight")
    expect(player.status()).to_contain_text("Step 3 of 7")
    player.button("Stop").press("Enter")
    expect(player.status()).to_contain_text("Step 1 of 7")
    expect(slider).to_have_attribute("aria-valuenow", "1.0")


def test_the_keys_of_controls_are_no_commands_of_the_notebook(page):
    """In JupyterLab an x cuts the cell, d twice deletes it, and an arrow key selects the next one."""
    cells = page.page.locator(".jp-Cell")
    count = cells.count()
    first = page.explorers()[0]
    for control in (
        first.explorer.locator(".noUi-handle").first,
        first.button("Reset"),
        first.explorer.locator("select").first,
    ):
        control.focus()
        for key in ("a", "b", "x", "d", "d", "ArrowUp", "ArrowDown"):
            page.page.keyboard.press(key)
            assert page.page.evaluate(_FOCUSED)["place"] == 0, key
    profile = first.explorer.locator("select").first
    before = profile.input_value()
    assert first.press(profile, "ArrowUp")
    assert profile.input_value() != before
    assert cells.count() == count

"""Every explorer in a real JupyterLab: by keyboard alone, and by what assistive technology reads, in light and in dark."""

import json

import axe
import lab_page
import pytest
import tiny_notebooks

EXPLORERS = 9
SHOW_ALL = f"""
import json, sys
sys.path.insert(0, {str(lab_page.ROOT / "tests/helpers")!r})
from every_explorer import every_explorer, tab_order
explorers = every_explorer()
for explorer in explorers:
    display(explorer)
print(json.dumps([tab_order(explorer) for explorer in explorers]))
"""
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
# The player goes one step and no further, however long the test takes to see it.
_ONE_STEP = """interval => {
  const plain = window.setTimeout;
  let steps = 0;
  window.setTimeout = (act, wait, ...rest) => wait === interval && steps++ ? 0 : plain(act, wait, ...rest);
  window.endOneStep = () => { window.setTimeout = plain };
}"""
_THEME = "theme => window.jupyterapp.commands.execute('apputils:change-theme', {theme})"
_FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one);
  const place = [...document.querySelectorAll('.spbl-explorer')].indexOf(one.closest('.spbl-explorer'));
  const roles = {INPUT: one.type === 'checkbox' ? 'checkbox' : 'spinbutton', SELECT: 'combobox', BUTTON: 'button'};
  const name = one.getAttribute('aria-label') || one.labels?.[0]?.textContent || one.textContent;
  const ring = style.outlineStyle === 'solid' && parseFloat(style.outlineWidth) >= 2 ? style.outlineColor : 'none';
  return {place, role: one.getAttribute('role') || roles[one.tagName] || one.tagName, name: name.trim(), ring};
}"""
_SPOIL = """() => {
  for (const name of ['aria-label', 'title']) document.querySelector('.noUi-handle').removeAttribute(name);
  document.querySelector('img.widget-image').removeAttribute('alt');
}"""

pytestmark = [pytest.mark.browser, pytest.mark.slow]


@pytest.fixture(scope="module")
def page(tmp_path_factory, lab_and_browser):
    """One notebook page that shows every explorer."""
    notebook = tiny_notebooks.write(tmp_path_factory.mktemp("all") / "all.ipynb", SHOW_ALL)
    with lab_page.opened(*lab_and_browser, notebook) as page:
        assert not page.errors()
        assert len(page.explorers()) == EXPLORERS
        page.page.wait_for_function("() => [...document.querySelectorAll('img.widget-image')].every(one => one.alt)")
        yield page


@pytest.fixture(params=["Light", "Dark"])
def ring(page, request):
    """The colour of the ring around what has the focus, in JupyterLab's light and dark theme."""

    def change(name):
        page.page.evaluate(_THEME, f"JupyterLab {name}")
        page.page.wait_for_function(f"() => document.body.dataset.jpThemeName === 'JupyterLab {name}'")

    change(request.param)
    yield {"Light": "rgb(0, 0, 0)", "Dark": "rgb(255, 255, 255)"}[request.param]
    change("Light")


def _named(page, title):
    return next(one for one in page.explorers() if one.image().get_attribute("alt").startswith(f"{title}: "))


def test_assistive_technology_finds_names_texts_and_contrast(page, ring):
    assert axe.violations(page.page, ".spbl-explorer", best_practice=True) == []


def test_axe_would_find_what_is_missing(page):
    page.page.evaluate("document.querySelector('.spbl-explorer').append(document.createElement('button'))")
    page.page.evaluate(_SPOIL)
    found = {one.split(":")[0] for one in axe.violations(page.page, ".spbl-explorer")}
    assert found == {"button-name", "aria-input-field-name", "image-alt"}
    page.page.evaluate("document.querySelector('.spbl-explorer').lastChild.remove()")  # the script then names all again
    assert axe.violations(page.page, ".spbl-explorer") == []


def test_the_tab_key_reaches_every_control_in_order_with_a_ring_and_leaves(page, ring):
    printed = page.page.locator("[data-mime-type='application/vnd.jupyter.stdout']").inner_text()
    expected = [[place, *one] for place, order in enumerate(json.loads(printed)) for one in order]
    page.page.locator(".spbl-explorer :is(select, input, .noUi-handle)").first.focus()
    page.page.keyboard.press("Shift+Tab")  # so that the first control, too, is reached by the tab key
    visited = []
    for _ in expected:
        page.page.keyboard.press("Tab")
        visited.append(page.page.evaluate(_FOCUSED))
    assert [[one["place"], one["role"], one["name"]] for one in visited] == expected
    assert {one["ring"] for one in visited} == {ring}
    page.page.keyboard.press("Tab")
    assert page.page.evaluate(_FOCUSED)["place"] == -1, "the tab key leads out of the last explorer"
    page.page.keyboard.press("Shift+Tab")
    assert page.page.evaluate(_FOCUSED)["name"] == "Reset"


@pytest.mark.parametrize("place", range(EXPLORERS))
def test_every_slider_answers_to_keys_and_typing_with_another_image_and_alt_text(page, place):
    """Field, caption and alt text follow the image, and typing the first value or Reset leads back."""
    from playwright.sync_api import expect

    explorer = page.explorers()[place]
    start = explorer.bytes(), explorer.caption()
    for label in explorer.sliders():
        value = explorer.field(label).input_value()
        _move(explorer, label)
        expect(explorer.image()).to_have_attribute("alt", lab_page.ending(f": {explorer.caption()}"))
        explorer.field(label).fill(value)
        assert explorer.press(explorer.field(label), "Tab"), label
        expect(explorer.status(), label).to_have_text(start[1])
        assert explorer.bytes() == start[0], label
    _move(explorer, explorer.sliders()[-1])
    assert explorer.changed(explorer.button("Reset").click)
    expect(explorer.status(), "Reset leads back").to_have_text(start[1])
    assert explorer.bytes() == start[0], "Reset leads back"
    assert not page.errors()


def _move(explorer, label):
    """Move a slider to one of its ends, by keyboard, with another image."""
    from playwright.sync_api import expect

    slider, field, image = explorer.slider(label), explorer.field(label), explorer.bytes()
    for key, end in (("End", "aria-valuemax"), ("Home", "aria-valuemin")):
        if float(slider.get_attribute("aria-valuenow")) != float(slider.get_attribute(end)):
            value = field.input_value()
            slider.press(key)
            expect(field, label).not_to_have_value(value)  # the field follows the image
            if explorer.bytes() != image:
                return
    raise AssertionError(f"{label}: neither end shows another image")


def test_a_player_is_started_paused_stepped_and_stopped_by_keyboard(page):
    from playwright.sync_api import expect

    player = _named(page, "Reconstruction player")
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


@pytest.mark.parametrize(
    ("title", "label", "end"),
    [
        ("Reconstruction player", "Step", "Step 7 of 7"),
        ("Curriculum player", "Pace (t)", "Pace 3 of 3"),
        ("Pace player", "Pace (t)", "Pace 3 of 3"),
    ],
)
def test_play_walks_to_the_end_and_the_field_follows(page, title, label, end):
    from playwright.sync_api import expect

    player = _named(page, title)
    player.button("Play").press("Enter")
    expect(player.status()).to_contain_text(end)
    expect(player.field(label)).to_have_value(end[-1])
    assert player.changed(player.button("Reset").click)
    assert not page.errors()


def test_the_keys_of_controls_are_no_commands_of_the_notebook(page):
    """In JupyterLab an x cuts the cell, d twice deletes it, and an arrow key selects the next one."""
    cells = page.page.locator(".jp-Cell")
    count = cells.count()
    first = page.explorers()[0]
    profile = first.explorer.locator("select").first
    for control in (first.explorer.locator(".noUi-handle").first, first.button("Reset"), profile):
        control.focus()
        for key in ("a", "b", "x", "d", "d", "ArrowUp", "ArrowDown"):
            page.page.keyboard.press(key)
            assert page.page.evaluate(_FOCUSED)["place"] == 0, key
    before = profile.input_value()
    assert first.press(profile, "ArrowUp")
    assert profile.input_value() != before
    assert cells.count() == count


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

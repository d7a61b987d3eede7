"""Explorer infrastructure: right images by blitting, visible errors, still images with alt text, Reset."""

import base64
import io
import re
from types import MappingProxyType

import ipywidgets
import numpy as np
import pytest
from every_explorer import every_explorer, tab_order
from PIL import Image

from spbl_nb.batch.execute import find_errors
from spbl_nb.explorers.base import ERROR_MARK, Choice, Explorer, Player, Slider, Toggle, check_explorer
from spbl_nb.places import PACKAGE
from spbl_nb.plots import figures, style


class Wave(Explorer):
    """A small explorer with every kind of control."""

    title = "A wave"
    size = (4, 2)
    presets = MappingProxyType({"slow <one>": {"speed": 1.0}})
    rebuilds = ("points",)
    built = 0
    controls = (
        Slider("speed", "Speed (ω)", 1.0, 8.0, 0.5, 2.0, "Waves"),
        Slider("points", "Points", 10, 50, 10, 30),
        Choice("colour", "Colour", ("blue", "red"), "blue"),
        Toggle("thick", "Thick line"),
        Player("step", "Step", 0, 3, 1, 0),
    )

    def build(self, figure, points):
        self.built += 1
        axes = figure.subplots()
        axes.set(xlim=(0, points), ylim=(-1, 4))
        self.x = np.arange(points)
        (self.line,) = axes.plot([], [])
        self.text = axes.text(1, 3, "")
        return [self.line, self.text]

    def update(self, speed, points, colour, thick, step):
        self.line.set_data(self.x, np.sin(speed * self.x) + step)
        self.line.set(color=getattr(style, colour.upper()), linewidth=4 if thick else 1)
        self.text.set_text(f"ω = {speed:g}")
        return f"ω = {speed:g}, {points} points <{colour}>"


class Failing(Wave):
    def update(self, speed, **others):
        if speed == 8:
            raise RuntimeError("too fast & <furious>")
        return super().update(speed, **others)


def _of_type(box, kind):
    """Return the widgets of a type inside a box, in the order of the page, which is that of the tab key."""
    if isinstance(box, kind):
        return [box]
    return [found for child in getattr(box, "children", ()) for found in _of_type(child, kind)]


def _button(explorer, name):
    return next(button for button in _of_type(explorer.widget, ipywidgets.Button) if button.description == name)


def _html(explorer, mark):
    return [text.value for text in _of_type(explorer.widget, ipywidgets.HTML) if mark in text.value]


def test_blitted_image_is_that_of_a_figure_drawn_at_once():
    """The moving artists, drawn over a kept background, must give what one ordinary drawing gives."""
    explorer = Wave()
    for speed in (2.0, 5.0, 8.0):
        explorer.render(speed=speed, thick=True)
    image = np.asarray(Image.open(io.BytesIO(explorer.render(speed=4.0, thick=True)[0])).convert("RGB"))
    figure = explorer._stage.figure
    for artist in (explorer.line, explorer.text):
        artist.set(animated=False, zorder=9)  # over the axes' frame, where blitting puts them
    figure.canvas.draw()
    np.testing.assert_array_equal(image, np.asarray(figure.canvas.buffer_rgba())[..., :3])


def test_every_control_changes_the_image_and_back():
    explorer = Wave()
    start = explorer.render()
    for change in ({"speed": 3.0}, {"points": 10}, {"colour": "red"}, {"thick": True}, {"step": 2}):
        assert explorer.render(**change)[0] != start[0], change
    assert explorer.render() == start


def test_only_the_named_controls_build_again():
    explorer = Wave()
    for speed in (1.0, 2.0, 3.0):
        explorer.render(speed=speed)
    assert explorer.built == 1
    explorer.render(points=10)
    explorer.render(points=10, speed=4.0)
    assert explorer.built == 2


def test_a_build_that_fails_leaves_nothing_half_drawn():
    class Fragile(Wave):
        def build(self, figure, points):
            if points == 50:
                raise RuntimeError("no room")
            return super().build(figure, points)

    explorer = Fragile()
    before = explorer.render()
    with pytest.raises(RuntimeError, match="no room"):
        explorer.render(points=50)
    assert explorer.render() == before


def test_live_image_follows_its_controls_and_reset():
    explorer = Wave()
    (image,) = _of_type(explorer.widget, ipywidgets.Image)
    before = image.value
    assert (image.width, image.height) == ("384", "192")
    explorer.holders["speed"].value = 6.0
    assert image.value == explorer.render(speed=6.0)[0] != before
    assert _html(explorer, "ω = 6, 30 points &lt;blue&gt;")
    _button(explorer, "Reset").click()
    assert explorer.holders["speed"].value == 2.0
    assert image.value == before


def test_a_preset_button_sets_all_controls_with_one_image(monkeypatch):
    explorer = Wave()
    explorer.holders["thick"].value = True
    drawn = []
    monkeypatch.setattr(explorer, "render", lambda **values: drawn.append(values) or (b"", "caption"))
    _button(explorer, "slow <one>").click()
    assert drawn == [explorer.settings(speed=1.0)]


def test_slider_and_its_field_have_the_same_name_and_move_together(monkeypatch):
    explorer = Wave()
    slider, field = explorer.holders["speed"], _of_type(explorer.widget, ipywidgets.BoundedFloatText)[0]
    assert slider.description == field.description == "Speed (ω)"
    assert slider.tooltip == "Waves"
    slider.value = 3.5
    assert field.value == 3.5
    field.value = 1.5
    assert slider.value == 1.5
    assert _html(explorer, "ω = 1.5")
    drawn = []
    monkeypatch.setattr(explorer, "render", lambda **values: drawn.append(values) or (b"", "caption"))
    slider.value = 2.5000000000000004  # a rounding error of the browser, which must not come back from the field
    assert field.value == 2.5
    assert len(drawn) == 1


def test_the_script_that_names_things_is_in_every_explorer_and_reports_no_error():
    (output,) = _of_type(Wave().widget, ipywidgets.Output)
    assert "alt" in output.outputs[0]["data"]["application/javascript"]
    state = {"application/vnd.jupyter.widget-state+json": {"state": {"1": {"state": output.get_state()}}}}
    assert find_errors({"cells": [], "metadata": {"widgets": state}}) == []


def test_the_browser_tests_see_every_explorer_and_each_name_once():
    explorers = every_explorer()
    sources = [path.read_text("utf-8") for path in (PACKAGE / "explorers").glob("*.py")]
    written = [name for text in sources for name in re.findall(r"^class ([A-Z]\w*)\(\w*Explorer\)", text, re.M)]
    assert sorted(type(explorer).__name__ for explorer in explorers) == sorted(written)
    for explorer in explorers:
        order = tab_order(explorer)
        assert len(set(order)) == len(order), explorer.title


@pytest.mark.slow
@pytest.mark.parametrize("place", range(9))
def test_sweep(place):
    assert check_explorer(every_explorer()[place]) > 10


@pytest.mark.slow
def test_no_two_images_of_an_explorer_have_the_same_words():
    for explorer in every_explorer():
        for control in explorer.controls:
            drawn = {explorer.render(**{control.name: value}) for value in control.probes()}
            assert len({caption for _, caption in drawn}) == len(drawn), (explorer.title, control.label)


@pytest.mark.slow
def test_presets_look_the_same_still_and_live():
    for explorer in every_explorer():
        (image,) = _of_type(explorer.widget, ipywidgets.Image)
        for name, values in explorer.presets.items():
            _button(explorer, name).click()
            assert image.value == explorer.render(**values)[0], (explorer.title, name)


def test_an_error_in_a_callback_is_shown_kept_and_overcome():
    explorer = Failing()
    (image,) = _of_type(explorer.widget, ipywidgets.Image)
    before = image.value
    assert not _html(explorer, ERROR_MARK)
    explorer.holders["speed"].value = 8.0
    assert [str(error) for error in explorer.errors] == ["too fast & <furious>"]
    (alert,) = _html(explorer, ERROR_MARK)
    assert 'role="alert"' in alert
    assert "RuntimeError: too fast &amp; &lt;furious&gt;" in alert
    assert image.value == before
    explorer.holders["speed"].value = 3.0
    assert image.value == explorer.render(speed=3.0)[0]
    (note,) = _html(explorer, ERROR_MARK)
    assert "overcome" in note


def test_sweep_passes_a_sound_explorer_and_leaves_it_usable():
    explorer = Wave()
    assert check_explorer(explorer) > 40
    assert _html(explorer, "ω = ")


class Together(Wave):
    def update(self, speed, thick, **others):
        if speed == 8 and thick:
            raise RuntimeError("both")
        return super().update(speed, thick=thick, **others)


class Mute(Wave):
    def update(self, **values):
        super().update(**values)
        return " "


class Forgetful(Wave):
    def build(self, figure, points):
        return super().build(figure, points)[:1]


class Restless(Wave):
    def update(self, **values):
        caption = super().update(**values)
        self.line.set_alpha(min(1, (self.line.get_alpha() or 0.1) + 0.01))
        return caption


@pytest.mark.parametrize(
    ("explorer", "error", "message"),
    [
        (Failing, RuntimeError, "furious"),
        (Together, RuntimeError, "both"),
        (Mute, ValueError, "A wave has no caption"),
        (Forgetful, ValueError, "something has changed that does not move"),
        (Restless, ValueError, "depends on what was shown before"),
    ],
)
def test_sweep_finds_faults(explorer, error, message):
    with pytest.raises(error, match=message):
        check_explorer(explorer())


def test_display_offers_the_live_view_and_the_image_with_alt_text():
    explorer = Wave()
    explorer.holders["speed"].value = 5.0
    bundle, metadata = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/plain"] == metadata["image/png"]["alt"] == "A wave: ω = 5, 30 points <blue>"
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")


def test_show_has_the_live_image_before_the_still_ones_and_errors_stop_it(monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "show_png", lambda png, alt: shown.append(alt))
    monkeypatch.setattr("IPython.display.display", lambda explorer: shown.append(explorer))
    explorer = Wave()
    explorer.show(interactive=False)
    assert shown[0].data == "**A wave: slow <one>.** ω = 1, 30 points <blue>"
    assert shown[1] == "A wave, slow <one>: ω = 1, 30 points <blue>"
    explorer.show(interactive=True)
    assert shown[2] is explorer
    assert shown[4] == shown[1]

    class Broken(Failing):
        presets = MappingProxyType({"fast": {"speed": 8.0}})

    with pytest.raises(RuntimeError, match="furious"):
        Broken().show(interactive=False)


def test_float_steps_stay_free_of_rounding_errors():
    slider = Slider("x", "X", 0.0, 1.0, 0.1, 0.5)
    assert [slider.check(0.1 * step) for step in range(11)] == [step / 10 for step in range(11)]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sped": 1}, "did you mean 'speed'"),
        ({"speed": 10}, "speed is 10"),
        ({"points": 10.5}, "points is 10.5"),
        ({"colour": "green"}, "colour is 'green'"),
        ({"thick": 1}, "thick is 1"),
    ],
)
def test_bad_settings(values, message):
    with pytest.raises(ValueError, match=message):
        Wave().render(**values)

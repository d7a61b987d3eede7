"""Explorers: a picture that answers a slider at once, by mouse or keyboard, and that is still there without a kernel.

An explorer declares its controls, draws its picture once and from then on changes only what moves. The picture is one
persistent figure: what stays is kept as pixels, what moves is drawn over it (blitting), and the result goes as a PNG
into an image widget; ``interact``, which draws everything anew, takes three times as long. Before the live picture come
*presets*, still pictures with their caption as alt text, which papermill, an HTML page and a forge show as well. A
failing callback is reported in the explorer itself, in an element with the attribute :data:`ERROR_MARK`.

A whole explorer::

    class Wave(Explorer):
        title = "A wave"
        controls = (Slider("frequency", "Frequency (ω)", 1.0, 9.0, 0.5, 2.0, "Waves in the picture"),)
        presets = {"slow": {"frequency": 1.0}}

        def build(self, figure):
            axes = figure.subplots()
            axes.set(xlim=(0, 1), ylim=(-1, 1))
            self.x = np.linspace(0, 1, 300)
            (self.line,) = axes.plot(self.x, self.x)
            return [self.line]

        def update(self, frequency):
            self.line.set_ydata(np.sin(2 * np.pi * frequency * self.x))
            return f"A wave of frequency ω = {frequency:g}."

    Wave().show(interactive=True)

Taught in: notebooks/01_data and notebooks/02_baseline_cnn, which use the explorers of :mod:`spbl_nb.explorers.imbalance`.
"""

import html
import itertools
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import ipywidgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from spbl_nb import checks
from spbl_nb.explorers import accessible
from spbl_nb.explorers.controls import Choice, Control, Player, Slider, Toggle, label_width
from spbl_nb.plots import figures
from spbl_nb.plots import style as drawing

__all__ = ["ERROR_MARK", "Choice", "Explorer", "Player", "Slider", "Toggle", "check_explorer"]

ERROR_MARK = "data-spbl-error"  # attribute of the element in which an explorer reports that a callback failed


class Explorer:
    """A picture with controls. A subclass gives ``title``, ``controls``, :meth:`build` and :meth:`update`.

    Attributes
    ----------
    size : width and height of the picture in inches.
    controls : what can be set, in the order in which the tab key visits them.
    presets : named settings, buttons of the live picture and still pictures below it; what one does not name keeps its default.
    rebuilds : names of those controls that change more than :meth:`update` can move (axes, their number, the layout); when
        one of them changes, the picture is built anew, which takes some 100 ms.
    errors : what callbacks of the live picture raised.
    """

    title: str = ""
    size: tuple[float, float] = (9.0, 4.5)
    controls: tuple[Control, ...] = ()
    presets: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    rebuilds: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.errors: list[Exception] = []
        self._stage: _Stage | None = None
        self._panel: _Panel | None = None

    def build(self, figure: Figure, *args: Any, **rebuilds: Any) -> Iterable[Artist]:
        """Draw everything once, given the values of the ``rebuilds`` controls; return the artists that will move.

        These are drawn over all others, in the order given.
        """
        raise TypeError(f"{type(self).__name__} has no build(figure)")

    def update(self, *args: Any, **values: Any) -> str:
        """Set every moving artist from ``values`` alone (one value per control); return the caption.

        The caption says in sentences, with numbers, what the picture shows: it is the text read-out and the alt text.
        """
        raise TypeError(f"{type(self).__name__} has no update(...)")

    def settings(self, **values: Any) -> dict[str, Any]:
        """Return the value of every control, those not named at their default.

        Raises ValueError for a control that does not exist and for a value at which it cannot stand.
        """
        known = {control.name: control for control in self.controls}
        for name in values:
            checks.one_of("control", name, known)
        return {name: control.check(values.get(name, control.default)) for name, control in known.items()}

    def render(self, **values: Any) -> tuple[bytes, str]:
        """Return (PNG bytes, caption) for the given settings, the others standing at their defaults."""
        pixels, caption = self._draw(**values)
        return drawing.fast_png(pixels), caption

    def show(self, interactive: bool = True) -> None:
        """Display, if ``interactive``, the live picture with its controls, then the presets as still pictures.

        An error in a preset is raised, so that a headless run stops there.
        """
        from IPython.display import Markdown, display

        if interactive:
            display(self)
        for name, values in self.presets.items():
            pixels, caption = self._draw(**values)
            display(Markdown(f"**{self.title}: {name}.** {caption}"))
            figures.show_png(drawing.small_png(pixels), f"{self.title}, {name}: {caption}")

    @property
    def widget(self) -> ipywidgets.Widget:
        """The live picture with its controls, caption and Reset button."""
        return self._live().box

    @property
    def holders(self) -> dict[str, ipywidgets.Widget]:
        """The widgets that hold the values of the live controls, by name; setting ``.value`` moves a control."""
        return self._live().holders

    def forget(self) -> None:
        """Drop the drawn picture, so that the next one is built from nothing."""
        self._stage = None

    def _live(self) -> "_Panel":
        if self._panel is None:
            self._panel = _Panel(self)
        return self._panel

    def _draw(self, **values: Any) -> tuple[np.ndarray, str]:
        """Return (pixels uint8[H,W,4], caption)."""
        settings = self.settings(**values)
        fixed = {name: settings[name] for name in self.rebuilds}
        if self._stage is None or self._stage.fixed != fixed:
            self._stage = None  # if building fails halfway, the next picture must not be drawn on what is left
            self._stage = _Stage(self, fixed)
        caption = self.update(**settings)
        if not caption.strip():
            raise ValueError(f"{self.title} has no caption at {settings}; update must return what the picture says")
        return self._stage.pixels(), caption

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Offer the live picture and, where there is no kernel, the same picture with its caption as alt text."""
        panel = self._live()
        pixels, caption = self._draw(**panel.values())
        bundle, metadata = figures.png_bundle(drawing.small_png(pixels), f"{self.title}: {caption}")
        return panel.box._repr_mimebundle_() | bundle, metadata


class _Stage:
    """A persistent figure: what stays is kept as pixels, what moves is drawn over it."""

    def __init__(self, explorer: Explorer, fixed: dict[str, Any]) -> None:
        self.fixed = fixed
        self.figure = drawing.new_figure(*explorer.size)
        self.canvas = drawing.canvas_of(self.figure)
        self.moving = list(explorer.build(self.figure, **fixed))
        explorer.update(**explorer.settings(**fixed))  # so that the layout leaves room for what update writes
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        for artist in self.moving:
            artist.set_animated(True)
        self._draw_still()
        self.still = self.canvas.copy_from_bbox(self.figure.bbox)

    def _draw_still(self) -> None:
        """Draw what stays, alone; Matplotlib before 3.11 leaves no image out for being animated, so all are hidden."""
        shown = [artist for artist in self.moving if artist.get_visible()]
        for artist in shown:
            artist.set_visible(False)
        self.canvas.draw()
        for artist in shown:
            artist.set_visible(True)

    def pixels(self) -> np.ndarray:
        """Return uint8[H,W,4], a view of the canvas that the next picture overwrites."""
        self.canvas.restore_region(self.still)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())

    def is_stale(self) -> bool:
        """Say whether what stays, if drawn now, would differ from what was kept."""
        canvas = self.canvas
        canvas.restore_region(self.still)
        kept = np.array(canvas.buffer_rgba())
        self._draw_still()
        return not np.array_equal(kept, np.asarray(canvas.buffer_rgba()))


class _Panel:
    """The live picture: controls, preset buttons, Reset, the image, its caption, and a place for errors."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.quiet = False
        room = label_width(explorer.controls)
        self.controls = {control.name: control.live(room) for control in explorer.controls}
        self.holders = {name: live.holder for name, live in self.controls.items()}
        width, height = (round(side * drawing.DPI) for side in explorer.size)
        self.image = ipywidgets.Image(
            format="png", width=width, height=height
        )  # JupyterLab fails on one with a tooltip
        self.caption = ipywidgets.HTML()
        self.alert = ipywidgets.HTML()
        for holder in self.holders.values():
            holder.observe(self.answer, names="value")
        title = ipywidgets.HTML(f"{accessible.STYLE}<strong>{html.escape(explorer.title)}</strong>")
        title.add_class("spbl-title")
        self.caption.add_class("spbl-caption")
        rows = [live.row for live in self.controls.values()]
        parts = [title, *rows, self._buttons(), self.alert, self.image, self.caption, accessible.script()]
        self.box = ipywidgets.VBox(parts)
        self.box.add_class("spbl-explorer")
        self.image.value, text = explorer.render()
        self._say(text)

    def values(self) -> dict[str, Any]:
        """Return where the controls stand."""
        return {name: holder.value for name, holder in self.holders.items()}

    def answer(self, _change: Any = None) -> None:
        """Draw the picture for where the controls stand; report an error instead of raising it."""
        if self.quiet:
            return
        try:
            self.image.value, text = self.explorer.render(**self.values())
        except Exception as error:  # nobody sees what a callback raises, so whatever it is must be shown here
            self.explorer.errors.append(error)
            self.alert.value = _error_html(error, "The picture still shows the settings before.")
        else:
            self._say(text)
            errors = self.explorer.errors
            self.alert.value = _error_html(errors[-1], "This happened before and was overcome.") if errors else ""
        for live in self.controls.values():
            live.follow()

    def move_to(self, values: Mapping[str, Any]) -> None:
        """Set every control, those not named to their defaults, and draw once."""
        self.quiet = True
        try:
            for name, value in self.explorer.settings(**values).items():
                self.holders[name].value = value
        finally:
            self.quiet = False
        self.answer()

    def _buttons(self) -> ipywidgets.Widget:
        moves = {name: (values, f"Show the settings “{name}”") for name, values in self.explorer.presets.items()}
        moves["Reset"] = ({}, "Put every control back where it started")
        buttons = []
        for name, (values, tooltip) in moves.items():
            button = ipywidgets.Button(description=name, tooltip=tooltip, layout={"width": "auto"})
            button.on_click(lambda _button, values=values: self.move_to(values))
            buttons.append(button)
        return ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})

    def _say(self, text: str) -> None:
        style = "max-width: 62em; line-height: 1.45; margin: 0.2em 0"
        self.caption.value = f'<p style="{style}">{html.escape(text)}</p>'


def check_explorer(explorer: Explorer) -> int:
    """Try an explorer at its extremes and return the number of pictures drawn; the first error is raised.

    In the live explorer each control is moved to its smallest, first and greatest value or through all options, each
    pair of controls to its extremes, and each preset is visited. The picture must depend on the settings alone: after
    all that moving it must equal the picture built from nothing. For tests, outside a kernel: inside one, widgets
    swallow errors.
    """
    swept: list[Mapping[str, Any]] = [explorer.settings(**values) for values in explorer.presets.values()]
    for control in explorer.controls:
        swept += [explorer.settings(**{control.name: value}) for value in control.probes()]
    for one, other in itertools.combinations(explorer.controls, 2):
        for first, second in itertools.product(*((probes[0], probes[-1]) for probes in (one.probes(), other.probes()))):
            swept.append(explorer.settings(**{one.name: first, other.name: second}))
    panel = explorer._live()
    for values in swept:
        panel.move_to(values)
        if explorer.errors:
            raise explorer.errors[0]
    ends = [{control.name: control.probes()[end] for control in explorer.controls} for end in (0, -1)]
    states: list[Mapping[str, Any]] = [{}, *ends, *explorer.presets.values()]
    for values in states:
        moved = explorer.render(**values)
        if explorer._stage is not None and explorer._stage.is_stale():
            raise ValueError(
                f"{explorer.title} at {values}: something has changed that does not move; build must return all artists that "
                "update changes, and a control that changes the rest belongs in rebuilds"
            )
        explorer.forget()
        if explorer.render(**values) != moved:
            raise ValueError(
                f"{explorer.title} at {values}: picture or caption depends on what was shown before; update must set every "
                "moving artist from its arguments alone"
            )
    return len(swept) + 2 * len(states)


def _error_html(error: Exception, addition: str) -> str:
    text = html.escape(f"{type(error).__name__}: {error}")
    style = "color: #a00000; background: #fff0f0; font-weight: bold; max-width: 62em; padding: 0.2em"
    return f'<p role="alert" {ERROR_MARK} style="{style}">{text}. {addition}</p>'

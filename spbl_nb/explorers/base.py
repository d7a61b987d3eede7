"""Explorers: an image that answers a slider at once, by mouse or keyboard, and that is still there without a kernel.

An explorer declares its controls, draws its figure once and from then on changes only what moves. The background is kept
as pixels, what moves is drawn over it (blitting), and the result goes as a PNG into an image widget; ``interact``, which
draws everything again, takes three times as long. Below the live image come *presets*, still images with their caption as
alt text, which papermill, an HTML page and a forge show as well. A failing callback is reported in the explorer itself,
in an element with the attribute :data:`ERROR_MARK`.

A whole explorer::

    class Wave(Explorer):
        title = "A wave"
        controls = (Slider("frequency", "Frequency (ω)", 1.0, 9.0, 0.5, 2.0, "Waves in the image"),)
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
"""

import html
import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from spbl_nb import checks
from spbl_nb.plots import figures, style

ERROR_MARK = "data-spbl-error"  # attribute of the element in which an explorer reports that a callback failed
DIGITS = 9  # decimals of a slider's value; what is behind them are rounding errors of the browser's steps
FIELD_WIDTH = 16  # of a slider or a list, without its label; in em, like every width here
_SCRIPT, _STYLE = (Path(__file__).with_name(f"accessible.{kind}").read_text("utf-8") for kind in ("js", "css"))


class Live(NamedTuple):
    """A live control: the ``holder`` of its value, the ``row`` to lay out, and the number field beside a slider."""

    holder: ipywidgets.Widget
    row: ipywidgets.Widget
    field: ipywidgets.Widget | None = None


@dataclass(frozen=True)
class Slider:
    """A number from ``low`` to ``high`` in steps of ``step``: a whole number if all four are int, else a float.

    ``label`` names it in words, with the symbol in brackets; ``help`` is its tooltip. ``slow`` sends only the value at which
    the slider comes to rest, for images that take longer than 150 ms.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    default: float
    help: str = ""
    slow: bool = False

    @property
    def whole(self) -> bool:
        """True for a slider over whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step, self.default))

    def check(self, value: Any) -> float:
        """Return ``value`` if it is in range, free of the rounding errors of repeated steps."""
        if self.whole:
            return checks.integer(self.name, value, int(self.low), int(self.high))
        return round(checks.real(self.name, value, self.low, self.high), DIGITS)

    def probes(self) -> list[float]:
        """Return the values that a test should try: the smallest, the first and the greatest."""
        return [self.low, self.default, self.high]

    def live(self, label_width: int) -> Live:
        """Return the slider and a number field of the same label, because browsers find no name for a slider."""
        kinds = ("IntSlider", "BoundedIntText") if self.whole else ("FloatSlider", "BoundedFloatText")
        slider_type, field_type = (getattr(ipywidgets, kind) for kind in kinds)
        common: dict[str, Any] = {"description": self.label, "tooltip": self.help or None}
        common |= {"min": self.low, "max": self.high, "step": self.step, "value": self.default}
        slider = slider_type(
            **common,
            readout=False,
            continuous_update=not self.slow,
            style={"description_width": f"{label_width}em"},
            layout={"width": f"{label_width + FIELD_WIDTH}em"},
        )
        # The label of the field is in the page, for screen readers, but takes no room.
        field = field_type(**common, style={"description_width": "0px"}, layout={"width": "6em"})
        return Live(slider, ipywidgets.HBox([slider, field]), field)


@dataclass(frozen=True)
class Player(Slider):
    """A slider over whole numbers with buttons to play, pause and stop; ``interval`` milliseconds a step."""

    interval: int = 700

    def live(self, label_width: int) -> Live:
        """Return the slider, its number field and the play buttons."""
        live = super().live(label_width)
        play = ipywidgets.Play(
            min=self.low,
            max=self.high,
            step=self.step,
            value=self.default,
            interval=self.interval,
            show_repeat=False,
            tooltip=f"{self.label}: play or pause, and stop",
        )
        ipywidgets.jslink((play, "value"), (live.holder, "value"))
        return live._replace(row=ipywidgets.HBox([*live.row.children, play]))


@dataclass(frozen=True)
class Choice:
    """One of several named options, in a drop-down list."""

    name: str
    label: str
    options: tuple[str, ...]
    default: str
    help: str = ""

    def check(self, value: Any) -> str:
        """Return ``value`` if it is one of the options."""
        return checks.one_of(self.name, value, self.options)

    def probes(self) -> list[str]:
        """Return the values that a test should try: all of them."""
        return list(self.options)

    def live(self, label_width: int) -> Live:
        """Return the list."""
        width = max(FIELD_WIDTH, 4 + 0.6 * max(map(len, self.options)))  # 4 for the arrow and the edges
        box = ipywidgets.Dropdown(
            options=list(self.options),
            value=self.default,
            description=self.label,
            tooltip=self.help or None,
            style={"description_width": f"{label_width}em"},
            layout={"width": f"{label_width + width:g}em"},
        )
        return Live(box, box)


@dataclass(frozen=True)
class Toggle:
    """Yes or no, a box to tick."""

    name: str
    label: str
    default: bool = False
    help: str = ""

    def check(self, value: Any) -> bool:
        """Return ``value`` if it is True or False."""
        return checks.instance(self.name, value, bool)

    def probes(self) -> list[bool]:
        """Return the values that a test should try: both."""
        return [False, True]

    def live(self, label_width: int) -> Live:
        """Return the box."""
        box = ipywidgets.Checkbox(value=self.default, description=self.label, tooltip=self.help or None, indent=False)
        box.layout.margin = f"0 0 0 {label_width}em"
        return Live(box, box)


Control = Slider | Choice | Toggle


class Explorer:
    """An image with controls. A subclass gives ``title``, ``controls``, :meth:`build` and :meth:`update`.

    ``size`` is width and height in inches. ``controls`` are in the order in which the tab key visits them. ``presets`` are
    named settings, buttons of the live image and still images below it; what one does not name keeps its default.
    ``rebuilds`` names controls that change more than :meth:`update` can move (axes, their number, the layout); when one of
    them changes, the figure is built again, which takes some 100 ms. ``errors`` holds what callbacks raised.
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
        raise NotImplementedError

    def update(self, *args: Any, **values: Any) -> str:
        """Set every moving artist from ``values`` alone (one value per control); return the caption.

        The caption says in sentences, with numbers, what the image shows: it is the text read-out and the alt text.
        """
        raise NotImplementedError

    def settings(self, **values: Any) -> dict[str, Any]:
        """Return the value of every control, those not named at their default; ValueError for a wrong name or value."""
        known = {control.name: control for control in self.controls}
        for name in values:
            checks.one_of("control", name, known)
        return {name: control.check(values.get(name, control.default)) for name, control in known.items()}

    def render(self, **values: Any) -> tuple[bytes, str]:
        """Return (PNG bytes, caption) for the given settings, the others at their defaults."""
        pixels, caption = self._draw(**values)
        return style.fast_png(pixels), caption

    def show(self, interactive: bool = True) -> None:
        """Display, if ``interactive``, the live image with its controls, then the presets as still images.

        An error in a preset is raised, so that a headless run stops there.
        """
        from IPython.display import Markdown, display

        if interactive:
            display(self)
        for name, values in self.presets.items():
            pixels, caption = self._draw(**values)
            display(Markdown(f"**{self.title}: {name}.** {caption}"))
            figures.show_png(style.small_png(pixels), f"{self.title}, {name}: {caption}")

    @property
    def widget(self) -> ipywidgets.Widget:
        """The live image with its controls, caption and Reset button."""
        return self._live().box

    @property
    def holders(self) -> dict[str, ipywidgets.Widget]:
        """The widgets that hold the values of the live controls, by name; setting ``.value`` moves a control."""
        return self._live().holders

    def forget(self) -> None:
        """Drop the drawn figure, so that the next one is built from nothing."""
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
            self._stage = None  # if building fails halfway, the next image must not be drawn on what is left
            self._stage = _Stage(self, fixed)
        caption = self.update(**settings)
        return self._stage.pixels(), caption

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        """Offer the live image and, where there is no kernel, the same image with its caption as alt text."""
        panel = self._live()
        pixels, caption = self._draw(**panel.values())
        bundle, metadata = figures.png_bundle(style.small_png(pixels), f"{self.title}: {caption}")
        return panel.box._repr_mimebundle_() | bundle, metadata


class _Stage:
    """A persistent figure: the background is kept as pixels, what moves is drawn over it."""

    def __init__(self, explorer: Explorer, fixed: dict[str, Any]) -> None:
        self.fixed = fixed
        self.figure = style.new_figure(*explorer.size)
        self.canvas = style.canvas_of(self.figure)
        self.moving = list(explorer.build(self.figure, **fixed))
        explorer.update(**explorer.settings(**fixed))  # so that the layout leaves room for what update writes
        self.figure.draw_without_rendering()
        self.figure.set_layout_engine("none")
        for artist in self.moving:
            artist.set_animated(True)
        self.draw_background()
        self.background = self.canvas.copy_from_bbox(self.figure.bbox)

    def draw_background(self) -> None:
        """Draw what stays, alone; Matplotlib before 3.11 leaves no image out for being animated, so all are hidden."""
        shown = [artist for artist in self.moving if artist.get_visible()]
        for artist in shown:
            artist.set_visible(False)
        self.canvas.draw()
        for artist in shown:
            artist.set_visible(True)

    def pixels(self) -> np.ndarray:
        """Return uint8[H,W,4], a view of the canvas that the next image overwrites."""
        self.canvas.restore_region(self.background)
        for artist in self.moving:
            self.figure.draw_artist(artist)
        return np.asarray(self.canvas.buffer_rgba())


class _Panel:
    """The live image: controls, preset buttons, Reset, the image, its caption, and a place for errors."""

    def __init__(self, explorer: Explorer) -> None:
        self.explorer = explorer
        self.quiet = False
        room = 2 + round(0.56 * max((len(control.label) for control in explorer.controls), default=0))  # em for labels
        self.controls = {control.name: control.live(room) for control in explorer.controls}
        self.holders = {name: live.holder for name, live in self.controls.items()}
        for holder, _, field in self.controls.values():
            holder.observe(self.answer, names="value")
            if field is not None:
                field.observe(lambda change, holder=holder: self._take_typed(holder, change["new"]), names="value")
        width, height = (round(side * style.DPI) for side in explorer.size)
        self.image = ipywidgets.Image(format="png", width=width, height=height)  # with a tooltip JupyterLab fails on it
        self.caption, self.alert = ipywidgets.HTML(), ipywidgets.HTML()
        title = ipywidgets.HTML(f"<style>{_STYLE}</style><strong>{html.escape(explorer.title)}</strong>")
        title.add_class("spbl-title")
        self.caption.add_class("spbl-caption")
        script = {"output_type": "display_data", "data": {"application/javascript": _SCRIPT}, "metadata": {}}
        names = ipywidgets.Output(outputs=(script,))  # writes names and alt text into the page, takes no room
        names.add_class("spbl-script")
        rows = [live.row for live in self.controls.values()]
        self.box = ipywidgets.VBox([title, *rows, self._buttons(), self.alert, self.image, self.caption, names])
        self.box.add_class("spbl-explorer")
        self.image.value, text = explorer.render()
        self._show_caption(text)

    def values(self) -> dict[str, Any]:
        """Return the values of the controls."""
        return {name: holder.value for name, holder in self.holders.items()}

    def answer(self, _change: Any = None) -> None:
        """Draw the image for the values of the controls; report an error instead of raising it."""
        if self.quiet:
            return
        errors = self.explorer.errors
        try:
            self.image.value, text = self.explorer.render(**self.values())
        except Exception as error:  # nobody sees what a callback raises, so whatever it is must be shown here
            errors.append(error)
            self.alert.value = _error_html(error, "The image still shows the settings before.")
        else:
            self._show_caption(text)
            self.alert.value = _error_html(errors[-1], "This happened before and was overcome.") if errors else ""
        for holder, _, field in self.controls.values():
            if field is not None:  # it follows after the image: linked to the slider, it would delay it by some 10 ms
                field.value = round(holder.value, DIGITS)

    def move_to(self, values: Mapping[str, Any]) -> None:
        """Set every control, those not named to their defaults, and draw once."""
        self.quiet = True
        try:
            for name, value in self.explorer.settings(**values).items():
                self.holders[name].value = value
        finally:
            self.quiet = False
        self.answer()

    @staticmethod
    def _take_typed(holder: ipywidgets.Widget, value: float) -> None:
        if value != round(holder.value, DIGITS):
            holder.value = value

    def _buttons(self) -> ipywidgets.Widget:
        moves = {name: (values, f"Show the settings “{name}”") for name, values in self.explorer.presets.items()}
        moves["Reset"] = ({}, "Put every control back to its start")
        buttons = []
        for name, (values, tooltip) in moves.items():
            button = ipywidgets.Button(description=name, tooltip=tooltip, layout={"width": "auto"})
            button.on_click(lambda _button, values=values: self.move_to(values))
            buttons.append(button)
        return ipywidgets.HBox(buttons, layout={"flex_flow": "row wrap"})

    def _show_caption(self, text: str) -> None:
        look = "max-width: 62em; line-height: 1.45; margin: 0.2em 0"
        self.caption.value = f'<p style="{look}">{html.escape(text)}</p>'


def check_explorer(explorer: Explorer) -> int:
    """Try an explorer at its extremes and return the number of images drawn; the first error is raised.

    Each control is moved to its smallest, first and greatest value or through all options, each pair of controls to its
    extremes, and each preset is visited. The image must depend on the settings alone: after all that moving it must equal
    the image built from nothing. For tests, outside a kernel: inside one, widgets swallow errors.
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
        if not moved[1].strip():
            raise ValueError(f"{explorer.title} has no caption at {values}; update must return what the image says")
        stage = explorer._stage
        if stage is not None:
            stage.draw_background()
            drawn = np.array(stage.canvas.buffer_rgba())
            stage.canvas.restore_region(stage.background)
            if not np.array_equal(drawn, np.asarray(stage.canvas.buffer_rgba())):
                raise ValueError(
                    f"{explorer.title} at {values}: something has changed that does not move; build must return all artists "
                    "that update changes, and a control that changes the rest belongs in rebuilds"
                )
        explorer.forget()
        if explorer.render(**values) != moved:
            raise ValueError(
                f"{explorer.title} at {values}: image or caption depends on what was shown before; update must set every "
                "moving artist from its arguments alone"
            )
    return len(swept) + 2 * len(states)


def _error_html(error: Exception, addition: str) -> str:
    text = html.escape(f"{type(error).__name__}: {error}")
    look = "color: #a00000; background: #fff0f0; font-weight: bold; max-width: 62em; padding: 0.2em"
    return f'<p role="alert" {ERROR_MARK} style="{look}">{text}. {addition}</p>'

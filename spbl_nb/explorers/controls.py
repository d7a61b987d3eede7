"""The controls of an explorer: declared as plain values, turned into ipywidgets only when somebody wants to see them.

A control knows its name, its label in words (with the symbol in brackets), what values it takes, where it starts and
what its tooltip says. Its method ``live``, given the room for labels, makes the :class:`Live` control. Browsers find no
name for a slider, so each slider is followed by a number field that carries the same label and follows it, which is
also the way to type a value. It follows after the picture: linked at once, it would hold the picture up by some 10 ms.

Taught in: notebooks/00_start_here lists symbols, Python names and labels.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import ipywidgets

from spbl_nb import checks

DIGITS = 9  # decimals of a slider's value; what is behind them are rounding errors of the browser's steps
FIELD_WIDTH = 16  # of a slider or a list, without its label; in em, like every width here
_UNSEEN_LABEL = {"description_width": "0px"}  # in the page, for screen readers, but beside a slider that shows it


@dataclass(frozen=True)
class Live:
    """A live control: the ``holder`` of its value, the ``row`` to lay out, and a number field beside it, if any."""

    holder: ipywidgets.Widget
    row: ipywidgets.Widget
    field: ipywidgets.Widget | None = None

    def __post_init__(self) -> None:
        if self.field is not None:
            self.field.observe(self._lead, names="value")

    def follow(self) -> None:
        """Let the number field show where the slider stands."""
        if self.field is not None:
            self.field.value = round(self.holder.value, DIGITS)

    def _lead(self, change: dict[str, Any]) -> None:
        if change["new"] != round(self.holder.value, DIGITS):
            self.holder.value = change["new"]


@dataclass(frozen=True)
class Slider:
    """A number from ``low`` to ``high`` in steps of ``step``: a whole number if all four are int, else a float.

    ``label`` names it in words, with the symbol in brackets; ``help`` is its tooltip. ``slow`` sends only the value at which
    the slider comes to rest; for pictures that take longer than 150 ms.
    """

    name: str
    label: str
    low: float
    high: float
    step: float
    default: float
    help: str = ""
    slow: bool = False

    def __post_init__(self) -> None:
        if not self.low <= self.default <= self.high or self.low == self.high or self.step <= 0:
            raise ValueError(
                f"slider {self.name} has low {self.low}, high {self.high}, step {self.step} and default {self.default}; "
                "low < high, step > 0 and a default between them are needed"
            )

    @property
    def whole(self) -> bool:
        """True for a slider over whole numbers."""
        return all(isinstance(value, int) for value in (self.low, self.high, self.step, self.default))

    def check(self, value: Any) -> float:
        """Return ``value`` if the slider can stand there, free of the rounding errors of repeated steps."""
        if self.whole:
            return checks.integer(self.name, value, int(self.low), int(self.high))
        return round(checks.real(self.name, value, self.low, self.high), DIGITS)

    def probes(self) -> list[float]:
        """Return the values that a test should try: the smallest, the first and the greatest."""
        return [self.low, self.default, self.high]

    def live(self, label_width: int) -> Live:
        """Return the live control: the slider with its label and a number field."""
        slider_type, field_type = (
            (ipywidgets.IntSlider, ipywidgets.BoundedIntText)
            if self.whole
            else (ipywidgets.FloatSlider, ipywidgets.BoundedFloatText)
        )
        common: dict[str, Any] = {"description": self.label, "tooltip": self.help or None}
        common |= {"min": self.low, "max": self.high, "step": self.step, "value": self.default}
        slider = slider_type(
            **common,
            readout=False,
            continuous_update=not self.slow,
            style={"description_width": f"{label_width}em"},
            layout={"width": f"{label_width + FIELD_WIDTH}em"},
        )
        field = field_type(**common, style=_UNSEEN_LABEL, layout={"width": "6em"})
        return Live(slider, ipywidgets.HBox([slider, field]), field)


@dataclass(frozen=True)
class Player(Slider):
    """A slider over whole numbers that can play: play, pause, stop, or scrub; ``interval`` milliseconds a step."""

    interval: int = 700

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.whole:
            raise ValueError(f"player {self.name} steps through whole numbers; give low, high, step and default as int")
        checks.integer("interval", self.interval, 1)

    def live(self, label_width: int) -> Live:
        """Return the live control: the slider, its number field and the play buttons."""
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
        return Live(live.holder, ipywidgets.HBox([*live.row.children, play]), live.field)


@dataclass(frozen=True)
class Choice:
    """One of several named options."""

    name: str
    label: str
    options: tuple[str, ...]
    default: str
    help: str = ""

    def __post_init__(self) -> None:
        checks.one_of(f"default of {self.name}", self.default, self.options)

    def check(self, value: Any) -> str:
        """Return ``value`` if it is one of the options."""
        return checks.one_of(self.name, value, self.options)

    def probes(self) -> list[str]:
        """Return the values that a test should try: all of them."""
        return list(self.options)

    def live(self, label_width: int) -> Live:
        """Return the live control: a drop-down list."""
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
    """Yes or no."""

    name: str
    label: str
    default: bool = False
    help: str = ""

    def check(self, value: Any) -> bool:
        """Return ``value`` if it is True or False."""
        if not isinstance(value, bool):
            raise ValueError(f"{self.name} is {value!r}; allowed: True or False")
        return value

    def probes(self) -> list[bool]:
        """Return the values that a test should try: both."""
        return [False, True]

    def live(self, label_width: int) -> Live:
        """Return the live control: a box to tick."""
        box = ipywidgets.Checkbox(value=self.default, description=self.label, tooltip=self.help or None, indent=False)
        box.layout.margin = f"0 0 0 {label_width}em"
        return Live(box, box)


Control = Slider | Choice | Toggle


def label_width(controls: Iterable[Control]) -> int:
    """Return the room in em that the longest label needs, so that controls stand in line below one another."""
    return 2 + round(0.56 * max((len(control.label) for control in controls), default=0))

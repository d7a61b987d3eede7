"""Errors that an executed notebook shows or hides: in its outputs, on standard error, and inside widget state.

A callback that fails inside an ``Output`` widget, or in an explorer, stops nothing: the notebook runs to its end and
papermill is content. What failed is still written down in the notebook's metadata, and is found there.

Taught in: notebooks/00_start_here.
"""

import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from spbl_nb.explorers.base import ERROR_MARK

_WIDGETS = "application/vnd.jupyter.widget-state+json"
_TRACEBACK = "Traceback (most recent call last)"


def find_errors(notebook: Mapping[str, Any]) -> list[str]:
    """Return one text for each error in an executed notebook (nbformat 4), empty if it is clean; ValueError for no notebook."""
    try:
        return _found(notebook)
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"notebook is none of nbformat 4: {error}; execute it again") from None


def _found(notebook: Mapping[str, Any]) -> list[str]:
    found = []
    for index, cell in enumerate(notebook.get("cells", ())):
        found += [f"cell {index}: {text}" for text in _in_outputs(cell.get("outputs") or ())]
    states = notebook.get("metadata", {}).get("widgets", {}).get(_WIDGETS, {}).get("state", {})
    for model in states.values():
        state = model.get("state", {})
        texts = _in_outputs(state.get("outputs") or ())
        texts += [text for value in state.values() if isinstance(value, str) for text in _in_text(value)]
        found += [f"inside a widget ({model.get('model_name')}): {text}" for text in texts]
    return found


def _in_outputs(outputs: Iterable[Mapping[str, Any]]) -> list[str]:
    found = []
    for output in outputs:
        if output.get("output_type") == "error":
            found.append(f"{output.get('ename')}: {output.get('evalue')}")
        elif output.get("name") == "stderr":
            text = "".join(output.get("text", ""))
            found += [_last_line(text)] if _TRACEBACK in text else []
    return found


def _in_text(value: str) -> list[str]:
    if ERROR_MARK in value:
        return [" ".join(html.unescape(re.sub(r"<[^>]*>", " ", value)).split())]
    return [_last_line(value)] if _TRACEBACK in value else []


def _last_line(text: str) -> str:
    return text.strip().splitlines()[-1]

"""Errors in executed notebooks: shown in outputs, hidden in widget state, and none in a clean one."""

import pytest

from spbl_nb.batch.notebook_errors import find_errors
from spbl_nb.explorers.base import ERROR_MARK

TRACEBACK = "Traceback (most recent call last)\n  File\nKeyError: 'x'\n"


def _notebook(outputs=(), **state):
    model = {"model_name": "SomeModel", "state": state}
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"some id": model}}}
    return {"cells": [{"cell_type": "markdown"}, {"outputs": list(outputs)}], "metadata": {"widgets": widgets}}


ERROR = {"output_type": "error", "ename": "KeyError", "evalue": "'x'"}


@pytest.mark.parametrize(
    ("notebook", "found"),
    [
        (_notebook([ERROR]), "cell 1: KeyError: 'x'"),
        (_notebook([{"output_type": "stream", "name": "stderr", "text": TRACEBACK}]), "cell 1: KeyError: 'x'"),
        (_notebook([{"output_type": "stream", "name": "stderr", "text": ["a\n", TRACEBACK]}]), "cell 1: KeyError: 'x'"),
        (_notebook(outputs=[], **{"outputs_": []}) | {"cells": []}, None),
        (_notebook(value=TRACEBACK), "inside a widget (SomeModel): KeyError: 'x'"),
        (
            _notebook(value=f'<p role="alert" {ERROR_MARK}><b>ValueError</b>: 1 &lt; 2</p>'),
            "inside a widget (SomeModel): ValueError : 1 < 2",
        ),
        (_notebook([{"output_type": "stream", "name": "stderr", "text": "a warning"}], value="a caption"), None),
        (_notebook([{"output_type": "stream", "name": "stdout", "text": TRACEBACK}]), None),
        ({"cells": [], "metadata": {}}, None),
    ],
)
def test_errors_are_found(notebook, found):
    assert find_errors(notebook) == ([] if found is None else [found])


def test_error_inside_an_output_widget_is_found():
    notebook = _notebook()
    notebook["metadata"]["widgets"]["application/vnd.jupyter.widget-state+json"]["state"]["some id"] = {
        "model_name": "OutputModel",
        "model_module": "@jupyter-widgets/output",
        "state": {"outputs": [ERROR]},
    }
    assert find_errors(notebook) == ["inside a widget (OutputModel): KeyError: 'x'"]


def test_an_explorer_that_failed_is_found_in_its_saved_state():
    from test_widgets import Failing

    explorer = Failing()
    explorer.holders["speed"].value = 8.0
    explorer.holders["speed"].value = 2.0
    models = {
        widget.model_id: {"model_name": widget._model_name, "state": widget.get_state()}
        for widget in explorer.widget.children
    }
    state = {"application/vnd.jupyter.widget-state+json": {"state": models}}
    (error,) = find_errors({"cells": [], "metadata": {"widgets": state}})
    assert "inside a widget (HTMLModel): RuntimeError: too fast & <furious>" in error

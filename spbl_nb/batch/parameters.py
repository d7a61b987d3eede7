"""The parameters of a notebook, and whether given values fit them.

Papermill reads the cell tagged ``parameters``, one ``NAME: type = default  # meaning`` a line, but only warns of a
parameter that is not there, and passes a value of any type. Here both are errors before a kernel starts.
"""

import ast
import os
from typing import Any, NamedTuple

import papermill

from spbl_nb import checks, files

_TYPES = {"int": int, "float": float, "str": str, "bool": bool}
_ADVICE = {
    "int": "write a whole number without quotes",
    "float": "write a number such as 0.001 or 1.0e-3 without quotes (YAML reads 1e-3 as text)",
    "str": "put the text in quotes (YAML reads yes, no, on and off as switches)",
    "bool": "write true or false in YAML, True or False in Python, without quotes",
}


class ParameterError(ValueError):
    """A notebook's parameters cell is not as it should be, or a given value does not fit it."""


class Parameter(NamedTuple):
    """One line of a parameters cell; ``type`` is int, float, str or bool."""

    name: str
    type: str
    default: Any
    meaning: str


def declared(notebook: str | os.PathLike) -> dict[str, Parameter]:
    """Return the parameters that a notebook file declares, in order.

    Raises FileNotFoundError for a missing file, and :class:`ParameterError` unless the file is a notebook with exactly
    one cell tagged ``parameters``, whose lines have one of the four types, a literal default of that type, and a meaning.
    """
    if not os.path.isfile(notebook):
        raise FileNotFoundError(f"there is no notebook {notebook}")
    try:
        cells = files.read_json(notebook)["cells"]
        tagged = sum("parameters" in cell["metadata"].get("tags", ()) for cell in cells)
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise ParameterError(f"{notebook} is no notebook: {error}") from None
    if tagged != 1:
        raise ParameterError(f"the notebook has {tagged} cells tagged 'parameters'; exactly one code cell is needed")
    return {name: _read(line) for name, line in papermill.inspect_notebook(literal(notebook)).items()}


def literal(path: str | os.PathLike) -> str:
    """Return a path that papermill, which fills in {names}, leaves as it is."""
    return os.fspath(path).replace("{", "{{").replace("}", "}}")


def _read(line: dict[str, str]) -> Parameter:
    name, kind, written = line["name"], line["inferred_type_name"], line["default"]
    if kind not in _TYPES:
        raise ParameterError(f"the parameter {name} has the type {kind}; allowed: {', '.join(_TYPES)}")
    if not line["help"]:
        raise ParameterError(f"the parameter {name} has no meaning; end its line with '# what it is, unit, range'")
    try:
        default = ast.literal_eval(written)
    except (ValueError, SyntaxError):
        raise ParameterError(
            f"{name} has the default {written}; write a literal, and derive values in the next cell"
        ) from None
    return Parameter(name, kind, _fit(name, kind, default), line["help"])


def checked(values: dict[str, Any], known: dict[str, Parameter]) -> dict[str, Any]:
    """Return the given values, each known and of its declared type (an int for a float becomes one).

    Raises :class:`ParameterError` for an unknown name (the nearest is suggested) or a value of another type.
    """
    for name in values:
        if name not in known:
            allowed = ", ".join(known) or "none"
            raise ParameterError(
                f"the notebook has no parameter {name!r}; it has: {allowed}{checks.nearest(name.upper(), known)}"
            )
    return {name: _fit(name, known[name].type, value) for name, value in values.items()}


def _fit(name: str, kind: str, value: Any) -> Any:
    if kind == "float" and type(value) is int:
        return float(value)
    if type(value) is not _TYPES[kind]:
        raise ParameterError(f"{name} is {value!r} ({type(value).__name__}); allowed: {kind}; {_ADVICE[kind]}")
    return value

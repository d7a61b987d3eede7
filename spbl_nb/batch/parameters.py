"""The parameters cell of a notebook: what it declares, and whether given values fit.

Papermill only warns of a parameter that a notebook does not know, and passes a value of any type. Here the one cell
tagged ``parameters`` is read as a declaration, one ``NAME: type = default  # meaning`` a line, and every given value is
checked against it before a kernel starts.

Taught in: notebooks/00_start_here.
"""

import ast
import io
import os
import tokenize
from dataclasses import dataclass
from typing import Any

from spbl_nb import checks, files

TAG = "parameters"
_SCALARS = {"int": int, "float": float, "str": str, "bool": bool}
_FORM = "NAME: type = default  # meaning"


class ParameterError(ValueError):
    """A notebook's parameters cell is not as it should be, or a given value does not fit it."""


@dataclass(frozen=True)
class Kind:
    """A parameter's type: one of int, float, str, bool; a list of these; either of them possibly None."""

    scalar: str
    is_list: bool = False
    optional: bool = False

    def __str__(self) -> str:
        text = f"list[{self.scalar}]" if self.is_list else self.scalar
        return f"{text} | None" if self.optional else text


@dataclass(frozen=True)
class Parameter:
    """One line of a parameters cell."""

    name: str
    kind: Kind
    default: Any
    meaning: str


def declared(notebook: dict[str, Any]) -> dict[str, Parameter]:
    """Return the parameters that a notebook (as read by nbformat) declares, in order.

    Raises :class:`ParameterError` unless exactly one code cell carries the tag ``parameters`` and each of its lines has
    the form ``NAME: type = default  # meaning`` with a literal default of that type.
    """
    try:
        tagged = [
            (index, cell["cell_type"], "".join(cell["source"]))
            for index, cell in enumerate(notebook["cells"])
            if TAG in cell.get("metadata", {}).get("tags", ())
        ]
    except (TypeError, LookupError, AttributeError, ValueError) as error:
        raise ParameterError(f"it is no notebook, which has cells with type, source and metadata: {error!r}") from None
    if len(tagged) != 1 or tagged[0][1] != "code":
        where = f" (cells {', '.join(str(index) for index, *_ in tagged)})" if tagged else ""
        raise ParameterError(
            f"the notebook has {len(tagged)} cells tagged {TAG!r}{where}; exactly one code cell is needed"
        )
    return read_cell(tagged[0][2])


def of_file(notebook: str | os.PathLike) -> dict[str, Parameter]:
    """Return the parameters that a notebook file declares; see :func:`declared`."""
    return declared(files.read_json(notebook))


def read_cell(source: str) -> dict[str, Parameter]:
    """Return the parameters declared by the source of a parameters cell; see :func:`declared`."""
    checks.instance("source", source, str)
    try:
        statements = ast.parse(source).body
        comments = _comments(source)
    except (SyntaxError, tokenize.TokenError, ValueError, RecursionError, MemoryError) as error:
        raise ParameterError(f"the parameters cell is no Python: {error}") from None
    parameters: dict[str, Parameter] = {}
    for statement in statements:
        parameter = _read_line(statement, comments.get(statement.end_lineno or 0, ""))
        if parameter.name in parameters:
            raise ParameterError(f"the parameters cell declares {parameter.name} twice; once is enough")
        parameters[parameter.name] = parameter
    return parameters


def _comments(source: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {token.start[0]: token.string.lstrip("# ").strip() for token in tokens if token.type == tokenize.COMMENT}


def _read_line(statement: ast.stmt, meaning: str) -> Parameter:
    line = ast.unparse(statement)
    if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name) or not statement.value:
        raise ParameterError(f"the parameters cell has the line {line!r}; each line must read {_FORM!r}")
    name = statement.target.id
    if name != name.upper():
        raise ParameterError(f"the parameter {name} is not in capitals; write {name.upper()}")
    if not meaning:
        raise ParameterError(f"the parameter {name} has no meaning; end its line with '# what it is, unit, range'")
    kind = _kind(name, statement.annotation)
    try:
        default = ast.literal_eval(statement.value)
    except ValueError:
        value = ast.unparse(statement.value)
        raise ParameterError(
            f"{name} has the default {value}; write a literal, and derive values in the next cell"
        ) from None
    return Parameter(name, kind, fit(name, kind, default), meaning)


def _kind(name: str, annotation: ast.expr) -> Kind:
    """Read a type: int, float, str, bool, list[one of these], and each of them ``| None``."""
    wanted, optional, is_list = annotation, False, False
    if isinstance(wanted, ast.BinOp) and isinstance(wanted.op, ast.BitOr) and ast.unparse(wanted.right) == "None":
        wanted, optional = wanted.left, True
    if isinstance(wanted, ast.Subscript) and ast.unparse(wanted.value) == "list":
        wanted, is_list = wanted.slice, True
    scalar = ast.unparse(wanted)
    if scalar not in _SCALARS:
        raise ParameterError(
            f"the parameter {name} has the type {ast.unparse(annotation)}; allowed: {', '.join(_SCALARS)}, list[…] of one "
            "of these, and each with '| None'"
        )
    return Kind(scalar, is_list, optional)


def checked(parameters: dict[str, Any], known: dict[str, Parameter]) -> dict[str, Any]:
    """Return the given values, each known and of its declared type (an int for a float becomes one).

    Raises :class:`ParameterError` for an unknown name (the nearest is suggested) or a value of another type.
    """
    checks.instance("parameters", parameters, dict)
    for name in parameters:
        if not isinstance(name, str) or name not in known:
            allowed = ", ".join(known) or "none"
            raise ParameterError(
                f"the notebook has no parameter {name!r}; it has: {allowed}{checks.nearest(str(name).upper(), known)}"
            )
    return {name: fit(name, known[name].kind, value) for name, value in parameters.items()}


def fit(name: str, kind: Kind, value: Any) -> Any:
    """Return ``value`` if it is of this kind, an int as float where a float is wanted.

    Raises :class:`ParameterError` saying what was found, what is allowed and how to write it.
    """
    if value is None and kind.optional:
        return None
    if not kind.is_list:
        return _fit_scalar(name, kind, value)
    if not isinstance(value, (list, tuple)):
        raise ParameterError(
            f"{name} is {value!r} ({type(value).__name__}); allowed: {kind}. papermill's -p passes a list as text: "
            f"use -y '{name}: [first, second]'"
        )
    return [_fit_scalar(f"{name}[{index}]", Kind(kind.scalar), item) for index, item in enumerate(value)]


def _fit_scalar(name: str, kind: Kind, value: Any) -> Any:
    wanted = _SCALARS[kind.scalar]
    if type(value) is wanted:
        return value
    if wanted is float and type(value) is int:
        return checks.real(name, value)
    raise ParameterError(f"{name} is {value!r} ({type(value).__name__}); allowed: {kind}{_advice(wanted, value)}")


def _advice(wanted: type, value: Any) -> str:
    """Say how to write a value that was meant well but arrived as another type."""
    if isinstance(value, str) and wanted is float:
        try:
            number = float(value)
        except ValueError:
            return ""
        if "e" not in value.lower():
            return f". Write {number!r}, without quotes"
        mantissa, _, exponent = f"{number:e}".partition("e")
        return f". YAML reads {value} as text: write {float(mantissa)!r}e{int(exponent):+d}, without quotes"
    if isinstance(value, str) and wanted is int and value.strip().lstrip("+-").isdigit():
        return f". Write {int(value)}, without quotes"
    if isinstance(value, str) and wanted is bool:
        return ". Write true or false in YAML, True or False in Python, without quotes"
    if isinstance(value, bool) and wanted is str:
        return ". YAML reads yes, no, on, off, true and false as switches: put the text in quotes"
    if isinstance(value, (int, float)) and wanted is str:
        return ". Put the text in quotes"
    return ""

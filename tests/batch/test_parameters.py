"""The parameters cell as papermill reads it, and given values against it."""

import pytest
import tiny_notebooks as tiny
import yaml

from spbl_nb.batch import parameters

CELL = """\
PRESET: str = "fast"  # preset: smoke, fast, full
LR: float = 1  # learning rate, above 0
SEED: int = 0  # seed of everything random
INTERACTIVE: bool = False  # live controls
"""


@pytest.fixture
def known(tmp_path):
    return parameters.declared(tiny.write(tmp_path / "a {b}.ipynb", parameters=CELL))


def test_a_cell_is_read(known):
    assert [(p.name, p.type, p.default) for p in known.values()] == [
        ("PRESET", "str", "fast"),
        ("LR", "float", 1.0),
        ("SEED", "int", 0),
        ("INTERACTIVE", "bool", False),
    ]
    assert isinstance(known["LR"].default, float)
    assert known["SEED"].meaning == "seed of everything random"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ((), "has 0 cells tagged 'parameters'.*exactly one"),
        ((CELL, CELL), "has 2 cells tagged 'parameters'.*exactly one"),
        ("A = 1  # one", "has the type None; allowed: int, float, str, bool"),
        ("A: int = B  # one", "write a literal, and derive values in the next cell"),
        ("A: int = 'one'  # one", r"A is 'one' \(str\); allowed: int"),
        ("A: int = 1", "A has no meaning"),
    ],
)
def test_cells_of_another_form_are_refused(tmp_path, cells, message):
    with pytest.raises(parameters.ParameterError, match=message):
        parameters.declared(tiny.write(tmp_path / "x.ipynb", parameters=cells))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "fast"}, "no parameter 'preset'.*did you mean 'PRESET'"),
        ({"LR": "1e-3"}, r"LR is '1e-3' \(str\); allowed: float; write a number such as 0.001 or 1.0e-3 without quotes"),
        ({"SEED": 1.0}, r"SEED is 1.0 \(float\); allowed: int"),
        ({"SEED": True}, r"SEED is True \(bool\); allowed: int"),
        ({"INTERACTIVE": "true"}, r"INTERACTIVE is 'true' \(str\); allowed: bool; write true or false in YAML"),
        ({"PRESET": False}, "YAML reads yes, no, on and off"),
    ],
)  # fmt: skip
def test_values_that_do_not_fit_are_refused(known, given, message):
    with pytest.raises(parameters.ParameterError, match=message):
        parameters.checked(given, known)


def test_values_that_fit_come_back_typed(known):
    fitted = parameters.checked({"LR": 2, "SEED": 3, "INTERACTIVE": True, "PRESET": ""}, known)
    assert fitted == {"LR": 2.0, "SEED": 3, "INTERACTIVE": True, "PRESET": ""}
    assert isinstance(fitted["LR"], float)


def test_the_advice_is_what_yaml_reads():
    """What the messages tell people to write must not be text to YAML again."""
    assert yaml.safe_load("1e-3") == "1e-3"
    assert yaml.safe_load("[0.001, 1.0e-3, no, true]") == [0.001, 0.001, False, True]

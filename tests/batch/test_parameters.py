"""The parameters cell as a declaration, and given values against it."""

import pytest

from spbl_nb.batch import parameters

CELL = """\
PRESET: str = "fast"  # preset: smoke, fast, full
LR: float = 1  # learning rate, above 0
SEED: int = 0  # seed of everything random
INTERACTIVE: bool = False  # live controls
SEEDS: list[int] = [
    0,
    1,
]  # seeds of the grid
SHARES: list[float] | None = None  # shares of the training, 0 to 1
ROOT: str | None = None  # folder of the data
"""


def notebook(*sources, tag="parameters"):
    """A notebook of tagged code cells, as JSON would give it."""
    return {"cells": [{"cell_type": "code", "metadata": {"tags": [tag]}, "source": source} for source in sources]}


def test_a_cell_is_read():
    known = parameters.read_cell(CELL)
    assert list(known) == ["PRESET", "LR", "SEED", "INTERACTIVE", "SEEDS", "SHARES", "ROOT"]
    assert [str(known[name].kind) for name in known] == [
        "str", "float", "int", "bool", "list[int]", "list[float] | None", "str | None"
    ]  # fmt: skip
    assert known["LR"].default == 1.0
    assert isinstance(known["LR"].default, float)
    assert known["SEEDS"].meaning == "seeds of the grid"


def test_the_source_may_be_a_list_of_lines():
    assert list(parameters.declared(notebook(["A: int = 1  # one\n", "B: int = 2  # two"]))) == ["A", "B"]


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_cell_carries_the_tag(count):
    with pytest.raises(parameters.ParameterError, match=f"has {count} cells tagged 'parameters'.*exactly one"):
        parameters.declared(notebook(*["A: int = 1  # one"] * count))


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("A = 1  # one", "each line must read 'NAME: type = default"),
        ("A: int = 1", "A has no meaning"),
        ("a: int = 1  # one", "not in capitals; write A"),
        ("A: int = B  # one", "write a literal, and derive values in the next cell"),
        ("A: dict = {}  # one", "has the type dict; allowed: int, float"),
        ("A: list = []  # one", "has the type list"),
        ("A: int = 'one'  # one", r"A is 'one' \(str\); allowed: int"),
        ("A: int = None  # one", r"A is None \(NoneType\); allowed: int"),
        ("A: int = 1  # one\nA: int = 2  # two", "declares A twice"),
        ("print(1)  # one", "each line must read"),
        ("A: int = (  # one", "is no Python"),
    ],
)
def test_lines_of_another_form_are_refused(line, message):
    with pytest.raises(parameters.ParameterError, match=message):
        parameters.read_cell(line)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"PRESSET": "fast"}, "no parameter 'PRESSET'.*did you mean 'PRESET'"),
        ({"preset": "fast"}, "did you mean 'PRESET'"),
        ({"LR": "1e-3"}, r"LR is '1e-3' \(str\); allowed: float. YAML reads 1e-3 as text: write 1.0e-3, without"),
        ({"LR": "2.5e4"}, r"write 2.5e\+4, without"),
        ({"LR": "0.1"}, "Write 0.1, without quotes"),
        ({"LR": "fast"}, r"LR is 'fast' \(str\); allowed: float$"),
        ({"LR": True}, r"LR is True \(bool\)"),
        ({"SEED": True}, r"SEED is True \(bool\); allowed: int"),
        ({"SEED": 1.0}, r"SEED is 1.0 \(float\); allowed: int"),
        ({"SEED": "007"}, "Write 7, without quotes"),
        ({"INTERACTIVE": "true"}, r"INTERACTIVE is 'true' \(str\); allowed: bool. Write true or false in YAML"),
        ({"INTERACTIVE": 1}, r"INTERACTIVE is 1 \(int\)"),
        ({"PRESET": False}, "YAML reads yes, no, on, off"),
        ({"PRESET": 7}, "Put the text in quotes"),
        ({"PRESET": None}, r"PRESET is None \(NoneType\)"),
        ({"SEEDS": "[1,2]"}, r"SEEDS is '\[1,2\]' \(str\).*use -y"),
        ({"SEEDS": [1, 2.5]}, r"SEEDS\[1\] is 2.5 \(float\)"),
        ({"SEEDS": None}, "SEEDS is None"),
        ({"SHARES": [0.5, "1e-3"]}, r"SHARES\[1\].*write 1.0e-3"),
    ],
)
def test_values_that_do_not_fit_are_refused(given, message):
    with pytest.raises(parameters.ParameterError, match=message):
        parameters.checked(given, parameters.read_cell(CELL))


def test_values_that_fit_come_back_typed():
    given = {"LR": 2, "SEED": 3, "INTERACTIVE": True, "SEEDS": (4,), "SHARES": [1, 0.5], "ROOT": None, "PRESET": ""}
    fitted = parameters.checked(given, parameters.read_cell(CELL))
    assert fitted == {
        "LR": 2.0, "SEED": 3, "INTERACTIVE": True, "SEEDS": [4], "SHARES": [1.0, 0.5], "ROOT": None, "PRESET": ""
    }  # fmt: skip
    assert isinstance(fitted["LR"], float)
    assert isinstance(fitted["SHARES"][0], float)


@pytest.mark.parametrize("written", ["1.0e-3", "2.5e+4", "0.1", "7"])
def test_the_advice_is_what_yaml_reads_as_a_number(written):
    """What the messages tell people to write must not be text to YAML again."""
    import yaml

    assert isinstance(yaml.safe_load(written), (int, float))


def test_yaml_reads_what_the_messages_say():
    import yaml

    assert yaml.safe_load("1e-3") == "1e-3"
    assert yaml.safe_load("no") is False

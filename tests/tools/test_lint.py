"""The notebook lint: the committed series is clean, and each kind of fault is found."""

import json

import pytest
import tiny_notebooks

from spbl_nb import places
from tools import lint, series, size


def test_the_committed_notebooks_have_no_faults():
    assert [fault for one in series.read_series(places.notebooks_dir()).values() for fault in lint.faults(one)] == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"parameters"', '"other"', "exactly one code cell"),
        ("N: int = 1", "N: int = 'one'", "N"),
        ('"name": "python3"', '"name": "mine"', "kernelspec"),
        ("A notebook", "![](x.png) A notebook", "describe the image x.png"),
        ("A notebook", "[there](98_other.ipynb) A notebook", "leads nowhere"),
        ("A notebook", "[there](#3.-Nothing) A notebook", "has no heading #3.-Nothing"),
        ("print(N)", "open('/home/me/x')", "an absolute path (/home/…)"),
        (
            '"outputs": []',
            '"outputs": [{"output_type": "error", "ename": "E", "evalue": "bad", "traceback": []}]',
            "an error",
        ),
    ],
)
def test_a_fault_is_found(tmp_path, old, new, expected):
    path = tiny_notebooks.write(tmp_path / "99_tiny.ipynb", "print(N)")
    assert list(lint.faults(series.read(path))) == []
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    found = list(lint.faults(series.read(path)))
    assert any(expected in fault for fault in found), found


def test_the_command_names_the_nearest_notebook(tmp_path):
    tiny_notebooks.write(tmp_path / "08_experiment.ipynb", "1")
    assert lint.main(["08_experiment", "--notebooks", str(tmp_path)]) == 0
    with pytest.raises(ValueError, match="did you mean '08_experiment'"):
        lint.main(["08_experimnt", "--notebooks", str(tmp_path)])


def test_words_are_those_of_the_rendered_text():
    text = "# Two words\n\n```bash\npip install\n```\n| a | b |\n|---|---|\n[link](https://x.org/y) <!-- no --> https://z.org"
    assert size.words(text) == 5


def test_size_counts_long_functions_and_parameters(tmp_path):
    for name in ("spbl_nb", "tools", "tests"):
        (tmp_path / name).mkdir()
    (tmp_path / "README.md").write_text("one two", encoding="utf-8")
    body = "\n".join("    pass" for _ in range(70))
    (tmp_path / "spbl_nb" / "a.py").write_text(f"def f(a, b, c, d, e, f, g, h, *, i):\n{body}\n", encoding="utf-8")
    found = {what: measured for what, measured, _ in size.table(tmp_path)}
    assert found["lines of spbl_nb/"] == 71
    assert found["functions longer than 60 lines"] == found["functions with more than 8 parameters"] == 1
    assert json.dumps(found)

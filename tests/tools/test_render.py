"""Committed pages: what is kept of an execution, and when a page is stale."""

import contextlib
import io
import json
import shutil

import pytest
import tiny_notebooks

from spbl_nb import places
from tools import readme, render, series

OPENING = "# 01 Tiny\n\nA promise.\n\n| you will learn | you need |\n|---|---|\n| little | about 30 seconds |"
CODE = """
from IPython.display import display
from spbl_nb.explorers.base import Explorer, Slider

class Dot(Explorer):
    title, size = "A dot", (3, 2)
    controls = (Slider("value", "Value (v)", 0.0, 1.0, 0.25, 0.5, "From 0 to 1"),)
    presets = {"low": {"value": 0.25}}

    def build(self, figure):
        axes = figure.subplots()
        axes.set(xlim=(0, 1), ylim=(0, 1))
        (self.point,) = axes.plot([0.5], [0.5], "o")
        return [self.point]

    def update(self, value):
        self.point.set_xdata([value])
        return f"v = {value:g}"
"""
SHOW = """
from pathlib import Path
from tqdm.auto import tqdm
for _ in tqdm(range(2)): pass
print(Path(RUNS_DIR) / 'fast')
Dot().show(interactive=INTERACTIVE)
"""
PARAMETERS = 'PRESET: str = "fast"  # size\nINTERACTIVE: bool = True  # live\nRUNS_DIR: str = ""  # folder'


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A rendered chapter beside one that fails: (its file, its text before, what went wrong, what was said)."""
    folder = tmp_path_factory.mktemp("series") / "notebooks"
    tiny_notebooks.write(folder / "08_experiment.ipynb", "1 + 1", parameters=PARAMETERS)
    path = tiny_notebooks.write(folder / "01_tiny.ipynb", CODE, SHOW, parameters=PARAMETERS, title=OPENING)
    tiny_notebooks.write(folder / "02_warns.ipynb", "import warnings", "warnings.warn('look here')")
    before = path.read_text(encoding="utf-8")
    with contextlib.redirect_stdout(io.StringIO()) as said:
        problems = render.render(["01_tiny", "02_warns"], folder, folder, 1)
    return path, before, problems, said.getvalue()


def _content(path):
    return json.loads(path.read_text(encoding="utf-8"))


def _outputs(path):
    return [output for cell in _content(path)["cells"] for output in cell.get("outputs", ())]


def test_outputs_are_kept_as_a_reader_sees_them(rendered):
    path, _, problems, _ = rendered
    assert [problem[:8] for problem in problems] == ["02_warns"]
    printed, live, title, preset = _outputs(path)
    assert printed["text"] == ["runs/fast\n"]
    assert title["data"]["text/markdown"] == ["**A dot: low.** v = 0.25"]
    assert preset["metadata"] == {"image/png": {"alt": "A dot, low: v = 0.25"}}
    assert live["metadata"] == {"image/png": {"alt": "A dot: v = 0.5"}}
    assert set(live["data"]) == {"image/png", "text/plain"}


def test_nothing_of_the_execution_stays(rendered):
    path, before, *_ = rendered
    content, source = _content(path), json.loads(before)
    assert set(content["metadata"]) == {"kernelspec", "spbl_nb"}
    assert [cell["execution_count"] for cell in content["cells"][1:]] == [1, 2, 3]
    for new, old in zip(content["cells"], source["cells"], strict=True):
        assert new["metadata"] == old["metadata"]
        if new["id"] != source["cells"][0]["id"]:
            assert new["source"] == old["source"]
    text = path.read_text(encoding="utf-8")
    assert "widget-view" not in text
    assert "papermill" not in text
    assert "/tmp" not in text


def test_the_time_it_took_is_told_in_the_page_and_in_the_file(rendered):
    path = rendered[0]
    took = _content(path)["metadata"]["spbl_nb"]["seconds"]
    assert 0 < took < 100
    assert readme.duration(took) in "".join(_content(path)["cells"][0]["source"])


def test_a_second_rendering_gives_the_same_outputs(rendered, tmp_path):
    path = rendered[0]
    shutil.copytree(path.parent, tmp_path / "notebooks")
    again = tmp_path / "notebooks" / path.name
    assert render.render(["01_tiny"], again.parent, again.parent, 1) == []
    assert _outputs(again) == _outputs(path)


def _copy(rendered, folder, old="", new=""):
    """Copy the rendered chapter, a text in it replaced, and return it as read."""
    text = rendered[0].read_text(encoding="utf-8")
    assert old in text
    (folder / "01_tiny.ipynb").write_text(text.replace(old, new, 1), encoding="utf-8")
    return series.read(folder / "01_tiny.ipynb")


def test_a_page_just_rendered_is_in_order(rendered, tmp_path):
    assert render.faults(_copy(rendered, tmp_path)) == []


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('\\"From 0 to 1\\"', '\\"From 0\\"', "is stale"),
        ("A promise.", "Another promise.", "is stale"),
        ('"execution_count": 2', '"execution_count": 7', "not executed from top to bottom"),
        ('"alt": "A dot: v = 0.5"', '"alt": " "', "an image without a description"),
        ('"name": "stdout"', '"name": "stderr"', "standard error"),
        ('"runs/fast', '"/root/runs/fast', "a path of this machine (/root/…)"),
        ('"image/png": "iVBOR', '"application/vnd.jupyter.widget-view+json": "', "stores a widget"),
        ('"spbl_nb": {', '"other": {', "holds no outputs of a rendering"),
        ("A dot: v = 0.5", "A dot: v = 0.5" + 400_000 * "!", "allowed: 400"),
    ],
)
def test_what_must_not_be_committed_is_told_with_the_command(rendered, tmp_path, old, new, expected):
    told = render.faults(_copy(rendered, tmp_path, old, new))
    assert any(expected in one for one in told), told
    assert expected == "allowed: 400" or any("run 'python -m tools.render 01_tiny'" in one for one in told)


def test_the_time_in_the_table_makes_no_page_stale(rendered, tmp_path):
    text = rendered[0].read_text(encoding="utf-8")
    (said,) = readme.MEASURED.findall(text)
    assert render.faults(_copy(rendered, tmp_path, said, "about 3 minutes")) == []


def test_a_notebook_that_fails_keeps_what_stands_in_it(rendered):
    path, _, _, said = rendered
    assert "FAILED 02_warns: cell [3] writes an error or to standard error" in said
    assert "sha256" not in (path.parent / "02_warns.ipynb").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("source", "same"),
    [
        ('"""Better words."""\n\nx = 1  # why\n\n', True),
        ("x = 2", False),
        ("x = '#1'", False),
        ('x = 1\n"""No docstring."""', False),
    ],
)
def test_code_counts_and_words_do_not(tmp_path, source, same):
    path = tmp_path / "module.py"
    path.write_text("x = 1", encoding="utf-8")
    before = render.bare_source(path)
    path.write_text(source, encoding="utf-8")
    render.bare_source.cache_clear()
    assert (render.bare_source(path) == before) is same


def test_a_page_depends_on_what_its_modules_import(tmp_path, monkeypatch):
    """A change in a module that is imported through another makes the page stale, one elsewhere does not."""
    package = tmp_path / "spbl_nb"
    files = {
        "__init__": "",
        "room/__init__": "",
        "room/first": "from spbl_nb.room import second",
        "room/second": "x = 1",
    }
    for name, source in (files | {"apart": "y = 1"}).items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / f"{name}.py").write_text(source, encoding="utf-8")
    monkeypatch.setattr(places, "PACKAGE", package)
    notebook = series.read(tiny_notebooks.write(tmp_path / "01_tiny.ipynb", "from spbl_nb.room.first import anything"))

    def changed(name):
        before = render.fingerprint(notebook)
        (package / f"{name}.py").write_text("z = 3", encoding="utf-8")
        render.bare_source.cache_clear()
        return render.fingerprint(notebook) != before

    assert not changed("apart")
    assert changed("room/second")


@pytest.mark.parametrize(
    ("measured", "words"),
    [(0.4, "about 5 seconds"), (42.0, "about 40 seconds"), (114.0, "about 115 seconds"), (300.0, "about 5 minutes")],
)
def test_seconds_in_words(measured, words):
    assert readme.duration(measured) == words
    assert readme.MEASURED.fullmatch(words)


def test_the_report_is_not_rendered_without_runs(tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        render.main(["09_reproduction_report", "--runs-dir", str(tmp_path)])
    assert "make them with 'spbl-nb reproduce --no-notebooks'" in capsys.readouterr().err


def test_the_command_checks(rendered, capsys):
    folder = str(rendered[0].parent)
    assert render.main(["--check", "01_tiny", "--notebooks", folder]) == 0
    assert render.main(["--check", "--notebooks", folder]) == 1
    assert "08_experiment.ipynb holds no outputs of a rendering" in capsys.readouterr().out


def test_the_committed_pages_show_the_present_notebooks_and_library():
    """Where this fails, the message says which command renews a page."""
    assert [what for one in series.read_series(places.notebooks_dir()).values() for what in render.faults(one)] == []

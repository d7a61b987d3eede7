"""The book: pages of executed notebooks that need no network, with formulas, described pictures and a way on."""

import json
import re

import pytest
from bs4 import BeautifulSoup
from tiny_series import write_series

from tools import book

pytest.importorskip("myst_nb", reason="the extra 'book' is not installed")


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """The book of two notebooks: (its folder, the warnings)."""
    folder = tmp_path_factory.mktemp("notebooks")
    page, warnings = book.build(tmp_path_factory.mktemp("site") / "book", write_series(folder))
    return page.parent, warnings


@pytest.fixture(scope="module")
def lesson(built):
    """The page of the lesson."""
    return BeautifulSoup((built[0] / "01_lesson.html").read_text(encoding="utf-8"), "html.parser")


def test_nothing_is_wrong_and_nothing_is_left_beside_it(built):
    folder, warnings = built
    assert warnings == []
    assert [path.name for path in folder.parent.iterdir()] == ["book"]


def test_nothing_is_fetched(built):
    for path in [*built[0].rglob("*.html"), *built[0].rglob("*.css")]:
        text = path.read_text(encoding="utf-8")
        assert not re.search(r"""<(script|img|link|iframe)[^>]+(src|href)=["'](https?:)?//""", text), path.name
        assert not re.search(r"url\(\s*['\"]?(https?:)?//|@import", text), path.name


def test_a_picture_keeps_its_description(lesson):
    assert [picture["alt"] for picture in lesson.find("article").find_all("img")] == ['a "rising" line']


def test_formulas_are_mathml(lesson):
    assert [formula.get("display") for formula in lesson.find_all("math")] == ["inline", "block"]
    assert lesson.find("math", display="block").find("mtr").find("mfrac")
    assert not lesson.find_all("script", src=re.compile("mathjax", re.I))


def test_links_lead_to_pages_and_sections(built, lesson):
    links = [link["href"] for link in lesson.find("article").find_all("a", class_="reference")]
    assert "08_experiment.html" in links
    (section,) = [link for link in links if link.startswith("#")]
    assert "2. Second" in lesson.find(id=section[1:]).text
    for page in built[0].glob("*.html"):
        for link in BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser").find_all("a", href=True):
            file = link["href"].partition("#")[0]
            assert not file or file.startswith("http") or (built[0] / file).exists(), f"{page.name}: {link['href']}"


def test_the_way_on_and_the_search(built, lesson):
    assert lesson.find("a", class_="next-page")["href"] == "08_experiment.html"
    assert "promis" in (built[0] / "searchindex.js").read_text(encoding="utf-8")
    assert (built[0] / "search.html").is_file()
    first = BeautifulSoup((built[0] / "index.html").read_text(encoding="utf-8"), "html.parser")
    assert first.find("article").find("a", href="01_lesson.html").text == "01 Lesson"


def test_a_second_book_takes_the_place_of_the_first_and_of_nothing_else(built, tmp_path, capsys):
    folder = tmp_path / "notebooks"
    folder.mkdir()
    write_series(folder)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("dear", encoding="utf-8")
    command = ["--notebooks", str(folder), "--out"]
    with pytest.raises(SystemExit, match="2"):
        book.main([*command, str(tmp_path / "mine")])
    assert "holds something that is no book" in capsys.readouterr().err
    assert (tmp_path / "mine" / "letter.txt").is_file()
    (tmp_path / "book").mkdir()
    (tmp_path / "book" / "searchindex.js").touch()
    assert book.main([*command, str(tmp_path / "book")]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == str(tmp_path / "book" / "index.html")


def test_a_notebook_without_outputs_is_named(tmp_path):
    folder = write_series(tmp_path)
    content = json.loads((folder / "08_experiment.ipynb").read_text(encoding="utf-8"))
    content["cells"][1]["outputs"] = []
    (folder / "08_experiment.ipynb").write_text(json.dumps(content), encoding="utf-8")
    _, notes = book.build(tmp_path / "book", folder)
    assert notes == ["08_experiment holds no outputs; run 'python -m tools.render 08_experiment' first"]

"""The book and the HTML pages in a real browser: readable for everybody, on a desk and on a phone, with no network."""

import axe
import pytest
from tiny_series import write_series

from spbl_nb.batch import page as html_pages
from tools import book

pytestmark = [pytest.mark.browser, pytest.mark.slow]
BOOK = ("index.html", "01_lesson.html", "search.html")
VIEWS = [(1280, "light"), (1280, "dark"), (390, "light"), (390, "dark")]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """A book of two notebooks, and the HTML pages of the same in its folder."""
    notebooks = tmp_path_factory.mktemp("notebooks")
    page, _ = book.build(tmp_path_factory.mktemp("site") / "book", write_series(notebooks))
    folder = page.parent
    html_pages.to_html(notebooks / "01_lesson.ipynb", folder / "page.html", watermark="smoke: no result")
    (folder / "runs" / "fast" / "report").mkdir(parents=True)
    (folder / "runs" / "fast" / "report" / "report.html").touch()
    html_pages.write_index(folder / "runs", "results.csv")
    return folder


@pytest.mark.parametrize(("width", "scheme"), VIEWS)
def test_everybody_can_read_the_book(site, open_page, width, scheme):
    for name in BOOK:
        page = open_page(site / name, width=width, scheme=scheme)
        assert axe.violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} must be moved sideways"
        assert not page.asked


@pytest.mark.parametrize("width", [1280, 390])
def test_everybody_can_read_the_pages_of_runs(site, open_page, width):
    for name in ("page.html", "runs/index.html"):
        page = open_page(site / name, width=width)
        assert axe.violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} must be moved sideways"
        assert not page.asked


def test_a_word_is_found_without_a_network(site, open_page):
    page = open_page(site / "01_lesson.html")
    page.get_by_role("textbox", name="Search").fill("promise")
    page.keyboard.press("Enter")
    page.get_by_role("link", name="01 Lesson: a title").first.wait_for()
    assert not page.asked


def test_dark_mode_is_a_key_away(site, open_page):
    page = open_page(site / "01_lesson.html")
    shade = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(shade)
    button = page.get_by_role("button", name="Toggle Light / Dark / Auto color theme").locator("visible=true")
    button.focus()
    for _ in range(3):
        page.keyboard.press("Enter")
        if page.evaluate(shade) != light:
            break
    assert page.evaluate(shade) != light


def test_axe_finds_what_it_is_there_for(tmp_path, open_page):
    bad = '<html><body style="color:#999;background:#aaa"><img src="x.png"><button></button>text</body></html>'
    (tmp_path / "bad.html").write_text(bad, encoding="utf-8")
    found = {one.split(":")[0] for one in axe.violations(open_page(tmp_path / "bad.html"))}
    assert {"image-alt", "button-name", "color-contrast", "html-has-lang"} <= found

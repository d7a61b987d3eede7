"""Pages that need no network: formulas, pictures with their alternative text, widgets."""

import html
import re

import nbformat
import pytest
from nbformat import v4

from spbl_nb.batch import page as html_pages

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WIDGET = "application/vnd.jupyter.widget-view+json"
STATE = "application/vnd.jupyter.widget-state+json"


@pytest.fixture
def page(tmp_path):
    """Return a function that writes cells as a notebook and gives its page as text."""

    def write(*cells, **options):
        notebook = v4.new_notebook(cells=list(cells), metadata={"widgets": {STATE: {"state": {"1": {}}}}})
        nbformat.write(notebook, tmp_path / "in.ipynb")
        html_pages.to_html(tmp_path / "in.ipynb", tmp_path / "out.html", **options)
        return (tmp_path / "out.html").read_text(encoding="utf-8")

    return write


def output(data, **metadata):
    """A code cell with one output."""
    return v4.new_code_cell("show()", outputs=[v4.new_output("display_data", data, metadata=metadata)])


def test_nothing_is_fetched(page):
    text = page(v4.new_markdown_cell("# Title\n$x$"), output({WIDGET: {"model_id": "1"}, "text/plain": "slider"}))
    assert "<script" not in text
    assert "@import" not in text
    assert not re.search(r"""(src|href)=["']?https?:""", text)
    assert not re.search(r"url\(\s*['\"]?https?:", text)


@pytest.mark.parametrize("metadata", [{"alt": 'a "rising" line'}, {"image/png": {"alt": 'a "rising" line'}}])
def test_the_alternative_text_reaches_the_picture(page, metadata):
    from bs4 import BeautifulSoup

    text = page(output({"image/png": PIXEL, "text/plain": "Figure"}, **metadata))
    (picture,) = BeautifulSoup(text, "html.parser").find_all("img")
    assert picture["alt"] == 'a "rising" line'


def test_a_picture_goes_before_the_widget_and_a_widget_alone_is_named(page):
    both = page(output({WIDGET: {"model_id": "1"}, "image/png": PIXEL, "text/plain": "Explorer()"}, alt="sizes"))
    assert "data:image/png" in both
    assert "interactive control" not in both
    alone = page(output({WIDGET: {"model_id": "1"}, "text/plain": "IntSlider()"}))
    assert "interactive control stands here" in alone


def test_formulas_become_mathml(page):
    text = page(
        v4.new_markdown_cell("# The loss $l_i$\nCosts \\$5 and `$code$`.\n$$\\frac{a}{b}$$\n"),
        v4.new_markdown_cell("\\begin{align}\na &= b\\\\c &= d\n\\end{align}"),
        output({"text/latex": "$\\displaystyle E = 3$", "text/plain": "E"}),
    )
    assert text.count("<math") == 4
    assert text.count('<math display="block"') == 2
    assert "<mfrac>" in text
    assert "<msub><mi>l</mi><mi>i</mi></msub>" in text
    assert "$code$" in text
    assert "$5" in text
    assert "<mi>\\c</mi>" not in text


def test_title_and_watermark(page):
    text = page(v4.new_markdown_cell("# 08 Experiment with `ce`\nwords"), watermark="no results")
    assert "<title>08 Experiment with ce</title>" in text
    assert '--watermark: "no results"' in text
    assert "--watermark:" not in page(v4.new_markdown_cell("# x"))


def test_links_to_notebooks_lead_to_pages(page):
    cell = v4.new_markdown_cell("[next](02_next.ipynb), [away](https://a.org/02_next.ipynb), [file](x.csv)")
    text = page(cell, page_of=lambda stem: f"../{stem}/{stem}.html")
    assert 'href="../02_next/02_next.html"' in text
    assert 'href="https://a.org/02_next.ipynb"' in text
    assert 'href="x.csv"' in text


def test_the_index_links_every_page_and_escapes(tmp_path):
    pages = ["fast/report/report.html", "fast/results.csv", "notebooks/01_a/01_a.html"]
    pages += ["fast/a & b/ce/seed-0/08_experiment.html", "fast/a & b/ce/seed-1/result.json", "fast/tables/means.csv"]
    for page in [*pages, "fast/a & b/ce/seed-0/result.json", ".staging/x/y/seed-0/result.json"]:
        (tmp_path / page).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / page).touch()
    html_pages.write_index(tmp_path, "results.csv")
    text = (tmp_path / "index.html").read_text()
    links = re.findall(r'<a href="(.*?)">(.*?)</a>', text)
    assert [html.unescape(link) for link, _ in links] == pages
    assert links[3] == ("fast/a &amp; b/ce/seed-0/08_experiment.html", "ce, seed-0")
    assert links[4][1] == "ce, seed-1 (its record; it was made without a page)"
    assert "<h2>Single runs of fast on a &amp; b</h2>" in text

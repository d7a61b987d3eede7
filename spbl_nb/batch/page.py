"""Executed notebooks as single HTML files that need no network, and an index page that links them.

nbconvert's own pages fetch scripts from the network for formulas and widgets, show nothing where a widget stood, and
drop the alternative text of images. Here formulas become MathML, which browsers draw by themselves; an image takes
precedence over the widget that made it and keeps its alternative text; the scripts are left out.
"""

import html
import os
import re
from collections.abc import Callable
from pathlib import Path

import latex2mathml.converter
import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.html import contextfilter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from spbl_nb import files

_TEMPLATE = """
{%- extends 'lab/index.html.j2' -%}
{% block html_head_js_requirejs %}{% endblock %}
{% block jupyter_widgets %}{% endblock %}
{% block html_head_js_mathjax %}{% endblock %}
{% block html_head_js_mermaidjs %}{% endblock %}
{% block html_head_css %}<style>%STYLE%</style>{% endblock %}
{% block footer %}</html>{% endblock %}

{% block data_png scoped %}
<div class="jp-RenderedImage jp-OutputArea-output {{ extra_class }}">
{%- set width = output | get_metadata('width', 'image/png') -%}
{%- set alt = output | get_metadata('alt', 'image/png') -%}
<img src="data:image/png;base64,{{ output.data['image/png'] | escape_html }}"
  alt="{{ (alt or 'Picture without a description') | escape_html }}"
  {%- if width is not none %} width="{{ width | escape_html }}"{% endif %}>
</div>
{% endblock data_png %}

{% block data_latex scoped %}
<div class="jp-RenderedLatex jp-OutputArea-output {{ extra_class }}">
{{ output.data['text/latex'] | markdown2html }}
</div>
{% endblock data_latex %}

{% block data_widget_view scoped %}
<div class="jp-OutputArea-output spbl-note">An interactive control stands here in JupyterLab.</div>
{% endblock data_widget_view %}
"""

_STYLE = """
body.jp-Notebook { max-width: 1080px; margin: 0 auto; }
.jp-RenderedImage img { max-width: 100%; }
.jp-InputArea-editor pre { white-space: pre-wrap; overflow-wrap: anywhere; }
math { font-family: "Latin Modern Math", "STIX Two Math", "Cambria Math", "DejaVu Math TeX Gyre", math; }
math[display="block"] { margin: 0.6em 0; }
mtd[columnalign="left"] { text-align: left; }
mtd[columnalign="right"] { text-align: right; }
:root { --jp-cell-prompt-opacity: 1; --jp-cell-prompt-not-active-opacity: 1; --jp-mirror-editor-comment-color: #2b6363; }
.jp-InputPrompt, .jp-OutputPrompt { color: #595959 !important; opacity: 1; }
.spbl-note { color: #555; font-style: italic; padding: 4px 8px; border-left: 3px solid #bbb; }
@media (max-width: 640px) {
  .jp-RenderedImage { overflow-x: auto; }
  .jp-RenderedImage img { max-width: none; }
  .jp-OutputArea-output.jp-RenderedHTMLCommon:has(th:nth-child(4))::before {
    content: "\\2194  the table can be moved sideways"; display: block; color: #555; font-size: 13px;
  }
}
"""

_WATERMARK = """
body::after {
  content: "%TEXT%"; position: fixed; inset: 0; display: flex; align-items: center; justify-content: center;
  font: 700 64px sans-serif; color: rgba(160, 30, 30, 0.13); transform: rotate(-24deg); pointer-events: none;
  text-align: center;
}
body::before {
  content: "%TEXT%"; display: block; padding: 12px 24px; font: 700 18px sans-serif; color: #fff; background: #a01e1e;
  text-align: center;
}
"""

_INDEX = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>Self-paced balance learning: executed notebooks</title>
<style>body {{ font: 16px/1.5 sans-serif; max-width: 860px; margin: 2em auto; padding: 0 1em; }}
h2 {{ margin-top: 1.6em; }} li {{ margin: 0.2em 0; }} .note {{ color: #555; }}</style></head>
<body><h1>Self-paced balance learning: executed notebooks</h1>
<p class="note">A configuration is a preset; one with changed settings has a + and the beginning of their hash behind its
name.</p>
{sections}
</body></html>
"""

_NAMESPACE = ' xmlns="http://www.w3.org/1998/Math/MathML"'

PRIORITY = [
    "image/png",
    "image/jpeg",
    "image/svg+xml",
    "text/html",
    "text/markdown",
    "text/latex",
    "application/vnd.jupyter.widget-view+json",
    "text/plain",
]


def to_html(
    notebook: str | os.PathLike,
    page: str | os.PathLike,
    *,
    watermark: str = "",
    page_of: Callable[[str], str] | None = None,
) -> None:
    """Write an executed notebook as one HTML file that needs no network.

    ``watermark`` is a text laid across the page, e.g. to mark numbers of a trial run. ``page_of`` maps the stem of a
    notebook that this one links to, such as ``01_data``, to the page to link instead. Raises OSError naming the page if it
    cannot be written.
    """
    content = nbformat.read(notebook, as_version=4)
    content.metadata["title"] = _heading(content) or Path(notebook).stem
    text, _ = _Exporter(watermark).from_notebook_node(content)
    if page_of is not None:
        text = re.sub(r'href="([\w-]+)\.ipynb"', lambda link: f'href="{page_of(link.group(1))}"', text)
    files.write_text(page, text)


def _heading(notebook: nbformat.NotebookNode) -> str:
    """Return a notebook's first heading as plain text, or an empty text."""
    for cell in notebook.cells:
        found = re.search(r"^#\s+(.+)$", cell.source, flags=re.MULTILINE) if cell.cell_type == "markdown" else None
        if found:
            return found.group(1).strip().replace("`", "")
    return ""


def to_mathml(formula: str, display: str = "inline") -> str:
    """Return a LaTeX formula as MathML (``display``: inline or block); what cannot be read is shown as its source."""
    spaced = formula.replace("\\\\", "\\\\ ").strip()  # the converter reads a line break only before a space,
    spaced = spaced.replace("{aligned}", "{align*}")  # and knows the one environment, but not the other
    try:
        mathml = latex2mathml.converter.convert(spaced, display=display)
    except Exception:  # the converter raises types of its own, and IndexError on some malformed input
        return f"<code>{html.escape(formula)}</code>"
    return mathml.replace(_NAMESPACE, "", 1)  # HTML needs none, and nbconvert's headings would lose such elements


def write_index(runs_dir: Path, table: str) -> None:
    """Write ``index.html`` with links to every page below the runs folder; ``table`` is the name of a results table."""

    def links(pattern: str, label_parts: slice, before: str = "") -> list[tuple[str, str]]:
        pages = sorted(page.relative_to(runs_dir) for page in runs_dir.glob(pattern))
        return [
            (before + ", ".join(page.parts[label_parts]), page.as_posix()) for page in pages if page.parts[0][0] != "."
        ]

    runs = links("*/*/*/seed-*/*.html", slice(2, 4))
    with_page = {Path(page).parent for _, page in runs}
    runs += [
        (f"{label} (its record; it was made without a page)", record)
        for label, record in links("*/*/*/seed-*/result.json", slice(2, 4))
        if Path(record).parent not in with_page
    ]
    reports = links("*/report/*.html", slice(0, 1), "report of ") + links(f"*/{table}", slice(0, 1), "all numbers of ")
    lessons = "Teaching notebooks, trial runs at preset smoke (open them with spbl-nb lab for real numbers)"
    sections = {
        "Reports: what all runs of a configuration say together; begin here": reports,
        lessons: links("notebooks/*/*.html", slice(1, 2)),
    }
    for label, path in sorted(runs, key=lambda link: (Path(link[1]).parts[:2], link)):
        name, dataset = Path(path).parts[:2]
        sections.setdefault(f"Single runs of {name} on {dataset}", []).append((label, path))
    sections["The tables of the reports, for your own work"] = links("*/tables/*", slice(0, 3, 2))
    parts = []
    for name, found in sections.items():
        items = "\n".join(f'<li><a href="{html.escape(path)}">{html.escape(label)}</a></li>' for label, path in found)
        parts.append(f"<h2>{html.escape(name)}</h2>\n<ul>\n{items}\n</ul>" if items else "")
    files.write_text(runs_dir / "index.html", _INDEX.format(sections="\n".join(filter(None, parts))))


class _MathRenderer(IPythonRenderer):
    """Markdown to HTML with formulas as MathML."""

    def inline_math(self, body: str) -> str:
        return to_mathml(body)

    def block_math(self, body: str) -> str:
        return to_mathml(body, "block")

    def latex_environment(self, name: str, body: str) -> str:
        return to_mathml(f"\\begin{{{name}}}{body}\\end{{{name}}}", "block")


class _Exporter(HTMLExporter):
    """nbconvert's page with the template above."""

    def __init__(self, watermark: str) -> None:
        style = _STYLE + (_WATERMARK.replace("%TEXT%", watermark.replace('"', "'")) if watermark else "")
        super().__init__(raw_template=_TEMPLATE.replace("%STYLE%", style))

    @property
    def default_config(self):
        config = super().default_config
        config.NbConvertBase.display_data_priority = PRIORITY
        return config

    @contextfilter
    def markdown2html(self, context, source):
        """Replace nbconvert's filter of this name."""
        attachments = context.get("cell", {}).get("attachments", {})
        return MarkdownWithMath(renderer=_MathRenderer(escape=False, attachments=attachments)).render(source)

"""Executed notebooks as single HTML files that need no network, and an index page that links them.

nbconvert's own pages fetch scripts from the network for formulas and widgets, show nothing where a widget stood, and
drop the alternative text of images. Here formulas become MathML, which browsers draw by themselves; an image takes
precedence over the widget that made it and keeps its alternative text; the scripts are left out.
"""

import html
import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import latex2mathml.converter
import nbformat
from nbconvert.exporters import HTMLExporter
from nbconvert.exporters.html import contextfilter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from spbl_nb import files, places

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
    texts = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    found = re.search(r"^#\s+(.+)$", texts, flags=re.MULTILINE)
    return found.group(1).strip().replace("`", "") if found else ""


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

    def pages(pattern: str) -> list[Path]:
        found = sorted(page.relative_to(runs_dir) for page in runs_dir.glob(pattern))
        return [page for page in found if not page.parts[0].startswith(".")]

    reports = "Reports: what all runs of a configuration say together; begin here"
    lessons = "Teaching notebooks, trial runs at preset smoke (open them with spbl-nb lab for real numbers)"
    sections: dict[str, list[tuple[str, Path]]] = {
        reports: [(f"report of {page.parts[0]}", page) for page in pages("*/report/*.html")]
        + [(f"all numbers of {page.parts[0]}", page) for page in pages(f"*/{table}")],
        lessons: [(page.parts[1], page) for page in pages("notebooks/*/*.html")],
    }
    for record in pages("*/*/*/seed-*/result.json"):
        name, dataset, method, seed = record.parts[:4]
        page = record.with_name(f"{places.EXPERIMENT}.html")
        made = (runs_dir / page).exists()
        remark = "" if made else " (its record; it was made without a page)"
        section = sections.setdefault(f"Single runs of {name} on {dataset}", [])
        section.append((f"{method}, {seed}{remark}", page if made else record))
    sections["The tables of the reports, for your own work"] = [
        (f"{page.parts[0]}, {page.name}", page) for page in pages("*/tables/*")
    ]
    parts = []
    for name, found in sections.items():
        items = [f'<li><a href="{html.escape(page.as_posix())}">{html.escape(label)}</a></li>' for label, page in found]
        if items:
            parts.append("\n".join([f"<h2>{html.escape(name)}</h2>", "<ul>", *items, "</ul>"]))
    files.write_text(runs_dir / "index.html", _INDEX.format(sections="\n".join(parts)))


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
        style = Path(__file__).with_suffix(".css").read_text(encoding="utf-8")
        if watermark:
            style += f":root {{ --watermark: {json.dumps(watermark, ensure_ascii=False)}; }}\n"
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

"""The course as a static site: the notebooks as they are committed, with search and dark mode, needing no network.

``python -m tools.book`` builds it.

Sphinx with myst-nb turns executed notebooks into pages; nothing is run. Formulas become MathML, which browsers draw by
themselves; images keep their alternative text and stand in the place of widgets; theme, fonts and search index lie in
the folder. It can be opened from the disk or put on any web server.

This module is also the Sphinx extension that does what Sphinx and myst-nb leave open. Needs the extra ``book``.
"""

import argparse
import base64
import contextlib
import hashlib
import html
import io
import os
import re
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from spbl_nb import files, places
from spbl_nb.batch import page as html_pages
from tools import readme, series

_COLOUR = re.compile(r"\x1b\[[\d;]*m")
_OWN = Path(__file__).resolve().parents[1] / "docs" / "book"  # first page and style
TITLE = "Self-paced balance learning"
_LIGHT = {"color-brand-primary": "#00558a", "color-brand-content": "#00558a"}
_DARK = {"color-brand-primary": "#7cc4f0", "color-brand-content": "#7cc4f0"}


def build(out: str | os.PathLike | None = None, folder: str | os.PathLike | None = None) -> tuple[Path, list[str]]:
    """Build the book into ``out`` (default: ``book/`` beside the notebooks) and return (its first page, warnings).

    What stood there is replaced when the new book is whole. Raises FileExistsError where the folder holds something
    else, ImportError where Sphinx, myst-nb or the theme is missing.
    """
    from sphinx.application import Sphinx
    from sphinx.util.docutils import docutils_namespace, patch_docutils

    where = places.notebooks_dir(folder)
    target = Path(out).expanduser().absolute() if out else where.parent / "book"
    if target.exists() and not (target / "searchindex.js").is_file() and (target.is_file() or any(target.iterdir())):
        raise FileExistsError(f"{target} holds something that is no book; give an empty or another folder with --out")
    notebooks = series.read_series(where)
    notes = [
        f"{name} holds no outputs; run 'python -m tools.render {name}' first"
        for name, notebook in notebooks.items()
        if not any(cell.get("outputs") for cell in notebook.content["cells"])
    ]
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as scratch:
        source, fresh = Path(scratch) / "source", Path(scratch) / "html"
        _write_sources(source, notebooks, where)
        warnings = io.StringIO()
        with contextlib.redirect_stderr(warnings), docutils_namespace(), patch_docutils(str(source)):
            doctrees = Path(scratch) / "doctrees"
            Sphinx(source, source, fresh, doctrees, "html", status=None, warning=warnings, freshenv=True).build()
        lines = _COLOUR.sub("", warnings.getvalue()).splitlines()
        notes += [line.replace(f"{source}{os.sep}", "") for line in lines if line.strip()]
        shutil.rmtree(target, ignore_errors=True)
        fresh.rename(target)
    return target / "index.html", notes


def _write_sources(source: Path, notebooks: dict[str, series.Notebook], where: Path) -> None:
    """Write what Sphinx reads: the notebooks, a first page with the table of the series, and the style."""
    source.mkdir()
    for notebook in notebooks.values():
        shutil.copyfile(notebook.path, source / notebook.path.name)
    first = readme.filled((_OWN / "index.md").read_text(encoding="utf-8"), where)
    settings = [f"{name} = {value!r}" for name, value in _settings().items()]
    files.write_text(source / "conf.py", "\n".join(settings) + "\n")
    files.write_text(source / "index.md", first.replace(f"({where.name}/", "("))


def _settings() -> dict[str, Any]:
    return {
        "project": TITLE,
        "html_title": TITLE,
        "language": "en",
        "extensions": ["myst_nb", "tools.book"],
        "nb_execution_mode": "off",
        "nb_mime_priority_overrides": [["html", kind, place] for place, kind in enumerate(html_pages.PRIORITY)],
        "myst_enable_extensions": ["dollarmath", "amsmath"],
        "myst_heading_anchors": 4,
        "myst_heading_slug_func": "tools.book.anchor",
        "html_math_renderer": "mathml",
        "html_theme": "furo",
        "html_theme_options": {"light_css_variables": _LIGHT, "dark_css_variables": _DARK},
        "html_static_path": [str(_OWN)],
        "html_css_files": ["book.css"],
        "html_copy_source": False,
        "html_show_sphinx": False,
        "html_show_copyright": False,
        "pygments_style": "a11y-high-contrast-light",
        "pygments_dark_style": "a11y-high-contrast-dark",
    }


def anchor(text: str) -> str:
    """Return the anchor of a heading as JupyterLab makes it, so that links between sections work in both."""
    return text.replace(" ", "-")


def setup(app: Any) -> dict[str, bool]:
    """Register with Sphinx: formulas as MathML, and alternative texts of images."""
    app.add_html_math_renderer("mathml", inline_renderers=(_inline_formula, None), block_renderers=(_formula, None))
    app.connect("doctree-read", _describe_images)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def _inline_formula(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(html_pages.to_mathml(node.astext()))
    raise SkipNode


def _formula(translator: Any, node: Any) -> None:
    from docutils.nodes import SkipNode

    translator.body.append(f'<div class="math">{html_pages.to_mathml(node.astext(), "block")}</div>')
    raise SkipNode


def _describe_images(app: Any, doctree: Any) -> None:
    """Give each image of an output the alternative text that the notebook holds for it; myst-nb leaves it out."""
    from docutils import nodes

    source = Path(app.env.doc2path(app.env.docname))
    if source.suffix != ".ipynb":
        return
    described = _descriptions(files.read_json(source))
    for image in doctree.findall(nodes.image):
        path = Path(app.srcdir) / image["uri"].lstrip("/")
        if path.is_file() and (words := described.get(hashlib.sha256(path.read_bytes()).hexdigest())):
            image["alt"] = html.unescape(words)


def _descriptions(notebook: dict[str, Any]) -> dict[str, str]:
    """Return the alternative texts of all images in a notebook's outputs, by the SHA-256 of the image."""
    found = {}
    for cell in notebook["cells"]:
        for output in cell.get("outputs", ()):
            image = output.get("data", {}).get("image/png")
            words = output.get("metadata", {}).get("image/png", {}).get("alt")
            if image and words:
                found[hashlib.sha256(base64.b64decode("".join(image))).hexdigest()] = words
    return found


def main(arguments: list[str] | None = None) -> int:
    """Build the book and print its first page; return 0."""
    parser = argparse.ArgumentParser(prog="python -m tools.book", description=__doc__)
    parser.add_argument("--out", metavar="DIR", help="where to (default: book/ beside the notebooks)")
    parser.add_argument("--notebooks", metavar="DIR", help="their folder")
    options = parser.parse_args(arguments)
    try:
        page, warnings = build(options.out, options.notebooks)
    except ImportError as error:
        parser.error(f"{error}; pip install -e '.[book]' in the checkout brings what a book needs")
    except OSError as error:
        parser.error(str(error))
    print("\n".join([*(f"note: {warning}" for warning in warnings), str(page)]))
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Two small executed notebooks, for tests of the book and of pages."""

import base64
import json

PIXEL = base64.b64encode(
    base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
).decode()
LESSON = """# 01 Lesson: a title

A promise with $x^2$ in it.

| you will learn | you need |
|---|---|
| little | about 5 seconds |"""
SECTIONS = """## 1. First

$$ \\begin{aligned} a &= \\frac{1}{2} \\\\ b &= \\sqrt{a} \\end{aligned} $$

See [section 2](#2.-Second) and [the experiment](08_experiment.ipynb).

<details><summary>Hint</summary>

Think of `x`.

</details>

## 2. Second"""


def _markdown(source):
    return {"cell_type": "markdown", "id": str(abs(hash(source)))[:8], "metadata": {}, "source": source}


def _shown(data, **metadata):
    output = {"output_type": "display_data", "data": data, "metadata": metadata}
    cell = {"cell_type": "code", "id": "c1", "metadata": {}, "source": "show()  # a comment", "execution_count": 1}
    return cell | {"outputs": [output]}


def write_series(folder):
    """Write two executed notebooks into a folder, and return it."""
    picture = {"image/png": PIXEL, "text/plain": "Figure"}
    table = '<table class="dataframe"><thead><tr><th>a</th></tr></thead><tbody><tr><td>1</td></tr></tbody></table>'
    lesson = [
        _markdown(LESSON),
        _shown(picture, **{"image/png": {"alt": 'a "rising" line'}}),
        _markdown(SECTIONS),
        _shown({"text/html": table, "text/plain": "a 1"}) | {"id": "c2"},
    ]
    last = [_markdown("# 08 Experiment\n\nOne run.\n\n## 1. What?"), _shown({"text/plain": "1"})]
    for name, cells in (("01_lesson", lesson), ("08_experiment", last)):
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        content = {"cells": cells, "metadata": kernel, "nbformat": 4, "nbformat_minor": 5}
        (folder / f"{name}.ipynb").write_text(json.dumps(content), encoding="utf-8")
    return folder

"""What README.md shows is made from the committed notebooks and result files, and what is stale is found."""

import json
import re
import shutil

import numpy as np
import pytest
from PIL import Image

from spbl_nb import places
from spbl_nb.results import store
from tools import readme, render, series

ROOT = places.PACKAGE.parent


@pytest.fixture
def copied(tmp_path):
    """A README with two made parts beside the notebooks and results of the checkout."""
    shutil.copytree(ROOT / "notebooks", tmp_path / "notebooks")
    shutil.copytree(ROOT / "results", tmp_path / "results", ignore=shutil.ignore_patterns("pictures"))
    parts = "a\n<!-- made from notebooks -->\nold\n<!-- end -->\nb\n"
    parts += "<!-- made from results/ham10000_28.json -->\n<!-- end -->\n"
    (tmp_path / "README.md").write_text(parts.replace("-->\n<!-- end", "-->\n\n<!-- end"), encoding="utf-8")
    return tmp_path


def test_the_committed_front_page_shows_the_present_notebooks_and_results():
    assert readme.stale(places.notebooks_dir()) == []


def test_every_result_file_of_the_repository_is_shown_or_linked():
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    shown = "".join(path.read_text(encoding="utf-8") for path in pages)
    for path in (ROOT / "results").glob("*.json"):
        assert f"results/{path.name}" in shown, path.name


def test_parts_are_renewed_once_and_the_rest_is_left_alone(copied, capsys):
    assert render.main(["--readme", "--notebooks", str(copied / "notebooks")]) == 0
    told = capsys.readouterr().out
    assert "README.md is renewed" in told
    assert "scores.png is renewed" in told
    text = (copied / "README.md").read_text(encoding="utf-8")
    assert text.startswith("a\n<!-- made from notebooks -->\n| notebook |")
    assert "\n<!-- end -->\nb\n" in text
    assert readme.update(copied / "notebooks") == []
    assert readme.stale(copied / "notebooks") == []
    with Image.open(copied / "results" / "pictures" / "scores.png") as picture:
        assert np.asarray(picture.convert("L")).std() > 5


def test_means_and_deviations_are_those_of_the_file(copied):
    readme.update(copied / "notebooks")
    text = (copied / "README.md").read_text(encoding="utf-8")
    records = store.read_records(copied / "results" / "ham10000_28.json")
    columns = ("precision", "recall", "f1", "g_mean", "weighted_harmonic", "mauc", "accuracy")
    methods = {record["fingerprint"]["method"] for record in records}
    assert len(methods) > 2
    for method in methods:
        mine = [record["report"] for record in records if record["fingerprint"]["method"] == method]
        values = np.array([[report[column] for column in columns] for report in mine])
        mean, spread = values.mean(axis=0), values.std(axis=0, ddof=1)
        cells = [f"{m:.3f} ± {s:.3f}".replace("0.", ".") for m, s in zip(mean, spread, strict=True)]
        row = next(line for line in text.splitlines() if line.startswith(f"| `{method}`"))
        assert row.split(" | ")[1:] == [str(len(mine)), *cells[:-1], f"{cells[-1]} |"], method


def test_a_changed_result_or_readme_is_found(copied):
    notebooks = copied / "notebooks"
    readme.update(notebooks)
    page = copied / "README.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(re.sub(r"± \.\d", "± .9", text, count=1), encoding="utf-8")
    assert readme.stale(notebooks) == [
        "README.md does not show the present notebooks and results; run 'python -m tools.render --readme'"
    ]
    page.write_text(text, encoding="utf-8")
    path = copied / "results" / "ham10000_28.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["remark"] = "another"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert [message.split()[0] for message in readme.stale(notebooks)] == ["scores.png"]


def test_a_file_of_several_data_sets_has_one_table_of_means():
    path = ROOT / "results" / "main_job.json"
    head, _, *rows = readme.results(path).splitlines()
    assert head == "| method | seeds | digits: F1 | lesions: F1 |"
    assert [row.split("`")[1] for row in rows] == [
        "ce",
        "logit_adjusted",
        "spbl_clean",
        "spbl_intended",
        "spbl_released",
    ]
    scores = [
        record["report"]["f1"]
        for record in store.read_records(path)
        if (record["fingerprint"]["method"], record["fingerprint"]["dataset"]) == ("spbl_released", "lesions")
    ]
    told = f"{np.mean(scores):.3f} ± {np.std(scores, ddof=1):.3f}".replace("0.", ".")
    assert rows[-1].split("|")[4].strip() == told
    assert "†" in rows[-1]


def test_what_the_results_page_says_of_the_shuffled_weights_is_in_the_result_file():
    """Accuracy of the two variants with shuffled weights goes by the weight that melanoma happened to get at the last pace."""
    by_weight = {True: [], False: []}
    for record in store.read_records(ROOT / "results" / "ham10000_28.json"):
        if record["fingerprint"]["method"] in ("spbl_released", "spbl_clean"):
            weight = record["details"]["paces"][-1]["weights"][record["class_names"].index("mel")]
            assert weight < 2.5 or weight > 4
            by_weight[weight < 2.5].append(round(record["report"]["accuracy"], 3))
    assert [len(found) for found in by_weight.values()] == [6, 6]
    low, high = ((min(found), max(found)) for found in (by_weight[False], by_weight[True]))
    page = " ".join((ROOT / "docs" / "results.md").read_text(encoding="utf-8").split())
    sentence = "accuracy is {:.3f} to {:.3f}; in the six with a weight above 4, it is {:.3f} to {:.3f}."
    assert sentence.format(*high, *low).replace("0.", ".") in page


def test_the_table_has_a_question_for_every_chapter():
    rows = readme.table(places.notebooks_dir()).splitlines()[2:]
    assert len(rows) == len(series.read_series(places.notebooks_dir()))
    for row in rows:
        link, question, took = row.strip("| ").split(" | ")
        assert link.startswith("[")
        assert question.endswith("?")
        assert took.startswith(("about", "not measured"))

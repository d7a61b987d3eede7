"""The report in tables: what a reader sees, and the files for a paper."""

import pandas as pd
import pytest
import report_runs as made

from spbl_nb.results import export, report, tables


def compared(baseline, primary):
    """Differences of the primary from ce with these values of macro F1."""
    kept = made.seeds("ce", baseline) + made.seeds("spbl_clean", primary)
    return report.differences(tables.frame(kept), "digits")


def test_differences_in_a_table():
    (row,) = export.differences(compared([0.5, 0.51, 0.49], [0.6, 0.6, 0.6])).to_dict("records")
    assert row["difference"] == "+0.100 ± 0.010"
    assert row["95 % interval"] == "+0.075 to +0.125 (t)"
    assert (row["p"], row["adjusted p"], row["smallest possible"], row["family"]) == ("0.25", "0.25", "0.25", "primary")
    (row,) = export.differences(compared([0.5], [0.6])).to_dict("records")
    assert (row["difference"], row["95 % interval"]) == ("+0.100", "none")


def test_what_was_run_in_a_table():
    (row,) = export.overview(made.seeds("ce", [0.5, 0.6]) + made.seeds("spl", [0.5])).to_dict("records")
    assert row == {
        "data set": "digits",
        "classes": 3,
        "training images": "90 (60 to 10 a class)",
        "test images": "30",
        "methods": 2,
        "seeds": 2,
        "runs": 3,
    }


def test_means_are_in_order_and_nothing_is_bold():
    kept = made.seeds("spbl_clean", [0.5]) + made.seeds("ce", [0.5]) + made.seeds("spl", [0.5])
    shown = export.means(tables.frame(kept))
    assert shown["method"].tolist() == ["ce", "spl", "spbl_clean"]
    assert "macro F1" in shown.columns


def test_ranks_in_a_table_and_marks_on_names():
    kept = made.seeds("ce", [0.5, 0.5]) + made.seeds(
        "spbl_released", [0.6, 0.4], details={"switches": {"selection": "test"}}
    )
    kept += made.seeds("ce", [0.5], "lesions") + made.seeds("spbl_released", [0.6], "lesions")
    table = tables.frame(kept)
    found = report.ranks(table)
    assert export.ranks(found).to_dict("records") == [
        {"method": "spbl_released", "all (3)": "1.33", "digits (2)": "1.50", "lesions (1)": "1.00"},
        {"method": "ce", "all (3)": "1.67", "digits (2)": "1.50", "lesions (1)": "2.00"},
    ]
    marked = export.marked_ranking(found.rankings["all"], table)
    assert marked.methods == ("spbl_released †", "ce")
    assert marked.groups == (("spbl_released †", "ce"),)
    assert export.marked({"ce": 1, "spaco": 2}, tables.frame([made.run("spaco")])) == {"ce": 1, "spaco ‡": 2}


def test_published_rows_say_what_was_not_run():
    shown, badges = export.beside_published(made.seeds("spbl_clean", [0.4], "mnist"))
    rows = shown.to_dict("records")
    assert [row["numbers"] for row in rows[:2]] == ["published", "ours: not run here"]
    assert sum(row["numbers"] == "ours: not run here" for row in rows) == 5
    ours = next(row for row in rows if row["numbers"] == "ours: spbl_clean, 1 seed")
    assert ours["F1"] == "40.0"
    assert ours["badges"].splitlines()[-1] == "definition: one seed, no ±"
    assert set(ours["badges"].splitlines()) <= {f"{badge.kind}: {badge.label}" for badge in badges}
    assert len(set(badges)) == len(badges)


@pytest.fixture
def collection():
    kept = made.seeds("ce", [0.5, 0.5]) + made.seeds("spbl_clean", [0.6, 0.5]) + made.seeds("spaco", [0.2, 0.3])
    kept += [made.run("ce", 0, 0.7, "mnist", report={"per_class": {"recall": [1.0, 0.5, None]}})]
    return report.Collection("fast", kept)


def test_exported_tables_are_complete_and_marked(collection, tmp_path):
    names = export.export(collection, tmp_path / "tables")
    assert sorted(path.name for path in (tmp_path / "tables").iterdir()) == sorted(names)
    tables_read = {name: pd.read_csv(tmp_path / "tables" / name) for name in names if name.endswith("csv")}
    assert all((table["config"] == "fast").all() and table.columns[0] == "config" for table in tables_read.values())
    means = tables_read["means.csv"].set_index(["dataset", "method", "metric"])
    assert means.loc[("digits", "spbl_clean", "f1"), "mean"] == pytest.approx(0.55)
    assert means.loc[("digits", "spaco", "f1"), "fewer_labels"]
    (difference,) = tables_read["differences.csv"].to_dict("records")
    assert (difference["method"], difference["mean"], difference["seeds"]) == ("spbl_clean", pytest.approx(0.05), "0 1")
    assert tables_read["classes.csv"]["recall"].tolist()[:2] == [1.0, 0.5]
    assert set(tables_read["published.csv"]["ours"]) == {"not run here"}
    assert "folder" not in tables_read["runs.csv"]
    latex = (tmp_path / "tables" / "means.tex").read_text(encoding="utf-8")
    assert "spbl\\_clean" in latex
    assert "spaco" not in latex
    assert "spaco" in (tmp_path / "tables" / "means_fewer_labels.tex").read_text(encoding="utf-8")
    assert "Trial run" not in latex


def test_a_trial_is_marked_in_latex_too(collection, tmp_path):
    export.export(report.Collection("smoke", collection.runs), tmp_path)
    assert "\\caption{Trial run, numbers are no results." in (tmp_path / "means.tex").read_text(encoding="utf-8")


def test_one_run_alone_can_be_exported(tmp_path):
    names = export.export(report.Collection("fast", [made.run()]), tmp_path)
    assert "means.tex" in names
    assert "differences.tex" not in names

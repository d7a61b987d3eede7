"""The report's sentences and tables: no mean without deviation, no p without the smallest possible one, no winner."""

import pandas as pd
import pytest
import report_runs as made

from spbl_nb import files
from spbl_nb.results import export as report_tables
from spbl_nb.results import report, tables
from spbl_nb.results import text as report_words

CE = [0.50, 0.51, 0.49, 0.50, 0.52, 0.48]


def compared(rival, seeds, method="spbl_clean", more=()):
    """Differences of one rival with these values of macro F1 from ce, over so many seeds."""
    kept = made.seeds("ce", CE[:seeds]) + made.seeds(method, rival[:seeds]) + list(more)
    return report.differences(tables.frame(kept), "digits")


@pytest.mark.parametrize(
    ("rival", "seeds", "parts"),
    [
        ([0.6, 0.62, 0.6, 0.6, 0.63, 0.57], 6, ["(BCa), p = 0.0312", "`spbl_clean` is better here"]),
        ([0.4, 0.42, 0.4, 0.4, 0.43, 0.37], 6, ["spbl_clean` − `ce` in macro F1: −0.0", "`ce` is better here"]),
        ([0.6, 0.62, 0.6, 0.6, 0.63, 0.479], 6, ["p = 0.0625", "neither is shown to be better"]),
        ([0.6, 0.62, 0.6, 0.6, 0.40, 0.30], 6, ["may well make such a difference: neither is shown to be better"]),
        (
            [0.6, 0.62, 0.6],
            3,
            [
                "(t), p = 0.25",
                "Neither is shown to be better, and could not be: 3 seeds can never reach 0.05",
                "6 seeds are needed",
            ],
        ),
        ([0.6], 1, ["no interval, for one seed shows no spread", "1 seed can never reach 0.05"]),
        ([0.6, 0.61, 0.59], 3, ["no interval, for all 3 differences are 0.1: zero variance"]),
    ],
)
def test_the_verdict_claims_no_more_than_the_seeds_allow(rival, seeds, parts):
    told = report_words.verdict(compared(rival, seeds))
    assert all(part in told for part in parts), told
    assert ("is better" in told) == any("is better" in part for part in parts)


def test_without_the_declared_comparison_there_is_no_verdict():
    assert "spbl_clean, which was declared beforehand, was not run" in report_words.verdict(compared(CE, 3, "spl"))
    assert "no method but ce was run" in report_words.verdict(compared([], 2))


def test_limits_are_told_for_each_family_with_what_was_left_out():
    found = compared(
        [0.6, 0.5, 0.6], 3, more=made.seeds("spl", [0.5] * 3) + made.seeds("crt", [0.5] * 3) + [made.run("focal")]
    )
    lines = report_words.limits(found).split("  \n")
    assert lines == [
        "Primary: 3 seeds can never reach 0.05: the smallest attainable p is 0.25; 6 seeds are needed.",
        "Secondary: 3 seeds can never reach 0.05 over 2 comparisons: the smallest attainable adjusted p is 0.5; "
        "7 seeds are needed.",
        "Left out, for not all have it: focal (1 of 3).",
    ]
    assert "All comparisons: " in report_words.limits(compared(CE, 3, "spl"))
    assert "declared beforehand, is not among them" in report_words.limits(compared(CE, 3, "spl"))


def test_the_highest_means_have_deviations_and_marks():
    kept = made.seeds("ce", [0.5, 0.6]) + made.seeds("spl", [0.1, 0.2]) + made.seeds("spaco", [0.9, 0.9])
    kept += made.seeds("spbl_released", [0.7], details={"switches": {"selection": "test"}})
    told = report_words.highest(tables.frame(kept), "digits")
    assert told == "Highest mean macro F1: `spbl_released` † 0.700 (1 seed), then `ce` 0.550 ± 0.071 (2 seeds)."
    assert report_words.highest(tables.frame([]), "digits") == ""


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (-0.0004, "−0.0004"),
        (-0.0005, "−0.001"),
        (0.00002, "+0.00002"),
        (0.0, "+0.000"),
        (-0.0, "+0.000"),
        (-3.7e-17, "+0.000"),
        (0.0123, "+0.012"),
    ],
)
def test_a_small_number_is_not_rounded_to_a_signed_nothing(value, text):
    assert report_words.signed(value) == text


def test_the_leak_is_told_with_its_interval():
    kept = made.seeds("spbl_released", [0.6, 0.7]) + made.seeds("spbl_clean", [0.5, 0.5])
    told = report_words.leak(tables.frame(kept), "digits")
    assert "macro F1 +0.150, 95 % interval −0." in told
    assert ", p = 0.5" in told
    assert "Neither gain nor loss is shown: 2 seeds can never reach 0.05" in told
    assert report_words.leak(tables.frame(kept[:2]), "digits") == ""


def test_origin_names_machines_versions_and_states_of_the_library():
    timing = {"seconds": 60.0, "system": "Linux", "machine": "x86_64", "cores": 2, "gpu": "H200"}
    kept = [made.run(timing=timing, versions={"torch": "2.1"}, library_sha256="a" * 64)]
    told = report_words.origin([*kept, made.run(seed=1, versions={"torch": "2.2"})])
    assert "the runs' times: 1.2 minutes" in told
    assert "Linux x86_64, 2 cores, H200" in told
    assert "torch 2.1 and 2.2" in told
    assert (
        "states of the library that made these runs (SHA-256 of its source, not git's): aaaaaaaaaaaa, unknown" in told
    )
    assert "made by several states of the library" in told
    assert "several" not in report_words.origin(kept)
    assert "machines: none" in report_words.origin([])


def test_synthetic_pictures_are_called_so():
    kept = [made.run(synthetic=True), made.run(dataset="mnist", synthetic=False), made.run(dataset="old")]
    labels = [report_words.label(kept, dataset) for dataset in ("digits", "mnist", "old")]
    assert labels == ["digits (synthetic pictures)", "mnist", "old"]


def test_differences_in_a_table():
    (row,) = report_tables.differences(compared([0.6, 0.6, 0.6], 3)).to_dict("records")
    assert row["difference"] == "+0.100 ± 0.010"
    assert row["95 % interval"] == "+0.075 to +0.125 (t)"
    assert (row["p"], row["adjusted p"], row["smallest possible"], row["family"]) == ("0.25", "0.25", "0.25", "primary")
    (row,) = report_tables.differences(compared([0.6], 1)).to_dict("records")
    assert (row["difference"], row["95 % interval"]) == ("+0.100", "none")


def test_what_was_run_in_a_table():
    (row,) = report_tables.overview(made.seeds("ce", [0.5, 0.6]) + made.seeds("spl", [0.5])).to_dict("records")
    assert row == {
        "data set": "digits",
        "classes": 3,
        "training pictures": "90 (60 to 10 a class)",
        "test pictures": "30",
        "methods": 2,
        "seeds": 2,
        "runs": 3,
    }


def test_means_are_in_order_and_nothing_is_bold():
    kept = made.seeds("spbl_clean", [0.5]) + made.seeds("ce", [0.5]) + made.seeds("spl", [0.5])
    shown = report_tables.means(tables.frame(kept))
    assert shown["method"].tolist() == ["ce", "spl", "spbl_clean"]
    assert "macro F1" in shown.columns
    assert "<b>" not in tables.Shown(shown)._repr_html_()


def test_ranks_in_a_table_and_marks_on_names():
    kept = made.seeds("ce", [0.5, 0.5]) + made.seeds(
        "spbl_released", [0.6, 0.4], details={"switches": {"selection": "test"}}
    )
    kept += made.seeds("ce", [0.5], "lesions") + made.seeds("spbl_released", [0.6], "lesions")
    table = tables.frame(kept)
    found = report.ranks(table)
    assert report_tables.ranks(found).to_dict("records") == [
        {"method": "spbl_released", "all (3)": "1.33", "digits (2)": "1.50", "lesions (1)": "1.00"},
        {"method": "ce", "all (3)": "1.67", "digits (2)": "1.50", "lesions (1)": "2.00"},
    ]
    marked = report_tables.marked_ranking(found.overall, table)
    assert marked.methods == ("spbl_released †", "ce")
    assert marked.groups == (("spbl_released †", "ce"),)
    assert report_tables.marked({"ce": 1, "spaco": 2}, tables.frame([made.run("spaco")])) == {"ce": 1, "spaco ‡": 2}


def test_published_rows_say_what_was_not_run():
    shown, badges = report_tables.beside_published(made.seeds("spbl_clean", [0.4], "mnist"))
    rows = shown.to_dict("records")
    assert [row["numbers"] for row in rows[:2]] == ["published", "ours: not run here"]
    assert sum(row["numbers"] == "ours: not run here" for row in rows) == 5
    ours = next(row for row in rows if row["numbers"] == "ours: spbl_clean, 1 seed")
    assert ours["F1"] == "40.0"
    assert set(ours["badges"]) <= set(badges)
    assert len(set(badges)) == len(badges)


@pytest.fixture
def collection():
    kept = made.seeds("ce", [0.5, 0.5]) + made.seeds("spbl_clean", [0.6, 0.5]) + made.seeds("spaco", [0.2, 0.3])
    kept += [made.run("ce", 0, 0.7, "mnist", report={"per_class": {"recall": [1.0, 0.5, None]}})]
    return report.Collection("fast", kept)


def test_exported_tables_are_complete_and_marked(collection, tmp_path):
    names = report_tables.export(collection, tmp_path / "tables")
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
    report_tables.export(report.Collection("smoke", collection.runs), tmp_path)
    assert "\\caption{Trial run, numbers are no results." in (tmp_path / "means.tex").read_text(encoding="utf-8")


def test_nothing_is_exported_without_runs(tmp_path):
    assert report_tables.export(report.Collection("fast", []), tmp_path / "tables") == []
    assert not (tmp_path / "tables").exists()


def test_one_run_alone_can_be_exported(tmp_path):
    names = report_tables.export(report.Collection("fast", [made.run()]), tmp_path)
    assert "means.tex" in names
    assert "differences.tex" not in names


def test_a_table_that_cannot_be_written_leaves_the_old_one(collection, tmp_path, monkeypatch):
    report_tables.export(collection, tmp_path)
    old = (tmp_path / "means.csv").read_bytes()

    def full(*_):
        raise OSError(28, "no space left")

    monkeypatch.setattr(files.os, "replace", full)
    with pytest.raises(OSError, match=r"could not write .*nothing was changed there"):
        report_tables.export(report.Collection("fast", collection.runs[:1]), tmp_path)
    assert (tmp_path / "means.csv").read_bytes() == old
    assert not list(tmp_path.glob(".*"))

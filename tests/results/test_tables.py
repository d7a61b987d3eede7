"""Tables over many runs, on made-up results."""

import re

import numpy as np
import pandas as pd
import pytest

from spbl_nb.results import store, tables


def made_up(accuracy, seed, method="ce", config="fast", data="a", **report):
    """A run with the given numbers and no arrays."""
    result = {
        "config_name": config,
        "fingerprint": {"dataset": "digits", "method": method, "seed": seed, "data_sha256": data},
        "report": {"accuracy": accuracy, "f1": 0.5, "g_mean": 0.1, "mauc": None, "dead_classes": [3, 4]} | report,
        "steps": 600,
        "timing": {"seconds": 2.5},
    }
    return store.Run("folder", result, *[np.zeros(0)] * 4, history=[])


def test_one_row_a_run():
    table = tables.frame([made_up(0.8, 0), made_up(0.9, 1)])
    assert table["accuracy"].tolist() == [0.8, 0.9]
    assert table["dead_classes"].tolist() == [2, 2]
    assert table["mauc"].isna().all()
    assert table["seconds"].tolist() == [2.5, 2.5]
    assert len(tables.frame([])) == 0
    assert list(tables.frame([]).columns) == list(table.columns)


def test_mean_and_spread_by_hand():
    """0.7, 0.8, 0.9: mean 0.8, sample deviation 0.1. A single seed has no deviation."""
    table = tables.frame(
        [*(made_up(value, seed) for seed, value in enumerate((0.7, 0.8, 0.9))), made_up(0.6, 0, "oversample")]
    )
    summary = tables.mean_and_spread(table, ["accuracy"])
    assert summary.to_dict("list") == {
        "data set": ["digits", "digits"],
        "method": ["ce", "oversample"],
        "seeds": [3, 1],
        "accuracy": ["0.800 ± 0.100", "0.600"],
    }


def test_configurations_are_never_mixed():
    with pytest.raises(ValueError, match="mixes the configurations fast, smoke"):
        tables.mean_and_spread(tables.frame([made_up(0.7, 0), made_up(0.7, 1, config="smoke")]))


def test_runs_on_other_pictures_are_left_out_by_majority():
    runs = [made_up(0.8, seed, data=data) for seed, data in enumerate(["new", "old", "old"])]
    kept, others = tables.same_data(runs)
    assert [run.result["fingerprint"]["seed"] for run in kept] == [1, 2]
    assert others == runs[:1]
    assert tables.same_data([]) == ([], [])


def test_no_runs_give_an_empty_table():
    assert len(tables.mean_and_spread(tables.frame([]))) == 0


def test_files_of_an_older_version_give_gaps_and_no_marks():
    run = made_up(0.8, 0)
    del run.result["timing"]["seconds"], run.result["report"]["dead_classes"]
    row = tables.frame([run]).iloc[0]
    assert np.isnan(row["seconds"])
    assert np.isnan(row["precision"])
    assert (row["dead_classes"], row["fewer_labels"], row["selected_on_test"]) == (0, False, False)


def test_unequal_terms_are_marked():
    runs = [made_up(0.8, seed, method) for seed, method in enumerate(["spaco", "new_method", "spbl_released", "ce"])]
    runs[1].result["details"] = {"labelled": 20, "unlabelled": 80}
    runs[2].result["details"] = {"switches": {"selection": "test"}}
    runs[3].result["details"] = {"switches": None}
    summary = tables.mean_and_spread(tables.frame(runs), ["accuracy"]).set_index("method")["remark"]
    assert summary.to_dict() == {
        "ce": "",
        "new_method": "‡ fewer labels",
        "spaco": "‡ fewer labels",
        "spbl_released": "† selected on test",
    }


def test_a_setting_of_the_configuration_may_select_on_the_test_too():
    run = made_up(0.8, 0)
    run.result["fingerprint"]["config"] = {"selection": "test"}
    assert tables.frame([run])["selected_on_test"].tolist() == [True]


def test_the_state_that_comes_first_counts_where_states_are_level():
    kept, others = tables.agreeing(
        [made_up(0.8, seed) for seed in range(4)], lambda run: 0, lambda run: run.result["fingerprint"]["seed"] % 2
    )
    assert [run.result["fingerprint"]["seed"] for run in kept] == [0, 2]
    assert len(others) == 2


def test_of_each_seed_the_split_that_most_runs_have_counts():
    runs = [made_up(0.8, seed, method) for seed, method in ((0, "a"), (0, "b"), (0, "c"), (1, "c"))]
    for run, split in zip(runs, "xxyy", strict=True):
        run.result["fingerprint"]["split_sha256"] = split
    assert tables.same_split(runs) == ([runs[0], runs[1], runs[3]], [runs[2]])


@pytest.mark.parametrize(
    ("values", "options", "text"),
    [
        ([0.5, None, 0.7, float("nan")], {}, "0.600 ± 0.141"),
        ([0.5, None], {}, "0.500"),
        ([None], {}, "–"),
        ([0.5, 0.7], {"digits": 1, "scale": 100}, "60.0 ± 14.1"),
    ],
)
def test_a_mean_of_what_is_defined(values, options, text):
    assert tables.plus_minus(values, **options) == text


BADGE = tables.Badge("protocol", "a < b", 'says "c"')
SHOWN = tables.Shown(
    pd.DataFrame({"method": ["a_b", "<i>"], "value": ["0.5 ± 0.1", "–"], "badges": [(BADGE,), ()]}), "A & B"
)


def test_a_shown_table_is_safe_html_with_badges_below_their_row():
    page = SHOWN._repr_html_()
    rows = re.findall(r"<tr>.*?</tr>", page, re.DOTALL)
    assert len(rows) == 4
    assert "badges" not in rows[0]
    assert 'text-align:right">value' in rows[0]
    assert 'text-align:left">method' in rows[0]
    assert 'colspan="1"' in rows[2]
    assert 'title="says &quot;c&quot;"' in rows[2]
    assert "protocol: a &lt; b" in rows[2]
    assert "&lt;i&gt;" in rows[3]
    assert "A &amp; B</caption>" in page


def test_a_shown_table_is_readable_without_a_browser():
    lines = repr(SHOWN).splitlines()
    assert lines[0] == "A & B"
    assert re.search(r"a_b +0.5 ± 0.1 +\[protocol: a < b\]", lines[2])
    assert repr(tables.Shown(pd.DataFrame(), "Ours")) == "Ours: nothing to show"
    assert tables.Shown(pd.DataFrame())._repr_html_() == "<p>table: nothing to show</p>"


def test_latex_by_hand():
    table = pd.DataFrame({"set": ["a_b", "a_b", "c"], "F1": ["0.5 ± 0.1", "−0.4", "–"], "note": ["† 5 %", "", ""]})
    assert tables.to_latex(table, "A & B", "tab:x") == (
        "\\begin{table}\n\\centering\n\\caption{A \\& B}\n\\label{tab:x}\n\\begin{tabular}{lrl}\n\\toprule\n"
        "set & F1 & note \\\\\n\\midrule\n"
        "a\\_b & 0.5 $\\pm$ 0.1 & $\\dagger$ 5 \\% \\\\\na\\_b & $-$0.4 &  \\\\\n\\midrule\n"
        "c & -- &  \\\\\n\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )

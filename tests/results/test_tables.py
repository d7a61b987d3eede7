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


def test_unequal_terms_are_marked():
    runs = [made_up(0.8, seed, method) for seed, method in enumerate(["spaco", "new_method", "spbl_released", "ce"])]
    runs[1].result["details"] = {"labelled": 20, "unlabelled": 80}
    runs[2].result["details"] = {"switches": {"selection": "test"}}
    runs[3].result["details"] = {"switches": None}
    runs.append(made_up(0.8, 0, "spl"))
    runs[4].result["fingerprint"]["config"] = {"selection": "test"}  # a setting may select on the test too
    summary = tables.mean_and_spread(tables.frame(runs), ["accuracy"]).set_index("method")["remark"]
    assert summary.to_dict() == {
        "ce": "",
        "new_method": "‡ fewer labels",
        "spaco": "‡ fewer labels",
        "spbl_released": "† selected on test",
        "spl": "† selected on test",
    }


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


SHOWN = pd.DataFrame({"method": ["a_b", "<i>"], "value": ["0.5 ± 0.1", "–"], "badges": ["a < b\nc", ""]})


def test_a_shown_table_is_safe_html_with_numbers_to_the_right():
    page = tables.bundle(SHOWN, "A & B")["text/html"]
    assert "A &amp; B</caption>" in page
    assert ">&lt;i&gt;</td>" in page
    assert ">a &lt; b\nc</td>" in page
    sides = re.findall(r"\.col(\d) \{\s+text-align: (\w+);\s+white-space: (?:nowrap|pre-line);", page)
    assert sides == [("0", "left"), ("1", "right"), ("2", "left")]
    assert tables.bundle(SHOWN, "A & B")["text/html"] == page
    assert 'aria-label="A &amp; B" tabindex="0"' in page


def test_a_shown_table_is_readable_without_a_browser():
    lines = tables.bundle(SHOWN, "A & B")["text/plain"].splitlines()
    assert lines[0] == "A & B"
    assert re.search(r"a_b +0.5 ± 0.1 +a < b c", lines[2])
    nothing = tables.bundle(pd.DataFrame(), "Ours")
    assert nothing == {"text/html": "<p>Ours: nothing to show</p>", "text/plain": "Ours: nothing to show"}


def test_latex_by_hand():
    table = pd.DataFrame({"set": ["a_b", "c"], "F1": ["0.5 ± 0.1", "−0.4"], "note": ["† 5 %", ""]})
    assert tables.to_latex(table, "A & B", "tab:x") == (
        "\\begin{table}\n\\centering\n\\caption{A \\& B}\n\\label{tab:x}\n\\begin{tabular}{lrl}\n\\toprule\n"
        "set & F1 & note \\\\\n\\midrule\n"
        "a\\_b & 0.5 $\\pm$ 0.1 & $\\dagger$ 5 \\% \\\\\nc & $-$0.4 &  \\\\\n"
        "\\bottomrule\n\\end{tabular}\n\\end{table}\n"
    )

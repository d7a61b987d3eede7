"""Tables over many runs, on made-up results."""

import numpy as np
import pytest

from spbl_nb import runs, tables


def made_up(accuracy, seed, method="ce", config="fast", data="a", **report):
    """A run with the given numbers and no arrays."""
    result = {
        "config_name": config,
        "fingerprint": {"dataset": "digits", "method": method, "seed": seed, "data_sha256": data},
        "report": {"accuracy": accuracy, "f1": 0.5, "g_mean": 0.1, "mauc": None, "dead_classes": [3, 4]} | report,
        "steps": 600,
        "timing": {"seconds": 2.5},
    }
    return runs.Run("folder", result, *[np.zeros(0)] * 4, history=[])


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

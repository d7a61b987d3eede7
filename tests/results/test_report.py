"""What the report makes of many runs: which may stand side by side, differences, ranks, classes, costs."""

import numpy as np
import pytest
import report_runs as made
from saved_runs import TINY

from spbl_nb.results import report, tables


def collected(root):
    """Collect the saved runs; return the collection, and method and seed of each run that is kept."""
    found = report.collect(root, "smoke")
    kept = [(run.result["fingerprint"]["method"], run.result["fingerprint"]["seed"]) for run in found.runs]
    return found, kept


def finished(hour, **changes):
    """Return a function that makes a saved run one that was finished at that hour, with changes of its fingerprint."""

    def alter(result):
        result["timing"]["finished"] = f"2026-01-01T{hour:02}:00:00+00:00"
        result["fingerprint"]["config"] |= changes.pop("config", {})
        result["fingerprint"] |= changes

    return alter


def test_of_several_states_the_newest_counts_and_the_others_are_named(tmp_path):
    made.save(tmp_path, seed=0, alter=finished(1))
    made.save(tmp_path, "spl", seed=0, alter=finished(9))
    made.save(tmp_path, seed=1, alter=finished(2))
    made.save(tmp_path, seed=2, alter=finished(3, data_sha256="other"))
    made.save(tmp_path, seed=3, alter=finished(4, config={"lr": 0.5}))
    made.save(tmp_path, "spld", seed=0, alter=finished(5, split_sha256="other"))
    made.save(tmp_path, seed=5, alter=lambda result: result.update(config_name="fast"))
    found, kept = collected(tmp_path)
    assert kept == [("ce", 0), ("ce", 1), ("spl", 0)]
    assert found.left_out == [
        ("smoke/blobs/ce/seed-2", "it was made on another state of the data than the newest run"),
        (
            "smoke/blobs/ce/seed-3",
            f"it was made with other settings than the newest run: lr 0.5 instead of {TINY.lr!r}",
        ),
        ("smoke/blobs/ce/seed-5", "it is a run of configuration fast"),
        ("smoke/blobs/spld/seed-0", "its split is not that of the newest run with this seed"),
    ]
    assert found.trial


def test_one_new_run_on_other_data_leaves_all_older_ones_out(tmp_path):
    for seed in range(3):
        made.save(tmp_path, seed=seed, alter=finished(seed))
    made.save(tmp_path, seed=3, alter=finished(9, data_sha256="new"))
    assert collected(tmp_path)[1] == [("ce", 3)]


def test_a_setting_that_an_older_library_did_not_know_is_no_difference(tmp_path):
    made.save(tmp_path, seed=0)
    made.save(tmp_path, seed=1, alter=lambda result: result["fingerprint"]["config"].pop("focal_gamma"))
    assert collected(tmp_path)[1] == [("ce", 0), ("ce", 1)]


@pytest.mark.parametrize("preset", ["", "smo?e"])
def test_presets_are_never_mixed(tmp_path, preset):
    made.save(tmp_path)
    with pytest.raises(ValueError, match=r"a report is on one configuration.*name one of smoke"):
        report.collect(tmp_path, preset)


def test_a_trial_is_known_by_its_settings_too():
    trial = made.run()
    trial.result["fingerprint"]["config"] = {"preset": "smoke"}
    assert report.Collection("mine", [made.run(), trial]).trial
    assert not report.Collection("mine", [made.run()]).trial


def test_the_order_of_methods_needs_no_list_of_them():
    names = ["tau_norm", "spbl_clean", "brand_new", "spl", "ce", "spbl_intended"]
    assert report.ordered(names) == ["ce", "brand_new", "spl", "tau_norm", "spbl_clean", "spbl_intended"]


def test_gaps_of_the_grid_are_named():
    table = tables.frame([*made.seeds("ce", [0.5] * 3), made.run("spl", 1), made.run("spl", 7, dataset="lesions")])
    assert report.missing_cells(table) == ["digits spl seeds 0, 2", "lesions ce seed 7"]
    assert report.missing_cells(tables.frame([])) == []


def test_differences_are_those_of_the_statistics_with_the_primary_apart():
    kept = (
        made.seeds("ce", [0.5, 0.52, 0.48])
        + made.seeds("spbl_clean", [0.55, 0.53, 0.5])
        + made.seeds("focal", [0.4] * 3)
    )
    kept += made.seeds("spaco", [0.9, 0.9, 0.9]) + made.seeds("spl", [0.5, 0.5])
    found = report.differences(tables.frame(kept), "digits")
    focal, spbl = found.comparisons
    assert (focal.method, spbl.method) == ("focal", "spbl_clean")
    np.testing.assert_allclose(spbl.differences, [0.05, 0.01, 0.02])
    assert (spbl.family, spbl.comparisons, spbl.adjusted_p) == ("primary", 1, 0.25)
    assert (focal.family, focal.comparisons) == ("secondary", 1)
    assert found.primary is spbl
    assert found.left_out == "spl (2 of 3)"
    few = report.differences(tables.frame([*kept, made.run("ce", 3)]), "digits")
    assert [one.seeds for one in few.comparisons] == [(0, 1, 2)] * 2
    assert few.left_out == "spl (2 of 4), seed 3"


def test_a_baseline_without_the_seeds_of_the_primary_is_compared_with_the_others():
    kept = [*made.seeds("ce", [0.5, 0.5]), *made.seeds("spl", [0.6, 0.4]), made.run("spbl_clean", 7, 0.9)]
    found = report.differences(tables.frame(kept), "digits")
    assert [one.method for one in found.comparisons] == ["spl"]
    assert found.primary is None
    assert found.left_out == "spbl_clean (1 of 3), seed 7"


@pytest.mark.parametrize(
    ("kept", "reason"),
    [
        ([made.run("spl")], "ce was not run"),
        ([made.run("ce"), made.run("spaco")], "no method but ce"),
        ([made.run("ce"), made.run("spl", seed=1)], "no other method has a seed in common"),
    ],
)
def test_nothing_to_compare_has_a_reason(kept, reason):
    found = report.differences(tables.frame(kept), "digits")
    assert found.comparisons == ()
    assert reason in found.reason


def test_the_leak_is_the_difference_of_the_twins_on_the_seeds_they_share():
    kept = made.seeds("spbl_released", [0.7, 0.8, 0.9]) + made.seeds("spbl_clean", [0.6, 0.6])
    np.testing.assert_allclose(report.leak(tables.frame(kept), "digits", "f1").differences, [0.1, 0.2])
    assert report.leak(tables.frame(kept[:3]), "digits", "f1") is None
    apart = [made.run("spbl_released", 0), made.run("spbl_clean", 1)]
    assert report.leak(tables.frame(apart), "digits", "f1") is None


def test_ranks_over_data_sets_and_seeds():
    kept = made.seeds("ce", [0.5, 0.5]) + made.seeds("spl", [0.6, 0.7]) + made.seeds("spaco", [0.9, 0.9])
    kept += (
        made.seeds("ce", [0.9], "lesions") + made.seeds("spl", [0.1], "lesions") + made.seeds("crt", [0.1], "lesions")
    )
    found = report.ranks(tables.frame(kept))
    assert found.rankings["all"].methods == ("spl", "ce")
    np.testing.assert_allclose(found.rankings["all"].mean_ranks, [4 / 3, 5 / 3])
    assert found.rankings["lesions"].methods == ("ce", "spl")
    assert found.left_out == "crt (1 of 3)"
    assert report.ranks(tables.frame(kept[:2])) is None
    assert report.ranks(tables.frame([])) is None


def classes_of(kept):
    return report.classes(kept, "digits")


def per_class(*recall):
    return {"per_class": {"recall": list(recall)}}


def test_classes_have_mean_recalls_and_the_complexity_that_the_primary_measured():
    paces = {"paces": [{"complexity": [9, 9, 9]}, {"complexity": [1.0, 2.0, None]}]}
    other = {"paces": [{"complexity": [5.0, 5.0, 5.0]}]}
    kept = [made.run("spbl_released", 0, report=per_class(0.1, 0.1, 0.1), details=other)]
    kept += [made.run("spbl_clean", 0, report=per_class(0.5, 1.0, None), details=paces, difficulty=[0.1, 0.2, 0.3])]
    kept += [made.run("spbl_clean", 1, report=per_class(0.7, None, None), details=paces)]
    kept += [made.run("ce", 0), made.run("ce", 0, dataset="lesions", report=per_class(1, 1, 1))]
    found = classes_of(kept)
    assert list(found.recall) == ["spbl_clean", "spbl_released"]
    np.testing.assert_allclose(found.recall["spbl_clean"], [0.6, 1.0, np.nan])
    np.testing.assert_allclose(found.sides["complexity"], [1.0, 2.0, np.nan])
    assert found.measured_by == "spbl_clean"
    assert found.seeds == {"spbl_clean": 2, "spbl_released": 1}
    np.testing.assert_allclose(found.sides["size"], [60, 20, 10])
    np.testing.assert_allclose(found.sides["difficulty"], [0.1, 0.2, 0.3])


def test_classes_without_complexity_and_difficulty():
    found = classes_of([made.run(report=per_class(0.9, 0.5, 0.0))])
    assert (list(found.sides), found.measured_by) == (["size"], "")
    (row,) = report.who_pays(found).to_dict("records")
    assert row == {"data set": "digits", "method": "ce", "seeds": 1, "size": 1.0, "dead": 1}


@pytest.mark.parametrize(
    ("methods", "pair"),
    [
        (["ce", "focal", "spbl_clean", "spbl_intended"], ["ce", "spbl_clean"]),
        (["focal", "spl"], ["focal", "spl"]),
        (["spbl_clean"], ["spbl_clean"]),
    ],
)
def test_two_methods_stand_side_by_side(methods, pair):
    found = classes_of([made.run(method, report=per_class(1, 1, 1)) for method in methods])
    assert report.methods_to_contrast(found) == pair


def test_costs_by_hand():
    parts = {"seconds": 12.0, "parts": {"head": 2.0, "training": 9.0, "lost": None}}
    kept = [made.run("ce", 0, timing={"seconds": 9.0}), made.run("ce", 1, timing={"seconds": 11.0, "parts": {}})]
    table = report.costs([*kept, made.run("spbl_clean", 0, timing=parts, steps=700)])
    assert list(table.columns) == [*report.COST_COLUMNS, "whole run", "training", "head", "rest"]
    ce, spbl = table.to_dict("records")
    assert (ce["runs"], ce["steps"], ce["seconds"], ce["whole run"], ce["training"]) == (2, 600, 10.0, 10.0, 0.0)
    assert ce["deviation"] == pytest.approx(np.sqrt(2))
    assert (spbl["seconds"], spbl["training"], spbl["head"], spbl["rest"]) == (12.0, 9.0, 2.0, 1.0)
    assert np.isnan(spbl["deviation"])
    assert report.costs([]).empty


def test_the_declared_comparison_is_the_one_of_the_design():
    assert (report.BASELINE, report.PRIMARY, report.METRIC) == ("ce", "spbl_clean", "f1")

"""The SPBL loop against its steps done by hand, every switch, and runs that are interrupted or killed."""

import dataclasses
import itertools
import json

import killing
import numpy as np
import pytest
from sklearn.svm import SVC

from spbl_nb import balance, methods, metrics, training
from spbl_nb.config import preset
from spbl_nb.data.dataset import FeatureData
from spbl_nb.methods import spbl
from spbl_nb.results import store
from spbl_nb.training import checkpoints

QUICK = preset("smoke", size=16, epochs=30, max_steps=60, batch_size=16, add_ratios=(0.5, 0.75, 1.0))


@pytest.fixture
def features(data):
    """Features that two of the three classes share in part, so that the SVM errs now and then."""
    rng = np.random.default_rng(0)
    values = rng.normal(size=(len(data), 5)) + 0.8 * np.eye(3, 5)[data.labels]
    return FeatureData("features", values.astype(np.float32), data.labels, data.class_names, data.sha256)


def softmax(values):
    shifted = np.exp(values - values.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def test_released_loop_by_hand(features, split):
    """The steps of the release one by one, with scikit-learn's SVC on all rows, on features that never change."""
    config = QUICK.replace(variant="released")
    records = list(spbl.run(features, split, config, seed=3))
    x, y = features.features.astype(np.float64), features.labels
    seeds, pool = records[0].seed_rows, records[0].rows
    assert sorted([*seeds, *pool]) == split.train.tolist()
    train_counts = features.counts(split.train)
    assert features.counts(seeds).tolist() == np.ceil(0.2 * train_counts).tolist()
    stack, weights = [seeds], [np.full(len(seeds), 1.0)]
    svc = SVC(gamma="auto").fit(x[seeds], y[seeds])
    weights[0] = np.full(len(seeds), 0.2)
    for record, q in zip(records, config.add_ratios, strict=True):
        probability = softmax(svc.decision_function(x[pool]))[np.arange(len(pool)), y[pool]]
        np.testing.assert_allclose(record.loss, -np.log(probability), atol=1e-9)
        for c in range(3):
            own = np.flatnonzero(y[pool] == c)
            easiest = own[np.argsort(record.loss[own], kind="stable")][: int(np.ceil(q * len(own)))]
            assert np.flatnonzero(record.selected & (y[pool] == c)).tolist() == sorted(easiest)
            assert record.ease[c] == pytest.approx(len(own) / np.exp(record.loss[easiest].mean()))
        counts = features.counts(pool[record.selected])
        rounded = balance.scaled_ease(record.ease, features.counts(pool))
        assert record.counts_before.tolist() == counts.tolist()
        np.testing.assert_array_equal(record.weights, balance.penalty_weights(1 / rounded, "released"))
        np.testing.assert_array_equal(record.counts_after, balance.reconstruct_curriculum(counts, 1 / rounded))
        expected = features.counts(seeds) + record.counts_after
        assert features.counts(record.balanced_rows).tolist() == expected.tolist()
        assert set(record.balanced_rows) <= {*seeds, *pool[record.selected]}
        stack.append(record.balanced_rows)
        weights.append(record.weights[y[record.balanced_rows]])
        everything = np.concatenate(stack)
        svc = SVC(gamma="auto").fit(x[everything], y[everything], sample_weight=np.concatenate(weights))
        weights[-1] = weights[-1] * (0.8 * q + 0.2)
        scores, predicted = svc.decision_function(x[split.test]), svc.predict(x[split.test])
        assert record.test.summary() == pytest.approx(metrics.report(y[split.test], scores, 3, predicted).summary())
    assert len(records) == 3


def _trainings(monkeypatch):
    """Record what every training was given."""
    fit, seen = training.fit, []

    def spy(model, data, rows, config, **options):
        start = {key: value.clone() for key, value in model.state_dict().items()}
        fitted = fit(model, data, rows, config, **options)
        seen.append((rows, config, options, start))
        return fitted

    monkeypatch.setattr(training, "fit", spy)
    return seen


@pytest.mark.parametrize("place", ["svm", "network", "both"])
def test_balance_acts_where_it_is_told_to(data, split, monkeypatch, place):
    seen = _trainings(monkeypatch)
    config = QUICK.replace(variant="released", assignment="sorted", balance_on=place)
    records = list(spbl.run(data, split, config))
    for (rows, _, options, _), record in zip(seen[1:], records, strict=True):
        plain = [*record.seed_rows, *record.rows[record.selected]]
        assert sorted(rows) == sorted(plain if place == "svm" else record.balanced_rows)
        assert ("weights" in options) == (place != "svm")
        if place != "svm":
            np.testing.assert_array_equal(options["weights"], record.weights[data.labels[rows]])


@pytest.mark.slow
def test_selection_decides_what_is_evaluated_and_reported(data, split, monkeypatch):
    seen = _trainings(monkeypatch)
    for selection, evaluated in (("test", split.test), ("validation", split.validation), ("last", split.validation)):
        seen.clear()
        records = list(spbl.run(data, split, QUICK.replace(selection=selection)))
        assert {options["validation"].tolist() == evaluated.tolist() for _, _, options, _ in seen} == {True}
        assert {config.selection for _, config, _, _ in seen} == {"last" if selection == "last" else "validation"}
        assert [record.test is not None for record in records] == [*[selection == "test"] * 2, True]
    history = methods.run("spbl_released", data, split, QUICK).history
    assert any("test_accuracy" in entry for entry in history)
    assert not any("validation_accuracy" in entry for entry in history)


@pytest.mark.slow
def test_warm_start_goes_on_and_a_cold_one_starts_anew(data, split, monkeypatch):
    seen = _trainings(monkeypatch)
    for warm, cached in itertools.product((True, False), (False, True)):
        seen.clear()
        list(spbl.run(data, split, QUICK.replace(warm_start=warm, feature_cache=cached)))
        first, *later = (start for *_, start in seen)
        same = [all(bool((first[key] == start[key]).all()) for key in start) for start in later]
        assert same == [not warm] * 3


@pytest.mark.parametrize("variant", ["released", "intended"])
@pytest.mark.parametrize(
    "switch",
    [
        *[{"selection": "last"}, {"weighting": False, "reconstruction": False}, {"add_ratios": (1.0,)}],
        *[{"difficulty_from": "network", "head": "svm"}, {"difficulty_from": "svm", "head": "softmax"}],
        *[{"head": "logistic"}, {"feature_cache": True}, {"stage_epochs": 3}, {"svm_memory": 0.0}],
    ],
    ids=str,
)
def test_every_switch_runs_to_the_end_within_the_budget(data, split, variant, switch):
    config = QUICK.replace(variant=variant, **switch)
    result = methods.run(f"spbl_{variant}", data, split, config)
    planned = spbl.steps_of_stages(data.labels[split.train], config)
    assert result.steps == sum(planned)
    if config.stage_epochs is None:
        assert result.steps == training.step_budget(config, len(split.train))
    assert len(result.details["paces"]) == len(config.add_ratios)
    assert (result.predicted == data.labels[split.test]).mean() > 0.6


def test_budget_of_fixed_stage_epochs_is_every_methods_budget(data, split):
    config = QUICK.replace(stage_epochs=4)
    steps = {methods.run(name, data, split, config).steps for name in ("ce", "spl", "spbl_released", "spbl_intended")}
    labels = data.labels[split.train]
    seed = np.ceil(0.2 * np.bincount(labels))
    sizes = [(seed + np.ceil(q * (np.bincount(labels) - seed))).sum() for q in (0, 0.5, 0.75, 1)]
    assert steps == {sum(4 * int(size // min(16, size)) for size in sizes)}


def test_all_classes_alike(features, split):
    """Where all eases are equal, the release divides by zero; here classes are then one big tie."""
    alike = dataclasses.replace(features, features=np.zeros_like(features.features))
    counts = [30, 30, 30]
    labels = np.repeat(np.arange(3), counts)
    even = dataclasses.replace(alike, labels=labels)
    parts = [np.flatnonzero(np.arange(90) % 3 == part) for part in range(3)]
    part_of = dataclasses.replace(split, train=parts[0], validation=parts[1], test=parts[2])
    records = list(spbl.run(even, part_of, QUICK.replace(variant="released", difficulty_from="network", lr=1e-9)))
    assert np.isfinite(records[-1].weights).all()
    assert (records[0].counts_after == records[0].counts_before).all()


def test_first_kept_epoch():
    assert [spbl.first_kept_epoch(n) for n in (1, 4, 5, 9, 10, 11, 50)] == [1, 1, 1, 2, 10, 10, 10]


def test_resume_of_another_run_is_refused(data, split, tmp_path):
    checkpoint = tmp_path / "run.pt"
    methods.run("spbl_clean", data, split, QUICK, checkpoint=checkpoint)
    fewer = dataclasses.replace(split, test=split.test[1:])
    for method, used, config, told in (
        ("spbl_clean", split, QUICK.replace(svm_cost=2.0), r"\(svm_cost: 1.0 there, 2.0 here\)"),
        ("spbl_intended", split, QUICK, "run: 'spbl_clean' there, 'spbl_intended' here"),
        ("spbl_clean", fewer, QUICK, "the split differs"),
    ):
        with pytest.raises(checkpoints.ResumeError, match=f"another run .*{told}"):
            methods.run(method, data, used, config, checkpoint=checkpoint)
    for path in tmp_path.glob("*.arrays"):
        path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(checkpoints.ResumeError, match="cannot be read"):
        methods.run("spbl_clean", data, split, QUICK, checkpoint=checkpoint)


def test_remembered_parts_are_not_computed_again(data, split, tmp_path, monkeypatch):
    checkpoint = tmp_path / "run.pt"
    whole = methods.run("spbl_released", data, split, QUICK, checkpoint=checkpoint)
    monkeypatch.setattr(training, "predict", lambda *_: pytest.fail("predicted again"))
    monkeypatch.setattr(spbl.StackedSVC, "fit", lambda *_: pytest.fail("fitted again"))
    again = methods.run("spbl_released", data, split, QUICK, checkpoint=checkpoint)
    np.testing.assert_array_equal(again.scores, whole.scores)
    assert again.details == whole.details


@pytest.mark.slow
def test_killed_at_twelve_random_moments_the_result_file_is_the_same(tmp_path):
    """SIGKILL the process at random moments, start it again, and compare the result file with an undisturbed run's."""

    def result_in(folder):
        (path,) = folder.glob("runs/*/*/*/seed-0/result.json")
        (scores,) = folder.glob("runs/*/*/*/seed-0/scores.npz")
        record = json.loads(path.read_text())
        return {key: value for key, value in record.items() if key != "timing"}, dict(np.load(scores))

    undisturbed, disturbed = tmp_path / "undisturbed", tmp_path / "disturbed"
    for folder in (undisturbed, disturbed):
        folder.mkdir()
    events = killing.finish(killing.run_spbl, undisturbed)
    killing.kill_at_random(killing.run_spbl, disturbed, events, times=12)
    killing.finish(killing.run_spbl, disturbed)
    (record, arrays), (expected, expected_arrays) = result_in(disturbed), result_in(undisturbed)
    assert record == expected
    assert all(np.array_equal(arrays[name], expected_arrays[name]) for name in expected_arrays)
    assert store.scan(disturbed / "runs").broken == []

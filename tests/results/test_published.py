"""The published numbers as they were handed down, and the badges of what differs from ours."""

import copy

import pytest
import report_runs as made

from spbl_nb import metrics
from spbl_nb.results import published

ROWS = """
sd198 71.4±1.7 65.7±1.6 66.2±1.6 42.8±4.0 68.5±1.6 67.8±1.8
sd260 59.9±1.6 48.2±1.1 51.0±0.9 19.6±1.1 64.8±1.2 65.1±0.8
mit67 - - - - - 64.1±0.5
caltech101 - - - - - 88.6±0.4
mnist - - - - - 99.0±0.1
mlc - - - - - 72.0
"""


def test_the_numbers_are_those_that_were_published_and_no_others():
    found = [
        " ".join([protocol.dataset, *(_short(protocol.dataset, column.name) for column in published.COLUMNS)])
        for protocol in published.PROTOCOLS
    ]
    assert found == ROWS.strip().splitlines()
    assert len(published.VALUES) == 16


def _short(dataset, column):
    value = published.value_of(dataset, column)
    return "-" if value is None else str(value).replace(" ", "")


def test_the_published_detectors_are_there_with_their_losses_and_were_not_run_here():
    rows = [(one.classification, one.regression, one.average_precision) for one in published.DETECTION]
    assert rows == [("focal", "smooth_l1", 35.6), ("ghm_c", "smooth_l1", 35.8), ("ghm_c", "ghm_r", 37.0)]
    assert all(one.standing == "not run here" and "GHM" in one.source for one in published.DETECTION)


def test_every_number_has_a_source_and_every_fact_its_standing():
    assert all(value.source for value in published.VALUES)
    facts = [
        fact for one in published.PROTOCOLS for fact in (one.division, one.network, one.repeats) if fact is not None
    ]
    assert {fact.standing for fact in facts} <= {"release", "inferred", "recalled"}
    assert str(published.SELECTION).endswith("[release]")


def test_columns_have_figures_of_ours_by_the_same_definition():
    pairs = {column.name: column.metric for column in published.COLUMNS}
    assert set(pairs.values()) <= set(metrics.SUMMARY)
    assert pairs["G-mean"] == "g_mean_corrected"
    assert pairs["“MAUC”"] == "weighted_harmonic"


def test_drawn_images_have_no_published_numbers():
    assert published.protocol_of("lesions198") is None
    assert published.protocol_of("lesions") is None
    assert published.protocol_of("sd198").classes == 198


def test_misleading_names_have_a_badge_where_they_stand():
    labels = [badge.label for badge in published.definition_badges("sd198")]
    assert labels == ["G-mean with 0.001 for dead classes", "“MAUC” is no AUC"]
    assert published.definition_badges("mnist") == ()


MNIST = published.protocol_of("mnist")
SD198 = published.protocol_of("sd198")


def as_published(dataset):
    """The record of a run that follows the published protocol in all that a record tells."""
    like_mnist = dataset == "mnist"
    settings = (
        {"model": "mnist_net", "size": 28} if like_mnist else {"model": "resnet50", "size": 224, "weights": "DEFAULT"}
    )
    run = made.run("spbl_released", dataset=dataset, details={"switches": {"selection": "test"}})
    run.result["fingerprint"]["config"] = made.SETTINGS | settings | {"stage_epochs": 50}
    train = [6000, 600] * 5 if like_mnist else [5268]
    run.result["class_counts"] = {"train": train, "validation": [0], "test": [10_000] if like_mnist else [1316]}
    run.result["split_origin"] = "official test split" if like_mnist else "fold 1 of 5"
    return run.result


def labels(result, protocol):
    return [badge.label for badge in published.protocol_badges(result, protocol)]


@pytest.mark.parametrize("protocol", [MNIST, SD198], ids=["mnist", "sd198"])
def test_the_published_protocol_itself_has_no_badge(protocol):
    assert labels(as_published(protocol.dataset), protocol) == []


@pytest.mark.parametrize(
    ("protocol", "change", "label"),
    [
        (MNIST, {"details": {"switches": {"selection": "validation"}}}, "epochs not chosen on the test"),
        (MNIST, {"details": None}, "epochs not chosen on the test"),
        (MNIST, {"split_origin": "seed 0, test share 0.2"}, "division: seed 0, test share 0.2"),
        (SD198, {"split_origin": "seed 0"}, "division: seed 0"),
        (SD198, {"split_origin": None}, "division: unknown"),
        (SD198, {"class_counts": {"train": [500], "test": [84]}}, "584 images in all"),
        (MNIST, {"class_counts": {"train": [600, 60] * 5, "test": [9]}}, "3,300 training images"),
        (MNIST, {"class_counts": {"train": [3300] * 10, "test": [9]}}, "odd classes at 100% of the even ones"),
        (
            MNIST,
            {"class_counts": {"train": [6000, 600] * 5, "validation": [500, 700], "test": [9]}},
            "1,200 images held out for validation",
        ),
    ],
)
def test_each_departure_of_the_record_has_its_badge(protocol, change, label):
    assert labels(as_published(protocol.dataset) | change, protocol) == [label]


@pytest.mark.parametrize(
    ("protocol", "change", "label"),
    [
        (MNIST, {"model": "small_cnn"}, "network small_cnn"),
        (SD198, {"weights": None}, "random starting weights"),
        (SD198, {"size": 64}, "64 pixels"),
        (SD198, {"stage_epochs": None}, "budget of 600 steps"),
    ],
)
def test_each_departure_of_the_settings_has_its_badge(protocol, change, label):
    result = copy.deepcopy(as_published(protocol.dataset))
    result["fingerprint"]["config"] |= change
    assert labels(result, protocol) == [label]


def test_the_variant_of_the_abstract_is_not_what_was_published():
    result = as_published("mnist")
    result["fingerprint"]["method"] = "spbl_intended"
    assert labels(result, MNIST) == ["variant intended"]


def test_badges_say_what_was_published_and_how_far_that_is_known():
    (badge,) = published.protocol_badges(as_published("mnist") | {"split_origin": "seed 0"}, MNIST)
    assert badge.kind == "protocol"
    assert badge.meaning.startswith("published: the official splits")
    assert badge.meaning.endswith("[recalled]")


def test_ours_stand_beside_in_per_cent_nearest_to_the_released_code_first():
    kept = made.seeds("spbl_clean", [0.4, 0.5], "mnist") + made.seeds("spbl_released", [0.6], "mnist")
    kept += made.seeds("ce", [0.9], "mnist") + made.seeds("spbl_clean", [0.9], "digits")
    released, clean = published.beside(kept, MNIST)
    assert (released.method, released.seeds, released.values["F1"]) == ("spbl_released", 1, "60.0")
    assert (clean.method, clean.seeds, clean.values["F1"]) == ("spbl_clean", 2, "45.0 ± 7.1")
    assert clean.values["“MAUC”"] == "–"
    assert released.badges[-1].label == "one seed, no ±"
    assert clean.badges[-1].label == "± over 2 seeds"
    assert "not known to us" in clean.badges[-1].meaning
    assert published.beside(kept, SD198) == []


def test_a_record_of_an_older_version_is_badged_for_what_it_does_not_tell():
    run = made.run("spbl_released", dataset="mnist")
    del run.result["fingerprint"]["config"]
    (ours,) = published.beside([run], MNIST)
    assert {"network unknown", "division: unknown"} <= {badge.label for badge in ours.badges}

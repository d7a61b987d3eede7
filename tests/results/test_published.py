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
MNIST = published.protocol_of("mnist")
SD198 = published.protocol_of("sd198")


def test_the_numbers_are_those_that_were_published_and_no_others():
    found = [
        " ".join([one.dataset, *(str(one.values.get(column, "-")).replace(" ", "") for column in published.COLUMNS)])
        for one in published.PROTOCOLS
    ]
    assert found == ROWS.strip().splitlines()
    assert sum(len(one.values) for one in published.PROTOCOLS) == 16
    rows = [tuple(one.values()) for one in published.DETECTION["values"]]
    assert rows == [("focal", "smooth_l1", 35.6), ("ghm_c", "smooth_l1", 35.8), ("ghm_c", "ghm_r", 37.0)]


def test_every_fact_has_its_standing():
    facts = [fact for one in published.PROTOCOLS for fact in (one.division, one.network)]
    facts += [one.repeats for one in (SD198, published.protocol_of("sd260"))] + [published.DETECTION["protocol"]]
    assert all(fact.endswith(("[release]", "[inferred]", "[recalled]")) for fact in facts)


def test_columns_have_figures_of_ours_by_the_same_definition():
    assert set(published.COLUMNS.values()) <= set(metrics.SUMMARY)
    assert published.COLUMNS["G-mean"] == "g_mean_corrected"
    assert published.COLUMNS["“MAUC”"] == "weighted_harmonic"
    assert set(published.MISLEADING) == {"G-mean", "“MAUC”"}


def test_drawn_images_have_no_published_numbers():
    assert published.protocol_of("lesions198") is None
    assert SD198.classes == 198


def as_published(dataset):
    """A run that follows the published protocol in all that a record holds."""
    like_mnist = dataset == "mnist"
    settings = (
        {"model": "mnist_net", "size": 28} if like_mnist else {"model": "resnet50", "size": 224, "weights": "DEFAULT"}
    )
    run = made.run("spbl_released", dataset=dataset, details={"switches": {"selection": "test"}})
    run.result["fingerprint"]["config"] = made.SETTINGS | settings | {"stage_epochs": 50}
    train = [6000, 600] * 5 if like_mnist else [5268]
    run.result["class_counts"] = {"train": train, "validation": [0], "test": [10_000] if like_mnist else [1316]}
    run.result["split_origin"] = "official test split" if like_mnist else "fold 1 of 5"
    return run


def badges(run, protocol):
    """The badges of protocol of one run, which is the only one."""
    (ours,) = published.beside([run], protocol)
    return [badge for badge in ours.badges if badge.kind == "protocol"]


@pytest.mark.parametrize("protocol", [MNIST, SD198], ids=["mnist", "sd198"])
def test_the_published_protocol_itself_has_no_badge(protocol):
    assert badges(as_published(protocol.dataset), protocol) == []


@pytest.mark.parametrize(
    ("protocol", "change", "label"),
    [
        (MNIST, {"details": {"switches": {"selection": "validation"}}}, "epochs not chosen on the test"),
        (MNIST, {"details": None}, "epochs not chosen on the test"),
        (MNIST, {"split_origin": "seed 0, test share 0.2"}, "division: seed 0, test share 0.2"),
        (SD198, {"split_origin": None}, "division: unknown"),
        (SD198, {"class_counts": {"train": [500], "test": [84]}}, "584 images in all"),
        (MNIST, {"class_counts": {"train": [600, 60] * 5, "test": [9]}}, "3,300 training images"),
        (MNIST, {"class_counts": {"train": [3300] * 10, "test": [9]}}, "odd classes at 100% of the even ones"),
        (
            MNIST,
            {"class_counts": {"train": [6000, 600] * 5, "validation": [500, 700], "test": [9]}},
            "1,200 images held out for validation",
        ),
        (MNIST, {"method": "spbl_intended"}, "variant intended"),
        (MNIST, {"model": "small_cnn"}, "network small_cnn"),
        (SD198, {"weights": None}, "random starting weights"),
        (SD198, {"size": 64}, "64 pixels"),
        (SD198, {"stage_epochs": None}, "budget of 600 steps"),
    ],
)
def test_each_departure_has_its_badge(protocol, change, label):
    result = copy.deepcopy(as_published(protocol.dataset))
    settings = result.result["fingerprint"]["config"]
    for key, value in change.items():
        places = (settings, result.result["fingerprint"], result.result)
        next((place for place in places if key in place), result.result)[key] = value
    assert [badge.label for badge in badges(result, protocol)] == [label]


def test_badges_say_what_was_published_and_how_far_that_is_known():
    run = as_published("mnist")
    run.result["split_origin"] = "seed 0"
    (badge,) = badges(run, MNIST)
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


def test_a_record_of_an_older_version_is_badged_for_what_it_does_not_hold():
    run = made.run("spbl_released", dataset="mnist")
    del run.result["fingerprint"]["config"]
    assert {"network unknown", "division: unknown"} <= {badge.label for badge in badges(run, MNIST)}

"""The report's sentences: no mean without deviation, no p without the smallest possible one, no winner."""

import pytest
import report_runs as made

from spbl_nb.results import report, tables, text

CE = [0.50, 0.51, 0.49, 0.50, 0.52, 0.48]


def compared(other, seeds, method="spbl_clean", more=()):
    """Differences of one other with these values of macro F1 from ce, over so many seeds."""
    kept = made.seeds("ce", CE[:seeds]) + made.seeds(method, other[:seeds]) + list(more)
    return report.differences(tables.frame(kept), "digits")


@pytest.mark.parametrize(
    ("other", "seeds", "parts"),
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
        ([0.6], 1, ["no interval, because one seed shows no spread", "1 seed can never reach 0.05"]),
        ([0.6, 0.61, 0.59], 3, ["no interval, because all 3 differences are 0.1: zero variance"]),
    ],
)
def test_the_verdict_claims_no_more_than_the_seeds_allow(other, seeds, parts):
    words = text.describe_verdict(compared(other, seeds))
    assert all(part in words for part in parts), words
    assert ("is better" in words) == any("is better" in part for part in parts)


def test_without_the_declared_comparison_there_is_no_verdict():
    assert "spbl_clean, which was declared beforehand, was not run" in text.describe_verdict(compared(CE, 3, "spl"))
    assert "no method but ce was run" in text.describe_verdict(compared([], 2))


def test_limits_are_named_for_each_family_with_what_was_left_out():
    found = compared(
        [0.6, 0.5, 0.6], 3, more=made.seeds("spl", [0.5] * 3) + made.seeds("crt", [0.5] * 3) + [made.run("focal")]
    )
    lines = text.describe_limits(found).split("  \n")
    assert lines == [
        "Primary: 3 seeds can never reach 0.05: the smallest attainable p is 0.25; 6 seeds are needed.",
        "Secondary: 3 seeds can never reach 0.05 over 2 comparisons: the smallest attainable adjusted p is 0.5; "
        "7 seeds are needed.",
        "Left out, because not all have it: focal (1 of 3).",
    ]
    assert "All comparisons: " in text.describe_limits(compared(CE, 3, "spl"))
    assert "declared beforehand, is not among them" in text.describe_limits(compared(CE, 3, "spl"))


def test_the_highest_means_have_deviations_and_marks():
    kept = made.seeds("ce", [0.5, 0.6]) + made.seeds("spl", [0.1, 0.2]) + made.seeds("spaco", [0.9, 0.9])
    kept += made.seeds("spbl_released", [0.7], details={"switches": {"selection": "test"}})
    words = text.describe_highest(tables.frame(kept), "digits")
    assert words == "Highest mean macro F1: `spbl_released` † 0.700 (1 seed), then `ce` 0.550 ± 0.071 (2 seeds)."
    assert text.describe_highest(tables.frame([]), "digits") == ""


@pytest.mark.parametrize(
    ("value", "shown"),
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
def test_a_small_number_is_not_rounded_to_a_signed_nothing(value, shown):
    assert text.format_signed(value) == shown


def test_the_leak_has_its_interval():
    kept = made.seeds("spbl_released", [0.6, 0.7]) + made.seeds("spbl_clean", [0.5, 0.5])
    words = text.describe_leak(tables.frame(kept), "digits")
    assert "macro F1 +0.150, 95 % interval −0." in words
    assert ", p = 0.5" in words
    assert "Neither gain nor loss is shown: 2 seeds can never reach 0.05" in words
    assert text.describe_leak(tables.frame(kept[:2]), "digits") == ""


def test_origin_names_machines_versions_and_states_of_the_library():
    timing = {"seconds": 60.0, "system": "Linux", "machine": "x86_64", "cores": 2, "gpu": "H200"}
    kept = [made.run(timing=timing, versions={"torch": "2.1"}, library_sha256="a" * 64)]
    words = text.describe_origin([*kept, made.run(seed=1, versions={"torch": "2.2"})])
    assert "the runs' times: 1.2 minutes" in words
    assert "Linux x86_64, 2 cores, H200" in words
    assert "torch 2.1 and 2.2" in words
    assert (
        "states of the library that made these runs (SHA-256 of its source, not git's): aaaaaaaaaaaa, unknown" in words
    )
    assert "made by several states of the library" in words
    assert "several" not in text.describe_origin(kept)
    assert "machines: none" in text.describe_origin([])


def test_synthetic_pictures_are_called_so():
    kept = [made.run(synthetic=True), made.run(dataset="mnist", synthetic=False), made.run(dataset="old")]
    labels = [text.label(kept, dataset) for dataset in ("digits", "mnist", "old")]
    assert labels == ["digits (synthetic pictures)", "mnist", "old"]

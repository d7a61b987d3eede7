"""The figures of an SPBL run show what its records hold: who arrives, what is measured, what a pace changes."""

import importlib

import numpy as np
import pytest
from every_explorer import heights, pace_record

from spbl_nb.explorers.spbl import PacePlayer, arrivals, loop_diagram, pace_table
from spbl_nb.plots import figures

POOL = np.repeat(np.arange(4), [16, 10, 6, 4])
LABELS = np.concatenate([np.repeat(np.arange(4), [4, 3, 2, 1]), POOL])
NAMES = ["common", "frequent", "scarce", "rare"]
ROWS = np.arange(10, len(LABELS))


def _record(number, share, selected, gained, complexity, weights):
    return pace_record(number, share, LABELS, selected, np.array(gained), np.array(complexity), np.array(weights), ROWS)


@pytest.fixture(scope="module")
def records():
    """Three paces; at the second, sample 0 leaves, and the third takes samples away from the common class."""
    half, most = np.arange(len(POOL)) % 2 == 0, np.arange(len(POOL)) % 4 != 3
    most[0] = False
    return [
        _record(1, 0.5, half, [0, 0, 3, 5], [0.5, 1.0, 2.0, 8.0], [1, 4, 2, 9]),
        _record(2, 0.75, most, [0, 0, 2, 9], [0.5, 1.5, 9.0, 8.0], [1, 1, 1, 1]),
        _record(3, 1.0, np.ones_like(half), [-6, 0, 2, 9], [2.0, 1.0, 1.0, 8.0], [1, 2, 3, 9]),
    ]


@pytest.fixture(scope="module")
def player(records):
    return PacePlayer(records, LABELS, NAMES)


def test_shares_are_those_admitted_and_those_admitted_for_the_first_time(player, records):
    seen = np.zeros(len(POOL), dtype=bool)
    pool = np.bincount(POOL)
    for record in records:
        player.render(pace=record.pace)
        np.testing.assert_allclose(heights(player.new_bars), np.bincount(POOL[record.selected], minlength=4) / pool)
        np.testing.assert_allclose(
            heights(player.old_bars), np.bincount(POOL[record.selected & seen], minlength=4) / pool
        )
        seen |= record.selected


def test_sizes_ranks_and_recalls_are_those_of_the_record(player, records):
    player.render(pace=1)
    np.testing.assert_array_equal(heights(player.gained_bars), [0, 0, records[0].counts_after[2], 7])
    np.testing.assert_array_equal(heights(player.kept_bars), records[0].counts_before)
    np.testing.assert_array_equal(heights(player.lost_bars), 0)
    np.testing.assert_array_equal(heights(player.rank_bars), [1, 2, 3, 4])
    np.testing.assert_array_equal(player.weight_marks.get_ydata(), [1, 3, 2, 4])
    player.render(pace=3)
    np.testing.assert_array_equal(heights(player.lost_bars), [16, 0, 0, 0])
    np.testing.assert_array_equal(heights(player.kept_bars), [10, 10, 6, 4])
    np.testing.assert_array_equal(heights(player.rank_bars), [3, 1.5, 1.5, 4])
    np.testing.assert_allclose(heights(player.recall_bars), records[2].validation.per_class.recall)
    np.testing.assert_allclose(player.before_marks.get_ydata(), records[2].before.per_class.recall)


def test_equal_weights_are_no_ranks(player):
    player.render(pace=2)
    assert np.isnan(player.weight_marks.get_ydata()).all()


def test_caption_counts(player):
    _, first = player.render(pace=1)
    assert "18 samples, 18 of them for the first time" in first
    assert "Most complex is rare, least complex common. 8 samples are added in 2 classes and 0 taken away in 0" in first
    _, last = player.render(pace=3)
    assert "36 samples, 9 of them for the first time" in last
    assert "11 samples are added in 2 classes and 6 taken away in 1" in last


@pytest.mark.slow
def test_two_hundred_classes_and_a_class_without_samples():
    labels = np.repeat(np.arange(198), 3)
    rows = np.arange(198, len(labels))
    labels = np.concatenate([np.arange(198), np.repeat(np.arange(198), 2)])
    complexity = np.linspace(1, 5, 198)
    complexity[3] = np.nan
    selected = np.ones(len(rows), dtype=bool)
    gained = np.zeros(198, dtype=int)
    many = [pace_record(number, 1.0, labels, selected, gained, complexity, complexity, rows) for number in (1, 2)]
    names = [f"class {index}" for index in range(198)]
    assert "nan" not in PacePlayer(many, labels, names).render(pace=2)[1]
    assert len(figures.to_png(pace_table(many, names))) > 5000


def test_arrivals_are_sorted_by_loss_and_shown_once(records):
    """Images whose grey value is their row, so that the drawing can be read back."""
    images = np.tile(np.arange(len(LABELS), dtype=np.uint8)[:, None, None, None], (1, 3, 4, 4))
    figure = arrivals(records, 2, LABELS, NAMES, images, each=3)
    easiest, hardest = (axes.images[0].get_array() for axes in figure.axes)
    new = records[1].selected & ~records[0].selected
    for label in range(4):
        own = np.flatnonzero(new & (label == POOL))
        own = ROWS[own[np.argsort(records[1].loss[own])]]
        for block, expected in ((easiest, own[:3]), (hardest, own[::-1][:3])):
            shown = np.asarray(block)[6 * label, ::6, 0]
            np.testing.assert_array_equal(shown[: len(expected)], expected)
            assert (shown[len(expected) :] == 255).all()
    assert figure.axes[0].get_yticklabels()[3].get_text() == f"rare ({(new & (POOL == 3)).sum()})"


def test_the_table_holds_the_numbers(records):
    figure = pace_table(records, NAMES)
    texts = [[text.get_text() for text in axes.texts] for axes in figure.axes]
    assert texts[0][-3:] == ["16", "16", "8.0"]
    assert texts[1][:3] == ["1.0", "1.0", "1.0"]
    assert texts[2][:3] == ["0", "0", "-6"]
    assert texts[2][-3:] == ["+5", "+9", "+9"]
    assert texts[3] == [f"{r.validation.per_class.recall[label]:.2f}" for label in range(4) for r in records]


def test_the_diagram_names_functions_that_exist():
    texts = [text.get_text() for text in loop_diagram().axes[0].texts]
    functions = [text.split(".") for text in texts if "." in text]
    assert len(functions) == 9
    for module, name in functions:
        room = "spbl_nb.methods" if module in ("job", "self_paced") else "spbl_nb"
        assert hasattr(importlib.import_module(f"{room}.{module}"), name), (module, name)

"""The explorers of self-paced selection: swept, and showing and saying what ``pace`` and training select."""

import dataclasses

import numpy as np
import pytest
from every_explorer import LABELS, NAMES, SIZES, heights

from spbl_nb import pace
from spbl_nb.explorers.pace import ONE_AGE, QUOTA, CurriculumPlayer, PaceExplorer, select
from spbl_nb.methods.self_paced import SelfPacedRecord, weigh


@pytest.fixture(scope="module")
def loss():
    """Losses that grow with the class index, so that one age starves the last class."""
    return np.random.default_rng(0).gamma(2.0, size=len(LABELS)) * np.array([0.4, 0.8, 1.5, 4.0])[LABELS] + 0.05


@pytest.fixture(scope="module")
def thumbnails():
    """Images whose grey value is the sample's index."""
    grey = np.arange(len(LABELS), dtype=np.uint8)
    return np.tile(grey[:, None, None, None], (1, 3, 4, 4))


@pytest.fixture(scope="module")
def explorer(loss, thumbnails):
    return PaceExplorer(loss, LABELS, NAMES, thumbnails)


def _records(loss):
    """Three paces over the same samples: in the second, one sample has become hard and leaves."""
    harder = loss.copy()
    harder[int(np.argmin(loss))] = loss.max() * 2
    records = []
    for number, (values, share) in enumerate([(loss, 0.4), (harder, 0.6), (loss, 1.0)], 1):
        age = pace.quantile_age(values, share)
        records.append(SelfPacedRecord(number, share, age, values, pace.self_paced_weights(values, age)))
    return records


@pytest.fixture(scope="module")
def player(loss, thumbnails):
    return CurriculumPlayer(_records(loss), LABELS, NAMES, thumbnails)


@pytest.mark.parametrize("form", pace.FORMS)
@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_one_age_selects_and_weighs_as_training_does(loss, form, share):
    chosen = select(loss, LABELS, share, form)
    np.testing.assert_array_equal(chosen.weights, weigh(loss, LABELS, share, form)[1])
    assert chosen.admitted.sum() == (len(loss) if form == "logistic" else np.ceil(share * len(loss)))
    if form != "logistic":
        np.testing.assert_array_equal(chosen.admitted, loss < chosen.age)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_a_quota_is_select_easiest_in_every_form(loss, share):
    expected = pace.select_easiest(loss, LABELS, share)
    for form in pace.FORMS:
        chosen = select(loss, LABELS, share, form, QUOTA)
        np.testing.assert_array_equal(chosen.admitted, expected | (form == "logistic"))
        assert np.isnan(chosen.age)
        for label in range(4):
            own = label == LABELS
            assert chosen.limits[label] == pace.quantile_age(loss[own], share)
            if share > 0 and form in ("linear", "logistic"):
                weights = pace.self_paced_weights(loss[own], chosen.limits[label], form)
                np.testing.assert_allclose(chosen.weights[own], weights, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.2, 0.85])
def test_diversity_selects_as_training_does(loss, share):
    chosen = select(loss, LABELS, share, diversity=1.0)
    assert chosen.admitted.sum() == np.ceil(share * len(loss))
    if share:
        age, weights, _ = weigh(loss, LABELS, share, diversity=1.0)
        np.testing.assert_array_equal(chosen.admitted, weights > 0)
        assert chosen.age == age


def test_many_classes_and_no_thumbnails(loss):
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(600) % 198)
    many = PaceExplorer(rng.gamma(2.0, size=600), labels, [f"class {index}" for index in range(198)])
    assert "of 198" in many.render(share=0.05)[1]
    assert CurriculumPlayer(_records(loss), LABELS, NAMES).render(pace=2)


@pytest.mark.parametrize(
    "settings",
    [{"share": 0.35}, {"scope": QUOTA}, {"form": "linear"}, {"share": 0.6, "diversity": 1.0}],
)
def test_marks_and_bars_are_the_selection(explorer, loss, settings):
    _, caption = explorer.render(**settings)
    chosen = select(loss, LABELS, **{"share": 0.5, "scope": ONE_AGE} | settings)
    drawn = np.concatenate([line.get_ydata() for line in explorer.full + explorer.light])
    np.testing.assert_allclose(np.sort(drawn**2), np.sort(loss[chosen.admitted]))
    strong = np.concatenate([line.get_ydata() for line in explorer.full])
    np.testing.assert_allclose(np.sort(strong**2), np.sort(loss[chosen.weights >= 0.5]))
    np.testing.assert_allclose(np.sort(explorer.out.get_ydata() ** 2), np.sort(loss[~chosen.admitted]))
    order = explorer.columns.order
    for bars, values in ((explorer.share_bars, chosen.admitted), (explorer.weight_bars, chosen.weights)):
        np.testing.assert_allclose(heights(bars), (np.bincount(LABELS, values) / SIZES)[order], atol=1e-12)
    assert f"{chosen.admitted.sum()} of {len(loss)} samples admitted" in caption
    assert ("whole ones" in caption) == (settings.get("form") == "linear")


def test_classes_with_nothing_are_marked_and_named(explorer):
    _, caption = explorer.render(share=0.3)
    assert "rare" in caption.split("Lowest")[0], "the last class is the hardest by far"
    assert explorer.columns.order.tolist().index(3) in explorer.columns.starved.get_xdata()
    _, caption = explorer.render(share=0.3, scope=QUOTA)
    assert "Classes with nothing admitted: none of 4." in caption
    assert len(explorer.columns.starved.get_xdata()) == 0


def test_images_are_the_easiest_and_the_hardest_admitted(explorer, loss):
    explorer.render(share=0.4)
    admitted = np.argsort(loss)[: int(np.ceil(0.4 * len(loss)))]
    for block, expected in zip(explorer.blocks, (admitted[:12], admitted[::-1][:12]), strict=True):
        assert block.pixels.pixels[2::6, 2::6, 0].ravel().tolist() == expected.tolist()
    explorer.render(share=0.0)
    assert (explorer.blocks[0].pixels.pixels >= 245).all()


def test_columns_are_sorted_by_loss_and_classes_by_median(explorer, loss):
    order = explorer.columns.order.tolist()
    median = [np.median(loss[label == LABELS]) for label in order]
    assert median == sorted(median)
    for label in range(4):
        own = label == LABELS
        assert (np.abs(explorer.x[own] - order.index(label)) < 0.5).all()
        assert (np.diff(explorer.x[own][np.argsort(loss[own])]) > 0).all()


def test_the_player_says_who_enters_and_leaves(player, loss):
    first, second = (int(np.ceil(share * len(loss))) for share in (0.4, 0.6))
    assert f"{first} enter" in player.render(pace=1)[1]
    _, caption = player.render(pace=2)
    assert f"{second - first + 1} enter" in caption, "one more enters, because one leaves"
    assert "1 leave" in caption
    assert len(player.points["leaves"].get_xdata()) == 1
    assert player.points["leaves"].get_ydata() == pytest.approx(np.sqrt(2 * loss.max()))
    assert "Of every class 100% is admitted." in player.render(pace=3)[1]


def test_the_player_shows_only_those_who_enter(player):
    for index in range(3):
        player.render(pace=index + 1)
        shown = player.block.pixels.pixels[2::6, 2::6, 0].ravel()
        shown = shown[shown < 245]
        assert len(shown) == min(15, player.enters[index].sum())
        assert player.enters[index][shown].all()


def test_a_quota_run_has_no_age(loss):
    records = [dataclasses.replace(record, age=float("nan")) for record in _records(loss)]
    assert "a quota in every class" in CurriculumPlayer(records, LABELS, NAMES).render(pace=2)[1]

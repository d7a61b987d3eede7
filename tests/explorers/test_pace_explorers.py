"""The explorers of self-paced selection: swept, and showing and saying what the functions of ``pace`` select."""

import dataclasses

import numpy as np
import pytest

from spbl_nb import config, pace
from spbl_nb.explorers import base as widgets
from spbl_nb.explorers.pace import ONE_AGE, QUOTA, CurriculumPlayer, PaceExplorer, select
from spbl_nb.methods import self_paced
from spbl_nb.methods.self_paced import SelfPacedRecord

SIZES = np.array([40, 25, 12, 6])
LABELS = np.repeat(np.arange(4), SIZES)
NAMES = ["common", "frequent", "scarce", "rare"]


@pytest.fixture(scope="module")
def loss():
    """Losses that grow with the class index, so that one age starves the last class."""
    return np.random.default_rng(0).gamma(2.0, size=len(LABELS)) * np.array([0.4, 0.8, 1.5, 4.0])[LABELS] + 0.05


@pytest.fixture(scope="module")
def thumbnails():
    """Pictures whose grey value is the sample's index."""
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
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 1.0])
def test_one_age_weighs_as_training_does(loss, form, share):
    chosen = select(loss, LABELS, share, form)
    settings = config.preset("fast", pace_form=form, least_per_class=0)
    age, weights = self_paced.weigh(loss, LABELS, share, settings)
    np.testing.assert_allclose(chosen.weights, weights, rtol=0, atol=1e-12)
    if form != "logarithmic":  # whose age training gives in rescaled losses
        assert chosen.age == age
    assert chosen.admitted.sum() == (len(loss) if form == "logistic" else np.ceil(share * len(loss)))
    if form != "logistic":
        np.testing.assert_array_equal(chosen.admitted, loss < chosen.age)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_a_quota_is_select_easiest_in_every_form(loss, share):
    expected = pace.select_easiest(loss, LABELS, share)
    for form in pace.FORMS:
        chosen = select(loss, LABELS, share, form, QUOTA)
        everybody = form == "logistic"
        np.testing.assert_array_equal(chosen.admitted, expected | everybody)
        assert np.isnan(chosen.age)
        for label in range(4):
            own = label == LABELS
            assert chosen.limits[label] == pace.quantile_age(loss[own], share)
            if share > 0 and form in ("linear", "logistic"):
                weights = pace.self_paced_weights(loss[own], chosen.limits[label], form)
                np.testing.assert_allclose(chosen.weights[own], weights, atol=1e-12)


@pytest.mark.parametrize("diversity", [0.1, 1.0, 2.5])
@pytest.mark.parametrize("share", [0.2, 0.5, 0.85])
def test_diversity_selects_as_training_does(loss, share, diversity):
    settings = config.preset("fast", least_per_class=0)
    age, weights = self_paced.weigh(loss, LABELS, share, settings, diversity=diversity, groups=LABELS)
    chosen = select(loss, LABELS, share, diversity=diversity)
    np.testing.assert_array_equal(chosen.admitted, weights > 0)
    assert chosen.age == pytest.approx(age, abs=1e-9)
    assert chosen.admitted.sum() == np.ceil(share * len(loss)) or chosen.age == 0


def test_diversity_of_nothing_and_of_tied_losses():
    assert not select(np.ones(4), np.zeros(4, int), 0.0, diversity=1.0).admitted.any()
    tied = select(np.ones(8), np.repeat([0, 1], 4), 0.5, diversity=0.5)
    assert np.bincount(np.repeat([0, 1], 4)[tied.admitted]).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"share": 1.5}, "share"),
        ({"scope": "local"}, "scope"),
        ({"form": "soft"}, "form"),
        ({"diversity": -1.0}, "diversity"),
    ],
)
def test_a_selection_that_does_not_exist(loss, change, message):
    with pytest.raises(ValueError, match=message):
        select(**{"loss": loss, "labels": LABELS, "share": 0.5} | change)


def test_sweep(explorer, player):
    assert widgets.check_explorer(explorer) > 30
    assert widgets.check_explorer(player) > 10


def test_without_pictures_and_with_many_classes(loss):
    assert widgets.check_explorer(PaceExplorer(loss, LABELS, NAMES)) > 30
    assert widgets.check_explorer(CurriculumPlayer(_records(loss), LABELS, NAMES)) > 10
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.arange(600) % 198)
    many = PaceExplorer(rng.gamma(2.0, size=600), labels, [f"class {index}" for index in range(198)])
    assert "of 198" in many.render(share=0.05)[1]


@pytest.mark.parametrize(
    "settings",
    [
        {"share": 0.35},
        {"share": 0.5, "scope": QUOTA},
        {"share": 0.5, "form": "linear"},
        {"share": 0.6, "diversity": 1.0},
    ],
)
def test_marks_and_bars_are_the_selection(explorer, loss, settings):
    _, caption = explorer.render(**settings)
    chosen = select(loss, LABELS, **{"scope": ONE_AGE} | settings)
    heights = np.concatenate([line.get_ydata() for line in explorer.full + explorer.light])
    np.testing.assert_allclose(np.sort(heights**2), np.sort(loss[chosen.admitted]))
    strong = np.concatenate([line.get_ydata() for line in explorer.full])
    np.testing.assert_allclose(np.sort(strong**2), np.sort(loss[chosen.weights >= 0.5]))
    np.testing.assert_allclose(np.sort(explorer.out.get_ydata() ** 2), np.sort(loss[~chosen.admitted]))
    order = explorer.columns.order
    for bars, values in ((explorer.share_bars, chosen.admitted), (explorer.weight_bars, chosen.weights)):
        shown = [path.get_extents().height for path in bars.artist.get_paths()]
        np.testing.assert_allclose(shown, (np.bincount(LABELS, values) / SIZES)[order], atol=1e-12)
    assert f"{chosen.admitted.sum()} of {len(loss)} samples admitted" in caption
    assert ("whole ones" in caption) == (settings.get("form") == "linear")


def test_classes_with_nothing_are_marked_and_named(explorer, loss):
    _, caption = explorer.render(share=0.3)
    shares = np.bincount(LABELS[loss < pace.quantile_age(loss, 0.3)], minlength=4)
    assert shares[3] == 0, "the last class is the hardest by far"
    assert "rare" in caption.split("Lowest")[0]
    place = explorer.columns.order.tolist().index(3)
    assert place in explorer.starved.get_xdata()
    _, caption = explorer.render(share=0.3, scope=QUOTA)
    assert "Classes with nothing admitted: none of 4." in caption
    assert len(explorer.starved.get_xdata()) == 0


def test_pictures_are_the_easiest_and_the_hardest_admitted(explorer, loss):
    explorer.render(share=0.4)
    admitted = np.argsort(loss)[: int(np.ceil(0.4 * len(loss)))]
    for block, expected in zip(explorer.blocks, (admitted[:12], admitted[::-1][:12]), strict=True):
        assert block.pixels.pixels[2::6, 2::6, 0].ravel().tolist() == expected.tolist()
    explorer.render(share=0.0)
    assert (explorer.blocks[0].pixels.pixels >= 245).all()


def test_columns_are_sorted_by_loss_and_classes_by_median(explorer, loss):
    median = [np.median(loss[label == LABELS]) for label in explorer.columns.order]
    assert median == sorted(median)
    for label in range(4):
        own = label == LABELS
        place = explorer.columns.order.tolist().index(label)
        assert (np.abs(explorer.x[own] - place) < 0.5).all()
        assert (np.diff(explorer.x[own][np.argsort(loss[own])]) > 0).all()


def test_the_player_says_who_enters_and_leaves(player, loss):
    _, caption = player.render(pace=1)
    first = int(np.ceil(0.4 * len(loss)))
    assert f"{first} enter" in caption
    assert "0 leave" in caption
    _, caption = player.render(pace=2)
    second = int(np.ceil(0.6 * len(loss)))
    assert f"{second - first + 1} enter" in caption, "one more enters, for one leaves"
    assert "1 leave" in caption
    assert len(player.points["leaves"].get_xdata()) == 1
    assert player.points["leaves"].get_ydata() == pytest.approx(np.sqrt(2 * loss.max()))
    _, caption = player.render(pace=3)
    assert "Of every class 100% is admitted." in caption


def test_the_player_shows_only_those_who_enter(player):
    for index in range(3):
        player.render(pace=index + 1)
        shown = player.pictures.pixels.pixels[2::6, 2::6, 0].ravel()
        shown = shown[shown < 245]
        assert len(shown) == min(15, player.enters[index].sum())
        assert player.enters[index][shown].all()


def test_the_player_has_play_buttons(player):
    found, rest = [], [player.widget]
    while rest:
        one = rest.pop()
        found.append(type(one).__name__)
        rest += getattr(one, "children", ())
    assert "Play" in found
    player.holders["pace"].value = 3
    assert not player.errors
    assert "Pace 3 of 3" in player._live().caption.value


def test_a_quota_run_has_no_age(loss):
    records = [dataclasses.replace(record, age=float("nan")) for record in _records(loss)]
    assert "a quota in every class" in CurriculumPlayer(records, LABELS, NAMES).render(pace=2)[1]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": LABELS[:-1]}, "labels has"),
        ({"labels": LABELS + 1}, "labels"),
        ({"loss": np.full(len(LABELS), np.nan)}, "loss"),
        ({"loss": np.full(len(LABELS), -1.0)}, r"loss\[0\] is -1"),
        ({"thumbnails": np.zeros((3, 3, 4, 4), np.uint8)}, r"thumbnails has shape \(3, 3, 4, 4\)"),
        ({"thumbnails": np.zeros((len(LABELS), 3, 4, 4))}, "dtype float64"),
    ],
)
def test_arrays_that_do_not_fit(loss, change, message):
    with pytest.raises(ValueError, match=message):
        PaceExplorer(**{"loss": loss, "labels": LABELS, "names": NAMES} | change)


def test_a_run_of_one_pace_cannot_be_played(loss):
    with pytest.raises(ValueError, match="records has 1 entries"):
        CurriculumPlayer(_records(loss)[:1], LABELS, NAMES)
    with pytest.raises(ValueError, match="labels has"):
        CurriculumPlayer(_records(loss), LABELS[1:], NAMES)

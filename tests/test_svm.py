"""The growing SVM against plain scikit-learn on the same rows, however they were stacked."""

import numpy as np
import pytest
from sklearn.svm import SVC

from spbl_nb.svm import StackedSVC


def rows(classes, count, width=6, seed=0):
    """Overlapping Gaussian classes; every class is there."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(classes, width))
    labels = np.concatenate([np.arange(classes), rng.integers(0, classes, count - classes)])
    features = centres[labels] + 1.2 * rng.normal(size=(count, width))
    return features, labels, rng.uniform(0.2, 9, count)


def stacked(classes, blocks, **options):
    svc = StackedSVC(classes, **options)
    for block in blocks:
        svc.add(*block)
    return svc


def plain(blocks):
    features, labels, weights = (np.concatenate(parts) for parts in zip(*blocks, strict=True))
    return SVC(gamma="auto").fit(features, labels, sample_weight=weights)


@pytest.mark.parametrize("classes", [2, 3, 7, 40])
@pytest.mark.parametrize("way", ["gram", "duels", "plain"])
def test_equal_to_scikit_learn_on_the_stacked_rows(classes, way):
    blocks = [rows(classes, 60 + 40 * k, seed=k) for k in range(3)]
    svc = stacked(classes, blocks, memory=0.0 if way == "plain" else 0.01)
    if way == "duels":
        svc.by_gram = False  # as if the matrix had become too large, which with two classes the pair would be as well
    svc.fit()
    assert (svc.by_gram, svc.by_duels) == (way == "gram", way == "duels")
    rival, queries = plain(blocks), rows(classes, 700, seed=9)[0]
    decision, predicted = svc.decide(queries)
    if way == "duels":  # float32: the solver stops elsewhere within its tolerance, and what is even may go either way
        assert (predicted != rival.predict(queries)).mean() < 0.005
        assert classes == 2 or (np.abs(decision - rival.decision_function(queries)) > 0.01).mean() < 0.005
        return
    np.testing.assert_array_equal(predicted, rival.predict(queries))
    if classes > 2:
        off = np.abs(decision - rival.decision_function(queries))
        assert (off > 1e-4).mean() < 1e-3  # a duel that ends within the solver's tolerance may go either way
    else:
        np.testing.assert_array_equal(decision.argmax(axis=1), rival.predict(queries))
        order = np.argsort(rival.decision_function(queries))
        assert (np.diff((decision[:, 1] - decision[:, 0])[order]) >= -1e-9).all()


def test_fitting_between_the_blocks_changes_nothing():
    blocks = [rows(5, 80, seed=k) for k in range(4)]
    once = stacked(5, blocks, memory=0.01).fit()
    often = StackedSVC(5, memory=0.01)
    for block in blocks:
        often.add(*block)
        often.fit()
    queries = rows(5, 200, seed=9)[0]
    np.testing.assert_array_equal(once.decide(queries)[0], often.decide(queries)[0])


def test_the_matrix_grows_to_the_kernel_of_all_rows():
    blocks = [rows(3, n, seed=n) for n in (5, 3, 1500, 4)]
    svc = stacked(3, blocks, memory=0.05)
    distances = ((svc.features[:, None] - svc.features[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(svc._square(len(svc)), np.exp(-distances / 6), atol=1e-12)


def test_weights_changed_on_the_stack_count():
    blocks = [rows(3, 90, seed=k) for k in range(2)]
    svc = stacked(3, blocks, memory=0.01).fit()
    queries = rows(3, 300, seed=9)[0]
    before = svc.decide(queries)[0]
    svc.weights[:90] *= 0.05
    after = svc.fit().decide(queries)[0]
    assert np.abs(after - before).max() > 0.1
    lighter = [(blocks[0][0], blocks[0][1], 0.05 * blocks[0][2]), blocks[1]]
    np.testing.assert_allclose(after, plain(lighter).decision_function(queries), atol=1e-6)


def test_passing_the_memory_turns_to_duels_with_the_same_answers():
    blocks = [rows(4, 100, seed=k) for k in range(3)]
    svc = StackedSVC(4, memory=8 * 250**2 / 2**30)
    states = []
    for block in blocks:
        svc.add(*block)
        states.append(svc.by_gram)
        svc.fit()
    assert svc.capacity in (249, 250)
    assert states == [True, True, False]
    assert svc.by_duels
    queries = rows(4, 200, seed=9)[0]
    assert (svc.decide(queries)[1] != plain(blocks).predict(queries)).mean() < 0.01


def test_duels_have_the_duals_of_libsvm():
    blocks = [rows(5, 120, seed=k) for k in range(2)]
    svc = stacked(5, blocks, memory=0.01)
    svc.by_gram = False
    machine, rival = svc.fit()._machine, plain(blocks)
    np.testing.assert_array_equal(machine.classes, rival.classes_)
    np.testing.assert_array_equal(machine.support, rival.support_)
    np.testing.assert_array_equal(machine.counts, rival.n_support_)
    np.testing.assert_allclose(machine.dual, rival.dual_coef_, atol=0.02)  # both within the solver's tolerance of 0.001
    np.testing.assert_allclose(machine.intercept, rival.intercept_, atol=0.005)


def test_features_far_from_zero_keep_their_digits():
    features, labels, weights = rows(4, 200)
    far = stacked(4, [(features + 1000, labels, weights)], memory=0.01)
    far.by_gram = False
    near, queries = stacked(4, [(features, labels, weights)]).fit(), rows(4, 300, seed=9)[0]
    assert (far.fit().decide(queries + 1000)[1] != near.decide(queries)[1]).mean() < 0.01


@pytest.mark.parametrize("sizes", [[50, 40, 30, 20, 10], [100, 9, 8, 3], [7] * 30, [2, 3]])
@pytest.mark.parametrize("spare", [0, 25])
def test_any_two_groups_fit_into_the_memory(sizes, spare):
    """Down to the least memory, which is that of the two largest classes."""
    svc = StackedSVC(len(sizes), memory=0)
    svc.add(np.zeros((sum(sizes), 2)), np.repeat(np.arange(len(sizes)), sizes), np.ones(sum(sizes)))
    two = sum(sorted(sizes)[-2:])
    assert svc.duel_bytes() == 8 * two**2
    svc.memory = 8 * (two + spare) ** 2
    assert svc.by_duels
    groups = svc._groups(np.array(sizes))
    assert sorted(one for group in groups for one in group) == list(range(len(sizes)))
    held = sorted(sum(sizes[one] for one in group) for group in groups)
    assert sum(held[-2:]) <= two + spare
    svc.memory = 8 * two**2 - 1
    assert not svc.by_duels


@pytest.mark.parametrize("spare", [0, 30, 120])
def test_every_grouping_gives_the_same_machine(spare):
    blocks = [rows(7, 200, seed=k) for k in range(2)]
    whole, parts = stacked(7, blocks), stacked(7, blocks, memory=0)
    parts.memory = 8 * ((parts.duel_bytes() / 8) ** 0.5 + spare) ** 2
    assert (whole.by_gram, parts.by_gram, parts.by_duels) == (True, False, True)
    parts = parts.fit()
    np.testing.assert_array_equal(parts._machine.support, whole.fit()._machine.support)
    queries = rows(7, 300, seed=9)[0]
    assert (parts.decide(queries)[1] != whole.decide(queries)[1]).mean() < 0.01


def test_a_class_that_is_not_on_the_stack_is_never_predicted():
    features, labels, weights = rows(4, 120)
    known = labels != 2
    svc = stacked(4, [(features[known], labels[known], weights[known])]).fit()
    decision, predicted = svc.decide(features)
    assert (decision[:, 2] == -1).all()
    assert 2 not in predicted
    assert decision.argmax(axis=1).tolist().count(2) == 0


def test_votes_and_argmax_may_differ_as_in_scikit_learn():
    blocks = [rows(7, 300, seed=1)]
    queries = rows(7, 2000, seed=9)[0]
    decision, predicted = stacked(7, blocks).fit().decide(queries)
    assert (decision.argmax(axis=1) != predicted).any()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda s: s.fit(), "no rows"),
        (lambda s: s.decide(np.zeros((1, 2))), "before fit"),
        (lambda s: (s.add(np.zeros((3, 2)), np.array([1, 1, 1]), np.ones(3)), s.fit()), "single class 1"),
        (lambda s: s.add(np.zeros((2, 2)), np.array([0, 3]), np.ones(2)), r"labels\[1\] is 3"),
        (lambda s: s.add(np.zeros((2, 2)), np.array([0, 1]), np.array([1.0, 0])), r"weights\[1\] is 0"),
        (lambda s: s.add(np.full((2, 2), np.nan), np.array([0, 1]), np.ones(2)), r"features\[0, 0\] is nan"),
        (lambda s: [s.add(np.zeros((2, d)), np.array([0, 1]), np.ones(2)) for d in (2, 3)], "3 columns"),
        (lambda s: StackedSVC(1), "num_classes is 1"),
        (lambda s: StackedSVC(2, cost=0), "cost is 0"),
        (lambda s: StackedSVC(2, memory=-1), "memory is -1"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call(StackedSVC(3, memory=0.001))


@pytest.mark.parametrize("classes", [2, 3])
def test_a_duel_that_ends_even_goes_where_scikit_learn_sends_it(classes):
    """Pictures that are the same in every class: all margins are 0."""
    features = np.repeat([[0.0, 1.0], [1.0, 0.0]], classes, axis=0)
    labels = np.tile(np.arange(classes), 2)
    stack = StackedSVC(classes)
    stack.add(features, labels, np.ones(len(labels)))
    decision, predicted = stack.fit().decide(features)
    svc = SVC(gamma="auto", decision_function_shape="ovr").fit(features, labels)
    np.testing.assert_array_equal(predicted, svc.predict(features))
    if classes > 2:
        np.testing.assert_allclose(decision, svc.decision_function(features))

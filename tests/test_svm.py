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
@pytest.mark.parametrize("memory", [0.01, 0.0])
def test_equal_to_scikit_learn_on_the_stacked_rows(classes, memory):
    blocks = [rows(classes, 60 + 40 * k, seed=k) for k in range(3)]
    svc = stacked(classes, blocks, memory=memory).fit()
    assert svc.by_gram == (memory > 0)
    other, queries = plain(blocks), rows(classes, 700, seed=9)[0]
    decision, predicted = svc.decide(queries)
    np.testing.assert_array_equal(predicted, other.predict(queries))
    if classes > 2:
        off = np.abs(decision - other.decision_function(queries))
        assert (off > 1e-4).mean() < 1e-3  # a margin within the solver's tolerance of 0 may have either sign
    else:
        np.testing.assert_array_equal(decision.argmax(axis=1), other.predict(queries))
        order = np.argsort(other.decision_function(queries))
        assert (np.diff((decision[:, 1] - decision[:, 0])[order]) >= -1e-9).all()


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


def test_passing_the_memory_turns_to_plain_svc_with_the_same_answers():
    blocks = [rows(4, 100, seed=k) for k in range(3)]
    svc, states = StackedSVC(4, memory=8 * 250**2 / 2**30), []
    for block in blocks:
        svc.add(*block)
        states.append(svc.by_gram)
        svc.fit()  # fitting between the blocks changes nothing
    assert states == [True, True, False]
    queries = rows(4, 200, seed=9)[0]
    np.testing.assert_array_equal(svc.decide(queries)[1], plain(blocks).predict(queries))


def test_a_class_that_is_not_on_the_stack_is_never_predicted():
    features, labels, weights = rows(4, 120)
    known = labels != 2
    svc = stacked(4, [(features[known], labels[known], weights[known])]).fit()
    decision, predicted = svc.decide(features)
    assert (decision[:, 2] == -1).all()
    assert 2 not in predicted
    assert decision.argmax(axis=1).tolist().count(2) == 0


@pytest.mark.parametrize("classes", [2, 3])
def test_a_margin_of_zero_counts_where_scikit_learn_counts_it(classes):
    """Features that are the same in every class: all margins are 0."""
    features = np.repeat([[0.0, 1.0], [1.0, 0.0]], classes, axis=0)
    labels = np.tile(np.arange(classes), 2)
    stack = StackedSVC(classes)
    stack.add(features, labels, np.ones(len(labels)))
    decision, predicted = stack.fit().decide(features)
    svc = SVC(gamma="auto", decision_function_shape="ovr").fit(features, labels)
    np.testing.assert_array_equal(predicted, svc.predict(features))
    if classes > 2:
        np.testing.assert_allclose(decision, svc.decision_function(features))

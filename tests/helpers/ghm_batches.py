"""Batches for the tests of gradient harmonizing, and the gradient of a loss on one."""

import numpy as np
import torch


def questions(*shape, seed=0):
    """Logits, targets of 0 and 1, and valid, of which one in four is 0."""
    rng = np.random.default_rng(seed)
    arrays = rng.normal(0, 3, shape), rng.random(shape) < 0.2, rng.random(shape) < 0.75
    return tuple(torch.from_numpy(array.astype(float)) for array in arrays)


def gradient_of(loss, values, *others):
    """The loss, and its gradient with respect to ``values``."""
    values = values.detach().clone().requires_grad_()
    result = loss(values, *others)
    return result.detach(), torch.autograd.grad(result, values)[0]

"""Batches for the tests of gradient harmonizing, and the gradient of a loss on one."""

import numpy as np
import torch


def tensors(*shapes, seed=0, dtype=torch.float64):
    """Normal numbers of the shapes."""
    rng = np.random.default_rng(seed)
    return [torch.from_numpy(rng.normal(0, 3, shape)).to(dtype) for shape in shapes]


def questions(*shape, seed=0, dtype=torch.float64):
    """Logits, targets of 0 and 1, and valid, of which one in four is 0."""
    rng = np.random.default_rng(seed)
    logits = torch.from_numpy(rng.normal(0, 3, shape)).to(dtype)
    target = torch.from_numpy((rng.random(shape) < 0.2).astype(float)).to(dtype)
    return logits, target, torch.from_numpy((rng.random(shape) < 0.75).astype(float)).to(dtype)


def gradient_of(loss, values, *others):
    """The loss, and its gradient with respect to ``values``."""
    values = values.detach().clone().requires_grad_()
    result = loss(values, *others)
    return result.detach(), torch.autograd.grad(result, values)[0]

"""The floor of a training: forward, backward and step on float tensors that lie ready in memory."""

import time

import torch
from torch.nn import functional

from spbl_nb import training
from spbl_nb.config import Config
from spbl_nb.training import batches, models


def seconds(config: Config, classes: int, size: int, steps: int) -> float:
    """Return the wall seconds of that many bare steps of the MNIST net, with batch size, precision and threads of ``config``."""
    with training.torch_threads(config.threads):
        order = batches.memory_format_of(config)
        model = models.build("mnist_net", classes, size).to(memory_format=order).train()
        optimizer = torch.optim.SGD(model.parameters(), 0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)
        ready = [torch.randn(config.batch_size, 3, size, size).contiguous(memory_format=order) for _ in range(steps)]
        labels = torch.arange(config.batch_size) % classes
        started = time.perf_counter()
        for pictures in ready:
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
                logits = model(pictures)
            functional.cross_entropy(logits.float(), labels).backward()
            optimizer.step()
        return time.perf_counter() - started

"""Batch normalisations whose figures are measured anew."""

import itertools
from typing import Any, Iterable, Optional

import torch
from torch import nn


@torch.no_grad()
def recalibrate(network: nn.Module, loader: Iterable[Any], batches: Optional[int] = None) -> int:
    """Measures the running mean and variance of every batch normalisation anew, on the batches of a loader.

        network = supernet.network(theta.argmax(-1))
        latgrad.recalibrate(network, loader, batches=100)
        accuracy = evaluate(network.eval())

    In a supernet a normalisation has seen what the blocks before it gave in all their mixtures. In a network that is taken out of
    it these figures are of another network, and its accuracy is not what it can be.

    network: any module; its normalisations are those of torch's ``BatchNorm`` classes and their subclasses that keep figures.
    loader: gives tensors, or tuples and lists whose first entry is the input, as a ``DataLoader`` of images and labels does. They
    are moved to the device of the network's first parameter, or buffer. batches: at most so many (None: all).

    The figures are the plain averages over the batches of each batch's mean and variance (unbiased), as of ``momentum=None``.
    While it measures, the normalisations are in training mode, as they normalise by the batch, and all else in evaluation mode.
    Afterwards every mode and momentum is what it was. No gradient is computed, no parameter changes.

    Returns how many batches were seen: 0 for a network without such a normalisation, which is left alone.

    Source: Guo et al., Single Path One-Shot, ECCV 2020; torch.optim.swa_utils.update_bn does the same in training mode.

    Raises ValueError where the loader gives nothing, and for batches below 1. After an error the figures are what they were, and
    so are always those of a normalisation that no batch reaches.
    """
    if batches is not None and batches < 1:
        raise ValueError(f"batches must be at least 1, got {batches}")
    norms = [
        module
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.running_mean is not None
    ]
    if not norms:
        return 0
    device = next(tensor.device for tensor in (*network.parameters(), *network.buffers()))
    modes = [(module, module.training) for module in network.modules()]
    momenta = [(norm, norm.momentum) for norm in norms]
    figures = [(norm, {name: buffer.clone() for name, buffer in norm.named_buffers()}) for norm in norms]
    seen = 0
    finished = False
    try:
        network.eval()
        for batch in itertools.islice(loader, batches):
            if seen == 0:
                for norm in norms:
                    norm.reset_running_stats()
                    norm.momentum = None
                    norm.train()
            network((batch[0] if isinstance(batch, (tuple, list)) else batch).to(device))
            seen += 1
        finished = True
    finally:
        for norm, before in figures:
            if not finished or norm.num_batches_tracked == 0:
                for name, buffer in norm.named_buffers():
                    buffer.copy_(before[name])
        for module, training in modes:
            module.training = training
        for norm, momentum in momenta:
            norm.momentum = momentum
    if seen == 0:
        raise ValueError("loader must give a batch at least, got none")
    return seen

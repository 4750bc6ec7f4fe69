"""The operators, as functions. L layers, C candidates of the widest layer, D devices."""

from typing import Optional, Tuple, Union

import torch
from torch import Tensor

from latgrad.numbers import Number, as_tensor, is_traced


def expected_latency(probs: Tensor, table_us: Tensor) -> Tensor:
    """The expected latency in microseconds: the sum over layers and candidates of probability times latency.

    probs: ``[..., L, C]``, float16, bfloat16, float32 or float64; rows usually sum to 1, which is not checked.
    table_us: ``[L, C]`` or ``[D, L, C]``, floating point, on the same device.

    Returns ``[...]`` or ``[..., D]`` in the wider of the two dtypes. Differentiable in both arguments, any number of
    times. float16 and bfloat16 are summed in float32; a float16 result cannot exceed 65504 us.

    Raises RuntimeError if a shape, dtype or device does not fit and, on the CPU, if a latency is negative or not finite.
    """
    return torch.ops.latgrad.expected_latency(probs, table_us)


def chain_latency(probs: Tensor, table_us: Tensor) -> Tensor:
    """The expected latency in microseconds where what a layer takes depends on its predecessor, too.

    For a search over widths, as in FBNetV2 (Wan et al., 2020), where a layer's input channels are what the layer before
    has chosen. Layers choose independently; with one-hot rows this is the exact latency of that architecture.

    probs: ``[..., L, C]``, float16, bfloat16, float32 or float64; 0 for a candidate that a layer does not offer.
    table_us: ``[L, C, C]`` or ``[D, L, C, C]``, floating point, on the same device. ``table_us[l, i, j]`` is what
    candidate j of layer l takes behind candidate i of layer l - 1. Layer 0 has no predecessor: only its row 0 counts;
    its other rows may hold anything and have gradient 0.

    Returns ``[...]`` or ``[..., D]`` in the wider of the two dtypes. Differentiable in both arguments, any number of
    times. float16 and bfloat16 are summed in float32; a float16 result cannot exceed 65504 us.

    Raises RuntimeError if a shape, dtype or device does not fit and, on the CPU, if a latency is negative or not finite.
    """
    return torch.ops.latgrad.chain_latency(probs, table_us)


def softmax_latency(logits: Tensor, table_us: Tensor, valid: Optional[Tensor] = None) -> Tensor:
    """The expected latency of ``softmax(logits)`` in microseconds, fused forward and backward.

    logits: ``[..., L, C]``, float16, bfloat16, float32 or float64.
    table_us: ``[L, C]`` or ``[D, L, C]``, floating point, on the same device.
    valid: ``[L, C]``, bool, the candidates that a layer offers (None: all). Other candidates have probability and
    gradient 0, regardless of their logits and latencies.

    Returns ``[...]`` or ``[..., D]`` in the wider of the two dtypes. Differentiable in logits and table, any number of
    times; the logits are the only tensor of the size of the batch that is kept for the backward pass. A NaN among the
    valid logits makes the latency NaN.

    Raises RuntimeError if a shape, dtype or device does not fit and, on the CPU, if a latency is negative or not finite
    or a layer has no valid candidate.
    """
    return torch.ops.latgrad.softmax_latency(logits, table_us, valid)


def gumbel_latency(
    logits: Tensor,
    table_us: Tensor,
    temperature: Number,
    valid: Optional[Tensor] = None,
    hard: bool = False,
    generator: Optional[torch.Generator] = None,
) -> Tuple[Tensor, Tensor]:
    """One Gumbel-softmax sample for mixing candidate blocks, and the latency of this very sample.

    logits, table_us, valid: as in softmax_latency.
    temperature: positive, a float or a 0-dim tensor on the CPU or the device of logits. Under torch.compile both may
    change at every call.
    hard: one-hot weights with the gradient of the soft ones (straight-through).
    generator: None for the device's default, which torch.manual_seed seeds.

    Returns ``(weights, latency_us)``: ``[..., L, C]`` in the dtype of logits, with rows that sum to 1 and are exactly 0
    where not valid; and ``[...]`` or ``[..., D]`` in the wider of the two dtypes. Gradients flow through both. On the
    CPU the sample is the same for any number of threads.

    Raises RuntimeError as softmax_latency does, and for a temperature that is not positive and finite; on other devices
    than the CPU not for that of a tensor, which reading it would wait for.
    """
    if not torch.jit.is_scripting():
        if is_traced(temperature):
            return torch.ops.latgrad.gumbel_latency.Tensor(
                logits, table_us, as_tensor(temperature), valid, hard, generator
            )
        return torch.ops.latgrad.gumbel_latency.default(logits, table_us, temperature, valid, hard, generator)
    # TorchScript chooses the overload by the type that the condition leaves.
    if isinstance(temperature, Tensor):
        return torch.ops.latgrad.gumbel_latency(logits, table_us, temperature, valid, hard, generator)
    return torch.ops.latgrad.gumbel_latency(logits, table_us, temperature, valid, hard, generator)


def arch_latency(arch: Tensor, table_us: Tensor) -> Tensor:
    """The exact latency of architectures in microseconds, many at a time.

    arch: ``[..., L]``, uint8 or int64, the index of a candidate in each layer.
    table_us: ``[L, C]`` or ``[D, L, C]``, floating point, on the same device.

    Returns ``[...]`` or ``[..., D]`` in the table's dtype. Differentiable in ``table_us``.

    Raises RuntimeError if a shape, dtype or device does not fit and, on the CPU, if an index is not a candidate or a
    latency is negative or not finite.
    """
    return torch.ops.latgrad.arch_latency(arch, table_us)


def chain_arch_latency(arch: Tensor, table_us: Tensor) -> Tensor:
    """The exact latency in microseconds of architectures whose layers depend on their predecessors.

    arch: ``[..., L]``, uint8 or int64, the index of a candidate in each layer.
    table_us: ``[L, C, C]`` or ``[D, L, C, C]``, as in chain_latency, floating point, on the same device.

    Returns ``[...]`` or ``[..., D]`` in the table's dtype. Differentiable in ``table_us``.

    Raises RuntimeError if a shape, dtype or device does not fit and, on the CPU, if an index is not a candidate or a
    latency is negative or not finite.
    """
    return torch.ops.latgrad.chain_arch_latency(arch, table_us)


def best_architectures(
    scores: Tensor, costs: Tensor, budgets: Union[Tensor, float], k: int = 1, valid: Optional[Tensor] = None
) -> Tuple[Tensor, Tensor, Tensor]:
    """The architectures with the largest score within budgets: exact, with proof, many problems at a time.

    scores: ``[..., L, C]``, floating point or integers, summed over the layers and made as large as possible:
    log-probabilities, measured accuracies; ``-inf`` where not offered.
    costs: ``[L, C]`` or ``[D, L, C]``, floating point or integers (below 2 to the 53rd), summed; ``inf`` where not offered.
    budgets: of the same, what the sums of costs must not exceed: a number, ``[...]`` for costs ``[L, C]``, or ``[..., D]``; ``inf`` for no
    limit. Its batch broadcasts with that of ``scores``.
    k: how many. valid: bool ``[L, C]``, what a layer offers (None: all).

    Returns ``(arch, score, cost)``: int64 ``[..., k, L]``, best first, and float64 ``[..., k]`` and ``[..., k]`` or
    ``[..., k, D]``. Where fewer than ``k`` fit, rows of -1 with score ``-inf`` and cost ``inf``. Sums are in float64, in
    the order of the layers; of equal scores the cheaper by the costs with a finite budget comes first, then the first in
    lexicographic order. Not
    differentiable. On the CPU; tensors on another device are copied there and back.

    docs/exact-search.md says how, and what it costs.

    Raises RuntimeError or ValueError if a shape, dtype or device does not fit, for NaN, and for a ``k`` beyond 10,000.
    """
    device = scores.device
    if not isinstance(budgets, Tensor):
        budgets = torch.tensor(budgets, dtype=torch.float64)
    found = torch.ops.latgrad.best_architectures(
        scores.cpu(), costs.cpu(), budgets.cpu(), k, None if valid is None else valid.cpu()
    )
    return found[0].to(device), found[1].to(device), found[2].to(device)

"""The operators, as functions. L layers, C candidates of the widest layer, D devices."""

import torch


def expected_latency(probs, table_us):
    """The expected latency in microseconds: the sum over layers and candidates of probability times latency.

    probs: ``[..., L, C]``, float16, bfloat16, float32 or float64; rows usually sum to 1, which is not checked.
    table_us: ``[L, C]`` or ``[D, L, C]``, floating point, on the same device.

    Returns ``[...]`` or ``[..., D]`` of the wider dtype of the two. Differentiable in both arguments, any number of times.
    float16 and bfloat16 are added up in float32; a float16 result ends at 65504 us.

    Raises RuntimeError where a shape, dtype or device does not fit and, on the CPU, where a latency is not finite.
    """
    return torch.ops.latgrad.expected_latency(probs, table_us)


def arch_latency(arch, table_us):
    """The exact latency of architectures in microseconds, many at a time.

    arch: ``[..., L]``, uint8 or int64, the index of a candidate in each layer.
    table_us: ``[L, C]`` or ``[D, L, C]``, floating point, on the same device.

    Returns ``[...]`` or ``[..., D]`` of the table's dtype. Differentiable in ``table_us``.

    Raises RuntimeError where a shape, dtype or device does not fit and, on the CPU, where an index is no candidate
    or a latency is not finite.
    """
    return torch.ops.latgrad.arch_latency(arch, table_us)

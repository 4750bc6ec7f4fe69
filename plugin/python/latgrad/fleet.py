"""One number for a fleet of D devices: latencies ``[..., D]`` in microseconds become ``[...]``.

Tensors are float16, bfloat16, float32 or float64; half precision is computed in float32. Every function is
differentiable, any number of times.

All raise RuntimeError for a latency without a dimension of devices or with none of them, and for another dtype.
"""

from typing import Optional

import torch
from torch import Tensor


def fleet_sum(latency_us: Tensor, weights: Optional[Tensor] = None) -> Tensor:
    """The sum over the devices of weight times latency; without weights each counts once.

    weights: ``[D]``, on the device of the latency, for example each device's share of the users. Differentiable, too.

    Raises RuntimeError for weights of another shape or dtype, or on another device.
    """
    return torch.ops.latgrad.fleet_sum(latency_us, weights)


def fleet_max(latency_us: Tensor) -> Tensor:
    """The latency of the slowest device. Only that one has a gradient; devices that tie share it."""
    return torch.ops.latgrad.fleet_max(latency_us)


def fleet_smooth_max(latency_us: Tensor, temperature_us: float) -> Tensor:
    """A smooth maximum, ``temperature_us * logsumexp(latency_us / temperature_us)``.

    Every device has a gradient, the slower the more, and they sum to 1. The result is never less than the maximum and,
    rounding aside, at most ``temperature_us * ln(D)`` more; it tends to the maximum as the temperature tends to 0.
    Infinite latencies are not supported: their result is NaN.

    Raises RuntimeError for a temperature that is not positive and finite.
    """
    return torch.ops.latgrad.fleet_smooth_max(latency_us, temperature_us)

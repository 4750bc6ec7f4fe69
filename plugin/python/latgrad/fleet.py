"""One number for a fleet of D devices: latencies ``[..., D]`` in microseconds become ``[...]``.

Tensors are float16, bfloat16, float32 or float64; half precision is computed in float32. Every function is
differentiable, any number of times.

All functions raise RuntimeError for a latency whose dimension of devices is missing or empty, and for another dtype.
"""

from typing import Optional

import torch
from torch import Tensor

from latgrad.numbers import Number, as_float, as_tensor, call, is_float


def fleet_sum(latency_us: Tensor, weights: Optional[Tensor] = None) -> Tensor:
    """The sum of weight times latency over the devices; without weights each device counts once.

    weights: ``[D]``, on the device of the latency, for example each device's share of the users; also differentiable.

    Raises RuntimeError for weights of another shape or dtype, or on another device.
    """
    return torch.ops.latgrad.fleet_sum(latency_us, weights)


def fleet_max(latency_us: Tensor) -> Tensor:
    """The latency of the slowest device. Only that device has a gradient; devices that tie share it."""
    return torch.ops.latgrad.fleet_max(latency_us)


def fleet_smooth_max(latency_us: Tensor, temperature_us: Number) -> Tensor:
    """A smooth maximum, ``temperature_us * logsumexp(latency_us / temperature_us)``.

    Every device has a gradient, larger for slower devices, and the gradients sum to 1. The result is never less than
    the maximum and, apart from rounding, at most ``temperature_us * ln(D)`` more; it tends to the maximum as the
    temperature tends to 0. Infinite latencies are not supported and give NaN.

    temperature_us: a float or a 0-dim tensor. Under torch.compile both may change at every call.

    Raises RuntimeError for a temperature that is not positive and finite, unless it is a tensor or torch.compile has
    made it one: reading it would wait for the device.
    """
    if not torch.jit.is_scripting():
        return call(torch.ops.latgrad.fleet_smooth_max, (latency_us,), temperature_us)
    if is_float(temperature_us):
        return torch.ops.latgrad.fleet_smooth_max(latency_us, as_float(temperature_us))
    return torch.ops.latgrad.fleet_smooth_max(latency_us, as_tensor(temperature_us))

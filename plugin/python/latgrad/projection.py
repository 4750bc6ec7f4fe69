"""Theta held at a latency budget, in every step of a search.

    probs = latgrad.project(theta, model.table_us(), 20_000 - model.fixed_us(), model.valid())
    loss = cross_entropy(supernet(images, probs))              # no penalty: the expected latency is within the budget

L layers, C candidates of the widest layer.
"""

from typing import Optional, Tuple

import torch
from torch import Tensor

from latgrad.numbers import Number, as_tensor, is_traced

_MOST_STEPS = 32
# Of the scale of the latencies; what float64 gives.
_CLOSE = 1e-13
# Of sums in another order.
_ROUNDING = 1e-12


def project(theta: Tensor, table_us: Tensor, budget_us: Number, valid: Optional[Tensor] = None) -> Tensor:
    """The distribution nearest to ``softmax(theta)`` whose expected latency is at most a budget.

    theta: ``[..., L, C]``, floating point. table_us: ``[L, C]``, floating point, on the same device. budget_us: of the sum over
    layers, without any fixed part: a float, or a tensor ``[...]``. valid: bool ``[L, C]``, what a layer offers (None: all).

    Returns probabilities ``[..., L, C]`` in the dtype of ``theta``: ``softmax(theta)`` where that is within the budget, else
    ``softmax(theta - multiplier * table_us)``, with one multiplier for all layers that makes the expected latency the budget.
    Nearest is by Kullback-Leibler divergence from ``softmax(theta)``. The multiplier is found in float64 by Newton's method,
    kept within an interval that is halved, by ratio, where a step leaves it. Differentiable in ``theta``, ``table_us`` and
    ``budget_us``, twice, through the equation that the multiplier solves.

    Raises ValueError if a shape or dtype does not fit and, on the CPU, for a budget below what the fastest architecture takes;
    elsewhere, and under ``torch.compile``, that gives the fastest one.

    Source: Csiszar, "I-divergence geometry of probability distributions and minimization problems", 1975: the nearest
    distribution under a linear constraint is an exponential tilt.
    """
    _check(theta, table_us, valid)
    budget = as_tensor(budget_us).to(theta.device, torch.float64)
    logits = theta.double()
    table = table_us.double()
    if valid is not None:
        logits = logits.masked_fill(~valid, float("-inf"))
        table = table.masked_fill(~valid, 0)
    unit = table.detach().abs().amax().clamp_min(torch.finfo(torch.float64).tiny)
    table, budget = table / unit, budget / unit
    with torch.no_grad():
        if theta.device.type == "cpu" and not is_traced():
            _check_budget(table, valid, budget, unit)
        multiplier = _multiplier(logits.detach(), table.detach(), budget.detach())
    # From the root, two steps of Newton's method change nothing but carry its first and second derivatives.
    is_bound = multiplier > 0
    for _ in range(2):
        excess, slope = _excess(logits, table, budget, multiplier)
        step = torch.where(slope > 0, excess / torch.where(slope > 0, slope, torch.ones_like(slope)), torch.zeros_like(excess))
        multiplier = torch.where(is_bound, multiplier + step, torch.zeros_like(multiplier))
    return _tilted(logits, table, multiplier).to(theta.dtype)


def _check(theta: Tensor, table_us: Tensor, valid: Optional[Tensor]) -> None:
    if theta.dim() < 2 or table_us.dim() != 2 or theta.shape[-2:] != table_us.shape:
        raise ValueError(
            f"theta must be [..., layers, candidates] as table_us is, {list(table_us.shape)}, got {list(theta.shape)}"
        )
    if not (theta.is_floating_point() and table_us.is_floating_point()):
        raise ValueError(f"theta and table_us must be floating point, got {theta.dtype} and {table_us.dtype}")
    if valid is not None and (valid.dtype != torch.bool or valid.shape != table_us.shape):
        raise ValueError(f"valid must be bool {list(table_us.shape)}, got {valid.dtype} {list(valid.shape)}")


def _check_budget(table: Tensor, valid: Optional[Tensor], budget: Tensor, unit: Tensor) -> None:
    fastest = (table if valid is None else table.masked_fill(~valid, float("inf"))).amin(-1).sum()
    if not (budget >= fastest * (1 - _ROUNDING)).all():
        raise ValueError(
            f"budget_us must be at least {float(fastest * unit):.6g}, which the fastest architecture takes, got "
            f"{float(budget.amin() * unit):.6g}"
        )


def _tilted(logits: Tensor, table: Tensor, multiplier: Tensor) -> Tensor:
    return (logits - multiplier[..., None, None] * table).softmax(-1)


def _excess(logits: Tensor, table: Tensor, budget: Tensor, multiplier: Tensor) -> Tuple[Tensor, Tensor]:
    """What the expected latency exceeds the budget by, and how fast that falls with the multiplier: the variance."""
    probs = _tilted(logits, table, multiplier)
    mean = (probs * table).sum(-1, keepdim=True)
    variance = (probs * (table - mean).square()).sum((-2, -1))
    return mean.sum((-2, -1)) - budget, variance


def _multiplier(logits: Tensor, table: Tensor, budget: Tensor) -> Tensor:
    """The root of the excess, or 0 where there is none to be made up for."""
    batch = torch.broadcast_shapes(logits.shape[:-2], budget.shape)
    low = torch.zeros(batch, dtype=torch.float64, device=logits.device)
    excess, slope = _excess(logits, table, budget, low)
    is_bound = excess > 0
    high = torch.full_like(low, float("inf"))
    at = low
    for _ in range(_MOST_STEPS):
        low = torch.where(excess > 0, at, low)
        high = torch.where(excess > 0, high, at)
        newton = at + excess / slope
        halved = torch.where(high.isinf(), 4 * low + 1, torch.where(low > 0, (low * high).sqrt(), high / 4))
        is_inside = (newton > low) & (newton < high) & newton.isfinite()
        at = torch.where(is_bound, torch.where(is_inside, newton, halved), torch.zeros_like(low))
        excess, slope = _excess(logits, table, budget, at)
        if not is_traced() and logits.device.type == "cpu" and bool(((excess.abs() <= _CLOSE) | ~is_bound).all()):
            break
    return at

"""The Pareto front of a search space: every architecture worth having.

    arch, score, latency_us = latgrad.pareto_front(theta.log_softmax(-1), model)

L layers, C candidates of the widest layer, N architectures.
"""

from typing import Any, Optional, Tuple, Union

import torch
from torch import Tensor

from latgrad.operators import best_architectures


def pareto_front(
    scores: Tensor, model: Union[Tensor, Any], num_budgets: Optional[int] = None
) -> Tuple[Tensor, Tensor, Tensor]:
    """Every architecture that no other beats in both score and latency, fastest first: exact.

    scores: floating point ``[L, C]``, summed over the layers and made as large as possible.
    model: a ``LatencyModel`` of one device, or a table ``[L, C]`` of costs of any kind.
    num_budgets: instead of the whole front, the best within each of so many budgets, evenly from the fastest architecture to
    that of the best score: for spaces whose front is too large.

    Returns ``(arch, score, latency_us)``: int64 ``[N, L]``, float64 ``[N]`` twice, both ascending; ``latency_us`` with the
    model's fixed part.

    Raises RuntimeError or ValueError if a shape or dtype does not fit, for NaN, and where the front has too many partial
    architectures, some 8 million.
    """
    if isinstance(model, Tensor):
        table_us, valid, fixed_us = model, None, 0.0
    else:
        table_us, valid, fixed_us = model.table_us(), model.valid(), model.fixed_us()
    scores, table_us = scores.detach().cpu().double(), table_us.cpu().double()
    if num_budgets is None:
        arch, score, cost = torch.ops.latgrad.pareto_front(scores, table_us, valid)
        return arch, score, cost + fixed_us
    if num_budgets < 1:
        raise ValueError(f"num_budgets must be at least 1, got {num_budgets}")
    # Of the fastest, as exactly as of the best: sums in another order may fall below its own.
    offered = torch.isfinite(scores) & torch.isfinite(table_us)
    if valid is not None:
        offered &= valid
    _, _, most = best_architectures(scores, table_us, float("inf"), valid=offered)
    _, _, least = best_architectures(-table_us.masked_fill(~offered, 0), table_us, float("inf"), valid=offered)
    if most.isinf():
        return torch.zeros(0, len(scores), dtype=torch.int64), most[:0], most[:0]
    budgets = torch.linspace(float(least), float(most), num_budgets, dtype=torch.float64)
    budgets[0] = least
    budgets[-1] = most
    arch, score, cost = (found.squeeze(1) for found in best_architectures(scores, table_us, budgets, valid=valid))
    better = torch.ones(len(score), dtype=torch.bool)
    better[1:] = score[1:] > score[:-1].cummax(0).values
    better &= score > float("-inf")
    return arch[better], score[better], cost[better] + fixed_us

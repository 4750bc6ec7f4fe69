"""Samples that run few candidates. L layers, C candidates of the widest layer."""

from typing import Optional

import torch
from torch import Tensor


def two_path_sample(
    logits: Tensor, valid: Optional[Tensor] = None, generator: Optional[torch.Generator] = None
) -> Tensor:
    """One sample of ProxylessNAS's two paths, to mix blocks with ``MixedLayer(blocks, paths=2)``.

        weights = latgrad.two_path_sample(theta, model.valid())                # [L, C]
        latency_us = latgrad.expected_latency(weights, model.table_us())       # of this very sample
        logits = supernet(images, weights)                                     # latgrad.Supernet(space, paths=2)

    Two candidates of each layer are drawn without replacement from ``softmax(logits)``, as if there were no others: their
    probabilities ``q`` are the softmax of these two alone. The active one is drawn from ``q``.

    logits: ``[..., L, C]``, floating point. valid: ``[L, C]``, bool, the candidates that a layer offers (None: all).
    generator: of the logits' device; None for its default, which torch.manual_seed seeds.

    Returns weights ``[..., L, C]``: 1 for the active path, minus zero for the other, which marks it, and 0 elsewhere. Their
    gradient is that of ``q``: with ``g_k = dL/dw_k`` and ``i``, ``j`` the two paths, ``dL/dlogits_i = q_i q_j (g_i - g_j)``, the
    negative of it for ``j``, and 0 for all others. A layer that offers one candidate has this one, and no gradient.

    An optimizer with momentum moves the logits of other paths, too; ProxylessNAS takes Adam with betas of (0, 0.999). Its last
    step, which shifts the two logits to keep the probabilities of the others as they were, is not done here.

    Source: Cai et al., ProxylessNAS, ICLR 2019, section 3.2.1 and equation 4; the draws without replacement are its code's.

    Raises ValueError if a shape or dtype does not fit and, on the CPU, if a layer has no valid candidate.
    """
    if logits.dim() == 0 or not logits.is_floating_point():
        raise ValueError(f"logits must be [..., candidates], floating point, got {logits.dtype} {list(logits.shape)}")
    if valid is not None:
        if valid.dtype != torch.bool or valid.shape != logits.shape[-valid.dim() :]:
            raise ValueError(
                f"valid must be bool, of the last dimensions of logits {list(logits.shape)}, got {valid.dtype} {list(valid.shape)}"
            )
        if valid.device.type == "cpu" and not valid.any(-1).all():
            raise ValueError("every layer must have a valid candidate")
        logits = logits.masked_fill(~valid, float("-inf"))
    with torch.no_grad():
        # The largest of logits with Gumbel noise are draws without replacement.
        drawn = (logits + _gumbel(logits, generator)).topk(min(2, logits.shape[-1]), -1).indices
        pair = torch.zeros_like(logits, dtype=torch.bool).scatter_(-1, drawn, True) & (logits != float("-inf"))
    of_pair = logits.masked_fill(~pair, float("-inf")).softmax(-1)
    with torch.no_grad():
        active = (of_pair.log() + _gumbel(logits, generator)).argmax(-1, keepdim=True)
        values = torch.zeros_like(logits).masked_fill_(pair, -0.0).scatter_(-1, active, 1.0)
    # 0 minus 0 is 0, and minus zero minus 0 stays minus zero.
    return values - (of_pair.detach() - of_pair)


def _gumbel(like: Tensor, generator: Optional[torch.Generator]) -> Tensor:
    return -torch.empty_like(like, dtype=torch.float32).exponential_(generator=generator).log()

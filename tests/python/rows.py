"""Rows of candidates for the tests of the operators, and the obvious expressions that are their twins."""

import torch

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# Relative error of one rounding to the dtype, with room for the order of a float32 sum.
TOLERANCE = {torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float32: 2e-6, torch.float64: 1e-14}


def expected(probs, table_us):
    """The expected latency in float64 and without a clever step."""
    probs, table_us = probs.double(), table_us.double()
    if table_us.dim() == 2:
        return (probs * table_us).sum(dim=(-2, -1))
    return (probs.unsqueeze(-3) * table_us).sum(dim=(-2, -1))


def masked_softmax(logits, valid=None):
    """In float64; exactly 0 where not valid."""
    if valid is None:
        return logits.double().softmax(-1)
    return logits.double().masked_fill(~valid, -torch.inf).softmax(-1).masked_fill(~valid, 0)


def softmax_expected(logits, table_us, valid=None):
    if valid is not None:
        table_us = table_us.masked_fill(~valid, 0)
    return expected(masked_softmax(logits, valid), table_us)


def random_probs(*shape, dtype=torch.float64):
    return torch.rand(*shape, dtype=torch.float64).softmax(-1).to(dtype)


def random_table(*shape, dtype=torch.float64):
    """Between 1 and 101: away from 0, beyond which a difference quotient would step."""
    return (1 + 100 * torch.rand(*shape, dtype=torch.float64)).to(dtype)


def ragged_mask(layers, candidates):
    """Layer l does not offer multiples of l + 2; of the layers every second offers the first, and all offer the last."""
    index = torch.arange(candidates)
    valid = torch.stack([index % (layer + 2) != 0 for layer in range(layers)])
    valid[::2, 0] = True
    valid[:, -1] = True
    return valid

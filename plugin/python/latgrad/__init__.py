"""On-device latency in the loss of a neural architecture search.

    import torch, latgrad

    model = latgrad.LatencyModel("fbnet.textproto", "pixel-op_lut_database.json")
    table_us = model.table_us()                               # [L, C]
    theta = torch.zeros_like(table_us, requires_grad=True)
    probs = theta.masked_fill(~model.valid(), -torch.inf).softmax(-1)
    latency_us = model.fixed_us() + latgrad.expected_latency(probs, table_us)

Importing finds and loads the plugin, which registers ``torch.ops.latgrad`` and ``torch.classes.latgrad``.
"""

from latgrad._plugin import load_plugin

load_plugin()

from latgrad.classes import LatencyModel, LatencyTable  # noqa: E402  (needs the loaded plugin)
from latgrad.operators import arch_latency, expected_latency, gumbel_latency, softmax_latency  # noqa: E402

__all__ = [
    "LatencyModel",
    "LatencyTable",
    "arch_latency",
    "expected_latency",
    "gumbel_latency",
    "softmax_latency",
]

"""On-device latency in the loss of a neural architecture search.

    import torch, latgrad

    model = latgrad.LatencyModel("fbnet.textproto", "pixel-op_lut_database.json")
    table_us = model.table_us()                               # [L, C]
    theta = torch.zeros_like(table_us, requires_grad=True)
    latency_us = model.fixed_us() + latgrad.softmax_latency(theta, table_us, model.valid())

Importing finds and loads the plugin, which registers ``torch.ops.latgrad`` and ``torch.classes.latgrad``.
"""

import torch

from latgrad._plugin import load_plugin

load_plugin()

from latgrad.calibration import Calibration, calibrate, latency_interval, model_interval  # noqa: E402  (needs the loaded plugin)
from latgrad.classes import LatencyModel, LatencyTable, SearchSpace  # noqa: E402
from latgrad.evolution import Evolved, evolve  # noqa: E402
from latgrad.exact_search import pareto_front  # noqa: E402
from latgrad.fleet import fleet_max, fleet_smooth_max, fleet_sum  # noqa: E402
from latgrad.losses import (  # noqa: E402
    fbnet_loss,
    hinge_penalty,
    log_latency,
    proxylessnas_log_loss,
    proxylessnas_loss,
    tunas_penalty,
)
from latgrad.measuring import profile, validate  # noqa: E402
from latgrad.mixed_layer import MixedLayer  # noqa: E402
from latgrad.module_space import ModuleSpace  # noqa: E402
from latgrad.models import model_file, model_names  # noqa: E402
from latgrad.modules import Net, read_module  # noqa: E402
from latgrad.networks import Network, PricedNetwork, Supernet  # noqa: E402
from latgrad.operators import (  # noqa: E402
    arch_latency,
    best_architectures,
    chain_arch_latency,
    chain_latency,
    expected_latency,
    gumbel_latency,
    softmax_latency,
)
from latgrad.projection import project  # noqa: E402
from latgrad.recalibration import recalibrate  # noqa: E402
from latgrad.sampling import two_path_sample  # noqa: E402
from latgrad.saving import load_model, save_model, save_network  # noqa: E402
from latgrad.sharding import register_shardings  # noqa: E402
from latgrad.spaces import space_file, space_names  # noqa: E402
from latgrad.tracing import register_fake_classes  # noqa: E402

register_fake_classes()
register_shardings()

__version__: str = torch.ops.latgrad.version()

__all__ = [
    "Calibration",
    "Evolved",
    "LatencyModel",
    "LatencyTable",
    "MixedLayer",
    "ModuleSpace",
    "Net",
    "Network",
    "PricedNetwork",
    "SearchSpace",
    "Supernet",
    "arch_latency",
    "best_architectures",
    "calibrate",
    "chain_arch_latency",
    "chain_latency",
    "evolve",
    "expected_latency",
    "fbnet_loss",
    "fleet_max",
    "fleet_smooth_max",
    "fleet_sum",
    "gumbel_latency",
    "hinge_penalty",
    "latency_interval",
    "load_model",
    "log_latency",
    "model_file",
    "model_interval",
    "model_names",
    "pareto_front",
    "profile",
    "project",
    "proxylessnas_log_loss",
    "proxylessnas_loss",
    "read_module",
    "recalibrate",
    "save_model",
    "save_network",
    "softmax_latency",
    "space_file",
    "space_names",
    "tunas_penalty",
    "two_path_sample",
    "validate",
]

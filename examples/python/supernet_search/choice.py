"""The end of a search: from theta to one architecture, priced exactly and exported."""

import json
import pathlib
from typing import Any, Dict, List, Optional

import torch
from torch import Tensor, nn

import latgrad

from . import run_folder, seeds
from .latency import Prices, arg_max, masked


def describe(arch: Tensor, theta: Tensor, prices: Prices) -> Dict[str, Any]:
    """An architecture with its exact price and its log-probability under softmax(theta)."""
    log_probs = torch.log_softmax(masked(theta.double(), prices.valid), -1)
    return {
        "architecture": arch.tolist(),
        "blocks": prices.model.decode(arch),
        "latency_us": prices.model.estimate(arch, prices.statistic).item(),
        "log_probability": log_probs.gather(1, arch[:, None]).sum().item(),
    }


def draw(theta: Tensor, prices: Prices, count: int, random: torch.Generator) -> Tensor:
    """Architectures drawn from softmax(theta), int64 ``[count, L]``."""
    probs = torch.softmax(masked(theta.double(), prices.valid), -1)
    return torch.multinomial(probs, max(count, 1), replacement=True, generator=random).T[:count]


def choose(theta: Tensor, prices: Prices, target_us: Optional[float], samples: int, seed: int) -> Dict[str, Any]:
    """What result.json says of architectures: ``arg_max``, ``samples``, ``chosen``.

    Chosen is the most probable architecture that takes at most the target, by exact search: the arg-max where it does, or where
    there is no target. Where none takes so little, it is the fastest.
    """
    theta = theta.detach().cpu()
    first = describe(arg_max(theta, prices.valid), theta, prices)
    drawn = draw(theta, prices, samples, seeds.generator(seed, "draws"))
    result = {"target_us": target_us, "arg_max": first, "samples": [describe(arch, theta, prices) for arch in drawn]}
    if target_us is None:
        result["chosen"] = {**first, "why": "the arg-max: there is no target"}
    elif first["latency_us"] <= target_us:
        result["chosen"] = {**first, "why": "the arg-max: it is within the target"}
    else:
        logits = masked(theta.double(), prices.valid)
        arch, _, latency_us = prices.model.search(logits, target_us, 1, prices.statistic)
        why = "the most probable within the target, proven; the arg-max is above it"
        if latency_us.isinf():
            arch = prices.model.table_us(prices.statistic).masked_fill(~prices.valid, float("inf")).argmin(-1)[None]
            why = "the fastest: no architecture is within the target"
        result["chosen"] = {**describe(arch[0], theta, prices), "why": why}
    return result


def export(folder: run_folder.RunFolder, network: nn.Module, prices: Prices, arch: Tensor) -> List[Dict[str, Any]]:
    """Writes chosen/ and returns the operators of the network with their times, for result.json.

    network: the chosen architecture with the weights that the supernet has left it, its normalisations measured anew.
    """
    chosen = folder / "chosen"
    chosen.mkdir(exist_ok=True)
    model = prices.model
    run_folder.write_text(chosen / "architecture.txt", " ".join(model.decode(arch)) + "\n")
    run_folder.write_text(chosen / "model.pbtxt", model.netdef(arch))
    run_folder.write_text(chosen / "model_init.pbtxt", model.init_netdef(arch))
    inputs = dict(model.input_dims())
    # The shape of the data input, which a NetDef cannot say.
    run_folder.write_text(chosen / "shapes.json", json.dumps({"inputs": inputs}) + "\n")
    save_network(network, prices, arch, chosen / "network.pt")
    table = latgrad.LatencyTable(prices.lut)
    estimate = table.estimate_net(str(chosen), "", inputs, model.device(), "ave", prices.statistic)
    return [
        {"type": op_type, "output": output, "us": time_us}
        for op_type, output, time_us in zip(estimate.op_types(), estimate.outputs(), estimate.times_us())
    ]


def plain_network(network: nn.Module, prices: Prices, arch: Tensor) -> nn.Module:
    """The same on the CPU with torch's own normalisations: as trained, these may be of several processes, which no script can hold."""
    plain = latgrad.Network.from_space(prices.space, arch, prices.model.precision())
    plain.load_state_dict(network.state_dict())
    return plain


def save_network(network: nn.Module, prices: Prices, arch: Tensor, path: pathlib.Path) -> None:
    """A TorchScript module that classifies images and knows its own latency."""
    plain = plain_network(network, prices, arch)
    priced = torch.jit.script(latgrad.PricedNetwork(plain, prices.model, arch, prices.statistic).eval())
    temporary = path.with_name(path.name + ".tmp")
    torch.jit.save(priced, str(temporary))
    temporary.replace(path)

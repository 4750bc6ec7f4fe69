"""The end of a search: from theta to one architecture, priced exactly and exported."""

import json
import pathlib
from typing import Any, Dict, List, Optional

import torch
from torch import Tensor, nn

import latgrad

from . import run_folder, seeds
from .latency import Prices, arg_max, masked

# So many are drawn where a target decides; pricing them takes milliseconds.
DRAWS = 100_000
# How far from the target an architecture may lie to meet it.
TOLERANCE = 0.03


class Candidates:
    """Architectures ``[N, L]`` under softmax(theta), each with its exact price and its log-probability."""

    def __init__(self, archs: Tensor, theta: Tensor, prices: Prices) -> None:
        log_probs = torch.log_softmax(masked(theta.double(), prices.valid), -1)
        self.archs = archs
        self.latency_us = prices.model.estimate(archs, prices.statistic)
        self.log_probability = log_probs.gather(1, archs.T).sum(0)
        self.model = prices.model

    def describe(self, index: int) -> Dict[str, Any]:
        arch = self.archs[index]
        return {
            "architecture": arch.tolist(),
            "blocks": self.model.decode(arch),
            "latency_us": self.latency_us[index].item(),
            "log_probability": self.log_probability[index].item(),
        }


def draw(theta: Tensor, prices: Prices, count: int, random: torch.Generator) -> Tensor:
    """Architectures drawn from softmax(theta), int64 ``[count, L]``."""
    probs = torch.softmax(masked(theta.double(), prices.valid), -1)
    return torch.multinomial(probs, count, replacement=True, generator=random).T


def choose(theta: Tensor, prices: Prices, target_us: Optional[float], samples: int, seed: int) -> Dict[str, Any]:
    """What result.json says of architectures: ``arg_max``, ``samples``, ``chosen``.

    Without a target the arg-max is chosen, and with one where it meets it. Otherwise the most probable architecture is that
    does, not above the target if there is such a one; where none was drawn that does, the nearest.
    """
    theta = theta.detach()
    drawn = draw(theta, prices, max(DRAWS if target_us else 0, samples), seeds.generator(seed, "draws"))
    first = Candidates(arg_max(theta, prices.valid)[None], theta, prices)
    result = {
        "target_us": target_us,
        "arg_max": first.describe(0),
        "samples": [Candidates(arch[None], theta, prices).describe(0) for arch in drawn[:samples]],
    }
    if target_us is None:
        result["chosen"] = {**first.describe(0), "why": "the arg-max: there is no target"}
        return result
    candidates = Candidates(torch.cat([first.archs, drawn]), theta, prices)
    excess = candidates.latency_us / target_us - 1
    if abs(excess[0]) <= TOLERANCE:
        index, why = 0, "the arg-max: it meets the target"
    elif ((excess <= 0) & (excess >= -TOLERANCE)).any():
        meets = (excess <= 0) & (excess >= -TOLERANCE)
        index = int(candidates.log_probability.masked_fill(~meets, float("-inf")).argmax())
        why = f"the most probable of {DRAWS:,} draws from theta within {TOLERANCE:.0%} below the target; the arg-max is not"
    else:
        index = int(excess.abs().argmin())
        why = f"the nearest to the target of {DRAWS:,} draws from theta: none lies within {TOLERANCE:.0%} below it"
    result["chosen"] = {**candidates.describe(index), "why": why}
    return result


def export(folder: run_folder.RunFolder, network: nn.Module, prices: Prices, arch: Tensor) -> List[Dict[str, Any]]:
    """Writes chosen/ and returns the operators of the network with their times, for result.json.

    network: the chosen architecture with the weights that the supernet has left it.
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


def save_network(network: nn.Module, prices: Prices, arch: Tensor, path: pathlib.Path) -> None:
    """A TorchScript module that classifies images and knows its own latency."""
    # As trained, its normalisation may be that of several processes, which no script can hold.
    plain = latgrad.Network.from_space(prices.space, arch, prices.model.precision())
    plain.load_state_dict(network.state_dict())
    priced = torch.jit.script(latgrad.PricedNetwork(plain, prices.model, arch, prices.statistic).eval())
    temporary = path.with_name(path.name + ".tmp")
    torch.jit.save(priced, str(temporary))
    temporary.replace(path)

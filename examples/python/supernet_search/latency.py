"""What every candidate costs: from a table that is given, or measured here first."""

import pathlib
import shutil
import subprocess
import sys
import time
from typing import Any, Dict, List

import torch
from torch import Tensor

import latgrad

from .training import Stopped, StopRequest

_CHECKOUT = pathlib.Path(__file__).resolve().parents[3]


def find_command() -> str:
    """The command ``latgrad``: on the path, beside the interpreter, where pip puts it, or in the build folder of a checkout.

    Raises FileNotFoundError in words.
    """
    found = shutil.which("latgrad")
    if found:
        return found
    for path in (pathlib.Path(sys.executable).parent / "latgrad", _CHECKOUT / "build" / "release" / "bin" / "latgrad"):
        if path.is_file():
            return str(path)
    raise FileNotFoundError("the command latgrad, which measures a table, is not on the path: add it, or give --lut")


def measure(space: pathlib.Path, lut: pathlib.Path, precision: str, stop: StopRequest) -> None:
    """Measures every operator of the space on this machine. Continues where it was interrupted; does nothing where it is done.

    Raises RuntimeError where the command fails, Stopped where this process is asked to stop.
    """
    if lut.exists():
        return
    command = [find_command(), "profile", "--space", str(space), "--precision", precision, "--output", str(lut)]
    print("Measuring the operators of the space on this machine:", " ".join(command), flush=True)
    process = subprocess.Popen(command)
    while process.poll() is None:
        if stop.signal is not None:
            process.send_signal(stop.signal)
            process.wait()
            raise Stopped
        time.sleep(0.1)
    # 3: some operators cannot be measured; the latency model names those that the space needs.
    if process.returncode not in (0, 3):
        raise RuntimeError(f"measuring failed with exit code {process.returncode}; what it said stands above")


class Prices:
    """The latency model of a run, with the figures that the loss takes, and its space.

    ``table_us`` and ``valid`` are ``[L, C]``; ``fixed_us`` is what every architecture pays.
    """

    def __init__(self, space: pathlib.Path, lut: pathlib.Path, device: str, precision: str, statistic: str) -> None:
        self.space = latgrad.SearchSpace(space)
        self.lut = lut
        self.model = latgrad.LatencyModel(space, lut, device, precision)
        self.statistic = statistic
        self.table_us = self.model.table_us(statistic)
        self.valid = self.model.valid()
        self.fixed_us = self.model.fixed_us(statistic)

    def exact_us(self, arch: Tensor) -> float:
        return self.model.estimate(arch, self.statistic).item()

    def expected_us(self, theta: Tensor) -> float:
        return self.fixed_us + latgrad.softmax_latency(theta.double(), self.table_us, self.valid).item()

    def describe(self) -> Dict[str, Any]:
        """latency.json of a run folder."""
        layers: List[Dict[str, Any]] = []
        for layer in range(self.model.layers()):
            names = self.model.candidates(layer)
            row = zip(names, self.table_us[layer].tolist(), self.valid[layer].tolist())
            times = [time_us if offered else None for _, time_us, offered in row]
            layers.append({"candidates": names, "us": times})
        return {
            "space": self.space.name(),
            "device": self.model.device(),
            "precision": self.model.precision(),
            "statistic": self.statistic,
            "fixed_us": self.fixed_us,
            "layers": layers,
        }


def masked(theta: Tensor, valid: Tensor) -> Tensor:
    """theta with minus infinity where a candidate is not offered: what softmax and arg-max take."""
    return theta.masked_fill(~valid, float("-inf"))


def arg_max(theta: Tensor, valid: Tensor) -> Tensor:
    """The most probable architecture, int64 ``[L]``."""
    return masked(theta.detach(), valid).argmax(-1)


def entropy(theta: Tensor, valid: Tensor) -> Tensor:
    """The mean over the layers of the entropy of softmax(theta), nats. Differentiable."""
    log_probs = torch.log_softmax(masked(theta.double(), valid), -1)
    # Where nothing is offered, nothing times minus infinity is nothing, in the gradient, too.
    return -(log_probs.exp() * log_probs.masked_fill(~valid, 0)).sum(-1).mean()

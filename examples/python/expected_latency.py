#!/usr/bin/env python3
"""Descends on the architecture parameters of a space under a latency target.

    examples/python/expected_latency.py --space data/spaces/fbnet.textproto --lut my-op_lut_database.json \
        --target-ms 8 --output out/

The latency is that of the table; the other term of the loss stands in for the cross-entropy of a
supernet (which examples of their own train): it rewards work, with diminishing returns. Writes

    OUT/latency_loss.pt       a TorchScript module that carries its latency model in itself
    OUT/arg_max/              the arg-max architecture as Caffe2 network, for `latgrad net`
    OUT/result.json           what was printed

and then loads the module again in a process that has neither the table nor the space file.
"""

import argparse
import json
import pathlib
import subprocess
import sys

import torch

import latgrad


class LatencyLoss(torch.nn.Module):
    """Expected latency of a softmax over architecture parameters, with the latency model inside."""

    def __init__(self, space: str, lut: str, device: str, precision: str):
        super().__init__()
        self.model = latgrad.LatencyModel(space, lut, device, precision)
        self.register_buffer("table_us", self.model.table_us())  # [L, C]
        self.register_buffer("valid", self.model.valid())  # [L, C], bool
        self.theta = torch.nn.Parameter(torch.zeros_like(self.table_us))  # [L, C]

    def probs(self, temperature: float) -> torch.Tensor:
        """[L, C], rows sum to 1; a candidate that is not offered has weight exactly 0."""
        logits = self.theta.masked_fill(~self.valid, float("-inf"))
        return torch.softmax(logits / temperature, dim=-1)

    def forward(self, temperature: float) -> torch.Tensor:
        """The expected latency in microseconds, stem and head included."""
        return torch.ops.latgrad.expected_latency(self.probs(temperature), self.table_us) + self.model.fixed_us()

    @torch.jit.export
    def arg_max(self) -> torch.Tensor:
        """[L], the most probable candidate of each layer."""
        return self.theta.masked_fill(~self.valid, float("-inf")).argmax(dim=-1)

    @torch.jit.export
    def estimate_us(self, arch: torch.Tensor) -> torch.Tensor:
        """The exact price of an architecture [L] in microseconds."""
        return self.model.estimate(arch)

    @torch.jit.export
    def candidates(self, layer: int) -> list[str]:
        return self.model.candidates(layer)


def descend(loss: torch.nn.Module, target_us: float, steps: int, learning_rate: float):
    """Adam on theta, which ends as the best seen whose arg-max keeps the target.

    Yields (step, expected latency in us, latency of the arg-max in us).
    """
    optimizer = torch.optim.Adam([loss.theta], lr=learning_rate)
    # Stands in for minus the cross-entropy: a larger block is better, each further microsecond less so.
    worth = torch.log1p(loss.table_us)
    worth = worth / worth.max()
    first, last = 5.0, 0.5  # temperature: from almost uniform to almost one-hot
    aim_us = 0.98 * target_us  # a little below, so that the arg-max keeps what the expectation only nears
    integral = 0.0  # of the excess over the steps: a controller sets the weight of the latency term
    best_worth, best_theta = -1.0, loss.theta.detach().clone()
    for step in range(steps + 1):
        temperature = first * (last / first) ** (step / steps)
        expected_us = loss(temperature)
        arch = loss.arg_max()
        arg_max_us = loss.estimate_us(arch).item()
        arg_max_worth = worth.gather(1, arch[:, None]).sum().item()
        if arg_max_us <= target_us and arg_max_worth > best_worth:
            best_worth, best_theta = arg_max_worth, loss.theta.detach().clone()
        if step % max(1, steps // 20) == 0:
            yield step, expected_us.item(), arg_max_us
        excess = expected_us / aim_us - 1.0
        integral = max(0.0, integral + 0.3 * excess.item())
        weight = max(0.0, integral + 5.0 * excess.item())
        objective = weight * excess - (loss.probs(temperature) * worth).sum()
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
    if best_worth < 0:
        sys.exit("no arg-max kept the target; give a larger one")
    with torch.no_grad():
        loss.theta.copy_(best_theta)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--space", required=True, help="space file, data/spaces/*.textproto")
    parser.add_argument("--lut", required=True, help="table, as `latgrad profile` writes it")
    parser.add_argument("--device", default="", help="device of the table (default: its only one)")
    parser.add_argument("--precision", default="int8", choices=["int8", "fp32"])
    parser.add_argument("--target-ms", type=float, help="default: the middle between fastest and slowest architecture")
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--learning-rate", type=float, default=0.05)
    parser.add_argument("--output", type=pathlib.Path, default=pathlib.Path("out"))
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)

    loss = torch.jit.script(LatencyLoss(arguments.space, arguments.lut, arguments.device, arguments.precision))
    fastest_us = loss.table_us.masked_fill(~loss.valid, float("inf")).amin(-1).sum().item() + loss.model.fixed_us()
    slowest_us = loss.table_us.amax(-1).sum().item() + loss.model.fixed_us()
    target_us = arguments.target_ms * 1000 if arguments.target_ms else (fastest_us + slowest_us) / 2
    if target_us < fastest_us:
        parser.error(f"no architecture is faster than {fastest_us / 1000:.2f} ms, got --target-ms {arguments.target_ms}")
    print(f"{loss.table_us.shape[0]} layers, architectures from {fastest_us / 1000:.2f} to {slowest_us / 1000:.2f} ms, "
          f"target {target_us / 1000:.2f} ms")

    print(f"{'step':>5} {'expected':>11} {'arg-max':>11}   (one column = {slowest_us / 60000:.2f} ms, | target)")
    for step, expected_us, arg_max_us in descend(loss, target_us, arguments.steps, arguments.learning_rate):
        bar = list("." * 60)
        bar[min(59, int(60 * target_us / slowest_us))] = "|"
        bar[min(59, int(60 * expected_us / slowest_us))] = "*"
        print(f"{step:5d} {expected_us / 1000:8.3f} ms {arg_max_us / 1000:8.3f} ms   {''.join(bar)}")

    arch = loss.arg_max()
    price_us = loss.estimate_us(arch).item()
    names = loss.model.decode(arch)
    print("best arg-max architecture:", " ".join(names))
    print(f"its exact price: {price_us:.3f} us, {price_us / target_us:.1%} of the target")

    network = arguments.output / "arg_max"
    network.mkdir(exist_ok=True)
    (network / "model.pbtxt").write_text(loss.model.netdef(arch))
    (network / "model_init.pbtxt").write_text(loss.model.init_netdef(arch))
    # The shape of the data input, which a NetDef cannot say.
    (network / "shapes.json").write_text(json.dumps({"inputs": dict(loss.model.input_dims())}) + "\n")
    module = arguments.output / "latency_loss.pt"
    torch.jit.save(loss, str(module))
    result = {"architecture": names, "price_us": price_us, "target_us": target_us}
    (arguments.output / "result.json").write_text(json.dumps(result, indent=2) + "\n")

    # A fresh process that is told nothing but the file of the module.
    reload = (
        "import sys, latgrad, torch\n"
        "loss = torch.jit.load(sys.argv[1])\n"
        "print(repr(loss.estimate_us(loss.arg_max()).item()))\n"
    )
    answer = subprocess.run([sys.executable, "-c", reload, module], check=True, stdout=subprocess.PIPE, text=True).stdout
    print(f"loaded again without the table: {float(answer):.3f} us")
    return 0 if float(answer) == price_us else 1


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""The operators on one thread, each as a ratio to PyTorch's own expression, measured in turns in the same run.

    operators_bench.py [--rounds N] [--json]

A round measures every candidate once, in an order that changes from round to round; a ratio is the median over the rounds
of (time of the baseline) / (time of ours) in the same round. "floor" is `x.sum().backward()`, less than which no loss
can take.
"""

import argparse
import json
import random
import statistics
import sys
import time

import torch

import latgrad

ops = torch.ops.latgrad
LAYERS, CANDIDATES = 22, 9


class Step:
    """One call that gives gradients to `leaf`, which are thrown away before the next."""

    def __init__(self, call, leaf=None):
        self.call, self.leaf = call, leaf

    def prepare(self):
        # Freeing the gradient of whoever ran before is not the work of this call.
        if self.leaf is not None:
            self.leaf.grad = None

    def __call__(self):
        self.prepare()
        self.call()


def measure(calls, rounds, seconds):
    """Times of each call in each round. A time is the mean over as many calls as `seconds` hold."""
    repeats = {}
    for name, call in calls.items():
        for _ in range(3):
            call()
        begin = time.perf_counter()
        call()
        repeats[name] = max(1, int(seconds / (time.perf_counter() - begin)))
    times = {name: [] for name in calls}
    order = list(calls)
    shuffle = random.Random(0).shuffle
    for done in range(rounds):
        shuffle(order)
        for name in order:
            calls[name].prepare()
            begin = time.perf_counter()
            for _ in range(repeats[name]):
                calls[name]()
            times[name].append((time.perf_counter() - begin) / repeats[name])
        if sys.stderr.isatty():
            print(f"\r  round {done + 1}/{rounds}\r", end="", file=sys.stderr, flush=True)
    return times


def with_compiled(calls, name, function, input):
    """Adds the same under torch.compile, where this torch has it and a compiler."""
    if hasattr(torch, "compile"):
        compiled = torch.compile(function)
        calls[name] = Step(lambda: compiled(input).backward(), input)


def softmax_calls(batch):
    theta = torch.randn(*batch, LAYERS, CANDIDATES, requires_grad=True)
    table_us = 1000 * torch.rand(LAYERS, CANDIDATES)

    def eager(theta):
        return (theta.softmax(-1) * table_us).sum()

    calls = {
        "ours": Step(lambda: ops.softmax_latency(theta, table_us).sum().backward(), theta) if batch
        else Step(lambda: ops.softmax_latency(theta, table_us).backward(), theta),
        "floor": Step(lambda: theta.sum().backward(), theta),
        "eager": Step(lambda: eager(theta).backward(), theta),
    }
    with_compiled(calls, "compile", eager, theta)
    return calls


def gumbel_calls(batch):
    theta = torch.randn(*batch, LAYERS, CANDIDATES, requires_grad=True)
    table_us = 1000 * torch.rand(LAYERS, CANDIDATES)

    def eager(theta):
        return (torch.nn.functional.gumbel_softmax(theta, 1.0) * table_us).sum()

    calls = {
        "ours": Step(lambda: ops.gumbel_latency(theta, table_us, 1.0)[1].sum().backward(), theta) if batch
        else Step(lambda: ops.gumbel_latency(theta, table_us, 1.0)[1].backward(), theta),
        "eager": Step(lambda: eager(theta).backward(), theta),
    }
    with_compiled(calls, "compile", eager, theta)
    return calls


def expected_calls(batch):
    probs = torch.randn(*batch, LAYERS, CANDIDATES).softmax(-1).requires_grad_()
    table_us = 1000 * torch.rand(LAYERS, CANDIDATES)
    calls = {
        "ours": Step(lambda: ops.expected_latency(probs, table_us).sum().backward(), probs),
        "eager": Step(lambda: (probs * table_us).sum().backward(), probs),
    }
    with_compiled(calls, "compile", lambda probs: (probs * table_us).sum(), probs)
    return calls


def chain_calls(batch):
    probs = torch.randn(*batch, LAYERS, CANDIDATES).softmax(-1).requires_grad_()
    table_us = 1000 * torch.rand(LAYERS, CANDIDATES, CANDIDATES)
    steps_us = table_us[1:]

    def eager(probs):
        pairs_us = torch.einsum("...li,lij,...lj->...", probs[..., :-1, :], steps_us, probs[..., 1:, :])
        return (pairs_us + probs[..., 0, :] @ table_us[0, 0]).sum()

    calls = {
        "ours": Step(lambda: ops.chain_latency(probs, table_us).sum().backward(), probs) if batch
        else Step(lambda: ops.chain_latency(probs, table_us).backward(), probs),
        "eager": Step(lambda: eager(probs).backward(), probs),
    }
    with_compiled(calls, "compile", eager, probs)
    return calls


def arch_calls(count):
    arch = torch.randint(0, CANDIDATES, (count, LAYERS), dtype=torch.uint8)
    table_us = 1000 * torch.rand(LAYERS, CANDIDATES)
    layer = torch.arange(LAYERS)
    return {
        "ours": Step(lambda: ops.arch_latency(arch, table_us)),
        "eager": Step(lambda: table_us[layer, arch.long()].sum(-1)),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=11)
    parser.add_argument("--json", action="store_true", help="print one JSON object a case instead of the table")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    large = (65536,)
    cases = [
        ("softmax_latency 22x9", softmax_calls(()), 0.05),
        ("gumbel_latency 22x9", gumbel_calls(()), 0.05),
        ("softmax_latency 65536x22x9", softmax_calls(large), 0),
        ("gumbel_latency 65536x22x9", gumbel_calls(large), 0),
        ("expected_latency 65536x22x9", expected_calls(large), 0),
        ("chain_latency 22x9", chain_calls(()), 0.05),
        ("chain_latency 65536x22x9", chain_calls(large), 0),
        ("arch_latency 10000000x22", arch_calls(10_000_000), 0),
    ]
    if not arguments.json:
        print(f"torch {torch.__version__}, one thread, {torch.backends.cpu.get_cpu_capability() if hasattr(torch.backends, 'cpu') else ''}")
    for name, calls, seconds in cases:
        times = measure(calls, arguments.rounds, seconds)
        ours_us = statistics.median(times["ours"]) * 1e6
        ratios = {other: statistics.median(b / a for a, b in zip(times["ours"], times[other]))
                  for other in times if other != "ours"}
        row = {"case": name, "ours_us": ours_us, "times_faster_than": ratios}
        if name.startswith("arch_latency"):
            row["millions_per_second"] = 10_000_000 / ours_us
        if arguments.json:
            print(json.dumps(row))
        else:
            text = ", ".join(f"{ratio:.2f}x {other}" for other, ratio in ratios.items())
            rate = f"; {row['millions_per_second']:.0f} million a second" if "millions_per_second" in row else ""
            print(f"{name:28} {ours_us:10.1f} us   faster than: {text}{rate}", flush=True)


main()

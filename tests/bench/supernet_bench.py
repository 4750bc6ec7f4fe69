#!/usr/bin/env python3
"""What the latency term costs in a training step of a supernet, against the same step without it.

    supernet_bench.py --lut LUT [--space fbnet_cifar] [--batch 32] [--rounds N] [--json]

The step is that of theta: mix the blocks by a Gumbel-softmax sample, forward, cross-entropy, backward to theta. With the term,
the sample is that of `gumbel_latency` and the loss `fbnet_loss`; without it, `F.gumbel_softmax` and the cross-entropy alone. Both
run in turns. As the difference of two long times is lost in their noise, the term is also timed by itself, without the
supernet: its samples, its loss and their backward, less those of `F.gumbel_softmax`.
"""

import argparse
import json
import pathlib
import statistics
import sys
import time

import torch
from torch.nn import functional

import latgrad


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lut", type=pathlib.Path, required=True, help="a table of the space, its times do not matter")
    parser.add_argument("--space", default="fbnet_cifar", help="a space file, or the name of one that comes with latgrad")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    file = latgrad.space_file(arguments.space)
    space = latgrad.SearchSpace(file)
    model = latgrad.LatencyModel(file, arguments.lut)
    table_us, valid, fixed_us = model.table_us(), model.valid(), model.fixed_us()
    supernet = latgrad.Supernet(space)
    theta = torch.zeros(table_us.shape, requires_grad=True)
    images = torch.randn(arguments.batch, *space.input_shape()[1:])
    labels = torch.randint(0, space.classes(), (arguments.batch,))

    def plain_weights():
        return functional.gumbel_softmax(theta.masked_fill(~valid, float("-inf")), 5.0)

    def with_term():
        weights, sampled_us = latgrad.gumbel_latency(theta, table_us, 5.0, valid)
        cross_entropy = functional.cross_entropy(supernet(images, weights), labels)
        latgrad.fbnet_loss(cross_entropy, sampled_us + fixed_us).backward(inputs=[theta])

    def without_term():
        functional.cross_entropy(supernet(images, plain_weights()), labels).backward(inputs=[theta])

    # What the supernet hands back to theta: a gradient of the weights.
    from_blocks = torch.randn(theta.shape)
    cross_entropy = torch.tensor(2.3)

    def term_alone():
        weights, sampled_us = latgrad.gumbel_latency(theta, table_us, 5.0, valid)
        loss = latgrad.fbnet_loss(cross_entropy, sampled_us + fixed_us) + (weights * from_blocks).sum()
        loss.backward(inputs=[theta])

    def sample_alone():
        (plain_weights() * from_blocks).sum().backward(inputs=[theta])

    def seconds(call, repeats):
        theta.grad = None
        begin = time.perf_counter()
        for _ in range(repeats):
            call()
        return (time.perf_counter() - begin) / repeats

    calls = {with_term: 1, without_term: 1, term_alone: 200, sample_alone: 200}
    for call in calls:
        seconds(call, 3)
    times = {call: [] for call in calls}
    for done in range(arguments.rounds):
        for call in reversed(calls) if done % 2 else calls:
            times[call].append(seconds(call, calls[call]))
    median = {call: statistics.median(values) for call, values in times.items()}
    result = {
        "step_ms": 1e3 * median[without_term],
        "step_with_term_ms": 1e3 * median[with_term],
        "ratio_of_steps": statistics.median(a / b for a, b in zip(times[with_term], times[without_term])),
        "term_us": 1e6 * (median[term_alone] - median[sample_alone]),
        "term_of_step": (median[term_alone] - median[sample_alone]) / median[without_term],
    }
    if arguments.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{space.name()}, {space.layers()} layers, batch {arguments.batch}, one thread")
    print(f"step without the term   {result['step_ms']:10.2f} ms")
    print(f"step with the term      {result['step_with_term_ms']:10.2f} ms   ratio {result['ratio_of_steps']:.4f}")
    print(f"the term by itself      {result['term_us']:10.2f} us   {result['term_of_step']:.4%} of the step")
    return 0


if __name__ == "__main__":
    sys.exit(main())

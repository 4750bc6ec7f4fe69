#!/usr/bin/env python3
"""Time and peak memory of a training step of a supernet that runs one path, two or all, as ratios to all.

    supernet_paths_bench.py [--space fbnet] [--batch 32] [--rounds 3] [--threads 1] [--device cpu] [--json]

A step is a sample, forward, cross-entropy with the latency, backward to the weights and to theta, SGD with momentum and weight
decay. Each number of paths has a process of its own, so that its peak is its own: of resident memory on a CPU, of what torch
allocates on a GPU. The first step is not timed; the time is the median of the rounds. With all paths the full space fbnet takes
some 15 GB at a batch of 32: take a smaller --batch where there is less.
"""

import argparse
import json
import pathlib
import resource
import statistics
import subprocess
import sys
import time

PATHS = ["all", "2", "1"]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--space", default="fbnet", help="a space file, or the name of one that comes with latgrad")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--paths", choices=PATHS, help="measure these alone, in this process, and print them as JSON")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def measure(arguments):
    import torch
    from torch.nn import functional

    import latgrad

    torch.set_num_threads(arguments.threads)
    torch.manual_seed(0)
    device = torch.device(arguments.device)
    on_gpu = device.type == "cuda"
    paths = arguments.paths if arguments.paths == "all" else int(arguments.paths)
    space = latgrad.SearchSpace(latgrad.space_file(arguments.space))
    supernet = latgrad.Supernet(space, paths=paths).to(device, memory_format=torch.channels_last)
    valid = space.valid().to(device)
    table_us = valid.float() * 100
    theta = torch.zeros(valid.shape, device=device, requires_grad=True)
    optimizer = torch.optim.SGD([theta, *supernet.parameters()], lr=0.01, momentum=0.9, weight_decay=1e-4)
    images = torch.randn(arguments.batch, *space.input_shape()[1:], device=device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.randint(0, space.classes(), (arguments.batch,), device=device)

    def sample():
        if paths == 2:
            weights = latgrad.two_path_sample(theta, valid)
            return weights, latgrad.expected_latency(weights, table_us)
        return latgrad.gumbel_latency(theta, table_us, 5.0, valid, hard=paths == 1)

    def step():
        weights, latency_us = sample()
        loss = latgrad.fbnet_loss(functional.cross_entropy(supernet(images, weights), labels), latency_us)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if on_gpu:
            torch.cuda.synchronize()

    step()
    times = []
    for _ in range(arguments.rounds):
        began = time.perf_counter()
        step()
        times.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() if on_gpu else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"step_s": statistics.median(times), "peak_bytes": peak}))


def main():
    arguments = parse_arguments()
    if arguments.paths:
        measure(arguments)
        return 0
    results = {}
    for paths in PATHS:
        command = [sys.executable, str(pathlib.Path(__file__).resolve()), *sys.argv[1:], "--paths", paths]
        results[paths] = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    for result in results.values():
        result["time_to_all"] = result["step_s"] / results["all"]["step_s"]
        result["memory_to_all"] = result["peak_bytes"] / results["all"]["peak_bytes"]
    if arguments.json:
        print(json.dumps(results, indent=2))
        return 0
    print(f"{arguments.space}, batch {arguments.batch}, {arguments.device}, threads {arguments.threads}")
    for paths, result in results.items():
        print(
            f"paths {paths:>3}   step {result['step_s']:8.3f} s   ratio {result['time_to_all']:.3f}     "
            f"peak {result['peak_bytes'] / 1e6:9.0f} MB   ratio {result['memory_to_all']:.3f}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

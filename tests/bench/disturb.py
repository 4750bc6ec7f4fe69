#!/usr/bin/env python3
"""A neighbour who comes and goes: load on one core for 0.1 to 5 seconds, then none for as long, at random.

    disturb.py [--core N] [--seconds S] [--seed N]

What `latgrad profile` and `latgrad validate` must stand: start it, measure on another core, stop it. Half of the load computes,
half of it moves memory, since a neighbour shares the caches, too.
"""

import argparse
import os
import random
import time


def load(seconds, moves_memory):
    end = time.perf_counter() + seconds
    block = bytearray(32 << 20)
    while time.perf_counter() < end:
        if moves_memory:
            bytes(block)
        else:
            sum(range(10_000))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--core", type=int, help="default: the first one that is allowed")
    parser.add_argument("--seconds", type=float, default=float("inf"))
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    core = min(os.sched_getaffinity(0)) if args.core is None else args.core
    os.sched_setaffinity(0, {core})
    choose = random.Random(args.seed)
    end = time.perf_counter() + args.seconds
    while time.perf_counter() < end:
        load(choose.uniform(0.1, 5), choose.random() < 0.5)
        time.sleep(choose.uniform(0.1, 5))


if __name__ == "__main__":
    main()

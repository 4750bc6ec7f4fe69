#!/usr/bin/env python3
"""Shows what the latency term does: searches with and without it, to a target by a penalty and by projection, by exact search and
at random, each retrained, over several seeds.

    examples/python/compare_losses.py OUT --lut mine.json [--seeds 5] [--target-ms T] [-- OPTIONS OF fbnet_supernet.py search]

Everything lies in OUT, one run folder for each search; interrupted, the same command continues. At the end stand tables:
latency of the arg-max architecture of each search and, of those with a target, the expected one in the last epoch and that of the
architecture which was chosen; accuracy on the test images after retraining what was chosen.

Two baselines have the target, too, and the same budget of training. Exact search takes the most probable architecture within the
target from the theta that was searched without the term. Random search trains architectures that take from 97 to 100 % of the
target (in a small space: the slowest within it), drawn uniformly, for as long as a search and its retraining take together: as many
as fit, one at least. The one that is best on the test images counts, which is in its favour.
"""

import argparse
import json
import math
import pathlib
import statistics
import subprocess
import sys

import torch

import latgrad

PROGRAM = pathlib.Path(__file__).resolve().parent / "fbnet_supernet.py"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=pathlib.Path, metavar="OUT")
    parser.add_argument("--lut", type=pathlib.Path, required=True)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--target-ms", type=float, help="default: the middle of what the first two searches of seed 0 find")
    parser.add_argument("--target-loss", default="tunas", help="the loss that goes for the target, with its --weight")
    parser.add_argument("--target-weight", type=float, default=1.0)
    parser.add_argument("--retrain-epochs", type=int, default=30)
    parser.add_argument("--threads", type=int, default=1, help="of torch; 1: the same bits always")
    own, search = sys.argv[1:], []
    if "--" in own:
        middle = own.index("--")
        own, search = own[:middle], own[middle + 1 :]
    arguments = parser.parse_args(own)
    if arguments.seeds < 1:
        parser.error(f"--seeds must be 1 or more, got {arguments.seeds}")
    arguments.search = search
    return arguments


def step(*arguments) -> None:
    command = [sys.executable, str(PROGRAM), *map(str, arguments)]
    print("$", " ".join(command), flush=True)
    subprocess.run(command, check=True)


def read(path: pathlib.Path):
    return json.loads(path.read_text())


def search_and_retrain(arguments: argparse.Namespace, name: str, seed: int, *loss) -> pathlib.Path:
    folder = arguments.out / f"{name}-{seed}"
    common = ["--seed", seed, "--threads", arguments.threads]
    if not (folder / "result.json").exists():
        step("search", folder, "--lut", arguments.lut, *common, *arguments.search, *loss)
    train(arguments, folder, seed)
    return folder


def train(arguments: argparse.Namespace, folder: pathlib.Path, seed: int, *which) -> None:
    """From scratch, what was chosen or the architecture that is named."""
    settings = read(folder / "config.json")["settings"]
    # Continues, or says that another --retrain-epochs made it.
    step(
        "retrain", folder, "--epochs", arguments.retrain_epochs, "--batch", settings["batch"],
        "--learning-rate", settings["learning_rate"], "--seed", seed, "--threads", arguments.threads, *which,
    )  # fmt: skip


def seconds_of(log: pathlib.Path) -> float:
    return sum(json.loads(line)["seconds"] for line in log.read_text().splitlines())


def search_at_random(arguments: argparse.Namespace, like: pathlib.Path, seed: int, target_ms: float) -> list:
    """Figures of the architectures that were drawn and trained in the time that a search took with its retraining.

    like: the folder of that search, whose images and prices are taken.
    """
    settings = read(like / "config.json")["settings"]
    model = latgrad.LatencyModel(like / "space.textproto", arguments.lut, settings["device"], settings["precision"])
    valid = model.valid()
    random = torch.Generator().manual_seed(seed)
    archs = torch.multinomial(valid.double(), 100_000, replacement=True, generator=random).T
    latencies_us = model.estimate(archs, settings["statistic"])
    within = latencies_us <= max(1000 * target_ms, latencies_us.min().item())
    near = archs[within & (latencies_us >= min(970 * target_ms, latencies_us[within].max().item()))]
    budget_s = seconds_of(like / "log.jsonl") + seconds_of(like / "retrain" / "log.jsonl")
    found, spent_s = [], 0.0
    while not found or spent_s + spent_s / len(found) <= budget_s:
        name = f"random-{len(found)}"
        train(arguments, like, seed, "--architecture", " ".join(model.decode(near[len(found) % len(near)])), "--name", name)
        result = read(like / name / "result.json")
        spent_s += seconds_of(like / name / "log.jsonl")
        found.append({"chosen_ms": result["latency_us"] / 1000, "accuracy": 100 * result["test_accuracy"]})
    return found


def figures(folder: pathlib.Path) -> dict:
    result = read(folder / "result.json")
    last = json.loads((folder / "log.jsonl").read_text().splitlines()[-1])
    return {
        "expected_ms": last["expected_us"] / 1000,
        "arg_max_ms": result["arg_max"]["latency_us"] / 1000,
        "chosen_ms": result["chosen"]["latency_us"] / 1000,
        "accuracy": 100 * read(folder / "retrain" / "result.json")["test_accuracy"],
    }


def main() -> int:
    arguments = parse_arguments()
    target_ms = arguments.target_ms
    rows, drawn = [], []
    for seed in range(arguments.seeds):
        without = search_and_retrain(arguments, "none", seed, "--loss", "none")
        term = search_and_retrain(arguments, "term", seed)
        if target_ms is None:
            # Upwards, so that it can be met even where both are the fastest.
            target_ms = math.ceil(500 * (figures(without)["arg_max_ms"] + figures(term)["arg_max_ms"])) / 1000
        target = search_and_retrain(
            arguments, "target", seed, "--loss", arguments.target_loss, "--weight", arguments.target_weight,
            "--target-ms", target_ms,
        )  # fmt: skip
        projected = search_and_retrain(arguments, "project", seed, "--loss", "project", "--target-ms", target_ms)
        exact = search_and_retrain(arguments, "exact", seed, "--loss", "none", "--target-ms", target_ms)
        rows.append([figures(folder) for folder in (without, term, target, projected, exact)])
        drawn.append(search_at_random(arguments, target, seed, target_ms))

    print("\nms: of the arg-max architecture")
    print("| seed | no term: ms | accuracy | with it: ms | faster by | accuracy |\n" + "|---" * 6 + "|")
    faster, gained = [], []
    for seed, (none, term, *_) in enumerate(rows):
        faster.append(100 * (1 - term["arg_max_ms"] / none["arg_max_ms"]))
        gained.append(term["accuracy"] - none["accuracy"])
        print(
            f"| {seed} | {none['arg_max_ms']:.3f} | {none['accuracy']:.1f} % | {term['arg_max_ms']:.3f} | {faster[-1]:.0f} % | "
            f"{term['accuracy']:.1f} % |"
        )
    print(
        f"\nWith the term {statistics.mean(faster):.0f} % faster (least {min(faster):.0f} %), accuracy "
        f"{statistics.mean(gained):+.1f} points (worst {min(gained):+.1f})\n"
    )
    print(f"To {target_ms:g} ms, by a penalty ({arguments.target_loss}) and by projection:")
    print("| seed | penalty: expected ms | off by | chosen ms | accuracy | projection: expected ms | off by | chosen ms | accuracy |")
    print("|---" * 9 + "|")
    off = {"penalty": [], "projection": []}
    for seed, (_, _, *with_target, _) in enumerate(rows):
        cells = []
        for name, found in zip(off, with_target):
            off[name].append(100 * (found["expected_ms"] / target_ms - 1))
            cells.append(
                f"{found['expected_ms']:.4f} | {off[name][-1]:+.2f} % | {found['chosen_ms']:.3f} | {found['accuracy']:.1f} %"
            )
        print(f"| {seed} | " + " | ".join(cells) + " |")
    for name, misses in off.items():
        print(f"{name}: the expected latency misses the target by at most {max(map(abs, misses)):.2f} %")

    print("\nWith the same budget of training:")
    print("| seed | penalty: accuracy | projection | exact search: ms | accuracy | random search: ms | accuracy | trained |")
    print("|---" * 8 + "|")
    for seed, ((_, _, penalty, projection, exact), at_random) in enumerate(zip(rows, drawn)):
        best = max(at_random, key=lambda one: one["accuracy"])
        print(
            f"| {seed} | {penalty['accuracy']:.1f} % | {projection['accuracy']:.1f} % | {exact['chosen_ms']:.3f} | "
            f"{exact['accuracy']:.1f} % | {best['chosen_ms']:.3f} | {best['accuracy']:.1f} % | {len(at_random)} |"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())

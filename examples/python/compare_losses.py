#!/usr/bin/env python3
"""Shows what the latency term does: searches with and without it, and to a target, each retrained, over several seeds.

    examples/python/compare_losses.py OUT --lut mine.json [--seeds 5] [--target-ms T] [-- OPTIONS OF fbnet_supernet.py search]

Everything lies in OUT, one run folder for each search; interrupted, the same command continues. At the end stands a table:
latency of the architecture that was found, accuracy on the test images after retraining.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys

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
    if not (folder / "retrain" / "result.json").exists():
        settings = read(folder / "config.json")["settings"]
        step(
            "retrain", folder, "--epochs", arguments.retrain_epochs, "--batch", settings["batch"],
            "--learning-rate", settings["learning_rate"], *common,
        )  # fmt: skip
    return folder


def main() -> int:
    arguments = parse_arguments()
    target_ms = arguments.target_ms
    rows = []
    for seed in range(arguments.seeds):
        without = search_and_retrain(arguments, "none", seed, "--loss", "none")
        term = search_and_retrain(arguments, "term", seed)
        if target_ms is None:
            found = [read(folder / "result.json")["arg_max"]["latency_us"] for folder in (without, term)]
            target_ms = round(sum(found) / 2000, 3)
        target = search_and_retrain(
            arguments, "target", seed, "--loss", arguments.target_loss, "--weight", arguments.target_weight,
            "--target-ms", target_ms,
        )  # fmt: skip
        rows.append([read(folder / "retrain" / "result.json") for folder in (without, term, target)])
    print(f"\n| seed | without: ms | accuracy | with: ms | accuracy | faster by | target {target_ms} ms: ms | off by | accuracy |")
    print("|---" * 9 + "|")
    figures = []
    for seed, row in enumerate(rows):
        ms = [result["latency_us"] / 1000 for result in row]
        accuracy = [100 * result["test_accuracy"] for result in row]
        figures.append((100 * (1 - ms[1] / ms[0]), accuracy[1] - accuracy[0], 100 * (ms[2] / target_ms - 1)))
        print(
            f"| {seed} | {ms[0]:.3f} | {accuracy[0]:.1f} % | {ms[1]:.3f} | {accuracy[1]:.1f} % | {figures[-1][0]:.0f} % | "
            f"{ms[2]:.3f} | {figures[-1][2]:+.1f} % | {accuracy[2]:.1f} % |"
        )
    faster, gained, off = zip(*figures)
    print(
        f"\nWith the term {statistics.mean(faster):.0f} % faster (least {min(faster):.0f} %), accuracy "
        f"{statistics.mean(gained):+.1f} points (worst {min(gained):+.1f}); target missed by at most {max(map(abs, off)):.1f} %"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

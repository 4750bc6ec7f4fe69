#!/usr/bin/env python3
"""Shows what the latency term does: searches with and without it, to a target by a penalty and by projection, each retrained,
over several seeds.

    examples/python/compare_losses.py OUT --lut mine.json [--seeds 5] [--target-ms T] [-- OPTIONS OF fbnet_supernet.py search]

Everything lies in OUT, one run folder for each search; interrupted, the same command continues. At the end stands a table:
latency of the arg-max architecture of each search and, of those with a target, the expected one in the last epoch and that of the
architecture which was chosen; accuracy on the test images after retraining what was chosen.
"""

import argparse
import json
import math
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
    settings = read(folder / "config.json")["settings"]
    # Continues, or says that another --retrain-epochs made it.
    step(
        "retrain", folder, "--epochs", arguments.retrain_epochs, "--batch", settings["batch"],
        "--learning-rate", settings["learning_rate"], *common,
    )  # fmt: skip
    return folder


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
    rows = []
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
        rows.append([figures(folder) for folder in (without, term, target, projected)])

    print("\nms: of the arg-max architecture")
    print("| seed | no term: ms | accuracy | with it: ms | faster by | accuracy |\n" + "|---" * 6 + "|")
    faster, gained = [], []
    for seed, (none, term, _, _) in enumerate(rows):
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
    for seed, (_, _, *with_target) in enumerate(rows):
        cells = []
        for name, found in zip(off, with_target):
            off[name].append(100 * (found["expected_ms"] / target_ms - 1))
            cells.append(
                f"{found['expected_ms']:.4f} | {off[name][-1]:+.2f} % | {found['chosen_ms']:.3f} | {found['accuracy']:.1f} %"
            )
        print(f"| {seed} | " + " | ".join(cells) + " |")
    for name, misses in off.items():
        print(f"{name}: the expected latency misses the target by at most {max(map(abs, misses)):.2f} %")
    return 0


if __name__ == "__main__":
    sys.exit(main())

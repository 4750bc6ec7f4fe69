#!/usr/bin/env python3
"""Shows what the latency term does: searches with and without it, and to a target, each retrained, over several seeds.

    examples/python/compare_losses.py OUT --lut mine.json [--seeds 5] [--target-ms T] [-- OPTIONS OF fbnet_supernet.py search]

Everything lies in OUT, one run folder for each search; interrupted, the same command continues. At the end stands a table:
latency of the arg-max architecture of each search and, of that with a target, of the one that was chosen for it; accuracy on the
test images after retraining what was chosen.
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
    return {
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
            target_ms = round((figures(without)["arg_max_ms"] + figures(term)["arg_max_ms"]) / 2, 3)
        target = search_and_retrain(
            arguments, "target", seed, "--loss", arguments.target_loss, "--weight", arguments.target_weight,
            "--target-ms", target_ms,
        )  # fmt: skip
        rows.append([figures(folder) for folder in (without, term, target)])

    print("\nms: of the arg-max architecture; target: of the chosen one, too")
    print(f"| seed | no term: ms | accuracy | with it: ms | faster by | accuracy | target {target_ms:g} ms: arg-max | chosen | off by | accuracy |")
    print("|---" * 10 + "|")
    faster, gained, off = [], [], []
    for seed, (none, term, target) in enumerate(rows):
        faster.append(100 * (1 - term["arg_max_ms"] / none["arg_max_ms"]))
        gained.append(term["accuracy"] - none["accuracy"])
        off.append(100 * (target["chosen_ms"] / target_ms - 1))
        print(
            f"| {seed} | {none['arg_max_ms']:.3f} | {none['accuracy']:.1f} % | {term['arg_max_ms']:.3f} | {faster[-1]:.0f} % | "
            f"{term['accuracy']:.1f} % | {target['arg_max_ms']:.3f} | {target['chosen_ms']:.3f} | {off[-1]:+.1f} % | "
            f"{target['accuracy']:.1f} % |"
        )
    print(
        f"\nWith the term {statistics.mean(faster):.0f} % faster (least {min(faster):.0f} %), accuracy "
        f"{statistics.mean(gained):+.1f} points (worst {min(gained):+.1f}); target missed by at most {max(map(abs, off)):.1f} %"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())

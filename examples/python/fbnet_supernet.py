#!/usr/bin/env python3
"""Searches a network for images and for the latency of a device at once, by the supernet of a search space.

    examples/python/fbnet_supernet.py search RUN --space fbnet_cifar --width 0.25 --depth 0.5 --lut mine.json
    examples/python/fbnet_supernet.py retrain RUN         # the architecture that was found, from scratch
    latgrad report RUN                                    # a page with all of it

RUN is a folder that holds the whole search (docs/run-format.md). Interrupted, by Ctrl-C or anything else, the same command
continues it. Without --lut the operators are measured on this machine first. Several machines, or several processes on one:

    torchrun --nproc_per_node 2 examples/python/fbnet_supernet.py search RUN ...
"""

import argparse
import json
import pathlib
import sys
from typing import Any, Dict, Optional, Tuple, Union

import torch

import latgrad
from supernet_search import choice, images, latency, run_folder
from supernet_search.board import Board
from supernet_search.execution import Execution
from supernet_search.retraining import Retraining
from supernet_search.search import LOSSES, NEED_TARGET, Search
from supernet_search.training import Stopped, StopRequest
from supernet_search.workers import Workers

PROGRAM = "fbnet_supernet.py"


def positive(text: str) -> float:
    number = float(text)
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be positive, got {text}")
    return number


def not_negative(text: str) -> float:
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must not be negative, got {text}")
    return number


def count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be 1 or more, got {text}")
    return number


def count_or_zero(text: str) -> int:
    number = int(text)
    if number < 0:
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return number


def paths(text: str) -> Union[str, int]:
    if text not in ("all", "1", "2"):
        raise argparse.ArgumentTypeError(f"must be all, 1 or 2, got {text}")
    return text if text == "all" else int(text)


def proper_fraction(text: str) -> float:
    number = float(text)
    if not 0 < number < 1:
        raise argparse.ArgumentTypeError(f"must be between 0 and 1, got {text}")
    return number


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Those of both commands, with FBNet's defaults."""
    group = parser.add_argument_group("training of the weights (SGD; the learning rate falls as half a cosine)")
    group.add_argument("--epochs", type=count, default=90)
    group.add_argument("--batch", type=count, default=192, help="images in a step, of all processes together")
    group.add_argument("--learning-rate", type=positive, default=0.1)
    group.add_argument("--momentum", type=not_negative, default=0.9)
    group.add_argument("--weight-decay", type=not_negative, default=1e-4)
    group.add_argument(
        "--accumulate", type=count, default=1, help="compute a step in so many parts, one after another, in the memory of one"
    )
    group.add_argument("--amp", default="none", choices=["none", "bfloat16"], help="precision of torch.autocast")
    group = parser.add_argument_group("running")
    group.add_argument(
        "--train-device", default="cpu", choices=["cpu", "cuda", "auto"], help="where to train; auto: on a GPU where there is one"
    )
    group.add_argument("--compile", action="store_true", help="by torch.compile: the supernet, or its blocks where not all run")
    group.add_argument(
        "--channels-last", action=argparse.BooleanOptionalAction, default=True, help="the layout of images and weights"
    )
    group.add_argument("--tensorboard", action="store_true", help="write curves and theta to RUN/tensorboard, too")
    group.add_argument("--seed", type=count_or_zero, default=0)
    group.add_argument(
        "--threads", type=count_or_zero, default=0, help="of torch in each process; 0: torch decides, 1: the same bits always"
    )
    group.add_argument("--save-every-s", type=positive, default=60, help="seconds between checkpoints within an epoch")
    group.add_argument(
        "--synchronise-batch-norm",
        action="store_true",
        help="normalise over the batch of all processes and not over each one's part",
    )


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    class Formatter(argparse.ArgumentDefaultsHelpFormatter):
        pass

    search = commands.add_parser(
        "search", help="search an architecture", description="Search an architecture.", formatter_class=Formatter
    )
    search.add_argument("run", type=pathlib.Path, metavar="RUN", help="folder of the search, new or to be continued")
    group = search.add_argument_group("space")
    group.add_argument("--space", default="fbnet_cifar", help="a space file, or the name of one that comes with latgrad")
    group.add_argument("--width", type=positive, default=1.0, help="multiply the channels by this")
    group.add_argument("--depth", type=positive, default=1.0, help="multiply the layers of every stage by this")
    group.add_argument("--resolution", type=count_or_zero, default=0, help="of the images; 0: that of the space")
    group = search.add_argument_group("latency")
    group.add_argument("--lut", type=pathlib.Path, help="latency table (default: measure one here, RUN/lut.json)")
    group.add_argument("--device", default="", help="device of the table (default: its only one)")
    group.add_argument("--precision", default="int8", choices=["int8", "fp32"])
    group.add_argument(
        "--statistic", default="p50", choices=["p0", "p10", "p50", "p90", "p100", "mean"], help="of each operator"
    )
    group = search.add_argument_group("images")
    group.add_argument(
        "--data", default="generated", choices=["generated", "digits", "cifar10", "images"], help="what is learnt"
    )
    group.add_argument(
        "--data-folder", type=pathlib.Path,
        help="of CIFAR-10's binary files, or of images: FOLDER/train/CLASS/*, FOLDER/val/CLASS/*",
    )
    group.add_argument(
        "--train-images", type=count_or_zero, default=0,
        help="how many are generated (0: 8000), taken of the digits or CIFAR-10, or of each class of images (0: all)",
    )
    group.add_argument("--test-images", type=count_or_zero, default=0, help="the same of test images (0: 2000 generated)")
    group = search.add_argument_group("loss of theta")
    group.add_argument("--loss", default="fbnet", choices=LOSSES, help="none: cross-entropy alone, for comparison")
    group.add_argument("--alpha", type=positive, default=0.2, help="of fbnet and proxylessnas_log")
    group.add_argument("--beta", type=positive, default=0.6, help="of fbnet and proxylessnas_log")
    group.add_argument("--weight", type=positive, default=1.0, help="of the latency in proxylessnas, tunas and hinge")
    group.add_argument(
        "--entropy-weight", type=not_negative, default=0.0,
        help="of the entropy of softmax(theta), which is subtracted; falls to nothing after the last epoch",
    )
    group.add_argument("--target-ms", type=positive, help="needed by " + ", ".join(NEED_TARGET))
    group = search.add_argument_group("training of theta (Adam)")
    group.add_argument("--theta-fraction", type=proper_fraction, default=0.2, help="of the images")
    group.add_argument("--warm-up-epochs", type=count_or_zero, default=10, help="in which theta rests")
    group.add_argument("--theta-learning-rate", type=positive, default=0.01)
    group.add_argument("--theta-weight-decay", type=not_negative, default=5e-4)
    group.add_argument("--temperature", type=positive, default=5.0, help="of the Gumbel-softmax in the first epoch")
    group.add_argument("--temperature-decay", type=not_negative, default=0.045, help="by exp(-this) each epoch")
    group.add_argument(
        "--paths", type=paths, default="all", metavar="{all,1,2}",
        help="how many blocks of a layer run: all, mixed (FBNet); 1, as --hard, but only the chosen one; 2, the active one and "
        "another that theta is compared with (ProxylessNAS)",
    )
    group.add_argument("--hard", action="store_true", help="one block a layer, with the gradient of the soft mixture")
    group.add_argument("--gumbel", default="shared", choices=["shared", "per-rank"], help="sample of several processes")
    group = search.add_argument_group("the end")
    group.add_argument("--samples", type=count_or_zero, default=5, help="architectures drawn and priced")
    add_training_options(search)

    retrain = commands.add_parser(
        "retrain", help="train what was found from scratch",
        description="Train the architecture that a search has chosen, or another one of its space, from scratch, on all training images.",
        formatter_class=Formatter,
    )
    retrain.add_argument("run", type=pathlib.Path, metavar="RUN", help="folder of a search that has ended")
    retrain.add_argument("--architecture", metavar="TEXT", help="of the space, by its name or blocks (default: the one that was chosen)")
    retrain.add_argument("--name", default="retrain", help="of the folder in RUN")
    add_training_options(retrain)

    arguments = parser.parse_args()
    if arguments.command == "search":
        if arguments.loss in NEED_TARGET and arguments.target_ms is None:
            parser.error(f"--loss {arguments.loss} needs --target-ms")
        if arguments.data in ("cifar10", "images") and arguments.data_folder is None:
            parser.error(f"--data {arguments.data} needs --data-folder")
    return arguments


def load_images(settings: Dict[str, Any], size: int) -> Tuple[images.ImageSet, images.ImageSet, int]:
    """Training images, test images and the number of classes."""
    train, test = settings["train_images"], settings["test_images"]
    if settings["data"] == "generated":
        return images.generated(size, train or 8000, test or 2000, settings["seed"])
    if settings["data"] == "digits":
        return images.digits(size, train, test, settings["seed"])
    folder = pathlib.Path(settings["data_folder"])
    if settings["data"] == "cifar10":
        return images.cifar10(folder, size, train, test)
    return images.image_folder(folder, size, train, test)


def check_batch(settings: Dict[str, Any], workers: Workers) -> None:
    if settings["batch"] % (workers.count * settings["accumulate"]):
        raise ValueError(
            f"--batch must be a multiple of the {workers.count} processes times --accumulate {settings['accumulate']}, "
            f"got {settings['batch']}"
        )


def open_prices(run: pathlib.Path, settings: Dict[str, Any]) -> latency.Prices:
    lut = pathlib.Path(settings["lut"]) if settings["lut"] else run / "lut.json"
    space = run / "space.textproto"
    return latency.Prices(space, lut, settings["device"], settings["precision"], settings["statistic"])


def settings_of(arguments: argparse.Namespace) -> Dict[str, Any]:
    """What config.json holds: all that decides on the result, and so not how the run is executed."""
    execution = ("command", "run", "name", "threads", "save_every_s", "train_device", "compile", "channels_last", "tensorboard")
    settings = {name: value for name, value in vars(arguments).items() if name not in execution}
    return {name: str(value.resolve()) if isinstance(value, pathlib.Path) else value for name, value in settings.items()}


def open_folder(path: pathlib.Path, settings: Dict[str, Any], workers: Workers) -> run_folder.RunFolder:
    """The first process makes it, before the others look."""
    if workers.is_first:
        folder = run_folder.RunFolder(path, PROGRAM, settings)
    workers.wait()
    return folder if workers.is_first else run_folder.RunFolder(path, PROGRAM, settings)


def execution_of(arguments: argparse.Namespace) -> Execution:
    return Execution(arguments.channels_last, arguments.compile)


def open_board(arguments: argparse.Namespace, folder: pathlib.Path, epoch: int, workers: Workers) -> Optional[Board]:
    return Board(folder / "tensorboard", epoch) if arguments.tensorboard and workers.is_first else None


def search(arguments: argparse.Namespace, workers: Workers, stop: StopRequest) -> None:
    space_path = latgrad.space_file(arguments.space).resolve()
    is_name = not pathlib.Path(arguments.space).is_file()
    settings = {**settings_of(arguments), "space": arguments.space if is_name else str(space_path)}
    check_batch(settings, workers)
    space = latgrad.SearchSpace(space_path).scaled(arguments.width, arguments.depth, arguments.resolution)
    _, channels, height, width = space.input_shape()
    if channels != 3 or height != width:
        raise ValueError(f"the space must take square images of three channels, got {channels} x {height} x {width}")
    train, _, classes = load_images(settings, height)
    space = space.scaled(classes=classes)
    folder = open_folder(arguments.run, settings, workers)
    if workers.is_first:
        folder.keep("space.textproto", space.text())
        if arguments.lut is None:
            latency.measure(folder / "space.textproto", folder / "lut.json", arguments.precision, stop)
    workers.wait()
    prices = open_prices(arguments.run, settings)
    if workers.is_first:
        folder.keep("latency.json", run_folder.json_text(prices.describe()))
    searched = Search(folder.path, settings, prices, train, workers, execution_of(arguments))
    board = open_board(arguments, folder.path, searched.epoch, workers)
    if workers.is_first:
        fastest_us = prices.table_us.masked_fill(~prices.valid, float("inf")).amin(-1).sum().item() + prices.fixed_us
        slowest_us = prices.table_us.amax(-1).sum().item() + prices.fixed_us
        print(
            f"{space.name()}: {space.layers()} layers, {len(train)} images of {classes} classes, architectures from "
            f"{fastest_us / 1000:.3f} to {slowest_us / 1000:.3f} ms on {prices.model.device()}",
            flush=True,
        )
    searched.run(stop, arguments.save_every_s, board)
    if workers.is_first:
        finish(folder, settings, prices, searched)


def finish(folder: run_folder.RunFolder, settings: Dict[str, Any], prices: latency.Prices, searched: Search) -> None:
    """Chooses, exports and tells."""
    target_us = settings["target_ms"] * 1000 if settings["target_ms"] else None
    result = choice.choose(searched.theta, prices, target_us, settings["samples"], settings["seed"])
    chosen = result["chosen"]
    arch = torch.tensor(chosen["architecture"])
    network = choice.plain_network(searched.supernet.network(arch), prices, arch)
    latgrad.recalibrate(network, searched.batches(), batches=100)
    result["operators"] = choice.export(folder, network, prices, arch)
    run_folder.write_json(folder / "result.json", {"epochs": settings["epochs"], **result})
    print(f"\n{'':8}  {'ms':>9}  {'log-prob.':>9}")
    named = [("arg-max", result["arg_max"]), *(("sample", sample) for sample in result["samples"]), ("chosen", chosen)]
    for name, entry in named:
        print(f"{name:8}  {entry['latency_us'] / 1000:9.3f}  {entry['log_probability']:9.2f}  {' '.join(entry['blocks'])}")
    print(f"\nChosen is {chosen['why']}.", end=" ")
    if target_us:
        print(f"It takes {chosen['latency_us'] / target_us:.1%} of the target.", end=" ")
    print(f"Exported to {folder / 'chosen'}")
    print(f"Next: {sys.argv[0]} retrain {folder.path}    latgrad report {folder.path}")


def retrain(arguments: argparse.Namespace, workers: Workers, stop: StopRequest) -> None:
    searched = run_folder.read_settings(arguments.run, PROGRAM)
    if not (arguments.run / "result.json").exists():
        raise ValueError(f"the search in {arguments.run} has not ended: continue it by its own command")
    settings = {**settings_of(arguments), "precision": searched["precision"]}
    check_batch(settings, workers)
    prices = open_prices(arguments.run, searched)
    if arguments.architecture is None:
        arch = torch.tensor(json.loads((arguments.run / "result.json").read_text())["chosen"]["architecture"])
    else:
        arch = prices.space.parse_architecture(arguments.architecture)
    train, test, _ = load_images(searched, prices.space.input_shape()[2])
    folder = open_folder(arguments.run / arguments.name, settings, workers)
    training = Retraining(folder.path, settings, prices, arch, train, test, workers, execution_of(arguments))
    training.run(stop, arguments.save_every_s, open_board(arguments, folder.path, training.epoch, workers))
    if workers.is_first:
        result = training.export()
        print(f"{result['latency_us'] / 1000:.3f} ms, test accuracy {result['test_accuracy']:.1%}: {' '.join(result['blocks'])}")


def main() -> int:
    arguments = parse_arguments()
    if arguments.threads:
        torch.set_num_threads(arguments.threads)
    stop = StopRequest()
    workers = Workers()
    try:
        workers.connect(arguments.train_device)
        (search if arguments.command == "search" else retrain)(arguments, workers, stop)
        # Gloo may abort a process whose group another one has left already.
        workers.wait()
    except Stopped:
        if workers.is_first:
            print("Stopped; the same command continues.", file=sys.stderr)
        return 128 + (stop.signal or 0)
    except (ValueError, RuntimeError, ImportError, OSError) as error:
        print(f"{PROGRAM}: error: {error}", file=sys.stderr)
        return 1
    finally:
        workers.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())

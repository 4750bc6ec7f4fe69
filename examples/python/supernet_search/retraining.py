"""The chosen architecture, trained from scratch on all training images."""

import pathlib
import time
from typing import Any, Dict

import torch
from torch import Tensor, nn
from torch.nn import functional

import latgrad

from . import checkpoint, run_folder, seeds
from .choice import save_network
from .images import ImageSet
from .latency import Prices
from .progress import Progress, duration
from .search import Stopped, StopRequest, Sums, cosine
from .workers import SynchronisedBatchNorm2d, Workers


@torch.no_grad()
def evaluate(network: nn.Module, images: ImageSet, batch: int) -> Dict[str, float]:
    """test_accuracy and test_cross_entropy over all images."""
    network.eval()
    sums = Sums()
    for first in range(0, len(images), batch):
        pixels, labels = images.load(torch.arange(first, min(first + batch, len(images))))
        logits = network(pixels)
        sums.add(logits, labels, functional.cross_entropy(logits, labels))
    count = sums.values["images"]
    return {
        "test_accuracy": sums.values["correct"] / count,
        "test_cross_entropy": sums.values["cross_entropy"] / count,
    }


class Retraining:
    """The training of one architecture, that can be stopped and continued after any step.

    settings: batch, epochs, learning_rate, momentum, weight_decay, seed, precision, synchronise_batch_norm.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        settings: Dict[str, Any],
        prices: Prices,
        arch: Tensor,
        train: ImageSet,
        test: ImageSet,
        workers: Workers,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.prices = prices
        self.arch = arch
        self.train_images = train
        self.test_images = test
        self.workers = workers
        self.log = run_folder.Log(folder / "log.jsonl")
        torch.manual_seed(settings["seed"])
        norm = SynchronisedBatchNorm2d if settings["synchronise_batch_norm"] else nn.BatchNorm2d
        self.network = latgrad.Network.from_space(prices.space, arch, settings["precision"], norm).to(
            memory_format=torch.channels_last
        )
        self.trained = workers.wrap(self.network)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=settings["learning_rate"],
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
        )
        self.steps = len(train) // settings["batch"]
        if self.steps == 0:
            raise ValueError(f"the training images must fill a batch of {settings['batch']}, got {len(train)}")
        self.epoch = 0
        self.step = 0
        self.seconds = 0.0
        self.sums = Sums()
        if (folder / "checkpoint.pt").exists():
            state = checkpoint.load(folder / "checkpoint.pt")
            self.network.load_state_dict(state["network"])
            checkpoint.restore_optimizer(self.optimizer, state["optimizer"])
            self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"].item()
            self.sums = Sums(checkpoint.read_numbers(state["sums"]))
        if workers.is_first:
            self.log.restart(self.epoch)

    def save(self) -> None:
        if self.workers.is_first:
            state = {
                "network": self.network.state_dict(),
                "optimizer": checkpoint.optimizer_state(self.optimizer),
                "epoch": self.epoch,
                "step": self.step,
                "seconds": torch.tensor(self.seconds, dtype=torch.float64),
                "sums": checkpoint.numbers(self.sums.values),
            }
            checkpoint.save(self.folder / "checkpoint.pt", state)

    def _take_step(self) -> None:
        seed, size = self.settings["seed"], self.settings["batch"]
        order = torch.randperm(len(self.train_images), generator=seeds.generator(seed, "retraining", self.epoch))
        chosen = self.workers.part(order[self.step * size : (self.step + 1) * size])
        place = ("augmentation", "retraining", self.epoch, self.step, self.workers.rank)
        images, labels = self.train_images.load(chosen, seeds.generator(seed, *place))
        self.network.train()
        logits = self.trained(images)
        cross_entropy = functional.cross_entropy(logits, labels)
        self.optimizer.zero_grad()
        cross_entropy.backward()
        self.optimizer.step()
        self.sums.add(logits, labels, cross_entropy)

    def run(self, stop: StopRequest, save_every_s: float) -> Dict[str, float]:
        """Trains to the last epoch and returns what ``evaluate`` says at the end.

        Raises Stopped where the process was asked to stop; the checkpoint is then that of the last step.
        """
        epochs = self.settings["epochs"]
        progress = Progress(epochs * self.steps, self.epoch * self.steps + self.step, not self.workers.is_first)
        if self.epoch or self.step:
            progress.line(f"Continuing at epoch {self.epoch}, step {self.step} of {self.steps}")
        if self.epoch < epochs:
            progress.line("epoch  training: CE, acc.   test: CE, acc.")
        began = saved = time.monotonic()
        while self.epoch < epochs:
            rate = cosine(self.settings["learning_rate"], self.epoch, epochs)
            self.optimizer.param_groups[0]["lr"] = rate
            while self.step < self.steps:
                self._take_step()
                self.step += 1
                progress.step(f"epoch {self.epoch}")
                now = time.monotonic()
                stopping = self.workers.agree(stop.signal is not None)
                if stopping or now - saved > save_every_s:
                    self.seconds += now - began
                    began = saved = now
                    self.save()
                if stopping:
                    raise Stopped
            sums = self.sums.over_all(self.workers)
            entry = {
                "epoch": self.epoch,
                "learning_rate": rate,
                "cross_entropy": sums["cross_entropy"] / sums["images"],
                "accuracy": sums["correct"] / sums["images"],
                **evaluate(self.network, self.test_images, self.settings["batch"]),
                "seconds": self.seconds + time.monotonic() - began,
            }
            if self.workers.is_first:
                self.log.append(entry)
            progress.line(
                f"{entry['epoch']:5d}   {entry['cross_entropy']:7.4f} {entry['accuracy']:7.1%}  "
                f"{entry['test_cross_entropy']:7.4f} {entry['test_accuracy']:7.1%}   {duration(entry['seconds'])}"
            )
            self.epoch += 1
            self.step = 0
            self.seconds = 0.0
            self.sums = Sums()
            began = saved = time.monotonic()
            self.save()
        return evaluate(self.network, self.test_images, self.settings["batch"])

    def export(self, figures: Dict[str, float]) -> Dict[str, Any]:
        """Writes result.json and network.pt, and returns the former."""
        result = {
            "architecture": self.arch.tolist(),
            "blocks": self.prices.model.decode(self.arch),
            "latency_us": self.prices.exact_us(self.arch),
            "epochs": self.settings["epochs"],
            **figures,
        }
        save_network(self.network, self.prices, self.arch, self.folder / "network.pt")
        run_folder.write_json(self.folder / "result.json", result)
        return result

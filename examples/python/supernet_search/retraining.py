"""The chosen architecture, trained from scratch on all training images."""

import pathlib
from typing import Any, Dict

import torch
from torch import Tensor, nn
from torch.nn import functional

import latgrad

from . import checkpoint, run_folder, seeds
from .choice import save_network
from .execution import Execution
from .images import ImageSet
from .latency import Prices
from .progress import duration
from .search import cosine
from .training import Sums, Training
from .workers import SynchronisedBatchNorm2d, Workers


@torch.no_grad()
def evaluate(network: nn.Module, images: ImageSet, batch: int, device: torch.device) -> Dict[str, float]:
    """test_accuracy and test_cross_entropy over all images."""
    network.eval()
    sums = Sums(device)
    for first in range(0, len(images), batch):
        pixels, labels = (part.to(device) for part in images.load(torch.arange(first, min(first + batch, len(images)))))
        logits = network(pixels)
        sums.add(logits, labels, functional.cross_entropy(logits, labels))
    count, correct, cross_entropy = sums.values[:3].tolist()
    return {"test_accuracy": correct / count, "test_cross_entropy": cross_entropy / count}


class Retraining(Training):
    """settings: batch, epochs, learning_rate, momentum, weight_decay, seed, precision, synchronise_batch_norm, accumulate, amp."""

    def __init__(
        self,
        folder: pathlib.Path,
        settings: Dict[str, Any],
        prices: Prices,
        arch: Tensor,
        train: ImageSet,
        test: ImageSet,
        workers: Workers,
        execution: Execution = Execution(),
    ) -> None:
        super().__init__(folder, settings, ["training"], workers, execution)
        self.prices = prices
        self.arch = arch
        self.train_images = train
        self.test_images = test
        torch.manual_seed(settings["seed"])
        norm = SynchronisedBatchNorm2d if settings["synchronise_batch_norm"] else nn.BatchNorm2d
        self.network = latgrad.Network.from_space(prices.space, arch, settings["precision"], norm)
        execution.prepare(self.network, self.device)
        self.trained = workers.wrap(self.network)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(),
            lr=settings["learning_rate"],
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
        )
        if len(train) < settings["batch"]:
            raise ValueError(f"the training images must fill a batch of {settings['batch']}, got {len(train)}")
        self.restore()

    def state(self) -> Dict[str, Any]:
        return {"network": self.network.state_dict(), "optimizer": checkpoint.optimizer_state(self.optimizer)}

    def restore_state(self, state: Dict[str, Any]) -> None:
        self.network.load_state_dict(state["network"])
        checkpoint.restore_optimizer(self.optimizer, state["optimizer"])

    def steps_per_epoch(self) -> int:
        return len(self.train_images) // self.settings["batch"]

    @property
    def learning_rate(self) -> float:
        return cosine(self.settings["learning_rate"], self.epoch, self.epochs)

    def begin_epoch(self) -> None:
        self.optimizer.param_groups[0]["lr"] = self.learning_rate

    def take_step(self) -> None:
        seed, size = self.settings["seed"], self.settings["batch"]
        order = torch.randperm(len(self.train_images), generator=seeds.generator(seed, "retraining", self.epoch))
        chosen = order[self.step * size : (self.step + 1) * size]
        random = seeds.generator(seed, "augmentation", "retraining", self.epoch, self.step)
        shifts = self.train_images.draw_shifts(size, random)
        batch = self.train_images.load(self.workers.part(chosen), self.workers.part(shifts))
        self.network.train()
        self.optimizer.zero_grad()
        for images, labels, is_last in self.parts_of(*batch):
            with self.workers.averaging(self.trained, now=is_last):
                with self.autocast():
                    logits = self.trained(images)
                    cross_entropy = functional.cross_entropy(logits, labels)
                (cross_entropy / self.settings["accumulate"]).backward()
            self.sums["training"].add(logits, labels, cross_entropy)
        self.optimizer.step()

    def evaluate(self) -> Dict[str, float]:
        return evaluate(self.network, self.test_images, self.settings["batch"], self.device)

    def entry(self, seconds: float) -> Dict[str, Any]:
        sums = self.sums["training"].over_all(self.workers)
        return {
            "epoch": self.epoch,
            "learning_rate": self.learning_rate,
            "cross_entropy": sums["cross_entropy"] / sums["images"],
            "accuracy": sums["correct"] / sums["images"],
            **self.evaluate(),
            "seconds": seconds,
        }

    def heading(self) -> str:
        return "epoch  training: CE, acc.   test: CE, acc."

    def describe(self, entry: Dict[str, Any]) -> str:
        return (
            f"{entry['epoch']:5d}   {entry['cross_entropy']:7.4f} {entry['accuracy']:7.1%}  "
            f"{entry['test_cross_entropy']:7.4f} {entry['test_accuracy']:7.1%}   {duration(entry['seconds'])}"
        )

    def export(self) -> Dict[str, Any]:
        """Writes result.json and network.pt, and returns the former."""
        result = {
            "architecture": self.arch.tolist(),
            "blocks": self.prices.model.decode(self.arch),
            "latency_us": self.prices.exact_us(self.arch),
            "epochs": self.epochs,
            **self.evaluate(),
        }
        save_network(self.network, self.prices, self.arch, self.folder / "network.pt")
        run_folder.write_json(self.folder / "result.json", result)
        return result

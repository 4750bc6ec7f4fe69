"""The search: weights and architecture parameters of a supernet, in turns.

An epoch has two phases. In the first, SGD trains the weights of all blocks on most of the images; in the second, Adam
trains theta on the others, by a loss that contains the latency of the very sample that mixed the blocks. In the
first epochs theta rests, and the second phase only measures.

Source: FBNet (Wu et al., CVPR 2019), section 4 and its experiments.
"""

import math
import signal
import time
from typing import Any, Dict, Optional, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import latgrad

from . import checkpoint, latency, run_folder, seeds
from .images import ImageSet
from .progress import Progress, duration
from .workers import SynchronisedBatchNorm2d, Workers

LOSSES = ["fbnet", "proxylessnas", "proxylessnas_log", "tunas", "hinge", "none"]
NEED_TARGET = ["proxylessnas", "proxylessnas_log", "tunas", "hinge"]


class Stopped(Exception):
    """The run was asked to stop, and has saved where it is."""


class StopRequest:
    """Turns SIGINT and SIGTERM into a flag that the loop looks at after each step."""

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._remember)

    def _remember(self, number: int, _frame) -> None:
        self.signal = number
        signal.signal(number, signal.SIG_DFL)  # the second time ends it at once


def cosine(first: float, epoch: int, epochs: int) -> float:
    """A learning rate that falls from ``first`` to nearly 0 as half a cosine."""
    return first * 0.5 * (1 + math.cos(math.pi * epoch / epochs))


def loss_of(settings: Dict[str, Any], cross_entropy: Tensor, latency_us: Tensor) -> Tensor:
    """The loss of theta that the settings name. A target is in milliseconds there."""
    name, weight = settings["loss"], settings["weight"]
    target_us = (settings["target_ms"] or 0) * 1000
    if name == "fbnet":
        return latgrad.fbnet_loss(cross_entropy, latency_us, settings["alpha"], settings["beta"])
    if name == "proxylessnas":
        return latgrad.proxylessnas_loss(cross_entropy, latency_us, target_us, weight)
    if name == "proxylessnas_log":
        return latgrad.proxylessnas_log_loss(cross_entropy, latency_us, target_us, settings["alpha"], settings["beta"])
    if name == "tunas":
        return cross_entropy + weight * latgrad.tunas_penalty(latency_us, target_us)
    if name == "hinge":
        return cross_entropy + weight * latgrad.hinge_penalty(latency_us, target_us)
    return cross_entropy


class Sums:
    """Sums over the steps of a phase, kept in a checkpoint."""

    NAMES = ["images", "correct", "cross_entropy", "steps", "loss", "sampled_us"]

    def __init__(self, state: Optional[Dict[str, float]] = None) -> None:
        self.values = dict(state or dict.fromkeys(self.NAMES, 0.0))

    def add(self, logits: Tensor, labels: Tensor, cross_entropy: Tensor, loss: float = 0.0, sampled_us: float = 0.0) -> None:
        count = len(labels)
        self.values["images"] += count
        self.values["correct"] += (logits.argmax(1) == labels).sum().item()
        self.values["cross_entropy"] += cross_entropy.item() * count
        self.values["steps"] += 1
        self.values["loss"] += loss
        self.values["sampled_us"] += sampled_us

    def over_all(self, workers: Workers) -> Dict[str, float]:
        total = torch.tensor([self.values[name] for name in self.NAMES], dtype=torch.float64)
        workers.average([total])
        return dict(zip(self.NAMES, total.tolist()))


class Search:
    """One search, that can be stopped and continued after any step.

    settings: as config.json holds them. images: what is split into the part for the weights and that for theta.
    """

    def __init__(
        self,
        folder: run_folder.RunFolder,
        settings: Dict[str, Any],
        prices: latency.Prices,
        images: ImageSet,
        workers: Workers,
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.prices = prices
        self.images = images
        self.workers = workers
        self.seed = settings["seed"]
        torch.manual_seed(self.seed)  # the first weights, in every process the same
        norm = SynchronisedBatchNorm2d if settings["synchronise_batch_norm"] else nn.BatchNorm2d
        self.supernet = latgrad.Supernet(prices.space, settings["precision"], norm).to(memory_format=torch.channels_last)
        self.trained = workers.wrap(self.supernet)
        self.theta = nn.Parameter(torch.zeros(prices.table_us.shape))
        self.weights_optimizer = torch.optim.SGD(
            self.supernet.parameters(),
            lr=settings["learning_rate"],
            momentum=settings["momentum"],
            weight_decay=settings["weight_decay"],
        )
        self.theta_optimizer = torch.optim.Adam(
            [self.theta], lr=settings["theta_learning_rate"], weight_decay=settings["theta_weight_decay"]
        )
        order = torch.randperm(len(images), generator=seeds.generator(self.seed, "split"))
        theta_count = int(len(images) * settings["theta_fraction"])
        # Which images belong to a phase, and how many steps it takes: whole batches only, so that all processes have
        # as many images.
        self.parts = {"weights": order[theta_count:], "theta": order[:theta_count]}
        self.steps = {phase: len(part) // settings["batch"] for phase, part in self.parts.items()}
        for phase, steps in self.steps.items():
            if steps == 0:
                raise ValueError(
                    f"the images that train {phase} must fill a batch of {settings['batch']}, got "
                    f"{len(self.parts[phase])} of {len(images)}: take a smaller --batch or more images"
                )
        self.epoch = 0
        self.sums = {"weights": Sums(), "theta": Sums()}
        self.step = 0  # within the epoch, both phases
        self.seconds = 0.0  # of the epoch, in earlier processes
        self._restore()

    # What is saved -------------------------------------------------------------------------------------------------

    def _restore(self) -> None:
        path = self.folder / "checkpoint.pt"
        if path.exists():
            state = checkpoint.load(path)
            self.supernet.load_state_dict(state["supernet"])
            with torch.no_grad():
                self.theta.copy_(state["theta"])
            checkpoint.restore_optimizer(self.weights_optimizer, state["weights_optimizer"])
            checkpoint.restore_optimizer(self.theta_optimizer, state["theta_optimizer"])
            self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"].item()
            self.sums = {phase: Sums(checkpoint.read_numbers(values)) for phase, values in state["sums"].items()}
        if self.workers.is_first:
            self.folder.log.restart(self.epoch)

    def save(self) -> None:
        if self.workers.is_first:
            state = {
                "supernet": self.supernet.state_dict(),
                "theta": self.theta.detach(),
                "weights_optimizer": checkpoint.optimizer_state(self.weights_optimizer),
                "theta_optimizer": checkpoint.optimizer_state(self.theta_optimizer),
                "epoch": self.epoch,
                "step": self.step,
                "seconds": torch.tensor(self.seconds, dtype=torch.float64),
                "sums": {phase: checkpoint.numbers(sums.values) for phase, sums in self.sums.items()},
            }
            checkpoint.save(self.folder / "checkpoint.pt", state)

    # Steps ---------------------------------------------------------------------------------------------------------

    @property
    def temperature(self) -> float:
        return self.settings["temperature"] * math.exp(-self.settings["temperature_decay"] * self.epoch)

    @property
    def learning_rate(self) -> float:
        return cosine(self.settings["learning_rate"], self.epoch, self.settings["epochs"])

    @property
    def theta_moves(self) -> bool:
        return self.epoch >= self.settings["warm_up_epochs"]

    def _batch(self, phase: str, step: int) -> Tuple[Tensor, Tensor]:
        part = self.parts[phase]
        order = torch.randperm(len(part), generator=seeds.generator(self.seed, "order", phase, self.epoch))
        size = self.settings["batch"]
        chosen = self.workers.part(part[order[step * size : (step + 1) * size]])
        augmentation = seeds.generator(self.seed, "augmentation", phase, self.epoch, step, self.workers.rank)
        return self.images.load(chosen, augmentation)

    def _sample(self, theta: Tensor, phase: str, step: int) -> Tuple[Tensor, Tensor]:
        """The weights that mix the blocks, and the latency of just these."""
        rank = self.workers.rank if self.settings["gumbel"] == "per-rank" else 0
        random = seeds.generator(self.seed, "gumbel", phase, self.epoch, step, rank)
        weights, sampled_us = latgrad.gumbel_latency(
            theta, self.prices.table_us, self.temperature, self.prices.valid, self.settings["hard"], random
        )
        return weights, sampled_us + self.prices.fixed_us

    def _train_weights(self, step: int) -> None:
        images, labels = self._batch("weights", step)
        weights, _ = self._sample(self.theta.detach(), "weights", step)
        logits = self.trained(images, weights)
        cross_entropy = functional.cross_entropy(logits, labels)
        self.weights_optimizer.zero_grad()
        cross_entropy.backward()
        self.weights_optimizer.step()
        self.sums["weights"].add(logits, labels, cross_entropy)

    def _train_theta(self, step: int) -> None:
        images, labels = self._batch("theta", step)
        weights, latency_us = self._sample(self.theta, "theta", step)
        logits = self.supernet(images, weights)
        cross_entropy = functional.cross_entropy(logits, labels)
        loss = loss_of(self.settings, cross_entropy, latency_us)
        self.theta_optimizer.zero_grad()
        loss.backward(inputs=[self.theta])
        self.workers.average([self.theta.grad])
        self.theta_optimizer.step()
        self.sums["theta"].add(logits, labels, cross_entropy, loss.item(), latency_us.item())

    @torch.no_grad()
    def _measure(self, step: int) -> None:
        """What theta would train on, while it rests."""
        images, labels = self._batch("theta", step)
        weights, _ = self._sample(self.theta, "theta", step)
        logits = self.supernet(images, weights)
        self.sums["theta"].add(logits, labels, functional.cross_entropy(logits, labels))

    def _take_step(self) -> None:
        theta_step = self.step - self.steps["weights"]
        if theta_step < 0:
            self.supernet.train()
            self._train_weights(self.step)
        elif self.theta_moves:
            self.supernet.train()
            self._train_theta(theta_step)
        else:
            self.supernet.eval()
            self._measure(theta_step)

    # Epochs --------------------------------------------------------------------------------------------------------

    def _entry(self, seconds: float) -> Dict[str, Any]:
        """The line of this epoch in the log."""
        sums = {phase: sums.over_all(self.workers) for phase, sums in self.sums.items()}
        theta = self.theta.detach()
        valid = self.prices.valid
        arg_max = latency.arg_max(theta, valid)
        expected_us = self.prices.expected_us(theta)
        arg_max_us = self.prices.exact_us(arg_max)

        def mean(phase: str, name: str, count: str) -> float:
            return sums[phase][name] / sums[phase][count]

        return {
            "epoch": self.epoch,
            "temperature": self.temperature,
            "learning_rate": self.learning_rate,
            "cross_entropy": mean("weights", "cross_entropy", "images"),
            "accuracy": mean("weights", "correct", "images"),
            "theta_cross_entropy": mean("theta", "cross_entropy", "images"),
            "theta_accuracy": mean("theta", "correct", "images"),
            "loss": mean("theta", "loss", "steps") if self.theta_moves else None,
            "sampled_us": mean("theta", "sampled_us", "steps") if self.theta_moves else None,
            "expected_us": expected_us,
            "arg_max_us": arg_max_us,
            "gap_us": expected_us - arg_max_us,
            "theta_entropy": latency.entropy(theta, valid),
            "arg_max": arg_max.tolist(),
            "theta": [
                [value if offered else None for value, offered in zip(values, row)]
                for values, row in zip(theta.tolist(), valid.tolist())
            ],
            "seconds": seconds,
        }

    def _print(self, progress: Progress, entry: Dict[str, Any]) -> None:
        progress.line(
            f"{entry['epoch']:5d}  {entry['cross_entropy']:7.4f} {entry['accuracy']:7.1%}  "
            f"{entry['theta_cross_entropy']:7.4f} {entry['theta_accuracy']:7.1%}  "
            f"{entry['expected_us'] / 1000:9.3f} {entry['arg_max_us'] / 1000:9.3f} {entry['gap_us'] / 1000:+8.3f}  "
            f"{entry['theta_entropy']:7.3f}  {entry['temperature']:6.3f}  {duration(entry['seconds'])}"
        )

    def run(self, stop: StopRequest, save_every_s: float) -> None:
        """Searches to the last epoch.

        Raises Stopped where the process was asked to stop; the checkpoint is then that of the last step.
        """
        epochs = self.settings["epochs"]
        steps = sum(self.steps.values())
        progress = Progress(epochs * steps, self.epoch * steps + self.step, silent=not self.workers.is_first)
        if self.epoch or self.step:
            progress.line(f"Continuing at epoch {self.epoch}, step {self.step} of {steps}")
        if self.epoch < epochs:
            progress.line(
                "epoch     weights: CE, acc.    theta: CE, acc.   expected   arg-max      gap  entropy  temp.\n"
                "                                                       ms        ms       ms     nats"
            )
        began = saved = time.monotonic()
        while self.epoch < epochs:
            self.weights_optimizer.param_groups[0]["lr"] = self.learning_rate
            while self.step < steps:
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
            now = time.monotonic()
            entry = self._entry(self.seconds + now - began)
            if self.workers.is_first:
                self.folder.log.append(entry)
            self._print(progress, entry)
            self.epoch += 1
            self.step = 0
            self.seconds = 0.0
            self.sums = {"weights": Sums(), "theta": Sums()}
            began = saved = time.monotonic()
            self.save()

"""The search: weights and architecture parameters of a supernet, in turns.

An epoch has two phases. In the first, SGD trains the weights of all blocks on most of the images; in the second, Adam
trains theta on the others, by a loss that contains the latency of the very sample that mixed the blocks. In the
first epochs theta rests, and the second phase only measures.

Source: FBNet (Wu et al., CVPR 2019), section 4 and its experiments.
"""

import math
import pathlib
from typing import Any, Dict, Iterator, Tuple

import torch
from torch import Tensor, nn
from torch.nn import functional

import latgrad

from . import checkpoint, latency, seeds
from .execution import Execution
from .images import ImageSet
from .progress import duration
from .training import Training
from .workers import SynchronisedBatchNorm2d, Workers

LOSSES = ["fbnet", "proxylessnas", "proxylessnas_log", "tunas", "hinge", "project", "none"]
NEED_TARGET = ["proxylessnas", "proxylessnas_log", "tunas", "hinge", "project"]


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


class Search(Training):
    """settings: as config.json holds them. images: what is split into the part for the weights and that for theta."""

    def __init__(
        self,
        folder: pathlib.Path,
        settings: Dict[str, Any],
        prices: latency.Prices,
        images: ImageSet,
        workers: Workers,
        execution: Execution = Execution(),
    ) -> None:
        super().__init__(folder, settings, ["weights", "theta"], workers, execution)
        self.prices = prices
        self.table_us, self.valid = prices.table_us.to(self.device), prices.valid.to(self.device)
        self.images = images
        self.seed = settings["seed"]
        torch.manual_seed(self.seed)  # the first weights, in every process the same
        norm = SynchronisedBatchNorm2d if settings["synchronise_batch_norm"] else nn.BatchNorm2d
        self.supernet = latgrad.Supernet(prices.space, settings["precision"], norm, settings["paths"])
        execution.prepare(self.supernet, self.device)
        self.trained = workers.wrap(self.supernet, all_parts_run=settings["paths"] == "all")
        self.theta = nn.Parameter(torch.zeros(prices.table_us.shape, device=self.device))
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
        if settings["loss"] == "project":
            self._keep_to_target()
        self.restore()

    def state(self) -> Dict[str, Any]:
        return {
            "supernet": self.supernet.state_dict(),
            "theta": self.theta.detach(),
            "weights_optimizer": checkpoint.optimizer_state(self.weights_optimizer),
            "theta_optimizer": checkpoint.optimizer_state(self.theta_optimizer),
        }

    def restore_state(self, state: Dict[str, Any]) -> None:
        self.supernet.load_state_dict(state["supernet"])
        with torch.no_grad():
            self.theta.copy_(state["theta"])
        checkpoint.restore_optimizer(self.weights_optimizer, state["weights_optimizer"])
        checkpoint.restore_optimizer(self.theta_optimizer, state["theta_optimizer"])

    # Steps ---------------------------------------------------------------------------------------------------------

    @property
    def temperature(self) -> float:
        return self.settings["temperature"] * math.exp(-self.settings["temperature_decay"] * self.epoch)

    @property
    def learning_rate(self) -> float:
        return cosine(self.settings["learning_rate"], self.epoch, self.epochs)

    @property
    def entropy_weight(self) -> float:
        """Falls along a line, to nothing after the last epoch, so that theta may decide then.

        Source: Mnih et al., ICML 2016, whose entropy bonus keeps a policy from settling early; ENAS searches with one.
        """
        return self.settings["entropy_weight"] * (1 - self.epoch / self.epochs)

    @property
    def theta_moves(self) -> bool:
        return self.epoch >= self.settings["warm_up_epochs"]

    def steps_per_epoch(self) -> int:
        return sum(self.steps.values())

    def begin_epoch(self) -> None:
        self.weights_optimizer.param_groups[0]["lr"] = self.learning_rate

    def take_step(self) -> None:
        theta_step = self.step - self.steps["weights"]
        if theta_step < 0:
            self.supernet.train()
            self._train_weights(self.step)
        elif self.theta_moves:
            self.supernet.train()
            self._train_theta(theta_step)
        else:
            if theta_step == 0:
                # The running figures of a normalisation are each process's own.
                self.workers.take_from_first(list(self.supernet.buffers()))
            self.supernet.eval()
            self._measure(theta_step)

    def _batch(self, phase: str, step: int) -> Tuple[Tensor, Tensor]:
        part = self.parts[phase]
        order = torch.randperm(len(part), generator=seeds.generator(self.seed, "order", phase, self.epoch))
        size = self.settings["batch"]
        chosen = part[order[step * size : (step + 1) * size]]
        # Drawn for the whole batch, so that several processes see the images that one would.
        shifts = self.images.draw_shifts(size, seeds.generator(self.seed, "augmentation", phase, self.epoch, step))
        return self.images.load(self.workers.part(chosen), self.workers.part(shifts))

    def _sample(self, theta: Tensor, phase: str, step: int) -> Tuple[Tensor, Tensor]:
        """The weights that mix the blocks, and the latency of just these. The same for all parts of a step."""
        rank = self.workers.rank if self.settings["gumbel"] == "per-rank" else 0
        random = seeds.generator(self.seed, "gumbel", phase, self.epoch, step, rank, device=self.device)
        paths = self.settings["paths"]
        # ProxylessNAS trains the weights of one path, and theta by two.
        if paths == 2 and phase == "theta":
            weights = latgrad.two_path_sample(theta, self.valid, random)
            return weights, latgrad.expected_latency(weights, self.table_us) + self.prices.fixed_us
        hard = self.settings["hard"] or paths != "all"
        weights, sampled_us = latgrad.gumbel_latency(theta, self.table_us, self.temperature, self.valid, hard, random)
        return weights, sampled_us + self.prices.fixed_us

    def _train_weights(self, step: int) -> None:
        # A block that does not run must have no gradient, where torch 1 would leave zeros.
        self.weights_optimizer.zero_grad(set_to_none=True)
        for images, labels, is_last in self.parts_of(*self._batch("weights", step)):
            weights, _ = self._sample(self.theta.detach(), "weights", step)
            with self.workers.averaging(self.trained, now=is_last):
                with self.autocast():
                    logits = self.trained(images, weights)
                    cross_entropy = functional.cross_entropy(logits, labels)
                (cross_entropy / self.settings["accumulate"]).backward()
            self.sums["weights"].add(logits, labels, cross_entropy)
        self.weights_optimizer.step()

    def _train_theta(self, step: int) -> None:
        self.theta_optimizer.zero_grad()
        for images, labels, _ in self.parts_of(*self._batch("theta", step)):
            weights, latency_us = self._sample(self.theta, "theta", step)
            with self.autocast():
                logits = self.supernet(images, weights)
                cross_entropy = functional.cross_entropy(logits, labels)
                loss = loss_of(self.settings, cross_entropy, latency_us)
                if self.entropy_weight:
                    loss = loss - self.entropy_weight * latency.entropy(self.theta, self.valid)
            (loss / self.settings["accumulate"]).backward(inputs=[self.theta])
            self.sums["theta"].add(logits, labels, cross_entropy, loss, latency_us)
        self.workers.average([self.theta.grad])
        self.theta_optimizer.step()
        if self.settings["loss"] == "project":
            self._keep_to_target()

    @torch.no_grad()
    def _keep_to_target(self) -> None:
        """Theta becomes the nearest one whose expected latency is at most the target."""
        target_us = self.settings["target_ms"] * 1000
        probs = latgrad.project(self.theta.double(), self.table_us, target_us - self.prices.fixed_us, self.valid)
        # A probability that is nothing in float32 must not become a logit that never comes back.
        self.theta.copy_(torch.where(self.valid, probs.log().clamp_min(-60).to(self.theta.dtype), self.theta))

    @torch.no_grad()
    def _measure(self, step: int) -> None:
        """What theta would train on, while it rests."""
        for images, labels, _ in self.parts_of(*self._batch("theta", step)):
            weights, _ = self._sample(self.theta, "theta", step)
            with self.autocast():
                logits = self.supernet(images, weights)
                cross_entropy = functional.cross_entropy(logits, labels)
            self.sums["theta"].add(logits, labels, cross_entropy)

    def batches(self) -> Iterator[Tuple[Tensor, Tensor]]:
        """Those that would train the weights in the next epoch."""
        return (self._batch("weights", step) for step in range(self.steps["weights"]))

    # Lines ---------------------------------------------------------------------------------------------------------

    def entry(self, seconds: float) -> Dict[str, Any]:
        sums = {phase: sums.over_all(self.workers) for phase, sums in self.sums.items()}
        theta = self.theta.detach().cpu()
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
            "theta_entropy": latency.entropy(theta, valid).item(),
            "arg_max": arg_max.tolist(),
            "theta": [
                [value if offered else None for value, offered in zip(values, row)]
                for values, row in zip(theta.tolist(), valid.tolist())
            ],
            "seconds": seconds,
        }

    def heading(self) -> str:
        return (
            "epoch     weights: CE, acc.    theta: CE, acc.   expected   arg-max      gap  entropy  temp.\n"
            "                                                       ms        ms       ms     nats"
        )

    def describe(self, entry: Dict[str, Any]) -> str:
        return (
            f"{entry['epoch']:5d}  {entry['cross_entropy']:7.4f} {entry['accuracy']:7.1%}  "
            f"{entry['theta_cross_entropy']:7.4f} {entry['theta_accuracy']:7.1%}  "
            f"{entry['expected_us'] / 1000:9.3f} {entry['arg_max_us'] / 1000:9.3f} {entry['gap_us'] / 1000:+8.3f}  "
            f"{entry['theta_entropy']:7.3f}  {entry['temperature']:6.3f}  {duration(entry['seconds'])}"
        )

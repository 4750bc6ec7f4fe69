"""A training that can be stopped after any step and continued, by one process or several: the loop of search and retraining."""

import pathlib
import signal
import time
from typing import Any, ContextManager, Dict, Iterator, List, Optional, Tuple, Union

import torch
from torch import Tensor

from . import checkpoint
from .board import Board
from .execution import Execution
from .progress import Progress
from .run_folder import Log
from .workers import Workers


class Stopped(Exception):
    """The run was asked to stop, and has saved where it is."""


class StopRequest:
    """Turns SIGINT and SIGTERM into a flag that the loop looks at after each step."""

    def __init__(self) -> None:
        self.signal: Optional[int] = None
        self._asked = 0.0
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._remember)

    def _remember(self, number: int, _frame) -> None:
        now = time.monotonic()
        # torchrun may pass a signal on that has come already; a later one ends the process at once.
        if self.signal is not None and now - self._asked > 1:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.signal = number
        self._asked = now


class Sums:
    """Sums over the steps of a phase. They stay on the device, which nothing waits for until they are read."""

    NAMES = ["images", "correct", "cross_entropy", "steps", "loss", "sampled_us"]

    def __init__(self, device: torch.device = torch.device("cpu")) -> None:
        self.values = torch.zeros(len(self.NAMES), dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(
        self,
        logits: Tensor,
        labels: Tensor,
        cross_entropy: Tensor,
        loss: Union[Tensor, float] = 0.0,
        sampled_us: Union[Tensor, float] = 0.0,
    ) -> None:
        count = len(labels)
        correct = (logits.argmax(1) == labels).sum()
        for index, value in enumerate([count, correct, cross_entropy.double() * count, 1, loss, sampled_us]):
            self.values[index] += value

    def over_all(self, workers: Workers) -> Dict[str, float]:
        """Means over the processes, whose ratios are those of the sums."""
        total = self.values.clone()
        workers.average([total])
        return dict(zip(self.NAMES, total.tolist()))


class Training:
    """Epochs of steps. What differs between trainings is in the methods that raise NotImplementedError here.

    folder: has log.jsonl and checkpoint.pt. settings: epochs, accumulate, amp. phases: names of the sums that an epoch keeps.
    """

    def __init__(
        self, folder: pathlib.Path, settings: Dict[str, Any], phases: List[str], workers: Workers, execution: Execution
    ) -> None:
        self.folder = folder
        self.settings = settings
        self.epochs = settings["epochs"]
        self.device = workers.device
        self.execution = execution
        self.workers = workers
        self.log = Log(folder / "log.jsonl")
        self.phases = phases
        self.epoch = 0
        self.step = 0  # within the epoch
        self.seconds = 0.0  # of the epoch, in earlier processes
        self.sums = self._no_sums()

    def _no_sums(self) -> Dict[str, Sums]:
        return {phase: Sums(self.device) for phase in self.phases}

    def autocast(self) -> ContextManager[None]:
        """In which the forward pass and the loss are computed, in the precision of --amp."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.settings["amp"] == "bfloat16")

    def parts_of(self, images: Tensor, labels: Tensor) -> Iterator[Tuple[Tensor, Tensor, bool]]:
        """The batch in the parts of --accumulate, on the device, and whether a part is the last."""
        count = self.settings["accumulate"]
        for index, (image_part, label_part) in enumerate(zip(images.chunk(count), labels.chunk(count))):
            image_part = image_part.to(self.device, memory_format=self.execution.memory_format, non_blocking=True)
            yield image_part, label_part.to(self.device, non_blocking=True), index == count - 1

    def steps_per_epoch(self) -> int:
        raise NotImplementedError

    def heading(self) -> str:
        raise NotImplementedError

    def begin_epoch(self) -> None:
        raise NotImplementedError

    def take_step(self) -> None:
        raise NotImplementedError

    def entry(self, seconds: float) -> Dict[str, Any]:
        """The line of this epoch in the log."""
        raise NotImplementedError

    def describe(self, entry: Dict[str, Any]) -> str:
        """The same for people."""
        raise NotImplementedError

    def state(self) -> Dict[str, Any]:
        """What a checkpoint holds beside what is held here."""
        raise NotImplementedError

    def restore_state(self, state: Dict[str, Any]) -> None:
        raise NotImplementedError

    def restore(self) -> None:
        """Goes back to the last checkpoint, if there is one, and to the log that belongs to it.

        Raises ValueError for a checkpoint that is damaged or of another program, and for a log that lacks epochs.
        """
        path = self.folder / "checkpoint.pt"
        if path.exists():
            state = checkpoint.load(path)
            try:
                self.restore_state(state)
                self.epoch, self.step, self.seconds = state["epoch"], state["step"], state["seconds"].item()
                for phase, of_all in state["sums"].items():
                    # Those of this process; where their number has changed, the mean, which gives the same figures.
                    same = len(of_all) == self.workers.count
                    self.sums[phase].values.copy_(of_all[self.workers.rank] if same else of_all.mean(0))
            except (KeyError, TypeError, AttributeError, RuntimeError) as error:
                raise ValueError(f"{path} must be a checkpoint of this training: {error}. Delete it to begin anew") from error
        if self.workers.is_first:
            self.log.restart(self.epoch)

    def save(self) -> None:
        """Every process must call it: each has sums of its own."""
        sums = {phase: self.workers.gather(sums.values).cpu() for phase, sums in self.sums.items()}
        if self.workers.is_first:
            state = {
                **self.state(),
                "epoch": self.epoch,
                "step": self.step,
                "seconds": torch.tensor(self.seconds, dtype=torch.float64),
                "sums": sums,
            }
            checkpoint.save(self.folder / "checkpoint.pt", state)

    def run(self, stop: StopRequest, save_every_s: float, board: Optional[Board] = None) -> None:
        """Trains to the last epoch. board: takes the line of each epoch, too.

        Raises Stopped where a process was asked to stop; the checkpoint is then that of the last step.
        """
        steps = self.steps_per_epoch()
        progress = Progress(self.epochs * steps, self.epoch * steps + self.step, silent=not self.workers.is_first)
        if self.epoch or self.step:
            progress.line(f"Continuing at epoch {self.epoch}, step {self.step} of {steps}")
        if self.epoch < self.epochs:
            progress.line(self.heading())
        began = saved = time.monotonic()
        while self.epoch < self.epochs:
            self.begin_epoch()
            while self.step < steps:
                self.take_step()
                self.step += 1
                progress.step(f"epoch {self.epoch}")
                now = time.monotonic()
                stopping, due = self.workers.agree([stop.signal is not None, now - saved > save_every_s])
                if stopping or due:
                    self.seconds += now - began
                    began = saved = now
                    self.save()
                if stopping:
                    raise Stopped
            entry = self.entry(self.seconds + time.monotonic() - began)
            if self.workers.is_first:
                self.log.append(entry)
                if board:
                    board.add(entry)
            progress.line(self.describe(entry))
            self.epoch += 1
            self.step = 0
            self.seconds = 0.0
            self.sums = self._no_sums()
            began = saved = time.monotonic()
            self.save()

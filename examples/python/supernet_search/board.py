"""Curves of a run for TensorBoard, beside its log."""

import pathlib
from typing import Any, Dict

import torch


class Board:
    """Writes the line of each epoch: its numbers as curves, and softmax(theta) as an image, a row for each layer.

    epoch: the first that will be written; later ones, which an interrupted run has written, are hidden.

    Raises ImportError where the package tensorboard, or Pillow for its images, is not installed.
    """

    # Pixels of one probability, in height and width.
    CELL = 16

    def __init__(self, folder: pathlib.Path, epoch: int) -> None:
        try:
            import PIL  # noqa: F401
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise ImportError(f"--tensorboard needs two packages: pip install tensorboard pillow ({error})") from None
        self.writer = SummaryWriter(str(folder), purge_step=epoch)

    def add(self, entry: Dict[str, Any]) -> None:
        epoch = entry["epoch"]
        for name, value in entry.items():
            if isinstance(value, float):
                self.writer.add_scalar(name, value, epoch)
        if "theta" in entry:
            rows = [[float("-inf") if value is None else value for value in row] for row in entry["theta"]]
            probs = torch.tensor(rows).softmax(-1)
            image = probs.repeat_interleave(self.CELL, 0).repeat_interleave(self.CELL, 1)
            self.writer.add_image("softmax(theta)", image, epoch, dataformats="HW")
        self.writer.flush()

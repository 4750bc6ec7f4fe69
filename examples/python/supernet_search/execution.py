"""How a training is executed, which does not decide on what is learnt: where, and how fast."""

from typing import NamedTuple

import torch
from torch import nn


class Execution(NamedTuple):
    channels_last: bool = True
    compile: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def prepare(self, module: nn.Module, device: torch.device) -> None:
        """Moves a network to the device and compiles it, both in place: the names of its parameters stay.

        Of a supernet whose layers read which blocks run, the blocks are compiled, and else the whole.

        Raises RuntimeError where this torch cannot compile.
        """
        module.to(device, memory_format=self.memory_format)
        if not self.compile:
            return
        if not hasattr(module, "compile"):
            raise RuntimeError(f"--compile needs torch 2.2 or newer, got {torch.__version__}")
        layers = getattr(module, "layers", [])
        if any(layer.paths != "all" for layer in layers):
            blocks = [block for layer in layers for block in layer.blocks.values()]
            for part in [module.stem, *blocks, module.head, module.classifier]:
                part.compile()
        else:
            module.compile()

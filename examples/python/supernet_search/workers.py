"""One process, or several that train one supernet together, as ``torchrun`` starts them.

Several processes share every batch: rank ``r`` of ``W`` takes the ``r``-th part. Gradients are averaged, of the weights by
DistributedDataParallel and of theta here, so all keep the same parameters. The backend is gloo: CPUs, any machine.
"""

import os
from typing import List

import torch
import torch.distributed
from torch import Tensor, nn


class Workers:
    """The processes of a run. Without ``torchrun`` there is one, and every method is cheap."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))

    def connect(self) -> None:
        """Waits for the others.

        Raises RuntimeError where this torch cannot, or they do not come.
        """
        if self.count > 1:
            if not torch.distributed.is_available():
                raise RuntimeError("several processes need a torch that is built with torch.distributed")
            torch.distributed.init_process_group("gloo")

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """What this process takes of a batch, whose size the number of processes divides."""
        return batch.chunk(self.count)[self.rank]

    def wrap(self, module: nn.Module) -> nn.Module:
        """The module, with the gradients of its parameters averaged in every backward."""
        return module if self.count == 1 else nn.parallel.DistributedDataParallel(module)

    def average(self, tensors: List[Tensor]) -> None:
        """Sets each tensor, in place, to its mean over all processes."""
        if self.count == 1:
            return
        for tensor in tensors:
            torch.distributed.all_reduce(tensor)
            tensor.div_(self.count)

    def agree(self, flags: List[bool]) -> List[bool]:
        """Which of the flags are set in any process."""
        if self.count == 1:
            return flags
        votes = torch.tensor(flags, dtype=torch.int64)
        torch.distributed.all_reduce(votes)
        return (votes > 0).tolist()

    def gather(self, tensor: Tensor) -> Tensor:
        """The tensors of all processes, ``[processes, ...]``."""
        if self.count == 1:
            return tensor[None].clone()
        of_all = [torch.empty_like(tensor) for _ in range(self.count)]
        torch.distributed.all_gather(of_all, tensor)
        return torch.stack(of_all)

    def take_from_first(self, tensors: List[Tensor]) -> None:
        """Sets each tensor, in place, to what the first process has."""
        if self.count > 1:
            for tensor in tensors:
                torch.distributed.broadcast(tensor, 0)

    def wait(self) -> None:
        """Returns when all processes have come here."""
        if self.count > 1:
            torch.distributed.barrier()

    def close(self) -> None:
        if self.count > 1 and torch.distributed.is_available() and torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()


class _SumOverProcesses(torch.autograd.Function):
    """A sum that every process takes part in, forward and backward: each one's loss depends on it."""

    @staticmethod
    def forward(context, x: Tensor) -> Tensor:
        total = x.clone()
        torch.distributed.all_reduce(total)
        return total

    @staticmethod
    def backward(context, gradient: Tensor) -> Tensor:
        return _SumOverProcesses.apply(gradient)


class SynchronisedBatchNorm2d(nn.BatchNorm2d):
    """Batch normalisation over the batches of all processes, on any device: torch's own one needs a GPU.

    Every process must have as many images. Alone it is ``nn.BatchNorm2d``.
    """

    def forward(self, x: Tensor) -> Tensor:
        if not self.training or not torch.distributed.is_available() or not torch.distributed.is_initialized():
            return super().forward(x)
        workers = torch.distributed.get_world_size()
        # The spread around the common mean, as the difference of two large sums would lose its digits.
        mean = _SumOverProcesses.apply(x.mean([0, 2, 3])) / workers
        centred = x - mean[:, None, None]
        variance = _SumOverProcesses.apply(centred.square().mean([0, 2, 3])) / workers
        with torch.no_grad():
            count = x.numel() / x.shape[1] * workers
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return centred * scale[:, None, None] + self.bias[:, None, None]

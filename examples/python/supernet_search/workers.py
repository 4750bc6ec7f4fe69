"""One process, or several that train one supernet together, as ``torchrun`` starts them.

Several processes share every batch: rank ``r`` of ``W`` takes the ``r``-th part. Gradients are averaged, of the weights by
DistributedDataParallel and of theta here, so all keep the same parameters. The backend is nccl where they train on GPUs, one
each, and else gloo: CPUs, any machine.
"""

import contextlib
import os
from typing import ContextManager, List

import torch
import torch.distributed
from torch import Tensor, nn


class Workers:
    """The processes of a run. Without ``torchrun`` there is one, and every method is cheap."""

    def __init__(self) -> None:
        self.count = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device = torch.device("cpu")
        self._host = None

    def connect(self, device: str = "cpu") -> None:
        """Takes the device to train on, ``cpu``, ``cuda`` or ``auto``, and waits for the others.

        Raises RuntimeError where there is no such device, where this torch cannot, or where they do not come.
        """
        self.device = self._own(device)
        if self.count > 1:
            if not torch.distributed.is_available():
                raise RuntimeError("several processes need a torch that is built with torch.distributed")
            on_gpu = self.device.type == "cuda"
            torch.distributed.init_process_group("nccl" if on_gpu else "gloo")
            # What the hosts agree on does not wait for their GPUs.
            self._host = torch.distributed.new_group(backend="gloo") if on_gpu else None

    def _own(self, device: str) -> torch.device:
        """This process's device: of GPUs the one of its number on its machine."""
        if device == "cpu" or (device == "auto" and not torch.cuda.is_available()):
            return torch.device("cpu")
        if not torch.cuda.is_available():
            raise RuntimeError("--train-device cuda needs a GPU and a torch that is built for it, got none: take cpu or auto")
        index = int(os.environ.get("LOCAL_RANK", "0"))
        if index >= torch.cuda.device_count():
            raise RuntimeError(f"every process needs a GPU of its own, got {torch.cuda.device_count()} for process {index}")
        torch.cuda.set_device(index)
        return torch.device("cuda", index)

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that prints and writes."""
        return self.rank == 0

    def part(self, batch: Tensor) -> Tensor:
        """What this process takes of a batch, whose size the number of processes divides."""
        return batch.chunk(self.count)[self.rank]

    def wrap(self, module: nn.Module, all_parts_run: bool = True) -> nn.Module:
        """The module, with the gradients of its parameters averaged in every backward."""
        if self.count == 1:
            return module
        devices = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, devices, find_unused_parameters=not all_parts_run)

    def averaging(self, module: nn.Module, now: bool) -> ContextManager[None]:
        """In which a wrapped module's gradients are averaged over the processes; if not now, only added up in each."""
        return contextlib.nullcontext() if self.count == 1 or now else module.no_sync()

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
        torch.distributed.all_reduce(votes, group=self._host)
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
            torch.distributed.barrier(group=self._host)

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

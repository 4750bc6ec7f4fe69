"""What test_sharding.py runs in two processes: every operator on DTensors, against the same on plain tensors."""

import itertools
import sys

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor

import latgrad
from rows import ragged_mask


def same(ours, theirs):
    full = ours.full_tensor() if isinstance(ours, DTensor) else ours
    torch.testing.assert_close(full, theirs)


def check(function, tensors, placements, mesh):
    """Values and gradients of `function`; `placements` of each of the tensors."""
    plain = [tensor.clone().requires_grad_(tensor.is_floating_point()) for tensor in tensors]
    cut = [
        distribute_tensor(tensor, mesh, [placement]).requires_grad_(tensor.is_floating_point())
        for tensor, placement in zip(tensors, placements)
    ]
    ours, theirs = function(*cut), function(*plain)
    same(ours, theirs)
    weights = torch.rand(theirs.shape, dtype=theirs.dtype, generator=torch.Generator().manual_seed(1))
    (theirs * weights).sum().backward()
    (ours * distribute_tensor(weights, mesh, [Replicate()])).sum().backward()
    for one, other in zip(cut, plain):
        if other.grad is not None:
            same(one.grad, other.grad)


class Search(torch.nn.Module):
    """Its theta is a DTensor outside of forward, where the latency term is made."""

    def __init__(self):
        super().__init__()
        self.theta = torch.nn.Parameter(torch.linspace(-1, 1, 24).reshape(4, 6))

    def forward(self, x):
        return (self.theta.softmax(-1) * x).sum()


def check_placements(mesh):
    """What is sharded stays where it is."""
    theta = distribute_tensor(torch.randn(4, 6), mesh, [Shard(0)]).requires_grad_()
    table = distribute_tensor(1 + torch.rand(4, 6), mesh, [Shard(0)])
    batch = distribute_tensor(torch.randn(4, 4, 6), mesh, [Shard(0)])
    for function in (latgrad.softmax_latency, lambda theta, us: latgrad.expected_latency(theta.softmax(-1), us)):
        latency_us = function(theta, table)
        assert latency_us.placements == (Partial(),), latency_us.placements
        (gradient,) = torch.autograd.grad(latency_us.redistribute(mesh, [Replicate()]), theta)
        assert gradient.placements == (Shard(0),), gradient.placements
        replicated = distribute_tensor(torch.ones(4, 6), mesh, [Replicate()])
        assert function(batch, replicated).placements == (Shard(0),)
    chain = distribute_tensor(torch.ones(4, 6, 6), mesh, [Replicate()])
    assert latgrad.chain_latency(batch, chain).placements == (Shard(0),)


def check_uneven(mesh):
    """Three layers on two ranks, and one layer, of which a rank has none."""
    for layers in (3, 1):
        theta, table = torch.randn(layers, 6), 1 + torch.rand(layers, 6)
        check(latgrad.softmax_latency, (theta, table), (Shard(0), Shard(0)), mesh)
        check(latgrad.expected_latency, (theta.softmax(-1), table), (Shard(0), Shard(0)), mesh)


def check_fully_sharded(mesh):
    table, x = 1 + torch.arange(24.0).reshape(4, 6), torch.ones(4, 6)
    plain, cut = Search(), Search()
    fully_shard(cut, mesh=mesh)
    assert isinstance(cut.theta, DTensor)
    for search, us in ((plain, table), (cut, distribute_tensor(table, mesh, [Replicate()]))):
        latency_us = latgrad.softmax_latency(search.theta, us)
        latency_us = latency_us.full_tensor() if isinstance(latency_us, DTensor) else latency_us
        (search(x) + latgrad.fbnet_loss(torch.tensor(1.0), latency_us)).backward()
    same(cut.theta.grad, plain.theta.grad)


def main():
    dist.init_process_group("gloo")
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    torch.manual_seed(0)
    valid = ragged_mask(4, 6)
    mask = distribute_tensor(valid, mesh, [Replicate()])

    def softmax_ragged(theta, table):
        return latgrad.softmax_latency(theta, table, mask if isinstance(theta, DTensor) else valid)

    def sample(theta, table):
        noise = torch.zeros(theta.shape, dtype=theta.dtype)
        number = torch.tensor(0.7, dtype=torch.float64)
        if isinstance(theta, DTensor):
            noise = distribute_tensor(noise, mesh, [Replicate()])
        weights, latency_us = torch.ops.latgrad.gumbel_latency_sample.Tensor(theta, table, noise, number, None, False)
        return latency_us.sum() + weights.square().sum()

    for batch, devices in (((), ()), ((4,), ()), ((4,), (2,))):
        theta = torch.randn(*batch, 4, 6, dtype=torch.float64)
        table = 1 + 100 * torch.rand(*devices, 4, 6, dtype=torch.float64)
        for function in (latgrad.expected_latency, latgrad.softmax_latency, softmax_ragged, sample):
            for placements in itertools.product(
                [Replicate(), *(Shard(dim) for dim in range(theta.ndim))],
                [Replicate(), *(Shard(dim) for dim in range(table.ndim))],
            ):
                check(function, (theta, table), placements, mesh)
        probs = torch.randn(*batch, 4, 6, dtype=torch.float64).softmax(-1)
        chain = 1 + 100 * torch.rand(*devices, 4, 6, 6, dtype=torch.float64)
        for placements in itertools.product(
            [Replicate(), *(Shard(dim) for dim in range(probs.ndim))],
            [Replicate(), *(Shard(dim) for dim in range(chain.ndim))],
        ):
            check(latgrad.chain_latency, (probs, chain), placements, mesh)
        arch = torch.randint(0, 6, (*batch, 4))
        for placement in [Replicate(), *(Shard(dim) for dim in range(arch.ndim))]:
            check(latgrad.arch_latency, (arch, table), (placement, Replicate()), mesh)
            for of_chain in [Replicate(), *(Shard(dim) for dim in range(chain.ndim))]:
                check(latgrad.chain_arch_latency, (arch, chain), (placement, of_chain), mesh)
    latency_us = 100 + torch.rand(4, dtype=torch.float64)
    for placement in (Replicate(), Shard(0)):
        check(latgrad.log_latency, (latency_us,), (placement,), mesh)
        check(lambda us: latgrad.fbnet_loss(us * 0 + 1, us), (latency_us,), (placement,), mesh)
        check(latgrad.fleet_max, (latency_us,), (placement,), mesh)
        # A sample of all ranks is one sample.
        theta = distribute_tensor(torch.zeros(4, 6), mesh, [placement])
        table = distribute_tensor(torch.ones(4, 6), mesh, [placement])
        torch.manual_seed(3)
        weights, us = latgrad.gumbel_latency(theta, table, 1.0)
        torch.manual_seed(3)
        same(weights, latgrad.gumbel_latency(torch.zeros(4, 6), torch.ones(4, 6), 1.0)[0])
    check_placements(mesh)
    check_uneven(mesh)
    check_fully_sharded(mesh)
    dist.barrier()  # gloo aborts a process whose peer has left before it
    dist.destroy_process_group()
    print("sharded as plain")


if __name__ == "__main__":
    sys.exit(main())

"""On a GPU the operators stay there: no synchronisation, and the values of the CPU."""

import pytest
import torch

import latgrad
from rows import ragged_mask, random_table

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU at hand")


@pytest.fixture
def no_synchronisation():
    torch.cuda.set_sync_debug_mode("error")
    yield
    torch.cuda.set_sync_debug_mode("default")


def operators(theta, table_us, valid, noise, arch):
    weights, sample_us = torch.ops.latgrad.gumbel_latency_sample(theta, table_us, noise, 0.7, valid, False)
    hard, hard_us = torch.ops.latgrad.gumbel_latency_sample(theta, table_us, noise, 0.7, valid, True)
    return (
        latgrad.expected_latency(theta.softmax(-1), table_us),
        latgrad.chain_latency(theta.softmax(-1), table_us.unsqueeze(-2) + table_us.unsqueeze(-1)),
        latgrad.softmax_latency(theta, table_us, valid),
        weights, sample_us, hard, hard_us,
        latgrad.arch_latency(arch, table_us),
        latgrad.chain_arch_latency(arch, table_us.unsqueeze(-2) + table_us.unsqueeze(-1)),
    )


@pytest.mark.parametrize("devices", [(), (3,)])
def test_values_and_gradients_are_those_of_the_cpu(devices, no_synchronisation):
    theta = torch.randn(64, 22, 9, dtype=torch.float64)
    inputs = [theta, random_table(*devices, 22, 9), ragged_mask(22, 9), torch.randn(64, 22, 9, dtype=torch.float64),
              torch.randint(0, 9, (64, 22))]
    torch.cuda.set_sync_debug_mode("default")
    moved = [input.cuda() for input in inputs]
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    results = []
    for theta, table_us, *rest in (inputs, moved):
        theta, table_us = theta.requires_grad_(), table_us.requires_grad_()
        outputs = operators(theta, table_us, *rest)
        grads = torch.autograd.grad(sum(output.sum() for output in outputs[:4]), (theta, table_us))
        results.append([*outputs, *grads])
    torch.cuda.set_sync_debug_mode("default")
    for on_cpu, on_gpu in zip(*results):
        assert on_gpu.is_cuda
        torch.testing.assert_close(on_cpu, on_gpu.cpu())


def test_a_sample_is_drawn_on_the_gpu(no_synchronisation):
    theta = torch.zeros(1000, 22, 9, device="cuda", requires_grad=True)
    table_us = torch.ones(22, 9, device="cuda")
    samples = [latgrad.gumbel_latency(theta, table_us, 1.0, generator=torch.Generator("cuda").manual_seed(seed))
               for seed in (1, 1, 2)]
    samples[0][1].sum().backward()
    torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(samples[0][0], samples[1][0]) and not torch.equal(samples[0][0], samples[2][0])
    assert theta.grad.is_cuda

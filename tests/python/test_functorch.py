"""Forward mode, and what torch.func makes of the operators."""

import pytest
import torch
from torch.autograd import gradcheck

import latgrad
from rows import ragged_mask, random_probs, random_table

VALID = ragged_mask(3, 4)
has_func = pytest.mark.skipif(not hasattr(torch, "func"), reason="torch.func came with torch 2.0")


def seeded(function):
    """The same sample at every call."""

    def call(*inputs):
        return function(*inputs, torch.tensor(11))

    return call


def double(*shape):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=True)


def probs(*shape):
    return random_probs(*shape).requires_grad_()


def table(*shape):
    return random_table(*shape).requires_grad_()


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def sample(theta, table_us, temperature, seed, valid=None, hard=False):
    return torch.ops.latgrad.gumbel_latency_sample.Tensor(theta, table_us, seed, temperature, valid, hard)


ARCH = torch.tensor([[0, 1, 2], [3, 2, 0]])
# Every differentiable operator: function, inputs.
OPERATORS = {
    "expected_latency": (latgrad.expected_latency, lambda: (probs(2, 3, 4), table(3, 4))),
    "expected_latency of a fleet": (latgrad.expected_latency, lambda: (probs(2, 3, 4), table(2, 3, 4))),
    "chain_latency": (latgrad.chain_latency, lambda: (probs(2, 3, 4), table(3, 4, 4))),
    "chain_latency of a fleet": (latgrad.chain_latency, lambda: (probs(2, 3, 2), table(2, 3, 2, 2))),
    "softmax_latency": (latgrad.softmax_latency, lambda: (double(2, 3, 4), table(3, 4))),
    "softmax_latency, ragged": (lambda theta, us: latgrad.softmax_latency(theta, us, VALID), lambda: (double(2, 3, 4), table(2, 3, 4))),
    "gumbel_latency": (seeded(sample), lambda: (double(2, 3, 4), table(3, 4), scalar(0.8))),
    "gumbel_latency, ragged": (
        lambda theta, us, tau: sample(theta, us, tau, torch.tensor(5), VALID), lambda: (double(3, 4), table(2, 3, 4), scalar(1.5))),
    "arch_latency": (lambda us: latgrad.arch_latency(ARCH, us), lambda: (table(3, 4),)),
    "chain_arch_latency": (lambda us: latgrad.chain_arch_latency(ARCH, us), lambda: (table(3, 4, 4),)),
    "log_latency": (latgrad.log_latency, lambda: (table(5),)),
    "fbnet_loss": (latgrad.fbnet_loss, lambda: (scalar(2.0), table(5), scalar(0.2), scalar(0.6))),
    "proxylessnas_loss": (latgrad.proxylessnas_loss, lambda: (scalar(2.0), table(5), scalar(30.0), scalar(0.6))),
    "proxylessnas_log_loss": (latgrad.proxylessnas_log_loss, lambda: (scalar(2.0), table(5), scalar(30.0), scalar(0.2), scalar(0.6))),
    "tunas_penalty": (latgrad.tunas_penalty, lambda: (table(5), scalar(150.0))),
    "hinge_penalty": (latgrad.hinge_penalty, lambda: (table(5), scalar(0.5))),
    "fleet_sum": (latgrad.fleet_sum, lambda: (table(2, 3), table(3))),
    "fleet_max": (latgrad.fleet_max, lambda: (table(2, 3),)),
    "fleet_smooth_max": (latgrad.fleet_smooth_max, lambda: (table(2, 3), scalar(20.0))),
}


@pytest.mark.parametrize("name", OPERATORS)
def test_forward_mode_passes_gradcheck(name):
    function, inputs = OPERATORS[name]
    assert gradcheck(function, inputs(), check_forward_ad=True, check_backward_ad=False)


@has_func
@pytest.mark.parametrize("name", OPERATORS)
def test_forward_over_reverse_and_reverse_over_forward_are_the_double_reverse(name):
    function, make = OPERATORS[name]
    inputs = [tensor.detach() for tensor in make()]

    def total(*inputs):
        outputs = function(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        return sum(output.square().sum() for output in outputs)

    which = tuple(range(len(inputs)))
    twice = torch.func.jacrev(torch.func.jacrev(total, which), which)(*inputs)
    for nested in (
        torch.func.hessian(total, which),
        torch.func.jacrev(torch.func.jacfwd(total, which), which),
        torch.func.jacfwd(torch.func.jacfwd(total, which), which),
    ):
        torch.testing.assert_close(nested(*inputs), twice)


def test_a_one_hot_sample_has_the_derivative_of_the_soft_one():
    theta, table_us, tangent = torch.randn(3, 4), torch.rand(3, 4), torch.randn(3, 4)
    seed, one = torch.tensor(3), torch.tensor(1.0)
    ad = torch.autograd.forward_ad
    with ad.dual_level():
        dual = ad.make_dual(theta, tangent)
        hard, soft = (sample(dual, table_us, one, seed, VALID, hard) for hard in (True, False))
        for one_hot, relaxed in zip(hard, soft):
            torch.testing.assert_close(ad.unpack_dual(one_hot).tangent, ad.unpack_dual(relaxed).tangent)
        weights = ad.unpack_dual(hard[0]).primal
    assert torch.equal(weights, sample(theta, table_us, one, seed, VALID, True)[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_forward_mode_keeps_the_sample(dtype):
    theta, table_us = torch.randn(70, 3, 4, dtype=dtype), random_table(3, 4, dtype=dtype)
    ad = torch.autograd.forward_ad
    plain = latgrad.gumbel_latency(theta, table_us, 0.7, VALID, generator=torch.Generator().manual_seed(1))
    with ad.dual_level():
        dual = latgrad.gumbel_latency(
            ad.make_dual(theta, torch.ones_like(theta)), table_us, 0.7, VALID, generator=torch.Generator().manual_seed(1))
        for one, other in zip(plain, dual):
            torch.testing.assert_close(one, ad.unpack_dual(other).primal)


@has_func
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("seed", [None, 5])
def test_vmap_obeys_its_randomness(batched, seed):
    theta, table_us = torch.zeros(6, 3, 4), random_table(3, 4, dtype=torch.float32)

    def weights(index, theta):
        generator = None if seed is None else torch.Generator().manual_seed(seed)
        return latgrad.gumbel_latency(theta, table_us, 1.0, VALID, generator=generator)[0]

    def samples(randomness):
        vmapped = torch.func.vmap(weights, in_dims=(0, 0 if batched else None), randomness=randomness)
        return vmapped(torch.arange(6), theta if batched else theta[0])

    with pytest.raises(RuntimeError, match="randomness"):
        samples("error")
    same = samples("same")
    assert (same == same[0]).all()
    different = samples("different")
    assert len({tuple(row.flatten().tolist()) for row in different}) == 6


@has_func
def test_vmap_of_a_gradient_draws_a_sample_for_each_row():
    theta, table_us = torch.zeros(6, 3, 4), random_table(3, 4, dtype=torch.float32)
    gradient = torch.func.grad(lambda theta: latgrad.gumbel_latency(theta, table_us, 1.0)[1])
    rows = torch.func.vmap(gradient, randomness="different")(theta)
    assert len({tuple(row.flatten().tolist()) for row in rows}) == 6
    torch.testing.assert_close(rows.sum(-1), torch.zeros(6, 3), rtol=0, atol=1e-4)

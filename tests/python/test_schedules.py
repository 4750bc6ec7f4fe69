"""Temperatures, targets and weights that change at every call, as floats and as tensors, eager and under torch.compile."""

import sys

import pytest
import torch

import latgrad
from rows import ragged_mask, random_table

CROSS_ENTROPY = torch.tensor(2.0)
TABLE_US = random_table(4, 5, dtype=torch.float32)
FLEET_US = random_table(3, 4, 5, dtype=torch.float32)
VALID = ragged_mask(4, 5)


def sample(theta, temperature):
    weights, latency_us = latgrad.gumbel_latency(theta, TABLE_US, temperature, VALID)
    return latency_us.sum() + weights.square().sum()


def of_latency(loss):
    """The loss of the expected latency and a number."""
    return lambda theta, number: loss(latgrad.softmax_latency(theta, TABLE_US), number)


# What a number schedules, its first value and the step to the next.
SCHEDULES = {
    "temperature": (sample, 5.0, -0.3),
    "fbnet alpha": (of_latency(lambda us, alpha: latgrad.fbnet_loss(CROSS_ENTROPY, us, alpha)), 0.1, 0.05),
    "fbnet beta": (of_latency(lambda us, beta: latgrad.fbnet_loss(CROSS_ENTROPY, us, 0.2, beta)), 0.2, 0.1),
    "proxylessnas target": (of_latency(lambda us, us0: latgrad.proxylessnas_loss(CROSS_ENTROPY, us, us0, 0.3)), 90.0, 7.0),
    "proxylessnas weight": (of_latency(lambda us, weight: latgrad.proxylessnas_loss(CROSS_ENTROPY, us, 90.0, weight)), 0.0, 0.1),
    "log target": (of_latency(lambda us, us0: latgrad.proxylessnas_log_loss(CROSS_ENTROPY, us, us0, 1.0, 0.6)), 90.0, 7.0),
    "log alpha": (of_latency(lambda us, alpha: latgrad.proxylessnas_log_loss(CROSS_ENTROPY, us, 90.0, alpha, 0.6)), 0.5, 0.1),
    "log beta": (of_latency(lambda us, beta: latgrad.proxylessnas_log_loss(CROSS_ENTROPY, us, 90.0, 1.0, beta)), 0.5, 0.1),
    "tunas target": (of_latency(latgrad.tunas_penalty), 90.0, 7.0),
    "hinge target": (of_latency(latgrad.hinge_penalty), 90.0, 7.0),
    "smooth maximum": (
        lambda theta, temperature: latgrad.fleet_smooth_max(latgrad.softmax_latency(theta, FLEET_US), temperature), 10.0, 5.0),
}


def value_and_gradient(function, number, train=True):
    torch.manual_seed(1)
    theta = torch.linspace(-1, 1, 20).reshape(4, 5).requires_grad_(train)
    torch.manual_seed(2)
    value = function(theta, number)
    return (value, *torch.autograd.grad(value, theta)) if train else (value,)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_tensor_gives_what_the_number_gives(name, dtype):
    function, number, _ = SCHEDULES[name]
    for one, other in zip(
        value_and_gradient(function, number), value_and_gradient(function, torch.tensor(number, dtype=dtype))
    ):
        assert one.dtype == other.dtype
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", SCHEDULES)
def test_the_number_itself_has_a_gradient(name, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "CROSS_ENTROPY", CROSS_ENTROPY.double())
    function, number, _ = SCHEDULES[name]
    theta = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)

    def same_sample(theta, number):
        torch.manual_seed(3)
        return function(theta, number)

    number = torch.tensor(number + 0.05, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(same_sample, (theta, number))
    assert torch.autograd.gradgradcheck(same_sample, (theta, number))


@pytest.mark.parametrize("hard", [False, True])
def test_a_learned_temperature_has_the_gradient_of_torch(hard):
    logits = torch.randn(3, 4, 5, dtype=torch.float64)
    noise = torch.randn(3, 4, 5, dtype=torch.float64)
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    weights, latency_us = torch.ops.latgrad.gumbel_latency_sample(logits, TABLE_US.double(), noise, 0.7, VALID, hard)
    upstream = torch.rand(3, 4, 5, dtype=torch.float64)
    ours, latency_us = torch.ops.latgrad.gumbel_latency_sample.Tensor(
        logits, TABLE_US.double(), noise, temperature, VALID, hard)
    assert torch.equal(ours, weights)
    soft = ((logits + noise) / temperature).masked_fill(~VALID, -torch.inf).softmax(-1)
    value = (soft * (upstream + TABLE_US.double())).sum()
    (expected,) = torch.autograd.grad(value, temperature)
    (actual,) = torch.autograd.grad((ours * upstream).sum() + latency_us.sum(), temperature)
    torch.testing.assert_close(actual, expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", ["fbnet_loss", "proxylessnas_loss", "proxylessnas_log_loss"])
def test_a_tensor_does_not_change_the_dtype_of_a_loss(dtype, name):
    numbers = [torch.tensor(value, dtype=torch.float64) for value in (2.5, 0.3, 0.7)]
    count = 3 if name == "proxylessnas_log_loss" else 2
    tensors = torch.tensor(2.0, dtype=dtype), torch.tensor(90.0, dtype=dtype)
    ours = getattr(latgrad, name)(*tensors, *numbers[:count])
    theirs = getattr(latgrad, name)(*tensors, *(number.item() for number in numbers[:count]))
    assert ours.dtype == theirs.dtype == dtype
    torch.testing.assert_close(ours, theirs, rtol=2e-2, atol=0)


# Floats become inputs of a graph from this version on.
has_dynamic_floats = pytest.mark.skipif(
    tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 7), reason="a float is a constant before torch 2.7")


@has_dynamic_floats
@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_compiles_at_most_three_times(name, train):
    from torch._dynamo.testing import CompileCounterWithBackend

    function, first, step = SCHEDULES[name]
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    compiled = torch.compile(function, fullgraph=True, backend=counter)
    for epoch in range(12):
        number = first + epoch * step
        for given in (number, torch.tensor(number)):
            for one, other in zip(value_and_gradient(compiled, given, train), value_and_gradient(function, number, train)):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)
    assert counter.frame_count <= 3


@has_dynamic_floats
def test_a_training_step_of_the_default_backend_follows_its_schedules():
    from torch._dynamo.testing import CompileCounterWithBackend

    def loss(theta, temperature, weight):
        weights, latency_us = latgrad.gumbel_latency(theta, TABLE_US, temperature)
        return latgrad.proxylessnas_loss(weights.square().sum(), latency_us, 90.0, weight)

    torch._dynamo.reset()
    counter = CompileCounterWithBackend("inductor")
    compiled = torch.compile(loss, fullgraph=True, backend=counter)
    theta = torch.randn(4, 5, requires_grad=True)
    for epoch in range(12):
        value = compiled(theta, 5.0 * 0.9**epoch, 0.1 * epoch)
        (gradient,) = torch.autograd.grad(value, theta)
        assert value.isfinite() and gradient.isfinite().all()
    assert counter.frame_count <= 3

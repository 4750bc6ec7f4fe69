"""torch.ops.latgrad.expected_latency and its backward against the obvious expression."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad
from rows import FLOATS, TOLERANCE, expected as obvious, random_probs, random_table

def test_adds_probability_times_latency():
    probs = torch.tensor([[0.25, 0.75], [1.0, 0.0]])
    table_us = torch.tensor([[100.0, 200.0], [10.0, 20.0]])
    assert latgrad.expected_latency(probs, table_us).item() == 0.25 * 100 + 0.75 * 200 + 10


def test_gives_one_latency_per_device():
    probs = torch.tensor([[0.5, 0.5]])
    table_us = torch.tensor([[[1.0, 3.0]], [[10.0, 30.0]]])
    assert latgrad.expected_latency(probs, table_us).tolist() == [2.0, 20.0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [(), (1,), (7,), (2, 3), (0,), (3, 0, 2), (1000,)])
@pytest.mark.parametrize("devices", [(), (1,), (3,)])
def test_equals_the_obvious_expression(dtype, batch, devices):
    probs = random_probs(*batch, 5, 9, dtype=dtype)
    table_us = (torch.rand(*devices, 5, 9) * 100).to(dtype)
    result = latgrad.expected_latency(probs, table_us)
    assert result.dtype == dtype
    assert result.shape == batch + devices
    torch.testing.assert_close(result.double(), obvious(probs, table_us), rtol=TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("layers, candidates", [(1, 1), (22, 1), (1, 9), (22, 9), (3, 17), (4, 4)])
def test_takes_any_number_of_layers_and_candidates(layers, candidates):
    probs = random_probs(3, layers, candidates)
    table_us = torch.rand(layers, candidates, dtype=torch.float64)
    torch.testing.assert_close(latgrad.expected_latency(probs, table_us), obvious(probs, table_us))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("devices", [(), (3,)])
def test_gradients_equal_those_of_the_obvious_expression(dtype, devices):
    probs = random_probs(6, 5, 9, dtype=dtype).requires_grad_()
    table_us = (torch.rand(*devices, 5, 9) * 100).to(dtype).requires_grad_()
    weights = torch.rand(6, *devices).to(dtype)
    ours = torch.autograd.grad(latgrad.expected_latency(probs, table_us), (probs, table_us), weights)
    theirs = torch.autograd.grad(obvious(probs, table_us), (probs, table_us), weights.double())
    for mine, other, input in zip(ours, theirs, (probs, table_us)):
        assert mine.dtype == dtype and mine.shape == input.shape
        torch.testing.assert_close(mine.double(), other.double(), rtol=2 * TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("probs_dtype", FLOATS)
@pytest.mark.parametrize("table_dtype", FLOATS)
def test_mixed_precisions_meet_in_the_wider_one(probs_dtype, table_dtype):
    probs = random_probs(6, 5, 9, dtype=probs_dtype).requires_grad_()
    table_us = (torch.rand(5, 9) * 100).to(table_dtype).requires_grad_()
    result = latgrad.expected_latency(probs, table_us)
    wider = torch.promote_types(probs_dtype, table_dtype)
    assert result.dtype == wider
    torch.testing.assert_close(result.double(), obvious(probs, table_us), rtol=TOLERANCE[wider], atol=0)
    result.sum().backward()
    assert probs.grad.dtype == probs_dtype and table_us.grad.dtype == table_dtype
    with torch.inference_mode():
        assert torch.equal(latgrad.expected_latency(probs, table_us), result)
    assert latgrad.expected_latency(probs.to("meta"), table_us.to("meta")).dtype == wider


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_added_up_in_float32(dtype):
    # 300 ones: a bfloat16 sum would stop at 256, and a float16 sum of 4096 at 2048.
    layers = 4096
    table_us = torch.ones(layers, 1, dtype=dtype)
    assert latgrad.expected_latency(torch.ones(layers, 1, dtype=dtype), table_us).item() == layers
    # The gradient for the table adds over the batch.
    table_us.requires_grad_()
    latgrad.expected_latency(torch.ones(300, layers, 1, dtype=dtype), table_us).sum().backward()
    assert table_us.grad[0, 0].item() == torch.tensor(300.0, dtype=dtype).item()


@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 2), (2,)), ((), (2,)), ((1,), (1,))])
def test_passes_gradcheck_twice_in_both_arguments(batch, devices):
    probs = torch.rand(*batch, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = random_table(*devices, 3, 4).requires_grad_()
    assert gradcheck(latgrad.expected_latency, (probs, table_us))
    assert gradgradcheck(latgrad.expected_latency, (probs, table_us))


@pytest.mark.parametrize("mask", [[True, True], [True, False], [False, True]])
def test_backward_operator_passes_gradcheck_for_each_mask(mask):
    grad = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    probs = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)

    def asked_for(*inputs):
        outputs = torch.ops.latgrad.expected_latency_backward(*inputs, mask)
        return tuple(output for output, wanted in zip(outputs, mask) if wanted)

    assert gradcheck(asked_for, (grad, probs, table_us))
    assert gradgradcheck(asked_for, (grad, probs, table_us))


def test_backward_operator_leaves_out_what_is_not_asked_for():
    outputs = torch.ops.latgrad.expected_latency_backward(
        torch.ones(3), torch.rand(3, 2, 4), torch.rand(2, 4), [False, False]
    )
    assert [output.numel() for output in outputs] == [0, 0]


def test_only_the_needed_gradient_is_made():
    probs = random_probs(2, 3).requires_grad_()
    table_us = torch.rand(2, 3, dtype=torch.float64)
    latgrad.expected_latency(probs, table_us).backward()
    assert torch.equal(probs.grad, table_us)
    assert table_us.grad is None


def test_gradient_reaches_what_the_probabilities_are_made_of():
    theta = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    table_us = torch.tensor([[1.0, 3.0], [5.0, 5.0]], dtype=torch.float64)
    latgrad.expected_latency(theta.softmax(-1), table_us).backward()
    # d/dtheta of softmax at one half: p0 * p1 * (difference of the latencies).
    torch.testing.assert_close(theta.grad, torch.tensor([[-0.5, 0.5], [0.0, 0.0]], dtype=torch.float64))


def test_empty_batch_gives_zero_gradient_for_the_table():
    probs = torch.rand(0, 2, 3, requires_grad=True)
    table_us = torch.rand(2, 3, requires_grad=True)
    latgrad.expected_latency(probs, table_us).sum().backward()
    assert probs.grad.shape == (0, 2, 3)
    assert torch.equal(table_us.grad, torch.zeros(2, 3))


def test_gradients_hold_for_many_devices_and_a_large_batch():
    probs = random_probs(600, 22, 9).requires_grad_()
    table_us = torch.rand(300, 22, 9, dtype=torch.float64, requires_grad=True)
    grad = torch.rand(600, 300, dtype=torch.float64)
    to_probs, to_table = torch.autograd.grad(latgrad.expected_latency(probs, table_us), (probs, table_us), grad)
    torch.testing.assert_close(to_probs, torch.einsum("nd,dlc->nlc", grad, table_us))
    torch.testing.assert_close(to_table, torch.einsum("nd,nlc->dlc", grad, probs))


def test_takes_strided_and_expanded_tensors():
    table_us = torch.rand(4, 3, dtype=torch.float64).t()
    transposed = torch.rand(4, 3, 6, dtype=torch.float64).permute(2, 1, 0)
    every_second = torch.rand(6, 3, 8, dtype=torch.float64)[:, :, ::2]
    expanded = torch.rand(3, 4, dtype=torch.float64).expand(6, 3, 4)
    for probs in (transposed, every_second, expanded):
        probs = probs.detach().requires_grad_()
        assert not probs.is_contiguous()
        torch.testing.assert_close(latgrad.expected_latency(probs, table_us), obvious(probs, table_us))
        (grad,) = torch.autograd.grad(latgrad.expected_latency(probs, table_us).sum(), probs)
        torch.testing.assert_close(grad, table_us.expand(6, 3, 4))


@pytest.mark.parametrize("devices", [(), (2,)])
def test_number_of_threads_does_not_change_a_bit(devices):
    probs = random_probs(20000, 22, 9, dtype=torch.float32).requires_grad_()
    table_us = (torch.rand(*devices, 22, 9) * 1000).requires_grad_()
    before = torch.get_num_threads()
    outcomes = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            latency_us = latgrad.expected_latency(probs, table_us)
            outcomes.append((latency_us, *torch.autograd.grad(latency_us.square().sum(), (probs, table_us))))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*outcomes):
        assert torch.equal(one, two)
    torch.testing.assert_close(outcomes[0][0].double(), obvious(probs, table_us), rtol=2e-6, atol=0)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 2), (2,)), ((0,), ()), ((0,), (2,))])
def test_kernel_of_other_devices_equals_that_of_the_cpu(dtype, batch, devices):
    # It is made of ATen operators, so it runs on CPU tensors, too.
    forward = torch.ops.latgrad.expected_latency.default
    backward = torch.ops.latgrad.expected_latency_backward.default
    probs = random_probs(*batch, 5, 9, dtype=dtype)
    table_us = (torch.rand(*devices, 5, 9) * 100).to(dtype)
    latency_us = forward._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, probs, table_us)
    rtol = 2 * TOLERANCE[dtype]
    torch.testing.assert_close(latency_us, forward(probs, table_us), rtol=rtol, atol=0)
    grad = torch.rand(batch + devices).to(dtype)
    for mask in ([True, True], [True, False], [False, True]):
        ours = backward._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, grad, probs, table_us, mask)
        for mine, other in zip(ours, backward(grad, probs, table_us, mask)):
            torch.testing.assert_close(mine, other, rtol=rtol, atol=0)
    with pytest.raises(RuntimeError, match="must agree in layers and candidates"):
        forward._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, probs, table_us[..., 1:])

"""torch.ops.latgrad.softmax_latency and its backward against the obvious expression."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad
from rows import FLOATS, TOLERANCE, ragged_mask, random_table, softmax_expected

# Beside the error of the sum, that of float32's exponential.
EXP_TOLERANCE = {**TOLERANCE, torch.float32: 4e-6}


def test_adds_probability_times_latency():
    logits = torch.tensor([[0.0, 0.0], [0.0, -torch.inf]])
    table_us = torch.tensor([[100.0, 200.0], [10.0, 20.0]])
    assert latgrad.softmax_latency(logits, table_us).item() == 0.5 * 100 + 0.5 * 200 + 10


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [(), (1,), (7,), (2, 3), (0,), (3, 0, 2), (1000,)])
@pytest.mark.parametrize("devices", [(), (3,)])
@pytest.mark.parametrize("masked", [False, True])
def test_equals_the_obvious_expression(dtype, batch, devices, masked):
    logits = torch.randn(*batch, 5, 9).to(dtype)
    table_us = random_table(*devices, 5, 9, dtype=dtype)
    valid = ragged_mask(5, 9) if masked else None
    result = latgrad.softmax_latency(logits, table_us, valid)
    assert result.dtype == dtype and result.shape == batch + devices
    torch.testing.assert_close(
        result.double(), softmax_expected(logits, table_us, valid), rtol=EXP_TOLERANCE[dtype], atol=0)


# Around the number of lanes of a register and the width of a window, one layer, one candidate, 1,000 candidates.
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layers", [1, 2, 4, 7, 8, 16, 17, 22])
@pytest.mark.parametrize("candidates", [1, 2, 3, 4, 5, 8, 9, 15, 33, 1000])
def test_takes_any_number_of_layers_and_candidates(dtype, layers, candidates):
    logits = torch.randn(19, layers, candidates).to(dtype).requires_grad_()
    table_us = random_table(layers, candidates, dtype=dtype).requires_grad_()
    result = latgrad.softmax_latency(logits, table_us)
    twin = softmax_expected(logits, table_us)
    torch.testing.assert_close(result.double(), twin, rtol=EXP_TOLERANCE[dtype], atol=0)
    ours = torch.autograd.grad(result.sum(), (logits, table_us))
    theirs = torch.autograd.grad(twin.sum(), (logits, table_us))
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine, other, rtol=1e-4 if dtype == torch.float32 else 1e-10, atol=1e-4)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("devices", [(), (1,), (3,)])
@pytest.mark.parametrize("masked", [False, True])
def test_gradients_equal_those_of_the_obvious_expression(dtype, devices, masked):
    logits = torch.randn(6, 5, 9).to(dtype).requires_grad_()
    table_us = random_table(*devices, 5, 9, dtype=dtype).requires_grad_()
    valid = ragged_mask(5, 9) if masked else None
    weights = torch.rand(6, *devices).to(dtype)
    ours = torch.autograd.grad(latgrad.softmax_latency(logits, table_us, valid), (logits, table_us), weights)
    theirs = torch.autograd.grad(softmax_expected(logits, table_us, valid), (logits, table_us), weights.double())
    for mine, other, input in zip(ours, theirs, (logits, table_us)):
        assert mine.dtype == dtype and mine.shape == input.shape
        scale = other.abs().max().item()
        torch.testing.assert_close(mine.double(), other.double(), rtol=2 * TOLERANCE[dtype], atol=scale * EXP_TOLERANCE[dtype])


@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 2), (2,)), ((), (2,))])
@pytest.mark.parametrize("masked", [False, True])
def test_passes_gradcheck_twice_in_both_arguments(batch, devices, masked):
    logits = torch.randn(*batch, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = random_table(*devices, 3, 4).requires_grad_()
    valid = ragged_mask(3, 4) if masked else None
    assert gradcheck(latgrad.softmax_latency, (logits, table_us, valid))
    assert gradgradcheck(latgrad.softmax_latency, (logits, table_us, valid))


@pytest.mark.parametrize("mask", [[True, True], [True, False], [False, True]])
def test_backward_operator_passes_gradcheck_for_each_mask(mask):
    grad = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    logits = torch.randn(2, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = random_table(2, 3, 4).requires_grad_()

    def asked_for(*inputs):
        outputs = torch.ops.latgrad.softmax_latency_backward(*inputs, ragged_mask(3, 4), mask)
        return tuple(output for output, wanted in zip(outputs, mask) if wanted)

    assert gradcheck(asked_for, (grad, logits, table_us))
    outputs = torch.ops.latgrad.softmax_latency_backward(grad.detach(), logits.detach(), table_us.detach(), None, mask)
    assert [output.numel() > 0 for output in outputs] == mask


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf"), 6e4])
@pytest.mark.parametrize("batch", [(), (40,)])
def test_what_is_not_valid_counts_for_nothing(dtype, junk, batch):
    valid = ragged_mask(6, 5)
    logits = torch.randn(*batch, 6, 5).to(dtype)
    table_us = random_table(6, 5, dtype=dtype)
    clean = [t.clone().requires_grad_() for t in (logits, table_us)]
    dirty = [t.masked_fill(~valid, junk).requires_grad_() for t in (logits, table_us)]
    for inputs in (clean, dirty):
        latgrad.softmax_latency(*inputs, valid).sum().backward()
    assert torch.equal(latgrad.softmax_latency(*clean, valid), latgrad.softmax_latency(*dirty, valid))
    for one, other in zip(clean, dirty):
        assert torch.equal(one.grad, other.grad)
        assert (other.grad.masked_select(~valid) == 0).all()


def test_invalid_candidates_have_gradient_zero_also_beside_a_nan():
    logits = torch.zeros(2, 3)
    logits[0, 0] = torch.nan
    valid = torch.tensor([[True, True, False], [True, True, True]])
    logits.requires_grad_()
    latency_us = latgrad.softmax_latency(logits, torch.ones(2, 3), valid)
    assert latency_us.isnan()
    latency_us.backward()
    assert logits.grad[0, 2] == 0 and logits.grad[0, :2].isnan().all() and (logits.grad[1] == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("row", [
    [torch.nan, 0.0, 0.0], [0.0, 0.0, torch.nan], [torch.inf, 0.0, 0.0], [-torch.inf] * 3,
    [-torch.inf, 0.0, 1.0], [1e4, -1e4, 0.0], [-1e30, -1e30, -1e30], [1e30, 0.0, 1e30], [-200.0, 0.0, -95.0]])
def test_extreme_logits_do_what_torch_softmax_does(dtype, row):
    logits = torch.tensor([row, [0.0, 1.0, 2.0]], dtype=dtype, requires_grad=True)
    table_us = random_table(2, 3, dtype=dtype)
    ours = latgrad.softmax_latency(logits, table_us)
    theirs = (logits.softmax(-1) * table_us).sum()
    torch.testing.assert_close(ours, theirs, equal_nan=True)
    for mine, other in zip(torch.autograd.grad(ours, logits), torch.autograd.grad(theirs, logits)):
        torch.testing.assert_close(mine, other, equal_nan=True)


def test_takes_strided_and_expanded_tensors():
    table_us = random_table(4, 3).t()
    transposed = torch.randn(4, 3, 6, dtype=torch.float64).permute(2, 1, 0)
    every_second = torch.randn(6, 3, 8, dtype=torch.float64)[:, :, ::2]
    expanded = torch.randn(3, 4, dtype=torch.float64).expand(6, 3, 4)
    zero_stride = torch.randn((), dtype=torch.float64).expand(6, 3, 4)
    valid = ragged_mask(4, 3).t()
    valid = valid | (valid.sum(1, keepdim=True) == 0)
    for logits in (transposed, every_second, expanded, zero_stride):
        logits = logits.detach().requires_grad_()
        assert not logits.is_contiguous()
        ours = latgrad.softmax_latency(logits, table_us, valid)
        twin = softmax_expected(logits, table_us, valid)
        torch.testing.assert_close(ours, twin)
        upstream = torch.rand((), dtype=torch.float64).expand(6)
        mine = torch.autograd.grad(ours, logits, upstream)
        torch.testing.assert_close(mine, torch.autograd.grad(twin, logits, upstream))


@pytest.mark.parametrize("logits_dtype", FLOATS)
@pytest.mark.parametrize("table_dtype", FLOATS)
def test_mixed_precisions_meet_in_the_wider_one(logits_dtype, table_dtype):
    logits = torch.randn(6, 5, 9).to(logits_dtype).requires_grad_()
    table_us = random_table(5, 9, dtype=table_dtype).requires_grad_()
    result = latgrad.softmax_latency(logits, table_us)
    wider = torch.promote_types(logits_dtype, table_dtype)
    assert result.dtype == wider
    torch.testing.assert_close(result.double(), softmax_expected(logits, table_us), rtol=EXP_TOLERANCE[wider], atol=0)
    result.sum().backward()
    assert logits.grad.dtype == logits_dtype and table_us.grad.dtype == table_dtype


@pytest.mark.parametrize("devices", [(), (2,)])
def test_number_of_threads_does_not_change_a_bit(devices):
    logits = torch.randn(20000, 22, 9, requires_grad=True)
    table_us = random_table(*devices, 22, 9, dtype=torch.float32).requires_grad_()
    before = torch.get_num_threads()
    outcomes = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            latency_us = latgrad.softmax_latency(logits, table_us)
            outcomes.append((latency_us, *torch.autograd.grad(latency_us.square().sum(), (logits, table_us))))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*outcomes):
        assert torch.equal(one, two)
    torch.testing.assert_close(outcomes[0][0].double(), softmax_expected(logits, table_us), rtol=4e-6, atol=0)


def test_keeps_nothing_of_the_size_of_the_batch_but_the_logits():
    logits = torch.randn(50, 5, 9, requires_grad=True)
    table_us = random_table(5, 9, dtype=torch.float32)
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: saved.append(tensor) or tensor, lambda tensor: tensor):
        latgrad.softmax_latency(logits, table_us)
    large = [tensor for tensor in saved if tensor.numel() >= logits.numel()]
    assert [tensor.data_ptr() for tensor in large] == [logits.data_ptr()]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 2), (2,)), ((0,), (2,))])
@pytest.mark.parametrize("masked", [False, True])
def test_kernel_of_other_devices_equals_that_of_the_cpu(dtype, batch, devices, masked):
    # It is made of ATen operators, so it runs on CPU tensors, too.
    forward = torch.ops.latgrad.softmax_latency.default
    backward = torch.ops.latgrad.softmax_latency_backward.default
    composite = torch._C.DispatchKey.CompositeExplicitAutograd
    logits = torch.randn(*batch, 5, 9).to(dtype)
    table_us = random_table(*devices, 5, 9, dtype=dtype)
    valid = ragged_mask(5, 9) if masked else None
    rtol = 2 * EXP_TOLERANCE[dtype]
    torch.testing.assert_close(
        forward._op_dk(composite, logits, table_us, valid), forward(logits, table_us, valid), rtol=rtol, atol=0)
    grad = torch.rand(batch + devices).to(dtype)
    for mask in ([True, True], [True, False], [False, True]):
        ours = backward._op_dk(composite, grad, logits, table_us, valid, mask)
        for mine, other in zip(ours, backward(grad, logits, table_us, valid, mask)):
            scale = other.abs().max().item() if other.numel() else 0
            torch.testing.assert_close(mine, other, rtol=rtol, atol=scale * rtol)


@pytest.mark.parametrize("bits", [0x7FC00000, 0x7FFFFFFF, 0x7F800001, -1])
@pytest.mark.parametrize("place", [0, 2])
def test_every_kind_of_nan_reaches_the_latency(bits, place):
    logits = torch.zeros(2, 4)
    logits[1, place] = torch.tensor(bits, dtype=torch.int32).view(torch.float32)
    assert latgrad.softmax_latency(logits, torch.ones(2, 4)).isnan()
    for hard in (False, True):
        weights, latency_us = latgrad.gumbel_latency(logits, torch.ones(2, 4), 1.0, hard=hard)
        assert weights[1].isnan().all() and latency_us.isnan()


def test_table_gradient_of_an_invalid_candidate_is_zero_also_beside_a_nan():
    logits = torch.zeros(3, 2, 3)
    logits[1, 0, 0] = torch.nan
    table_us = torch.ones(2, 3, requires_grad=True)
    valid = torch.tensor([[True, True, False], [True, True, True]])
    latgrad.softmax_latency(logits, table_us, valid).sum().backward()
    assert table_us.grad[0, 2] == 0 and table_us.grad[0, :2].isnan().all() and table_us.grad[1].isfinite().all()


def test_table_gradient_is_added_up_in_float64_block_by_block():
    logits = torch.zeros(4096, 1, 2)
    grad = torch.ones(4096)
    grad[0] = 2.0**26  # float32 would lose each one beside it, 6e-5 of the sum
    table_us = torch.ones(1, 2, requires_grad=True)
    latgrad.softmax_latency(logits, table_us).backward(grad)
    torch.testing.assert_close(table_us.grad, torch.full((1, 2), (2.0**26 + 4095) / 2), rtol=4e-6, atol=0)

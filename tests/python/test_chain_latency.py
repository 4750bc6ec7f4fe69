"""torch.ops.latgrad.chain_latency and its backward against the sum written as loops."""

import re
import warnings

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad
from rows import FLOATS, TOLERANCE, random_probs, random_table

FORMS = [((), ()), ((3,), ()), ((2, 2), (2,)), ((), (2,)), ((1,), (1,))]


def obvious(probs, table_us):
    """In float64, layer by layer and pair by pair."""
    probs, table_us = probs.double(), table_us.double()
    if table_us.dim() == 4:
        return torch.stack([obvious(probs, us) for us in table_us], -1)
    layers, candidates = probs.shape[-2:]
    total = sum(probs[..., 0, j] * table_us[0, 0, j] for j in range(candidates))
    for layer in range(1, layers):
        for i in range(candidates):
            for j in range(candidates):
                total = total + probs[..., layer - 1, i] * probs[..., layer, j] * table_us[layer, i, j]
    return total


def test_adds_the_latency_behind_each_predecessor():
    probs = torch.tensor([[0.25, 0.75], [0.5, 0.5]])
    table_us = torch.tensor([[[100.0, 200.0], [7.0, 7.0]], [[10.0, 20.0], [30.0, 40.0]]])
    expected = 0.25 * 100 + 0.75 * 200 + 0.25 * (0.5 * 10 + 0.5 * 20) + 0.75 * (0.5 * 30 + 0.5 * 40)
    assert latgrad.chain_latency(probs, table_us).item() == expected


def test_gives_one_latency_per_device():
    probs = torch.tensor([[0.5, 0.5], [1.0, 0.0]])
    table_us = torch.tensor([[[1.0, 3.0], [0.0, 0.0]], [[2.0, 9.0], [4.0, 9.0]]])
    assert latgrad.chain_latency(probs, torch.stack([table_us, 10 * table_us])).tolist() == [5.0, 50.0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [(), (1,), (7,), (2, 3), (0,), (3, 0, 2), (100,)])
@pytest.mark.parametrize("devices", [(), (1,), (3,)])
def test_equals_the_obvious_sum(dtype, batch, devices):
    probs = random_probs(*batch, 5, 6, dtype=dtype)
    table_us = (torch.rand(*devices, 5, 6, 6) * 100).to(dtype)
    result = latgrad.chain_latency(probs, table_us)
    assert result.dtype == dtype
    assert result.shape == batch + devices
    torch.testing.assert_close(result.double(), obvious(probs, table_us), rtol=TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("layers, candidates", [(1, 1), (8, 1), (1, 9), (8, 9), (3, 17), (4, 4)])
def test_takes_any_number_of_layers_and_candidates(layers, candidates):
    probs = random_probs(3, layers, candidates).requires_grad_()
    table_us = random_table(layers, candidates, candidates).requires_grad_()
    ours, theirs = latgrad.chain_latency(probs, table_us), obvious(probs, table_us)
    torch.testing.assert_close(ours, theirs)
    for mine, other in zip(*(torch.autograd.grad(result.sum(), (probs, table_us)) for result in (ours, theirs))):
        torch.testing.assert_close(mine, other)


@pytest.mark.parametrize("devices", [(), (2,)])
def test_one_hot_rows_give_the_sum_along_the_path(devices):
    table_us = random_table(*devices, 6, 4, 4)
    arch = torch.randint(0, 4, (20, 6))
    behind = torch.cat([torch.zeros(20, 1, dtype=torch.long), arch[:, :-1]], 1)
    path_us = table_us[..., torch.arange(6), behind, arch].sum(-1)
    one_hot = torch.nn.functional.one_hot(arch, 4).double()
    torch.testing.assert_close(latgrad.chain_latency(one_hot, table_us), path_us.T if devices else path_us)


def test_is_the_expected_latency_where_the_predecessor_does_not_matter():
    probs, rows_us = random_probs(5, 4, 3), random_table(4, 3)
    table_us = rows_us.unsqueeze(1).expand(4, 3, 3)
    torch.testing.assert_close(latgrad.chain_latency(probs, table_us), latgrad.expected_latency(probs, rows_us))


@pytest.mark.parametrize("devices", [(), (2,)])
def test_candidates_of_probability_0_do_not_count(devices):
    probs = random_probs(5, 4, 6)
    probs[:, 1, 2:] = 0
    probs[:, 3, ::2] = 0
    small, large = random_table(*devices, 4, 6, 6), random_table(*devices, 4, 6, 6)
    offered = probs[0] > 0
    counts = torch.stack([offered[0].expand(6, 6)] + [offered[i - 1].unsqueeze(1) & offered[i] for i in (1, 2, 3)])
    changed = torch.where(counts, small, large)
    assert not torch.equal(changed, small)
    assert torch.equal(latgrad.chain_latency(probs, changed), latgrad.chain_latency(probs, small))


@pytest.mark.parametrize("device", ["cpu", "composite"])
def test_layer_0_reads_its_first_row_only(device):
    probs = random_probs(5, 3, 4).requires_grad_()
    table_us = random_table(3, 4, 4)
    ignored = table_us.clone()
    ignored[0, 1:] = torch.tensor([float("nan"), float("inf"), -1.0, float("nan")])
    ignored.requires_grad_()
    function, backward = latgrad.chain_latency, torch.ops.latgrad.chain_latency_backward
    mask = [True, True]
    ones = torch.ones(5, dtype=torch.float64)
    if device == "cpu":
        assert torch.equal(function(probs, ignored), function(probs, table_us))
        to_probs, to_table = backward(ones, probs.detach(), ignored.detach(), mask)
    else:
        key = torch._C.DispatchKey.CompositeExplicitAutograd
        forward = torch.ops.latgrad.chain_latency.default
        assert torch.equal(forward._op_dk(key, probs, ignored), forward._op_dk(key, probs, table_us))
        to_probs, to_table = backward.default._op_dk(key, ones, probs, ignored, mask)
    assert to_probs.isfinite().all()
    assert torch.equal(to_table[0, 1:], torch.zeros(3, 4, dtype=torch.float64))
    torch.testing.assert_close(to_table[0, 0], probs[:, 0].sum(0))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("devices", [(), (3,)])
def test_gradients_equal_those_of_the_obvious_sum(dtype, devices):
    probs = random_probs(21, 4, 6, dtype=dtype).requires_grad_()
    table_us = (1 + torch.rand(*devices, 4, 6, 6) * 100).to(dtype).requires_grad_()
    weights = torch.rand(21, *devices).to(dtype)
    ours = torch.autograd.grad(latgrad.chain_latency(probs, table_us), (probs, table_us), weights)
    theirs = torch.autograd.grad(obvious(probs, table_us), (probs, table_us), weights.double())
    for mine, other, input in zip(ours, theirs, (probs, table_us)):
        assert mine.dtype == dtype and mine.shape == input.shape
        torch.testing.assert_close(mine.double(), other.double(), rtol=2 * TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("probs_dtype", FLOATS)
@pytest.mark.parametrize("table_dtype", FLOATS)
def test_mixed_precisions_meet_in_the_wider_one(probs_dtype, table_dtype):
    probs = random_probs(6, 4, 5, dtype=probs_dtype).requires_grad_()
    table_us = (torch.rand(4, 5, 5) * 100).to(table_dtype).requires_grad_()
    result = latgrad.chain_latency(probs, table_us)
    wider = torch.promote_types(probs_dtype, table_dtype)
    assert result.dtype == wider
    torch.testing.assert_close(result.double(), obvious(probs, table_us), rtol=TOLERANCE[wider], atol=0)
    result.sum().backward()
    assert probs.grad.dtype == probs_dtype and table_us.grad.dtype == table_dtype


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_added_up_in_float32(dtype):
    # 4096 ones: a bfloat16 sum would stop at 256, and a float16 sum at 2048.
    layers = 4096
    probs, table_us = torch.ones(layers, 1, dtype=dtype), torch.ones(layers, 1, 1, dtype=dtype, requires_grad=True)
    assert latgrad.chain_latency(probs, table_us).item() == layers
    # The gradient for the table adds over the batch.
    latgrad.chain_latency(probs.expand(300, layers, 1), table_us).sum().backward()
    assert table_us.grad[1, 0, 0].item() == torch.tensor(300.0, dtype=dtype).item()


@pytest.mark.parametrize("batch, devices", FORMS)
@pytest.mark.parametrize("layers, candidates", [(3, 2), (1, 2), (2, 1)])
def test_passes_gradcheck_twice_in_both_arguments(batch, devices, layers, candidates):
    probs = torch.rand(*batch, layers, candidates, dtype=torch.float64, requires_grad=True)
    table_us = random_table(*devices, layers, candidates, candidates).requires_grad_()
    assert gradcheck(latgrad.chain_latency, (probs, table_us), check_forward_ad=True)
    assert gradgradcheck(latgrad.chain_latency, (probs, table_us))


@pytest.mark.parametrize("mask", [[True, True], [True, False], [False, True]])
def test_backward_operator_passes_gradcheck_for_each_mask(mask):
    grad = torch.rand(2, 2, dtype=torch.float64, requires_grad=True)
    probs = torch.rand(2, 3, 2, dtype=torch.float64, requires_grad=True)
    table_us = torch.rand(2, 3, 2, 2, dtype=torch.float64, requires_grad=True)

    def asked_for(*inputs):
        outputs = torch.ops.latgrad.chain_latency_backward(*inputs, mask)
        return tuple(output for output, wanted in zip(outputs, mask) if wanted)

    assert gradcheck(asked_for, (grad, probs, table_us))
    assert gradgradcheck(asked_for, (grad, probs, table_us))


def test_backward_operator_leaves_out_what_is_not_asked_for():
    outputs = torch.ops.latgrad.chain_latency_backward(
        torch.ones(3), torch.rand(3, 2, 4), torch.rand(2, 4, 4), [False, False]
    )
    assert [output.numel() for output in outputs] == [0, 0]


def test_only_the_needed_gradient_is_made():
    probs = random_probs(2, 3)
    table_us = torch.rand(2, 3, 3, dtype=torch.float64, requires_grad=True)
    latgrad.chain_latency(probs, table_us).backward()
    torch.testing.assert_close(table_us.grad[1], torch.outer(probs[0], probs[1]))
    assert probs.grad is None


def test_empty_batch_gives_zero_gradient_for_the_table():
    probs = torch.rand(0, 2, 3, requires_grad=True)
    table_us = torch.rand(2, 3, 3, requires_grad=True)
    latgrad.chain_latency(probs, table_us).sum().backward()
    assert probs.grad.shape == (0, 2, 3)
    assert torch.equal(table_us.grad, torch.zeros(2, 3, 3))


def test_takes_strided_and_expanded_tensors():
    table_us = random_table(4, 4, 3).permute(2, 1, 0)
    transposed = random_probs(4, 3, 6).permute(2, 1, 0)
    every_second = random_probs(6, 3, 8)[:, :, ::2]
    expanded = random_probs(3, 4).expand(6, 3, 4)
    for probs in (transposed, every_second, expanded):
        probs = probs.detach().requires_grad_()
        assert not probs.is_contiguous()
        ours, theirs = latgrad.chain_latency(probs, table_us), obvious(probs, table_us)
        torch.testing.assert_close(ours, theirs)
        torch.testing.assert_close(*(torch.autograd.grad(result.sum(), probs) for result in (ours, theirs)))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("devices", [(), (2,)])
def test_number_of_threads_does_not_change_a_bit(dtype, devices):
    probs = random_probs(5000, 12, 6, dtype=dtype).requires_grad_()
    table_us = (torch.rand(*devices, 12, 6, 6, dtype=dtype) * 1000).requires_grad_()
    before = torch.get_num_threads()
    outcomes = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            latency_us = latgrad.chain_latency(probs, table_us)
            outcomes.append((latency_us, *torch.autograd.grad(latency_us.square().sum(), (probs, table_us))))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*outcomes):
        assert torch.equal(one, two)
    torch.testing.assert_close(outcomes[0][0].double(), obvious(probs, table_us), rtol=TOLERANCE[dtype], atol=0)


def test_a_latency_does_not_depend_on_its_neighbours():
    probs, table_us = random_probs(37, 5, 6, dtype=torch.float32), torch.rand(5, 6, 6)
    together = latgrad.chain_latency(probs, table_us)
    assert torch.equal(together, torch.stack([latgrad.chain_latency(row, table_us) for row in probs]))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch, devices", [*FORMS, ((0,), ()), ((0,), (2,))])
@pytest.mark.parametrize("layers", [1, 5])
def test_kernel_of_other_devices_equals_that_of_the_cpu(dtype, batch, devices, layers):
    # It is made of ATen operators, so it runs on CPU tensors, too.
    forward = torch.ops.latgrad.chain_latency.default
    backward = torch.ops.latgrad.chain_latency_backward.default
    key = torch._C.DispatchKey.CompositeExplicitAutograd
    probs = random_probs(*batch, layers, 6, dtype=dtype)
    table_us = (1 + torch.rand(*devices, layers, 6, 6) * 100).to(dtype)
    latency_us = forward._op_dk(key, probs, table_us)
    rtol = 2 * TOLERANCE[dtype]
    torch.testing.assert_close(latency_us, forward(probs, table_us), rtol=rtol, atol=0)
    grad = torch.rand(batch + devices).to(dtype)
    for mask in ([True, True], [True, False], [False, True]):
        ours = backward._op_dk(key, grad, probs, table_us, mask)
        for mine, other in zip(ours, backward(grad, probs, table_us, mask)):
            torch.testing.assert_close(mine, other, rtol=rtol, atol=0)
    with pytest.raises(RuntimeError, match="must agree in layers and candidates"):
        forward._op_dk(key, probs[..., 1:], table_us)


@pytest.mark.parametrize("batch, devices", FORMS)
def test_meta_kernels_tell_shape_and_dtype(batch, devices):
    probs = torch.empty(*batch, 3, 4, dtype=torch.float16, device="meta")
    table_us = torch.empty(*devices, 3, 4, 4, device="meta")
    latency_us = latgrad.chain_latency(probs, table_us)
    assert latency_us.is_meta and latency_us.shape == batch + devices and latency_us.dtype == torch.float32
    outputs = torch.ops.latgrad.chain_latency_backward(latency_us, probs.float(), table_us, [True, True])
    assert [output.shape for output in outputs] == [probs.shape, table_us.shape]
    outputs = torch.ops.latgrad.chain_latency_backward(latency_us, probs.float(), table_us, [False, True])
    assert [output.shape for output in outputs] == [(0,), table_us.shape]


X, T = torch.rand(2, 3), 1 + torch.rand(2, 3, 3)


def with_entry(value, *place):
    changed = T.clone()
    changed[place] = value
    return changed


FORM_ERRORS = [
    (torch.rand(3), T, "probs must be [..., layers, candidates], got 1 dimension"),
    (X, T[0], "table_us must be [layers, candidates, candidates] or [devices, layers, candidates, candidates], got 2 dimensions"),
    (X, torch.rand(1, 1, 2, 3, 3), "[devices, layers, candidates, candidates], got 5 dimensions"),
    (X, torch.rand(2, 4, 3), "table_us must have a row for each candidate of the layer before, as many as it has candidates, got [2, 4, 3]"),
    (X, torch.rand(2, 4, 4), "probs and table_us must agree in layers and candidates, got [2, 3] and [2, 4, 4]"),
    (X, torch.rand(3, 3, 3), "probs and table_us must agree in layers and candidates, got [2, 3] and [3, 3, 3]"),
    (X.long(), T, "probs must be float16, bfloat16, float32 or float64, got Long"),
    (X, T.int(), "table_us must be float16, bfloat16, float32 or float64, got Int"),
    (torch.rand(0, 3), torch.rand(0, 3, 3), "table_us must have no empty dimension, got [0, 3, 3]"),
    (X.to_sparse(), T, "probs must be a dense tensor, got Sparse"),
    (X, T.to_sparse(), "table_us must be a dense tensor, got Sparse"),
    (X, T.to("meta"), "probs and table_us must be on the same device, got cpu and meta"),
]
VALUE_ERRORS = [
    (X, with_entry(float("nan"), 0, 0, 2), "table_us must be finite and not negative, got nan at layer 0, candidate 2 behind candidate 0 (counted from 0)"),
    (X, with_entry(float("inf"), 1, 2, 0), "got inf at layer 1, candidate 0 behind candidate 2 (counted from 0)"),
    (X, torch.stack([T, with_entry(-1.0, 1, 1, 2)]), "got -1 at layer 1, candidate 2 behind candidate 1 of device 1 (counted from 0)"),
]
GRADIENT_ERRORS = [
    (torch.rand(2), X.expand(3, 2, 3), T, "grad must have the shape of the latency, [3], got [2]"),
    (torch.rand(()), X, torch.stack([T, T]), "grad must have the shape of the latency, [2], got []"),
    (torch.rand(()).double(), X, T, "grad must have the dtype of the latency, Float, got Double"),
    (torch.rand((), device="meta"), X, T, "grad must be on the device of the latency, cpu, got meta"),
    (torch.rand(()), X, T.double(), "probs and table_us must have the same dtype in the backward, got Float and Double"),
]

with warnings.catch_warnings():
    warnings.simplefilter("ignore")

    @torch.jit.script
    def scripted(probs: torch.Tensor, table_us: torch.Tensor):
        return torch.ops.latgrad.chain_latency(probs, table_us)


@pytest.mark.parametrize("probs, table_us, message", FORM_ERRORS + VALUE_ERRORS)
def test_says_which_rule_a_call_breaks(probs, table_us, message):
    for function in (latgrad.chain_latency, torch.inference_mode()(latgrad.chain_latency), scripted):
        with pytest.raises(RuntimeError, match=re.escape(message)):
            function(probs, table_us)


@pytest.mark.parametrize("grad, probs, table_us, message",
                         [(torch.rand(()), *error) for error in FORM_ERRORS] + GRADIENT_ERRORS)
def test_the_backward_says_which_rule_a_call_breaks(grad, probs, table_us, message):
    with pytest.raises(RuntimeError, match=re.escape(message)):
        torch.ops.latgrad.chain_latency_backward(grad, probs, table_us, [True, True])


@pytest.mark.parametrize("probs, table_us, message",
                         [error for error in FORM_ERRORS if "dense" not in error[2] and "device," not in error[2]])
def test_the_meta_kernel_says_which_rule_a_call_breaks(probs, table_us, message):
    with pytest.raises(RuntimeError, match=re.escape(message)):
        latgrad.chain_latency(probs.to("meta"), table_us.to("meta"))

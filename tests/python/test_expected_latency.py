"""torch.ops.latgrad.expected_latency and its backward against the obvious expression."""

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
# Relative error of one rounding to the dtype, with room for the order of a float32 sum.
TOLERANCE = {torch.float16: 1e-3, torch.bfloat16: 8e-3, torch.float32: 2e-6, torch.float64: 1e-14}


def obvious(probs, table_us):
    """In float64 and without a clever step: the twin of the kernels."""
    probs, table_us = probs.double(), table_us.double()
    if table_us.dim() == 2:
        return (probs * table_us).sum(dim=(-2, -1))
    return (probs.unsqueeze(-3) * table_us).sum(dim=(-2, -1))


def random_probs(*shape, dtype=torch.float64):
    return torch.rand(*shape, dtype=torch.float64).softmax(-1).to(dtype)


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
    table_us = torch.rand(*devices, 3, 4, dtype=torch.float64)
    table_us[..., 0, 0] = 0  # a candidate that is not valid
    table_us.requires_grad_()
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


@pytest.mark.parametrize("batch, devices", [((), ()), ((5,), ()), ((2, 3), (4,))])
def test_meta_kernels_tell_shape_and_dtype(batch, devices):
    probs = torch.empty(*batch, 3, 2, dtype=torch.float16, device="meta")
    table_us = torch.empty(*devices, 3, 2, dtype=torch.float16, device="meta")
    result = latgrad.expected_latency(probs, table_us)
    assert result.is_meta and result.shape == batch + devices and result.dtype == torch.float16
    outputs = torch.ops.latgrad.expected_latency_backward(result, probs, table_us, [True, True])
    assert [output.shape for output in outputs] == [probs.shape, table_us.shape]
    outputs = torch.ops.latgrad.expected_latency_backward(result, probs, table_us, [False, True])
    assert [output.shape for output in outputs] == [(0,), table_us.shape]


BAD_CALLS = [
    ((torch.rand(2), torch.rand(2, 3)), r"probs must be \[..., layers, candidates\], got 1 dimension"),
    ((torch.rand(2, 3), torch.rand(3)),
     r"table_us must be \[layers, candidates\] or \[devices, layers, candidates\], got 1 dimension"),
    ((torch.rand(2, 3), torch.rand(1, 1, 2, 3)), r"\[devices, layers, candidates\], got 4 dimensions"),
    ((torch.rand(2, 3), torch.rand(2, 4)), r"must agree in layers and candidates.*got \[2, 3\] and \[2, 4\]"),
    ((torch.rand(3, 3), torch.rand(2, 3)), r"must agree in layers and candidates.*got \[3, 3\] and \[2, 3\]"),
    ((torch.ones(2, 3, dtype=torch.int64), torch.rand(2, 3)), r"probs must be float16.* got Long"),
    ((torch.rand(2, 3), torch.ones(2, 3, dtype=torch.int32)), r"table_us must be float16.* got Int"),
    ((torch.rand(2, 0), torch.rand(2, 0)), r"table_us must have no empty dimension, got \[2, 0\]"),
    ((torch.rand(2, 3), torch.rand(0, 2, 3)), r"table_us must have no empty dimension, got \[0, 2, 3\]"),
    ((torch.rand(2, 3).to_sparse(), torch.rand(2, 3)), r"probs must be a dense tensor, got Sparse"),
    ((torch.rand(2, 3), torch.rand(2, 3).to_sparse()), r"table_us must be a dense tensor, got Sparse"),
]


@pytest.mark.parametrize("inputs, message", BAD_CALLS)
def test_says_which_rule_an_input_breaks(inputs, message):
    with pytest.raises(RuntimeError, match=message):
        latgrad.expected_latency(*inputs)
    grad = torch.rand(())
    with pytest.raises(RuntimeError, match=message):
        torch.ops.latgrad.expected_latency_backward(grad, *inputs, [True, True])


@pytest.mark.parametrize("inputs, message", [call for call in BAD_CALLS if not call[0][0].is_sparse
                                             and not call[0][1].is_sparse])
def test_meta_kernel_says_which_rule_an_input_breaks(inputs, message):
    with pytest.raises(RuntimeError, match=message):
        latgrad.expected_latency(*(input.to("meta") for input in inputs))


def test_backward_operator_refuses_two_dtypes():
    with pytest.raises(RuntimeError, match="must have the same dtype in the backward, got Float and Double"):
        torch.ops.latgrad.expected_latency_backward(
            torch.rand(()), torch.rand(2, 3), torch.rand(2, 3).double(), [True, True])


def test_refuses_tensors_on_two_devices():
    with pytest.raises(RuntimeError, match="must be on the same device, got cpu and meta"):
        latgrad.expected_latency(torch.rand(2, 3), torch.empty(2, 3, device="meta"))


@pytest.mark.parametrize("value, text", [(float("nan"), "nan"), (float("inf"), "inf"), (-float("inf"), "-inf")])
def test_refuses_a_latency_that_is_not_finite(value, text):
    table_us = torch.rand(2, 3)
    table_us[1, 2] = value
    with pytest.raises(RuntimeError, match=f"table_us must be finite, got {text} at layer 1, candidate 2"):
        latgrad.expected_latency(torch.rand(2, 3), table_us)
    with pytest.raises(RuntimeError, match="at layer 1, candidate 2 of device 1"):
        latgrad.expected_latency(torch.rand(2, 3), torch.stack([torch.rand(2, 3), table_us]))


@pytest.mark.parametrize("grad, message", [
    (torch.rand(2), r"grad must have the shape of the latency, \[3\], got \[2\]"),
    (torch.rand(3, 1), r"grad must have the shape of the latency, \[3\], got \[3, 1\]"),
    (torch.rand(3).double(), "grad must have the dtype of probs, Float, got Double"),
    (torch.rand(3, device="meta"), "grad must be on the device of probs, cpu, got meta"),
])
def test_backward_operator_checks_its_gradient(grad, message):
    with pytest.raises(RuntimeError, match=message):
        torch.ops.latgrad.expected_latency_backward(grad, torch.rand(3, 2, 4), torch.rand(2, 4), [True, True])


class LatencyTerm(torch.nn.Module):
    def __init__(self, table_us):
        super().__init__()
        self.register_buffer("table_us", table_us)

    def forward(self, probs):
        return torch.ops.latgrad.expected_latency(probs, self.table_us)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_saves_and_loads_a_module_that_uses_it(tmp_path):
    module = torch.jit.script(LatencyTerm(torch.rand(5, 9)))
    module.save(str(tmp_path / "term.pt"))
    loaded = torch.jit.load(str(tmp_path / "term.pt"))
    probs = random_probs(4, 5, 9, dtype=torch.float32).requires_grad_()
    assert torch.equal(loaded(probs), module(probs))
    loaded(probs).sum().backward()
    assert torch.equal(probs.grad, loaded.table_us.expand(4, 5, 9))


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")
@pytest.mark.parametrize("devices", [(), (2,)])
def test_passes_opcheck(devices):
    probs = random_probs(3, 4, 5).requires_grad_()
    table_us = torch.rand(*devices, 4, 5, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.latgrad.expected_latency.default, (probs, table_us))
    grad = torch.rand(3, *devices, dtype=torch.float64)
    torch.library.opcheck(
        torch.ops.latgrad.expected_latency_backward.default,
        (grad, probs.detach(), table_us.detach(), [True, True]),
    )


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiles_into_one_graph_for_every_batch():
    term = LatencyTerm(torch.rand(5, 9))
    compiled = torch.compile(term, fullgraph=True, dynamic=True, backend="aot_eager")
    for batch in (2, 3, 7):
        probs = random_probs(batch, 5, 9, dtype=torch.float32).requires_grad_()
        latency_us = compiled(probs)
        assert torch.equal(latency_us, term(probs))
        latency_us.sum().backward()
        assert torch.equal(probs.grad, term.table_us.expand(batch, 5, 9))


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

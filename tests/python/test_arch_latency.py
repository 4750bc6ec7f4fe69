"""torch.ops.latgrad.arch_latency against a loop."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad


def obvious(arch, table_us):
    """Layer after layer in Python floats, for one device: the twin of the kernel."""
    prices = []
    for row in arch.reshape(-1, arch.shape[-1]).tolist():
        # In the order of the kernel: two layers make a pair, and the pairs go into two sums in turns.
        chosen = [table_us[layer, candidate].item() for layer, candidate in enumerate(row)]
        pairs = [sum(chosen[layer : layer + 2]) for layer in range(0, len(chosen), 2)]
        prices.append(sum(pairs[0::2], 0.0) + sum(pairs[1::2], 0.0))
        assert prices[-1] == pytest.approx(math.fsum(chosen), rel=1e-15 * len(chosen))
    return torch.tensor(prices, dtype=torch.float64).reshape(arch.shape[:-1])


def test_adds_the_chosen_candidates():
    table_us = torch.tensor([[1.0, 2.0, 4.0], [10.0, 20.0, 40.0]])
    assert latgrad.arch_latency(torch.tensor([2, 1]), table_us).item() == 24.0
    assert latgrad.arch_latency(torch.tensor([[0, 0], [1, 2]]), table_us).tolist() == [11.0, 42.0]


def test_gives_one_latency_per_device():
    table_us = torch.tensor([[[1.0, 2.0]], [[10.0, 20.0]]])
    assert latgrad.arch_latency(torch.tensor([[1], [0], [1]]), table_us).tolist() == [[2, 20], [1, 10], [2, 20]]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("batch", [(), (1,), (6,), (2, 3), (0,), (4000,)])
@pytest.mark.parametrize("layers, candidates", [(22, 9), (1, 1), (7, 16), (5, 17), (2, 200)])
def test_equals_the_loop_to_the_last_bit(dtype, batch, layers, candidates):
    arch = torch.randint(0, candidates, (*batch, layers), dtype=dtype)
    table_us = torch.rand(layers, candidates, dtype=torch.float64) * 1000
    assert torch.equal(latgrad.arch_latency(arch, table_us), obvious(arch, table_us))
    tables_us = torch.stack([table_us, 2 * table_us, torch.rand(layers, candidates, dtype=torch.float64)])
    expected = torch.stack([obvious(arch, table) for table in tables_us], dim=-1)
    assert torch.equal(latgrad.arch_latency(arch, tables_us), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_rounds_once_to_the_dtype_of_the_table(dtype):
    arch = torch.randint(0, 4, (50, 22))
    table_us = (torch.rand(22, 4) * 100).to(dtype)
    assert torch.equal(latgrad.arch_latency(arch, table_us), obvious(arch, table_us.double()).to(dtype))


def test_takes_strided_tensors():
    arch = torch.randint(0, 3, (5, 4)).t()
    table_us = torch.rand(3, 5, dtype=torch.float64).t()
    assert not arch.is_contiguous() and not table_us.is_contiguous()
    assert torch.equal(latgrad.arch_latency(arch, table_us), obvious(arch, table_us))


def test_number_of_threads_does_not_change_a_bit():
    arch = torch.randint(0, 9, (50000, 22), dtype=torch.uint8)
    table_us = torch.rand(2, 22, 9, dtype=torch.float64)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = latgrad.arch_latency(arch, table_us)
        torch.set_num_threads(2)
        assert torch.equal(latgrad.arch_latency(arch, table_us), one)
    finally:
        torch.set_num_threads(before)


def test_equals_expected_latency_of_the_one_hot():
    arch = torch.randint(0, 9, (100, 22))
    table_us = torch.rand(22, 9, dtype=torch.float64)
    one_hot = torch.nn.functional.one_hot(arch, 9).double()
    torch.testing.assert_close(latgrad.arch_latency(arch, table_us), latgrad.expected_latency(one_hot, table_us))


@pytest.mark.parametrize("batch, devices", [((), ()), ((5,), ()), ((2, 2), (3,)), ((0,), ())])
def test_passes_gradcheck_twice_in_the_table(batch, devices):
    arch = torch.randint(0, 3, (*batch, 4))
    table_us = torch.rand(*devices, 4, 3, dtype=torch.float64, requires_grad=True)
    if 0 not in batch:
        assert gradcheck(lambda table: latgrad.arch_latency(arch, table), (table_us,))
        assert gradgradcheck(lambda table: latgrad.arch_latency(arch, table), (table_us,))
    (grad,) = torch.autograd.grad(latgrad.arch_latency(arch, table_us).sum(), table_us)
    counts = torch.nn.functional.one_hot(arch, 3).reshape(-1, 4, 3).sum(0)
    assert torch.equal(grad, counts.double().expand_as(table_us))


@pytest.mark.parametrize("batch, devices", [((), ()), ((5,), ()), ((2, 3), (4,))])
def test_meta_kernel_tells_shape_and_dtype(batch, devices):
    arch = torch.empty(*batch, 3, dtype=torch.uint8, device="meta")
    table_us = torch.empty(*devices, 3, 2, dtype=torch.bfloat16, device="meta")
    result = latgrad.arch_latency(arch, table_us)
    assert result.is_meta and result.shape == batch + devices and result.dtype == torch.bfloat16


BAD_CALLS = [
    ((torch.tensor(1), torch.rand(1, 3)), r"arch must be \[..., layers\], got a scalar"),
    ((torch.tensor([1.0]), torch.rand(1, 3)), "arch must be uint8 or int64, got Float"),
    ((torch.tensor([1], dtype=torch.int32), torch.rand(1, 3)), "arch must be uint8 or int64, got Int"),
    ((torch.tensor([1, 1]), torch.rand(3, 3)), "arch must have one index for each layer of table_us, 3, got 2"),
    ((torch.tensor([1]), torch.rand(3)), r"table_us must be \[layers, candidates\].* got 1 dimension"),
    ((torch.tensor([1]), torch.ones(1, 3, dtype=torch.int64)), "table_us must be float16.* got Long"),
    ((torch.tensor([1]), torch.rand(1, 0)), r"table_us must have no empty dimension, got \[1, 0\]"),
]


@pytest.mark.parametrize("inputs, message", BAD_CALLS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_says_which_rule_an_input_breaks(inputs, message, device):
    with pytest.raises(RuntimeError, match=message):
        latgrad.arch_latency(*(input.to(device) for input in inputs))


def test_refuses_tensors_on_two_devices_and_sparse_ones():
    with pytest.raises(RuntimeError, match="must be on the same device, got cpu and meta"):
        latgrad.arch_latency(torch.tensor([1]), torch.empty(1, 3, device="meta"))
    with pytest.raises(RuntimeError, match="arch must be a dense tensor, got Sparse"):
        latgrad.arch_latency(torch.tensor([1]).to_sparse(), torch.rand(1, 3))


@pytest.mark.parametrize("value", [9, -1, 2**62])
def test_names_layer_and_value_of_an_index_out_of_range(value):
    arch = torch.zeros(20000, 22, dtype=torch.int64)
    arch[17000, 3] = value
    arch[17000, 5] = value
    arch[19000, 0] = value
    message = rf"from 0 to 8 \(table_us has 9 candidates\), got {value} in layer 3 of architecture 17000"
    with pytest.raises(RuntimeError, match=message):
        latgrad.arch_latency(arch, torch.rand(22, 9))


def test_table_gradient_is_added_up_in_float64():
    grad = torch.ones(4096)
    grad[0] = 2.0**26  # float32 would lose each one beside it
    table_us = torch.ones(1, 2, requires_grad=True)
    latgrad.arch_latency(torch.zeros(4096, 1, dtype=torch.int64), table_us).backward(grad)
    assert table_us.grad[0].tolist() == [torch.tensor(2.0**26 + 4095).item(), 0]


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
@pytest.mark.parametrize("candidates", [9, 17])
def test_finds_one_wrong_index_among_many(dtype, candidates):
    arch = torch.zeros(5000, 22, dtype=dtype)
    arch[4321, 7] = candidates
    with pytest.raises(RuntimeError, match=f"got {candidates} in layer 7 of architecture 4321"):
        latgrad.arch_latency(arch, torch.rand(22, candidates))


def test_names_an_index_out_of_range_in_uint8():
    with pytest.raises(RuntimeError, match="got 255 in layer 1 of architecture 0"):
        latgrad.arch_latency(torch.tensor([0, 255], dtype=torch.uint8), torch.rand(2, 255))


def test_refuses_a_latency_that_is_negative_or_not_finite():
    table_us = torch.tensor([[1.0, float("nan")]])
    with pytest.raises(RuntimeError, match="table_us must be finite and not negative, got nan at layer 0, candidate 1"):
        latgrad.arch_latency(torch.tensor([0]), table_us)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_compiles_it():
    @torch.jit.script
    def price(arch: torch.Tensor, table_us: torch.Tensor) -> torch.Tensor:
        return torch.ops.latgrad.arch_latency(arch, table_us)

    assert price(torch.tensor([1]), torch.tensor([[1.0, 2.0]])).item() == 2.0


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")
@pytest.mark.parametrize("devices", [(), (2,)])
def test_passes_opcheck(devices):
    arch = torch.randint(0, 3, (5, 4))
    table_us = torch.rand(*devices, 4, 3, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(torch.ops.latgrad.arch_latency.default, (arch, table_us))


@pytest.mark.parametrize("batch, devices", [((), ()), ((5,), ()), ((2, 3), (2,)), ((0,), ()), ((0,), (2,))])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_kernel_of_other_devices_equals_that_of_the_cpu(dtype, batch, devices):
    # It is made of ATen operators, so it runs on CPU tensors, too.
    operator = torch.ops.latgrad.arch_latency.default
    arch = torch.randint(0, 9, (*batch, 22), dtype=dtype)
    table_us = torch.rand(*devices, 22, 9, dtype=torch.float64)
    torch.testing.assert_close(operator._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, arch, table_us), operator(arch, table_us))
    with pytest.raises(RuntimeError, match="one index for each layer"):
        operator._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, arch[..., 1:], table_us)


def test_kernel_of_other_devices_does_not_read_the_next_layer():
    operator = torch.ops.latgrad.arch_latency.default
    with pytest.raises(RuntimeError, match="out of bounds"):
        operator._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, torch.tensor([3, 0]), torch.rand(2, 3))

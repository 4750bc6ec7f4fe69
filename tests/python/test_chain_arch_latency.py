"""torch.ops.latgrad.chain_arch_latency against the sum along each path, and against chain_latency of one-hot rows."""

import re

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad
from rows import FLOATS, TOLERANCE, random_table

INDEXES = [torch.uint8, torch.int64]


def obvious(arch, table_us):
    """In float64, architecture by architecture."""
    if table_us.dim() == 4:
        return torch.stack([obvious(arch, us) for us in table_us], -1)
    rows = arch.reshape(-1, arch.shape[-1]).tolist()
    sums = [
        sum(table_us[layer, path[layer - 1] if layer else 0, choice].double() for layer, choice in enumerate(path))
        for path in rows
    ]
    return torch.tensor(sums, dtype=torch.float64).reshape(arch.shape[:-1])


def test_adds_the_latencies_along_the_path():
    table_us = torch.tensor([[[1.0, 2.0], [7.0, 7.0]], [[10.0, 20.0], [30.0, 40.0]]])
    arch = torch.tensor([[0, 0], [0, 1], [1, 0], [1, 1]])
    assert latgrad.chain_arch_latency(arch, table_us).tolist() == [11.0, 21.0, 32.0, 42.0]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("batch", [(), (1,), (2, 3), (0,), (50,)])
@pytest.mark.parametrize("devices", [(), (3,)])
def test_equals_the_obvious_sum(dtype, index, batch, devices):
    arch = torch.randint(0, 6, (*batch, 5)).to(index)
    table_us = (torch.rand(*devices, 5, 6, 6) * 100).to(dtype)
    result = latgrad.chain_arch_latency(arch, table_us)
    assert result.dtype == dtype and result.shape == batch + devices
    torch.testing.assert_close(result.double(), obvious(arch, table_us), rtol=TOLERANCE[dtype], atol=0)


@pytest.mark.parametrize("layers, candidates", [(1, 1), (4, 1), (1, 4), (7, 17)])
@pytest.mark.parametrize("devices", [(), (2,)])
def test_is_the_chain_latency_of_one_hot_rows(layers, candidates, devices):
    arch = torch.randint(0, candidates, (30, layers))
    table_us = random_table(*devices, layers, candidates, candidates)
    one_hot = torch.nn.functional.one_hot(arch, candidates).double()
    torch.testing.assert_close(latgrad.chain_arch_latency(arch, table_us), latgrad.chain_latency(one_hot, table_us))


def test_layer_0_reads_its_first_row_only():
    table_us = random_table(3, 4, 4)
    ignored = table_us.clone()
    ignored[0, 1:] = float("nan")
    arch = torch.randint(0, 4, (20, 3))
    assert torch.equal(latgrad.chain_arch_latency(arch, ignored), latgrad.chain_arch_latency(arch, table_us))


@pytest.mark.parametrize("devices", [(), (2,)])
def test_passes_gradcheck_twice_in_the_table(devices):
    arch = torch.randint(0, 3, (2, 4, 3))
    table_us = random_table(*devices, 3, 3, 3).requires_grad_()
    function = lambda us: latgrad.chain_arch_latency(arch, us)  # noqa: E731
    assert gradcheck(function, (table_us,), check_forward_ad=True)
    assert gradgradcheck(lambda us: function(us.square()), (table_us,))


def test_the_gradient_counts_each_pair():
    table_us = random_table(2, 2, 2).requires_grad_()
    latgrad.chain_arch_latency(torch.tensor([[1, 0], [1, 0], [0, 1]]), table_us).sum().backward()
    assert table_us.grad.tolist() == [[[1, 2], [0, 0]], [[0, 1], [2, 0]]]


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("devices", [(), (2,)])
def test_number_of_threads_does_not_change_a_bit(index, devices):
    arch = torch.randint(0, 6, (20000, 12)).to(index)
    table_us = torch.rand(*devices, 12, 6, 6) * 1000
    before = torch.get_num_threads()
    outcomes = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            outcomes.append(latgrad.chain_arch_latency(arch, table_us))
    finally:
        torch.set_num_threads(before)
    assert torch.equal(*outcomes)
    assert torch.equal(outcomes[0][-1], latgrad.chain_arch_latency(arch[-1], table_us))


def test_takes_strided_tensors():
    arch = torch.randint(0, 3, (4, 20)).t()
    table_us = random_table(3, 3, 4).permute(2, 0, 1)
    torch.testing.assert_close(latgrad.chain_arch_latency(arch, table_us), obvious(arch, table_us))


@pytest.mark.parametrize("index", INDEXES)
@pytest.mark.parametrize("batch, devices", [((), ()), ((5,), ()), ((2, 3), (2,)), ((0,), (2,))])
@pytest.mark.parametrize("layers", [1, 4])
def test_kernel_of_other_devices_equals_that_of_the_cpu(index, batch, devices, layers):
    forward = torch.ops.latgrad.chain_arch_latency.default
    key = torch._C.DispatchKey.CompositeExplicitAutograd
    arch = torch.randint(0, 3, (*batch, layers)).to(index)
    table_us = random_table(*devices, layers, 3, 3)
    torch.testing.assert_close(forward._op_dk(key, arch, table_us), forward(arch, table_us))


@pytest.mark.parametrize("wrong", [[0, 0, 3], [0, 1, -1], [3, 0, 0], [2, -1, 2]])
def test_kernel_of_other_devices_takes_no_index_out_of_range(wrong):
    # As a pair the last choice of the first two would lie in the table, at another place.
    forward = torch.ops.latgrad.chain_arch_latency.default
    with pytest.raises(RuntimeError, match="out of bounds"):
        forward._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, torch.tensor(wrong), random_table(3, 3, 3))


@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 2), (2,))])
def test_meta_kernel_tells_shape_and_dtype(batch, devices):
    arch = torch.empty(*batch, 3, dtype=torch.int64, device="meta")
    table_us = torch.empty(*devices, 3, 4, 4, dtype=torch.float16, device="meta")
    latency_us = latgrad.chain_arch_latency(arch, table_us)
    assert latency_us.is_meta and latency_us.shape == batch + devices and latency_us.dtype == torch.float16


ARCH, T = torch.zeros(2, dtype=torch.int64), 1 + torch.rand(2, 3, 3)


@pytest.mark.parametrize("arch, table_us, message", [
    (torch.tensor([0, 3]), T, "arch must hold candidate indexes from 0 to 2 (table_us has 3 candidates), got 3 in layer 1 of architecture 0"),
    (torch.tensor([[0, 1], [-1, 0]]), T, "got -1 in layer 0 of architecture 1"),
    (torch.tensor([0, 200], dtype=torch.uint8), T, "got 200 in layer 1 of architecture 0"),
    (ARCH.int(), T, "arch must be uint8 or int64, got Int"),
    (torch.tensor(0), T, "arch must be [..., layers], got a scalar"),
    (torch.zeros(3, dtype=torch.int64), T, "arch must have one index for each layer of table_us, 2, got 3"),
    (ARCH, T[0], "table_us must be [layers, candidates, candidates] or [devices, layers, candidates, candidates], got 2 dimensions"),
    (ARCH, torch.rand(2, 3, 4), "table_us must have a row for each candidate of the layer before, as many as it has candidates, got [2, 3, 4]"),
    (ARCH, T.int(), "table_us must be float16, bfloat16, float32 or float64, got Int"),
    (ARCH, -T, "table_us must be finite and not negative, got -"),
    (ARCH.to("meta"), T, "arch and table_us must be on the same device, got meta and cpu"),
])
def test_says_which_rule_a_call_breaks(arch, table_us, message):
    for function in (latgrad.chain_arch_latency, torch.inference_mode()(latgrad.chain_arch_latency)):
        with pytest.raises(RuntimeError, match=re.escape(message)):
            function(arch, table_us)

"""Where the operators run: TorchScript, second derivatives, meta tensors and, with torch 2.x, the compiler stack."""

import io

import pytest
import torch

import latgrad
from rows import ragged_mask, random_probs, random_table

VALID = ragged_mask(4, 5)
ops = torch.ops.latgrad


class Latencies(torch.nn.Module):
    """Every operator once, as buffers and a seed make them functions of theta alone."""

    def __init__(self, dtype=torch.float32):
        super().__init__()
        self.register_buffer("table_us", random_table(4, 5, dtype=dtype))
        self.register_buffer("fleet_us", random_table(2, 4, 5, dtype=dtype))
        self.register_buffer("chain_us", random_table(4, 5, 5, dtype=dtype))
        self.register_buffer("valid", VALID.clone())
        self.register_buffer("seed", torch.tensor(17))
        self.register_buffer("arch", torch.tensor([0, 1, 2, 3]))

    def forward(self, theta: torch.Tensor) -> torch.Tensor:
        weights, latency_us = torch.ops.latgrad.gumbel_latency_sample(
            theta, self.fleet_us, self.seed, 0.7, self.valid, False)
        hard, hard_us = torch.ops.latgrad.gumbel_latency_sample(
            theta, self.table_us, self.seed, 0.7, None, True)
        return (
            torch.ops.latgrad.expected_latency(theta.softmax(-1), self.table_us)
            + torch.ops.latgrad.chain_latency(theta.softmax(-1), self.chain_us)
            + torch.ops.latgrad.softmax_latency(theta, self.table_us, self.valid)
            + latency_us.sum(-1) + weights.square().sum(dim=[-2, -1])
            + hard_us + (hard * self.table_us).sum(dim=[-2, -1])
            + torch.ops.latgrad.arch_latency(self.arch, self.table_us)
            + torch.ops.latgrad.chain_arch_latency(self.arch, self.chain_us)
        )


class Sample(torch.nn.Module):
    """A sample of the default generator."""

    def __init__(self):
        super().__init__()
        self.register_buffer("table_us", random_table(4, 5, dtype=torch.float32))

    def forward(self, theta: torch.Tensor):
        return torch.ops.latgrad.gumbel_latency(theta, self.table_us, 1.0)


def assert_agree(module, other, *batch, dtype=torch.float32):
    """`other` gives the values and gradients that `module` gives."""
    theta = torch.randn(*batch, 4, 5, dtype=dtype, requires_grad=True)
    results = [call(theta) for call in (module, other)]
    torch.testing.assert_close(*results)
    # A sum of gradients of some hundred microseconds, which may be added in another order.
    torch.testing.assert_close(*(torch.autograd.grad(result.sum(), theta)[0] for result in results), rtol=1e-5, atol=1e-4)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("make", [torch.jit.script, lambda module: torch.jit.trace(module, torch.randn(3, 4, 5))])
def test_torchscript_runs_saves_and_loads(make):
    module = Latencies()
    compiled = make(module)
    file = io.BytesIO()
    torch.jit.save(compiled, file)
    file.seek(0)
    for _ in range(3):  # the second and third run are those that TorchScript optimises
        assert_agree(module, compiled, 3)
        assert_agree(module, compiled, 7)
    assert_agree(module, torch.jit.load(file), 3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_samples_from_the_default_generator():
    module = Sample()
    compiled = torch.jit.script(module)
    theta = torch.randn(3, 4, 5)
    samples = []
    for call in (module, compiled):
        torch.manual_seed(5)
        samples.append(call(theta))
    for one, other in zip(*samples):
        assert torch.equal(one, other)


@pytest.mark.parametrize("operator", [
    lambda theta, table_us: latgrad.expected_latency(theta.softmax(-1), table_us),
    lambda theta, table_us: latgrad.softmax_latency(theta, table_us, VALID),
    lambda theta, table_us: latgrad.gumbel_latency(theta, table_us, 0.7, generator=torch.Generator().manual_seed(1))[1],
])
def test_hessian_is_that_of_the_double_gradient(operator):
    theta = torch.randn(4, 5, dtype=torch.float64)
    table_us = random_table(4, 5)

    def squared(theta):
        return operator(theta, table_us).square()

    hessian = torch.autograd.functional.hessian(squared, theta).reshape(20, 20)
    torch.testing.assert_close(hessian, hessian.T)
    step, around = 1e-5, torch.eye(20, dtype=torch.float64).reshape(20, 4, 5)
    for i in range(20):
        ends = [torch.autograd.functional.jacobian(squared, theta + sign * step * around[i]) for sign in (1, -1)]
        torch.testing.assert_close(hessian[i], ((ends[0] - ends[1]) / (2 * step)).reshape(20), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float64])
@pytest.mark.parametrize("batch, devices", [((), ()), ((5,), ()), ((2, 3), (4,)), ((0,), ())])
def test_meta_kernels_tell_shape_and_dtype(dtype, batch, devices):
    theta = torch.empty(*batch, 4, 5, dtype=dtype, device="meta")
    table_us = torch.empty(*devices, 4, 5, device="meta")
    valid = torch.empty(4, 5, dtype=torch.bool, device="meta")
    wider = torch.promote_types(dtype, torch.float32)
    for latency_us in (ops.expected_latency(theta, table_us), ops.softmax_latency(theta, table_us, valid)):
        assert latency_us.is_meta and latency_us.shape == batch + devices and latency_us.dtype == wider
    for hard in (False, True):
        weights, latency_us = ops.gumbel_latency(theta, table_us, 1.0, valid, hard)
        assert weights.is_meta and weights.shape == theta.shape and weights.dtype == dtype
        assert latency_us.shape == batch + devices and latency_us.dtype == wider
    outputs = ops.gumbel_latency_backward(weights, latency_us, weights, weights, table_us, table_us.sum(), valid, [True, False])
    assert [output.shape for output in outputs] == [theta.shape, (0,)]
    same = table_us.to(dtype)
    grad = ops.softmax_latency(theta, same)
    outputs = ops.softmax_latency_backward(grad, theta, same, valid, [True, True])
    assert [output.shape for output in outputs] == [theta.shape, table_us.shape]


has_opcheck = pytest.mark.skipif(
    not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")


def opcheck_cases():
    table_us = random_table(4, 5).requires_grad_()
    fleet_us = random_table(2, 4, 5).requires_grad_()
    theta = torch.randn(3, 4, 5, dtype=torch.float64, requires_grad=True)
    seed = torch.tensor(3)
    noise = torch.randn(3, 4, 5, dtype=torch.float64)
    grad, grads = torch.rand(3, dtype=torch.float64), torch.rand(3, 2, dtype=torch.float64)
    soft = random_probs(3, 4, 5)
    chains_us = random_table(2, 4, 5, 5)
    for mine, upstream in ((chains_us[0], grad), (chains_us, grads)):
        yield "chain_latency", (soft.clone().requires_grad_(), mine.clone().requires_grad_())
        yield "chain_latency_backward", (upstream, soft, mine, [True, True])
        yield "chain_arch_latency", (torch.tensor([[0, 1, 2, 3]]), mine.clone().requires_grad_())
    temperature = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    for mine, upstream in ((table_us, grad), (fleet_us, grads)):
        yield "expected_latency", (theta, mine)
        yield "expected_latency_backward", (upstream, soft, mine.detach(), [True, True])
        yield "softmax_latency", (theta, mine)
        yield "softmax_latency", (theta, mine, VALID)
        yield "softmax_latency_backward", (upstream, theta.detach(), mine.detach(), VALID, [True, True])
        yield "gumbel_latency_sample", (theta, mine, seed, 0.7, None, False)
        yield "gumbel_latency_sample", (theta, mine, noise, 0.7, VALID, True)
        yield "gumbel_latency_sample.Tensor", (theta, mine, noise, temperature, VALID, True)
        yield "gumbel_latency_backward", (soft, upstream, soft, soft, mine.detach(), temperature.detach(), VALID, [True, True])
        yield "gumbel_latency_backward", (None, upstream, soft, soft, mine.detach(), temperature.detach(), None, [True, False])
        yield "arch_latency", (torch.tensor([[0, 1, 2, 3]]), mine)


@has_opcheck
def test_every_operator_passes_opcheck():
    for name, inputs in opcheck_cases():
        operator, _, overload = name.partition(".")
        torch.library.opcheck(getattr(getattr(ops, operator), overload or "default"), inputs)


@has_opcheck
def test_the_sampling_operator_passes_what_opcheck_asks_of_a_random_one():
    inputs = (torch.randn(3, 4, 5, requires_grad=True), random_table(4, 5, dtype=torch.float32), 0.7)
    torch.library.opcheck(ops.gumbel_latency.default, inputs, test_utils=("test_schema", "test_faketensor"))


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiles_into_one_graph_for_every_batch():
    module = Latencies()
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    for batch in (2, 3, 7):
        assert_agree(module, compiled, batch)


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_a_compiled_sample_is_a_sample():
    module = Sample()
    compiled = torch.compile(module, fullgraph=True, dynamic=True)
    theta = torch.randn(6, 4, 5, requires_grad=True)
    first, second = compiled(theta), compiled(theta)
    assert not torch.equal(first[0], second[0])
    weights, latency_us = first
    torch.testing.assert_close(latency_us, (weights * module.table_us).sum((-2, -1)))
    (grad,) = torch.autograd.grad(latency_us.sum(), theta)
    upstream = weights * module.table_us
    torch.testing.assert_close(grad, upstream - weights * upstream.sum(-1, keepdim=True), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not hasattr(torch, "export"), reason="torch.export came with torch 2.1")
def test_exports_saves_and_loads(tmp_path):
    module = Latencies()
    batch = torch.export.Dim("batch", min=2)
    program = torch.export.export(module, (torch.randn(3, 4, 5),), dynamic_shapes={"theta": {0: batch}})
    torch.export.save(program, str(tmp_path / "latencies.pt2"))
    loaded = torch.export.load(str(tmp_path / "latencies.pt2")).module()
    theta = torch.randn(8, 4, 5)
    torch.testing.assert_close(loaded(theta), module(theta))


needs_func = pytest.mark.skipif(not hasattr(torch, "func"), reason="torch.func came with torch 2.0")


@needs_func
def test_func_grad_and_hessian():
    module = Latencies(torch.float64)
    theta = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    (grad,) = torch.autograd.grad(module(theta), theta)
    torch.testing.assert_close(torch.func.grad(module)(theta.detach()), grad)
    hessian = torch.func.jacrev(torch.func.jacrev(module))(theta.detach())
    torch.testing.assert_close(hessian, torch.autograd.functional.hessian(module, theta))


@needs_func
def test_vmap_adds_a_batch_dimension():
    module = Latencies(torch.float64)
    theta = torch.randn(6, 4, 5, dtype=torch.float64)
    torch.testing.assert_close(torch.func.vmap(module)(theta), torch.stack([module(row) for row in theta]))
    ours = torch.func.vmap(torch.func.grad(module))(theta)
    torch.testing.assert_close(ours, torch.stack([torch.func.grad(module)(row) for row in theta]))


@needs_func
@pytest.mark.filterwarnings("error:There is a performance drop")
def test_vmap_over_rows_or_tables_needs_no_loop(capfd):
    theta = torch.randn(6, 4, 5, dtype=torch.float64)
    tables_us = random_table(3, 4, 5)
    for operator in (latgrad.softmax_latency, latgrad.expected_latency):
        over_tables = torch.func.vmap(operator, in_dims=(None, 0))(theta, tables_us)
        torch.testing.assert_close(over_tables, operator(theta, tables_us).T)
        over_rows = torch.func.vmap(operator, in_dims=(0, None))(theta, tables_us)
        torch.testing.assert_close(over_rows, operator(theta, tables_us))
    probs, chains_us = theta.softmax(-1), random_table(3, 4, 5, 5)
    over_tables = torch.func.vmap(latgrad.chain_latency, in_dims=(None, 0))(probs, chains_us)
    torch.testing.assert_close(over_tables, latgrad.chain_latency(probs, chains_us).T)
    over_rows = torch.func.vmap(latgrad.chain_latency, in_dims=(0, None))(probs, chains_us)
    torch.testing.assert_close(over_rows, latgrad.chain_latency(probs, chains_us))
    arch = torch.randint(0, 5, (6, 4))
    ours = torch.func.vmap(latgrad.arch_latency, in_dims=(0, None))(arch, tables_us[0])
    torch.testing.assert_close(ours, latgrad.arch_latency(arch, tables_us[0]))
    ours = torch.func.vmap(latgrad.chain_arch_latency, in_dims=(0, None))(arch, chains_us[0])
    torch.testing.assert_close(ours, latgrad.chain_arch_latency(arch, chains_us[0]))
    # Outside of Python's own calls torch writes its warnings, which no filter sees.
    assert "performance drop" not in capfd.readouterr().err

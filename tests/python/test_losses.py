"""The losses: values a person can check by hand, gradients, errors, and every way to call them."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
has_compile = pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
has_export = pytest.mark.skipif(not hasattr(torch, "export"), reason="torch.export came with torch 2.1")
has_func = pytest.mark.skipif(not hasattr(torch, "func"), reason="torch.func came with torch 2.0")

# Each with the latency alone as its tensor, and the cross-entropy beside it where there is one.
LOSSES = {
    "log_latency": lambda ce, latency_us: latgrad.log_latency(latency_us),
    "fbnet_loss": lambda ce, latency_us: latgrad.fbnet_loss(ce, latency_us),
    "proxylessnas_loss": lambda ce, latency_us: latgrad.proxylessnas_loss(ce, latency_us, 8000.0, 0.1),
    "proxylessnas_log_loss": lambda ce, latency_us: latgrad.proxylessnas_log_loss(ce, latency_us, 8000.0, 0.2, 0.3),
    "tunas_penalty": lambda ce, latency_us: latgrad.tunas_penalty(latency_us, 8000.0),
    "hinge_penalty": lambda ce, latency_us: latgrad.hinge_penalty(latency_us, 8000.0),
}
TAKES_LOGARITHM = ["log_latency", "fbnet_loss", "proxylessnas_log_loss"]
every_loss = pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())


def scalar(value, dtype=torch.float64):
    return torch.tensor(value, dtype=dtype)


@pytest.mark.parametrize("loss, expected", [
    (latgrad.log_latency(scalar(1.0)), 0.0),
    (latgrad.log_latency(scalar(math.e)), 1.0),
    # ln(e^32) is 32, whose 0.6th power is 2^3: 1.5 * 0.2 * 8.
    (latgrad.fbnet_loss(scalar(1.5), scalar(math.exp(32.0))), 2.4),
    # 10 ms: ln(10000) = 9.2103 and 9.2103^0.6 = 3.7894.
    (latgrad.fbnet_loss(scalar(2.0), scalar(10000.0)), 2.0 * 0.2 * 3.789356),
    # Not the logarithm of a power: ln(10000^2) would be 2 * 9.2103.
    (latgrad.fbnet_loss(scalar(1.0), scalar(10000.0), alpha=1.0, beta=2.0), 9.210340372 ** 2),
    # A fifth above the target, times one half; a fifth below it.
    (latgrad.proxylessnas_loss(scalar(2.0), scalar(12000.0), target_us=10000.0, weight=0.5), 2.1),
    (latgrad.proxylessnas_loss(scalar(2.0), scalar(8000.0), target_us=10000.0, weight=0.5), 1.9),
    # 10000 is the square of 100, so the logarithms have the ratio 2: 0.5 * 3 * 2^2.
    (latgrad.proxylessnas_log_loss(scalar(3.0), scalar(10000.0), target_us=100.0, alpha=0.5, beta=2.0), 6.0),
    (latgrad.tunas_penalty(scalar(12000.0), target_us=10000.0), 0.2),
    (latgrad.tunas_penalty(scalar(8000.0), target_us=10000.0), 0.2),
    (latgrad.hinge_penalty(scalar(12000.0), target_us=10000.0), 0.2),
    (latgrad.hinge_penalty(scalar(8000.0), target_us=10000.0), 0.0),
])
def test_has_the_value_that_the_formula_gives(loss, expected):
    assert loss.shape == () and loss.item() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("loss, expected", [
    # d/dL of ce * alpha * ln(L)^beta is ce * alpha * beta * ln(L)^(beta - 1) / L; at beta 1 the power is gone.
    (lambda latency_us: latgrad.fbnet_loss(scalar(2.0), latency_us, alpha=0.5, beta=1.0), 2.0 * 0.5 / 5000),
    (lambda latency_us: latgrad.proxylessnas_loss(scalar(2.0), latency_us, 10000.0, 0.5), 0.5 / 10000),
    (lambda latency_us: latgrad.proxylessnas_log_loss(scalar(2.0), latency_us, math.e, 0.5, 1.0), 2.0 * 0.5 / 5000),
    (lambda latency_us: latgrad.tunas_penalty(latency_us, 10000.0), -1 / 10000),
    (lambda latency_us: latgrad.tunas_penalty(latency_us, 4000.0), 1 / 4000),
    (lambda latency_us: latgrad.tunas_penalty(latency_us, 5000.0), 0.0),
    (lambda latency_us: latgrad.hinge_penalty(latency_us, 10000.0), 0.0),
    (lambda latency_us: latgrad.hinge_penalty(latency_us, 4000.0), 1 / 4000),
    (lambda latency_us: latgrad.hinge_penalty(latency_us, 5000.0), 0.0),
])
def test_has_the_slope_that_the_formula_gives(loss, expected):
    latency_us = scalar(5000.0).requires_grad_()
    loss(latency_us).backward()
    assert latency_us.grad.item() == pytest.approx(expected, rel=1e-12)


@every_loss
def test_passes_gradcheck_twice(loss):
    cross_entropy = torch.rand(3, 1, dtype=torch.float64, requires_grad=True)
    latency_us = (torch.rand(4, dtype=torch.float64) * 5 + 2).requires_grad_()
    assert gradcheck(loss, (cross_entropy, latency_us))
    assert gradgradcheck(loss, (cross_entropy, latency_us))


@every_loss
@pytest.mark.parametrize("dtype", FLOATS)
def test_keeps_the_dtype_of_its_operands(loss, dtype):
    cross_entropy, latency_us = scalar(2.0, dtype), torch.tensor([8192.0, 9216.0], dtype=dtype)
    result = loss(cross_entropy, latency_us)
    assert result.dtype == dtype and result.shape == (2,)
    exact = loss(cross_entropy.double(), latency_us.double())
    tolerance = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(result.double(), exact, rtol=tolerance, atol=tolerance)


def test_half_precision_keeps_the_distance_from_the_target():
    # The quotient 8192 / 8190 is 1 in float16.
    latency_us = torch.tensor(8192.0).half()
    assert latgrad.hinge_penalty(latency_us, 8190.0).item() == pytest.approx(2 / 8190, rel=1e-3)
    assert latgrad.tunas_penalty(latency_us, 8190.0).item() == pytest.approx(2 / 8190, rel=1e-3)
    assert latgrad.proxylessnas_loss(0 * latency_us, latency_us, 8190.0, 1.0).item() == pytest.approx(2 / 8190, rel=1e-3)


def test_mixed_precisions_meet_in_the_wider_one():
    cross_entropy = scalar(2.0, torch.float32).requires_grad_()
    loss = latgrad.fbnet_loss(cross_entropy, scalar(8000.0))  # float64, as of a table
    assert loss.dtype == torch.float64
    loss.backward()
    assert cross_entropy.grad.dtype == torch.float32


def test_takes_a_fleet_and_broadcasts():
    latency_us = torch.tensor([8000.0, 16000.0])
    assert latgrad.proxylessnas_loss(torch.tensor(1.0), latency_us, 8000.0, 0.5).tolist() == [1.0, 1.5]
    assert latgrad.fbnet_loss(torch.ones(3, 1), latency_us).shape == (3, 2)
    assert latgrad.log_latency(torch.empty(0)).shape == (0,)
    every_second = torch.tensor([1.0, 0.0, math.e, 0.0])[::2]  # the zeros between are not looked at
    torch.testing.assert_close(latgrad.log_latency(every_second), torch.tensor([0.0, 1.0]))


def test_gradient_reaches_the_architecture_parameters():
    table_us = torch.tensor([[1000.0, 3000.0]], dtype=torch.float64)
    theta = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    latency_us = latgrad.expected_latency(theta.softmax(-1), table_us)
    (latgrad.hinge_penalty(latency_us, 1000.0)).backward()
    # d/dtheta of softmax at one half, p0 * p1 * (difference), over the target.
    torch.testing.assert_close(theta.grad, torch.tensor([[-0.5, 0.5]], dtype=torch.float64))


@pytest.mark.parametrize("name", TAKES_LOGARITHM)
@pytest.mark.parametrize("value, text", [
    (0.999, "0.999"), (0.0, "0"), (-3.0, "-3"), (math.nan, "nan"), (math.inf, "inf"),
])
def test_refuses_a_latency_that_is_outside_the_logarithm(name, value, text):
    rule = "latency_us must be finite and at least 1 us where its logarithm is taken"
    with pytest.raises(RuntimeError, match=f"{rule}, got {text}"):
        LOSSES[name](scalar(2.0), scalar(value))
    with pytest.raises(RuntimeError, match=f"{rule}, got {text} at element 4 of 6"):
        LOSSES[name](scalar(2.0), torch.tensor([[8000.0, 1.0, 2.0], [5.0, value, 0.5]], dtype=torch.float64))


def test_half_precision_that_ended_in_infinity_is_refused():
    with pytest.raises(RuntimeError, match="at least 1 us where its logarithm is taken, got inf"):
        latgrad.fbnet_loss(torch.tensor(2.0), torch.tensor(70000.0).half())


@pytest.mark.parametrize("name", [name for name in LOSSES if name not in TAKES_LOGARITHM])
def test_nan_passes_where_no_logarithm_is_taken(name):
    assert LOSSES[name](scalar(2.0), scalar(math.nan)).isnan()


TENSOR = torch.tensor(2.0)
BAD_CALLS = [
    (lambda ops: ops.log_latency(torch.tensor(2)), "latency_us must be float16, bfloat16, float32 or float64, got Long"),
    (lambda ops: ops.log_latency(torch.rand(2).to_sparse()), "latency_us must be a dense tensor, got Sparse"),
    (lambda ops: ops.fbnet_loss(torch.tensor(2), TENSOR), "cross_entropy must be float16.* got Long"),
    (lambda ops: ops.fbnet_loss(TENSOR, torch.tensor(2)), "latency_us must be float16.* got Long"),
    (lambda ops: ops.fbnet_loss(TENSOR, TENSOR, math.nan, 0.6), "alpha must be finite, got nan"),
    (lambda ops: ops.fbnet_loss(TENSOR, TENSOR, 0.2, math.inf), "beta must be finite, got inf"),
    (lambda ops: ops.fbnet_loss(torch.ones(2), torch.full((3,), 2.0)), "must match the size of tensor b"),
    (lambda ops: ops.proxylessnas_loss(torch.tensor(2), TENSOR, 1.0, 0.1), "cross_entropy must be float16.* got Long"),
    (lambda ops: ops.proxylessnas_loss(TENSOR, torch.tensor(2), 1.0, 0.1), "latency_us must be float16.* got Long"),
    (lambda ops: ops.proxylessnas_loss(TENSOR, TENSOR, 1.0, math.nan), "weight must be finite, got nan"),
    (lambda ops: ops.proxylessnas_log_loss(torch.tensor(2), TENSOR, 2.0, 0.2, 0.3), "cross_entropy must be float16"),
    (lambda ops: ops.proxylessnas_log_loss(TENSOR, torch.tensor(2), 2.0, 0.2, 0.3), "latency_us must be float16"),
    (lambda ops: ops.proxylessnas_log_loss(TENSOR, TENSOR, 2.0, math.inf, 0.3), "alpha must be finite, got inf"),
    (lambda ops: ops.proxylessnas_log_loss(TENSOR, TENSOR, 2.0, 0.2, math.nan), "beta must be finite, got nan"),
    (lambda ops: ops.tunas_penalty(torch.tensor(2), 1.0), "latency_us must be float16.* got Long"),
    (lambda ops: ops.hinge_penalty(torch.tensor(2), 1.0), "latency_us must be float16.* got Long"),
]
for target, text in [(0.0, "0"), (-1.0, "-1"), (math.nan, "nan"), (math.inf, "inf")]:
    rule = f"target_us must be positive and finite, got {text}"
    BAD_CALLS += [
        (lambda ops, target=target: ops.proxylessnas_loss(TENSOR, TENSOR, target, 0.1), rule),
        (lambda ops, target=target: ops.tunas_penalty(TENSOR, target), rule),
        (lambda ops, target=target: ops.hinge_penalty(TENSOR, target), rule),
    ]
for target, text in [(1.0, "1"), (0.5, "0.5"), (math.nan, "nan"), (math.inf, "inf")]:
    BAD_CALLS.append((
        lambda ops, target=target: ops.proxylessnas_log_loss(TENSOR, TENSOR, target, 0.2, 0.3),
        f"target_us must be finite and more than 1 us, as its logarithm divides, got {text}",
    ))


@pytest.mark.parametrize("call, message", BAD_CALLS)
def test_says_which_rule_an_argument_breaks(call, message):
    for ops in (latgrad, torch.ops.latgrad):
        with pytest.raises(RuntimeError, match=message):
            call(ops)


@every_loss
def test_meta_kernels_tell_shape_and_dtype(loss):
    result = loss(torch.empty(3, 1, device="meta"), torch.empty(3, 2, device="meta", dtype=torch.float64))
    assert result.is_meta and result.shape == (3, 2) and result.dtype == torch.float64
    with pytest.raises(RuntimeError, match="latency_us must be float16.* got Long"):
        loss(torch.empty(3, 1, device="meta"), torch.empty(3, 2, device="meta", dtype=torch.int64))


class Objective(torch.nn.Module):
    """All losses in one, through the functions of the package."""

    def forward(self, cross_entropy: torch.Tensor, latency_us: torch.Tensor) -> torch.Tensor:
        return (
            latgrad.fbnet_loss(cross_entropy, latency_us)
            + latgrad.proxylessnas_loss(cross_entropy, latency_us, 8000.0, 0.1)
            + latgrad.proxylessnas_log_loss(cross_entropy, latency_us, 8000.0, 0.2, 0.3)
            + latgrad.tunas_penalty(latency_us, 8000.0)
            + latgrad.hinge_penalty(latency_us, 8000.0)
        )


OUTSIDE = "at least 1 us where its logarithm is taken, got 0.5 at element 1 of 2"


def check_against_eager(run):
    for size in (2, 5):
        inputs = torch.rand(size, requires_grad=True), (torch.rand(size) * 1e4 + 1).requires_grad_()
        ours, theirs = run(*inputs), Objective()(*inputs)
        torch.testing.assert_close(ours, theirs)
        for mine, other in zip(torch.autograd.grad(ours.sum(), inputs), torch.autograd.grad(theirs.sum(), inputs)):
            torch.testing.assert_close(mine, other)
    with pytest.raises(Exception, match=OUTSIDE):
        run(torch.rand(2), torch.tensor([2.0, 0.5]))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_gives_the_same_and_still_checks(tmp_path):
    torch.jit.script(Objective()).save(str(tmp_path / "objective.pt"))
    check_against_eager(torch.jit.load(str(tmp_path / "objective.pt")))


@has_compile
def test_compiles_into_one_graph_and_still_checks():
    check_against_eager(torch.compile(Objective(), fullgraph=True, dynamic=True, backend="aot_eager"))


@has_export
def test_exports_and_still_checks(tmp_path):
    batch = torch.export.Dim("batch", min=2)
    shapes = {"cross_entropy": {0: batch}, "latency_us": {0: batch}}
    program = torch.export.export(Objective(), (torch.rand(3), torch.rand(3) + 1), dynamic_shapes=shapes)
    torch.export.save(program, str(tmp_path / "objective.pt2"))
    check_against_eager(torch.export.load(str(tmp_path / "objective.pt2")).module())


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")
@pytest.mark.parametrize("name, numbers", [
    ("log_latency", ()), ("fbnet_loss", (0.2, 0.6)), ("proxylessnas_loss", (8000.0, 0.1)),
    ("proxylessnas_log_loss", (8000.0, 0.2, 0.3)), ("tunas_penalty", (8000.0,)), ("hinge_penalty", (8000.0,)),
])
def test_passes_opcheck(name, numbers):
    tensors = [(torch.rand(3, dtype=torch.float64) * 10 + 1).requires_grad_()]
    if name.endswith("loss"):
        tensors.insert(0, torch.rand(3, dtype=torch.float64, requires_grad=True))
    torch.library.opcheck(getattr(torch.ops.latgrad, name).default, (*tensors, *numbers))


@has_func
@every_loss
def test_torch_func_maps_and_differentiates(loss):
    cross_entropy = torch.rand(4, dtype=torch.float64)
    latency_us = torch.rand(4, dtype=torch.float64) * 10 + 1
    torch.testing.assert_close(torch.func.vmap(loss)(cross_entropy, latency_us), loss(cross_entropy, latency_us))
    slopes = torch.func.vmap(torch.func.grad(loss, argnums=1))(cross_entropy, latency_us)
    latency_us.requires_grad_()
    torch.testing.assert_close(slopes, *torch.autograd.grad(loss(cross_entropy, latency_us).sum(), latency_us))


@pytest.mark.parametrize("dtype", FLOATS)
def test_kernel_of_other_devices_gives_nan_outside(dtype):
    # It is made of ATen operators, so it runs on CPU tensors, too.
    values = [8192.0, 1.0, 0.5, 0.0, -1.0, math.inf, -math.inf, math.nan]
    latency_us = torch.tensor(values, dtype=dtype)
    kernel = torch.ops.latgrad.log_latency.default
    result = kernel._op_dk(torch._C.DispatchKey.CompositeExplicitAutograd, latency_us)
    assert result.dtype == dtype
    assert torch.equal(result[:2], latgrad.log_latency(latency_us[:2]))
    assert result[2:].isnan().all()

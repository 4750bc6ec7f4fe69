"""Sum, maximum and smooth maximum over a fleet of devices."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad

FLOATS = [torch.float16, torch.bfloat16, torch.float32, torch.float64]
SHARES = torch.tensor([0.5, 0.25, 0.125, 0.125])  # exact in every dtype
FLEETS = {
    "sum": latgrad.fleet_sum,
    "weighted_sum": lambda latency_us: latgrad.fleet_sum(latency_us, SHARES.to(latency_us.dtype)),
    "max": latgrad.fleet_max,
    "smooth_max": lambda latency_us: latgrad.fleet_smooth_max(latency_us, 100.0),
}
every_fleet = pytest.mark.parametrize("fleet", FLEETS.values(), ids=FLEETS.keys())


def test_has_the_value_that_the_formula_gives():
    latency_us = torch.tensor([[1000.0, 3000.0, 2000.0], [5.0, 5.0, 5.0]], dtype=torch.float64)
    assert latgrad.fleet_sum(latency_us).tolist() == [6000.0, 15.0]
    weights = torch.tensor([0.5, 0.25, 0.25], dtype=torch.float64)
    assert latgrad.fleet_sum(latency_us, weights).tolist() == [500.0 + 750.0 + 500.0, 5.0]
    assert latgrad.fleet_max(latency_us).tolist() == [3000.0, 5.0]
    # exp(1) + exp(3) + exp(2) in units of the temperature; three equals, each e^0 above the maximum.
    expected = [1000 * math.log(math.exp(1) + math.exp(3) + math.exp(2)), 5 + 1000 * math.log(3)]
    assert latgrad.fleet_smooth_max(latency_us, 1000.0).tolist() == pytest.approx(expected, rel=1e-12)


def test_gradients_are_those_of_the_formula():
    latency_us = torch.tensor([1000.0, 3000.0, 3000.0], dtype=torch.float64, requires_grad=True)
    weights = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64, requires_grad=True)
    to_latency, to_weights = torch.autograd.grad(latgrad.fleet_sum(latency_us, weights), (latency_us, weights))
    assert torch.equal(to_latency, weights) and torch.equal(to_weights, latency_us)
    (to_max,) = torch.autograd.grad(latgrad.fleet_max(latency_us), latency_us)
    assert to_max.tolist() == [0.0, 0.5, 0.5]
    (to_smooth,) = torch.autograd.grad(latgrad.fleet_smooth_max(latency_us, 500.0), latency_us)
    torch.testing.assert_close(to_smooth, (latency_us / 500.0).softmax(-1))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("temperature_us", [1e-30, 1.0, 100.0, 1e4])
def test_smooth_maximum_lies_in_its_bounds(dtype, temperature_us):
    latency_us = (torch.rand(1000, 7) * 20000).to(dtype)
    smooth = latgrad.fleet_smooth_max(latency_us, temperature_us)
    top = latency_us.amax(-1)
    assert (smooth >= top).all()
    bound = top.double() + temperature_us * math.log(7)
    assert (smooth.double() <= bound * (1 + 2 * torch.finfo(dtype).eps)).all()


def test_smooth_maximum_of_one_device_is_its_latency():
    latency_us = torch.rand(5, 1)
    assert torch.equal(latgrad.fleet_smooth_max(latency_us, 10.0), latency_us[:, 0])


@every_fleet
def test_passes_gradcheck_twice(fleet):
    latency_us = (torch.rand(3, 4, dtype=torch.float64) * 300).requires_grad_()
    assert gradcheck(fleet, (latency_us,))
    assert gradgradcheck(fleet, (latency_us,))


def test_weighted_sum_passes_gradcheck_twice_in_both_arguments():
    latency_us = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    weights = torch.rand(4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(latgrad.fleet_sum, (latency_us, weights))
    assert gradgradcheck(latgrad.fleet_sum, (latency_us, weights))


@every_fleet
@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch", [(), (3,), (0,), (2, 3)])
def test_keeps_shape_and_dtype(fleet, dtype, batch):
    latency_us = (torch.rand(*batch, 4) * 1000).to(dtype)
    result = fleet(latency_us)
    assert result.shape == batch and result.dtype == dtype
    torch.testing.assert_close(result.double(), fleet(latency_us.double()), rtol=2 * torch.finfo(dtype).eps, atol=0)


def test_mixed_precisions_meet_in_the_wider_one():
    weights = torch.rand(4, dtype=torch.float64)
    assert latgrad.fleet_sum(torch.rand(3, 4), weights).dtype == torch.float64
    assert latgrad.fleet_sum(torch.rand(3, 4).half(), torch.rand(4)).dtype == torch.float32


BAD_CALLS = [
    (lambda: latgrad.fleet_sum(torch.tensor(1.0)), r"latency_us must be \[..., devices\], got a scalar"),
    (lambda: latgrad.fleet_max(torch.tensor(1.0)), r"latency_us must be \[..., devices\], got a scalar"),
    (lambda: latgrad.fleet_smooth_max(torch.tensor(1.0), 1.0), r"latency_us must be \[..., devices\], got a scalar"),
    (lambda: latgrad.fleet_sum(torch.ones(2, dtype=torch.int64)), "latency_us must be float16.* got Long"),
    (lambda: latgrad.fleet_max(torch.ones(2, dtype=torch.int64)), "latency_us must be float16.* got Long"),
    (lambda: latgrad.fleet_smooth_max(torch.ones(2, dtype=torch.int64), 1.0), "latency_us must be float16.* got Long"),
    (lambda: latgrad.fleet_sum(torch.empty(3, 0)), r"latency_us must have at least one device, got \[3, 0\]"),
    (lambda: latgrad.fleet_max(torch.empty(3, 0)), r"latency_us must have at least one device, got \[3, 0\]"),
    (lambda: latgrad.fleet_smooth_max(torch.empty(3, 0), 1.0), r"must have at least one device, got \[3, 0\]"),
    (lambda: latgrad.fleet_sum(torch.rand(3, 2), torch.rand(3)), r"each device of latency_us, \[2\], got \[3\]"),
    (lambda: latgrad.fleet_sum(torch.rand(3, 2), torch.rand(3, 2)), r"each device of latency_us, \[2\], got \[3, 2\]"),
    (lambda: latgrad.fleet_sum(torch.rand(2), torch.ones(2, dtype=torch.int64)), "weights must be float16.* got Long"),
    (lambda: latgrad.fleet_sum(torch.rand(2), torch.rand(2, device="meta")),
     "weights must be on the device of latency_us, cpu, got meta"),
    *((lambda value=value: latgrad.fleet_smooth_max(torch.rand(2), value),
       f"temperature_us must be positive and finite, got {text}")
      for value, text in [(0.0, "0"), (-1.0, "-1"), (math.nan, "nan"), (math.inf, "inf")]),
]


@pytest.mark.parametrize("call, message", BAD_CALLS)
def test_says_which_rule_an_argument_breaks(call, message):
    with pytest.raises(RuntimeError, match=message):
        call()


def test_works_on_meta_tensors():
    latency_us = torch.empty(3, 4, device="meta")
    results = [latgrad.fleet_sum(latency_us), latgrad.fleet_sum(latency_us, torch.empty(4, device="meta")),
               latgrad.fleet_max(latency_us), latgrad.fleet_smooth_max(latency_us, 10.0)]
    for result in results:
        assert result.is_meta and result.shape == (3,) and result.dtype == torch.float32


class Fleet(torch.nn.Module):
    def forward(self, latency_us: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        return (
            latgrad.fleet_sum(latency_us)
            + latgrad.fleet_sum(latency_us, weights)
            + latgrad.fleet_max(latency_us)
            + latgrad.fleet_smooth_max(latency_us, 100.0)
        )


def check_against_eager(run):
    weights = torch.rand(4)
    for size in (2, 5):
        latency_us = (torch.rand(size, 4) * 1000).requires_grad_()
        ours, theirs = run(latency_us, weights), Fleet()(latency_us, weights)
        torch.testing.assert_close(ours, theirs)
        for mine, other in zip(*(torch.autograd.grad(result.sum(), latency_us) for result in (ours, theirs))):
            torch.testing.assert_close(mine, other)


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_gives_the_same():
    check_against_eager(torch.jit.script(Fleet()))


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiles_into_one_graph():
    check_against_eager(torch.compile(Fleet(), fullgraph=True, dynamic=True, backend="aot_eager"))


@pytest.mark.skipif(not hasattr(torch, "export"), reason="torch.export came with torch 2.1")
def test_exports():
    batch = torch.export.Dim("batch", min=2)
    shapes = {"latency_us": {0: batch}, "weights": None}
    program = torch.export.export(Fleet(), (torch.rand(3, 4), torch.rand(4)), dynamic_shapes=shapes)
    check_against_eager(program.module())


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")
@pytest.mark.parametrize("name, numbers", [("fleet_sum", ()), ("fleet_max", ()), ("fleet_smooth_max", (10.0,))])
def test_passes_opcheck(name, numbers):
    latency_us = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    torch.library.opcheck(getattr(torch.ops.latgrad, name).default, (latency_us, *numbers))


@pytest.mark.skipif(not hasattr(torch, "func"), reason="torch.func came with torch 2.0")
@every_fleet
def test_torch_func_maps_and_differentiates(fleet):
    latency_us = torch.rand(3, 4) * 300
    torch.testing.assert_close(torch.func.vmap(fleet)(latency_us), fleet(latency_us))
    slopes = torch.func.vmap(torch.func.grad(fleet))(latency_us)
    latency_us.requires_grad_()
    torch.testing.assert_close(slopes, *torch.autograd.grad(fleet(latency_us).sum(), latency_us))

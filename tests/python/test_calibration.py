"""Latency models from the times of a few architectures, and intervals with a gradient."""

import math
from copy import deepcopy

import pytest
import torch

import latgrad

L, C = 22, 9
NORMAL, STUDENT = 1.6448536269514722, 2.3533634348018264


@pytest.fixture(scope="module")
def device():
    """A made-up device that takes 2 ms, and for each block what its kernel and expansion say."""
    cost = torch.tensor([60.0, 90, 110, 190, 80, 110, 140, 260, 5], dtype=torch.float64)
    slower_behind = 1 + torch.arange(L, dtype=torch.float64).div(6, rounding_mode="floor") / 4
    table_us = slower_behind[:, None] * cost
    return lambda arch, speed=1.0: 2000 + speed * latgrad.arch_latency(arch, table_us)


@pytest.fixture(scope="module")
def archs():
    def draw(count, seed):
        return torch.randint(0, C, (count, L), generator=torch.Generator().manual_seed(seed))

    return draw


@pytest.fixture(scope="module")
def calibration(device, archs):
    arch = archs(40, 1)
    return latgrad.calibrate("fbnet_cifar", arch, device(arch), device="made-up")


def test_the_model_prices_architectures(calibration, device, archs):
    model = calibration.model
    assert model.device() == "made-up" and model.precision() == "int8"
    fresh = archs(200, 2)
    estimate_us = model.estimate(fresh)
    assert ((estimate_us / device(fresh) - 1).abs().mean()) < 0.05
    assert torch.equal(model.table_us("p90"), model.table_us())  # there is one time for each operator
    assert model.table_us().min() >= 0


def test_a_source_and_a_seed(calibration, device, archs):
    few = archs(8, 3)
    other = archs(300, 4)
    fresh = archs(200, 5)

    def error(**options):
        model = latgrad.calibrate("fbnet_cifar", few, device(few), **options).model
        return (model.estimate(fresh) / device(fresh) - 1).abs().mean()

    assert error(sources=[(other, device(other, 3.0))]) < error() / 2
    assert error(seed=1) == error(seed=1) != error(seed=2)


def test_intervals_are_those_of_the_definition(calibration, archs):
    arch = archs(5, 6)
    model = calibration.model
    mean_us, low_us, high_us = latgrad.model_interval(model, torch.nn.functional.one_hot(arch, C).double())
    torch.testing.assert_close(mean_us, calibration.model.estimate(arch))
    for i in range(5):
        places = [layer * C + int(c) for layer, c in enumerate(arch[i])] + [L * C]
        variance = model.covariance_us2()[places][:, places].sum()
        half = math.hypot(NORMAL * math.sqrt(variance), STUDENT * model.noise() * float(mean_us[i]))
        assert float(high_us[i]) == pytest.approx(float(mean_us[i]) + half)
        assert float(low_us[i]) == pytest.approx(float(mean_us[i]) - half)
    _, low, high = latgrad.model_interval(model, torch.nn.functional.one_hot(arch, C).double(), measured=False)
    assert (high - low < high_us - low_us).all()


def test_nine_of_ten_are_inside(calibration, device, archs):
    fresh = archs(500, 7)
    _, low_us, high_us = latgrad.model_interval(calibration.model, torch.nn.functional.one_hot(fresh, C).double())
    times_us = device(fresh)
    assert ((times_us >= low_us) & (times_us <= high_us)).double().mean() >= 0.85
    left_out = calibration.left_out_us
    measured = device(archs(40, 1))
    assert left_out.shape == (40, 3)
    assert ((measured >= left_out[:, 1]) & (measured <= left_out[:, 2])).double().mean() >= 0.8


def test_the_interval_has_gradients():
    torch.manual_seed(1)
    probs = torch.rand(2, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = torch.rand(3, 4, dtype=torch.float64, requires_grad=True)
    root = torch.rand(13, 13, dtype=torch.float64)
    covariance = (root @ root.T).requires_grad_()
    fixed_us = torch.tensor(50.0, dtype=torch.float64, requires_grad=True)

    def interval(*args):
        return latgrad.latency_interval(*args, noise=0.1)

    assert torch.autograd.gradcheck(interval, (probs, table_us, covariance, fixed_us))
    assert torch.autograd.gradgradcheck(interval, (probs, table_us, covariance, fixed_us))


def test_an_exact_latency_has_no_interval_and_a_finite_gradient():
    probs = torch.rand(3, 4, requires_grad=True)
    mean_us, low_us, high_us = latgrad.latency_interval(probs, torch.rand(3, 4), torch.zeros(13, 13))
    torch.testing.assert_close(low_us, high_us, atol=1e-5, rtol=0)
    high_us.backward()
    assert probs.grad.isfinite().all()


def test_a_search_for_the_upper_bound_avoids_what_is_not_known():
    """Two candidates of equal mean, one of which was never measured."""
    covariance = torch.zeros(3, 3)
    covariance[1, 1] = 100.0
    theta = torch.zeros(1, 2, requires_grad=True)
    optimiser = torch.optim.SGD([theta], lr=0.5)
    for _ in range(50):
        optimiser.zero_grad()
        latgrad.latency_interval(theta.softmax(-1), torch.tensor([[30.0, 30.0]]), covariance)[2].backward()
        optimiser.step()
    assert theta.softmax(-1)[0, 0] > 0.95


def test_the_model_is_saved_as_any_other(calibration, tmp_path, archs):
    latgrad.save_model(calibration.model, tmp_path / "model.json")
    arch = archs(3, 8)
    probs = torch.nn.functional.one_hot(arch, C).double()
    for copy in (latgrad.load_model(tmp_path / "model.json"), deepcopy(calibration.model)):
        assert torch.equal(copy.estimate(arch), calibration.model.estimate(arch))
        assert torch.equal(torch.stack(latgrad.model_interval(copy, probs)), torch.stack(latgrad.model_interval(calibration.model, probs)))


def test_models_that_were_not_calibrated_have_no_interval():
    model = latgrad.LatencyModel.from_table([[1.0, 2.0]], ["a", "b"])
    with pytest.raises(ValueError, match="says nothing of its errors"):
        latgrad.model_interval(model, torch.tensor([[0.5, 0.5]]))


@pytest.mark.parametrize("change, message", [
    (lambda a, t: (a[:, :5], t), r"architectures must be \[N, 22\], uint8 or int64, got Long \[10, 5\]"),
    (lambda a, t: (a.float(), t), "uint8 or int64, got Float"),
    (lambda a, t: (a, t[:3]), r"times must be \[10\], one for each architecture"),
    (lambda a, t: (a, t.long()), "floating point, got Long"),
    (lambda a, t: (a, -t), "the time of a network must be positive and finite"),
    (lambda a, t: (a + 5, t), "layer"),
    (lambda a, t: (a[:0], t[:0]), "there must be a measured network"),
])
def test_what_is_no_measurement_is_refused(device, archs, change, message):
    arch = archs(10, 9)
    with pytest.raises(ValueError, match=message):
        latgrad.calibrate("fbnet_cifar", *change(arch, device(arch)))


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(RuntimeError):
        latgrad.latency_interval(torch.rand(3, 4), torch.rand(3, 4), torch.zeros(12, 12))

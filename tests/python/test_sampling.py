"""latgrad.two_path_sample against the definition in ProxylessNAS, section 3.2.1."""

import math

import pytest
import torch
from torch import nn

import latgrad


def runs(weights):
    return (weights != 0) | torch.signbit(weights)


def test_two_paths_are_marked_and_one_of_them_is_active():
    valid = torch.tensor([[True, True, False, True], [False, True, False, False]])
    weights = latgrad.two_path_sample(torch.randn(50, 2, 4), valid)
    assert weights.sum(-1).eq(1).all() and weights.ne(0).sum(-1).eq(1).all()
    assert runs(weights).sum(-1).eq(torch.tensor([2, 1])).all()
    assert not (runs(weights) & ~valid).any()


def test_paths_are_drawn_as_often_as_their_probabilities_say():
    theta = torch.tensor([0.0, 1.0, 2.0, -1.0])
    p = theta.softmax(0).tolist()
    weights = latgrad.two_path_sample(theta.expand(200000, 4), generator=torch.Generator().manual_seed(1))
    frequency, active = runs(weights).double().mean(0), weights.double().mean(0)
    for i in range(4):
        others = [j for j in range(4) if j != i]
        # Drawn first, or second after j. Then active with the probability among the two.
        pair = {j: p[i] * p[j] * (1 / (1 - p[i]) + 1 / (1 - p[j])) for j in others}
        assert frequency[i].item() == pytest.approx(sum(pair.values()), abs=0.004)
        assert active[i].item() == pytest.approx(sum(pair[j] * p[i] / (p[i] + p[j]) for j in others), abs=0.004)


def test_gradient_is_that_of_the_two_rescaled_probabilities():
    """Of a layer of scalar blocks, with a loss by hand, and of the latency of the sample."""
    factors, table_us = [2.0, 3.0, 5.0, 7.0], torch.tensor([[100.0, 200.0, 400.0, 800.0]])
    layer = latgrad.MixedLayer([Scale(factor) for factor in factors], paths=2)
    for _ in range(8):
        theta = torch.randn(1, 4, requires_grad=True)
        weights = latgrad.two_path_sample(theta)
        active = int(weights.argmax())
        other = int(torch.signbit(weights).int().argmax())
        latency_us = latgrad.expected_latency(weights, table_us)
        assert latency_us.item() == table_us[0, active].item()
        y = layer(torch.tensor(1.5), weights[0])
        assert y.item() == 1.5 * factors[active]
        (y.square() + 0.01 * latency_us).backward()
        g = [2 * y.item() * 1.5 * factor + 0.01 * us for factor, us in zip(factors, table_us[0].tolist())]
        q = torch.softmax(theta.detach()[0, [active, other]], 0).tolist()
        expected = [0.0] * 4
        expected[active] = q[0] * q[1] * (g[active] - g[other])
        expected[other] = -expected[active]
        assert theta.grad[0].tolist() == pytest.approx(expected, rel=1e-4)
        layer.zero_grad(set_to_none=True)


class Scale(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = nn.Parameter(torch.tensor(factor))

    def forward(self, x):
        return self.factor * x


def test_is_the_same_of_the_same_generator_and_of_any_dtype():
    theta = torch.randn(3, 4)
    samples = [
        latgrad.two_path_sample(theta.to(dtype), generator=torch.Generator().manual_seed(2))
        for dtype in (torch.float32, torch.float64, torch.bfloat16)
    ]
    for sample, dtype in zip(samples, (torch.float32, torch.float64, torch.bfloat16)):
        assert sample.dtype == dtype and torch.equal(runs(sample), runs(samples[0]))


def test_a_probability_of_nothing_has_a_finite_gradient():
    theta = torch.tensor([[0.0, -1e4, -2e4]], requires_grad=True)
    weights = latgrad.two_path_sample(theta)
    assert weights.tolist() == [[1, 0, 0]] and math.copysign(1, weights[0, 1].item()) == -1
    (weights * torch.tensor([1.0, 2.0, 3.0])).sum().backward()
    assert theta.grad.tolist() == [[0, 0, 0]]


@pytest.mark.parametrize("logits, valid, message", [
    (torch.zeros(2, 3, dtype=torch.int64), None, "floating point, got torch.int64"),
    (torch.tensor(1.0), None, r"\[..., candidates\], floating point, got torch.float32 \[\]"),
    (torch.zeros(2, 3), torch.ones(2, 4, dtype=torch.bool), r"of the last dimensions of logits \[2, 3\], got torch.bool \[2, 4\]"),
    (torch.zeros(2, 3), torch.ones(2, 3), r"valid must be bool, .*, got torch.float32 \[2, 3\]"),
    (torch.zeros(2, 3), torch.tensor([[True] * 3, [False] * 3]), "every layer must have a valid candidate"),
])
def test_says_what_is_wrong(logits, valid, message):
    with pytest.raises(ValueError, match=message):
        latgrad.two_path_sample(logits, valid)

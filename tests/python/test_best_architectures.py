"""best_architectures: the operator against all architectures, one by one; the core's own tests are in C++."""

import itertools
import math

import pytest
import torch

import latgrad

INFINITY = math.inf


def brute_force(scores, costs, budgets, k, valid=None):
    """scores [L, C], costs [D, L, C], budgets [D]: lists of arch, score, costs, best first."""
    layers, candidates = scores.shape
    found = []
    for arch in itertools.product(range(candidates), repeat=layers):
        if valid is not None and not all(valid[layer, c] for layer, c in enumerate(arch)):
            continue
        score = sum(float(scores[layer, c]) for layer, c in enumerate(arch))
        cost = [sum(float(table[layer, c]) for layer, c in enumerate(arch)) for table in costs]
        if all(one <= float(budget) for one, budget in zip(cost, budgets)):
            found.append((-score, cost, list(arch)))
    return [(arch, -score, cost) for score, cost, arch in sorted(found)[:k]]


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.int64, torch.int32])
@pytest.mark.parametrize("num_costs", [1, 2])
def test_is_that_of_brute_force(num_costs, dtype):
    unit = 1 if dtype.is_floating_point else 1000
    scores = (unit * torch.randn(3, 4, 3, dtype=torch.float64)).to(dtype)
    costs = (unit * torch.rand(num_costs, 4, 3, dtype=torch.float64)).to(dtype)
    budgets = (unit * torch.tensor([[0.9] * num_costs, [2.1] * num_costs, [9.0] * num_costs])).to(dtype)
    valid = torch.rand(4, 3) < 0.8
    valid[:, 1] = True
    arch, score, cost = latgrad.best_architectures(scores, costs, budgets, 5, valid)
    assert (arch.dtype, score.dtype, cost.dtype) == (torch.int64, torch.float64, torch.float64)
    assert (arch.shape, score.shape, cost.shape) == ((3, 5, 4), (3, 5), (3, 5, num_costs))
    for n in range(3):
        expected = brute_force(scores[n], costs, budgets[n], 5, valid)
        for i in range(5):
            if i < len(expected):
                assert (arch[n, i].tolist(), score[n, i].item(), cost[n, i].tolist()) == expected[i]
            else:
                assert arch[n, i].tolist() == [-1] * 4
                assert score[n, i] == -INFINITY and cost[n, i].tolist() == [INFINITY] * num_costs


def test_batches_of_scores_and_budgets_broadcast():
    scores, costs = torch.randn(2, 1, 3, 4), torch.rand(3, 4)
    budgets = torch.linspace(0.2, 3, 7)
    arch, score, cost = latgrad.best_architectures(scores, costs, budgets)
    assert (arch.shape, score.shape, cost.shape) == ((2, 7, 1, 3), (2, 7, 1), (2, 7, 1))
    for n, m in itertools.product(range(2), range(7)):
        one, *_ = latgrad.best_architectures(scores[n, 0], costs, budgets[m])
        assert one.shape == (1, 3) and one.equal(arch[n, m])
    several, *_ = latgrad.best_architectures(scores[0, 0], costs.expand(2, 3, 4), torch.stack([budgets, budgets], -1))
    assert several.equal(arch[0])


def test_takes_a_number_as_the_budget():
    scores, costs = torch.randn(3, 4), torch.rand(3, 4)
    arch, _, cost = latgrad.best_architectures(scores, costs, 1.5)
    assert cost <= 1.5 and arch.equal(latgrad.best_architectures(scores, costs, torch.tensor(1.5))[0])


def test_does_not_depend_on_the_number_of_threads():
    scores, costs, budgets = torch.randn(40, 12, 5), torch.rand(12, 5), torch.tensor(5.0)
    together = latgrad.best_architectures(scores, costs, budgets, 3)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = latgrad.best_architectures(scores, costs, budgets, 3)
    finally:
        torch.set_num_threads(threads)
    assert all(a.equal(b) for a, b in zip(together, alone))


def test_needs_no_gradient_and_gives_none():
    scores = torch.randn(3, 4, requires_grad=True)
    arch, score, cost = latgrad.best_architectures(scores, torch.rand(3, 4), 2.0)
    assert not score.requires_grad and not cost.requires_grad


def test_runs_in_torchscript():
    def best(scores: torch.Tensor, costs: torch.Tensor, budgets: torch.Tensor):
        return torch.ops.latgrad.best_architectures(scores, costs, budgets, 2)

    inputs = torch.randn(3, 4), torch.rand(3, 4), torch.tensor(2.0)
    assert torch.jit.script(best)(*inputs)[0].equal(best(*inputs)[0])


def test_has_a_meta_kernel():
    scores, costs = torch.randn(2, 3, 4, device="meta"), torch.rand(2, 3, 4, device="meta")
    arch, score, cost = torch.ops.latgrad.best_architectures(scores, costs, torch.rand(5, 1, 2, device="meta"), 6)
    assert (arch.shape, score.shape, cost.shape) == ((5, 2, 6, 3), (5, 2, 6), (5, 2, 6, 2))
    assert arch.dtype == torch.int64 and score.dtype == cost.dtype == torch.float64


@pytest.mark.skipif(not hasattr(torch.library, "opcheck"), reason="torch.library.opcheck came with torch 2.4")
def test_passes_opcheck():
    inputs = torch.randn(2, 3, 4, requires_grad=True), torch.rand(3, 4), torch.tensor([2.0, 1.0]), 2
    torch.library.opcheck(torch.ops.latgrad.best_architectures.default, inputs)


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(scores=torch.zeros(4)), r"scores must be \[..., layers, candidates\] as costs are"),
        (dict(scores=torch.zeros(3, 5)), r"as costs are, \[3, 4\], got \[3, 5\]"),
        (dict(scores=torch.zeros(3, 4, dtype=torch.bool)), "scores must be float16, bfloat16, float32, float64 or integers, got Bool"),
        (dict(costs=torch.zeros(4)), r"costs must be \[layers, candidates\] or"),
        (dict(costs=torch.zeros(2, 3, 4)), r"one for each of the 2 costs in their last dimension, got \[\]"),
        (dict(budgets=torch.zeros(3), scores=torch.zeros(2, 3, 4)), "must broadcast"),
        (dict(k=0), "k must be from 1 to 10000, got 0"),
        (dict(valid=torch.ones(3, 4)), "valid must be bool"),
        (dict(scores=torch.full((3, 4), math.nan)), "scores must be numbers below infinity, got nan for candidate 0 of layer 0"),
        (dict(costs=torch.full((3, 4), -INFINITY)), "costs must be numbers above minus infinity"),
        (dict(budgets=torch.tensor(math.nan)), "budgets must be numbers, got NaN"),
    ],
)
def test_refuses(change, message):
    given = dict(scores=torch.zeros(3, 4), costs=torch.zeros(3, 4), budgets=torch.tensor(1.0), k=1, valid=None)
    given.update(change)
    with pytest.raises((RuntimeError, ValueError), match=message):
        torch.ops.latgrad.best_architectures(*given.values())


@pytest.fixture
def model(tiny_space, make_table):
    return latgrad.LatencyModel(tiny_space, make_table(tiny_space))


def all_architectures(model):
    valid = model.valid()
    offered = [valid[layer].nonzero().flatten().tolist() for layer in range(model.layers())]
    return torch.tensor(list(itertools.product(*offered)))


def test_a_model_finds_the_most_probable_within_its_budget(model):
    archs = all_architectures(model)
    latency_us = model.estimate(archs)
    theta = torch.randn(model.table_us().shape)
    scores = theta.double().masked_fill(~model.valid(), -INFINITY).log_softmax(-1)
    log_probability = scores[torch.arange(4), archs].sum(-1)
    for budget_us in latency_us.tolist() + [latency_us.min().item() - 1]:
        arch, score, price_us = model.search(theta, budget_us + 1e-6, 3)
        fits = (latency_us <= budget_us + 1e-6).nonzero().flatten()
        best = fits[log_probability[fits].argsort(descending=True)][:3]
        assert arch[: len(best)].equal(archs[best]) and (arch[len(best) :] == -1).all()
        torch.testing.assert_close(score[: len(best)], log_probability[best])
        torch.testing.assert_close(price_us[: len(best)], latency_us[best])
    with pytest.raises(ValueError, match="theta must be floating point"):
        model.search(theta[:2], 1000.0)
    with pytest.raises(ValueError, match="theta must have no NaN"):
        model.search(theta * math.nan, 1000.0)
    with pytest.raises(ValueError, match="finite for a candidate that is offered in each layer"):
        model.search(torch.full_like(theta, -INFINITY), 1000.0)
    several = latgrad.LatencyModel.from_table([[[1.0, 2.0]], [[2.0, 1.0]]], ["a", "b"], device=["x", "y"])
    with pytest.raises(ValueError, match="has a budget on each"):
        several.search(torch.zeros(1, 2), 1.0)


def test_the_front_is_what_no_other_beats(model):
    archs = all_architectures(model)
    latency_us = model.estimate(archs)
    scores = torch.randn(model.table_us().shape, dtype=torch.float64)
    total = scores[torch.arange(4), archs].sum(-1)
    beats = (latency_us[None] <= latency_us[:, None]) & (total[None] > total[:, None] + 1e-12)
    expected = (~beats.any(1)).nonzero().flatten()
    expected = expected[latency_us[expected].argsort()]
    arch, score, price_us = latgrad.pareto_front(scores, model)
    assert arch.equal(archs[expected])
    torch.testing.assert_close(score, total[expected])
    torch.testing.assert_close(price_us, latency_us[expected])
    some, some_scores, _ = latgrad.pareto_front(scores, model, 200)
    assert {tuple(one) for one in some.tolist()} <= {tuple(one) for one in arch.tolist()}
    assert some[-1].equal(arch[-1]) and some_scores.diff().gt(0).all()
    for _ in range(50):
        table, scores_of_any = torch.rand(22, 9, dtype=torch.float64), torch.rand(22, 9)
        fastest = latgrad.pareto_front(scores_of_any, table, 10)[2][0]
        assert fastest == latgrad.pareto_front(scores_of_any, table)[2][0]
    nothing = latgrad.pareto_front(torch.full((3, 4), -INFINITY), torch.rand(3, 4), 5)
    assert [tuple(found.shape) for found in nothing] == [(0, 3), (0,), (0,)]
    table = torch.rand(3, 4)
    assert latgrad.pareto_front(torch.rand(3, 4), table)[2][0] == pytest.approx(table.min(-1).values.sum().item())
    with pytest.raises(RuntimeError, match=r"must be \[layers, candidates\]"):
        torch.ops.latgrad.pareto_front(torch.rand(2, 3, 4), table)
    with pytest.raises(ValueError, match="num_budgets must be at least 1, got 0"):
        latgrad.pareto_front(scores, model, 0)

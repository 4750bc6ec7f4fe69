"""best_architectures against HiGHS, a solver of mixed-integer programs, with gap 0.

LATGRAD_MIP_INSTANCES says how many instances of each kind; a thousand in all take an hour, nearly all of it HiGHS's.
"""

import os

import pytest
import torch

import latgrad

highspy = pytest.importorskip("highspy", reason="HiGHS comes with highspy from PyPI")
np = pytest.importorskip("numpy")

INSTANCES = int(os.environ.get("LATGRAD_MIP_INSTANCES", "4"))


def instance(layers, candidates, num_costs, is_proportional, seed):
    generator = torch.Generator().manual_seed(seed)
    costs = 1000 * torch.rand(num_costs, layers, candidates, generator=generator, dtype=torch.float64)
    noise = torch.rand(layers, candidates, generator=generator, dtype=torch.float64)
    scores = costs.sum(0) * (1 + 0.05 * noise) if is_proportional else noise
    budgets = torch.full((num_costs,), 400.0 * layers, dtype=torch.float64)
    return scores, costs, budgets


def by_highs(scores, costs, budgets):
    """The largest score that HiGHS proves."""
    layers, candidates = scores.shape
    solver = highspy.Highs()
    solver.silent()
    solver.setOptionValue("mip_rel_gap", 0.0)
    solver.setOptionValue("mip_abs_gap", 0.0)
    solver.setOptionValue("mip_feasibility_tolerance", 1e-9)
    solver.setOptionValue("primal_feasibility_tolerance", 1e-9)
    chosen = [solver.addBinary(obj=-float(score)) for score in scores.flatten()]
    for layer in range(layers):
        solver.addConstr(sum(chosen[layer * candidates : (layer + 1) * candidates]) == 1)
    for cost, budget in zip(costs, budgets):
        solver.addConstr(sum(float(c) * x for c, x in zip(cost.flatten(), chosen)) <= float(budget))
    solver.run()
    assert solver.getModelStatus() == highspy.HighsModelStatus.kOptimal
    values = np.array(solver.getSolution().col_value).reshape(layers, candidates)
    arch = torch.from_numpy(values.argmax(-1))
    rows = torch.arange(layers)
    assert all(cost[rows, arch].sum() <= budget + 1e-6 for cost, budget in zip(costs, budgets))
    return scores[rows, arch].sum().item()


@pytest.mark.parametrize("is_proportional", [False, True], ids=["unrelated", "proportional"])
@pytest.mark.parametrize("layers, candidates, num_costs", [(22, 9, 1), (80, 16, 1), (80, 16, 2)])
def test_finds_the_same_optimum(layers, candidates, num_costs, is_proportional):
    if num_costs > 1 and is_proportional:
        pytest.skip("HiGHS takes minutes for each")
    for seed in range(INSTANCES):
        scores, costs, budgets = instance(layers, candidates, num_costs, is_proportional, seed)
        arch, score, cost = latgrad.best_architectures(scores, costs, budgets)
        assert (cost <= budgets).all()
        expected = by_highs(scores, costs, budgets)
        assert score.item() == pytest.approx(expected, rel=1e-9), f"instance {seed}"

#!/usr/bin/env python3
"""Exact search, as ratios to HiGHS and CP-SAT, which prove the same optimum.

    exact_search_bench.py [--rounds N] [--json] [--plot FILE]

Instances of 22 layers of 9 candidates and of 80 of 16, with scores unrelated to the costs or nearly proportional to them. All
solvers run in this process on one thread, in turns, on the same instances; a ratio is the median over the instances of
(their time) / (ours). Ours is the median of nine calls: one of a tenth of a millisecond right behind another solver measures the
caches that it left. CP-SAT takes whole numbers: its scores and costs are rounded to a millionth. HiGHS comes with highspy,
CP-SAT with ortools, both from PyPI; what is not installed is left out. The plot shows how the time grows.
"""

import argparse
import json
import statistics
import time

import latgrad
import torch

try:
    import highspy
except ImportError:
    highspy = None
try:
    from ortools.sat.python import cp_model
except ImportError:
    cp_model = None

CASES = {
    "22 x 9, unrelated": (22, 9, 1, False),
    "22 x 9, nearly proportional": (22, 9, 1, True),
    "80 x 16, unrelated": (80, 16, 1, False),
    "80 x 16, nearly proportional": (80, 16, 1, True),
    "80 x 16, two budgets": (80, 16, 2, False),
}


def instance(layers, candidates, num_costs, is_proportional, seed):
    generator = torch.Generator().manual_seed(seed)
    costs = 1000 * torch.rand(num_costs, layers, candidates, generator=generator, dtype=torch.float64)
    noise = torch.rand(layers, candidates, generator=generator, dtype=torch.float64)
    scores = costs.sum(0) * (1 + 0.05 * noise) if is_proportional else noise
    return scores, costs, torch.full((num_costs,), 400.0 * layers, dtype=torch.float64)


def ours(scores, costs, budgets):
    return latgrad.best_architectures(scores, costs, budgets)[1].item()


def by_highs(scores, costs, budgets):
    layers, candidates = scores.shape
    solver = highspy.Highs()
    solver.silent()
    for option in ("mip_rel_gap", "mip_abs_gap"):
        solver.setOptionValue(option, 0.0)
    solver.setOptionValue("threads", 1)
    chosen = [solver.addBinary(obj=-float(score)) for score in scores.flatten()]
    for layer in range(layers):
        solver.addConstr(sum(chosen[layer * candidates : (layer + 1) * candidates]) == 1)
    for cost, budget in zip(costs, budgets):
        solver.addConstr(sum(float(c) * x for c, x in zip(cost.flatten(), chosen)) <= float(budget))
    start = time.perf_counter()  # of solving alone, without making the model
    solver.run()
    return -solver.getInfo().objective_function_value, time.perf_counter() - start


def by_cp_sat(scores, costs, budgets):
    layers, candidates = scores.shape
    unit = 1e6 / float(scores.abs().max())
    model = cp_model.CpModel()
    chosen = [model.new_bool_var("") for _ in range(layers * candidates)]
    for layer in range(layers):
        model.add_exactly_one(chosen[layer * candidates : (layer + 1) * candidates])
    for cost, budget in zip(costs, budgets):
        model.add(sum(int(1000 * float(c)) * x for c, x in zip(cost.flatten(), chosen)) <= int(1000 * float(budget)))
    model.maximize(sum(int(unit * float(s)) * x for s, x in zip(scores.flatten(), chosen)))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    start = time.perf_counter()
    solver.solve(model)
    return solver.objective_value / unit, time.perf_counter() - start


def timed(function, *inputs):
    start = time.perf_counter()
    value = function(*inputs)
    return value if isinstance(value, tuple) else (value, time.perf_counter() - start)


def compare(rounds):
    solvers = {"HiGHS": by_highs} if highspy else {}
    if cp_model:
        solvers["CP-SAT"] = by_cp_sat
    rows = []
    for name, shape in CASES.items():
        times, ratios = [], {solver: [] for solver in solvers}
        for seed in range(rounds):
            inputs = instance(*shape, seed)
            calls = [timed(ours, *inputs) for _ in range(9)]
            score, own_s = calls[0][0], statistics.median(seconds for _, seconds in calls)
            times.append(1000 * own_s)
            for solver, function in solvers.items():
                theirs, seconds = function(*inputs)
                assert abs(theirs - score) <= 1e-4 * abs(score), (name, seed, solver, theirs, score)
                ratios[solver].append(seconds / own_s)
        row = {"case": name, "median_ms": statistics.median(times), "worst_ms": max(times)}
        rows.append({**row, **{solver: statistics.median(values) for solver, values in ratios.items()}})
    return rows


def many(rounds):
    """The best hundred, and the front, of the shape of the FBNet space."""
    rows = []
    for name, call in {
        "the best 100": lambda scores, costs, budgets: latgrad.best_architectures(scores, costs, budgets, 100),
        "1,000 budgets at once": lambda scores, costs, budgets: latgrad.best_architectures(
            scores, costs, torch.linspace(4000, 14_000, 1000, dtype=torch.float64)[:, None]
        ),
        "the whole Pareto front": lambda scores, costs, budgets: latgrad.pareto_front(scores, costs[0]),
    }.items():
        times = [timed(lambda *inputs: (call(*inputs), 0)[1], *instance(22, 9, 1, False, seed))[1] for seed in range(rounds)]
        rows.append({"case": f"22 x 9, unrelated: {name}", "median_ms": 1000 * statistics.median(times), "worst_ms": 1000 * max(times)})
    return rows


def growth(rounds):
    """Milliseconds over layers, candidates and k, for both kinds of instances."""
    def at(layers, candidates, k, is_proportional):
        times = []
        for seed in range(rounds):
            scores, costs, budgets = instance(layers, candidates, 1, is_proportional, seed)
            times.append(timed(lambda: (latgrad.best_architectures(scores, costs, budgets, k), 0)[1])[1])
        return 1000 * statistics.median(times)

    axes = {
        "layers, of 9 candidates": ([5, 10, 20, 40, 80, 160], lambda n, kind: at(n, 9, 1, kind)),
        "candidates, of 22 layers": ([3, 6, 12, 24, 48, 96], lambda n, kind: at(22, n, 1, kind)),
        "k, of 22 layers of 9 candidates": ([1, 3, 10, 30, 100], lambda n, kind: at(22, 9, n, kind)),
    }
    return {
        name: {"x": xs, "unrelated": [call(x, False) for x in xs], "nearly proportional": [call(x, True) for x in xs]}
        for name, (xs, call) in axes.items()
    }


def plot(curves, path):
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(curves), figsize=(11, 3.2), sharey=True, constrained_layout=True)
    for axis, (name, curve) in zip(axes, curves.items()):
        for kind, style in (("unrelated", "o-"), ("nearly proportional", "s--")):
            axis.loglog(curve["x"], curve[kind], style, label=kind)
        axis.set_xlabel(name)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("ms")
    axes[0].legend()
    figure.savefig(path)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="instances of each kind [%(default)s]")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.add_argument("--plot", help="draw the growth as an SVG file; needs matplotlib")
    args = parser.parse_args()
    torch.set_num_threads(1)
    rows = compare(args.rounds) + many(args.rounds)
    curves = growth(args.rounds) if args.plot else None
    if args.plot:
        plot(curves, args.plot)
    if args.json:
        print(json.dumps({"rows": rows, "growth": curves}, indent=1))
        return
    for row in rows:
        ratios = "  ".join(f"{solver} takes {row[solver]:6.0f} times as long" for solver in ("HiGHS", "CP-SAT") if solver in row)
        print(f"{row['case']:45s} median {row['median_ms']:8.3f} ms  worst {row['worst_ms']:8.3f} ms  {ratios}")


if __name__ == "__main__":
    main()

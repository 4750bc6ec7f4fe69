"""Evolutionary search under a hard budget: for scores that no sum over layers gives.

    found = latgrad.evolve(predictor, model, budget_us=20_000, checkpoint="evolution.pt")
    model.decode(found.arch), found.score, found.latency_us

Additive scores have an exact search, ``model.search`` and :func:`latgrad.best_architectures`: it is faster, and proven.
"""

import math
import os
import pathlib
import sys
import time
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Union

import torch
from torch import Tensor

from latgrad.projection import project

# Redraws of children that are too slow or known already, before they are made faster layer by layer.
_TRIES = 20


class Evolved(NamedTuple):
    """What :func:`evolve` has found.

    arch: int64 ``[L]``. best_scores: of the best architecture after each generation, the first population's first.
    evaluations: how many architectures the predictor was asked about, each once.
    """

    arch: Tensor
    score: float
    latency_us: float
    best_scores: List[float]
    evaluations: int


def evolve(
    predict: Callable[[Tensor], Tensor],
    model: Any,
    budget_us: float,
    *,
    generations: int = 40,
    population: int = 96,
    parents: int = 32,
    mutation: float = 0.1,
    seed: int = 0,
    statistic: str = "p50",
    checkpoint: Optional[Union[str, "os.PathLike[str]"]] = None,
    quiet: bool = False,
) -> Evolved:
    """The architecture with the best predicted score that takes at most a budget, by evolution.

    predict: scores ``[N]`` of architectures int64 ``[N, L]``, more is better: a module, scripted or not, or a function. It is
    asked for feasible architectures only, and for none twice. model: a ``LatencyModel`` of one device, by whose prices, with the
    fixed part, every architecture is at most ``budget_us``.

    The first population is drawn from the distribution nearest to uniform whose expected latency is the budget. In each
    generation the ``parents`` best have ``population`` children: half of them take each layer from one of two parents, half
    replace each layer of one by chance ``mutation``. Children that are too slow, or known, are drawn again.

    seed: the same gives the same, to the bit, for a predictor that does. checkpoint: a file, written after each generation;
    the same call continues from it. quiet: no progress on standard error.

    Raises ValueError for an option out of range, for a budget below the fastest architecture, for scores of a wrong shape or NaN,
    and for a checkpoint of other options.

    Source: Dai et al., "ChamNet: towards efficient network design through platform-aware model adaptation", 2019.
    """
    options = {
        "budget_us": float(budget_us), "population": population, "parents": parents, "mutation": mutation, "seed": seed,
        "statistic": statistic, "table_us": model.table_us(statistic), "fixed_us": model.fixed_us(statistic),
    }  # fmt: skip
    if not (population >= 2 and 2 <= parents <= population and generations >= 0 and 0 < mutation <= 1):
        raise ValueError(
            "population and parents must be at least 2, parents at most the population, generations at least 0 and mutation "
            f"above 0 and at most 1, got {population}, {parents}, {generations} and {mutation}"
        )
    search = _Search(predict, model, options)
    path = None if checkpoint is None else pathlib.Path(checkpoint)
    if path is not None and path.exists():
        search.load(path)
    else:
        search.begin()
    start, first = time.monotonic(), search.generation
    while search.generation < generations:
        search.step()
        if path is not None:
            search.save(path)
        if not quiet:
            done = search.generation - first
            left_s = (time.monotonic() - start) / done * (generations - search.generation)
            _show(search, generations, left_s)
    return search.result()


class _Search:
    """All architectures that were seen, best first, and the generation that they have reached."""

    def __init__(self, predict: Callable[[Tensor], Tensor], model: Any, options: Dict[str, Any]) -> None:
        self.predict = predict
        self.options = options
        self.model = model
        self.valid = model.valid()
        self.layers = torch.arange(len(self.valid))
        self.generation = 0
        self.archs = torch.zeros(0, len(self.valid), dtype=torch.int64)
        self.scores = torch.zeros(0, dtype=torch.float64)
        self.best_scores: List[float] = []

    def price_us(self, archs: Tensor) -> Tensor:
        return self.model.estimate(archs, self.options["statistic"])

    def random(self) -> torch.Generator:
        """Of the generation, so that one that is continued goes on as if it had never stopped."""
        seed = self.options["seed"] * 1_000_003 + self.generation
        return torch.Generator().manual_seed(seed % 2**63)

    def begin(self) -> None:
        table_us, budget_us = self.options["table_us"], self.options["budget_us"] - self.options["fixed_us"]
        probs = project(torch.zeros_like(table_us), table_us, budget_us, self.valid)
        random = self.random()
        size = self.options["population"]
        self.add(self.feasible(size, random, lambda count: torch.multinomial(probs, count, True, generator=random).T))
        self.best_scores.append(float(self.scores[0]))

    def step(self) -> None:
        self.generation += 1
        random = self.random()
        best = self.archs[: self.options["parents"]]

        def pick(count: int) -> Tensor:
            return best[torch.randint(len(best), (count,), generator=random)]

        def crossed(count: int) -> Tensor:
            takes = torch.rand(count, len(self.layers), generator=random) < 0.5
            return torch.where(takes, pick(count), pick(count))

        def mutated(count: int) -> Tensor:
            changes = torch.rand(count, len(self.layers), generator=random) < self.options["mutation"]
            others = torch.multinomial(self.valid.double(), count, True, generator=random).T
            return torch.where(changes, others, pick(count))

        half = self.options["population"] // 2
        self.add(self.feasible(half, random, crossed))
        self.add(self.feasible(self.options["population"] - half, random, mutated))
        self.best_scores.append(float(self.scores[0]))

    def feasible(self, count: int, random: torch.Generator, draw: Callable[[int], Tensor]) -> Tensor:
        """As many new architectures within the budget, fewer where there are not so many."""
        known = {tuple(arch) for arch in self.archs.tolist()}
        found: List[List[int]] = []
        drawn = draw(count)
        for attempt in range(_TRIES):
            if attempt == _TRIES - 1:
                drawn = self.made_faster(drawn, random)
            within = drawn[self.price_us(drawn) <= self.options["budget_us"]]
            for arch in within.tolist():
                if len(found) < count and tuple(arch) not in known:
                    known.add(tuple(arch))
                    found.append(arch)
            if len(found) == count:
                break
            drawn = draw(count)
        return torch.tensor(found, dtype=torch.int64).reshape(-1, len(self.layers))

    def made_faster(self, archs: Tensor, random: torch.Generator) -> Tensor:
        """Layer by layer, in random order, the fastest candidate, until each is within the budget."""
        fastest = self.options["table_us"].masked_fill(~self.valid, math.inf).argmin(-1)
        archs = archs.clone()
        for layer in torch.randperm(len(self.layers), generator=random).tolist():
            slow = self.price_us(archs) > self.options["budget_us"]
            archs[slow, layer] = fastest[layer]
        return archs

    def add(self, archs: Tensor) -> None:
        """Asks for their scores and keeps all in order; of equal ones the earlier stays in front."""
        if len(archs) == 0:
            return
        with torch.no_grad():
            scores = torch.as_tensor(self.predict(archs)).detach().cpu().double()
        if scores.shape != (len(archs),) or scores.isnan().any():
            raise ValueError(f"predict must give a number for each of {len(archs)} architectures, got {scores}")
        archs, scores = torch.cat([self.archs, archs]), torch.cat([self.scores, scores])
        order = scores.sort(descending=True, stable=True).indices
        self.archs, self.scores = archs[order], scores[order]

    def result(self) -> Evolved:
        best = self.archs[0]
        return Evolved(best, float(self.scores[0]), float(self.price_us(best)), self.best_scores, len(self.archs))

    def save(self, path: pathlib.Path) -> None:
        temporary = path.with_name(path.name + ".tmp")
        state = {name: getattr(self, name) for name in ("options", "generation", "archs", "scores", "best_scores")}
        torch.save(state, str(temporary))
        temporary.replace(path)

    def load(self, path: pathlib.Path) -> None:
        state = torch.load(str(path))
        for name, value in self.options.items():
            other = state["options"].get(name)
            same = torch.equal(value, other) if isinstance(value, Tensor) else value == other
            if not same:
                raise ValueError(f"the checkpoint {path} must be of the same options, but {name} differs")
        self.generation, self.archs, self.scores = state["generation"], state["archs"], state["scores"]
        self.best_scores = state["best_scores"]


def _show(search: _Search, generations: int, left_s: float) -> None:
    if sys.stderr is None:
        return
    is_terminal = sys.stderr.isatty()
    best_us = float(search.price_us(search.archs[0]))
    line = f"[{search.generation}/{generations}] best {float(search.scores[0]):.5g} in {best_us / 1000:.3f} ms, {left_s:.0f} s left"
    is_last = search.generation == generations
    if is_terminal:
        sys.stderr.write("\r\033[K" + ("" if is_last else line))
    elif is_last or search.generation % 10 == 0:
        sys.stderr.write(line + "\n")
    sys.stderr.flush()

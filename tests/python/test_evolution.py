"""evolve: a score that is no sum, a budget that every architecture keeps."""

import itertools

import pytest
import torch

import latgrad


@pytest.fixture
def model(fbnet_space, make_table):
    return latgrad.LatencyModel(fbnet_space, make_table(fbnet_space))


class Predictor(torch.nn.Module):
    """Neighbours must get along: not additive. Remembers what it was asked for."""

    def __init__(self, layers, candidates, seed=0):
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.single = torch.randn(layers, candidates, generator=generator)
        self.pairs = torch.randn(layers - 1, candidates, candidates, generator=generator)
        self.asked = []

    def forward(self, arch):
        self.asked.append(arch.clone())
        rows = torch.arange(arch.shape[1])
        return self.single[rows, arch].sum(-1) + self.pairs[rows[:-1], arch[:, :-1], arch[:, 1:]].sum(-1)


def budget_of(model, part=0.4):
    table_us = model.table_us()
    slowest = table_us.amax(-1).sum()
    fastest = table_us.masked_fill(~model.valid(), torch.inf).amin(-1).sum()
    return model.fixed_us() + (fastest + part * (slowest - fastest)).item()


def test_every_architecture_is_feasible_and_asked_for_once(model):
    predictor, budget_us = Predictor(22, 9), budget_of(model)
    found = latgrad.evolve(predictor, model, budget_us, generations=8, population=40, parents=10, quiet=True)
    asked = torch.cat(predictor.asked)
    assert (model.estimate(asked) <= budget_us).all()
    assert len({tuple(arch) for arch in asked.tolist()}) == len(asked) == found.evaluations == 9 * 40
    assert found.latency_us <= budget_us and found.score == pytest.approx(predictor(found.arch[None]).item())
    assert found.score == max(predictor(asked)).item()
    assert found.best_scores == sorted(found.best_scores) and len(found.best_scores) == 9


def test_is_better_than_as_many_random_architectures(model):
    predictor, budget_us = Predictor(22, 9), budget_of(model)
    found = latgrad.evolve(predictor, model, budget_us, generations=30, quiet=True)
    random = latgrad.evolve(predictor, model, budget_us, generations=0, population=found.evaluations, quiet=True)
    spread = predictor(torch.cat(predictor.asked[-1:])).std()
    assert found.score > random.score + spread


def test_finds_the_best_of_a_small_space(tiny_space, make_table):
    model = latgrad.LatencyModel(tiny_space, make_table(tiny_space))
    archs = torch.tensor(list(itertools.product(range(2), range(3), range(1), range(3))))
    latency_us = model.estimate(archs)
    for budget_us in latency_us.sort().values[[0, 5, 11, 17]].tolist():
        predictor = Predictor(4, 4)
        found = latgrad.evolve(predictor, model, budget_us, generations=6, population=8, parents=4, mutation=0.5, quiet=True)
        assert found.score == pytest.approx(predictor(archs[latency_us <= budget_us]).max().item())


def test_a_seed_and_a_checkpoint_give_the_same(model, tmp_path):
    budget_us, options = budget_of(model), dict(population=20, parents=6, quiet=True)
    whole = latgrad.evolve(Predictor(22, 9), model, budget_us, generations=6, seed=3, **options)
    again = latgrad.evolve(torch.jit.script(Scripted()), model, budget_us, generations=1, seed=3, **options)
    assert again.arch.shape == (22,)
    path = tmp_path / "evolution.pt"
    latgrad.evolve(Predictor(22, 9), model, budget_us, generations=2, seed=3, checkpoint=path, **options)
    rest = Predictor(22, 9)
    continued = latgrad.evolve(rest, model, budget_us, generations=6, seed=3, checkpoint=path, **options)
    assert sum(len(archs) for archs in rest.asked) == 4 * 20
    assert continued.arch.equal(whole.arch) and continued.best_scores == whole.best_scores
    assert not latgrad.evolve(Predictor(22, 9), model, budget_us, generations=6, seed=4, **options).best_scores == whole.best_scores
    with pytest.raises(ValueError, match="must be of the same options, but seed differs"):
        latgrad.evolve(Predictor(22, 9), model, budget_us, generations=6, seed=4, checkpoint=path, **options)


class Scripted(torch.nn.Module):
    def forward(self, arch: torch.Tensor) -> torch.Tensor:
        return -arch.double().var(-1)


def test_shows_its_progress(model, capsys):
    latgrad.evolve(Scripted(), model, budget_of(model), generations=2, population=4, parents=2)
    assert "[2/2] best " in capsys.readouterr().err
    latgrad.evolve(Scripted(), model, budget_of(model), generations=2, population=4, parents=2, quiet=True)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(parents=1), "parents must be at least 2"),
        (dict(population=8, parents=9), "parents at most the population"),
        (dict(mutation=0), "mutation above 0"),
        (dict(budget_us=1.0), "which the fastest architecture takes"),
        (dict(predict=lambda arch: torch.zeros(3)), "a number for each of 96 architectures"),
        (dict(predict=lambda arch: torch.full((len(arch),), torch.nan)), "predict must give a number"),
    ],
)
def test_refuses(model, change, message):
    given = dict(predict=Scripted(), model=model, budget_us=budget_of(model), generations=1, quiet=True)
    given.update(change)
    with pytest.raises(ValueError, match=message):
        latgrad.evolve(**given)

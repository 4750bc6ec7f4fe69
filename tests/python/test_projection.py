"""project: theta at a latency budget."""

import pytest
import torch

import latgrad


def expected_us(probs, table_us):
    return (probs * table_us).sum((-2, -1))


def divergence(q, p):
    return torch.special.xlogy(q, q / p).sum((-2, -1))


@pytest.fixture
def table_us():
    return 1000 * torch.rand(5, 4, dtype=torch.float64)


def test_meets_the_budget_to_the_last_digits(table_us):
    theta = 3 * torch.randn(64, 5, 4, dtype=torch.float64)
    least = table_us.amin(-1).sum()
    free = expected_us(theta.softmax(-1), table_us)
    for part in (0.999, 0.5, 0.1, 0.01):
        budget_us = least + part * (free - least)
        probs = latgrad.project(theta, table_us, budget_us)
        torch.testing.assert_close(expected_us(probs, table_us), budget_us, rtol=1e-9, atol=0)
        torch.testing.assert_close(probs.sum(-1), torch.ones(64, 5, dtype=torch.float64))


def test_leaves_what_is_within_the_budget(table_us):
    theta = torch.randn(5, 4, dtype=torch.float64)
    probs = latgrad.project(theta, table_us, expected_us(theta.softmax(-1), table_us).item() + 1e-6)
    torch.testing.assert_close(probs, theta.softmax(-1), rtol=1e-15, atol=0)


def test_no_distribution_within_the_budget_is_nearer(table_us):
    theta = torch.randn(5, 4, dtype=torch.float64)
    p = theta.softmax(-1)
    budget_us = 0.8 * expected_us(p, table_us)
    q = latgrad.project(theta, table_us, budget_us)
    nearest = divergence(q, p)
    for scale in (0.01, 0.1, 1.0):
        others = (q.log() + scale * torch.randn(2000, 5, 4, dtype=torch.float64)).softmax(-1)
        within = others[expected_us(others, table_us) <= budget_us]
        assert len(within) > 100
        assert (divergence(within, p) >= nearest).all()


def test_the_fastest_architecture_is_the_tightest_budget(table_us):
    theta = torch.randn(5, 4, dtype=torch.float64)
    fastest = table_us.amin(-1).sum().item()
    probs = latgrad.project(theta, table_us, fastest * (1 + 1e-6))
    assert probs.argmax(-1).equal(table_us.argmin(-1))
    with pytest.raises(ValueError, match="budget_us must be at least .* which the fastest architecture takes, got"):
        latgrad.project(theta, table_us, fastest * 0.999)


def test_the_fastest_architecture_is_within_its_own_price():
    for _ in range(50):
        table_us = 1000 * torch.rand(22, 9, dtype=torch.float64)
        price_us = sum(table_us.amin(-1).tolist())  # in the order of the layers
        probs = latgrad.project(torch.randn(22, 9, dtype=torch.float64), table_us, price_us)
        assert expected_us(probs, table_us).item() == pytest.approx(price_us, rel=1e-6)


def test_masks_what_is_not_offered(table_us):
    valid = torch.ones(5, 4, dtype=torch.bool)
    valid[torch.arange(5), table_us.argmin(-1)] = False
    theta = torch.randn(5, 4, dtype=torch.float64)
    least = table_us.masked_fill(~valid, torch.inf).amin(-1).sum()
    table_us[~valid] = torch.nan
    probs = latgrad.project(theta, table_us, 1.05 * least, valid)
    assert (probs[~valid] == 0).all()
    assert expected_us(probs, table_us.nan_to_num()).item() == pytest.approx(1.05 * least.item(), rel=1e-9)


def test_budgets_in_batches(table_us):
    theta = torch.randn(5, 4, dtype=torch.float64)
    free = expected_us(theta.softmax(-1), table_us)
    least = table_us.amin(-1).sum()
    budgets = torch.linspace(1, 1.2, 6, dtype=torch.float64) * (least + 0.8 * (free - least))
    together = latgrad.project(theta, table_us, budgets)
    assert together.shape == (6, 5, 4)
    for one, budget_us in zip(together, budgets):
        torch.testing.assert_close(one, latgrad.project(theta, table_us, budget_us), rtol=1e-9, atol=1e-12)


def test_the_gradient_is_that_of_the_projection(table_us):
    theta = torch.randn(2, 5, 4, dtype=torch.float64, requires_grad=True)
    table = (table_us / 100).requires_grad_()
    free = expected_us(theta.softmax(-1), table).detach()
    budget_us = (0.85 * free).requires_grad_()
    call = lambda *inputs: latgrad.project(*inputs)
    assert torch.autograd.gradcheck(call, (theta, table, budget_us))
    assert torch.autograd.gradgradcheck(call, (theta, table, budget_us))
    # Where the budget does not bind it has no say.
    loose = (2 * free).requires_grad_()
    latgrad.project(theta, table, loose).square().sum().backward()
    assert (loose.grad == 0).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_other_dtypes(table_us, dtype):
    theta = torch.randn(5, 4).to(dtype).requires_grad_()
    budget_us = 0.8 * expected_us(theta.double().softmax(-1), table_us).item()
    probs = latgrad.project(theta, table_us.to(torch.float32), budget_us)
    assert probs.dtype == dtype
    assert expected_us(probs.double(), table_us).item() == pytest.approx(budget_us, rel=4 * torch.finfo(dtype).eps)
    probs[:, 0].sum().backward()
    assert theta.grad.isfinite().all() and theta.grad.abs().sum() > 0


def test_a_search_is_at_its_budget_in_every_step(table_us):
    # The layers like what is slow; nothing but the projection holds them.
    theta = torch.zeros(5, 4, dtype=torch.float64, requires_grad=True)
    value = table_us / 1000 + 0.1 * torch.rand(5, 4, dtype=torch.float64)
    budget_us = 0.7 * table_us.mean(-1).sum().item()
    optimizer = torch.optim.Adam([theta], 0.1)
    values = []
    for _ in range(200):
        probs = latgrad.project(theta, table_us, budget_us)
        assert expected_us(probs, table_us).item() <= budget_us * (1 + 1e-9)
        optimizer.zero_grad()
        loss = -(probs * value).sum()
        loss.backward()
        optimizer.step()
        values.append(-loss.item())
    _, best, _ = latgrad.best_architectures(value, table_us, budget_us)
    assert values[-1] > values[0] and values[-1] >= best.item() * 0.95


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiles_as_one_graph(table_us):
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 4):
        pytest.skip("schedules of floats are for torch 2.4 and later")
    # The default backend takes half a minute for the unrolled steps, and tells no more.
    compiled = torch.compile(latgrad.project, fullgraph=True, backend="aot_eager")
    theta = torch.randn(5, 4, dtype=torch.float64)
    free = expected_us(theta.softmax(-1), table_us).item()
    for part in (0.9, 0.8, 0.7):
        torch.testing.assert_close(compiled(theta, table_us, part * free), latgrad.project(theta, table_us, part * free))


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(theta=torch.zeros(4)), r"theta must be \[..., layers, candidates\]"),
        (dict(theta=torch.zeros(5, 3)), r"as table_us is, \[5, 4\], got \[5, 3\]"),
        (dict(theta=torch.zeros(5, 4, dtype=torch.int64)), "must be floating point"),
        (dict(valid=torch.ones(5, 4)), "valid must be bool"),
        (dict(budget_us=float("nan")), "budget_us must be at least"),
    ],
)
def test_refuses(change, message):
    given = dict(theta=torch.zeros(5, 4), table_us=torch.ones(5, 4), budget_us=9.0, valid=None)
    given.update(change)
    with pytest.raises(ValueError, match=message):
        latgrad.project(**given)

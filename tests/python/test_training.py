"""What docs/training.md says of PyTorch's tools for training, each with a loss that has the latency in it."""

import copy

import pytest
import torch
from torch import nn

import latgrad
from rows import ragged_mask, random_table

TABLE_US = random_table(3, 4, dtype=torch.float32)
VALID = ragged_mask(3, 4)
checkpoint = pytest.importorskip("torch.utils.checkpoint").checkpoint


class Search(nn.Module):
    """Three mixed layers, and theta beside them."""

    def __init__(self):
        super().__init__()
        self.layers = nn.ModuleList(
            latgrad.MixedLayer([nn.Linear(5, 5) if offered else None for offered in row]) for row in VALID.tolist())
        self.theta = nn.Parameter(torch.zeros(3, 4))
        self.register_buffer("table_us", TABLE_US)
        self.register_buffer("valid", VALID)

    def forward(self, x, seed=3, use_checkpoint=False):
        weights, latency_us = latgrad.gumbel_latency(
            self.theta, self.table_us, 1.0, self.valid, generator=torch.Generator().manual_seed(seed))
        for index, layer in enumerate(self.layers):
            call = (lambda x, w, layer=layer: checkpoint(layer, x, w, use_reentrant=False)) if use_checkpoint else layer
            x = call(x, weights[index]).relu()
        return x, latency_us


def loss_of(output, latency_us):
    return latgrad.fbnet_loss(output.square().mean(), latency_us)


def gradients(search, **options):
    search.zero_grad(set_to_none=True)
    loss = loss_of(*search(torch.linspace(-1, 1, 40).reshape(8, 5), **options))
    loss.backward()
    return {name: parameter.grad.clone() for name, parameter in search.named_parameters()}


def assert_same(one, other):
    assert one.keys() == other.keys()
    for name in one:
        torch.testing.assert_close(one[name], other[name])


def test_activation_checkpointing_changes_nothing():
    search = Search()
    assert_same(gradients(search), gradients(search, use_checkpoint=True))


@pytest.mark.parametrize("budget", [0.0, 0.3, 0.7, 1.0])
def test_a_compiled_step_is_the_same_at_every_memory_budget(budget):
    config = pytest.importorskip("torch._functorch.config", reason="came with torch 2.0")
    if not hasattr(config, "activation_memory_budget"):
        pytest.skip("memory budgets came with torch 2.4")
    theta = torch.randn(8, 3, 4, requires_grad=True)
    noise = torch.randn(8, 3, 4)

    def loss(theta):
        weights, latency_us = torch.ops.latgrad.gumbel_latency_sample(theta, TABLE_US, noise, 0.7, VALID, False)
        return loss_of(weights.sin().cos(), latency_us + latgrad.softmax_latency(theta, TABLE_US, VALID)).sum()

    torch._dynamo.reset()
    with config.patch(activation_memory_budget=budget):
        compiled = torch.compile(loss, fullgraph=True, backend="aot_eager_decomp_partition")
        ours, theirs = (torch.autograd.grad(call(theta), theta) for call in (compiled, loss))
    torch.testing.assert_close(ours, theirs)


def test_accumulated_gradients_are_those_of_the_sum():
    search = Search()
    x = torch.linspace(-1, 1, 40).reshape(8, 5)
    search.zero_grad()
    for part in x.split(4):
        (loss_of(*search(part)) / 2).backward()
    accumulated = {name: parameter.grad.clone() for name, parameter in search.named_parameters()}
    search.zero_grad()
    (sum(loss_of(*search(part)) for part in x.split(4)) / 2).backward()
    assert_same(accumulated, {name: parameter.grad for name, parameter in search.named_parameters()})


@pytest.mark.skipif(not hasattr(torch, "amp") or not hasattr(torch.amp, "GradScaler"), reason="torch.amp.GradScaler came with torch 2.3")
def test_a_scaled_loss_steps_as_an_unscaled_one():
    search, scaled = Search(), Search()
    scaled.load_state_dict(search.state_dict())
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    x = torch.rand(8, 5)
    for model in (search, scaled):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss = loss_of(*model(x))
        assert loss.dtype == torch.float32
        if model is scaled:
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            assert scaler.get_scale() == 1024.0  # no gradient overflowed
        else:
            loss.backward()
            optimizer.step()
    for one, other in zip(search.parameters(), scaled.parameters()):
        torch.testing.assert_close(one, other)


def test_an_averaged_copy_has_a_theta_of_its_own():
    search = Search()
    average = torch.optim.swa_utils.AveragedModel(search, avg_fn=lambda mean, new, _: 0.9 * mean + 0.1 * new)
    average.update_parameters(search)  # the first one copies
    with torch.no_grad():
        search.theta += 1
    average.update_parameters(search)
    torch.testing.assert_close(average.module.theta, torch.full((3, 4), 0.1))
    assert torch.equal(average.module.table_us, search.table_us)
    assert_same(gradients(copy.deepcopy(search)), gradients(search))


@pytest.mark.skipif(not hasattr(torch, "func"), reason="torch.func came with torch 2.0")
def test_functional_call_takes_another_theta():
    search, theta = Search(), torch.randn(3, 4)
    _, latency_us = torch.func.functional_call(search, {"theta": theta}, (torch.rand(2, 5),))
    expected = latgrad.gumbel_latency(theta, TABLE_US, 1.0, VALID, generator=torch.Generator().manual_seed(3))[1]
    assert torch.equal(latency_us, expected)
    gradient = torch.func.grad(lambda theta: torch.func.functional_call(search, {"theta": theta}, (torch.rand(2, 5),))[1])(theta)
    assert gradient.abs().sum() > 0


def test_a_checkpoint_loads_with_weights_only(tmp_path):
    search = Search()
    torch.save(search.state_dict(), tmp_path / "search.pt")
    loaded = Search()
    loaded.load_state_dict(torch.load(tmp_path / "search.pt", weights_only=True))
    assert_same(gradients(search), gradients(loaded))

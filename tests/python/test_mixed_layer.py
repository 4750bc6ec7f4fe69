"""latgrad.MixedLayer against the obvious sum."""

import pytest
import torch
from torch import nn

import latgrad


class Counting(nn.Module):
    """A block that counts its runs."""

    def __init__(self, block):
        super().__init__()
        self.block = block
        self.runs = 0

    def forward(self, x):
        self.runs += 1
        return self.block(x)


def blocks():
    """Four candidates, the second of which is not offered."""
    return [nn.Conv2d(3, 5, 3, padding=1), None, nn.Conv2d(3, 5, 1), nn.Conv2d(3, 5, 5, padding=2)]


def test_adds_weight_times_output():
    layer = latgrad.MixedLayer([nn.Identity(), nn.ReLU()])
    x = torch.tensor([[-2.0, 4.0], [-6.0, 8.0]])
    assert layer(x, torch.tensor([0.25, 0.75])).tolist() == [[-0.5, 4.0], [-1.5, 8.0]]
    # The first element takes the first candidate, the second element the second.
    assert layer(x, torch.eye(2)).tolist() == [[-2.0, 4.0], [0.0, 8.0]]


def test_gradients_reach_weights_input_and_parameters():
    candidates = blocks()
    layer = latgrad.MixedLayer(candidates)
    x = torch.rand(2, 3, 4, 4, requires_grad=True)
    for shape in [(4,), (2, 4)]:
        weights = torch.rand(shape, requires_grad=True)
        expected = sum(weights[..., k].reshape(-1, 1, 1, 1) * candidates[k](x) for k in (0, 2, 3))
        result = layer(x, weights)
        torch.testing.assert_close(result, expected)
        inputs = [weights, x, *layer.parameters()]
        for mine, other in zip(*(torch.autograd.grad(y.square().sum(), inputs) for y in (result, expected))):
            torch.testing.assert_close(mine, other)
            assert mine.shape != shape or (mine[..., 1] == 0).all()  # not offered


def test_only_offered_candidates_run_and_each_once():
    counting = [Counting(nn.Identity()), None, Counting(nn.Identity())]
    layer = latgrad.MixedLayer(counting)
    # What the weight of a candidate that is not offered holds does not matter.
    result = layer(torch.ones(2), torch.tensor([0.5, float("nan"), 0.25]))
    assert result.tolist() == [0.75, 0.75]
    assert [block.runs for block in counting if block is not None] == [1, 1]


def test_blocks_are_named_by_their_candidate():
    layer = latgrad.MixedLayer(blocks())
    assert set(layer.state_dict()) == {f"blocks.{k}.{name}" for k in (0, 2, 3) for name in ("weight", "bias")}


def test_keeps_the_dtype_of_the_blocks():
    layer = latgrad.MixedLayer(blocks())
    for weights in (torch.rand(4, dtype=torch.float64), torch.rand(2, 4, dtype=torch.float64)):
        assert layer(torch.rand(2, 3, 4, 4), weights).dtype == torch.float32


def test_mixes_by_the_weights_that_the_latency_is_taken_of():
    table_us = torch.tensor([[100.0, 0.0, 300.0, 500.0]])
    theta = torch.zeros(1, 4, requires_grad=True)
    weights = theta.masked_fill(table_us == 0, -torch.inf).softmax(-1)
    output = latgrad.MixedLayer(blocks())(torch.rand(2, 3, 4, 4), weights[0])
    latency_us = latgrad.expected_latency(weights, table_us)
    assert latency_us.item() == pytest.approx(300.0)
    (output.mean() + latency_us).backward()
    assert theta.grad[0, 1] == 0 and (theta.grad[0, [0, 2, 3]] != 0).all()


@pytest.mark.parametrize("given, error, message", [
    ([nn.Identity(), "skip"], TypeError, "blocks must hold modules and None, got str at 1"),
    ([None, None], ValueError, "blocks must offer at least one candidate, got 2, all of them None"),
    ([], ValueError, "blocks must offer at least one candidate, got 0"),
])
def test_refuses_blocks_that_cannot_be_mixed(given, error, message):
    with pytest.raises(error, match=message):
        latgrad.MixedLayer(given)


@pytest.mark.parametrize("x, weights, message", [
    (torch.rand(2, 3, 4, 4), torch.rand(()), r"weights must be \[candidates\] or \[batch, candidates\], got \[\]"),
    (torch.rand(2, 3, 4, 4), torch.rand(1, 2, 4), r"or \[batch, candidates\], got \[1, 2, 4\]"),
    (torch.rand(2, 3, 4, 4), torch.rand(3), r"each of the 4 candidates in its last dimension, got \[3\]"),
    (torch.rand(2, 3, 4, 4), torch.rand(4, 2), r"each of the 4 candidates in its last dimension, got \[4, 2\]"),
    (torch.rand(2, 3, 4, 4), torch.rand(3, 4), r"have the batch of x, got \[3, 4\] for x \[2, 3, 4, 4\]"),
    (torch.tensor(1.0), torch.rand(3, 4), r"have the batch of x, got \[3, 4\] for x \[\]"),
])
def test_says_which_shape_does_not_fit(x, weights, message):
    with pytest.raises(ValueError, match=message):
        latgrad.MixedLayer(blocks())(x, weights)


def test_says_which_block_has_another_shape():
    layer = latgrad.MixedLayer([nn.Linear(3, 4), None, nn.Linear(3, 5)])
    with pytest.raises(ValueError, match=r"got \[2, 5\] from block 2 and \[2, 4\] before it"):
        layer(torch.rand(2, 3), torch.rand(3))


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_gives_the_same(tmp_path):
    layer = latgrad.MixedLayer(blocks())
    torch.jit.script(layer).save(str(tmp_path / "layer.pt"))
    loaded = torch.jit.load(str(tmp_path / "layer.pt"))
    x = torch.rand(2, 3, 4, 4)
    for weights in (torch.rand(4), torch.rand(2, 4)):
        torch.testing.assert_close(loaded(x, weights), layer(x, weights))
    with pytest.raises(Exception, match=r"each of the 4 candidates in its last dimension, got \[3\]"):
        loaded(x, torch.rand(3))


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiles_into_one_graph():
    layer = latgrad.MixedLayer(blocks())
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.rand(2, 3, 4, 4)
    for weights in (torch.rand(4), torch.rand(2, 4)):
        torch.testing.assert_close(compiled(x, weights), layer(x, weights))

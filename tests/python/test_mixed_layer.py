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


class Pair(nn.Module):
    """Returns what `make` makes of the scaled input and of its sum."""

    def __init__(self, factor, make=lambda one, other: (one, other)):
        super().__init__()
        self.factor = factor
        self.make = make

    def forward(self, x, shift=0.0, *, scale=1.0):
        y = x * self.factor * scale + shift
        return self.make(y, y.sum(-1))


def test_passes_further_arguments_to_every_block():
    layer = latgrad.MixedLayer([Pair(1.0, lambda one, _: one), None, Pair(3.0, lambda one, _: one)])
    x, weights = torch.ones(2, 3), torch.tensor([0.5, 9.0, 0.5])
    assert torch.equal(layer(x, weights, 10.0, scale=2.0), torch.full((2, 3), 14.0))


def test_inputs_need_not_be_a_tensor():
    class Add(nn.Module):
        def forward(self, pair):
            return pair[0] + pair[1]

    assert latgrad.MixedLayer([Add(), Add()])((torch.ones(2), torch.ones(2)), torch.tensor([0.5, 0.25])).tolist() == [1.5, 1.5]


@pytest.mark.parametrize("make, parts", [
    (lambda one, other: (one, other), lambda output: output),
    (lambda one, other: [one, (other, None)], lambda output: (output[0], output[1][0])),
    (lambda one, other: {"hidden": one, "state": {"sum": other}}, lambda output: (output["hidden"], output["state"]["sum"])),
])
@pytest.mark.parametrize("shape", [(2,), (4, 2)])
def test_mixes_tuples_and_dictionaries_leaf_by_leaf(make, parts, shape):
    layer = latgrad.MixedLayer([Pair(1.0, make), Pair(2.0, make)])
    x, weights = torch.rand(4, 3), torch.rand(shape)
    output = layer(x, weights)
    assert type(output) is type(make(x, x))
    factor = weights[..., 0] + 2 * weights[..., 1]
    hidden, total = parts(output)
    torch.testing.assert_close(hidden, factor.reshape(-1, 1) * x)
    torch.testing.assert_close(total, factor * x.sum(-1))


def test_attention_mixes_with_attention():
    class Attention(nn.Module):
        def __init__(self, heads):
            super().__init__()
            self.attention = nn.MultiheadAttention(16, heads, batch_first=True)

        def forward(self, x, mask=None):
            return self.attention(x, x, x, attn_mask=mask)

    layer, x = latgrad.MixedLayer([Attention(4), Attention(2)]), torch.randn(2, 5, 16)
    output, attention = layer(x, torch.tensor([0.5, 0.5]), mask=torch.zeros(5, 5))
    assert output.shape == (2, 5, 16) and attention.shape == (2, 5, 5)
    with pytest.raises(ValueError, match="got a tensor from block 1 and a tuple of 2 before it; a module around a block"):
        latgrad.MixedLayer([Attention(4), nn.Linear(16, 16)])(x, torch.tensor([0.5, 0.5]))


@pytest.mark.parametrize("result, what", [
    ("text", "str"), (torch.tensor([1, 2]), "a tensor of torch.int64"), ((torch.rand(2), 3), "int")])
def test_says_what_a_block_must_return(result, what):
    with pytest.raises(TypeError, match=f"tuple, list or dictionary of such tensors and None, got {what} from block 0"):
        latgrad.MixedLayer([Pair(1.0, lambda *_: result)])(torch.rand(2, 2), torch.ones(1))


def test_dictionaries_may_have_another_order():
    layer = latgrad.MixedLayer([
        Pair(1.0, lambda one, other: {"a": one, "b": other}), Pair(2.0, lambda one, other: {"b": other, "a": one})])
    output = layer(torch.ones(1, 3), torch.tensor([0.5, 0.5]))
    assert list(output) == ["a", "b"] and output["a"].tolist() == [[1.5] * 3] and output["b"].tolist() == [4.5]


@pytest.mark.parametrize("make, got", [
    (lambda one, other: (one, one.unsqueeze(0)), r"\[1, 4, 3\]"), (lambda one, other: (one, other.sum()), r"\[\]")])
def test_weights_per_element_need_the_batch_first(make, got):
    layer = latgrad.MixedLayer([Pair(1.0, make), Pair(2.0, make)])
    with pytest.raises(ValueError, match=f"the batch of weights first, 4, got {got} from block 0"):
        layer(torch.rand(4, 3), torch.rand(4, 2))


def test_says_where_blocks_return_none():
    blocks = [Pair(1.0, lambda one, _: (one, None)), Pair(1.0)]
    with pytest.raises(ValueError, match="None in the same places, got a tensor from block 1 and None before it"):
        latgrad.MixedLayer(blocks)(torch.rand(2, 2), torch.ones(2))


def test_says_where_weights_must_be():
    with pytest.raises(ValueError, match="on the device of the blocks' outputs, cpu, got meta: move theta there"):
        latgrad.MixedLayer([nn.Identity()])(torch.rand(2), torch.ones(1, device="meta"))


def test_one_path_runs_the_chosen_block_alone():
    candidates = [Counting(nn.Linear(3, 3)) for _ in range(4)]
    candidates[1] = None
    layer = latgrad.MixedLayer(candidates, paths=1)
    theta = torch.zeros(1, 4, requires_grad=True)
    valid, table_us = torch.tensor([[True, False, True, True]]), torch.tensor([[1.0, 0.0, 30.0, 500.0]])
    weights, latency_us = latgrad.gumbel_latency(theta, table_us, 1.0, valid, hard=True)
    chosen = int(weights.argmax())
    x = torch.rand(2, 3)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    before = [None if block is None else block.block.weight.detach().clone() for block in candidates]
    output = layer(x, weights[0])
    assert torch.equal(output, candidates[chosen].block(x))
    (output.square().sum() + latency_us).backward()
    optimizer.step()
    for index, block in enumerate(candidates):
        if block is None:
            continue
        moved = not torch.equal(block.block.weight, before[index])
        assert (block.runs, moved, block.block.weight.grad is not None) == ((1, True, True) if index == chosen else (0, False, False))
    assert (theta.grad[valid] != 0).all()


def test_gradient_of_one_path_is_that_of_the_chosen_soft_weight():
    """Straight-through, by hand: dL/dtheta_i = g_k w_k (1[i = k] - w_i) / temperature, w the soft sample."""
    layer = latgrad.MixedLayer([nn.Linear(1, 1, bias=False) for _ in range(3)], paths=1)
    table_us, temperature = torch.tensor([[100.0, 250.0, 500.0]]), 0.7
    for seed in range(6):
        theta = torch.randn(1, 3, requires_grad=True)

        def sample(hard):
            return latgrad.gumbel_latency(theta, table_us, temperature, None, hard, torch.Generator().manual_seed(seed))

        soft = sample(hard=False)[0][0].tolist()
        weights, latency_us = sample(hard=True)
        chosen = int(weights.argmax())
        y = layer(torch.ones(1, 1), weights[0])
        (y.square().sum() + 0.01 * latency_us).backward()
        from_blocks = [2 * y.item() ** 2 if k == chosen else 0.0 for k in range(3)]
        g = [one + 0.01 * us for one, us in zip(from_blocks, table_us[0].tolist())]
        mean = sum(w * one for w, one in zip(soft, g))
        assert theta.grad[0].tolist() == pytest.approx([w * (one - mean) / temperature for w, one in zip(soft, g)], rel=1e-3, abs=1e-5)


def test_two_paths_run_two_blocks_and_train_one():
    candidates = [Counting(nn.Linear(3, 3)) for _ in range(5)]
    candidates[1] = None
    layer = latgrad.MixedLayer(candidates, paths=2)
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
    for block in layer.blocks.values():  # as after an earlier step, from which momentum is left
        for parameter in block.parameters():
            optimizer.state[parameter]["momentum_buffer"] = torch.ones_like(parameter)
    before = [None if block is None else block.block.weight.detach().clone() for block in candidates]
    theta = torch.zeros(1, 5, requires_grad=True)
    weights = latgrad.two_path_sample(theta, torch.tensor([[True, False, True, True, True]]))
    active, marked = int(weights.argmax()), torch.signbit(weights[0]).tolist()
    x = torch.rand(2, 3)
    output = layer(x, weights[0])
    assert torch.equal(output, candidates[active].block(x))
    output.square().sum().backward()
    optimizer.step()
    for index, block in enumerate(candidates):
        if block is None:
            continue
        moved = not torch.equal(block.block.weight, before[index])
        trained = index == active
        assert (block.runs, moved, block.block.weight.grad is not None) == (int(trained or marked[index]), trained, trained)
        assert (theta.grad[0, index] != 0) == (trained or marked[index])


def test_a_number_of_paths_mixes_so_many():
    layer = latgrad.MixedLayer([Counting(nn.Identity()) for _ in range(4)], paths=3)
    weights = torch.tensor([0.25, 0.0, 0.5, 0.0])
    assert layer(torch.ones(2), weights).tolist() == [0.75, 0.75]
    assert [block.runs for block in layer.blocks.values()] == [1, 0, 1, 0]
    # A caller may have read the weights already.
    layer(torch.ones(2), weights, host_weights=torch.tensor([0.0, 1.0, 0.0, 0.0]))
    assert [block.runs for block in layer.blocks.values()] == [1, 1, 1, 0]


def test_the_path_that_is_not_active_may_return_anything_that_is_mixed():
    layer = latgrad.MixedLayer([Pair(1.0), Pair(2.0, lambda one, other: {"a": one, "b": None})], paths=2)
    with pytest.raises(ValueError, match="blocks must return the same tuples"):
        layer(torch.ones(1, 3), torch.tensor([1.0, -0.0]))
    layer = latgrad.MixedLayer([Pair(1.0, lambda one, _: (one, None)), Pair(2.0, lambda one, _: (one, None))], paths=2)
    weights = torch.tensor([1.0, -0.0], requires_grad=True)
    output = layer(torch.ones(1, 3), weights)
    assert output[0].tolist() == [[1.0] * 3] and output[1] is None
    output[0].sum().backward()
    assert weights.grad.tolist() == [3.0, 6.0]


@pytest.mark.parametrize("weights, paths", [
    ([0.5, 0.5, 0.0], 1), ([0.0, 0.0, 0.0], 1), ([[1.0, 0.0, 0.0]], 1), ([1.0, -0.0, 0.0], 1), ([-0.0, -0.0, 0.0], 2),
    ([1.0, 1.0, 1.0], 2), ([1.0, -0.0, -0.0], 2), ([0.0, 0.0, 1.0], 1)])
def test_paths_need_a_sample_of_so_many(weights, paths):
    layer = latgrad.MixedLayer([nn.Identity(), nn.Identity(), None], paths=paths)
    with pytest.raises(ValueError, match=f"where paths={paths}"):
        layer(torch.ones(1, 2), torch.tensor(weights))


@pytest.mark.parametrize("paths", [0, -1, "two", True])
def test_refuses_other_paths(paths):
    with pytest.raises(ValueError, match='paths must be "all", or how many candidates run at most, got'):
        latgrad.MixedLayer([nn.Identity()], paths=paths)


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


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_scripting_leaves_the_layers_as_they_were():
    class Holder(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = latgrad.MixedLayer([nn.Identity(), nn.ReLU()])

        def forward(self, x: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
            return self.layer(x, weights)

    holder = Holder()
    layer = holder.layer
    torch.jit.script(holder)
    assert isinstance(holder.layer, latgrad.MixedLayer)
    x, weights = torch.ones(1, 2), torch.tensor([0.5, 0.5])
    assert torch.equal(holder.layer(x, weights), layer(x, weights))
    assert type(holder.layer) is latgrad.MixedLayer
    with pytest.raises(ValueError, match="a layer with paths=1 cannot be scripted"):
        torch.jit.script(latgrad.MixedLayer([nn.Identity()], paths=1))


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiles_into_one_graph():
    layer = latgrad.MixedLayer(blocks())
    compiled = torch.compile(layer, fullgraph=True, backend="aot_eager")
    x = torch.rand(2, 3, 4, 4)
    for weights in (torch.rand(4), torch.rand(2, 4)):
        torch.testing.assert_close(compiled(x, weights), layer(x, weights))

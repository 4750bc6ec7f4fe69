"""LatencyModel.from_table: the model of whoever has numbers and no LUT."""

import copy
import io

import pytest
import torch

import latgrad

BLOCKS = ["k3_e1", "k5_e6", "skip"]
BLOCKS_US = [[120.5, 340.1, 0.0], [88.0, 210.0, 0.0]]


@pytest.fixture
def model():
    return latgrad.LatencyModel.from_table(BLOCKS_US, BLOCKS, fixed_us=10, device="phone")


@pytest.fixture
def fleet():
    """Latency and energy of ragged layers."""
    costs = 1 + torch.arange(24, dtype=torch.float64).reshape(2, 3, 4)
    return latgrad.LatencyModel.from_table(
        costs, [list("abcd"), list("ab"), list("abc")], fixed_us=[1.0, 2.0], device=["latency_us", "energy_mj"],
        layers=["stem", "middle", "top"])


def test_prices_and_names_are_those_given(model):
    assert model.table_us().tolist() == BLOCKS_US and model.fixed_us() == 10.0
    assert (model.device(), model.devices(), model.layers(), model.layer_names()) == ("phone", ["phone"], 2, ["layer1", "layer2"])
    assert model.candidates(1) == BLOCKS and model.valid().all()
    assert model.decode(torch.tensor([0, 2])) == ["k3_e1", "skip"] and model.encode(["skip", "k5_e6"]).tolist() == [2, 1]
    assert model.estimate(torch.tensor([[0, 2], [1, 1]])).tolist() == [130.5, pytest.approx(560.1)]


def test_the_law_holds(model):
    arch = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    one_hot = torch.nn.functional.one_hot(arch, 3).double()
    latency_us = latgrad.expected_latency(one_hot, model.table_us()) + model.fixed_us()
    torch.testing.assert_close(latency_us, model.estimate(arch))


def test_several_resources_have_names(fleet):
    assert fleet.devices() == ["latency_us", "energy_mj"] and fleet.layer_names() == ["stem", "middle", "top"]
    assert fleet.valid().tolist() == [[True] * 4, [True, True, False, False], [True, True, True, False]]
    assert fleet.table_us().shape == (2, 3, 4) and (fleet.table_us()[:, ~fleet.valid()] == 0).all()
    assert fleet.fixed_by_device_us().tolist() == [1.0, 2.0]
    assert fleet.estimate(torch.tensor([[3, 1, 2], [0, 0, 0]])).tolist() == [[4 + 6 + 11 + 1, 16 + 18 + 23 + 2], [1 + 5 + 9 + 1, 13 + 17 + 21 + 2]]
    weights, costs = latgrad.gumbel_latency(torch.zeros(3, 4), fleet.table_us(), 1.0, fleet.valid())
    assert costs.shape == (2,) and (weights[~fleet.valid()] == 0).all()


def test_a_table_over_two_kinds_of_bits_is_a_table_of_pairs():
    bits = [2, 4, 8]
    table = torch.rand(5, 3, 3, dtype=torch.float64)
    model = latgrad.LatencyModel.from_table(table.flatten(1), [f"w{w}a{a}" for w in bits for a in bits])
    w, a = torch.randn(5, 3).double().softmax(-1), torch.randn(5, 3).double().softmax(-1)
    expected = latgrad.expected_latency((w[:, :, None] * a[:, None, :]).flatten(1), model.table_us())
    torch.testing.assert_close(expected, torch.einsum("li,lj,lij->", w, a, table))


def test_a_mask_leaves_candidates_out():
    valid = torch.tensor([[True, True, False], [True, False, True]])
    model = latgrad.LatencyModel.from_table([[1.0, 2.0, float("nan")], [3.0, -1.0, 5.0]], BLOCKS, valid=valid)
    assert model.table_us().tolist() == [[1.0, 2.0, 0.0], [3.0, 0.0, 5.0]]
    with pytest.raises(ValueError, match='got 1 "k5_e6" in layer 1'):
        model.estimate(torch.tensor([0, 1]))


class Term(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, probs):
        return latgrad.expected_latency(probs, self.model.table_us()) + self.model.fixed_by_device_us()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ["model", "fleet"])
def test_is_copied_and_saved_whole(name, request):
    given = request.getfixturevalue(name)
    saved = io.BytesIO()
    torch.jit.save(torch.jit.script(Term(given)), saved)
    saved.seek(0)
    for other in (copy.deepcopy(given), torch.jit.load(saved).model):
        assert other.devices() == given.devices() and other.layer_names() == given.layer_names()
        assert [other.candidates(layer) for layer in range(given.layers())] == [
            given.candidates(layer) for layer in range(given.layers())]
        for method in ("table_us", "valid", "fixed_by_device_us"):
            assert torch.equal(getattr(other, method)(), getattr(given, method)())


@pytest.mark.skipif(
    not hasattr(getattr(torch, "_library", None), "register_fake_class"), reason="fake classes came with torch 2.4")
@pytest.mark.parametrize("name", ["model", "fleet"])
def test_is_exported(name, request):
    term = Term(request.getfixturevalue(name))
    probs = torch.rand(term.model.valid().shape, dtype=torch.float64)
    torch.testing.assert_close(torch.export.export(term, (probs,)).module()(probs), term(probs))


def test_a_network_carries_one_device(fleet):
    with pytest.raises(ValueError, match="a network carries the model of one device, got one of latency_us, energy_mj"):
        latgrad.PricedNetwork(torch.nn.Identity(), fleet, torch.tensor([0, 0, 0]))


def test_a_mask_may_be_a_list():
    model = latgrad.LatencyModel.from_table([[1.0, 2.0]], ["a", "b"], valid=[[True, False]])
    assert model.valid().tolist() == [[True, False]]


def test_a_network_carries_it(model):
    network = latgrad.PricedNetwork(torch.nn.Identity(), model, torch.tensor([0, 2]))
    assert network.latency_us() == 130.5 and network.architecture() == ["k3_e1", "skip"]


@pytest.mark.parametrize("call, message", [
    (lambda m: m.netdef(torch.tensor([0, 0])), r"made of a table has no space, which netdef\(\) needs"),
    (lambda m: m.init_netdef(torch.tensor([0, 0])), r"which init_netdef\(\) needs"),
    (lambda m: m.peak_memory(torch.tensor([0, 0])), r"which peak_memory\(\) needs"),
    (lambda m: m.input_dims(), r"which input_dims\(\) needs"),
    (lambda m: m.space(), r"which space\(\) needs"),
    (lambda m: m.precision(), r"which precision\(\) needs"),
    (lambda m: m.table_us("p90"), "statistic must be p50 where the model was made of a table, .* got p90"),
    (lambda m: m.spread_us(), "statistic must be p50"),
])
def test_says_what_it_cannot_do(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


@pytest.mark.parametrize("call, message", [
    (lambda m: m.fixed_us(), r"a fixed part on each: fixed_by_device_us\(\)"),
    (lambda m: m.device(), r"has no one device: devices\(\)"),
])
def test_says_that_there_are_several_devices(fleet, call, message):
    with pytest.raises(ValueError, match=message):
        call(fleet)


@pytest.mark.parametrize("arguments, message", [
    (([1.0, 2.0], BLOCKS), r"table_us must be \[layers, candidates\] or \[devices, layers, candidates\], .* got Double \[2\]"),
    ((torch.zeros(0, 3), []), r"table_us must have no empty dimension, got \[0, 3\]"),
    (([[1.0, -2.0]], ["a", "b"]), "table_us of a valid candidate must be finite and not negative, got -2"),
    (([[1.0, float("nan")]], ["a", "b"]), "finite and not negative, got nan"),
    (([[1.0, 2.0]], ["a", "b"], -1.0), "fixed_us must be finite and not negative, got -1"),
    (([[1.0, 2.0]], ["a", "b"], [1.0, 2.0]), r"fixed_us must be one number, or one for each of the 1 devices, got \[2\]"),
    (([[1.0, 2.0]], [["a"], ["b"]]), "a list of names for each of the 1 layers, got 2"),
    (([[1.0, 2.0]], ["a", "b", "c"]), "1 to 2 names for each layer, as table_us is wide, got 3 for layer1"),
    (([[1.0, 2.0]], ["a", "a"]), 'the candidates of a layer must have different names, got "a" twice'),
    (([[1.0, 2.0]], ["a", "b\tc"]), "must have names without tabs and line breaks"),
    (([[1.0, 2.0]], ["a", ""]), "must have names without tabs"),
    (([[1.0, 2.0]], ["a", "b"], 0.0, ["one", "two"]), "device must name each of the 1 devices of table_us, got 2 names"),
    (([[1.0, 2.0]], ["a", "b"], 0.0, "d", torch.ones(2, 2, dtype=torch.bool)), r"valid must be bool \[layers, candidates\], \[1, 2\]"),
    (([[1.0, 2.0]], ["a", "b"], 0.0, "d", torch.zeros(1, 2, dtype=torch.bool)), "leave every layer a candidate, got none in layer1"),
    (([[1.0, 2.0]], [["a"]], 0.0, "d", torch.ones(1, 2, dtype=torch.bool)), "must not offer candidates that have no name"),
    (([[1.0, 2.0]], "ab"), "must be a list of names, or one for each layer, got the text 'ab'"),
    (([[1.0, 2.0]], [1, 2]), "candidates must be lists of names, got 1"),
    (([[1.0, 2.0]], ["a", ["b"]]), "candidates must be lists of names, got 'a'"),
    (([[1.0, 2.0]], ["a", "b"], 0.0, "d", None, ["one", "two"]), "layers must name each of the 1 layers, got 2 names"),
])
def test_says_which_rule_a_table_breaks(arguments, message):
    with pytest.raises(ValueError, match=message):
        latgrad.LatencyModel.from_table(*arguments)

"""Supernets of one's own modules: the law, with candidates that no space file can say, names, and what can go wrong."""

import itertools
import os
import pickle
import subprocess

import pytest
import torch
from torch import nn

import latgrad

from test_modules import Attention, Gate

CHANNELS = 8


class Branches(nn.Module):
    """A dilated branch beside a pointwise one, joined."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.wide = nn.Conv2d(channels, channels // 2, 3, padding=2, dilation=2)
        self.point = nn.Conv2d(channels, channels // 2, 1)

    def forward(self, x):
        return torch.cat([self.wide(x), self.point(x)], 1)


class Recurrent(nn.Module):
    """Three steps of a gated state, elementwise."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        state = torch.zeros_like(x)
        for _ in range(3):
            gate = torch.sigmoid(self.gate(x))
            state = gate * state + (1 - gate) * torch.tanh(x)
        return state


def space():
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, CHANNELS, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(CHANNELS), nn.ReLU())
    head = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(CHANNELS, 10))
    layers = [
        [nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1), Attention(CHANNELS, 2), Branches(CHANNELS)],
        [Recurrent(CHANNELS), None, nn.Identity()],
        latgrad.MixedLayer([Gate(CHANNELS), nn.Conv2d(CHANNELS, CHANNELS, 5, padding=2)]),
    ]
    return latgrad.ModuleSpace(stem, layers, head, torch.zeros(1, 3, 16, 16))


@pytest.fixture(scope="module")
def own():
    return space()


@pytest.fixture
def lut_of(tmp_path):
    """lut_of(nets) -> path of a LUT with a made-up time for every operator of the networks."""
    program = os.environ.get("LATGRAD_MAKE_TABLE")
    if not program:
        pytest.skip("LATGRAD_MAKE_TABLE does not name the program latgrad_make_table of the build folder")

    def make(nets):
        files = [tmp_path / f"{index}.onnx" for index in range(len(nets))]
        for net, file in zip(nets, files):
            net.to_onnx(file, "none")
        subprocess.run([program, "--nets", tmp_path / "lut.json", *files], check=True)
        return tmp_path / "lut.json"

    return make


@pytest.fixture
def lut(own, lut_of):
    return lut_of([own.lower(arch) for arch in own.covering()])


def every_architecture(own):
    return list(itertools.product(*(layer.offered for layer in own.layers)))


# The first property of the library, with candidates that no space file can say.
def test_the_law(own, lut):
    model = own.latency_model(lut)
    table_us, fixed_us = model.table_us(), model.fixed_us()
    architectures = every_architecture(own)
    assert len(architectures) == 12
    for arch in architectures:
        one_hot = nn.functional.one_hot(torch.tensor(arch), 3).double()
        exact_us = own.lower(arch).price(lut)
        assert float(latgrad.expected_latency(one_hot, table_us)) + fixed_us == pytest.approx(exact_us, rel=1e-12)
        assert float(model.estimate(torch.tensor(arch))) == pytest.approx(exact_us, rel=1e-12)


def test_an_architecture_is_the_network_that_it_is_read_as(own):
    for arch in every_architecture(own):
        lowered = own.lower(arch)
        whole = latgrad.read_module(own.network(arch), torch.zeros(1, 3, 16, 16))
        assert [(op.type, op.input_shapes, op.macs) for op in lowered.operators] == [
            (op.type, op.input_shapes, op.macs) for op in whole.operators
        ]
        assert (lowered.macs, lowered.params, lowered.peak_memory) == (whole.macs, whole.params, whole.peak_memory)


def test_the_model_is_like_one_of_a_space_file(own, lut):
    model = own.latency_model(lut)
    assert model.table_us().shape == (3, 3)
    assert torch.equal(model.valid(), own.valid())
    assert own.valid().tolist() == [[True] * 3, [True, False, True], [True, True, False]]
    assert model.decode(torch.tensor([1, 2, 0])) == ["Attention", "Identity", "Gate"]
    assert model.table_us()[1, 2] == 0  # the identity costs nothing
    assert model.estimate(torch.tensor([0, 0, 1])) == pickle.loads(pickle.dumps(model)).estimate(torch.tensor([0, 0, 1]))
    theta = torch.zeros(3, 3, requires_grad=True)
    (model.fixed_us() + latgrad.softmax_latency(theta, model.table_us().float(), model.valid())).backward()
    assert theta.grad[1, 1] == 0 and theta.grad[0].abs().sum() > 0


def test_the_supernet_of_one_hot_weights_is_the_network(own):
    own.eval()
    x = torch.randn(2, 3, 16, 16)
    for arch in every_architecture(own):
        weights = nn.functional.one_hot(torch.tensor(arch), 3).float()
        network = own.network(arch)
        assert torch.allclose(own(x, weights), network(x), atol=1e-6)
        assert not {p.data_ptr() for p in network.parameters()} & {p.data_ptr() for p in own.parameters()}


def test_whole_numbers_of_any_kind_are_an_architecture(own):
    import numpy

    assert own.lower(numpy.array([0, 2, 1])).operators == own.lower(torch.tensor([0, 2, 1])).operators


def test_few_networks_have_each_candidate(own):
    architectures = own.covering(seed=3)
    assert len(architectures) == 3 and architectures == own.covering(seed=3)
    for index, layer in enumerate(own.layers):
        assert {arch[index] for arch in architectures} == set(layer.offered)


def test_operators_are_called_by_the_supernets_names(own):
    names = {name for name, _ in own.named_modules()}
    for arch in own.covering():
        assert {op.module for op in own.lower(arch).operators} <= names


def test_a_missing_operator_is_an_error_with_its_name(own, lut_of):
    lut = lut_of([own.lower([0, 2, 1])])
    with pytest.raises(ValueError, match=r"LayerNormalization .* in layers.0.blocks.1.norm"):
        own.latency_model(lut)


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("no such thing")


class Pair(nn.Module):
    def forward(self, x):
        return x, x


def test_errors_name_the_submodule():
    x = torch.zeros(1, 8, 4, 4)

    def fails(message, layers, error=ValueError, **options):
        with pytest.raises(error, match=message):
            latgrad.ModuleSpace(None, layers, None, x, **options)

    same = nn.Conv2d(8, 8, 1)
    fails("the submodule layers.1.blocks.1.0 is not: no such thing", [[same], [same, nn.Sequential(Failing())]])
    fails(r"got \[1, 4, 4, 4\] from layers.0.blocks.1 and \[1, 8, 4, 4\] from layers.0.blocks.0", [[same, nn.Conv2d(8, 4, 1)]])
    fails("layers.0.blocks.0 must give one tensor, got tuple", [[Pair()]])
    fails("at least one candidate", [[None]])
    fails("at least one layer", [])
    fails("blocks must hold modules and None, got str at 0", [["conv"]], TypeError)
    fails("layer 0 must have a name for each of its 2 candidates", [[same, nn.Identity()]], names=["conv"])
    own = latgrad.ModuleSpace(None, [[same, None]], None, x, names=["conv", "none"])
    assert own.candidates(0) == ["conv", "none"]
    with pytest.raises(ValueError, match="in layer 0 .* one of \\[0\\], got 1"):
        own.lower([1])
    with pytest.raises(ValueError, match="arch must be one architecture, 1 whole numbers"):
        own.network([0, 0])
    with pytest.raises(ValueError, match="candidate 1 of layer 0"):
        own.block_net(0, 1)
    with pytest.raises(ValueError, match=r"weights must be \[..., 1, 2\]"):
        own(x, torch.ones(2))

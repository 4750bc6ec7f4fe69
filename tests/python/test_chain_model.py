"""LatencyModel of a chain, a space whose layers choose their widths."""

import io
import pickle

import pytest
import torch
from conftest import SPACES

import latgrad


@pytest.fixture(scope="session")
def chain_space():
    return SPACES / "fbnet_v2_like.textproto"


@pytest.fixture
def model(chain_space, make_table):
    return latgrad.LatencyModel(chain_space, make_table(chain_space))


def random_architectures(model, count):
    """Paths through pairs that fit: every candidate that is offered has one that fits behind it."""
    fits = model.chain_valid()
    archs = []
    for _ in range(count):
        arch = [0]
        for layer in range(model.layers()):
            arch.append(torch.multinomial(fits[layer, arch[-1]].double(), 1).item())
        archs.append(arch[1:])
    return torch.tensor(archs)


def one_hot(model, arch):
    return torch.nn.functional.one_hot(arch, model.chain_valid().shape[-1]).double()


@pytest.mark.parametrize("statistic", ["p50", "p90", "mean"])
def test_chain_latency_of_one_architecture_is_its_estimate(model, statistic):
    archs = random_architectures(model, 50)
    priced = latgrad.chain_latency(one_hot(model, archs), model.chain_table_us(statistic)) + model.fixed_us(statistic)
    torch.testing.assert_close(priced, model.estimate(archs, statistic))


def test_estimate_is_the_price_of_the_network(model, chain_space, make_table, tmp_path):
    table = latgrad.LatencyTable(make_table(chain_space))
    net = tmp_path / "net.pbtxt"
    for arch in random_architectures(model, 5):
        net.write_text(model.netdef(arch))
        (tmp_path / "init.pbtxt").write_text(model.init_netdef(arch))
        exact_us = table.estimate_net(str(net), str(tmp_path / "init.pbtxt"), model.input_dims()).total_us()
        assert model.estimate(arch).item() == pytest.approx(exact_us)
        assert model.encode(model.decode(arch)).equal(arch)
    archs = random_architectures(model, 3)
    assert model.peak_memory(archs).shape == (3,)


def test_gradients_reach_the_choice_of_widths(model):
    theta = torch.zeros(model.valid().shape, dtype=torch.float64, requires_grad=True)
    probs = theta.masked_fill(~model.valid(), -torch.inf).softmax(-1)
    latgrad.chain_latency(probs, model.chain_table_us()).backward()
    assert theta.grad[model.valid()].count_nonzero() > 0


def test_a_space_that_is_no_chain_has_equal_rows(tiny_space, make_table):
    model = latgrad.LatencyModel(tiny_space, make_table(tiny_space))
    valid, table_us, chain_us = model.valid(), model.table_us(), model.chain_table_us()
    assert model.chain_valid()[0].tolist() == [valid[0].tolist()] + [[False] * 4] * 3
    for layer in range(1, 4):
        assert model.chain_valid()[layer].equal(valid[layer - 1].unsqueeze(1) & valid[layer])
        for predecessor in valid[layer - 1].nonzero().flatten():
            assert chain_us[layer, predecessor].equal(table_us[layer])


def test_refuses_what_a_chain_has_not(model, chain_space):
    for call in (model.table_us, model.spread_us):
        with pytest.raises(ValueError, match=r"chain_table_us\(\)"):
            call()
    with pytest.raises(ValueError, match="one time for each candidate, which a chain has not"):
        model.text()
    arch = random_architectures(model, 1)[0]
    arch[:2] = torch.tensor([0, 9])
    assert model.candidates(1)[9] == "skip_c16"
    for call in (model.estimate, model.decode):
        with pytest.raises(ValueError, match='neighbours that fit, got "skip_c16" in layer 1 .* behind "k3_e3_c12"'):
            call(arch)
    with pytest.raises(ValueError, match="a space whose blocks are modules, as in a supernet, must have layers"):
        latgrad.SearchSpace(chain_space).block(1, 0, "fp32")
    with pytest.raises(ValueError, match="has no space"):
        latgrad.LatencyModel.from_table([[1.0]], ["a"]).chain_table_us()


def test_is_saved_and_scripted(model):
    class Term(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, probs):
            return torch.ops.latgrad.chain_latency(probs, self.model.chain_table_us()) + self.model.fixed_us()

    arch = random_architectures(model, 1)[0]
    file = io.BytesIO()
    torch.jit.save(torch.jit.script(Term(model)), file)
    file.seek(0)
    assert torch.jit.load(file)(one_hot(model, arch)).item() == pytest.approx(model.estimate(arch).item())
    copy = pickle.loads(pickle.dumps(model))
    assert copy.chain_table_us().equal(model.chain_table_us())
    assert copy.chain_valid().equal(model.chain_valid())
    assert copy.estimate(arch).equal(model.estimate(arch))


def test_is_exported(model):
    if not hasattr(torch, "export") or not hasattr(getattr(torch, "_library", None), "register_fake_class"):
        pytest.skip("torch.export takes no such object before torch 2.4")

    class Table(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, probs):
            return torch.ops.latgrad.chain_latency(probs, self.model.chain_table_us())

    arch = random_architectures(model, 1)[0]
    probs = one_hot(model, arch)
    exported = torch.export.export(Table(model), (probs,), strict=False)
    assert exported.module()(probs).equal(Table(model)(probs))

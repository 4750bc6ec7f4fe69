"""Modules as networks: operators, shapes, costs, names, errors."""

import json
import pickle

import pytest
import torch
from torch import nn

import latgrad

FLOAT = 1


class Gate(nn.Module):
    """Squeeze-and-excite, written out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.reduce = nn.Conv2d(channels, channels // 2, 1)
        self.expand = nn.Conv2d(channels // 2, channels, 1)

    def forward(self, x):
        y = self.expand(torch.relu(self.reduce(x.mean([2, 3], keepdim=True))))
        return x * torch.sigmoid(y)


class Attention(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(channels)
        self.qkv = nn.Linear(channels, 3 * channels)
        self.project = nn.Linear(channels, channels)

    def forward(self, x):
        batch, channels, height, width = x.shape
        tokens = x.flatten(2).transpose(1, 2)
        qkv = self.qkv(self.norm(tokens)).reshape(batch, height * width, 3, self.heads, channels // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        y = (q @ k.transpose(-1, -2)).softmax(-1) @ v
        y = self.project(y.transpose(1, 2).reshape(batch, height * width, channels))
        return x + y.transpose(1, 2).reshape(batch, channels, height, width)


def network():
    torch.manual_seed(0)
    stem = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(8), nn.ReLU())
    return nn.Sequential(stem, Gate(8), Attention(8, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10))


IMAGE = torch.zeros(1, 3, 16, 16)


def types(net):
    return [op.type for op in net.operators]


def test_operators_shapes_and_costs_of_a_module():
    net = latgrad.read_module(network(), IMAGE)
    # The normalisation is part of the convolution; the layer flattens itself.
    assert types(net)[:8] == ["Conv", "Relu", "ReduceMean", "Conv", "Relu", "Conv", "Sigmoid", "Mul"]
    assert types(net)[-2:] == ["AveragePool", "FC"]
    first, last = net.operators[0], net.operators[-1]
    assert first.input_shapes == [[1, 3, 16, 16], [8, 3, 3, 3], [8]] and first.output_shapes == [[1, 8, 8, 8]]
    assert last.input_shapes == [[1, 8, 1, 1], [10, 8], [10]]
    # By hand: 64 pixels x 8 x 27; two 8x4 gates; 64 tokens: 8x24, twice 64x64x4 per head, 8x8; 8x10.
    assert first.macs == 64 * 8 * 27
    assert net.macs == 64 * 8 * 27 + 2 * 8 * 4 + 64 * 8 * 24 + 2 * 2 * 64 * 64 * 4 + 64 * 8 * 8 + 8 * 10
    assert net.params == 8 * 27 + 2 * 8 * 4 + 8 * 24 + 8 * 8 + 8 * 10
    assert net.inputs == {"input": [1, 3, 16, 16]} and net.shapes["1.reduce.weight"] == [4, 8, 1, 1]
    # The scores of attention and their softmax, float32.
    assert net.peak_memory == net.live_bytes[net.peak_operator] == max(net.live_bytes)
    assert net.peak_memory >= 2 * 4 * 2 * 64 * 64
    assert net.weight_bytes == {"float32": 4 * (net.params + net.other_params)}


def test_operators_know_their_module():
    by_module = {op.module: op.type for op in latgrad.read_module(network(), IMAGE).operators}
    assert by_module["0.0"] == "Conv" and by_module["1.reduce"] == "Conv" and by_module["2.norm"] == "LayerNormalization"
    assert {"2.qkv", "2.project", "5"} <= set(by_module)


def test_the_module_is_left_as_it_is():
    module = network()
    module[1].eval()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    modes = [submodule.training for submodule in module.modules()]
    latgrad.read_module(module, torch.randn(2, 3, 16, 16))
    assert [submodule.training for submodule in module.modules()] == modes
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(submodule._forward_hooks or submodule._forward_pre_hooks for submodule in module.modules())


def test_weights_are_not_copied():
    wide = nn.Linear(1000, 4000)
    net = latgrad.read_module(nn.Sequential(wide), torch.zeros(1, 1000))
    assert len(pickle.dumps(net)) < 10_000
    assert net.operators[0].input_shapes == [[1, 1000], [4000, 1000], [4000]]


def test_a_pickled_network_is_the_same():
    net = latgrad.read_module(network(), IMAGE)
    again = pickle.loads(pickle.dumps(net))
    assert again.operators == net.operators and again.shapes == net.shapes


def record(op, p50_us):
    """Of an operator without arguments."""
    times = {f"runtime_us_p{p}": p50_us for p in (0, 10, 50, 90, 100)}
    return {
        "op_type": op.type, "op_args": [], "input_shapes": op.input_shapes,
        "input_dtypes": [FLOAT] * len(op.input_shapes), **times, "device": "here",
    }


@pytest.fixture
def activations():
    return latgrad.read_module(nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), nn.Sigmoid())), torch.zeros(1, 8))


def test_price_is_the_sum_over_the_operators(tmp_path, activations):
    lut = tmp_path / "lut.json"
    lut.write_text("".join(json.dumps(record(op, us)) + "\n" for op, us in zip(activations.operators, (1.5, 2.0, 4.0))))
    price = activations.price(lut)
    assert price == 7.5 == price.total_us() and isinstance(price, float)
    assert price.times_us == [1.5, 2.0, 4.0] and price.statuses == ["exact"] * 3
    assert activations.price(latgrad.LatencyTable(lut), statistic="p90") == 7.5
    assert pickle.loads(pickle.dumps(price)).times_us == price.times_us


def test_a_missing_operator_is_an_error_with_its_module(tmp_path, activations):
    lut = tmp_path / "lut.json"
    lut.write_text(json.dumps(record(activations.operators[0], 1.5)) + "\n")
    with pytest.raises(ValueError, match=r"2 of 3 are missing: Tanh \[\[1, 8\]\] in 1.0, Sigmoid \[\[1, 8\]\] in 1.1;"):
        activations.price(lut)


class Failing(nn.Module):
    def forward(self, x):
        raise RuntimeError("no such thing")


def test_what_cannot_be_traced_is_an_error_with_its_name():
    module = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh(), Failing()))
    with pytest.raises(ValueError, match="a module must be traceable, but the submodule 1.1 is not: no such thing"):
        latgrad.read_module(module, IMAGE)
    assert not any(submodule._forward_pre_hooks for submodule in module.modules())
    with pytest.raises(ValueError, match="the example must be tensors, got list at 0"):
        latgrad.read_module(network(), [1, 2])
    with pytest.raises(ValueError, match="at least one tensor"):
        latgrad.read_module(network())


class Scripted(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Linear(4, 4)
        self.s = torch.jit.script(nn.Linear(4, 4))

    def forward(self, x):
        return self.s(self.a(x))


@pytest.mark.skipif(not hasattr(torch.backends, "mha"), reason="this torch cannot turn its fast path off")
def test_attention_is_the_operators_that_it_does():
    layer = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True)
    was_fast = torch.backends.mha.get_fastpath_enabled()
    net = latgrad.read_module(layer, torch.zeros(2, 10, 64))
    assert net.macs == 20 * 64 * (3 * 64 + 64) + 2 * 20 * 64 * 128 + 2 * (2 * 4 * 10 * 10 * 16)
    assert torch.backends.mha.get_fastpath_enabled() == was_fast
    assert latgrad.read_module(nn.TransformerEncoder(layer, 2), torch.zeros(2, 10, 64)).macs == 2 * net.macs


class Upsampled(nn.Module):
    def forward(self, x, factor=2, exact=False):
        assert isinstance(factor, int) and exact is False
        return nn.functional.interpolate(x, scale_factor=factor)


def test_default_arguments_stay_what_they_are():
    module = Upsampled()
    net = latgrad.read_module(module, torch.zeros(1, 3, 4, 4))
    assert net.shapes[net.outputs[0]] == [1, 3, 8, 8]
    assert "forward" not in vars(module)
    module.forward = lambda x: x.relu()
    assert [op.type for op in latgrad.read_module(module, torch.zeros(1, 3)).operators] == ["Relu"]
    assert module(torch.tensor([-1.0])) == 0


def test_types_that_tables_do_not_have_are_errors():
    with pytest.raises(ValueError, match="tensors must be of floats of 16, 32 or 64 bits"):
        latgrad.read_module(nn.Linear(4, 4).bfloat16(), torch.zeros(1, 4, dtype=torch.bfloat16))


def test_scripted_submodules_take_no_hooks():
    module = Scripted()
    try:
        net = latgrad.read_module(module, torch.zeros(1, 4))
    except ValueError as error:
        assert "must be traceable" in str(error)  # whether the exporter takes it is the exporter's affair
    else:
        assert net.macs == 32
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in (module, module.a))


def test_what_was_caught_is_not_blamed_later():
    with pytest.raises(ValueError, match="the submodule 1 is not: no such thing"):
        latgrad.read_module(nn.Sequential(Recovering(), Failing()), IMAGE)


class Recovering(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = Failing()

    def forward(self, x):
        try:
            return self.inner(x)
        except RuntimeError:
            return x


class Spectrum(nn.Module):
    def forward(self, x):
        return torch.fft.fft(x).real


def test_an_operator_that_onnx_does_not_have_is_missing(tmp_path):
    net = latgrad.read_module(nn.Sequential(nn.ReLU(), Spectrum()), torch.zeros(1, 8))
    assert net.macs is None and net.peak_memory is None
    lut = tmp_path / "lut.json"
    lut.write_text(json.dumps(record(net.operators[0], 1.0)) + "\n")
    with pytest.raises(ValueError, match="missing: .*fft.* of unknown shape in 1"):
        net.price(lut)


def test_written_as_onnx_it_is_read_as_the_same_operators(tmp_path):
    net = latgrad.read_module(network(), IMAGE)
    for weights in ("random", "none"):
        path = tmp_path / f"{weights}.onnx"
        net.to_onnx(path, weights)
        lut = tmp_path / "lut.json"
        lut.write_text(json.dumps(record(net.operators[1], 1.0)) + "\n")
        assert latgrad.LatencyTable(lut).estimate_net(str(path)).op_types() == types(net)
    assert path.stat().st_size < 10_000
    with pytest.raises(ValueError, match="weights must be random or none"):
        net.to_onnx(path, "zeros")

"""torch.classes.latgrad.LatencyModel."""

import copy
import json
import pathlib
import pickle
import re
import subprocess
import sys
import textwrap

import pytest
import torch
from conftest import read_records, with_time

import latgrad

STATISTICS = ["p0", "p10", "p50", "p90", "p100", "mean"]
SKIP_TINY = ["skip", "k3_e3", "k3k3_e1", "k3_e1"]


@pytest.fixture
def model(tiny_space, make_table):
    return latgrad.LatencyModel(tiny_space, make_table(tiny_space))


class Term(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, probs):
        return torch.ops.latgrad.expected_latency(probs, self.model.table_us()) + self.model.fixed_us()

    @torch.jit.export
    def slow_us(self, probs, statistic: str):
        return (
            torch.ops.latgrad.expected_latency(probs, self.model.table_us(statistic)) + self.model.fixed_us(statistic)
        )


def test_counts_operators_where_each_takes_a_microsecond(tiny_space, make_table, write_records):
    records = [with_time(record, 1.0) for record in read_records(make_table(tiny_space))]
    model = latgrad.LatencyModel(tiny_space, write_records(records))
    # Layout change, quantize, stem; head convolution, pool, FC, softmax, dequantize.
    assert model.fixed_us() == 8
    assert model.table_us().tolist() == [
        [4, 0, 0, 0],  # expand, depthwise, project, sum; skip
        [3, 3, 4, 0],  # no sum where the shape changes; a shuffle where there are groups
        [5, 0, 0, 0],  # two depthwise convolutions, and the sum
        [3, 4, 3, 0],  # skip is not offered
    ]
    assert model.valid().tolist() == [
        [True, True, False, False],
        [True, True, True, False],
        [True, False, False, False],
        [True, True, True, False],
    ]
    assert model.estimate(torch.tensor([0, 2, 0, 1])).item() == 8 + 4 + 4 + 5 + 4


def test_tells_types_and_names(model, tiny_space):
    assert model.table_us().dtype == torch.float64 and model.table_us().shape == (4, 4)
    assert model.valid().dtype == torch.bool and model.valid().shape == (4, 4)
    assert model.layers() == 4
    assert model.candidates(1) == ["k3_e1", "k3_e3", "k5_e3_g2"]
    assert model.candidates(3) == ["k3_e3", "k5_e3_g2", "k3_e1", "skip"]
    assert model.precision() == "int8"
    assert model.device() == "made-up"
    assert 'name: "tiny"' in model.space()
    assert model.input_dims() == {"data": [1, 3, 32, 32]}


@pytest.mark.parametrize("statistic, us", [
    ("p0", 90), ("p10", 95), ("p50", 100), ("p90", 120), ("p100", 200), ("mean", 108.25),
])
def test_prices_by_the_statistic_that_is_named(tiny_space, make_table, write_records, statistic, us):
    times = {"p0": 90, "p10": 95, "p50": 100, "p90": 120, "p100": 200}
    changes = {f"runtime_us_{name}": time for name, time in times.items()}
    records = [{**record, **changes} for record in read_records(make_table(tiny_space))]
    model = latgrad.LatencyModel(tiny_space, write_records(records))
    # The numbers of operators: test_counts_operators_where_each_takes_a_microsecond.
    assert model.fixed_us(statistic) == pytest.approx(8 * us)
    assert model.table_us(statistic)[1].tolist() == pytest.approx([3 * us, 3 * us, 4 * us, 0])
    assert model.estimate(torch.tensor([0, 2, 0, 1]), statistic).item() == pytest.approx((8 + 4 + 4 + 5 + 4) * us)
    assert model.spread_us()[1].tolist() == pytest.approx([3 * 25, 3 * 25, 4 * 25, 0])


def test_the_median_is_the_default_statistic(model):
    arch = torch.tensor([0, 2, 0, 1])
    assert torch.equal(model.table_us(), model.table_us("p50"))
    assert not torch.equal(model.table_us(), model.table_us("p90"))
    assert model.fixed_us() == model.fixed_us(statistic="p50") != model.fixed_us("p90")
    assert model.estimate(arch) == model.estimate(arch, statistic="p50") != model.estimate(arch, "p90")


def test_spread_is_from_p10_to_p90(model):
    assert model.spread_us().dtype == torch.float64 and model.spread_us().shape == (4, 4)
    assert torch.equal(model.spread_us(), model.table_us("p90") - model.table_us("p10"))
    assert (model.spread_us()[~model.valid()] == 0).all() and model.spread_us().max() > 0


def test_descent_on_the_p90_avoids_what_is_only_fast_by_the_median(tiny_space, make_table, write_records):
    def risky(record):
        if record["op_type"] == "Int8ChannelShuffle":  # which only k5_e3_g2 has
            return {**with_time(record, 0.0), "runtime_us_p90": 1000.0, "runtime_us_p100": 2000.0}
        five_taps = 'name: "kernel"\ni: 5\n' in record["op_args"]
        return with_time(record, 1.0 if five_taps else 100.0)

    records = [risky(record) for record in read_records(make_table(tiny_space))]
    model = latgrad.LatencyModel(tiny_space, write_records(records))

    def descend(statistic):
        theta = torch.zeros(4, 4, dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([theta], lr=0.1)
        for _ in range(100):
            optimizer.zero_grad()
            probs = theta.masked_fill(~model.valid(), -torch.inf).softmax(-1)
            latency_us = latgrad.expected_latency(probs, model.table_us(statistic)) + model.fixed_us(statistic)
            latency_us.log().backward()
            optimizer.step()
        return model.decode(theta.masked_fill(~model.valid(), -torch.inf).argmax(-1))

    assert [descend("p50")[layer] for layer in (1, 3)] == ["k5_e3_g2", "k5_e3_g2"]
    assert "k5_e3_g2" not in descend("p90")


def test_the_page_on_risk_shows_code_that_runs(fbnet_space, make_table, monkeypatch):
    root = pathlib.Path(__file__).resolve().parents[2]
    [code] = re.findall(r"^```python\n(.*?)^```$", (root / "docs" / "risk.md").read_text(), re.MULTILINE | re.DOTALL)
    names = {"torch": torch, "latgrad": latgrad, "lut": make_table(fbnet_space)}
    monkeypatch.chdir(root)
    exec(code, names)
    assert names["theta"].grad.abs().max() > 0
    model, arch = names["model"], names["arch"]
    assert model.estimate(arch, "p90") > model.estimate(arch)


@pytest.mark.parametrize("mode, price_us", [("ave", 2.0), ("min", 1.0), ("max", 4.0), ("last", 1.0)])
def test_makes_one_time_of_several_records(tiny_space, make_table, write_records, mode, price_us):
    records = read_records(make_table(tiny_space))
    repeated = [with_time(record, time_us) for time_us in (4.0, 1.0, 1.0) for record in records]
    model = latgrad.LatencyModel(tiny_space, write_records(repeated), mode=mode)
    assert model.table_us()[0, 0].item() == 4 * price_us


def test_prices_for_the_device_that_is_named(tiny_space, make_table, write_records):
    records = read_records(make_table(tiny_space))
    slow = [with_time(record, 10.0, device="slow") for record in records]
    fast = [with_time(record, 1.0, device="fast") for record in records]
    lut = write_records(slow + fast)
    assert latgrad.LatencyModel(tiny_space, lut, "fast").fixed_us() == 8
    assert latgrad.LatencyModel(tiny_space, lut, "slow").fixed_us() == 80


def test_encodes_and_decodes(model):
    arch = model.encode(SKIP_TINY)
    assert arch.dtype == torch.int64 and arch.tolist() == [1, 1, 0, 2]
    assert model.decode(arch) == SKIP_TINY
    assert model.decode(arch.to(torch.uint8)) == SKIP_TINY


def test_estimates_many_at_once(model):
    archs = torch.tensor([[[1, 1, 0, 2], [0, 0, 0, 0]], [[1, 2, 0, 1], [1, 0, 0, 0]], [[0, 1, 0, 1], [1, 1, 0, 0]]])
    prices_us = model.estimate(archs)
    assert prices_us.dtype == torch.float64 and prices_us.shape == (3, 2)
    for index in range(6):
        one = model.estimate(archs.reshape(-1, 4)[index].to(torch.uint8))
        assert one.shape == () and one == prices_us.reshape(-1)[index]
    assert model.estimate(torch.empty(0, 4, dtype=torch.int64)).shape == (0,)


def test_peak_memory_is_that_of_the_network(fbnet_space, make_table, tmp_path):
    model = latgrad.LatencyModel(fbnet_space, make_table(fbnet_space))
    archs = torch.tensor([[[0] * 22, [3] * 22], [[7] * 22, [6] + [0] * 21]])
    peaks = model.peak_memory(archs)
    assert peaks.dtype == torch.int64 and peaks.shape == (2, 2)
    for arch, peak in zip(archs.reshape(-1, 22), peaks.reshape(-1)):
        assert model.peak_memory(arch.to(torch.uint8)) == peak
        (tmp_path / "model.pbtxt").write_text(model.netdef(arch))
        (tmp_path / "init.pbtxt").write_text(model.init_netdef(arch))
        read = torch.classes.latgrad.Net.read(str(tmp_path / "model.pbtxt"), str(tmp_path / "init.pbtxt"), model.input_dims())
        assert json.loads(read.text())["peak_activation_bytes"] == peak
    assert len(set(peaks.reshape(-1).tolist())) > 1
    with pytest.raises(ValueError, match="must index the 9 candidates"):
        model.peak_memory(torch.tensor([9] * 22))


def test_gives_out_copies(model):
    model.table_us().fill_(-1)
    model.valid().fill_(False)
    assert model.table_us().min() >= 0 and model.valid().any()


@pytest.mark.parametrize("call, message", [
    (lambda model: model.candidates(-1), "layer must be from 0 to 3, got -1"),
    (lambda model: model.candidates(4), "layer must be from 0 to 3, got 4"),
    (lambda model: model.encode(["skip"]), "one candidate for each of the 4 layers, got 1"),
    (lambda model: model.encode(["skip", "skip", "k3k3_e1", "k3_e1"]),
     r'candidates of their layer, got "skip" in layer 1 \(counted from 0\), which has: k3_e1 k3_e3 k5_e3_g2'),
    (lambda model: model.encode(["skip", "k3_e3", "k3k3_e1", "skip"]),
     r'must choose candidates that are offered, got 3 "skip" in layer 3 \(counted from 0\)'),
    (lambda model: model.table_us("p99"), 'must be p0, p10, p50, p90, p100 or mean, got "p99"'),
    (lambda model: model.fixed_us("P90"), 'must be p0, p10, p50, p90, p100 or mean, got "P90"'),
    (lambda model: model.estimate(torch.tensor([0, 0, 0, 0]), "median"), 'or mean, got "median"'),
    (lambda model: model.decode(torch.tensor([0, 0, 0])), r"arch must be \[..., 4\].* got \[3\]"),
    (lambda model: model.decode(torch.zeros(2, 4, dtype=torch.int64)), r"one architecture, \[4\], got \[2, 4\]"),
    (lambda model: model.decode(torch.zeros(4)), "arch must be uint8 or int64, got Float"),
    (lambda model: model.estimate(torch.tensor(0)), r"arch must be \[..., 4\].* got \[\]"),
    (lambda model: model.estimate(torch.zeros(4, dtype=torch.int32)), "arch must be uint8 or int64, got Int"),
    (lambda model: model.estimate(torch.tensor([[0, 0, 0, 0], [2, 0, 0, 0]])),
     r"arch must index the 2 candidates of layer 0 \(counted from 0\), got 2"),
    (lambda model: model.estimate(torch.tensor([0, -1, 0, 0])),
     r"arch must index the 3 candidates of layer 1 \(counted from 0\), got -1"),
    (lambda model: model.estimate(torch.tensor([0, 0, 0, 3])), 'offered, got 3 "skip" in layer 3'),
    (lambda model: model.netdef(torch.tensor([0, 0, 0, 3])), 'offered, got 3 "skip" in layer 3'),
    (lambda model: model.init_netdef(torch.zeros(1, 4, dtype=torch.int64)), r"one architecture, \[4\], got \[1, 4\]"),
])
def test_says_which_rule_an_argument_breaks(model, call, message):
    with pytest.raises(ValueError, match=message):
        call(model)


@pytest.mark.parametrize("arguments, message", [
    ({"device": "nowhere"}, 'got "nowhere"'),
    ({"precision": "int4"}, 'precision must be int8 or fp32, got "int4"'),
    ({"mode": "average"}, 'must be ave, min, max or last, got "average"'),
])
def test_refuses_an_unknown_option(tiny_space, make_table, arguments, message):
    with pytest.raises(ValueError, match=message):
        latgrad.LatencyModel(tiny_space, make_table(tiny_space), **arguments)


def test_refuses_files_that_are_not_there_or_not_what_they_should_be(tiny_space, make_table, tmp_path):
    with pytest.raises(RuntimeError, match="none.textproto"):
        latgrad.LatencyModel(tmp_path / "none.textproto", make_table(tiny_space))
    with pytest.raises(RuntimeError, match="none.json"):
        latgrad.LatencyModel(tiny_space, tmp_path / "none.json")
    with pytest.raises(RuntimeError, match="line 1"):
        latgrad.LatencyModel(make_table(tiny_space), make_table(tiny_space))


def test_lists_the_first_ten_missing_operators(tiny_space, fbnet_space, make_table, write_records):
    with pytest.raises(ValueError) as error:
        latgrad.LatencyModel(fbnet_space, make_table(tiny_space))
    lines = str(error.value).splitlines()
    lacking = len(read_records(make_table(fbnet_space)))
    assert f"must hold every operator of the space, but lacks {lacking} (" in lines[0]
    assert lines[1] == "  NCHW2NHWC [1,3,224,224], for fixed"
    assert len(lines) == 12
    assert lines[-1] == f"  and {lacking - 10} more"

    records = read_records(make_table(tiny_space))
    with pytest.raises(ValueError) as error:
        latgrad.LatencyModel(tiny_space, write_records(records[1:]))
    lines = str(error.value).splitlines()
    assert "but lacks 1 (" in lines[0]
    assert lines[1:] == ["  NCHW2NHWC [1,3,32,32], for fixed"]


def test_pickles_and_copies(model):
    for other in (pickle.loads(pickle.dumps(model)), copy.deepcopy(model)):
        for statistic in STATISTICS:
            assert torch.equal(other.table_us(statistic), model.table_us(statistic))
            assert other.fixed_us(statistic) == model.fixed_us(statistic)
        assert other.decode(other.encode(SKIP_TINY)) == SKIP_TINY


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_module_loads_in_a_fresh_process_without_any_file(tiny_space, tmp_path, make_table):
    space, lut = tmp_path / "space.textproto", tmp_path / "lut.json"
    space.write_bytes(tiny_space.read_bytes())
    lut.write_bytes(make_table(tiny_space).read_bytes())
    model = latgrad.LatencyModel(space, lut)
    saved = tmp_path / "term.pt"
    torch.jit.script(Term(model)).save(str(saved))
    space.unlink()
    lut.unlink()

    program = textwrap.dedent("""
        import sys, torch, latgrad
        term = torch.jit.load(sys.argv[1])
        probs = torch.full((4, 4), 0.25, dtype=torch.float64)
        arch = term.model.encode(["skip", "k3_e3", "k3k3_e1", "k3_e1"])
        print(repr(term(probs).item()), repr(term.model.estimate(arch).item()), term.model.device())
        print(repr(term.slow_us(probs, "p90").item()), repr(term.model.estimate(arch, "p90").item()))
    """)
    answer = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program, str(saved)], check=True, capture_output=True, text=True
    )
    probs = torch.full((4, 4), 0.25, dtype=torch.float64)
    estimate_us = model.estimate(model.encode(SKIP_TINY)).item()
    slow_us = model.estimate(model.encode(SKIP_TINY), "p90").item()
    assert answer.stdout.split() == [
        repr(Term(model)(probs).item()), repr(estimate_us), "made-up",
        repr(Term(model).slow_us(probs, "p90").item()), repr(slow_us),
    ]


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_builds_and_uses_it(tiny_space, make_table):
    @torch.jit.script
    def price(space: str, lut: str) -> float:
        model = torch.classes.latgrad.LatencyModel(space, lut)
        return float(model.estimate(model.encode(["skip", "k3_e3", "k3k3_e1", "k3_e1"])))

    model = latgrad.LatencyModel(tiny_space, make_table(tiny_space))
    assert price(str(tiny_space), str(make_table(tiny_space))) == model.estimate(model.encode(SKIP_TINY)).item()


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_names_a_statistic_or_none(model):
    term = torch.jit.script(Term(model))
    probs = torch.full((4, 4), 0.25, dtype=torch.float64)
    assert term(probs) == term.slow_us(probs, "p50") < term.slow_us(probs, "p90")
    with pytest.raises(Exception, match='must be p0, p10, p50, p90, p100 or mean, got "p99"'):
        term.slow_us(probs, "p99")


@pytest.mark.parametrize("statistic", ["p50", "p90", "mean"])
def test_law_expected_of_one_hot_is_the_price_of_the_network(tiny_space, make_table, tmp_path, statistic):
    for precision in ("int8", "fp32"):
        lut = make_table(tiny_space, precision)
        model = latgrad.LatencyModel(tiny_space, lut, precision=precision)
        table = latgrad.LatencyTable(lut)
        valid = model.valid().tolist()
        corners = torch.cartesian_prod(*(torch.tensor([i for i in range(4) if row[i]]) for row in valid))
        assert len(corners) == 2 * 3 * 1 * 3
        one_hot = torch.nn.functional.one_hot(corners, 4).double()
        expected_us = latgrad.expected_latency(one_hot, model.table_us(statistic)) + model.fixed_us(statistic)
        net, init = tmp_path / "net.pbtxt", tmp_path / "net_init.pbtxt"
        for arch, latency_us in zip(corners, expected_us):
            net.write_text(model.netdef(arch))
            init.write_text(model.init_netdef(arch))
            exact_us = table.estimate_net(
                str(net), str(init), model.input_dims(), statistic=statistic
            ).total_us()
            assert latency_us.item() == pytest.approx(exact_us, rel=1e-6)


def test_a_network_has_no_price_by_an_unknown_statistic(model, tiny_space, make_table, tmp_path):
    (tmp_path / "net.pbtxt").write_text(model.netdef(torch.tensor([0, 0, 0, 0])))
    with pytest.raises(ValueError, match='must be p0, p10, p50, p90, p100 or mean, got "p99"'):
        latgrad.LatencyTable(make_table(tiny_space)).estimate_net(str(tmp_path / "net.pbtxt"), statistic="p99")


def test_law_holds_for_random_architectures_of_fbnet(fbnet_space, make_table, tmp_path):
    lut = make_table(fbnet_space)
    model = latgrad.LatencyModel(fbnet_space, lut)
    table = latgrad.LatencyTable(lut)
    net = tmp_path / "net.pbtxt"
    for arch in torch.multinomial(model.valid().double(), 40, replacement=True).t():
        net.write_text(model.netdef(arch))
        (tmp_path / "net_init.pbtxt").write_text(model.init_netdef(arch))  # found beside the network
        one_hot = torch.nn.functional.one_hot(arch, 9).double()
        expected_us = latgrad.expected_latency(one_hot, model.table_us()) + model.fixed_us()
        exact_us = table.estimate_net(str(net), "", model.input_dims()).total_us()
        assert expected_us.item() == pytest.approx(exact_us, rel=1e-6)

"""torch.classes.latgrad.LatencyTable and NetEstimate."""

import copy
import gzip
import json
import os
import pathlib
import pickle

import pytest
import torch
from conftest import with_time

import latgrad

KERNEL = 'name: "kernel"\ni: 3\n'
STRIDE = 'name: "stride"\ni: 2\n'
CONV = {
    "op_type": "Int8ConvRelu",
    "op_args": [KERNEL, STRIDE],
    "input_shapes": [[1, 8, 8, 3], [4, 3, 3, 3], [4]],
    "input_dtypes": [6, 6, 2],
    "device": "phone",
}
QUANTIZE = {
    "op_type": "Int8Quantize", "op_args": [], "input_shapes": [[1, 8, 8, 3]], "input_dtypes": [1], "device": "phone",
}
SHARED = pathlib.Path(os.environ.get("LATGRAD_SHARED_DIR", "/nowhere"))

NET = """
name: "two"
op { type: "Int8Quantize" input: "data" output: "q" }
op {
  type: "Int8ConvRelu" input: "q" input: "w" input: "b" output: "y"
  arg { name: "stride" i: 2 } arg { name: "kernel" i: 3 } arg { name: "pad" i: 1 }
}
external_input: "data" external_input: "w" external_input: "b"
external_output: "y"
"""
INIT = """
op { type: "Int8GivenTensorFill" output: "w" arg { name: "shape" ints: 4 ints: 3 ints: 3 ints: 3 } }
op { type: "Int8GivenIntTensorFill" output: "b" arg { name: "shape" ints: 4 } }
"""
PAD = 'name: "pad"\ni: 1\n'


@pytest.fixture
def table(write_records):
    other = with_time(CONV, 7.0, device="tablet")
    conv = {**CONV, "op_args": [KERNEL, PAD, STRIDE]}
    records = [with_time(QUANTIZE, 5.0), with_time(CONV, 2.0), with_time(CONV, 3.0), other, with_time(conv, 10.0)]
    return latgrad.LatencyTable(write_records(records, "phone-op_lut_database.json"))


@pytest.fixture
def net(tmp_path):
    (tmp_path / "two.pbtxt").write_text(NET)
    (tmp_path / "init.pbtxt").write_text(INIT)
    return str(tmp_path / "two.pbtxt"), str(tmp_path / "init.pbtxt")


def find(table, **changes):
    query = {**CONV, **changes}
    return table.find(
        query["op_type"], query["op_args"], query["input_shapes"], query["input_dtypes"], query["device"],
        query.get("statistic", "p50"),
    )


def test_tells_size_and_devices(table):
    assert table.size() == 5
    assert table.devices() == ["phone", "tablet"]


def test_finds_all_records_in_file_order(table):
    assert find(table) == [2.0, 3.0]
    assert find(table, device="tablet") == [7.0]
    assert find(table, device="") == [2.0, 3.0]  # the device of the file name


def test_finds_any_statistic_of_the_records(write_records):
    times = {f"runtime_us_p{p}": us for p, us in ((0, 1.0), (10, 2.0), (50, 4.0), (90, 7.0), (100, 9.0))}
    table = latgrad.LatencyTable(write_records([{**CONV, **times}, with_time(CONV, 3.0)]))
    statistics = ("p0", "p10", "p50", "p90", "p100")
    assert [find(table, statistic=statistic)[0] for statistic in statistics] == [1.0, 2.0, 4.0, 7.0, 9.0]
    assert find(table, statistic="p90") == [7.0, 3.0]
    query = CONV["op_type"], CONV["op_args"], CONV["input_shapes"], CONV["input_dtypes"]
    assert table.find(*query) == table.find(*query, statistic="p50") == [4.0, 3.0]
    assert 1.0 < find(table, statistic="mean")[0] < 9.0


def test_compares_arguments_by_meaning(table):
    assert find(table, op_args=[STRIDE, KERNEL]) == [2.0, 3.0]
    assert find(table, op_args=[KERNEL, STRIDE, 'name: "group"\ni: 1\n']) == [2.0, 3.0]


@pytest.mark.parametrize("changes", [
    {"op_type": "Int8Conv"}, {"op_args": [KERNEL]}, {"input_shapes": [[1, 8, 8, 3], [4, 3, 3, 3], [5]]},
    {"input_dtypes": [6, 6, 6]},
])
def test_finds_nothing_for_another_operator(table, changes):
    assert find(table, **changes) == []


@pytest.mark.parametrize("changes, error, message", [
    ({"device": "watch"}, ValueError, r'the device must be one of the table\'s \(phone, tablet\), got "watch"'),
    ({"statistic": "p99"}, ValueError, 'a statistic must be p0, p10, p50, p90, p100 or mean, got "p99"'),
    ({"input_dtypes": [6, 6, 11]}, ValueError, "numbers that Caffe2's TensorProto defines, got 11"),
    ({"input_dtypes": [6, 6, 0]}, ValueError, "defines, got 0"),
    ({"input_dtypes": [6, 6, 2**32 + 6]}, ValueError, f"defines, got {2**32 + 6}"),
    ({"input_dtypes": [6, 6]}, ValueError, "must have the same length, got 3 and 2"),
    ({"op_args": ["name {"]}, RuntimeError, "."),
])
def test_find_says_which_rule_an_argument_breaks(table, changes, error, message):
    with pytest.raises(error, match=message):
        find(table, **changes)


def test_prices_a_network_operator_by_operator(table, net):
    price = table.estimate_net(net[0], net[1], {"data": [1, 8, 8, 3]})
    assert price.all_found()
    assert price.total_us() == price.found_us() == 15.0
    assert price.op_types() == ["Int8Quantize", "Int8ConvRelu"]
    assert price.outputs() == ["q", "y"]
    assert price.statuses() == ["exact", "exact"]
    assert price.times_us() == [5.0, 10.0]


def test_gives_no_total_while_an_operator_is_missing(table, net):
    price = table.estimate_net(net[0], net[1], {"data": [1, 16, 16, 3]})
    assert not price.all_found()
    assert price.found_us() == 0.0
    assert price.statuses() == ["missing", "missing"] and price.times_us() == [0.0, 0.0]
    message = '2 of 2 are missing: op 0 "Int8Quantize", op 1 "Int8ConvRelu"; found_us()'
    with pytest.raises(RuntimeError) as error:
        price.total_us()
    assert message in str(error.value)


def test_names_only_the_first_ten_missing_operators(table, tmp_path):
    ops = "".join(f'op {{ type: "Relu" input: "b{i}" output: "b{i + 1}" }}\n' for i in range(12))
    (tmp_path / "relus.pbtxt").write_text(ops + 'external_input: "b0" external_output: "b12"\n')
    price = table.estimate_net(str(tmp_path / "relus.pbtxt"), "", {"b0": [1, 2]})
    with pytest.raises(RuntimeError, match=r'12 of 12 are missing: op 0 .* op 9 "Relu" and 2 more; found_us'):
        price.total_us()


@pytest.mark.parametrize("mode, total_us", [("ave", 13.0), ("min", 11.0), ("max", 15.0), ("last", 11.0)])
def test_prices_in_each_mode(write_records, net, mode, total_us):
    conv = {**CONV, "op_args": [KERNEL, PAD, STRIDE]}
    records = [with_time(QUANTIZE, 5.0), with_time(conv, 10.0), with_time(conv, 6.0)]
    table = latgrad.LatencyTable(write_records(records))
    assert table.estimate_net(net[0], net[1], {"data": [1, 8, 8, 3]}, mode=mode).total_us() == total_us


def test_tells_a_substituted_operator(table, net, tmp_path):
    (tmp_path / "conv.pbtxt").write_text(NET.replace("Int8ConvRelu", "Int8Conv"))
    price = table.estimate_net(str(tmp_path / "conv.pbtxt"), net[1], {"data": [1, 8, 8, 3]})
    assert price.statuses() == ["exact", "substituted"]
    assert price.total_us() == 15.0


def test_estimate_says_which_rule_an_argument_breaks(table, net):
    with pytest.raises(ValueError, match='no operator reads or writes.*blob "dta"'):
        table.estimate_net(net[0], net[1], {"dta": [1, 8, 8, 3]})
    with pytest.raises(RuntimeError, match='the weight must have shape.*blob "w"'):
        table.estimate_net(net[0], net[1], {"data": [1, 8, 8, 3], "w": [1, 8, 8, 3]})
    with pytest.raises(ValueError, match='"watch"'):
        table.estimate_net(net[0], net[1], {"data": [1, 8, 8, 3]}, "watch")
    with pytest.raises(ValueError, match='got "mean"'):
        table.estimate_net(net[0], net[1], {"data": [1, 8, 8, 3]}, "", "mean")
    with pytest.raises(RuntimeError, match='blob "data"'):
        table.estimate_net(net[0], net[1])
    with pytest.raises(RuntimeError, match="none.pbtxt"):
        table.estimate_net("none.pbtxt")


def test_reads_compressed_files(write_records, tmp_path):
    plain = write_records([with_time(CONV, 2.0)])
    packed = tmp_path / "packed.json.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    assert find(latgrad.LatencyTable(packed)) == [2.0]


def test_refuses_a_broken_file_with_its_place(write_records, tmp_path):
    path = write_records([with_time(CONV, 2.0)])
    path.write_text(path.read_text() + "{]\n")
    with pytest.raises(RuntimeError, match="line 2"):
        latgrad.LatencyTable(path)
    with pytest.raises(RuntimeError, match="none.json"):
        latgrad.LatencyTable(tmp_path / "none.json")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_torchscript_uses_it(table, net, write_records):
    @torch.jit.script
    def price(path: str, model: str, init: str) -> float:
        table = torch.classes.latgrad.LatencyTable(path)
        return table.estimate_net(model, init, {"data": [1, 8, 8, 3]}).found_us()

    conv = {**CONV, "op_args": [KERNEL, PAD, STRIDE]}
    lut = write_records([with_time(QUANTIZE, 5.0), with_time(conv, 10.0)])
    assert price(str(lut), *net) == 15.0


def test_pickles_and_copies(table, net):
    for other in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table)):
        assert (other.size(), other.devices()) == (5, ["phone", "tablet"])
        assert find(other, device="") == [2.0, 3.0]  # the device of the file name
        assert find(other, device="tablet") == [7.0]
        assert other.estimate_net(net[0], net[1], {"data": [1, 8, 8, 3]}).total_us() == 15.0


def test_a_copy_still_asks_for_the_device(write_records):
    table = latgrad.LatencyTable(write_records([with_time(CONV, 2.0), with_time(CONV, 7.0, device="tablet")]))
    for other in (table, copy.deepcopy(table)):
        with pytest.raises(ValueError, match="a device must be named because the table has several: phone, tablet"):
            find(other, device="")


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::FutureWarning")
def test_a_saved_module_needs_no_file(write_records, tmp_path):
    class Holder(torch.nn.Module):
        def __init__(self, table):
            super().__init__()
            self.table = table

        def forward(self, kernel: str, stride: str):
            shapes = [[1, 8, 8, 3], [4, 3, 3, 3], [4]]
            return self.table.find("Int8ConvRelu", [kernel, stride], shapes, [6, 6, 2])

    lut = write_records([with_time(CONV, 2.0)])
    torch.jit.save(torch.jit.script(Holder(latgrad.LatencyTable(lut))), tmp_path / "holder.pt")
    lut.unlink()
    assert torch.jit.load(tmp_path / "holder.pt")(KERNEL, STRIDE) == [2.0]


@pytest.mark.skipif(not (SHARED / "conformance").is_dir(), reason="needs ../shared/conformance, not published")
def test_prices_published_networks():
    lut = next((SHARED / "conformance").glob("*op_lut_database.json*"))
    table = latgrad.LatencyTable(lut)
    published = json.loads((SHARED / "zoo" / "published.json").read_text())
    assert published and table.size() == 836
    for folder in sorted((SHARED / "zoo").glob("*/*/")):
        price = table.estimate_net(str(folder))
        assert len(price.statuses()) == len(price.times_us()) == len(price.op_types()) > 0
        assert price.found_us() == pytest.approx(sum(price.times_us()))
        assert price.all_found() == ("missing" not in price.statuses())

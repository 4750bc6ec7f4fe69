"""Latency models and networks in files, without TorchScript."""

import json
import zipfile

import pytest
import torch

import latgrad

has_export = pytest.mark.skipif(not hasattr(torch, "export"), reason="torch.export came with torch 2.1")
STATISTICS = ["p0", "p10", "p50", "p90", "p100", "mean"]


@pytest.fixture(scope="module")
def model(tiny_space, make_table):
    return latgrad.LatencyModel(tiny_space, make_table(tiny_space))


@pytest.fixture
def fleet():
    return latgrad.LatencyModel.from_table(
        torch.rand(2, 3, 4, dtype=torch.float64), [list("abcd"), list("ab"), list("abc")], fixed_us=[1.0, 2.0],
        device=["us", "mJ"], layers=["one", "two", "three"])


@pytest.fixture
def priced(model, tiny_space):
    space = latgrad.SearchSpace(tiny_space)
    arch = model.valid().long().argmax(-1)
    torch.manual_seed(0)
    return latgrad.PricedNetwork(latgrad.Network.from_space(space, arch).eval(), model, arch, "p90"), torch.randn(space.input_shape())


def assert_same(one, other, statistics):
    assert one.devices() == other.devices() and one.layer_names() == other.layer_names()
    assert [one.candidates(layer) for layer in range(one.layers())] == [other.candidates(layer) for layer in range(other.layers())]
    assert torch.equal(one.valid(), other.valid())
    for statistic in statistics:
        assert torch.equal(one.table_us(statistic), other.table_us(statistic))
        assert torch.equal(one.fixed_by_device_us(statistic), other.fixed_by_device_us(statistic))


def test_a_model_of_a_space_is_saved_whole(model, tmp_path):
    latgrad.save_model(model, tmp_path / "model.json")
    loaded = latgrad.load_model(tmp_path / "model.json")
    assert_same(model, loaded, STATISTICS)
    arch = model.valid().long().argmax(-1)
    assert loaded.netdef(arch) == model.netdef(arch)
    assert (loaded.space(), loaded.precision(), loaded.device()) == (model.space(), model.precision(), model.device())


def test_a_model_of_a_table_is_saved_whole(fleet, tmp_path):
    latgrad.save_model(fleet, tmp_path / "model.json")
    assert_same(fleet, latgrad.load_model(tmp_path / "model.json"), ["p50"])


def test_the_file_can_be_read_by_anyone(fleet, tmp_path):
    latgrad.save_model(fleet, tmp_path / "model.json")
    document = json.loads((tmp_path / "model.json").read_text())
    assert document["format"] == "latgrad latency model" and document["devices"] == ["us", "mJ"]
    assert document["latency_us"]["p50"]["table"] == fleet.table_us().tolist()
    assert document["layers"][1] == {"name": "two", "candidates": ["a", "b"], "offered": [True, True]}


@has_export
def test_a_network_is_saved_with_its_model(priced, model, tmp_path):
    network, images = priced
    latgrad.save_network(network, tmp_path / "network.pt2", images)
    torch.testing.assert_close(torch.export.load(tmp_path / "network.pt2").module()(images), network(images))
    assert_same(model, latgrad.load_model(tmp_path / "network.pt2"), STATISTICS)
    with zipfile.ZipFile(tmp_path / "network.pt2") as package:
        (name,) = (name for name in package.namelist() if name.endswith("latgrad_model.json"))
        document = json.loads(package.read(name))
    assert document["architecture"] == network.arch.tolist() and document["statistic"] == "p90"


@pytest.mark.skipif(
    not hasattr(getattr(torch, "_inductor", None), "aoti_load_package"), reason="packages of AOTInductor came with torch 2.6")
def test_a_compiled_network_is_saved_with_its_model(priced, model, tmp_path):
    network, images = priced
    with torch.no_grad():
        latgrad.save_network(network, tmp_path / "network.pt2", images, compiled=True)
        outputs = torch._inductor.aoti_load_package(str(tmp_path / "network.pt2"))(images)
        torch.testing.assert_close(outputs, network(images), rtol=1e-4, atol=1e-5)
    assert_same(model, latgrad.load_model(tmp_path / "network.pt2"), STATISTICS)


@has_export
def test_a_network_is_saved_as_it_is_in_eval(model, tiny_space, tmp_path):
    space = latgrad.SearchSpace(tiny_space)
    arch = model.valid().long().argmax(-1)
    network = latgrad.PricedNetwork(latgrad.Network.from_space(space, arch), model, arch)
    images = torch.randn(space.input_shape())
    latgrad.save_network(network, tmp_path / "network.pt2", images)
    assert network.training and [path.name for path in tmp_path.iterdir()] == ["network.pt2"]
    torch.testing.assert_close(torch.export.load(tmp_path / "network.pt2").module()(images), network.eval()(images))


def changed(model, path, change):
    document = json.loads(model.text())
    change(document)
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("change, message", [
    (lambda d: d.update(format="another"), 'format must be "latgrad latency model", got "another"'),
    (lambda d: d.update(version=2), "version must be 1: the model was saved by another version of latgrad, got 2"),
    (lambda d: d.pop("layers"), "must have the member layers"),
    (lambda d: d.update(layers=[]), "layers must hold a layer"),
    (lambda d: d.update(devices=[]), "devices must name a device"),
    (lambda d: d["layers"][0].update(offered=[True]), "offered must have one entry for each of the 4 candidates"),
    (lambda d: d["layers"][0].update(offered=[False] * 4), "offered must offer a candidate"),
    (lambda d: d.update(num_candidates=2), "must have at most 2 candidates"),
    (lambda d: d["latency_us"]["p50"].update(fixed=[1.0]), "fixed must have 2 numbers"),
    (lambda d: d["latency_us"]["p50"].update(fixed=[1.0, -1.0]), "must be finite and not negative, got -1"),
    (lambda d: d["latency_us"]["p50"]["table"][0].pop(), "must have one entry for each of the 3 layers"),
    (lambda d: d.update(latency_us={}), "latency_us must have a statistic"),
    (lambda d: d.update(latency_us={"p90": d["latency_us"]["p50"]}), "made of a table must have one statistic, p50"),
    (lambda d: d.update(architecture=[0, 3, 0], statistic="p50"), "must choose candidates that are offered, got 3 in two"),
    (lambda d: d.update(architecture=[0, 0, 0], statistic="p7"), 'must have the statistic, got "p7"'),
])
def test_says_what_is_wrong_with_a_file(fleet, tmp_path, change, message):
    with pytest.raises((RuntimeError, ValueError), match=message):
        latgrad.load_model(changed(fleet, tmp_path / "model.json", change))


def test_says_what_a_file_is_not(tmp_path):
    with zipfile.ZipFile(tmp_path / "package.pt2", "w") as package:
        package.writestr("network/models/model.json", "{}")
    for path, message in [
        (tmp_path / "package.pt2", "a package must hold latgrad_model.json among its extra files; latgrad.save_network writes one"),
        (tmp_path / "absent.json", "absent.json"),
    ]:
        with pytest.raises(RuntimeError, match=message):
            latgrad.load_model(path)
    (tmp_path / "text.json").write_text("no JSON")
    with pytest.raises(RuntimeError, match="a saved latency model must hold JSON"):
        latgrad.load_model(tmp_path / "text.json")

"""Networks that the command writes as ONNX: ONNX's own checker takes them, and ONNX Runtime gives the shapes that latgrad infers."""

import collections
import json

import numpy as np
import pytest
from conftest import assert_fails, run, run_json, shared

onnx = pytest.importorskip("onnx", reason="the onnx package checks the models")

ARCHITECTURES = [("FBNet-A", "int8"), ("FBNet-A", "fp32"), ("FBNet-C", "int8"), ("FBNet-C", "fp32")]


def checked(path):
    """The model, after ONNX's checker and its strict shape inference, which checks the shapes of the outputs."""
    onnx.checker.check_model(str(path), full_check=True)
    model = onnx.load(path)
    onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
    return model


def shapes_of_every_value(model):
    """What ONNX Runtime gives, by value."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="it runs the models")
    outputs = {output.name for output in model.graph.output}
    for node in model.graph.node:
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in node.output if name not in outputs)
    options = onnxruntime.SessionOptions()
    # As it stands: without the fusions that take values away.
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    inputs = {i.name: np.random.default_rng(0).random(i.shape, dtype=np.float32) for i in session.get_inputs()}
    names = [output.name for output in session.get_outputs()]
    values = dict(zip(names, session.run(None, inputs)))
    assert all(np.isfinite(value).all() for value in values.values())
    return {name: list(value.shape) for name, value in values.items()}


def assert_runs_with_our_shapes(path):
    actual = shapes_of_every_value(checked(path))
    inferred = run_json("net", path, "--shapes")["blobs"]
    assert actual and {name: inferred.get(name) for name in actual} == actual


@pytest.mark.parametrize("weights", ["random", "none"])
@pytest.mark.parametrize("arch, precision", ARCHITECTURES)
def test_architectures_run_in_onnx_runtime(tmp_path, arch, precision, weights):
    path = tmp_path / "model.onnx"
    run("arch", "fbnet", arch, "--precision", precision, "--onnx", path, "--weights", weights)
    assert_runs_with_our_shapes(path)


def optimised_types(path, tmp_path):
    """The operators that ONNX Runtime makes of the model; it has run."""
    onnxruntime = pytest.importorskip("onnxruntime", reason="it runs the models")
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimised.onnx")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    inputs = {i.name: np.ones(i.shape, np.float32) for i in session.get_inputs()}
    assert all(np.isfinite(output).all() for output in session.run(None, inputs))
    return collections.Counter(node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node)


def test_the_optimised_session_runs_too(tmp_path):
    path = tmp_path / "model.onnx"
    run("arch", "fbnet", "FBNet-A", "--precision", "fp32", "--onnx", path)
    types = optimised_types(path, tmp_path)
    assert types["Conv"] > 40 and types["Relu"] == 0  # they belong to the convolutions


FLOAT_TYPES = {"Conv", "Gemm", "Sum", "Add", "Relu", "AveragePool", "GlobalAveragePool", "Softmax"}


@pytest.mark.parametrize("weights", ["random", "none"])
@pytest.mark.parametrize("network", ["FBNet-A", "FBNet-C", "zoo/FBNet-A/int8", "zoo/FBNet-96/int8", "zoo/ChamNet-C/int8"])
def test_int8_networks_are_int8_in_onnx_runtime(tmp_path, network, weights):
    path = tmp_path / "model.onnx"
    source = ("net", shared(network)) if "/" in network else ("arch", "fbnet", network)
    run(*source, "--onnx", path, "--weights", weights)
    types = optimised_types(path, tmp_path)
    assert types["QLinearConv"] > 30 and types["QGemm"] == 1 and types["QLinearAdd"] > 3
    assert not FLOAT_TYPES & types.keys()
    assert types["QuantizeLinear"] == types["DequantizeLinear"] == 1


def test_weights_may_be_left_out(tmp_path):
    full, empty = tmp_path / "full.onnx", tmp_path / "empty.onnx"
    run("arch", "fbnet", "FBNet-A", "--precision", "fp32", "--onnx", full)
    run("arch", "fbnet", "FBNet-A", "--precision", "fp32", "--onnx", empty, "--weights", "none")
    assert full.stat().st_size > 4 * 4_900_000
    assert empty.stat().st_size < 100_000
    assert run_json("net", full, "--shapes")["params"] == run_json("net", empty, "--shapes")["params"]


def test_the_price_stays_beside_the_file(tmp_path):
    path = tmp_path / "model.onnx"
    with_file = run("arch", "fbnet", "FBNet-A", "--onnx", path).stdout
    assert with_file == run("arch", "fbnet", "FBNet-A").stdout
    assert path.exists()


def test_errors(tmp_path):
    assert_fails(run("arch", "fbnet", "FBNet-A", "--weights", "none"), 2, "--weights requires --onnx")
    assert_fails(run("arch", "fbnet", "FBNet-A", "--onnx", tmp_path / "missing" / "model.onnx"), 1, "model.onnx")
    netdef = tmp_path / "model.pbtxt"
    netdef.write_text('op { type: "IsEmpty" input: "x" output: "y" } external_input: "x" external_output: "y"')
    message = 'an operator must have a form in ONNX, got "IsEmpty"'
    assert_fails(run("net", netdef, "--input", "x=1,3", "--onnx", tmp_path / "model.onnx"), 1, message)
    assert not (tmp_path / "model.onnx").exists()


@pytest.mark.parametrize("name", ["FBNet-A", "FBNet-C", "FBNet-96", "ChamNet-A", "ChamNet-C", "ChamNet-E"])
def test_published_networks_price_to_the_same_total(tmp_path, name):
    table = shared("conformance/SM-G950U-7.0-24-op_lut_database.json")
    path = tmp_path / "model.onnx"
    network = shared(f"zoo/{name}/fp32")
    run("net", network, "--onnx", path)
    priced = [json.loads(run("net", m, "--lut", table, "--json").stdout) for m in (network, path)]
    parts = [[(op["type"], op["input_shapes"], op["macs"], op["status"], op["us"]) for op in p["ops"]] for p in priced]
    assert parts[0] == parts[1]
    for key in ("total_us", "found_us", "all_found", "macs", "params", "other_params"):
        assert priced[0][key] == priced[1][key]


@pytest.mark.parametrize("name", ["FBNet-A/int8", "ChamNet-E/int8", "FBNet-96/int8", "FBNet-96/fp32"])
def test_published_networks_run_in_onnx_runtime(tmp_path, name):
    path = tmp_path / "model.onnx"
    run("net", shared(f"zoo/{name}"), "--onnx", path)
    assert_runs_with_our_shapes(path)


@pytest.mark.parametrize("name", ["levit_128", "mobilevit_xxs", "tv_shufflenet_v2_x1_0", "mobilenetv3_small_100"])
def test_what_was_read_from_onnx_runs_again(tmp_path, name):
    path = tmp_path / "model.onnx"
    run("net", shared(f"onnx/{name}"), "--onnx", path)
    assert_runs_with_our_shapes(path)

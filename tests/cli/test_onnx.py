"""ONNX models: shapes against ONNX's own inference, operator by operator and opset by opset, and the command's answers."""

import json

import pytest
from conftest import SHARED, assert_fails, run, run_json

onnx = pytest.importorskip("onnx", reason="the models are written by the onnx package")
from onnx import TensorProto, helper  # noqa: E402

FLOAT, INT64, BOOL = TensorProto.FLOAT, TensorProto.INT64, TensorProto.BOOL


def weight(name, shape):
    """A parameter whose values lie in a file that does not exist."""
    tensor = TensorProto(name=name, dims=shape, data_type=FLOAT, data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value="weights.bin")
    return tensor


def ints(name, values):
    return helper.make_tensor(name, INT64, [len(values)], values)


def floats(name, values, shape=None):
    return helper.make_tensor(name, FLOAT, [len(values)] if shape is None else shape, values)


def build(nodes, inputs, initializers=(), opset=20, outputs=None):
    """A model of these nodes; inputs: name to shape, or to (type, shape)."""
    values = [
        helper.make_tensor_value_info(name, *(shape if isinstance(shape, tuple) else (FLOAT, shape)))
        for name, shape in inputs.items()
    ]
    outputs = outputs or [name for name in nodes[-1].output if name]
    graph = helper.make_graph(nodes, "g", values, [onnx.ValueInfoProto(name=name) for name in outputs], list(initializers))
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def inferred(model):
    """The shapes that ONNX's own inference finds."""
    full = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    values = [*full.graph.value_info, *full.graph.output]
    return {v.name: [dim.dim_value for dim in v.type.tensor_type.shape.dim] for v in values}


def shapes(model, tmp_path, *args):
    path = tmp_path / "model.onnx"
    path.write_bytes(model.SerializeToString())
    return run_json("net", path, "--shapes", *args)


def node(op_type, inputs, outputs=("y",), **attributes):
    return helper.make_node(op_type, inputs, list(outputs), **attributes)


X = {"x": [2, 6, 9, 8]}
IMAGE_WEIGHT = weight("w", [4, 6, 3, 3])

# Operator, inputs, initializers, opset.
CASES = {
    "conv": (node("Conv", ["x", "w"]), X, [IMAGE_WEIGHT], 7),
    "conv_same_lower": (node("Conv", ["x", "w"], auto_pad="SAME_LOWER", strides=[2, 3]), X, [IMAGE_WEIGHT], 11),
    "conv_same_upper": (node("Conv", ["x", "w"], auto_pad="SAME_UPPER", strides=[2, 2]), X, [IMAGE_WEIGHT], 20),
    "conv_dilated": (node("Conv", ["x", "w"], dilations=[2, 1], pads=[2, 0, 1, 3]), X, [IMAGE_WEIGHT], 20),
    "conv_grouped": (node("Conv", ["x", "w"], group=3), X, [weight("w", [9, 2, 1, 1])], 20),
    "conv_1d": (node("Conv", ["x", "w"], pads=[1, 1]), {"x": [1, 3, 17]}, [weight("w", [4, 3, 3])], 20),
    "conv_3d": (node("Conv", ["x", "w"]), {"x": [1, 3, 5, 6, 7]}, [weight("w", [4, 3, 3, 2, 1])], 20),
    "conv_transpose": (node("ConvTranspose", ["x", "w"], strides=[2, 2], pads=[1, 1, 1, 1], output_padding=[1, 0]),
                       X, [weight("w", [6, 4, 3, 3])], 11),
    "conv_transpose_dilated": (node("ConvTranspose", ["x", "w"], dilations=[2, 2]), X, [weight("w", [6, 4, 3, 3])], 20),
    "max_pool": (node("MaxPool", ["x"], kernel_shape=[3, 2], strides=[2, 2], pads=[1, 0, 1, 0]), X, [], 8),
    "max_pool_ceil": (node("MaxPool", ["x"], kernel_shape=[3, 3], strides=[2, 2], ceil_mode=1), X, [], 12),
    "average_pool_same": (node("AveragePool", ["x"], kernel_shape=[2, 2], auto_pad="SAME_UPPER"), X, [], 11),
    "average_pool_padded": (node("AveragePool", ["x"], kernel_shape=[3, 3], pads=[1, 1, 1, 1], count_include_pad=1), X, [], 19),
    "global_average_pool": (node("GlobalAveragePool", ["x"]), X, [], 7),
    "global_max_pool": (node("GlobalMaxPool", ["x"]), X, [], 7),
    "pad_attribute": (node("Pad", ["x"], pads=[0, 0, 1, 2, 0, 0, 3, 4]), X, [], 7),
    "pad_reflect": (node("Pad", ["x", "p"], mode="reflect"), X, [ints("p", [0, 0, 1, 2, 0, 0, 3, 4])], 13),
    "pad_axes": (node("Pad", ["x", "p", "", "a"]), X, [ints("p", [1, 2]), ints("a", [1])], 18),
    "gemm": (node("Gemm", ["x", "w", "b"], transB=1), {"x": [2, 6]}, [weight("w", [5, 6]), weight("b", [5])], 9),
    "gemm_without_bias": (node("Gemm", ["x", "w"], transA=1, alpha=0.5), {"x": [6, 2]}, [weight("w", [6, 5])], 11),
    "matmul": (node("MatMul", ["x", "w"]), {"x": [2, 3, 4, 6]}, [weight("w", [6, 5])], 13),
    "matmul_batched": (node("MatMul", ["x", "z"]), {"x": [2, 1, 4, 6], "z": [3, 6, 5]}, [], 13),
    "matmul_vector": (node("MatMul", ["x", "w"]), {"x": [2, 6]}, [weight("w", [6])], 13),
    "batch_norm": (node("BatchNormalization", ["x", "s", "s", "s", "s"]), X, [weight("s", [6])], 9),
    "batch_norm_matrix": (node("BatchNormalization", ["x", "s", "s", "s", "s"]), {"x": [2, 6]}, [weight("s", [6])], 15),
    "instance_norm": (node("InstanceNormalization", ["x", "s", "s"]), X, [weight("s", [6])], 7),
    "layer_norm": (node("LayerNormalization", ["x", "s", "s"], axis=-2), X, [weight("s", [9, 8])], 17),
    "layer_norm_without_bias": (node("LayerNormalization", ["x", "s"]), X, [weight("s", [8])], 17),
    "lrn": (node("LRN", ["x"], size=3), X, [], 13),
    "softmax_7": (node("Softmax", ["x"], axis=1), X, [], 7),
    "softmax_13": (node("Softmax", ["x"], axis=1), X, [], 13),
    "log_softmax": (node("LogSoftmax", ["x"], axis=-1), X, [], 13),
    "relu": (node("Relu", ["x"]), X, [], 7),
    "clip_attributes": (node("Clip", ["x"], min=0.0, max=6.0), X, [], 7),
    "clip_inputs": (node("Clip", ["x", "", "m"]), X, [floats("m", [6.0], [])], 13),
    "prelu": (node("PRelu", ["x", "s"]), X, [weight("s", [6, 1, 1])], 9),
    "gelu": (node("Gelu", ["x"], approximate="tanh"), X, [], 20),
    "hard_swish": (node("HardSwish", ["x"]), X, [], 14),
    "elu": (node("Elu", ["x"], alpha=0.5), X, [], 7),
    "add": (node("Add", ["x", "z"]), {**X, "z": [6, 1, 8]}, [], 7),
    "sum": (node("Sum", ["x", "z", "x"]), {**X, "z": [8]}, [], 8),
    "max": (node("Max", ["x", "z"]), {**X, "z": [8]}, [], 12),
    "pow": (node("Pow", ["x", "e"]), X, [floats("e", [2.0], [])], 13),
    "where": (node("Where", ["c", "x", "z"]), {**X, "c": (BOOL, [9, 8]), "z": [1]}, [], 9),
    "equal": (node("Equal", ["x", "z"]), {**X, "z": [1]}, [], 13),
    "concat": (node("Concat", ["x", "z"], axis=-3), {**X, "z": [2, 5, 9, 8]}, [], 13),
    "split_equal": (node("Split", ["x"], ["y", "z"], axis=1), X, [], 11),
    "split_lengths": (node("Split", ["x", "l"], ["y", "z"], axis=1), X, [ints("l", [2, 4])], 13),
    "split_uneven": (node("Split", ["x"], ["y", "z"], axis=2, num_outputs=2), X, [], 18),
    "slice_attributes": (node("Slice", ["x"], starts=[1, -3], ends=[100, -1], axes=[1, 3]), X, [], 9),
    "slice_steps": (node("Slice", ["x", "s", "e", "a", "p"]), X,
                    [ints("s", [0, -1]), ints("e", [9, -100]), ints("a", [2, 3]), ints("p", [4, -3])], 13),
    "gather": (node("Gather", ["x", "i"], axis=2), X, [helper.make_tensor("i", INT64, [2, 2], [0, 1, 2, 3])], 13),
    "gather_scalar": (node("Gather", ["x", "i"], axis=-1), X, [helper.make_tensor("i", INT64, [], [3])], 13),
    "gather_elements": (node("GatherElements", ["x", "i"], axis=-1), {"x": [3, 4], "i": (INT64, [2, 5])}, [], 13),
    "gather_nd": (node("GatherND", ["x", "i"]), {**X, "i": (INT64, [3, 4, 2])}, [], 13),
    "gather_nd_of_a_batch": (node("GatherND", ["x", "i"], batch_dims=1), {**X, "i": (INT64, [2, 4, 1])}, [], 13),
    "scatter_elements": (node("ScatterElements", ["x", "i", "u"], axis=1), {"x": [3, 4], "i": (INT64, [2, 5]), "u": [2, 5]},
                         [], 13),
    "scatter_nd": (node("ScatterND", ["x", "i", "u"], reduction="add"), {**X, "i": (INT64, [3, 2]), "u": [3, 9, 8]}, [], 18),
    "trilu": (node("Trilu", ["x", "k"], upper=0), X, [helper.make_tensor("k", INT64, [], [-1])], 14),
    "celu": (node("Celu", ["x"], alpha=0.5), X, [], 12),
    "tile": (node("Tile", ["x", "r"]), X, [ints("r", [1, 2, 1, 3])], 13),
    "expand": (node("Expand", ["x", "s"]), {"x": [3, 1]}, [ints("s", [2, 1, 6])], 13),
    "reshape": (node("Reshape", ["x", "s"]), X, [ints("s", [0, -1, 4])], 13),
    "flatten": (node("Flatten", ["x"], axis=-2), X, [], 13),
    "squeeze_all": (node("Squeeze", ["x"]), {"x": [1, 4, 1]}, [], 13),
    "squeeze_axes": (node("Squeeze", ["x", "a"]), {"x": [1, 4, 1]}, [ints("a", [-1])], 13),
    "unsqueeze_attribute": (node("Unsqueeze", ["x"], axes=[0, 5]), X, [], 11),
    "unsqueeze": (node("Unsqueeze", ["x", "a"]), X, [ints("a", [-1, 1])], 13),
    "transpose": (node("Transpose", ["x"]), X, [], 13),
    "transpose_perm": (node("Transpose", ["x"], perm=[0, 2, 3, 1]), X, [], 13),
    "depth_to_space": (node("DepthToSpace", ["x"], blocksize=2, mode="CRD"), {"x": [1, 8, 3, 4]}, [], 13),
    "space_to_depth": (node("SpaceToDepth", ["x"], blocksize=2), {"x": [1, 3, 4, 6]}, [], 13),
    "reduce_mean_attribute": (node("ReduceMean", ["x"], axes=[-1, 2], keepdims=0), X, [], 13),
    "reduce_mean": (node("ReduceMean", ["x", "a"]), X, [ints("a", [2, 3])], 18),
    "reduce_l2": (node("ReduceL2", ["x", "a"]), X, [ints("a", [-1])], 18),
    "reduce_sum_all": (node("ReduceSum", ["x"], keepdims=0), X, [], 13),
    "arg_max": (node("ArgMax", ["x"], keepdims=0), X, [], 13),
    "cum_sum": (node("CumSum", ["x", "a"]), X, [helper.make_tensor("a", INT64, [], [-1])], 11),
    "top_k": (node("TopK", ["x", "k"], ["y", "i"], axis=1), X, [ints("k", [3])], 11),
    "top_k_of_an_attribute": (node("TopK", ["x"], ["y", "i"], axis=1, k=2), X, [], 8),
    "pow_of_higher_rank": (node("Pow", ["x", "e"]), {"x": [3]}, [floats("e", [2.0], [1, 1, 1])], 13),
    "reduce_twice": (node("ReduceSum", ["x", "a"], keepdims=0), {"x": [2, 3]}, [ints("a", [1, 1])], 13),
    "split_without_the_last": (node("Split", ["x"], ["y", "z", ""], axis=1), X, [], 11),
    "upsample": (node("Upsample", ["x"], scales=[1.0, 1.0, 2.0, 1.5]), X, [], 7),
    "resize_scales": (node("Resize", ["x", "", "f"], mode="nearest"), X, [floats("f", [1, 1, 0.7, 2])], 13),
    "resize_sizes": (node("Resize", ["x", "", "", "s"], mode="linear"), X, [ints("s", [2, 6, 31, 5])], 13),
    "resize_cubic": (node("Resize", ["x", "", "", "s"], mode="cubic"), X, [ints("s", [2, 6, 31, 5])], 19),
    "cast": (node("Cast", ["x"], to=TensorProto.FLOAT16), X, [], 13),
}


@pytest.mark.parametrize("name", CASES)
def test_shapes_are_those_of_onnx(name, tmp_path):
    op, inputs, initializers, opset = CASES[name]
    model = build([op], inputs, initializers, opset)
    expected = inferred(model)
    blobs = shapes(model, tmp_path)["blobs"]
    # What is said by several operators has blobs in between.
    assert {name: blobs[name] for name in expected} == expected


@pytest.mark.parametrize("opset, scale", [(18, [3]), (21, [6])])
def test_group_normalisation_keeps_the_shape(opset, scale, tmp_path):
    """ONNX's own inference passes over it. Up to opset 20 the scale is that of the groups."""
    op = node("GroupNormalization", ["x", "s", "s"], num_groups=3)
    assert shapes(build([op], X, [weight("s", scale)], opset), tmp_path)["blobs"]["y"] == [2, 6, 9, 8]


def test_shapes_that_are_computed(tmp_path):
    """`x.view(x.size(0), x.size(1) * 9, -1)`, as the older exporter writes it."""
    nodes = [
        node("Shape", ["x"], ["dims"]),
        node("Gather", ["dims", "zero"], ["batch"]),
        node("Gather", ["dims", "one"], ["channels"]),
        node("Mul", ["channels", "nine"], ["rows"]),
        node("Unsqueeze", ["batch"], ["batch_1"], axes=[0]),
        node("Unsqueeze", ["rows"], ["rows_1"], axes=[0]),
        node("Concat", ["batch_1", "rows_1", "rest"], ["shape"], axis=0),
        node("Reshape", ["x", "shape"], ["y"]),
    ]
    scalars = [helper.make_tensor(name, INT64, [], [value]) for name, value in [("zero", 0), ("one", 1), ("nine", 9)]]
    model = build(nodes, {"x": ["batch", 6, 9, 8]}, [*scalars, ints("rest", [-1])], 11)
    answer = shapes(model, tmp_path, "--input", "x=4,6,9,8")
    assert answer["blobs"]["y"] == [4, 54, 8]
    assert answer["blobs"]["shape"] == [3]  # computed, but a value of the graph all the same
    assert answer["inputs"] == {"x": [4, 6, 9, 8]} and answer["params"] == {}


def test_an_onnx_model_is_priced_like_the_same_caffe2_network(tmp_path, lut, model):
    """The records of the Caffe2 network in conftest.py find a convolution and a ReLU of ONNX."""
    nodes = [node("Conv", ["data", "w", "b"], ["conv"], pads=[1, 1, 1, 1]), node("Relu", ["conv"], ["relu"])]
    same = build(nodes, {"data": [1, 3, 8, 8]}, [weight("w", [4, 3, 3, 3]), weight("b", [4])])
    path = tmp_path / "same.onnx"
    path.write_bytes(same.SerializeToString())
    ours = run_json("net", path, "--lut", lut, "--json")
    theirs = run_json("net", model, "--lut", lut, "--input", "data=1,3,8,8", "--json")
    for name in ["total_us", "macs", "params", "other_params"]:
        assert ours[name] == theirs[name]
    assert [op["us"] for op in ours["ops"]] == [op["us"] for op in theirs["ops"]] == [220.0, 50.0]


def test_a_model_of_unknown_batch_asks_for_it(tmp_path, lut):
    path = tmp_path / "dynamic.onnx"
    path.write_bytes(build([node("Relu", ["x"])], {"x": ["batch", 3]}).SerializeToString())
    assert_fails(run("net", path, "--lut", lut), 1, "this one is [batch, 3]: give it with --input x=1,3,224,224")


def test_an_init_net_makes_no_sense(tmp_path, lut):
    path = tmp_path / "model.onnx"
    path.write_bytes(build([node("Relu", ["x"])], {"x": [1, 3]}).SerializeToString())
    assert_fails(run("net", path, "--init", path, "--lut", lut), 1, "an ONNX model needs no init net")


@pytest.mark.skipif(not (SHARED / "onnx").exists(), reason="needs the published ONNX networks, which are not published here")
def test_published_networks(tmp_path):
    for folder in sorted((SHARED / "onnx").iterdir()):
        facts = json.loads((folder / "facts.json").read_text())
        answer = run_json("net", folder, "--shapes")
        assert {k: answer["blobs"][k] for k in facts["shapes"]} == facts["shapes"], folder.name

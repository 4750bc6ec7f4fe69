#!/usr/bin/env python3
"""The price of an ONNX file, from the file to the total, as a ratio to what the onnx package takes for the shapes alone.

    onnx_bench.py [MODEL.onnx ...] [--rounds N] [--json]

Both run in this process, in turns; a ratio is the median over the rounds of (onnx.load and onnx.shape_inference) / (read,
infer shapes, look up every operator). Without models it makes two: a convolutional network of 150 nodes, and a transformer
of 600.
"""

import argparse
import json
import pathlib
import statistics
import sys
import tempfile
import time

import latgrad
import onnx
from onnx import TensorProto, helper


class Graph:
    """Nodes in a row, whose weights have shapes but no values."""

    def __init__(self, shape):
        self.nodes, self.weights, self.at = [], [], "x"
        self.input = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)

    def weight(self, *shape):
        tensor = TensorProto(
            name=f"w{len(self.weights)}", dims=shape, data_type=TensorProto.FLOAT, data_location=TensorProto.EXTERNAL
        )
        tensor.external_data.add(key="location", value="weights.bin")
        self.weights.append(tensor)
        return tensor.name

    def ints(self, *values):
        name = f"w{len(self.weights)}"
        self.weights.append(helper.make_tensor(name, TensorProto.INT64, [len(values)], values))
        return name

    def add(self, op_type, *inputs, of=None, **attributes):
        out = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(op_type, [self.at if of is None else of, *inputs], [out], **attributes))
        self.at = out
        return out

    def save(self, path):
        output = onnx.ValueInfoProto(name=self.at)
        graph = helper.make_graph(self.nodes, "bench", [self.input], [output], self.weights)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def convolutional(path):
    graph = Graph([1, 3, 224, 224])
    graph.add("Conv", graph.weight(32, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    for _ in range(16):
        start = graph.at
        for weight, pads, group in [((96, 32, 1, 1), 0, 1), ((96, 1, 3, 3), 1, 96)]:
            graph.add("Conv", graph.weight(*weight), graph.weight(96), pads=[pads] * 4, group=group)
            graph.add("HardSwish")
            graph.add("Relu")
        graph.add("Conv", graph.weight(32, 96, 1, 1))
        graph.add("Add", start)
    graph.save(path)


def transformer(path):
    graph = Graph([1, 197, 192])
    for _ in range(32):
        start = graph.at
        normalised = graph.add("LayerNormalization", graph.weight(192), graph.weight(192))
        heads = []
        for _ in range(3):
            graph.add("MatMul", graph.weight(192, 192), of=normalised)
            graph.add("Reshape", graph.ints(1, 197, 3, 64))
            heads.append(graph.add("Transpose", perm=[0, 2, 1, 3]))
        graph.add("Transpose", of=heads[1], perm=[0, 1, 3, 2])
        graph.add("MatMul", graph.at, of=heads[0])
        graph.add("Softmax")
        graph.add("MatMul", heads[2])
        graph.add("Transpose", perm=[0, 2, 1, 3])
        graph.add("Reshape", graph.ints(1, 197, 192))
        graph.add("Add", start)
        graph.add("Sigmoid")
        graph.add("Mul", start)
    graph.save(path)


def seconds_of(call, repeats):
    begin = time.perf_counter()
    for _ in range(repeats):
        call()
    return (time.perf_counter() - begin) / repeats


def compare(path, table, rounds):
    """The milliseconds of either, and their ratio."""
    calls = {
        "onnx": lambda: onnx.shape_inference.infer_shapes(onnx.load(path, load_external_data=False)),
        "latgrad": lambda: table.estimate_net(str(path)),
    }
    times = {name: [] for name in calls}
    repeats = {name: max(1, int(0.05 / seconds_of(call, 2))) for name, call in calls.items()}
    for done in range(rounds):
        for name in sorted(calls, reverse=done % 2 == 1):
            times[name].append(seconds_of(calls[name], repeats[name]))
    ratios = [theirs / ours for theirs, ours in zip(times["onnx"], times["latgrad"])]
    return {
        "model": str(path),
        "nodes": len(onnx.load(path, load_external_data=False).graph.node),
        "onnx_ms": 1e3 * statistics.median(times["onnx"]),
        "latgrad_ms": 1e3 * statistics.median(times["latgrad"]),
        "ratio": statistics.median(ratios),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", type=pathlib.Path)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        models = args.models
        if not models:
            models = [pathlib.Path(folder) / name for name in ["convolutional.onnx", "transformer.onnx"]]
            convolutional(models[0])
            transformer(models[1])
        lut = pathlib.Path(folder) / "lut.json"
        lut.write_text(json.dumps({
            "op_type": "Relu", "op_args": [], "input_shapes": [[1, 96, 112, 112]], "input_dtypes": [1], "device": "bench",
            **{f"runtime_us_{p}": 1.0 for p in ["p0", "p10", "p50", "p90", "p100"]},
        }) + "\n")
        table = latgrad.LatencyTable(str(lut))
        results = [compare(path, table, args.rounds) for path in models]
    if args.json:
        print(json.dumps(results, indent=2))
        return 0
    print(f"{'nodes':>6} {'onnx ms':>9} {'latgrad ms':>11} {'ratio':>6}  model")
    for r in results:
        name = "/".join(pathlib.Path(r["model"]).parts[-2:])
        print(f"{r['nodes']:>6} {r['onnx_ms']:>9.2f} {r['latgrad_ms']:>11.2f} {r['ratio']:>5.1f}x  {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

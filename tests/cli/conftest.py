"""Runs the real program: LATGRAD_BIN names it, LATGRAD_SHARED_DIR the published networks where they are."""

import json
import os
import pathlib
import subprocess

import pytest

BIN = pathlib.Path(os.environ.get("LATGRAD_BIN", "build/release/bin/latgrad")).resolve()
SHARED = pathlib.Path(os.environ.get("LATGRAD_SHARED_DIR", "../shared")).resolve()

CONV_ARGS = ['name: "kernel"\ni: 3\n', 'name: "order"\ns: "NCHW"\n', 'name: "pad"\ni: 1\n']

# Multiply-accumulates: 8 * 8 positions * 4 filters * (3 * 3 * 3) = 6912.
# Parameters: 4 * 27 = 108, and 4 biases.
MODEL = """
name: "small"
op { type: "Conv" input: "data" input: "w" input: "b" output: "conv"
     arg { name: "order" s: "NCHW" } arg { name: "kernel" i: 3 } arg { name: "pad" i: 1 } }
op { type: "Relu" input: "conv" output: "conv" }
external_input: "data" external_input: "w" external_input: "b"
external_output: "conv"
"""
INIT = """
op { type: "GivenTensorFill" output: "w"
     arg { name: "shape" ints: 4 ints: 3 ints: 3 ints: 3 } }
op { type: "GivenTensorFill" output: "b" arg { name: "shape" ints: 4 } }
"""


def record(op_type, shapes, dtypes, p50, args=(), device="phone"):
    return {
        "op_type": op_type, "op_args": list(args), "input_shapes": shapes, "input_dtypes": dtypes,
        "runtime_us_p0": p50, "runtime_us_p10": p50, "runtime_us_p50": p50, "runtime_us_p90": p50,
        "runtime_us_p100": p50, "device": device,
    }


def conv_record(p50):
    return record("Conv", [[1, 3, 8, 8], [4, 3, 3, 3], [4]], [1, 1, 1], p50, CONV_ARGS)


def relu_record(p50):
    return record("Relu", [[1, 4, 8, 8]], [1], p50)


def with_times(rec, times):
    """The record with these times for p0, p10, p50, p90, p100."""
    return {**rec, **{f"runtime_us_p{p}": us for p, us in zip((0, 10, 50, 90, 100), times)}}


def write_lut(path, records):
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def run(*args, stdin=None, env=None, program=BIN, cwd=None):
    return subprocess.run(
        [str(program), *map(str, args)], input=stdin, capture_output=True, encoding="utf-8",
        errors="surrogateescape", cwd=cwd,
        env={**os.environ, **(env or {})}, timeout=60)


def run_json(*args, rc=0, **kwargs):
    result = run(*args, **kwargs)
    assert result.returncode == rc, result.stderr
    return json.loads(result.stdout)


def assert_fails(result, rc, *messages):
    """Nothing on standard output, the messages on standard error."""
    assert (result.returncode, result.stdout) == (rc, "")
    assert result.stderr.startswith("latgrad: error: ")
    for message in messages:
        assert message in result.stderr


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "small"
    folder.mkdir()
    (folder / "model.pbtxt").write_text(MODEL)
    (folder / "model_init.pbtxt").write_text(INIT)
    return folder


@pytest.fixture
def lut(tmp_path):
    """The convolution three times: 220 on average, from 100 to 300, 260 last."""
    return write_lut(tmp_path / "lut.json",
                     [conv_record(100.0), conv_record(300.0), relu_record(50), conv_record(260.0)])


# Of a record whose times are TIMES.
TIMES = (90, 95, 100, 120, 200)
STATISTICS = {"p0": 90, "p10": 95, "p50": 100, "p90": 120, "p100": 200, "mean": 108.25}


@pytest.fixture
def scattered_lut(tmp_path):
    return write_lut(tmp_path / "scattered.json", [with_times(conv_record(0), TIMES), with_times(relu_record(0), TIMES)])


@pytest.fixture
def partial_lut(tmp_path):
    return write_lut(tmp_path / "partial.json", [relu_record(50)])


@pytest.fixture
def tiny_lut(tmp_path):
    """A complete table of the space `tiny`: what the program says is missing; operator i takes 10 + i."""
    empty = write_lut(tmp_path / "empty.json", [relu_record(1)])
    missing = run_json("space", "tiny", "--lut", empty, "--json", rc=3)["missing"]
    return write_lut(tmp_path / "tiny.json", [
        record(op["op_type"], op["input_shapes"], op["input_dtypes"], 10.0 + i, op["op_args"])
        for i, op in enumerate(missing)])


def shared(relative):
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"needs {path}, which is not published")
    return path

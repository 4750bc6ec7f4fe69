"""What networks of others look like: cut off, translated, saved wrongly, made by tools that nobody knows."""

import re
import shlex

import pytest
from conftest import assert_fails, record, relu_record, run, run_json, shared, write_lut


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.pbtxt").write_text(text)
    return folder


CONV = 'op { type: "Conv" input: "x" input: "w" output: "y" arg { name: "kernel" i: 1 } } external_input: "x" external_input: "w" external_output: "y"'
WEIGHT = 'op { type: "GivenTensorFill" output: "w" arg { name: "shape" ints: 8 ints: 4 ints: 1 ints: 1 } }'


def test_the_command_that_is_suggested_runs_as_printed(tmp_path):
    folder = tmp_path / "my nets"
    folder.mkdir()
    write(folder, n=CONV, weights=WEIGHT)
    lut = write_lut(tmp_path / "any.json", [relu_record(1)])
    result = run("net", "my nets/n.pbtxt", "--init", "my nets/weights.pbtxt", "--input", "x=1,4,10,10", "--lut", lut,
                 cwd=tmp_path)
    assert result.returncode == 3
    line = re.search(r"latgrad (profile .*)$", result.stdout, re.MULTILINE).group(1)
    assert line == f"profile --net 'my nets/n.pbtxt' --init 'my nets/weights.pbtxt' --input x=1,4,10,10 --lut {lut} --force"
    plan = run(*shlex.split(line), "--dry-run", "--device", "phone", cwd=tmp_path)
    assert plan.returncode == 0 and "Conv [1,4,10,10] w[8,4,1,1]" in plan.stdout


def test_init_nets_belong_to_networks_in_their_order(tmp_path):
    write(tmp_path, a=CONV, b=CONV.replace('"w"', '"v"'), a_weights=WEIGHT, b_weights=WEIGHT.replace('"w"', '"v"'))
    nets = ("--net", tmp_path / "a.pbtxt", "--net", tmp_path / "b.pbtxt", "--input", "x=1,4,10,10")
    one = ("--init", tmp_path / "a_weights.pbtxt")
    refused = run("profile", *nets, *one, "--dry-run")
    assert refused.returncode == 1
    assert "--init must be given once for each --net, in the same order, got 1 for 2" in refused.stderr
    both = run("profile", *nets, *one, "--init", tmp_path / "b_weights.pbtxt", "--dry-run")
    assert both.returncode == 0 and "Conv [1,4,10,10] w[8,4,1,1]" in both.stdout


def test_no_sum_of_macs_hides_an_unknown_operator(tmp_path):
    write(tmp_path, model=(
        'op { type: "Conv" input: "x" input: "w" output: "a" arg { name: "kernel" i: 1 } }'
        'op { type: "Custom" input: "a" output: "b" } external_input: "x" external_input: "w"'), model_init=WEIGHT)
    lut = write_lut(tmp_path / "any.json", [relu_record(1)])
    args = ("net", tmp_path, "--allow-unknown", "--lut", lut, "--input", "x=1,4,10,10")
    answer = run_json(*args, "--json", rc=3)
    assert (answer["macs"], answer["params"]) == (None, 32)
    assert [op["macs"] for op in answer["ops"]] == [3200, None]
    assert "\nMACs         at least 3200\n" in run(*args).stdout


def test_parameters_that_nothing_reads_are_a_remark(tmp_path):
    write(tmp_path, model=CONV, model_init=WEIGHT + WEIGHT.replace('"w"', '"fc_w"'))
    lut = write_lut(tmp_path / "any.json", [relu_record(1)])
    args = ("net", tmp_path, "--lut", lut, "--input", "x=1,4,10,10")
    remark = "no operator reads 1 parameter (fc_w): the network may have been cut off"
    answer = run_json(*args, "--json", rc=3)
    assert (answer["remarks"], answer["params"]) == ([remark], 32)
    assert f"\nremark       {remark}\n" in run(*args).stdout


def test_a_placeholder_asks_for_the_input(tmp_path):
    write(tmp_path, predict_net=CONV, init_net=WEIGHT + 'op { type: "ConstantFill" output: "x" arg { name: "shape" ints: 1 } }')
    assert_fails(run("net", tmp_path, "--shapes"), 1, "give it with --input x=1,3,224,224", 'blob "x"')


def test_hints_to_an_engine_do_not_change_the_price(tmp_path):
    write(tmp_path, model=(
        'op { type: "Relu" input: "x" output: "y" arg { name: "order" s: "NCHW" }'
        ' arg { name: "cudnn_exhaustive_search" i: 0 } arg { name: "use_cudnn" i: 1 } arg { name: "init_params" i: 1 } }'
        'external_input: "x"'))
    lut = write_lut(tmp_path / "any.json", [record("Relu", [[1, 8, 6, 6]], [1], 3.0)])
    assert run_json("net", tmp_path, "--input", "x=1,8,6,6", "--lut", lut, "--json")["total_us"] == 3.0


def test_tables_and_spaces_of_other_tools_are_called_by_their_name(tmp_path):
    pointer = tmp_path / "pointer"
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n")
    assert_fails(run("lut", "info", pointer), 1, "a latency table is needed, but this is a Git LFS pointer")
    assert_fails(run("space", pointer), 1, "a search space is needed, but this is a Git LFS pointer")
    page = tmp_path / "page"
    page.write_text("<!DOCTYPE html><html></html>")
    assert_fails(run("lut", "info", page), 1, "a latency table is needed, but this is an HTML page")


# The inputs made after public networks, with the values of their expected.txt.
SHAPES = [
    ("batch-matmul", ["--input", "a=3,10,7", "--input", "b=3,10,7"], {"y": [3, 10, 10]}),
    ("batch-matmul", ["--input", "a=2,2,3,4", "--input", "b=2,1,5,4"], {"y": [2, 2, 3, 5]}),
    ("if-subnet", ["--allow-unknown", "--input", "x=1,8,4,4"], {"f": [1, 8, 4, 4], "c": [1, 5, 4, 4], "y": [1, 5, 4, 4]}),
    ("init-net-other-ops", [], {"y": [1, 3]}),
    ("input-of-unknown-operator", ["--allow-unknown", "--input", "feat=1,8,4,4", "--input", "im_info=1,3"],
     {"f": [1, 8, 4, 4], "rois": None, "r": None, "y": None}),
    ("input-of-unknown-operator", ["--allow-unknown", "--input", "feat=1,8,4,4", "--input", "r=100,8,6,6"],
     {"y": [100, 8, 6, 6]}),
    ("legacy-pad-small-map", ["--input", "x=1,8,2,2"], {"y": [1, 8, 1, 1]}),
    ("legacy-pad-small-map", ["--input", "x=1,8,2,5"], {"y": [1, 8, 1, 2]}),
    ("transpose-empty-axes", ["--input", "x=2,3,5"], {"y": [5, 3, 2]}),
]


@pytest.mark.parametrize("case, args, blobs", SHAPES)
def test_shapes_of_networks_made_after_public_ones(case, args, blobs):
    answer = run_json("net", ".", "--shapes", *args, cwd=shared(f"cases/caffe2/{case}"))
    assert {blob: answer["blobs"][blob] for blob in blobs} == blobs


def test_values_of_a_network_made_after_a_public_one():
    answer = run_json("net", "reshape.pbtxt", "--shapes", "--input", "x=3,5,8",
                      cwd=shared("cases/caffe2/value-constant-inputs"))
    assert answer["blobs"] == {"y": [3, 10, 4], "old": [3]}


@pytest.mark.parametrize("size", [6, 7])
def test_networks_translated_from_caffe_can_be_measured(size):
    result = run("profile", "--net", ".", "--input", f"x=1,8,{size},{size}", "--dry-run",
                 cwd=shared("cases/caffe2/legacy-pad-no-total"))
    assert result.returncode == 0, result.stderr
    assert "Not measured" not in result.stdout


@pytest.mark.parametrize("name, words", [("lfs_pointer", "git lfs pull"), ("page", "an HTML page"), ("onnx", "ONNX model")])
def test_foreign_files_are_called_by_their_name(name, words):
    folder = shared("cases/caffe2/foreign-files")
    assert_fails(run("net", folder / f"{name}.pb", "--shapes"), 1, words)

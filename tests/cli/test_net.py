import os
import subprocess

import pytest
from conftest import BIN, STATISTICS, assert_fails, relu_record, run, run_json, write_lut

INPUT = ("--input", "data=1,3,8,8")


def test_json_tells_the_price_and_every_operator(model, lut):
    assert run_json("net", model, "--lut", lut, *INPUT, "--json") == {
        "model": str(model), "lut": str(lut), "device": "phone", "mode": "ave", "statistic": "p50",
        "matching": "meaning",
        "total_us": 270.0, "low_us": None, "high_us": None, "found_us": 270.0, "all_found": True,
        "macs": 6912, "params": 108, "other_params": 4,
        # Floats: the image [3, 8, 8] beside the output [4, 8, 8], on which the ReLU works in place.
        "peak_activation_bytes": 4 * (3 + 4) * 64, "peak_op": 0, "weight_bytes": {"float32": 4 * (108 + 4)},
        "ops": [
            {"index": 0, "type": "Conv", "inputs": ["data", "w", "b"], "outputs": ["conv"],
             "input_shapes": [[1, 3, 8, 8], [4, 3, 3, 3], [4]], "macs": 6912, "status": "exact", "us": 220.0, "error_us": None,
             "records": 3, "type_after_lookup": "Conv"},
            {"index": 1, "type": "Relu", "inputs": ["conv"], "outputs": ["conv"],
             "input_shapes": [[1, 4, 8, 8]], "macs": 0, "status": "exact", "us": 50.0, "error_us": None,
             "records": 1, "type_after_lookup": "Relu"},
        ],
    }


@pytest.mark.parametrize("mode, total_us", [("ave", 270), ("min", 150), ("max", 350), ("last", 310)])
def test_mode_decides_between_repeated_records(model, lut, mode, total_us):
    assert run_json("net", model, "--lut", lut, *INPUT, "--mode", mode, "--json")["total_us"] == total_us


@pytest.mark.parametrize("statistic, us", STATISTICS.items())
def test_statistic_decides_which_time_of_a_record_counts(model, scattered_lut, statistic, us):
    args = ("net", model, "--lut", scattered_lut, *INPUT)
    answer = run_json(*args, "--statistic", statistic, "--json")
    assert answer["statistic"] == statistic
    assert answer["total_us"] == pytest.approx(2 * us)
    people = run(*args, "--statistic", statistic).stdout
    assert f"(ave of {statistic})\n" in people and f"({2 * us:.1f} us)\n" in people


def test_table_for_people(model, lut):
    result = run("net", "small", "--lut", "lut.json", *INPUT, cwd=lut.parent)
    assert result.returncode == 0
    assert result.stdout == """\
small on phone by lut.json (ave of p50)

op  operator                            status     us  share
 0  Conv [1,3,8,8] w[4,3,3,3] k3 s1 p1  exact   220.0  81.5%
 1  Relu [1,4,8,8]                      exact    50.0  18.5%

MACs         6912
parameters   108
memory       1.8 kB of activations at op 0 Conv; weights 448 bytes of float32
total        0.270 ms (270.0 us)
"""


def test_missing_operator_leaves_no_total(model, partial_lut):
    answer = run_json("net", model, "--lut", partial_lut, *INPUT, "--json", rc=3)
    assert (answer["total_us"], answer["found_us"], answer["all_found"]) == (None, 50.0, False)
    assert [(op["status"], op["us"]) for op in answer["ops"]] == [("missing", None), ("exact", 50.0)]


def test_missing_operator_is_listed_with_what_to_do(model, partial_lut):
    result = run("net", "small", "--lut", "partial.json", *INPUT, cwd=partial_lut.parent)
    assert result.returncode == 3
    assert "total        none: 1 of 2 operators lack a record" in result.stdout
    assert "  Conv [1,3,8,8] w[4,3,3,3] k3 s1 p1  (op 0)\n" in result.stdout
    assert "latgrad profile --net small --input data=1,3,8,8 --lut partial.json" in result.stdout
    assert "%" not in result.stdout  # a share of an incomplete sum would mislead


def test_partial_sum_is_labelled(model, partial_lut):
    result = run("net", model, "--lut", partial_lut, *INPUT, "--partial")
    assert result.returncode == 3
    assert "partial sum  0.050 ms (50.0 us), without 1 of 2 operators\n" in result.stdout
    assert "total " not in result.stdout


def test_reference_prints_as_the_published_tool(model, lut, partial_lut):
    # Text against text: the table writes the arguments of the convolution in the order of their names.
    result = run("net", model, "--lut", lut, *INPUT, "--reference")
    assert result.returncode == 0
    assert result.stdout == """\
op type Conv with input [[1, 3, 8, 8], [4, 3, 3, 3], [4]]
run_time: [100.0, 300.0, 260.0]
op type Relu with input [[1, 4, 8, 8]]
run_time: [50]
All operators found in the table? True
The network run-time latency is 270.0
"""
    result = run("net", model, "--lut", partial_lut, *INPUT, "--reference")
    assert result.returncode == 3
    assert result.stdout.startswith("No match found in the database!\n")


def test_reference_matches_text_where_the_default_matches_meaning(tmp_path, model):
    spelled = {**relu_record(7.0), "op_args": ['name: "order"\ns: "NCHW"\n']}
    lut = write_lut(tmp_path / "spelled.json", [spelled])
    answer = run_json("net", model, "--lut", lut, *INPUT, "--reference", "--json", rc=3)
    assert answer["matching"] == "reference"
    assert answer["ops"][1]["us"] is None


def test_shapes_of_every_blob_need_no_table(model):
    assert run_json("net", model, *INPUT, "--shapes") == {
        "inputs": {"data": [1, 3, 8, 8]},
        "params": {"b": [4], "w": [4, 3, 3, 3]},
        "blobs": {"conv": [1, 4, 8, 8]},
    }


def test_init_net_is_taken_from_where_it_is_named(tmp_path, model, lut):
    elsewhere = tmp_path / "weights.pbtxt"
    (model / "model_init.pbtxt").rename(elsewhere)
    args = ("net", model / "model.pbtxt", "--lut", lut, *INPUT, "--json")
    assert_fails(run(*args), 1, 'blob "w"')
    assert run_json(*args, "--init", elsewhere)["total_us"] == 270.0


def test_input_shape_reaches_the_operators(model, lut):
    answer = run_json("net", model, "--lut", lut, "--input", "data=2,3,8,8", "--json", rc=3)
    assert answer["macs"] == 2 * 6912
    assert answer["ops"][1]["input_shapes"] == [[2, 4, 8, 8]]


def test_input_type_decides_which_record_matches(tmp_path):
    model = tmp_path / "model.pbtxt"
    model.write_text('op { type: "Relu" input: "data" output: "y" } external_input: "data"')
    lut = write_lut(tmp_path / "lut.json", [{**relu_record(5), "input_dtypes": [6]}])
    args = ("net", model, "--lut", lut, "--json", "--input")
    assert run_json(*args, "data=1,4,8,8", rc=3)["total_us"] is None
    assert run_json(*args, "data=1,4,8,8:uint8")["total_us"] == 5


def test_unknown_operator_is_an_error_or_missing(tmp_path, lut):
    model = tmp_path / "model.pbtxt"
    model.write_text('op { type: "Relu" input: "data" output: "y" }'
                     'op { type: "Frobnicate" input: "y" output: "z" } external_input: "data"')
    args = ("net", model, "--lut", lut, "--input", "data=1,4,8,8", "--json")
    assert_fails(run(*args), 1, 'op 1 "Frobnicate"')
    answer = run_json(*args, "--allow-unknown", rc=3)
    assert [op["us"] for op in answer["ops"]] == [50.0, None]
    assert answer["ops"][1]["input_shapes"] is None
    people = run(*args[:-1], "--allow-unknown")
    assert "  Frobnicate of unknown shape  (op 1)\n" in people.stdout
    shapes = run_json(*args[:2], *args[4:6], "--shapes", "--allow-unknown")
    assert shapes["blobs"] == {"y": [1, 4, 8, 8], "z": None}


@pytest.mark.parametrize("arguments, rc, message", [
    (["net"], 2, "MODEL is required"),
    (["net", "small"], 2, "--lut"),
    (["net", "small", "--lut", "lut.json", "--mode", "median"], 2, "--mode: median not in"),
    (["net", "small", "--lut", "lut.json", "--statistic", "p99"], 2,
     "--statistic: p99 not in {p0,p10,p50,p90,p100,mean}"),
    (["net", "small", "--lut", "lut.json", "--reference", "--statistic", "p50"], 2,
     "--statistic excludes --reference"),
    (["net", "small", "--lut", "lut.json", "--input", "data"], 2,
     'an input must be BLOB=DIM,DIM,..., got "data"'),
    (["net", "small", "--lut", "lut.json", "--input", "data=1,x"], 2, 'got "1,x"'),
    (["net", "small", "--lut", "lut.json", "--input", "data=1,-3"], 2, "non-negative"),
    (["net", "small", "--lut", "lut.json", "--input", "data=9223372036854775807,9"], 2, "2^63"),
    (["net", "small", "--lut", "lut.json", "--input", "data=1,3:uint9"], 2, 'got "uint9"'),
    (["net", "small", "--lut", "lut.json", "--frobnicate"], 2, "--frobnicate"),
    (["net", "small", "--lut", "lut.json", "--input", "date=1,3,8,8"], 1, 'blob "date"'),
    (["net", "small", "--lut", "lut.json", "--input", "w=4,3,3,3"], 1, "--input data=1,3,224,224"),
    (["net", "small", "--lut", "lut.json"], 1, "--input"),
    (["net", "small", "--lut", "lut.json", "--input", "data=1,5,8,8"], 1, 'op 0 "Conv"'),
    (["net", "small", "--lut", "lut.json", "--input", "data=1,3,8,8", "--device", "tablet"], 1,
     'the device must be one of the table\'s (phone), got "tablet"'),
    (["net", "nowhere", "--lut", "lut.json"], 1, "nowhere"),
    (["net", "small", "--input", "data=1,3,8,8", "--lut", "nowhere.json"], 1, "nowhere.json"),
    (["net", "small", "--input", "data=1,3,8,8", "--lut", "small/model.pbtxt"], 1, "line 2"),
])
def test_errors(model, lut, arguments, rc, message):
    assert_fails(run(*arguments, cwd=lut.parent), rc, message)


def test_device_must_be_named_where_the_table_has_several(tmp_path, model, lut):
    both = write_lut(tmp_path / "both.json", [relu_record(50), {**relu_record(60), "device": "tablet"}])
    args = ("net", model, "--lut", both, *INPUT, "--json")
    assert_fails(run(*args), 1, "phone, tablet")
    assert run_json(*args, "--device", "tablet", rc=3)["found_us"] == 60


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path, lut):
    model = tmp_path / "model.pbtxt"
    model.write_text('op { type: "Evil\\033[2J" input: "data" output: "y" } external_input: "data"')
    args = ("net", model, "--lut", lut, "--input", "data=1")
    assert "\033" not in run(*args).stderr
    result = run(*args, "--allow-unknown")
    assert "Evil?[2J" in result.stdout and "\033" not in result.stdout
    assert run_json(*args, "--allow-unknown", "--json", rc=3)["ops"][0]["type"] == "Evil\033[2J"


def test_json_repairs_text_that_is_not_utf8(tmp_path, lut):
    model = tmp_path / "model.pbtxt"
    model.write_text('op { type: "Relu" input: "a\\377\\"\\n" output: "y" } external_input: "a\\377\\"\\n"')
    shapes = run_json("net", model, "--shapes", "--input", b'a\xff"\n=1,2'.decode(errors="surrogateescape"))
    assert shapes["inputs"] == {'a\ufffd"\n': [1, 2]}


def test_full_disk_is_an_error(model, lut):
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    with open("/dev/full", "w") as full:
        result = subprocess.run([BIN, "net", model, "--lut", lut, *INPUT], stdout=full,
                                stderr=subprocess.PIPE, text=True)
    assert result.returncode == 1
    assert "standard output cannot be written" in result.stderr

import json

import pytest
from conftest import (
    CONV_ARGS, STATISTICS, assert_fails, conv_record, record, relu_record, run, run_json, with_times, write_lut)

CONV = ("--type", "Conv", "--shape", "1,3,8,8", "--shape", "4,3,3,3", "--shape", "4", "--arg", "kernel=3",
        "--arg", "order=NCHW", "--arg", "pad=1")


def test_prices_one_operator(lut):
    assert run_json("op", "--lut", lut, *CONV, "--json") == {
        "op_type": "Conv", "operator": "Conv [1,3,8,8] w[4,3,3,3] k3 s1 p1", "device": "phone", "mode": "ave",
        "statistic": "p50", "status": "exact", "us": 220.0, "error_us": None, "times_us": [100.0, 300.0, 260.0], "type_after_lookup": "Conv"}
    assert run_json("op", "--lut", lut, *CONV, "--json", "--mode", "max")["us"] == 300


def test_line_for_people(lut):
    result = run("op", "--lut", "lut.json", *CONV, cwd=lut.parent)
    assert (result.returncode, result.stdout) == (
        0, "Conv [1,3,8,8] w[4,3,3,3] k3 s1 p1\n  220.0 us on phone by lut.json (ave of p50), of 3 records\n")
    result = run("op", "--lut", "lut.json", "--type", "Relu", "--shape", "1,2", cwd=lut.parent)
    assert (result.returncode, result.stdout) == (
        3, "Relu [1,2]\n  missing: lut.json has no record of it for phone\n")


def test_statistic_is_taken_of_each_record(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [
        with_times(relu_record(0), (1, 2, 30, 60, 70)), with_times(relu_record(0), (38, 39, 40, 42, 44))])
    args = ("op", "--lut", lut, "--type", "Relu", "--shape", "1,4,8,8", "--statistic", "p90", "--json")
    answer = run_json(*args)
    assert (answer["statistic"], answer["times_us"], answer["us"]) == ("p90", [60.0, 42.0], 51.0)
    assert run_json(*args, "--mode", "min")["us"] == 42.0
    assert "(ave of p90), of 2 records" in run(*args[:-1]).stdout


def test_queries_are_answered_by_the_statistic(scattered_lut):
    line = query({k: v for k, v in relu_record(0).items() if not k.startswith("runtime")})
    for device in ((), ("--device", "phone")):
        for statistic, us in STATISTICS.items():
            result = run("op", "--lut", scattered_lut, "--stdin", "--statistic", statistic, *device, stdin=line)
            [answer] = answers(result)
            assert (answer["statistic"], answer["us"]) == (statistic, pytest.approx(us))


def test_substitution_is_named(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [
        record("Int8ConvRelu", [[1, 8, 8, 4], [4, 1, 1, 4], [4]], [6, 6, 2], 9.0,
               ['name: "kernel"\ni: 1\n'])])
    args = ("op", "--lut", lut, "--type", "Int8Conv", "--shape", "1,8,8,4", "--shape", "4,1,1,4",
            "--shape", "4", "--dtype", "uint8", "--dtype", "6", "--dtype", "int32", "--arg", "kernel=1")
    answer = run_json(*args, "--json")
    assert (answer["status"], answer["us"]) == ("substituted", 9.0)
    assert answer["type_after_lookup"] == "Int8ConvRelu"
    assert "from Int8ConvRelu" in run(*args).stdout


@pytest.mark.parametrize("text, written", [
    ("a=3", "i: 3"), ("a=-3", "i: -3"), ("a=0.5", "f: 0.5"), ("a=1e3", "f: 1000"), ("a=NHWC", 's: "NHWC"'),
    ('a="3"', 's: "3"'), ("a=", 's: ""'), ("a=1,2", "ints: 1\nints: 2"), ("a=[7]", "ints: 7"),
    ("a=1,0.5", "floats: 1\nfloats: 0.5"), ("a=1,b", 's: "1,b"'), ("a=nan", 's: "nan"'),
    ("a=b=c", 's: "b=c"'),
    ("a=9223372036854775807", "i: 9223372036854775807"),
])
def test_argument_values_are_told_apart(tmp_path, text, written):
    lut = write_lut(tmp_path / "lut.json", [record("Custom", [[2]], [1], 4.0, [f'name: "a"\n{written}\n'])])
    args = ("op", "--lut", lut, "--type", "Custom", "--shape", "2", "--json")
    assert run_json(*args, "--arg", text)["us"] == 4.0
    assert run_json(*args, "--arg-text", f'name: "a" {written}')["us"] == 4.0
    assert run_json(*args, "--arg", "a=other", rc=3)["us"] is None


@pytest.mark.parametrize("dtype", ["uint8", "6"])
def test_types_by_name_or_number(tmp_path, dtype):
    lut = write_lut(tmp_path / "lut.json", [record("Custom", [[2]], [6], 4.0)])
    args = ("op", "--lut", lut, "--type", "Custom", "--shape", "[2]", "--json")
    assert run_json(*args, "--dtype", dtype)["us"] == 4.0
    assert run_json(*args, rc=3)["us"] is None  # float32


@pytest.mark.parametrize("arguments, message", [
    (["--lut", "lut.json"], "--type"),
    (["--type", "Relu"], "--lut is required"),
    (["--lut", "lut.json", "--type", "Relu", "--stdin"], "--stdin"),
    (["--lut", "lut.json", "--type", "Relu", "--shape", "1,,2"], 'got "1,,2"'),
    (["--lut", "lut.json", "--type", "Relu", "--shape", ""], 'got ""'),
    (["--lut", "lut.json", "--type", "Relu", "--shape", "1", "--dtype", "11"], 'got "11"'),
    (["--lut", "lut.json", "--type", "Relu", "--shape", "1", "--arg", "=3"], "NAME=VALUE"),
    (["--lut", "lut.json", "--type", "Relu", "--shape", "1", "--arg-text", "name"], "--arg-text"),
    (["--lut", "lut.json", "--type", "Relu", "--shape", "1", "--dtype", "6", "--dtype", "6"],
     "once for each --shape (1), got 2"),
    (["--lut", "lut.json", "--type", "Int8Relu", "--shape", "1"], "once for each --shape (1), got 0"),
])
def test_usage_errors(lut, arguments, message):
    assert_fails(run("op", *arguments, cwd=lut.parent), 2, message)


def query(rec, **changes):
    return json.dumps({**rec, **changes})


def answers(result):
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_queries_are_answered_in_order(tmp_path):
    lut = write_lut(tmp_path / "lut.json",
                    [conv_record(100.0), relu_record(50), {**relu_record(60), "device": "tablet"}])
    lines = [query(relu_record(0)), "", query(conv_record(0), op_args=CONV_ARGS[::-1]),
             query(relu_record(0), device="tablet"), query(relu_record(0), input_shapes=[[1]])]
    result = run("op", "--lut", lut, "--stdin", stdin="\n".join(lines))
    assert result.returncode == 3
    assert [(a["line"], a["device"], a["status"], a["us"]) for a in answers(result)] == [
        (1, "phone", "exact", 50.0), (3, "phone", "exact", 100.0), (4, "tablet", "exact", 60.0),
        (5, "phone", "missing", None)]


def test_query_without_a_device_takes_that_of_the_command_line(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [relu_record(50), {**relu_record(60), "device": "tablet"}])
    line = query({k: v for k, v in relu_record(0).items() if not k.startswith("runtime") and k != "device"})
    [answer] = answers(run("op", "--lut", lut, "--stdin", "--device", "tablet", stdin=line))
    assert answer["us"] == 60
    [answer] = answers(run("op", "--lut", lut, "--stdin", stdin=line))
    assert "phone, tablet" in answer["error"]


@pytest.mark.parametrize("line, message", [
    ("nonsense", "a query must hold JSON: "),
    ("[]", "a query must be an object, got []"),
    ("{} {}", "expected end of input"),
    ("{", "unexpected end of input"),
    # A byte that is not UTF-8.
    ('{"op_type": "\udcff"}', "ill-formed UTF-8"),
    ("{}", "a query must have the member op_type, got {}"),
    ('{"op_type": 3}', "op_type must be text, got 3"),
    ('{"op_type": "Relu", "op_args": {}}', "op_args must be a list, got {}"),
    ('{"op_type": "Relu", "op_args": ["}"]}', "op_args must hold arguments as protobuf text"),
    ('{"op_type": "Relu", "op_args": []}', "a query must have the member input_shapes, got "),
    (query(relu_record(0), input_shapes=[1]), "input_shapes must be a list, got 1"),
    (query(relu_record(0), input_shapes=[[1.5]]), "input_shapes must be an integer of 64 bits, got 1.5"),
    (query(relu_record(0), input_shapes=[[-1]]), "a dimension must not be negative"),
    (query(relu_record(0), input_shapes=[[2**62, 4]]), "2^63"),
    (query(relu_record(0), input_dtypes=[-1]), "input_dtypes must be an integer from 0 to 2147483647, got -1"),
    (query(relu_record(0), device="tablet"), 'got "tablet"'),
])
def test_malformed_line_is_answered_and_the_others_go_on(lut, line, message):
    good = query(relu_record(0))
    stdin = "\n".join([good, line, good])
    result = run("op", "--lut", lut, "--stdin", stdin=stdin)
    assert result.returncode == 1
    first, bad, last = answers(result)
    assert first["us"] == last["us"] == 50
    assert bad["line"] == 2 and last["line"] == 3
    assert message in bad["error"]
    assert set(bad) == {"line", "error"}


def test_no_queries_are_complete(lut):
    result = run("op", "--lut", lut, "--stdin", stdin="")
    assert (result.returncode, result.stdout) == (0, "")

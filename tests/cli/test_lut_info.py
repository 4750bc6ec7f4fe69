import gzip

from conftest import assert_fails, conv_record, record, relu_record, run, run_json, write_lut


def test_counts_what_the_table_holds(tmp_path):
    spread = {**relu_record(100.0), "runtime_us_p10": 90.0, "runtime_us_p90": 140.0, "device": "tablet"}
    lut = write_lut(tmp_path / "lut.json", [conv_record(100.0), relu_record(50), conv_record(300.0), spread])
    assert run_json("lut", "info", lut, "--json") == {
        "lut": str(lut), "records": 4,
        "devices": [{"device": "phone", "records": 3}, {"device": "tablet", "records": 1}],
        "op_types": [{"op_type": "Conv", "records": 2}, {"op_type": "Relu", "records": 2}],
        "input_dtypes": [{"input_dtypes": [1], "records": 2}, {"input_dtypes": [1, 1, 1], "records": 2}],
        # The two Relu are of two devices: only the convolution is repeated.
        "repeated_operators": 1, "repeated_records": 2, "estimated_records": 0,
        "min_p50_us": 50.0, "max_p50_us": 300.0, "median_spread": 0.0, "max_spread": 0.5, "reference": None,
    }


def test_repeated_means_by_meaning(tmp_path):
    args = ['name: "kernel"\ni: 3\n', 'name: "stride"\ni: 1\n']
    shapes = [[1, 3, 8, 8], [4, 3, 3, 3], [4]]
    lut = write_lut(tmp_path / "lut.json", [record("Conv", shapes, [1, 1, 1], 5.0, args[:1]),
                                            record("Conv", shapes, [1, 1, 1], 6.0, args[::-1])])
    assert run_json("lut", "info", lut, "--json")["repeated_operators"] == 1


def test_for_people(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [conv_record(100.0), relu_record(50), conv_record(300.0)])
    result = run("lut", "info", "lut.json", cwd=tmp_path)
    assert (result.returncode, result.stdout) == (0, """\
lut.json: 3 records

device  records
phone         3

operator type  records
Conv                 2
Relu                 1

input types                records
float32, float32, float32        2
float32                          1

repeated  1 operator in 2 records
p50       50.0 to 300.0 us
spread    0.0% median, 0.0% at most: (p90 - p10) / p50
""")
    assert lut.exists()


def test_compressed_and_empty_tables(tmp_path, lut):
    packed = tmp_path / "lut.json.gz"
    packed.write_bytes(gzip.compress(lut.read_bytes()))
    assert run_json("lut", "info", packed, "--json")["records"] == 4
    empty = tmp_path / "empty.json"
    empty.write_text("")
    info = run_json("lut", "info", empty, "--json")
    assert (info["records"], info["devices"], info["min_p50_us"], info["max_spread"]) == (0, [], None, None)
    assert run("lut", "info", empty).stdout == f"{empty}: 0 records\n"


def test_errors(tmp_path):
    assert_fails(run("lut"), 2, "subcommand is required")
    assert_fails(run("lut", "info"), 2, "FILE is required")
    assert_fails(run("lut", "info", tmp_path / "nowhere"), 1, "nowhere")
    broken = tmp_path / "broken.json"
    broken.write_text('{"op_type": "Relu"\n')
    assert_fails(run("lut", "info", broken), 1, "broken.json, line 1")

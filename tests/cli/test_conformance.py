"""What the published tool printed and the true shapes, for the twelve published networks."""

import json

import pytest
from conftest import run, run_json, shared

NETWORKS = [f"{name}/{precision}" for name in
            ("ChamNet-A", "ChamNet-C", "ChamNet-E", "FBNet-96", "FBNet-A", "FBNet-C")
            for precision in ("int8", "fp32")]
LUT = "conformance/SM-G950U-7.0-24-op_lut_database.json"


@pytest.mark.parametrize("network", NETWORKS)
def test_reference_report_is_equal_to_the_byte(network):
    result = run("net", shared(f"zoo/{network}"), "--lut", shared(LUT), "--reference")
    expected = shared(f"conformance/{network.replace('/', '.')}.ave.txt").read_text()
    assert result.stdout == expected
    assert result.returncode == (0 if "All operators found in the table? True" in expected else 3)


@pytest.mark.parametrize("mode", ["ave", "min", "max", "last"])
@pytest.mark.parametrize("network", NETWORKS)
def test_reference_times_are_equal_to_the_bit(network, mode):
    expected = json.loads(shared("conformance/expected.json").read_text())[network][mode]
    rc = 0 if expected["all_found"] else 3
    answer = run_json("net", shared(f"zoo/{network}"), "--lut", shared(LUT), "--reference", "--json",
                      "--mode", mode, rc=rc)
    assert answer["found_us"] == expected["net_time_us"]
    assert answer["all_found"] == expected["all_found"]
    assert answer["total_us"] == (expected["net_time_us"] if expected["all_found"] else None)
    assert [op["us"] for op in answer["ops"]] == expected["op_time_us"]
    assert [op["type_after_lookup"] for op in answer["ops"]] == expected["op_type_after_lookup"]


@pytest.mark.parametrize("network", NETWORKS)
def test_shapes_are_the_true_ones(network):
    folder = shared(f"zoo/{network}")
    assert run_json("net", folder, "--shapes") == json.loads((folder / "shapes.json").read_text())


@pytest.mark.parametrize("network", NETWORKS)
def test_macs_and_params_are_the_published_ones(network):
    published = json.loads(shared("zoo/published.json").read_text())["networks"][network.split("/")[0]]
    answer = json.loads(run("net", shared(f"zoo/{network}"), "--lut", shared(LUT), "--json").stdout)
    assert f"{answer['macs'] / 1e6:.1f}" == str(published["mmacs"])
    assert f"{answer['params'] / 1e6:.1f}" == str(published["mparams"])

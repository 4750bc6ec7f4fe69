"""latgrad validate: whole networks compared with the sums of a table, measured by a runner with made-up times."""

import json
import pathlib
import re
import sys
import xml.etree.ElementTree

import pytest

from conftest import assert_fails, conv_record, relu_record, run, run_json, write_lut

FAKE = pathlib.Path(__file__).resolve().parents[1] / "runner" / "fake_runner.py"
SVG = "{http://www.w3.org/2000/svg}"


def runner(*behaviour):
    """To be measured: Conv takes 200 us, Relu 100 us, each within 0.2 %."""
    return ["--runner", " ".join([sys.executable, str(FAKE), *behaviour]), "--quiet"]


@pytest.fixture
def right_lut(tmp_path):
    return write_lut(tmp_path / "right.json", [conv_record(200.0), relu_record(100.0)])


@pytest.fixture
def net(model):
    return ["--net", model, "--input", "data=1,3,8,8"]


def test_right_table(net, right_lut):
    out = run_json("validate", "--lut", right_lut, *net, "--json", *runner())
    measured, = out["networks"]
    assert measured["name"].endswith("/small") and measured["from_space"] is False
    assert measured["measured_us"] == pytest.approx(300, rel=0.002)
    assert measured["predicted_us"] == 300
    assert abs(measured["error_percent"]) < 0.2
    assert measured["median_error_percent"] <= 1
    low, high = measured["measured_us_95"]
    assert 299 < low <= measured["measured_us"] <= high < 301
    assert out["agreement"]["networks"] == 1
    assert out["agreement"]["kendall_tau"] is None and out["agreement"]["kendall_tau_95"] is None
    assert out["device"] == "phone" and out["space"] is None
    assert (out["missing"], out["unpriced"], out["unmeasured"], out["budget_spent"]) == ([], [], [], False)
    assert out["rounds"] >= 6
    assert out["runner"]["program"] == "fake-runner 1"


def test_text(net, right_lut):
    result = run("validate", "--lut", right_lut, *net, *runner())
    assert result.returncode == 0 and result.stderr == ""
    assert re.search(r"/small +0\.(299|300)  0\.\d\d% +0\.300  [+-]0\.\d\d%\n", result.stdout)
    assert "MAPE         0." in result.stdout
    assert "Kendall tau  none" in result.stdout


def test_table_that_is_too_low(net, tmp_path):
    lut = write_lut(tmp_path / "low.json", [conv_record(180.0), relu_record(90.0)])
    out = run_json("validate", "--lut", lut, *net, "--json", *runner())
    assert out["agreement"]["bias_percent"] == pytest.approx(-10, abs=0.2)
    assert out["agreement"]["mape_percent"] == pytest.approx(10, abs=0.2)


def test_architectures_and_plot(tiny_lut, tmp_path):
    plot = tmp_path / "plot <&>.svg"
    out = run_json("validate", "--lut", tiny_lut, "--space", "tiny", "--named", "--random", 5, "--plot", plot,
                   "--json", *runner())
    assert [net["name"] for net in out["networks"]][:2] == ["smallest", "largest"]
    assert len(out["networks"]) == 7 and all(net["from_space"] for net in out["networks"])
    low, high = out["agreement"]["mape_percent_95"]
    assert low <= out["agreement"]["mape_percent"] <= high
    assert -1 <= out["agreement"]["kendall_tau"] <= 1
    picture = xml.etree.ElementTree.parse(plot).getroot()
    assert picture.tag == SVG + "svg" and picture.get("viewBox")
    titles = [title.text for title in picture.iter(SVG + "title")]
    assert len(titles) == 1 + 7  # of the picture, and of each network
    assert titles[1].startswith("smallest\nmeasured ")


@pytest.fixture(scope="module")
def measured_lut(tmp_path_factory):
    """What latgrad profile measures of the space `tiny`, with its provenance."""
    path = tmp_path_factory.mktemp("measured") / "measured-op_lut_database.json"
    assert run("profile", "--space", "tiny", "--output", path, *runner()).returncode == 0
    return path


def test_table_that_was_measured_here(measured_lut, tmp_path):
    plot = tmp_path / "plot.svg"
    args = ["validate", "--lut", measured_lut, "--space", "tiny", "--random", 8, "--plot", plot, *runner()]
    result = run(*args, "--json")
    assert (result.returncode, result.stderr) == (0, "")
    out = json.loads(result.stdout)
    assert set(out) == {"lut", "device", "space", "runner", "table_differs", "agreement", "networks", "unpriced",
                        "missing", "unmeasured", "agreement_now", "inside_their_interval", "operators_now_percent", "rounds", "runs", "discarded_runs", "elapsed_s", "budget_spent",
                        "reference", "unsteadiness_percent"}
    assert set(out["agreement"]) == {"networks", "mape_percent", "mape_percent_95", "bias_percent",
                                     "worst_percent", "worst", "within_5_percent", "within_10_percent", "kendall_tau",
                                     "kendall_tau_95"}
    assert set(out["networks"][0]) == {"name", "from_space", "measured_us", "measured_us_95", "nodes_us", "predicted_us", "predicted_us_90",
                                       "error_percent", "median_error_percent", "visits"}
    assert out["agreement"]["networks"] == 8
    assert out["agreement"]["mape_percent"] < 1
    assert out["agreement"]["worst"] in [net["name"] for net in out["networks"]]
    assert out["table_differs"] is None
    assert out["reference"]["name"].startswith("tiny/int8 ") and 0 <= out["unsteadiness_percent"] < 1
    assert xml.etree.ElementTree.parse(plot).getroot().tag == SVG + "svg"


def test_runners_of_both_versions_of_the_protocol_measure_the_same(measured_lut):
    first, second = (run_json("validate", "--lut", measured_lut, "--space", "tiny", "--random", 4, "--json", *command)
                     for command in (runner(), runner("second")))
    assert [net["measured_us"] for net in first["networks"]] == pytest.approx([net["measured_us"] for net in second["networks"]], rel=0.002)
    assert second["reference"]["name"] == first["reference"]["name"]


def test_table_that_was_measured_on_another_cpu(measured_lut):
    result = run("validate", "--lut", measured_lut, "--space", "tiny", "--random", 2, *runner(),
                 env={"FAKE_CPU": "Fake CPU 2000"})
    assert result.returncode == 0
    assert result.stderr.startswith("latgrad: warning: ")
    assert 'CPU "Fake CPU 1000" there, "Fake CPU 2000" here' in result.stderr


def test_budget_ends_after_the_first_round(measured_lut):
    out = run_json("validate", "--lut", measured_lut, "--space", "tiny", "--random", 3, "--budget", "0.000001",
                   "--json", *runner())
    assert (out["rounds"], out["budget_spent"]) == (1, True)
    assert [net["measured_us_95"] for net in out["networks"]] == [None] * 3


def test_seed_chooses_architectures(tiny_lut):
    def names(seed):
        out = run_json("validate", "--lut", tiny_lut, "--space", "tiny", "--random", 4, "--seed", seed, "--json",
                       *runner())
        return [net["name"] for net in out["networks"]]

    assert names(1) == names(1) != names(2)


def test_network_that_the_table_cannot_price(net, tiny_lut):
    args = ["validate", "--lut", tiny_lut, "--space", "tiny", "--random", 2, *net, *runner()]
    out = run_json(*args, "--json", rc=3)
    assert len(out["networks"]) == 2
    unpriced, = out["unpriced"]
    assert unpriced.endswith("/small")
    assert [op["op_type"] for op in out["missing"]] == ["Conv", "Relu"]
    assert out["missing"][0]["used_by"] == [unpriced]
    text = run(*args)
    assert text.returncode == 3
    assert "Not compared, because the table lacks 2 operators for phone:" in text.stdout


def test_nothing_that_the_table_can_price(net, partial_lut, tmp_path):
    # No runner is started.
    args = ["validate", "--lut", partial_lut, *net, "--runner", "false", "--plot", tmp_path / "plot.svg"]
    out = run_json(*args, "--json", rc=3)
    assert out["agreement"] is None and out["networks"] == [] and out["runner"] is None
    text = run(*args)
    assert "No network was measured." in text.stdout
    assert "no plot" in text.stderr
    assert not (tmp_path / "plot.svg").exists()


def test_runner_without_a_kernel(tmp_path):
    folder = tmp_path / "soft"
    folder.mkdir()
    (folder / "model.pbtxt").write_text(
        'op { type: "Softmax" input: "data" output: "y" } external_input: "data" external_output: "y"')
    record = relu_record(50) | {"op_type": "Softmax", "input_shapes": [[1, 8]]}
    lut = write_lut(tmp_path / "soft.json", [record])
    args = ["validate", "--lut", lut, "--net", folder, "--input", "data=1,8", *runner("no-softmax")]
    out = run_json(*args, "--json", rc=3)
    unmeasured, = out["unmeasured"]
    assert unmeasured["reasons"] == ["no kernel for operator type Softmax: Softmax [1,8]"]
    assert out["agreement"] is None
    assert "cannot run them:\n" in run(*args).stdout


def test_warns_of_another_machine(net, right_lut):
    origin = {"cpu": {"model": "Other CPU"}, "engine": {"name": "qnnpack"}, "framework": "none", "threads": 1}
    right_lut.with_suffix("").with_suffix(".provenance.json").write_text(json.dumps(origin))
    result = run("validate", "--lut", right_lut, *net, "--json", *runner())
    assert result.returncode == 0
    assert result.stderr.startswith("latgrad: warning: ")
    assert 'CPU "Other CPU" there, "Fake CPU 1000" here' in result.stderr
    assert json.loads(result.stdout)["table_differs"] == 'CPU "Other CPU" there, "Fake CPU 1000" here'
    origin["cpu"]["model"] = "Fake CPU 1000"
    right_lut.with_suffix("").with_suffix(".provenance.json").write_text(json.dumps(origin))
    assert run("validate", "--lut", right_lut, *net, *runner()).stderr == ""


def test_runner_that_dies(net, right_lut):
    assert_fails(run("validate", "--lut", right_lut, *net, *runner("dies")), 1, "7")


@pytest.mark.parametrize("args, message", [
    ([], "--net, or --space"),
    (["--random", "3"], "--space"),
    (["--named"], "--space"),
    (["--space", "tiny", "--random", "0"], "--net, or --space"),
    (["--space", "tiny", "--random", "-1"], "--random"),
    (["--space", "tiny", "--budget", "soon"], "a duration must be like"),
    (["--space", "tiny", "--target", "0"], "--target"),
    (["--space", "tiny", "--plot", "no/such/folder/x.svg"], "the plot must be a file in a folder that exists"),
    (["--space", "tiny", "--plot", "."], "the plot must be a file in a folder that exists"),
])
def test_wrong_usage(right_lut, args, message):
    assert_fails(run("validate", "--lut", right_lut, *args), 2, message)

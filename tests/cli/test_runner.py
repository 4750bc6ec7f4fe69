"""Real measurements: by the runner of docs/runner-protocol.md, and by latgrad-runner where it was built."""

import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import SHARED, assert_fails, run

REPOSITORY = pathlib.Path(__file__).parents[2]
TORCH_RUNNER = os.environ.get("LATGRAD_TORCH_RUNNER")
needs_torch_runner = pytest.mark.skipif(not TORCH_RUNNER, reason="latgrad-runner comes with the plugin, which this build has not")

NET = """
external_input: "data"
op { input: "data" output: "a" type: "Relu" }
op { input: "a" output: "b" type: "Softmax" }
"""


@pytest.fixture
def page_runner(tmp_path):
    """The runner that the page prints, as a command."""
    pytest.importorskip("numpy")
    page = (REPOSITORY / "docs" / "runner-protocol.md").read_text()
    of_operators, of_networks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    (tmp_path / "my_runner.py").write_text(of_operators)
    (tmp_path / "my_network_runner.py").write_text(of_networks)
    return f"{sys.executable} {tmp_path / 'my_runner.py'}"


def test_the_runner_of_the_page_measures(page_runner, tmp_path):
    (tmp_path / "net.pbtxt").write_text(NET)
    result = run("profile", "--net", "net.pbtxt", "--input", "data=1,1000", "--runner", page_runner, "-o", "t.json",
                 "--budget", "2s", cwd=tmp_path)
    assert result.returncode == 3
    assert "no Softmax here" in result.stdout
    [record] = [json.loads(line) for line in (tmp_path / "t.json").read_text().splitlines()]
    assert (record["op_type"], record["device"]) == ("Relu", "my-qnnpack")
    assert 0 < record["runtime_us_p50"] < 10_000


def test_the_runner_of_networks_of_the_page_measures(page_runner, tmp_path):
    pytest.importorskip("onnxruntime", reason="it is the page's engine")
    command = page_runner.replace("my_runner", "my_network_runner")
    result = run("profile", "--space", "fbnet", "--precision", "fp32", "--networks", "20", "--samples", "1", "--budget", "1s",
                 "--runner", command, "-o", "t.json", "--quiet", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "from 20 whole networks in " in result.stdout and " for my-qnnpack\n" in result.stdout


def test_the_runner_of_the_page_knows_the_delays_of_the_self_test(page_runner):
    # More than once, as a busy machine may spoil one; the longest only, as Python is slow for 50 us.
    results = [run("profile", "--self-test", "--runner", page_runner).stdout for _ in range(3)]
    assert any(text.splitlines()[-1].endswith("ok") for text in results), results[0]


def torch(*args, cwd=None, env=None):
    return run(*args, cwd=cwd, env={**(env or {}), "LATGRAD_RUNNER": TORCH_RUNNER})


@needs_torch_runner
@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_a_space_is_measured_priced_and_validated(tmp_path, precision):
    space = ["--space", "tiny", "--precision", precision]
    result = torch("profile", *space, "-o", "t.json", "--budget", "3s", "--json", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["missing"] == []
    assert run("space", "tiny", "--precision", precision, "--lut", "t.json", cwd=tmp_path).returncode == 0
    result = torch("validate", *space, "--lut", "t.json", "--budget", "3s", "--json", "--plot", "t.svg", cwd=tmp_path)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    assert report["agreement"]["networks"] == 18  # all that the space has
    # How well it agrees is for a quiet machine to say; here only that both are the same quantity.
    assert all(0.2 < net["predicted_us"] / net["measured_us"] < 5 for net in report["networks"])
    assert (tmp_path / "t.svg").read_text().startswith("<svg")


@needs_torch_runner
@pytest.mark.parametrize("network", ["FBNet-96/int8", "FBNet-96/fp32", "ChamNet-E/int8"])
def test_every_operator_of_a_published_network_has_a_kernel(tmp_path, network):
    if not (SHARED / "zoo").exists():
        pytest.skip("needs the published networks of ../shared/zoo")
    result = torch("profile", "--net", SHARED / "zoo" / network, "-o", "t.json", "--budget", "1s", cwd=tmp_path)
    assert result.returncode == 0, result.stdout
    assert run("net", SHARED / "zoo" / network, "--lut", "t.json", cwd=tmp_path).returncode == 0


@needs_torch_runner
def test_provenance_names_the_machine_the_engine_and_the_cores(tmp_path):
    torch("profile", "--space", "tiny", "-o", "t.json", "--budget", "1s", cwd=tmp_path)
    provenance = json.loads((tmp_path / "t.provenance.json").read_text())
    assert provenance["engine"] == {"name": "qnnpack", "int8": "QNNPACK", "fp32": "LibTorch's default CPU kernels"}
    assert provenance["framework"].startswith("torch ")
    env = {"ONEDNN_MAX_CPU_ISA": "AVX2"}
    torch("profile", "--space", "tiny", "-o", "t.json", "--budget", "1s", "--force", cwd=tmp_path, env=env)
    limited = json.loads((tmp_path / "t.provenance.json").read_text())
    assert limited["framework"].endswith(", oneDNN up to AVX2")
    assert len(provenance["pinned_to_cores"]) == provenance["threads"] == 1
    assert provenance["cpu"]["architecture"] and provenance["cpu"]["logical_cores"] >= 1


@needs_torch_runner
def test_onednn_measures_a_published_network(tmp_path):
    if not (SHARED / "zoo").exists():
        pytest.skip("needs the published networks of ../shared/zoo")
    arguments = ["--net", SHARED / "zoo/FBNet-96/int8", "-o", "t.json", "--engine", "onednn", "--budget", "1s"]
    result = torch("profile", *arguments, cwd=tmp_path)
    if "engine must be one that torch" in result.stderr:
        pytest.skip("this torch has no engine onednn")
    assert result.returncode == 0, result.stderr


@needs_torch_runner
def test_an_engine_that_is_not_there_is_an_error_that_lists_those_that_are(tmp_path):
    assert_fails(torch("profile", "--space", "tiny", "--engine", "tensorrt", "-q", cwd=tmp_path), 1, "tensorrt", "qnnpack")
    assert_fails(torch("profile", "--space", "tiny", "--cores", "4095", "-q", cwd=tmp_path), 1, "4095")


@needs_torch_runner
def test_without_a_gpu_cuda_is_an_error(tmp_path):
    if pathlib.Path("/dev/nvidia0").exists():
        pytest.skip("there is a GPU")
    assert_fails(torch("profile", "--space", "tiny", "--precision", "fp32", "--engine", "cuda", "-q", cwd=tmp_path), 1,
                 "engine cuda needs")


@needs_torch_runner
def test_the_runner_has_help_and_a_version_and_ends_with_its_input():
    def runner(*args, stdin=""):
        return subprocess.run([TORCH_RUNNER, *args], input=stdin, capture_output=True, encoding="utf-8", timeout=60)

    assert "docs/runner-protocol.md" in runner("--help").stdout
    assert re.fullmatch(r"latgrad-runner \d+\.\d+\.\d+, torch .*\n", runner("--version").stdout)
    assert runner("--frobnicate").returncode == 2
    assert (runner().returncode, runner().stdout) == (0, "")
    reply = json.loads(runner(stdin='{"id": 5, "request": "measure"}\n').stdout)
    assert (reply["id"], reply["reply"]) == (5, "error")


@needs_torch_runner
def test_known_delays_are_measured_right():
    # Twice, as a busy machine may spoil one.
    results = [torch("profile", "--self-test") for _ in range(2)]
    assert any(result.returncode == 0 for result in results), results[0].stdout

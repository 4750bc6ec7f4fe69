"""Engines that take whole networks: made up, ONNX Runtime where it is installed, and the folder latgrad_runners itself."""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from conftest import assert_fails, run, run_json, shared

REPOSITORY = pathlib.Path(__file__).parents[2]
FAKE = REPOSITORY / "tests" / "runner" / "fake_runner.py"
RUNNERS = REPOSITORY / "runner" / "engines"
TABLE = ["--space", "fbnet", "--precision", "fp32", "--networks", "30", "--quiet"]


def fake(*behaviour):
    return ["--runner", " ".join(["exec", sys.executable, str(FAKE), *behaviour])]


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Of a made-up engine that takes 70 us for each convolution."""
    path = tmp_path_factory.mktemp("engine") / "made-up.json"
    result = run("profile", *TABLE, *fake("networks"), "-o", path)
    assert result.returncode == 0, result.stderr
    assert re.search(r"Inferred \d+ operators from 30 whole networks in ", result.stdout)
    assert "within 5 %: 30 of 30" in result.stdout
    return path


def test_a_table_from_whole_networks_prices_others(table):
    out = run_json("validate", "--lut", table, "--space", "fbnet", "--precision", "fp32", "--random", "10", "--seed", "3",
                   "--json", "--quiet", *fake("networks"))
    assert out["agreement"]["networks"] == 10 == out["agreement"]["within_5_percent"]
    assert out["agreement"]["mape_percent"] < 1
    assert out["agreement_now"] is None and out["operators_now_percent"] is None
    assert out["reference"]["name"].startswith("fbnet/fp32 ")
    text = run("validate", "--lut", table, "--space", "fbnet", "--precision", "fp32", "--random", "10", "--seed", "3",
               "--quiet", *fake("networks")).stdout
    assert "within 5%    10 of 10, within 10%: 10\n" in text
    assert out["inside_their_interval"] >= 8
    assert all(net["predicted_us_90"][0] < net["predicted_us"] < net["predicted_us_90"][1] for net in out["networks"])
    assert f"intervals    {out['inside_their_interval']} of 10 measured times are inside theirs, of 90%\n" in text


def test_the_speed_of_another_day(table):
    out = run("lut", "info", table, "--now", *fake("networks"))
    assert out.returncode == 0, out.stderr
    assert re.search(r"now +\d\.\d{3} ms, 1\.000 times as long; the machine is steady 0\.0 %\n", out.stdout)


@pytest.mark.parametrize("behaviour, message", [
    ("dies", "the runner exited with status 7 before it answered"),
    ("killed", "the runner was killed by signal 9"),
    ("garbage", "in the line `Welcome to pi!`"),
    ("wrong-count", "must hold"),
    ("negative", "hold times that are not negative"),
    ("wrong-id", "the id of the request"),
    ("version", "version 99 of the protocol"),
    ("no-network", "the engine cannot run the reference network"),
    ("lost-reference", "no longer: no memory for it"),
])
def test_an_engine_that_fails(tmp_path, behaviour, message):
    assert_fails(run("profile", *TABLE, *fake("networks", behaviour), "-o", tmp_path / "t.json"), 1, message)
    assert not (tmp_path / "t.json").exists()


def test_an_engine_that_lags(tmp_path):
    result = run("profile", *TABLE, *fake("networks", "late"), "--runner-timeout", "0.3", "-o", tmp_path / "t.json")
    assert result.returncode == 1 and "did not answer within" in result.stderr and "--runner-timeout" in result.stderr


def test_a_run_that_died_goes_on(tmp_path):
    path = tmp_path / "t.json"
    assert run("profile", *TABLE, *fake("networks", "dies"), "-o", path).returncode == 1
    before = (tmp_path / "t.json.partial").read_text().splitlines()
    assert len(before) > 1
    assert run("profile", *TABLE, *fake("networks"), "-o", path).returncode == 0
    assert json.loads((tmp_path / "t.provenance.json").read_text())["resumed"] is True


# What comes after each request of the planner, and at another speed than before.
def test_networks_are_ratios_to_their_reference(tmp_path, table):
    path = tmp_path / "drift.json"
    assert run("profile", *TABLE, *fake("networks", "drift"), "-o", path).returncode == 0
    with open(table) as one, open(path) as other:
        times = [[json.loads(line)["runtime_us_p50"] for line in file] for file in (one, other)]
    assert times[0] == pytest.approx(times[1], rel=1e-6)


def test_without_a_table_networks_are_measured(tmp_path, table):
    what = ["--space", "fbnet", "--precision", "fp32", "--random", "2", "--seed", "3", "--quiet", *fake("networks")]
    out = run_json("validate", *what, "--json")
    assert [net["predicted_us"] for net in out["networks"]] == [None, None]
    assert out["lut"] is None and out["device"] is None and out["agreement"] is None and out["table_differs"] is None
    compared = run_json("validate", "--lut", table, *what, "--json")
    assert [net["measured_us"] for net in out["networks"]] == [net["measured_us"] for net in compared["networks"]]
    text = run("validate", *what, "--plot", tmp_path / "p.svg")
    assert text.stdout.startswith("Whole networks in qnnpack, none\n") and "error" not in text.stdout
    assert "no plot, because there is nothing to compare" in text.stderr


def test_the_engines_own_times_are_compared(table):
    what = ["--space", "fbnet", "--precision", "fp32", "--random", "2", "--lut", table, "--quiet", *fake("networks")]
    out = run_json("validate", *what, "--nodes", "--json")
    assert all(net["nodes_us"] == pytest.approx(0.9 * net["measured_us"]) for net in out["networks"])
    text = run("validate", *what, "--nodes").stdout
    assert "\nThe engine's own times by node sum to 90.0% of the networks' at the median (90.0% to 90.0%)\n" in text
    assert "by node" not in run("validate", *what).stdout


def test_several_engines_at_once(tmp_path):
    result = run("profile", *TABLE, *fake("networks"), *fake("networks", "dies"), "-o", "tables", cwd=tmp_path)
    assert result.returncode == 1
    assert "from 30 whole networks" in result.stdout and "exited with status 7" in result.stdout
    assert [path.name for path in (tmp_path / "tables").glob("*database.json")] == ["fake-1000-qnnpack-1-op_lut_database.json"]


def test_the_self_test_is_of_operators():
    assert_fails(run("profile", "--self-test", *fake("networks")), 1, "this engine takes whole networks")


def test_too_few_networks_are_told_at_once(tmp_path):
    tiny = (REPOSITORY / "data" / "spaces" / "tiny.textproto").read_text()
    with_one = tiny.replace('candidate: ["k3_e3", "k5_e3_g2", "k3_e1", "skip"]', 'candidate: ["k3_e1"]')
    (tmp_path / "six.textproto").write_text("\n".join(line for line in with_one.splitlines() if not line.startswith("architecture")))
    result = run("profile", "--space", "six.textproto", *fake("networks"), "-o", "t.json", "--quiet", cwd=tmp_path)
    assert_fails(result, 1, "needs at least 10 of them for a table, got 6")
    assert not (tmp_path / "t.json.partial").exists()


def test_providers_need_a_runner_that_knows_them(table):
    old = ["--runner", f"{sys.executable} {FAKE}", "--provider", "GPU", "--space", "fbnet", "--lut", table, "--precision", "fp32"]
    assert_fails(run("validate", *old, "--quiet"), 1, "too old to know providers")


def test_nothing_to_measure_is_no_crash():
    result = run("validate", "--space", "tiny", "--named", "--random", "0", "--engine", "onnxruntime", "--quiet")
    assert result.returncode in (0, 1) and "Segmentation" not in result.stderr


def test_help_names_the_engines():
    for command in ("profile", "validate"):
        text = " ".join(run(command, "--help").stdout.split())
        assert "onnxruntime, openvino, executorch, torch" in text and "--provider" in text


# ---- the folder latgrad_runners ----


def ask(*requests, env=None):
    """The replies of latgrad_runners to these requests."""
    lines = "".join(json.dumps({"id": i, **request}) + "\n" for i, request in enumerate(requests))
    result = subprocess.run([sys.executable, str(RUNNERS)], input=lines, capture_output=True, encoding="utf-8",
                            env={**os.environ, **(env or {})}, check=True)
    return [json.loads(line) for line in result.stdout.splitlines()]


OPEN = {"request": "open", "protocol": 1, "newest_protocol": 3, "engine": "made_up", "threads": 1, "pin": False, "cores": []}

ENGINE = """
import time
from serving import Unsupported

class Engine:
    framework, fp32, int8, provider = "made up 1", "made up", "", "Fast"

    def __init__(self, threads, provider):
        print("an engine that greets")

    def load(self, model):
        if model == b"unknown":
            raise Unsupported("no such operator")
        if model == b"broken":
            raise RuntimeError("first line\\nsecond line")
        delay_s = int(model) / 1e6

        def run():
            end = time.perf_counter() + delay_s
            while time.perf_counter() < end:
                pass

        return run
"""


@pytest.fixture
def made_up_engine(tmp_path):
    """A folder like latgrad_runners with an engine of its own."""
    for name in ("__main__.py", "serving.py"):
        text = (RUNNERS / name).read_text()
        (tmp_path / name).write_text(text.replace("ENGINES = {", 'ENGINES = {"made_up": "made_up_engine",'))
    (tmp_path / "made_up_engine.py").write_text(ENGINE)
    return tmp_path


def encoded(text):
    return base64.b64encode(text.encode()).decode()


def test_the_folder_serves_an_engine(made_up_engine, monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "RUNNERS", made_up_engine)
    opened, reference, network, times, unknown, broken, other = ask(
        OPEN,
        {"request": "load", "place": 0, "model": encoded("300")},
        {"request": "load", "place": 1, "model": encoded("900")},
        {"request": "time", "network": 1, "reference": 0, "warmup": 1, "samples": 5},
        {"request": "load", "place": 1, "model": encoded("unknown")},
        {"request": "load", "place": 1, "model": encoded("broken")},
        {"request": "measure"},
    )
    assert opened["engine"] == "made_up-fast"
    assert opened["measures"] == ["networks"] and opened["protocol"] == 3 and opened["framework"] == "made up 1"
    assert opened["machine"]["cpu_model"] and opened["machine"]["logical_cores"] >= 1
    assert reference == {"id": 1, "reply": "load"} and network == {"id": 2, "reply": "load"}
    assert len(times["network_us"]) == 5 and len(times["reference_us"]) == 6
    assert min(times["network_us"]) >= 900 and min(times["reference_us"]) >= 300
    assert min(times["network_us"]) < 1000 and min(times["reference_us"]) < 400
    assert unknown == {"id": 4, "reply": "load", "unsupported": "no such operator"}
    assert broken == {"id": 5, "reply": "load", "unsupported": "RuntimeError: first line"}
    assert other["message"] == 'this runner takes whole networks, not the request "measure"'


def test_what_was_made_of_a_model_is_kept(monkeypatch):
    monkeypatch.syspath_prepend(str(RUNNERS))
    from serving import Kept

    made = []
    kept = Kept(most=2)
    for model in (b"a", b"b", b"a", b"c", b"a", b"b"):
        assert kept.get(model, lambda: made.append(model) or model) == model
    assert made == [b"a", b"b", b"c", b"b"]  # "b" was the one not used for longest when "c" came


def test_the_folder_refuses():
    unknown, unopened = ask({**OPEN, "engine": "tensorrt"}, {"request": "time", "network": 0, "warmup": 0, "samples": 1})
    assert unknown["message"] == 'the engine must be one of onnxruntime, openvino, executorch, torch, got "tensorrt"'
    assert unopened["message"] == 'the first request must be "open"'
    older, = ask({**OPEN, "newest_protocol": 2, "engine": "onnxruntime"})
    assert "version 3 of the protocol: install a newer latgrad" in older["message"]


@pytest.mark.parametrize("engine, module, line", [
    ("onnxruntime", "onnxruntime", "pip install onnxruntime"),
    ("openvino", "openvino", "pip install openvino"),
    ("torch", "torch", "pip install torch onnx"),
    ("executorch", "executorch", "pip install executorch onnx"),
])
def test_a_missing_package_is_one_sentence(tmp_path, engine, module, line):
    pytest.importorskip("numpy")
    (tmp_path / f"{module}.py").write_text("raise ImportError('hidden by the test', name=__name__)")
    reply, = ask({**OPEN, "engine": engine}, env={"PYTHONPATH": str(tmp_path)})
    assert reply["reply"] == "error" and reply["message"].endswith(f" is missing: {line}")


# ---- the real one ----


@pytest.fixture
def onnxruntime():
    pytest.importorskip("onnxruntime", reason="it is the engine")
    return ["--engine", "onnxruntime"], {"LATGRAD_PYTHON": sys.executable}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_table_of_onnx_runtime(tmp_path, onnxruntime, precision):
    engine, env = onnxruntime
    what = ["--space", "fbnet", "--precision", precision, "--budget", "1s", "--quiet"]
    result = run("profile", *what, *engine, "--networks", "20", "--samples", "1", "-o", "t.json", cwd=tmp_path, env=env)
    assert result.returncode == 0, result.stderr
    assert "from 20 whole networks" in result.stdout
    provenance = json.loads((tmp_path / "t.provenance.json").read_text())
    assert provenance["engine"]["name"] == "onnxruntime" and provenance["framework"].startswith("onnxruntime ")
    assert len(provenance["inferred"]["networks"]) == 20
    result = run("validate", *what, *engine, "--random", "3", "--lut", "t.json", "--json", cwd=tmp_path, env=env)
    assert result.returncode == 0, result.stderr
    report = json.loads(result.stdout)
    # How well it agrees is for a quiet machine to say; here only that both are the same quantity.
    assert all(0.3 < net["predicted_us"] / net["measured_us"] < 3 for net in report["networks"])


@pytest.mark.parametrize("engine, modules", [
    ("openvino", ["openvino"]), ("torch", ["torch", "onnx"]), ("executorch", ["executorch", "onnx"]),
])
def test_other_engines_time_networks(engine, modules):
    for module in modules:
        pytest.importorskip(module, reason="it is the engine")
    out = run_json("validate", "--space", "tiny", "--precision", "fp32", "--random", "2", "--engine", engine, "--budget", "1s",
                   "--json", "--quiet", env={"LATGRAD_PYTHON": sys.executable})
    assert len(out["networks"]) == 2 and out["unmeasured"] == []
    assert all(0 < net["measured_us"] < 1e6 for net in out["networks"])


def test_providers_are_those_that_there_are(tmp_path, onnxruntime):
    engine, env = onnxruntime
    result = run("profile", *TABLE, *engine, "--provider", "abacus", "-o", tmp_path / "t.json", env=env)
    assert_fails(result, 1, "this onnxruntime has the providers", "CPU", 'got "abacus"')


def test_networks_of_onnx_files_run_as_modules():
    """What PyTorch computes from a file is what ONNX Runtime computes."""
    torch = pytest.importorskip("torch", reason="it runs the modules")
    onnxruntime = pytest.importorskip("onnxruntime", reason="it runs the files")
    pytest.importorskip("onnx", reason="it reads the files")
    sys.path.insert(0, str(RUNNERS))
    try:
        from onnx_module import OnnxModule
    finally:
        sys.path.remove(str(RUNNERS))
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    for name in ("mobilenetv3_small_100", "ghostnet_100", "densenet121", "tv_shufflenet_v2_x1_0", "mobilevit_xxs",
                 "vit_tiny_patch16_224", "convnext_atto", "levit_128", "resnet18", "mobilenetv2_100"):
        network = shared(f"onnx/{name}")
        path = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"{os.getpid()}-{name}.onnx"
        run("net", network, "--onnx", path)
        model = path.read_bytes()
        path.unlink()
        module = OnnxModule(model).eval()
        inputs = module.example()
        with torch.inference_mode():
            outputs = module(*inputs)
        session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        names = [value.name for value in session.get_inputs()]
        expected = session.run(None, dict(zip(names, (value.numpy() for value in inputs))))
        for output, value in zip(outputs, expected):
            error = abs(output.numpy() - value).max() / abs(value).max()
            assert error < 1e-3, (name, error)

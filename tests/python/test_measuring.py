"""latgrad.profile and latgrad.validate: the commands' runs, called from Python, with a runner of made-up times."""

import json
import os
import pathlib
import shlex
import signal
import sys
import threading
import time

import pytest
import torch
from torch import nn

import latgrad

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAKE = ROOT / "tests" / "runner" / "fake_runner.py"


def runner(*behaviour):
    return " ".join(shlex.quote(part) for part in (sys.executable, str(FAKE), *behaviour))


def small_net():
    return latgrad.read_module(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), torch.zeros(1, 3, 8, 8))


def small_space():
    layer = lambda: [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2), None, nn.Identity()]
    return latgrad.ModuleSpace(nn.Conv2d(3, 4, 1), [layer(), layer()], None, torch.zeros(1, 3, 8, 8))


@pytest.fixture
def table(tmp_path):
    return tmp_path / "fake-op_lut_database.json"


def test_measures_the_operators_of_a_network_at_hand(table):
    net = small_net()
    report = latgrad.profile(nets=net, output=table, runner=runner(), quiet=True)
    assert (report["output"], report["planned"], report["measured"], report["missing"]) == (str(table), 2, 2, [])
    # The fake runner's convolution takes 200 us, its Relu 100 us.
    assert float(net.price(table)) == pytest.approx(300, rel=0.01)
    provenance = json.loads((table.parent / "fake-op_lut_database.provenance.json").read_text())
    assert provenance["runner"]["command"] == runner()


def test_measures_in_an_engine_that_takes_networks(table, tmp_path):
    """A space of modules: its table comes from architectures as whole networks."""
    def layer():
        return [nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 5, padding=2), nn.Conv2d(4, 4, 1), nn.Identity()]

    space = latgrad.ModuleSpace(nn.Conv2d(3, 4, 1), [layer(), layer(), layer()], None, torch.zeros(1, 3, 8, 8))
    options = dict(engine="torch", runner=runner("networks"), quiet=True)
    report = latgrad.profile(space, output=table, networks=40, steady=0.2, **options)
    assert report["inferred"]["networks"] >= 40 and report["missing"] == []
    checked = latgrad.validate(table, space, random=5, **options)
    assert len(checked["networks"]) == 5 and checked["agreement_now"] is None
    # By default the engine runs in this interpreter's python, from the folder beside the package.
    assert latgrad.measuring._network_runners() == str(ROOT / "runner" / "engines")


def test_extends_a_table_with_what_it_lacks(table):
    latgrad.profile(nets=[small_net()], output=table, runner=runner(), quiet=True)
    other = latgrad.read_module(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sigmoid()), torch.zeros(1, 3, 8, 8))
    report = latgrad.profile(nets={"other": other}, lut=table, output=table, runner=runner(), quiet=True)
    assert (report["known"], report["measured"]) == (1, 1)


def test_measures_networks_and_spaces_in_files(table, tmp_path, tiny_space):
    model = tmp_path / "small.onnx"
    small_net().to_onnx(model)
    options = dict(precision="fp32", runner=runner(), quiet=True)
    listed = latgrad.profile([tiny_space], [model], dry_run=True, **options)
    assert not table.exists()
    by_name = latgrad.profile("tiny", dry_run=True, **options)
    assert len(listed["operators"]) == len(by_name["operators"]) + 2
    report = latgrad.profile([tiny_space], [model], output=table, **options)
    assert report["measured"] == len(listed["operators"])
    assert latgrad.LatencyModel(tiny_space, table, precision="fp32").fixed_us() > 0


def test_measures_a_space_of_modules_inside_its_networks(table):
    space = small_space()
    latgrad.profile(space, output=table, runner=runner(), quiet=True)
    model = space.latency_model(table)
    assert float(model.estimate(torch.tensor([0, 1]))) == pytest.approx(float(space.lower([0, 1]).price(table)))


def test_validates_networks_and_the_architectures_of_a_space(table, tmp_path):
    space = small_space()
    latgrad.profile(space, small_net(), output=table, runner=runner(), quiet=True)
    plot = tmp_path / "plot.svg"
    report = latgrad.validate(table, space, {"mine": small_net()}, random=4, plot=plot, runner=runner(), quiet=True)
    names = [net["name"] for net in report["networks"]]
    assert len(set(names)) == 5 and "mine" in names
    assert report["agreement"]["mape_percent"] < 1
    assert plot.read_text().startswith("<svg")
    # There are nine architectures, and nothing else to measure.
    assert len(latgrad.validate(table, space, random=1000, runner=runner(), quiet=True)["networks"]) == 9


def test_warns_of_a_table_from_another_machine(table, monkeypatch):
    latgrad.profile(nets=small_net(), output=table, runner=runner(), quiet=True)
    monkeypatch.setenv("FAKE_CPU", "Another CPU")
    with pytest.warns(UserWarning, match='was measured elsewhere: CPU "Fake CPU 1000" there, "Another CPU" here'):
        latgrad.validate(table, nets=small_net(), runner=runner(), quiet=True)


def test_a_running_measurement_ends_with_its_object(table):
    options = {
        "spaces": [], "files": [], "inits": [], "inputs": [], "precisions": ["fp32"], "lut": "", "output": str(table),
        "device": "", "force": False, "dry_run": False, "warmup": 1, "samples": 3, "target": 1e-6, "budget_s": 600.0,
        "seed": 0, "engine": "qnnpack", "threads": 1, "pin": True, "cores": [], "runner_text": "", "runner_timeout_s": 60.0,
        "runner": ["/bin/sh", "-c", runner("late", "noisy")], "style": "quiet", "columns": 80,
        "provider": "", "runs_here": False, "networks": 200, "steady": 0.05,
    }  # fmt: skip
    start = torch.classes.latgrad.Measurement.profile
    measurement = start(json.dumps(options), ["mine"], [small_net()._handle])
    assert not measurement.wait(0.3)
    del measurement
    # It has ended: one that goes on would soon write more visits.
    journal = pathlib.Path(f"{table}.partial")
    visits = journal.read_text()
    time.sleep(1)
    assert journal.read_text() == visits and not table.exists()


def test_says_what_the_table_lacks(table):
    latgrad.profile(nets=small_net(), output=table, runner=runner(), quiet=True)
    lacks = latgrad.read_module(nn.Sigmoid(), torch.zeros(1, 4))
    report = latgrad.validate(table, nets={"mine": small_net(), "lacks": lacks}, runner=runner(), quiet=True)
    assert report["unpriced"] == ["lacks"]
    assert [op["op_type"] for op in report["missing"]] == ["Sigmoid"]


def test_shows_its_progress_on_standard_error(table, capsys):
    latgrad.profile(nets=small_net(), output=table, runner=runner())
    assert "[0/2]" in capsys.readouterr().err
    latgrad.profile(nets=small_net(), output=table, force=True, runner=runner(), quiet=True)
    assert capsys.readouterr().err == ""


def test_an_interrupted_run_is_resumed_by_the_same_call(table):
    # The second visit comes half a second late: the interruption comes before it.
    options = dict(nets=small_net(), output=table, runner=runner("late", "noisy"), target=1e-6, quiet=True)
    timer = threading.Timer(0.4, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        latgrad.profile(**options)
    timer.join()
    assert not table.exists()
    journal = pathlib.Path(f"{table}.partial")
    visits = len(journal.read_text().splitlines()) - 1
    assert visits > 0
    assert visits < 4
    report = latgrad.profile(**options)
    assert report["visits"] > visits
    assert not journal.exists()
    assert json.loads((table.parent / "fake-op_lut_database.provenance.json").read_text())["resumed"]


@pytest.mark.parametrize(
    "options, error, message",
    [
        ({}, ValueError, "spaces or nets must name something to measure"),
        ({"nets": nn.ReLU()}, TypeError, "latgrad.read_module makes a Net of a module"),
        ({"nets": {"a": "model.onnx"}}, TypeError, "nets must be paths and latgrad.Net"),
        ({"spaces": "tiny", "precision": "fp16"}, ValueError, "precision must be int8, fp32 or both"),
        ({"spaces": "nowhere"}, ValueError, "nowhere"),
        ({"spaces": "tiny", "threads": 0}, ValueError, "threads must be an integer from 1 to 1024, got 0"),
        ({"spaces": "tiny", "samples": "three"}, ValueError, "samples must be an integer"),
        ({"spaces": "tiny", "target": 0}, ValueError, "target"),
        ({"spaces": "tiny", "device": "my phone"}, ValueError, "device must consist of letters"),
        ({"spaces": "tiny", "output": "table.zip"}, ValueError, "plain JSON file"),
        ({"nets": "nowhere.onnx"}, RuntimeError, "nowhere.onnx"),
        ({"spaces": "tiny", "runner": runner("version")}, RuntimeError, "protocol"),
        ({"spaces": "tiny", "runner": "no-such-program-of-mine"}, RuntimeError, "no-such-program-of-mine"),
    ],
)
def test_refuses(options, error, message):
    options.setdefault("runner", runner())
    with pytest.raises(error, match=message):
        latgrad.profile(**options, quiet=True)


def test_a_missing_local_runner_is_named(monkeypatch):
    monkeypatch.setenv("LATGRAD_RUNNER", "/no/such/latgrad-runner")
    with pytest.raises(RuntimeError, match="/no/such/latgrad-runner"):
        latgrad.profile("tiny", quiet=True)


def test_validate_refuses_what_has_nothing_to_measure(table):
    table.write_text("")
    with pytest.raises(ValueError, match="space or nets must name something"):
        latgrad.validate(table)

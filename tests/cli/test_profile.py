"""`latgrad profile` with runners that are made up: good ones, and every kind of bad one."""

import json
import os
import pathlib
import pty
import re
import signal
import subprocess
import sys
import time

import pytest
from conftest import BIN, assert_fails, run

FAKE = pathlib.Path(__file__).parent.parent / "runner" / "fake_runner.py"


def runner(*behaviour):
    return " ".join([sys.executable, str(FAKE), *behaviour])


def profile(folder, *args, behaviour=(), env=None):
    return run("profile", "--space", "tiny", "--runner", runner(*behaviour), *args, cwd=folder, env=env)


def partial(folder):
    return (folder / "t.json.partial").read_text().splitlines()


def test_writes_a_table_and_its_provenance(tmp_path):
    result = profile(tmp_path)
    assert (result.returncode, result.stderr.count("[  ")) == (0, 0)
    assert "Measured 34 operators in" in result.stdout
    table = tmp_path / "fake-1000-qnnpack-op_lut_database.json"
    assert len(table.read_text().splitlines()) == 34
    provenance = json.loads((tmp_path / "fake-1000-qnnpack-op_lut_database.provenance.json").read_text())
    assert provenance["cpu"]["model"] == "Fake CPU 1000"
    assert provenance["runner"] == {"program": "fake-runner 1", "command": runner()}
    assert len(provenance["operators"]) == 34
    assert all(op["median_error_percent"] <= 2 for op in provenance["operators"])
    assert run("space", "tiny", "--lut", table, cwd=tmp_path).returncode == 0


def test_json_says_the_same(tmp_path):
    result = json.loads(profile(tmp_path, "--json", "-o", "t.json").stdout)
    assert (result["planned"], result["measured"], result["missing"], result["unsettled"]) == (34, 34, [], [])
    assert result["output"] == "t.json"


def test_the_same_seed_measures_the_same_architectures(tmp_path):
    tables = []
    for name, seed in (("a", 1), ("b", 1)):
        profile(tmp_path, "-o", f"{name}.json", "--seed", seed)
        tables.append((tmp_path / f"{name}.json").read_text())
    assert tables[0] == tables[1]


def test_dry_run_lists_and_estimates(tmp_path):
    result = profile(tmp_path, "--dry-run")
    assert result.stdout.splitlines()[-1].startswith("34 distinct operators to measure for fake-1000-qnnpack, about ")
    assert json.loads(profile(tmp_path, "--dry-run", "--json").stdout)["estimated_s"] >= 0
    assert list(tmp_path.iterdir()) == []


def test_dry_run_needs_no_runner(tmp_path):
    result = run("profile", "--space", "tiny", "--dry-run", "--runner", "no-such-runner", cwd=tmp_path)
    assert result.returncode == 0
    assert "34 distinct operators to measure for" in result.stdout
    assert "latgrad: no estimate of the time: the runner cannot be started: no such program" in result.stderr


def test_a_table_is_extended_by_what_it_lacks(tmp_path):
    profile(tmp_path, "-o", "t.json")
    result = run("profile", "--space", "fbnet_cifar", "--runner", runner(), "--lut", "t.json", "-o", "u.json", "--json",
                 cwd=tmp_path)
    report = json.loads(result.stdout)
    assert report["measured"] == report["planned"] > 0
    lines = (tmp_path / "u.json").read_text().splitlines()
    assert lines[:34] == (tmp_path / "t.json").read_text().splitlines()
    assert len(lines) == 34 + report["planned"]


def test_machines_are_not_mixed_unless_forced(tmp_path):
    profile(tmp_path, "-o", "t.json", "--device", "phone")
    mix = ["--device", "phone", "--lut", "t.json", "-o", "u.json"]
    env = {**os.environ, "FAKE_CPU": "Another CPU"}
    assert_fails(profile(tmp_path, *mix, env=env), 1, 'CPU "Fake CPU 1000" there, "Another CPU" here', "--force")
    assert_fails(profile(tmp_path, *mix, "--engine", "x86"), 1, "engine qnnpack there, x86 here")
    assert profile(tmp_path, *mix, "--force", env=env).returncode == 0


def test_what_cannot_run_is_listed_and_exit_code_3(tmp_path):
    (tmp_path / "net.pbtxt").write_text("""
        external_input: "data"
        op { input: "data" output: "a" type: "Relu" }
        op { input: "a" output: "b" type: "Softmax" }
        op { input: "b" output: "c" type: "NoSuchOperator" }""")
    result = run("profile", "--net", "net.pbtxt", "--input", "data=1,8", "-o", "o.json", "--runner",
                 runner("no-softmax"), cwd=tmp_path)
    assert result.returncode == 3
    assert "Measured 1 operators" in result.stdout
    assert "no kernel for operator type Softmax" in result.stdout
    assert "NoSuchOperator of unknown shape" in result.stdout


def test_drift_is_reported_and_made_up_for(tmp_path):
    # The fake machine is twice as slow for a while.
    result = json.loads(profile(tmp_path, "-o", "drift.json", "--json", behaviour=["drift"]).stdout)
    assert result["unsettled"] == [] and result["unsteadiness_percent"] > 30
    profile(tmp_path, "-o", "steady.json")
    drift, steady = ([json.loads(line)["runtime_us_p50"] for line in (tmp_path / name).read_text().splitlines()]
                     for name in ("drift.json", "steady.json"))
    assert drift == pytest.approx(steady, rel=0.005)


def test_a_table_tells_how_fast_the_machine_is_now(tmp_path):
    profile(tmp_path, "-o", "t.json")
    text = run("lut", "info", "t.json", "--now", "--runner", runner("slow-clock"), cwd=tmp_path).stdout
    assert re.search(r"reference tiny/int8 \d+: 1\.4\d\d ms\nnow       1\.\d{3} ms, 1\.0(49|50|51) times as long; the machine is steady 0\.\d %\n", text)
    out = json.loads(run("lut", "info", "t.json", "--now", "--json", "--runner", runner(), cwd=tmp_path).stdout)["reference"]
    assert out["factor"] == pytest.approx(1, abs=0.002) and out["now_us"] == pytest.approx(out["time_us"], rel=0.002)
    (tmp_path / "t.provenance.json").unlink()
    assert_fails(run("lut", "info", "t.json", "--now", "--runner", runner(), cwd=tmp_path), 1, "--now needs a table whose")
    assert json.loads(run("lut", "info", "t.json", "--json", cwd=tmp_path).stdout)["reference"] is None


def test_says_how_steady_the_machine_is_and_what_would_help(tmp_path):
    result = profile(tmp_path, "-o", "t.json", "--steady", "0.01%")
    assert result.stderr.startswith("The machine is noisy 0.")
    assert " %. What would help: pin the threads to cores; " in result.stderr
    assert "The machine was " in result.stdout
    assert profile(tmp_path, "-o", "u.json").stderr.startswith("The machine is steady 0.")


@pytest.mark.parametrize("behaviour, message", [
    ("version", "the runner speaks version 99 of the protocol, but this latgrad speaks versions 1 to 3; install the same latgrad on both machines"),
    ("dies", "the runner exited with status 7 before it answered"),
    ("killed", "before it answered"),
    ("garbage", "the runner does not follow the protocol: a line must hold JSON: "),
    ("wrong-count", "operators_us must hold 1 samples of operator 0, got ["),
    ("negative", "operators_us must hold times that are not negative, got -"),
    ("wrong-id", "id must be 1, the id of the request, got 6"),
    ("silent", "the runner did not answer within 1 s; raise the limit with --runner-timeout"),
])
def test_a_bad_runner_is_told(tmp_path, behaviour, message):
    result = profile(tmp_path, "-o", "t.json", "--quiet", "--runner-timeout",
                     "1s" if behaviour == "silent" else "60s", behaviour=[behaviour])
    # The shell, too, may have said that its command was killed.
    assert (result.returncode, result.stdout) == (1, "")
    error = result.stderr.splitlines()[-1]
    assert error.startswith("latgrad: error: ")
    assert message in error and f"(runner `/bin/sh -c {runner(behaviour)}`)" in error
    assert not (tmp_path / "t.json").exists()


def test_a_runner_that_is_late_within_the_timeout_is_waited_for(tmp_path):
    assert profile(tmp_path, "-o", "t.json", behaviour=["late"]).returncode == 0


def test_a_program_that_is_not_there_is_told(tmp_path):
    env = {**os.environ, "LATGRAD_RUNNER": "/nowhere/latgrad-runner"}
    assert_fails(run("profile", "--space", "tiny", cwd=tmp_path, env=env), 1,
                 "the runner cannot be started: no such program; ", "LATGRAD_RUNNER", "(runner `/nowhere/latgrad-runner`)")


def test_the_same_command_resumes_after_the_runner_died(tmp_path):
    assert profile(tmp_path, "-o", "t.json", behaviour=["dies"]).returncode == 1
    before = partial(tmp_path)
    assert len(before) >= 3  # settings, two visits
    assert profile(tmp_path, "-o", "t.json").returncode == 0
    assert json.loads((tmp_path / "t.provenance.json").read_text())["resumed"] is True
    assert not (tmp_path / "t.json.partial").exists()


def start_long_run(folder):
    args = [str(BIN), "profile", "--space", "tiny", "-o", "t.json", "--runner", runner("noisy"), "--quiet", "--target", "0.01%"]
    process = subprocess.Popen(args, cwd=folder, stderr=subprocess.PIPE, encoding="utf-8")
    deadline = time.monotonic() + 30
    while not ((folder / "t.json.partial").exists() and len(partial(folder)) > 5):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_killed_at_any_time_it_resumes(tmp_path, how):
    process = start_long_run(tmp_path)
    process.send_signal(how)
    _, error = process.communicate(timeout=30)
    assert process.returncode == -how
    assert ("interrupted; the same command resumes" in error) == (how != signal.SIGKILL)
    assert not (tmp_path / "t.json").exists()
    visits = sum("visit" in line for line in partial(tmp_path)[:-1])
    assert profile(tmp_path, "-o", "t.json", "--budget", "1s").returncode == 0
    assert json.loads((tmp_path / "t.provenance.json").read_text())["visits"] > visits


def test_other_options_do_not_resume(tmp_path):
    profile(tmp_path, "-o", "t.json", behaviour=["dies"])
    assert_fails(profile(tmp_path, "-o", "t.json", "--warmup", "7"), 1,
                 "an interrupted run can only be resumed with the options that it was started with")


def test_progress_on_a_terminal_is_one_line_with_a_bar(tmp_path):
    control, terminal = pty.openpty()
    args = [str(BIN), "profile", "--space", "tiny", "-o", "t.json", "--runner", runner()]
    process = subprocess.Popen(args, cwd=tmp_path, stderr=terminal, stdout=subprocess.DEVNULL)
    os.close(terminal)
    text = ""
    try:
        while part := os.read(control, 4096):
            text += part.decode()
    except OSError:  # the other end is closed
        pass
    os.close(control)
    assert process.wait(timeout=60) == 0
    first, _, rest = text.partition("\n")
    assert first.startswith("The machine is steady 0.")
    assert "/34]" in rest and "tiny/int8 " in rest and "\n" not in rest
    assert text.endswith("\r\x1b[K")


def test_several_runners_measure_at_once(tmp_path):
    runners = [part for behaviour in ([], ["dies"], ["noisy"]) for part in ("--runner", runner(*behaviour))]
    args = ["profile", "--space", "tiny", *runners, "-o", "tables"]
    result = run(*args, "--json", cwd=tmp_path)
    assert result.returncode == 1  # one died; the others have their tables all the same
    first, second, third = json.loads(result.stdout)
    assert (first["error"], first["result"]["measured"]) == (None, 34)
    assert "exited with status 7" in second["error"] and second["result"] is None
    assert (third["error"], third["result"]["measured"]) == (None, 34)
    tables = [tmp_path / "tables" / f"fake-1000-qnnpack-{n}-op_lut_database.json" for n in (1, 2, 3)]
    assert [table.exists() for table in tables] == [True, False, True]
    assert json.loads(tables[0].read_text().splitlines()[0])["device"] == "fake-1000-qnnpack-1"
    assert "2  failed: the runner exited with status 7" in result.stderr
    assert re.search(r"^1  The machine is steady", result.stderr, re.M)
    text = run(*args, cwd=tmp_path).stdout
    assert "1  " + runner() in text and "failed: the runner exited" in text and text.count("Measured 34 operators") == 2
    assert_fails(run(*args, "--lut", tables[0], cwd=tmp_path), 2, "several exclude --lut, --device, --dry-run and --self-test")


def test_self_test_says_whether_the_clock_is_right(tmp_path):
    result = run("profile", "--self-test", "--runner", runner())
    assert result.returncode == 0
    assert result.stdout.count("ok") == 4
    result = run("profile", "--self-test", "--runner", runner("slow-clock"))
    assert (result.returncode, result.stdout.count("wrong")) == (1, 4)
    assert "latgrad: error: a known delay must be measured within 2 %" in result.stderr


@pytest.mark.parametrize("args, message", [
    ([], "--space or --net is required"),
    (["--space", "tiny", "--target", "0"], "a percentage must be like 2% and above 0"),
    (["--space", "tiny", "--budget", "soon"], "a duration must be like 90s, 3m or 1h30m"),
    (["--space", "tiny", "--threads", "0"], "--threads"),
    (["--space", "tiny", "--samples", "0"], "--samples"),
    (["--space", "tiny", "--device", "my phone"], "device must consist of"),
    (["--space", "tiny", "--output", "t.json.zip"], "the output must have the name of a plain JSON file"),
    (["--space", "tiny", "--output", "."], "the output must be a file"),
    (["--space", "tiny", "--input", "data=x"], "--input"),
    (["--space", "tiny", "--cores", "1", "--no-pin"], "--cores"),
])
def test_wrong_usage_is_exit_code_2(tmp_path, args, message):
    assert_fails(run("profile", *args, cwd=tmp_path), 2, message)

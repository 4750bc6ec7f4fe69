"""What belongs to the program as a whole: help, version, exit codes, the hand-over to the profiler."""

import re
import shutil
import subprocess

import pytest
from conftest import BIN, assert_fails, run

COMMANDS = [["net"], ["op"], ["space"], ["arch"], ["lut", "info"]]
PROFILER = '#!/bin/sh\necho "profiler:$*"\nexit 3\n'


def write_profiler(path):
    path.parent.mkdir(exist_ok=True)
    path.write_text(PROFILER)
    path.chmod(0o755)
    return path


def test_version():
    result = run("--version")
    assert result.returncode == 0 and re.fullmatch(r"latgrad \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command_and_exit_code(arguments):
    result = run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    for command in ("net", "op", "space", "arch", "lut", "profile"):
        assert f"\n  {command} " in result.stdout and f"  latgrad {command} " in result.stdout
    assert "0 complete   3 something has no record in the table   2 wrong usage   1 error" in result.stdout


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_of_a_command_has_an_example_and_exit_codes(command):
    result = run(*command, "--help")
    assert result.returncode == 0
    assert f"Usage: latgrad {' '.join(command)} " in result.stdout
    assert f"\n  latgrad {' '.join(command)} " in result.stdout.split("Example")[1]
    assert "Exit codes: 0" in result.stdout
    assert run("help", *command).stdout == result.stdout


def test_usage_errors():
    assert_fails(run(), 2, "See: latgrad --help")
    assert_fails(run("frobnicate"), 2, 'there is no command or option "frobnicate"')
    assert_fails(run("--frobnicate"), 2, 'there is no command or option "--frobnicate"')
    assert_fails(run("net", "a", "--frobnicate"), 2, "See: latgrad net --help")


def test_profile_hands_over_to_the_program_of_the_environment(tmp_path):
    program = write_profiler(tmp_path / "my-profiler")
    env = {"LATGRAD_PROFILE": str(program)}
    result = run("profile", "--space", "a b", "--help", env=env)
    assert (result.returncode, result.stdout) == (3, "profiler:--space a b --help\n")
    assert run("help", "profile", env=env).stdout == "profiler:--help\n"


def test_profile_hands_over_to_the_program_beside_it_then_on_the_path(tmp_path):
    latgrad = tmp_path / "bin" / "latgrad"
    latgrad.parent.mkdir()
    shutil.copy(BIN, latgrad)
    env = {"LATGRAD_PROFILE": "", "PATH": f"{tmp_path / 'path'}:/usr/bin:/bin"}
    assert_fails(run("profile", program=latgrad, env=env), 1,
                 "this build has no plugin; build with LATGRAD_BUILD_PLUGIN=ON")
    write_profiler(tmp_path / "path" / "latgrad-profile")
    assert run("profile", "1", program=latgrad, env=env).stdout == "profiler:1\n"
    write_profiler(latgrad.parent / "latgrad-profile").write_text("#!/bin/sh\necho beside\n")
    assert run("profile", program=latgrad, env=env).stdout == "beside\n"


def test_profiler_that_cannot_be_run_is_named(tmp_path):
    env = {"LATGRAD_PROFILE": str(tmp_path / "nowhere")}
    assert_fails(run("profile", env=env), 1, "nowhere cannot be run")


@pytest.mark.parametrize("ignore_sigpipe", [False, True])
def test_reader_that_has_gone_is_no_noise(ignore_sigpipe):
    process = subprocess.Popen([BIN, "space", "fbnet", "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, restore_signals=not ignore_sigpipe)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait()

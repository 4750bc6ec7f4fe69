"""What belongs to the program as a whole: help, version, exit codes, where the runner is found."""

import pathlib
import re
import shutil
import subprocess

import pytest
from conftest import BIN, assert_fails, run

COMMANDS = [["net"], ["op"], ["space"], ["arch"], ["lut", "info"], ["profile"], ["validate"], ["report"]]
REPOSITORY = pathlib.Path(__file__).parents[2]


def write_runner(path, word):
    """A runner that says nothing but one word, which the error quotes."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\nread request; echo {word}\n")
    path.chmod(0o755)
    return path


def test_version():
    result = run("--version")
    assert result.returncode == 0 and re.fullmatch(r"latgrad \d+\.\d+\.\d+\n", result.stdout)


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command_and_exit_code(arguments):
    result = run(*arguments)
    assert (result.returncode, result.stderr) == (0, "")
    for command in ("net", "op", "space", "arch", "lut", "profile", "validate", "report"):
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


def test_the_runner_is_that_of_the_environment_beside_or_on_the_path(tmp_path):
    latgrad = tmp_path / "bin" / "latgrad"
    latgrad.parent.mkdir()
    shutil.copy(BIN, latgrad)

    def profile(**env):
        env = {"LATGRAD_RUNNER": "", "PATH": f"{tmp_path / 'path'}:/usr/bin:/bin", **env}
        spaces = {"LATGRAD_SPACES": str(REPOSITORY / "data" / "spaces")}
        return run("profile", "--space", "tiny", program=latgrad, env={**env, **spaces}, cwd=tmp_path)

    assert_fails(profile(), 1, "the runner cannot be started: no such program; latgrad-runner must be next to latgrad")
    write_runner(tmp_path / "path" / "latgrad-runner", "of-the-path")
    assert_fails(profile(), 1, "in the line `of-the-path`")
    write_runner(latgrad.parent / "latgrad-runner", "beside")
    assert_fails(profile(), 1, "in the line `beside`")
    mine = write_runner(tmp_path / "my-runner", "mine")
    assert_fails(profile(LATGRAD_RUNNER=str(mine)), 1, "in the line `mine`")


@pytest.mark.parametrize("ignore_sigpipe", [False, True])
def test_reader_that_has_gone_is_no_noise(ignore_sigpipe):
    process = subprocess.Popen([BIN, "space", "fbnet", "--json"], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, restore_signals=not ignore_sigpipe)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.wait()

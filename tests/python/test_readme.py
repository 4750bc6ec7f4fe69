"""What the README shows is run as it stands there."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import torch

from latgrad import _plugin

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(_plugin.find_plugin()).resolve().parents[1]


def code_blocks(language, begin="## The three uses", end="## Measure a table"):
    """The blocks of code in a section."""
    text = (ROOT / "README.md").read_text()
    section = text[text.index(begin) : text.index(end)]
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    return [code for name, code in blocks if name == language]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A folder that looks like the checkout after `./dev build`, whose outputs are thrown away."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ["data", "examples", "plugin"]:
        (folder / name).symlink_to(ROOT / name)
    (folder / "build").mkdir()
    (folder / "build" / "release").symlink_to(BUILD)
    python = folder / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    return folder


@pytest.mark.skipif(not (BUILD / "bin" / "latgrad").exists(), reason="the command was not built")
@pytest.mark.skipif(not (BUILD / "bin" / "example_expected_latency").exists(), reason="the example was not built")
def test_the_three_uses_run_as_shown(checkout):
    commands = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(code_blocks(""))], cwd=checkout, capture_output=True, text=True
    )
    assert commands.returncode == 0, commands.stdout + commands.stderr
    # `latgrad arch` and, from the files that it wrote, `latgrad net`.
    totals = re.findall(r"^total .*\(([\d.]+) us\)$", commands.stdout, re.MULTILINE)
    assert len(totals) == 2 and totals[0] == totals[1]

    lut = next(iter((ROOT / "data" / "luts").glob("*.zip")))
    runs_here = hasattr(torch, "export")
    shown = "\n".join(code for code in code_blocks("python") if runs_here or "save_network" not in code)
    snippet = f"lut = {str(lut)!r}\n{shown}\nprint(theta.grad.shape, loss.estimate_us(loss.arg_max()))"
    done = subprocess.run(
        [sys.executable, "-c", snippet], cwd=checkout, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugin" / "python")},
    )
    assert done.returncode == 0, done.stderr
    assert "torch.Size([22, 9])" in done.stdout


def test_modules_of_ones_own_run_as_shown(tmp_path):
    (code,) = code_blocks("python", "## Your own modules", "## Search a network")
    # A runner of made-up times: a real one takes half a minute, and may not be built.
    runner = tmp_path / "runner"
    runner.write_text(f"#!/bin/sh\nexec {sys.executable} {ROOT / 'tests' / 'runner' / 'fake_runner.py'}\n")
    runner.chmod(0o755)
    shown = "\n".join(["import torch, latgrad", "from torch import nn", code, "print(network, theta.grad)"])
    done = subprocess.run(
        [sys.executable, "-c", shown], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugin" / "python"), "LATGRAD_RUNNER": str(runner)},
    )
    assert done.returncode == 0, done.stderr
    assert "(0): Conv2d" in done.stdout and "tensor([[" in done.stdout


@pytest.mark.skipif(
    not hasattr(getattr(torch, "amp", None), "GradScaler") or not hasattr(torch, "compile"), reason="the page is for torch 2.3 and later")
def test_the_page_on_training_runs_as_shown(tmp_path):
    page = (ROOT / "docs" / "training.md").read_text()
    code = "\n".join(re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL))
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\nprint(program.module()(theta).item())"], capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT / "plugin" / "python")},
    )
    assert done.returncode == 0, done.stderr

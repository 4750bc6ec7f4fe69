"""The operators on DTensors, in two processes on the CPU."""

import os
import pathlib
import subprocess
import sys

import pytest
import torch

HERE = pathlib.Path(__file__).resolve().parent
pytestmark = [
    pytest.mark.skipif(
        tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 5), reason="shardings can be registered since torch 2.5"),
    pytest.mark.skipif(
        not torch.distributed.is_available() or not torch.distributed.is_gloo_available(), reason="this torch has no gloo"),
]


def run(*arguments):
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")]), "OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    done = subprocess.run([*launcher, *arguments], capture_output=True, text=True, env=environment, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return done.stdout


def test_every_sharding_gives_the_numbers_of_plain_tensors():
    assert run(str(HERE / "sharded_processes.py")).count("sharded as plain") == 2


@pytest.mark.parametrize("first", ["latgrad", "torch.distributed.tensor"])
def test_either_import_may_come_first(first):
    second = {"latgrad": "torch.distributed.tensor", "torch.distributed.tensor": "latgrad"}[first]
    program = (
        f"import torch, {first}, {second}\n"
        "from torch.distributed.tensor import DTensor\n"
        "known = DTensor._op_dispatcher.sharding_propagator.op_strategy_funcs\n"
        "assert torch.ops.latgrad.expected_latency.default in known\n")
    subprocess.run([sys.executable, "-c", program], check=True)


def test_asking_for_the_module_does_not_lose_the_registration():
    program = (
        "import importlib.util, torch, latgrad\n"
        "importlib.util.find_spec('torch.distributed.tensor')\n"
        "from torch.distributed.tensor import DTensor\n"
        "assert torch.ops.latgrad.softmax_latency.default in DTensor._op_dispatcher.sharding_propagator.op_strategy_funcs\n")
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_latgrad_does_not_import_dtensor():
    program = "import sys, latgrad; assert 'torch.distributed.tensor' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)

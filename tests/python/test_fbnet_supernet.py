"""The example fbnet_supernet: a whole search on a space of four layers, interrupted, continued, by two processes."""

import math
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time

import pytest
import torch
from search_runs import all_architectures, assert_prefers_fast_candidates, assert_same_bits, read_json, read_log
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import latgrad

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python"
sys.path.insert(0, str(EXAMPLES))

from supernet_search import board, choice, images, latency, run_folder, search, seeds, training  # noqa: E402
from supernet_search.execution import Execution  # noqa: E402
from supernet_search.workers import Workers  # noqa: E402

# A search of seconds: 128 images, of which 96 train the weights, three epochs, theta rests in the first.
SMALL = ["--train-images", "128", "--test-images", "64", "--batch", "32", "--theta-fraction", "0.25"]
SHORT = [*SMALL, "--epochs", "3", "--warm-up-epochs", "1", "--seed", "5", "--threads", "1"]

# One step of theta, so that the log's means are those of one sample.
ONE_STEP = [*SHORT, "--epochs", "1", "--warm-up-epochs", "0"]


def command(*arguments):
    return [sys.executable, str(EXAMPLES / "fbnet_supernet.py"), *map(str, arguments)]


def run(*arguments, **options):
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300, **options)


def succeed(*arguments, **options):
    result = run(*arguments, **options)
    assert result.returncode == 0, result.stderr
    return result.stdout


def tensors(state):
    """Every tensor of a checkpoint by the way to it."""
    if isinstance(state, torch.Tensor):
        return {"": state}
    entries = state.items() if isinstance(state, dict) else enumerate(state) if isinstance(state, list) else []
    return {f"{key}.{rest}": tensor for key, value in entries for rest, tensor in tensors(value).items()}


def read_checkpoint(folder):
    state = tensors(torch.load(folder / "checkpoint.pt", weights_only=True))
    return {name: tensor for name, tensor in state.items() if name != "seconds."}


@pytest.fixture(scope="module")
def tiny_options(eight_classes, make_table):
    return ["--space", eight_classes, "--lut", make_table(eight_classes)]


@pytest.fixture(scope="module")
def whole_run(tiny_options, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    return folder, succeed("search", folder, *tiny_options, *SHORT)


@pytest.fixture
def prices(eight_classes, make_table):
    return latency.Prices(eight_classes, make_table(eight_classes), "", "int8", "p50")


def test_log_says_what_theta_says(whole_run, prices):
    folder, _ = whole_run
    entries = read_log(folder)
    assert [entry["epoch"] for entry in entries] == [0, 1, 2]
    assert entries[0]["loss"] is None and entries[0]["sampled_us"] is None
    for entry in entries:
        rows = [[value for value in row if value is not None] for row in entry["theta"]]
        probs = [torch.softmax(torch.tensor(row, dtype=torch.float64), 0).tolist() for row in rows]
        times = [[us for us, ok in zip(*pair) if ok] for pair in zip(prices.table_us.tolist(), prices.valid.tolist())]
        expected = prices.fixed_us + sum(p * us for ps, row in zip(probs, times) for p, us in zip(ps, row))
        assert entry["expected_us"] == pytest.approx(expected, rel=1e-6)
        best = [max(range(len(row)), key=row.__getitem__) for row in rows]
        assert entry["arg_max"] == best  # tiny's candidates that are not offered come last
        assert entry["arg_max_us"] == pytest.approx(prices.fixed_us + sum(row[k] for row, k in zip(times, best)))
        assert entry["gap_us"] == pytest.approx(entry["expected_us"] - entry["arg_max_us"])
        entropies = [-sum(p * math.log(p) for p in row) for row in probs]
        assert entry["theta_entropy"] == pytest.approx(sum(entropies) / 4)
        assert entry["temperature"] == pytest.approx(5 * math.exp(-0.045 * entry["epoch"]))
    assert all(value == 0 for row in entries[0]["theta"] for value in row if value is not None)
    assert any(value != 0 for row in entries[2]["theta"] for value in row if value is not None)


def test_result_is_priced_and_exported(whole_run, prices):
    folder, printed = whole_run
    result = read_json(folder / "result.json")
    chosen = result["chosen"]
    arch = torch.tensor(chosen["architecture"])
    price_us = prices.model.estimate(arch).item()
    assert chosen["latency_us"] == price_us
    assert chosen["architecture"] == result["arg_max"]["architecture"]
    assert len(result["samples"]) == 5
    assert sum(op["us"] for op in result["operators"]) == pytest.approx(price_us)
    assert {op["output"] for op in result["operators"]} >= {"stem", "head", "logits", "softmax"}
    exported = folder / "chosen"
    assert (exported / "architecture.txt").read_text().split() == chosen["blocks"] == prices.model.decode(arch)
    estimate = latgrad.LatencyTable(prices.lut).estimate_net(str(exported))
    assert estimate.total_us() == pytest.approx(price_us)
    network = torch.jit.load(str(exported / "network.pt"))
    assert network.latency_us() == price_us
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 8)
    assert f"{price_us / 1000:.3f}" in printed


def test_ended_run_stays_as_it_is(whole_run, tiny_options):
    folder, printed = whole_run
    before = read_json(folder / "result.json")
    assert succeed("search", folder, *tiny_options, *SHORT).splitlines()[-3:] == printed.splitlines()[-3:]
    assert read_json(folder / "result.json") == before


def stop_when_started(arguments, number, folder):
    """Starts a process and ends it by a signal, in the middle of its second epoch."""
    process = subprocess.Popen(command(*arguments), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    log, checkpoint = folder / "log.jsonl", folder / "checkpoint.pt"

    def is_saved():
        """Whether the line of the epoch is there, and behind it the checkpoint, which takes its time on a busy machine."""
        is_logged = log.exists() and log.read_text().count("\n") >= 1
        return is_logged and checkpoint.exists() and checkpoint.stat().st_mtime_ns >= log.stat().st_mtime_ns

    deadline = time.monotonic() + 120
    while not is_saved():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.01)
    time.sleep(0.05)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_continues_to_the_same_bits(number, whole_run, tiny_options, tmp_path):
    arguments = ["search", tmp_path / "run", *tiny_options, *SHORT]
    # Checkpoints after every step, so that a kill is likely to fall between two of them. Where they are saved is no
    # setting of the search: it does not change what is found.
    code, errors = stop_when_started([*arguments, "--save-every-s", "1e-6"], number, tmp_path / "run")
    if number == signal.SIGKILL:
        assert code == -signal.SIGKILL
    else:
        assert (code, errors.strip().splitlines()[-1]) == (128 + number, "Stopped; the same command continues.")
    assert not (tmp_path / "run" / "result.json").exists()
    printed = succeed(*arguments)
    assert "Continuing at epoch" in printed
    assert_same_bits(tmp_path / "run", whole_run[0], read_checkpoint)
    assert read_json(tmp_path / "run" / "result.json") == read_json(whole_run[0] / "result.json")


def test_half_a_line_of_the_log_is_dropped(whole_run, tiny_options, tmp_path):
    arguments = ["search", tmp_path / "run", *tiny_options, *SHORT]
    stop_when_started(arguments, signal.SIGKILL, tmp_path / "run")
    with open(tmp_path / "run" / "log.jsonl", "a") as file:
        file.write('{"epoch": 7, "cross')
    succeed(*arguments)
    assert_same_bits(tmp_path / "run", whole_run[0], read_checkpoint)


def test_retrains_what_was_chosen(whole_run, tmp_path):
    folder, _ = whole_run
    arguments = ["retrain", folder, "--epochs", "2", "--batch", "32", "--threads", "1"]
    printed = succeed(*arguments)
    result = read_json(folder / "retrain" / "result.json")
    assert result["architecture"] == read_json(folder / "result.json")["chosen"]["architecture"]
    log = read_log(folder / "retrain")
    assert len(log) == 2 and log[-1]["test_accuracy"] == result["test_accuracy"]
    assert f"{result['test_accuracy']:.1%}" in printed
    network = torch.jit.load(str(folder / "retrain" / "network.pt"))
    assert network.latency_us() == result["latency_us"]
    # The saved network is the trained one: it gives the accuracy that was reported.
    _, test, _ = images.generated(32, 128, 64, seed=5)
    pixels, labels = test.load(torch.arange(64))
    assert (network(pixels).argmax(1) == labels).double().mean().item() == result["test_accuracy"]


def test_retrains_another_architecture(whole_run):
    folder, _ = whole_run
    arguments = ["--epochs", "1", "--batch", "32", "--threads", "1", "--name", "largest"]
    succeed("retrain", folder, *arguments, "--architecture", "largest")
    result = read_json(folder / "largest" / "result.json")
    assert result["architecture"] == latgrad.SearchSpace(latgrad.space_file("tiny")).parse_architecture("largest").tolist()
    refused = run("retrain", folder, *arguments, "--architecture", "smallest")
    assert "holds a run of other settings: architecture 'largest' is now 'smallest'" in refused.stderr


def test_comparison_prints_what_its_runs_found(tiny_options, tmp_path):
    space, lut = tiny_options[:2], tiny_options[2:]
    comparison = [tmp_path, *lut, "--seeds", "1", "--retrain-epochs", "1"]
    options = [*space, *SMALL, "--epochs", "1", "--warm-up-epochs", "0", "--beta", "5"]
    program = [sys.executable, EXAMPLES / "compare_losses.py", *comparison, "--", *options]
    printed = subprocess.run(list(map(str, program)), capture_output=True, text=True, timeout=300)
    assert printed.returncode == 0, printed.stderr
    none, term, target, projected, exact = (tmp_path / f"{name}-0" for name in ("none", "term", "target", "project", "exact"))

    def ms(folder, which="arg_max"):
        return read_json(folder / "result.json")[which]["latency_us"] / 1000

    def accuracy(folder):
        return f"{100 * read_json(folder / 'retrain' / 'result.json')['test_accuracy']:.1f} %"

    def with_target(folder):
        expected_ms = read_log(folder)[-1]["expected_us"] / 1000
        off = 100 * (expected_ms / target_ms - 1)
        return [f"{expected_ms:.4f}", f"{off:+.2f} %", f"{ms(folder, 'chosen'):.3f}", accuracy(folder)]

    target_ms = math.ceil(500 * (ms(none) + ms(term))) / 1000
    faster = 100 * (1 - ms(term) / ms(none))
    rows = [line for line in printed.stdout.splitlines() if line.startswith("| 0 |")]
    first, second, third = ([cell.strip() for cell in row.strip("|").split("|")] for row in rows)
    assert first == ["0", f"{ms(none):.3f}", accuracy(none), f"{ms(term):.3f}", f"{faster:.0f} %", accuracy(term)]
    assert second == ["0", *with_target(target), *with_target(projected)]
    # The exact search has the theta of the one without the term, and the target.
    assert read_log(exact) == read_log(none) and ms(exact, "chosen") <= target_ms
    drawn = sorted(target.glob("random-*"))
    results = [read_json(folder / "result.json") for folder in drawn]
    best = max(results, key=lambda result: result["test_accuracy"])
    assert all(result["latency_us"] <= 1000 * target_ms for result in results)
    assert third == [
        "0", accuracy(target), accuracy(projected), f"{ms(exact, 'chosen'):.3f}", accuracy(exact),
        f"{best['latency_us'] / 1000:.3f}", f"{100 * best['test_accuracy']:.1f} %", str(len(drawn)),
    ]  # fmt: skip
    assert f"To {target_ms:g} ms, by a penalty (tunas) and by projection" in printed.stdout
    assert f"With the term {faster:.0f} % faster" in printed.stdout


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


# The program, which then writes the parameters of its own process.
SEARCH_AND_DUMP = """
import os
import signal
import sys
import torch
sys.path.insert(0, sys.argv.pop(1))
import fbnet_supernet
dump = sys.argv.pop(1)
stop_at = int(sys.argv.pop(1))
run = fbnet_supernet.Search.run
take_step = fbnet_supernet.Search.take_step
def take_step_and_stop(self):
    take_step(self)
    if self.workers.rank == 1 and self.step + 1 == stop_at:
        os.kill(os.getpid(), signal.SIGTERM)
fbnet_supernet.Search.take_step = take_step_and_stop
def run_and_dump(self, *arguments):
    run(self, *arguments)
    parameters = {**self.supernet.state_dict(), "theta": self.theta.detach()}
    torch.save(parameters, f"{dump}.{self.workers.rank}.pt")
fbnet_supernet.Search.run = run_and_dump
sys.exit(fbnet_supernet.main())
"""


def search_together(folder, options, stop_at=0):
    """What torchrun does with two processes on one machine. Returns the parameters of each.

    stop_at: the step of the first epoch after which the second process is asked to stop.
    """
    rendezvous = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    dump = folder.with_suffix(".parameters")
    started = [
        subprocess.Popen(
            [sys.executable, "-c", SEARCH_AND_DUMP, str(EXAMPLES), str(dump), str(stop_at), "search", str(folder), *map(str, options)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            env={**os.environ, **rendezvous, "RANK": str(rank), "LOCAL_RANK": str(rank)},
        )  # fmt: skip
        for rank in range(2)
    ]
    outputs = [process.communicate(timeout=300)[0] for process in started]
    if stop_at:
        assert all(process.returncode != 0 for process in started), outputs
        return None
    assert [process.returncode for process in started] == [0, 0], outputs
    return [torch.load(f"{dump}.{rank}.pt", weights_only=True) for rank in range(2)]


def assert_equal_parameters(ranks):
    assert ranks[0].keys() == ranks[1].keys()
    for name, tensor in ranks[0].items():
        assert torch.equal(tensor, ranks[1][name]), name


needs_distributed = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this torch is built without torch.distributed"
)


@needs_distributed
def test_two_processes_find_what_one_finds_with_the_joined_batch(tiny_options, tmp_path):
    # Small steps of the weights, as rounding errors grow from one to the next, and theta has small gradients.
    options = [*tiny_options, *SHORT, "--synchronise-batch-norm", "--learning-rate", "1e-4"]
    succeed("search", tmp_path / "one", *options)
    assert_equal_parameters(search_together(tmp_path / "two", options))
    for one, two in zip(read_log(tmp_path / "one"), read_log(tmp_path / "two")):
        for name in ["cross_entropy", "theta_cross_entropy", "expected_us", "theta_entropy"]:
            assert two[name] == pytest.approx(one[name], rel=1e-4), name
    joined = read_checkpoint(tmp_path / "two")
    for name, tensor in read_checkpoint(tmp_path / "one").items():
        if name.startswith(("supernet", "theta.")):
            assert torch.allclose(tensor.double(), joined[name].double(), rtol=1e-3, atol=1e-3), name
        if name.startswith("theta_optimizer"):  # its averages of gradients, which Adam's steps hide the size of
            assert torch.allclose(tensor.double(), joined[name].double(), rtol=0.02, atol=1e-6), name


@needs_distributed
def test_two_processes_continue_to_the_same_bits(tiny_options, tmp_path):
    options = [*tiny_options, *SHORT]
    search_together(tmp_path / "whole", options)
    search_together(tmp_path / "stopped", options, stop_at=2)
    search_together(tmp_path / "stopped", options)
    assert_same_bits(tmp_path / "stopped", tmp_path / "whole", read_checkpoint)


@needs_distributed
def test_two_processes_with_samples_of_their_own_stay_in_step(tiny_options, tmp_path):
    ranks = search_together(tmp_path / "two", [*tiny_options, *SHORT, "--gumbel", "per-rank"])
    # Without synchronised normalisation its running figures are each process's own.
    assert_equal_parameters([{k: v for k, v in rank.items() if "running" not in k} for rank in ranks])
    shared = search_together(tmp_path / "shared", [*tiny_options, *SHORT])
    assert not torch.equal(shared[0]["theta"], ranks[0]["theta"])


@needs_distributed
@pytest.mark.skipif(
    torch.__version__.startswith("1.") and sys.version_info >= (3, 11), reason="torchrun of torch 1 does not start with Python 3.11"
)
def test_torchrun_searches_and_retrains(tiny_options, tmp_path):
    def torchrun(*arguments):
        launcher = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(free_port())]
        program, *rest = command(*arguments)
        return subprocess.run([program, *launcher, *rest], capture_output=True, text=True, timeout=300)

    searched = torchrun("search", tmp_path / "run", *tiny_options, *SHORT)
    assert searched.returncode == 0, searched.stderr
    search_together(tmp_path / "two", [*tiny_options, *SHORT])
    assert read_log(tmp_path / "run") == read_log(tmp_path / "two")
    retrained = torchrun("retrain", tmp_path / "run", "--epochs", "1", "--batch", "32", "--threads", "1")
    assert retrained.returncode == 0, retrained.stderr
    [entry] = read_log(tmp_path / "run" / "retrain")
    assert entry["test_accuracy"] == read_json(tmp_path / "run" / "retrain" / "result.json")["test_accuracy"]
    assert retrained.stdout.count("test accuracy") == 1  # one process speaks


def test_refuses_other_settings(whole_run, tiny_options):
    result = run("search", whole_run[0], *tiny_options, *SHORT, "--loss", "none")
    assert result.returncode == 1
    assert "holds a run of other settings: loss 'fbnet' is now 'none'" in result.stderr


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--loss", "tunas"], 2, "--loss tunas needs --target-ms"),
        (["--data", "cifar10"], 2, "--data cifar10 needs --data-folder"),
        (["--data", "cifar10", "--data-folder", "nowhere"], 1, "data_batch_1.bin is no file"),
        (["--batch", "30", "--accumulate", "4"], 1, "a multiple of the 1 processes times --accumulate 4, got 30"),
        (["--paths", "3"], 2, "must be all, 1 or 2, got 3"),
        (["--batch", "4096"], 1, "must fill a batch of 4096"),
        (["--space", "nothing"], 1, "a space must be a file or one of"),
        (["--theta-fraction", "1"], 2, "must be between 0 and 1, got 1"),
        (["--epochs", "0"], 2, "must be 1 or more, got 0"),
        (["--width", "-1"], 2, "must be positive, got -1"),
    ],
)
def test_says_what_is_wrong(arguments, code, message, tiny_options, tmp_path):
    result = run("search", tmp_path / "run", *tiny_options, *SHORT, *arguments)
    assert (result.returncode, "Traceback" in result.stderr) == (code, False)
    assert message in result.stderr


def test_mistaken_option_costs_nothing_before_anything_is_trained(tiny_options, tmp_path):
    space, lut = tiny_options[:2], tiny_options[2:]
    wrong = run("search", tmp_path / "run", *space, "--lut", tmp_path / "nowhere.json", *SHORT)
    assert wrong.returncode == 1 and "nowhere.json" in wrong.stderr
    succeed("search", tmp_path / "run", *space, *lut, *SHORT, "--epochs", "1")


def test_refuses_the_run_of_another_program(tmp_path):
    run_folder.RunFolder(tmp_path, "another", {"seed": 1})
    for command in ["search", "retrain"]:
        assert "must hold a run of fbnet_supernet.py, got one of another" in run(command, tmp_path).stderr


def test_folder_of_a_run_that_was_killed_at_its_birth_is_no_other(tmp_path):
    (tmp_path / "config.json.tmp").write_text("{")
    run_folder.RunFolder(tmp_path, "fbnet_supernet.py", {"seed": 1})
    assert run_folder.read_settings(tmp_path, "fbnet_supernet.py") == {"seed": 1}


def test_refuses_a_space_that_has_changed(tiny_options, eight_classes, tmp_path):
    space = tmp_path / "space.textproto"
    space.write_text(eight_classes.read_text())
    options = ["--space", space, *tiny_options[2:], *SHORT, "--epochs", "1"]
    succeed("search", tmp_path / "run", *options)
    space.write_text(space.read_text().replace("channels: 24", "channels: 32"))
    result = run("search", tmp_path / "run", *options)
    assert result.returncode == 1 and "space.textproto is not what it was when the search began" in result.stderr
    assert "channels: 24" in (tmp_path / "run" / "space.textproto").read_text()


@pytest.mark.parametrize("content", [b"", b"PK", b"not a checkpoint"])
def test_damaged_checkpoint_is_an_error_in_words(content, tiny_options, tmp_path):
    options = ["search", tmp_path / "run", *tiny_options, *SHORT, "--epochs", "1"]
    succeed(*options)
    (tmp_path / "run" / "checkpoint.pt").write_bytes(content)
    result = run(*options)
    assert (result.returncode, "Traceback" in result.stderr) == (1, False)
    assert "checkpoint.pt must be a checkpoint, and whole" in result.stderr


def test_log_that_lacks_epochs_is_refused(tmp_path):
    log = run_folder.Log(tmp_path / "log.jsonl")
    log.append({"epoch": 0})
    with pytest.raises(ValueError, match="a line for each of the 2 epochs that the checkpoint has seen, got 1"):
        log.restart(2)


def test_refuses_a_folder_of_something_else(tiny_options, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    assert "must be a new folder or that of a run" in run("search", tmp_path, *tiny_options, *SHORT).stderr
    assert (tmp_path / "letter.txt").exists() and not (tmp_path / "config.json").exists()
    assert "without config.json" in run("retrain", tmp_path).stderr


@pytest.mark.parametrize("name", search.LOSSES)
def test_losses_are_the_named_ones(name):
    settings = {"loss": name, "weight": 0.5, "target_ms": 2.0, "alpha": 0.3, "beta": 0.7}
    ce, us = torch.tensor(1.5, dtype=torch.float64), torch.tensor(3000.0, dtype=torch.float64)
    expected = {
        "fbnet": 1.5 * 0.3 * math.log(3000) ** 0.7,
        "proxylessnas": 1.5 + 0.5 * 0.5,
        "proxylessnas_log": 0.3 * 1.5 * (math.log(3000) / math.log(2000)) ** 0.7,
        "tunas": 1.5 + 0.5 * 0.5,
        "hinge": 1.5 + 0.5 * 0.5,
        "project": 1.5,
        "none": 1.5,
    }
    assert search.loss_of(settings, ce, us).item() == pytest.approx(expected[name])


def test_loss_of_a_step_is_that_of_its_own_sample(tiny_options, tmp_path):
    options = ["--loss", "tunas", "--weight", "0.5", "--target-ms", "0.1"]
    succeed("search", tmp_path / "run", *tiny_options, *ONE_STEP, *options)
    (entry,) = read_log(tmp_path / "run")
    assert entry["loss"] == pytest.approx(entry["theta_cross_entropy"] + 0.5 * abs(entry["sampled_us"] / 100 - 1))


def test_projection_keeps_the_expected_latency_at_the_target(tiny_options, prices, tmp_path):
    probs = prices.valid.double() / prices.valid.sum(-1, keepdim=True)
    uniform_us = (probs * prices.table_us).sum().item() + prices.fixed_us
    target_us = 0.9 * uniform_us
    options = ["--loss", "project", "--target-ms", f"{target_us / 1000:.9f}", "--warm-up-epochs", "1"]
    succeed("search", tmp_path / "run", *tiny_options, *SHORT, *options)
    log = read_log(tmp_path / "run")
    assert len(log) > 1
    for entry in log:
        assert entry["expected_us"] == pytest.approx(target_us, rel=1e-5)
    assert read_json(tmp_path / "run" / "result.json")["chosen"]["latency_us"] <= target_us * (1 + 1e-9)
    fails = run("search", tmp_path / "none", *tiny_options, *SHORT, "--loss", "project", "--target-ms", "0.000001")
    assert fails.returncode != 0 and "which the fastest architecture takes" in fails.stderr


def test_latency_term_moves_theta(tiny_options, prices, tmp_path):
    options = ["--loss", "proxylessnas", "--weight", "1e4", "--target-ms", "0.1"]
    succeed("search", tmp_path / "run", *tiny_options, *ONE_STEP, *options)
    assert_prefers_fast_candidates(read_log(tmp_path / "run")[0], prices.model)


def test_entropy_keeps_theta_from_settling(tiny_options, prices, tmp_path):
    theta = torch.tensor([[1.0, -1.0, 0.0, 0.5]] * 4, requires_grad=True)
    probs = [torch.softmax(row[ok].detach().double(), 0) for row, ok in zip(theta, prices.valid)]
    entropies = [-(p * p.log()).sum().item() for p in probs]
    found = latency.entropy(theta, prices.valid)
    found.backward()
    assert found.item() == pytest.approx(sum(entropies) / 4)
    # dH/dtheta_k = -p_k (ln p_k + H), by hand.
    for row, ok, p, h in zip(theta.grad, prices.valid, probs, entropies):
        assert row[ok].tolist() == pytest.approx((-p * (p.log() + h) / 4).tolist(), abs=1e-6) and (row[~ok] == 0).all()
    options = [*tiny_options, *SHORT, "--epochs", "4", "--warm-up-epochs", "0", "--theta-learning-rate", "0.5"]
    succeed("search", tmp_path / "without", *options)
    succeed("search", tmp_path / "with", *options, "--entropy-weight", "1e6")
    assert read_log(tmp_path / "with")[2]["theta_entropy"] > read_log(tmp_path / "without")[2]["theta_entropy"] + 0.1


def test_entropy_weight_falls_to_nothing(prices, tmp_path):
    searched = search_of(tmp_path, prices, {"epochs": 4, "entropy_weight": 2.0})
    weights = []
    for searched.epoch in range(4):
        weights.append(searched.entropy_weight)
    assert weights == [2.0, 1.5, 1.0, 0.5]


def test_hard_sample_is_an_architecture(tiny_options, prices, tmp_path):
    succeed("search", tmp_path / "run", *tiny_options, *ONE_STEP, "--hard")
    times = prices.model.estimate(all_architectures())
    assert (times - read_log(tmp_path / "run")[0]["sampled_us"]).abs().min() < 1e-3


# As config.json has them. A test changes some.
SETTINGS = {
    "epochs": 1, "batch": 10, "loss": "fbnet", "alpha": 0.2, "beta": 0.6, "weight": 1.0, "target_ms": None, "learning_rate": 0.1,
    "momentum": 0.9, "weight_decay": 0.0, "seed": 3, "precision": "int8", "synchronise_batch_norm": False, "theta_fraction": 0.2,
    "theta_learning_rate": 0.01, "theta_weight_decay": 0.0, "warm_up_epochs": 0, "temperature": 5.0, "temperature_decay": 0.0,
    "hard": False, "gumbel": "shared", "paths": "all", "accumulate": 1, "amp": "none",
    "entropy_weight": 0.0,
}  # fmt: skip


def search_of(folder, prices, changes=None, execution=Execution()):
    """A search of 100 images, whose steps a test takes by itself: eight of the weights and two of theta."""
    train, _, _ = images.generated(32, 100, 1, seed=3)
    folder.mkdir(exist_ok=True)
    return search.Search(folder, {**SETTINGS, **(changes or {})}, prices, train, Workers(), execution)


def take_steps(searched, until):
    while searched.step < until:
        searched.take_step()
        searched.step += 1
    return {**searched.supernet.state_dict(), "theta": searched.theta.detach()}


def test_theta_learns_from_images_that_the_weights_never_see(prices, tmp_path):
    parts = search_of(tmp_path, prices).parts
    assert len(parts["theta"]) == 20
    assert sorted([*parts["theta"].tolist(), *parts["weights"].tolist()]) == list(range(100))


def test_parts_of_a_step_add_up_to_the_step(prices, tmp_path, monkeypatch):
    """Up to rounding, where no batch normalisation looks at a part alone."""
    monkeypatch.setattr(nn, "BatchNorm2d", lambda channels: nn.GroupNorm(1, channels))
    whole = take_steps(search_of(tmp_path / "whole", prices), 10)
    searched = search_of(tmp_path / "parts", prices, {"accumulate": 5})
    sizes = []
    searched.supernet.register_forward_hook(lambda _, inputs, __: sizes.append(len(inputs[0])))
    parts = take_steps(searched, 10)
    assert sizes == [2] * 50
    for name, tensor in whole.items():
        assert torch.allclose(tensor, parts[name], rtol=1e-2, atol=1e-4), name
    assert searched.sums["weights"].over_all(Workers())["images"] == 80


@pytest.mark.parametrize("changes", [
    {"amp": "bfloat16"}, {"paths": 1}, {"paths": 2}, {"amp": "bfloat16", "paths": 1, "accumulate": 2}])
def test_training_of_today_continues_to_the_same_bits(changes, prices, tmp_path):
    whole = take_steps(search_of(tmp_path / "whole", prices, changes), 10)
    stopped = search_of(tmp_path / "stopped", prices, changes)
    take_steps(stopped, 9)
    stopped.save()
    continued = search_of(tmp_path / "stopped", prices, changes)
    assert continued.step == 9
    for name, tensor in take_steps(continued, 10).items():
        assert torch.equal(tensor, whole[name]) and tensor.isfinite().all(), name


def test_bfloat16_is_that_of_the_blocks_and_not_of_the_parameters(prices, tmp_path):
    searched = search_of(tmp_path, prices, {"amp": "bfloat16"})
    dtypes = []
    searched.supernet.stem.register_forward_hook(lambda *called: dtypes.append(called[-1].dtype))
    parameters = take_steps(searched, 10)
    assert set(dtypes) == {torch.bfloat16}
    assert {tensor.dtype for tensor in parameters.values()} == {torch.float32, torch.int64}  # num_batches_tracked


@pytest.mark.parametrize("paths, of_theta", [(1, 1), (2, 2)])
def test_few_blocks_run_in_a_step(paths, of_theta, prices, tmp_path):
    searched = search_of(tmp_path, prices, {"paths": paths, "weight_decay": 0.1})
    before = {name: parameter.detach().clone() for name, parameter in searched.supernet.named_parameters()}
    ran = set()
    for index, layer in enumerate(searched.supernet.layers):
        for name, block in layer.blocks.items():
            block.register_forward_hook(lambda *_, place=f"layers.{index}.blocks.{name}.": ran.add(place))
    take_steps(searched, 1)
    assert len(ran) == 4
    for name, parameter in searched.supernet.named_parameters():
        runs = not name.startswith("layers") or any(name.startswith(place) for place in ran)
        assert torch.equal(parameter, before[name]) != runs, name
    searched.step = searched.steps["weights"]
    ran.clear()
    take_steps(searched, searched.step + 1)
    assert len(ran) == sum(min(of_theta, int(row.sum())) for row in prices.valid)


class Reads(TorchDispatchMode):
    """Counts what waits for a device: numbers that are read from it."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.count += function is torch.ops.aten._local_scalar_dense.default
        return function(*arguments, **(named or {}))


def test_a_step_reads_nothing_from_the_device(prices, tmp_path):
    searched = search_of(tmp_path, prices, {"accumulate": 2})
    for optimizer in (searched.weights_optimizer, searched.theta_optimizer):
        optimizer.step = lambda: None  # Adam's count of its steps is on the host.
    with Reads() as reads:
        take_steps(searched, 10)
        assert reads.count == 0
        searched.sums["theta"].values[0].item()
        assert reads.count == 1


@pytest.mark.skipif(not hasattr(nn.Module, "compile"), reason="nn.Module.compile came with torch 2.2")
@pytest.mark.parametrize("paths, graphs", [("all", 1), (1, None)])
def test_compiled_search_gives_the_same(paths, graphs, prices, tmp_path, monkeypatch):
    compiled = []
    compile_module = nn.Module.compile

    def compile_quickly(module):
        compiled.append(module)
        compile_module(module, backend="eager", fullgraph=True)

    plain = take_steps(search_of(tmp_path / "plain", prices, {"paths": paths}), 1)
    monkeypatch.setattr(nn.Module, "compile", compile_quickly)
    searched = search_of(tmp_path / "compiled", prices, {"paths": paths}, Execution(compile=True))
    for name, tensor in take_steps(searched, 1).items():
        assert torch.allclose(tensor, plain[name], rtol=1e-3, atol=1e-5), name
    # Stem, head, classifier and nine blocks, or the supernet; and a network of it is an ordinary one again.
    assert len(compiled) == (graphs or 3 + int(prices.valid.sum()))
    searched.supernet.network(torch.tensor([0, 0, 0, 0]))(torch.zeros(2, 3, 32, 32))


def test_layout_is_that_which_was_asked_for(prices, tmp_path):
    for channels_last in (True, False):
        searched = search_of(tmp_path / str(channels_last), prices, {}, Execution(channels_last=channels_last))
        layouts = []
        searched.supernet.register_forward_hook(
            lambda _, inputs, __: layouts.append(inputs[0].is_contiguous(memory_format=torch.channels_last)))
        take_steps(searched, 1)
        assert layouts == [channels_last]


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_device_to_train_on():
    workers = Workers()
    for device in ("cpu", "auto"):
        workers.connect(device)
        assert workers.device == torch.device("cpu")
    with pytest.raises(RuntimeError, match="--train-device cuda needs a GPU"):
        workers.connect("cuda")


def test_exported_network_has_figures_of_its_own(tiny_options, tmp_path):
    succeed("search", tmp_path / "run", *tiny_options, *ONE_STEP)
    supernet = read_checkpoint(tmp_path / "run")
    network = torch.jit.load(str(tmp_path / "run" / "chosen" / "network.pt")).state_dict()
    assert torch.equal(network["network.stem.stem.conv.weight"], supernet["supernet.stem.stem.conv.weight."])
    assert not torch.equal(network["network.stem.stem.norm.running_mean"], supernet["supernet.stem.stem.norm.running_mean."])
    assert network["network.stem.stem.norm.num_batches_tracked"] == 3  # 96 images


def test_tensorboard_shows_what_the_log_says(tiny_options, tmp_path):
    pytest.importorskip("tensorboard", reason="curves need the package tensorboard")
    pytest.importorskip("PIL", reason="images of theta need Pillow")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    succeed("search", tmp_path / "run", *tiny_options, *SHORT, "--tensorboard")
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name in ["cross_entropy", "accuracy", "theta_accuracy", "expected_us", "temperature"]:
        logged = [entry[name] for entry in read_log(tmp_path / "run")]
        assert [event.value for event in events.Scalars(name)] == pytest.approx(logged, rel=1e-6)
    assert [event.step for event in events.Scalars("sampled_us")] == [1, 2]  # null while theta rests
    shown = events.Images("softmax(theta)")
    assert [image.step for image in shown] == [0, 1, 2] and (shown[0].width, shown[0].height) == (4 * 16, 4 * 16)
    succeed("search", tmp_path / "without", *tiny_options, *ONE_STEP)
    assert not (tmp_path / "without" / "tensorboard").exists()


def test_says_that_tensorboard_is_missing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(ImportError, match="--tensorboard needs two packages: pip install tensorboard pillow"):
        board.Board(tmp_path, 0)


def test_digits_are_split_by_the_seed():
    pytest.importorskip("sklearn", reason="the digits come with scikit-learn")
    train, test, classes = images.digits(16, 0, 0, seed=1)
    assert (len(train), len(test), classes) == (1438, 359, 10)
    pixels, labels = train.load(torch.arange(1438))
    assert pixels.shape == (1438, 3, 16, 16) and sorted(set(labels.tolist())) == list(range(10))
    assert abs(pixels.mean().item()) < 0.05 and torch.equal(pixels[:, 0], pixels[:, 2])
    assert train.images.float().std().item() / train.spread == pytest.approx(1, abs=0.05)
    # Together they are all digits, as the seed says.
    again, _, _ = images.digits(16, 0, 0, seed=1)
    other, _, _ = images.digits(16, 100, 50, seed=2)
    assert torch.equal(train.images, again.images) and not torch.equal(train.images[:100], other.images) and len(other) == 100
    seen = torch.cat([train.images[:, 0], test.images[:, 0]]).flatten(1)
    every = torch.cat([part.images[:, 0] for part in images.digits(16, 0, 0, seed=2)[:2]]).flatten(1)
    assert sorted(seen.tolist()) == sorted(every.tolist())


def test_says_that_scikit_learn_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(ImportError, match="--data digits needs scikit-learn, .*: pip install scikit-learn"):
        images.digits(16, 0, 0, seed=1)


@needs_distributed
def test_two_processes_of_one_path_stay_in_step(tiny_options, tmp_path):
    options = [*tiny_options, *SHORT, "--paths", "1", "--accumulate", "2", "--amp", "bfloat16", "--gumbel", "per-rank"]
    ranks = search_together(tmp_path / "two", options)
    assert_equal_parameters([{k: v for k, v in rank.items() if "running" not in k and "num_batches" not in k} for rank in ranks])


def test_generated_images_repeat_at_the_offset_of_their_class():
    train, test, classes = images.generated(16, 200, 50, seed=1)
    assert (len(train), len(test), classes) == (200, 50, len(images.OFFSETS))
    pixels, labels = train.load(torch.arange(200))
    assert pixels.shape == (200, 3, 16, 16) and abs(pixels.mean().item()) < 0.1
    # How much each image agrees with itself, shifted by the offset of each class.
    agreement = torch.stack([(pixels * pixels.roll(offset, dims=(2, 3))).mean([1, 2, 3]) for offset in images.OFFSETS], 1)
    assert (agreement.argmax(1) == labels).double().mean() > 0.95
    again, _, _ = images.generated(16, 200, 50, seed=1)
    assert torch.equal(again.images, train.images)
    other, _, _ = images.generated(16, 200, 50, seed=2)
    assert not torch.equal(other.images, train.images)


def write_cifar(folder, names, count=3):
    for index, name in enumerate(names):
        record = [bytes([(index + i) % 10]) + bytes([10 * i] * 1024 + [20] * 1024 + [30] * 1024) for i in range(count)]
        (folder / name).write_bytes(b"".join(record))


def test_cifar10_is_read(tmp_path):
    write_cifar(tmp_path, [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"])
    train, test, classes = images.cifar10(tmp_path, 32, 0, 2)
    assert (len(train), len(test), classes) == (15, 2, 10)
    assert train.labels.tolist()[:4] == [0, 1, 2, 1]
    assert train.images[1].float().mean([1, 2]).tolist() == [10, 20, 30]  # red, green, blue, one plane after the other
    pixels, _ = train.load(torch.tensor([1]))
    assert pixels[0, 0, 0, 0].item() == pytest.approx((10 - 127.5) / 64)


def test_cifar10_is_checked(tmp_path):
    write_cifar(tmp_path, [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"])
    (tmp_path / "data_batch_3.bin").write_bytes(b"\x01" * 3000)
    with pytest.raises(ValueError, match="data_batch_3.bin must hold records of 3073 bytes, got 3000 bytes"):
        images.cifar10(tmp_path, 32, 0, 0)
    (tmp_path / "data_batch_3.bin").write_bytes(b"\x0b" * 3073)
    with pytest.raises(ValueError, match="labels from 0 to 9, got 11"):
        images.cifar10(tmp_path, 32, 0, 0)


def test_augmentation_shifts_and_mirrors():
    ramp = torch.arange(16, dtype=torch.uint8).repeat(1, 3, 16, 1) * 10
    data = images.ImageSet(ramp.repeat(64, 1, 1, 1), torch.zeros(64, dtype=torch.int64), 16, augment=True)
    plain, _ = data.load(torch.arange(64))
    shifts = data.draw_shifts(64, seeds.generator(1, "here"))
    first, _ = data.load(torch.arange(64), shifts)
    assert torch.equal(shifts, data.draw_shifts(64, seeds.generator(1, "here"))) and not torch.equal(first, plain)
    # Two processes that take half of the batch each see the same images.
    assert torch.equal(first[32:], data.load(torch.arange(32, 64), shifts[32:])[0])
    slopes = (first[:, 0, 8, 9] - first[:, 0, 8, 6]).sign()
    assert 10 < (slopes > 0).sum() < 54  # about half are mirrored


def test_image_folder_is_decoded(tmp_path):
    image = pytest.importorskip("PIL.Image")
    for part in ["train", "val"]:
        for name, colour in [("cat", (255, 0, 0)), ("dog", (0, 0, 255))]:
            (tmp_path / part / name).mkdir(parents=True)
            image.new("RGB", (48, 32), colour).save(tmp_path / part / name / "0.png")
    train, val, classes = images.image_folder(tmp_path, 16, 0, 0)
    assert (len(train), len(val), classes) == (2, 2, 2)
    pixels, labels = val.load(torch.tensor([0, 1]))
    assert labels.tolist() == [0, 1] and pixels.shape == (2, 3, 16, 16)
    assert pixels[0, :, 8, 8].tolist() == pytest.approx([1.992, -1.992, -1.992], abs=0.001)


def test_image_folder_is_checked(tmp_path):
    with pytest.raises(ValueError, match="train is no folder"):
        images.image_folder(tmp_path, 16, 0, 0)
    (tmp_path / "train" / "cat").mkdir(parents=True)
    with pytest.raises(ValueError, match="a folder for each class, two at least, got 1"):
        images.image_folder(tmp_path, 16, 0, 0)


def test_arg_max_is_chosen_without_a_target(prices):
    theta = torch.zeros(4, 4)
    theta[1, 2] = 1
    result = choice.choose(theta, prices, None, 3, seed=0)
    assert result["chosen"]["architecture"] == [0, 2, 0, 0] and len(result["samples"]) == 3


def test_most_probable_architecture_within_the_target_is_chosen(prices):
    theta = torch.randn(4, 4, generator=torch.Generator().manual_seed(2))
    archs = all_architectures()
    times = prices.model.estimate(archs)
    probability = torch.log_softmax(latency.masked(theta.double(), prices.valid), -1).gather(1, archs.T).sum(0)
    for target_us in times.tolist():
        chosen = choice.choose(theta, prices, target_us, 0, seed=0)["chosen"]
        within = times <= target_us
        best = archs[int(probability.masked_fill(~within, float("-inf")).argmax())]
        assert chosen["architecture"] == best.tolist()
        assert chosen["latency_us"] == pytest.approx(prices.exact_us(best)) and chosen["latency_us"] <= target_us
        assert chosen["log_probability"] == pytest.approx(probability[within].max().item())
        is_arg_max = best.equal(latency.arg_max(theta, prices.valid))
        assert chosen["why"].startswith("the arg-max" if is_arg_max else "the most probable within the target, proven")


def test_fastest_architecture_is_chosen_where_none_is_within_the_target(prices):
    times = prices.model.estimate(all_architectures())
    chosen = choice.choose(torch.zeros(4, 4), prices, times.min().item() - 1, 0, seed=0)["chosen"]
    assert chosen["latency_us"] == times.min().item()
    assert chosen["why"].startswith("the fastest")


def write_program(path, script):
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.fixture
def fake_latgrad(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    return tmp_path / "latgrad"


class NoStop:
    signal = None


def test_measures_where_no_table_is_given(tmp_path, fake_latgrad):
    write_program(fake_latgrad, 'printf "%s " "$@" > "$7"')
    lut = tmp_path / "lut.json"
    latency.measure(tmp_path / "space.textproto", lut, "fp32", NoStop)
    assert lut.read_text().split() == [
        "profile", "--space", str(tmp_path / "space.textproto"), "--precision", "fp32", "--output", str(lut)
    ]
    write_program(fake_latgrad, "exit 1")
    latency.measure(tmp_path / "space.textproto", lut, "fp32", NoStop)  # it is there
    lut.unlink()
    with pytest.raises(RuntimeError, match="exit code 1"):
        latency.measure(tmp_path / "space.textproto", lut, "fp32", NoStop)


def test_stops_while_it_measures(tmp_path, fake_latgrad):
    write_program(fake_latgrad, "exec sleep 60")

    class Stop:
        signal = signal.SIGTERM

    with pytest.raises(training.Stopped):
        latency.measure(tmp_path / "space.textproto", tmp_path / "lut.json", "int8", Stop)


# What is in the other files of spaces, but not in tiny: neither stem nor head, a batch, a layer that may vanish at the end.
BARE_SPACE = """
name: "bare"
input { batch: 2 height: 16 width: 16 }
candidate { name: "k3_e2" block { expand: 2 depthwise { kernel: 3 } } }
candidate { name: "skip" skip {} }
stage { name: "a" channels: 8 candidate: "k3_e2" }
stage { name: "b" channels: 8 }
head { classes: 8 }
"""


@pytest.mark.parametrize("precision", ["int8", "fp32"])
def test_other_spaces_precisions_and_statistics(precision, tmp_path, make_table):
    space = tmp_path / f"bare-{precision}.textproto"
    space.write_text(BARE_SPACE)
    lut = make_table(space, precision)
    options = ["--space", space, "--lut", lut, "--precision", precision, "--statistic", "p90", "--hard"]
    succeed("search", tmp_path / "run", *options, *SHORT, "--loss", "hinge", "--target-ms", "0.05")
    result = read_json(tmp_path / "run" / "result.json")
    network = torch.jit.load(str(tmp_path / "run" / "chosen" / "network.pt"))
    assert network.latency_us() == pytest.approx(result["chosen"]["latency_us"])
    model = latgrad.LatencyModel(space, lut, precision=precision)
    assert network.latency_us() == model.estimate(torch.tensor(result["chosen"]["architecture"]), "p90").item()
    assert network.latency_us() != network.latency_us("p50")

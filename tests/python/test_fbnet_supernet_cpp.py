"""The C++ example fbnet_supernet: a whole search on a space of four layers, interrupted, continued, and what Python says of it."""

import json
import math
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import torch
from search_runs import all_architectures, assert_prefers_fast_candidates, assert_same_bits, read_json, read_log

import latgrad

# A search of a second: 256 images, of which 192 train the weights, four epochs, theta rests in the first.
SHORT = [
    "--train-images", "256", "--test-images", "64", "--batch", "32", "--epochs", "4", "--warm-up-epochs", "1",
    "--theta-fraction", "0.25", "--seed", "5", "--threads", "1",
]  # fmt: skip
# Three steps of the weights and one of theta, so that the log's means are those of one sample.
ONE_STEP = [*SHORT, "--train-images", "128", "--epochs", "1", "--warm-up-epochs", "0"]


@pytest.fixture(scope="module")
def program():
    path = os.environ.get("LATGRAD_FBNET_SUPERNET")
    if not path:
        pytest.skip("LATGRAD_FBNET_SUPERNET does not name the program example_fbnet_supernet of the build folder")
    return path


@pytest.fixture(scope="module")
def run(program):
    def run_program(*arguments):
        return subprocess.run([program, *map(str, arguments)], capture_output=True, text=True, timeout=120)

    return run_program


@pytest.fixture(scope="module")
def succeed(run):
    def run_to_its_end(*arguments):
        result = run(*arguments)
        assert result.returncode == 0, result.stderr
        return result.stdout

    return run_to_its_end


@pytest.fixture(scope="module")
def table(eight_classes, make_table):
    return ["--space", eight_classes, "--lut", make_table(eight_classes)]


@pytest.fixture(scope="module")
def whole_run(succeed, table, tmp_path_factory):
    folder = tmp_path_factory.mktemp("search") / "run"
    return folder, succeed("search", folder, *table, *SHORT)


@pytest.fixture
def model(eight_classes, make_table):
    return latgrad.LatencyModel(eight_classes, make_table(eight_classes))


def short_retraining(folder):
    return ["retrain", folder, "--epochs", "1", "--batch", "32", "--threads", "1"]


def read_checkpoint(folder):
    """Tensors by name, without the numbers by which optimizers call parameters."""
    module = torch.jit.load(str(folder / "checkpoint.pt"))
    named = dict([*module.named_parameters(), *module.named_buffers()])
    return {name: tensor for name, tensor in named.items() if "optimizer" not in name}


def last_theta(folder, model):
    rows = read_log(folder)[-1]["theta"]
    theta = torch.tensor([[0 if value is None else value for value in row] for row in rows], dtype=torch.float64)
    return theta.masked_fill(~model.valid(), -math.inf)


def test_log_says_what_theta_says(whole_run, model):
    folder, _ = whole_run
    entries = read_log(folder)
    assert [entry["epoch"] for entry in entries] == [0, 1, 2, 3]
    assert entries[0]["loss"] is None and entries[0]["sampled_us"] is None
    valid = model.valid()
    for entry in entries:
        assert [[value is not None for value in row] for row in entry["theta"]] == valid.tolist()
        theta = torch.tensor([[value or 0 for value in row] for row in entry["theta"]], dtype=torch.float64)
        expected_us = latgrad.softmax_latency(theta, model.table_us(), valid).item() + model.fixed_us()
        assert entry["expected_us"] == expected_us
        offered = theta.masked_fill(~valid, -math.inf)
        assert entry["arg_max"] == offered.argmax(-1).tolist()
        assert entry["arg_max_us"] == model.estimate(offered.argmax(-1)).item()
        assert entry["gap_us"] == entry["expected_us"] - entry["arg_max_us"]
        entropy = torch.distributions.Categorical(logits=theta.masked_fill(~valid, -1e9)).entropy().mean().item()
        assert entry["theta_entropy"] == pytest.approx(entropy)
        assert entry["temperature"] == pytest.approx(5 * math.exp(-0.045 * entry["epoch"]))
        rate = 0.05 * (1 + math.cos(math.pi * entry["epoch"] / 4))
        assert entry["learning_rate"] == pytest.approx(rate)
    assert all(value == 0 for row in entries[0]["theta"] for value in row if value is not None)
    assert any(value != 0 for row in entries[3]["theta"] for value in row if value is not None)


def test_folder_has_the_form_that_is_documented(whole_run, eight_classes, model):
    folder, _ = whole_run
    config = read_json(folder / "config.json")
    assert (config["format"], config["program"]) == ("latgrad-run-1", "example_fbnet_supernet")
    assert config["settings"]["space"] == str(eight_classes) and config["settings"]["target_ms"] is None
    latency = read_json(folder / "latency.json")
    assert (latency["space"], latency["device"], latency["fixed_us"]) == ("tiny_c8", model.device(), model.fixed_us())
    for index, layer in enumerate(latency["layers"]):
        assert layer["candidates"] == model.candidates(index)
        rows = zip(layer["us"], model.table_us()[index].tolist(), model.valid()[index].tolist())
        assert len(layer["us"]) == len(layer["candidates"])
        assert all(us == (time_us if offered else None) for us, time_us, offered in rows)
    assert latgrad.SearchSpace(folder / "space.textproto").text() == latgrad.SearchSpace(eight_classes).text()


def test_result_is_priced_and_exported(whole_run, model, eight_classes, make_table):
    folder, printed = whole_run
    result = read_json(folder / "result.json")
    chosen = result["chosen"]
    arch = torch.tensor(chosen["architecture"])
    price_us = model.estimate(arch).item()
    assert chosen["latency_us"] == price_us and f"{price_us:.6g} us" in printed
    assert chosen["architecture"] == result["arg_max"]["architecture"] == last_theta(folder, model).argmax(-1).tolist()
    log_probs = last_theta(folder, model).log_softmax(-1)
    for entry in [chosen, *result["samples"]]:
        picked = torch.tensor(entry["architecture"])
        assert entry["blocks"] == model.decode(picked)
        assert entry["log_probability"] == pytest.approx(log_probs.gather(1, picked[:, None]).sum().item())
    assert len(result["samples"]) == 5
    assert sum(op["us"] for op in result["operators"]) == pytest.approx(price_us)
    assert {op["output"] for op in result["operators"]} >= {"stem", "head", "logits", "softmax"}
    exported = folder / "chosen"
    assert (exported / "architecture.txt").read_text().split() == chosen["blocks"]
    assert latgrad.LatencyTable(make_table(eight_classes)).estimate_net(str(exported)).total_us() == pytest.approx(price_us)
    network = torch.jit.load(str(exported / "network.pt"))
    assert network.latency_us() == price_us and network.architecture() == chosen["blocks"]
    assert network.statistic == "p50" and network.latency_us("p90") == model.estimate(arch, "p90").item()
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 8)
    # By the same names as a network of Python.
    plain = latgrad.Network.from_space(latgrad.SearchSpace(eight_classes), arch)
    priced = latgrad.PricedNetwork(plain, model, arch)
    assert network.state_dict().keys() == priced.state_dict().keys()


def test_exported_network_keeps_the_statistic_of_the_search(succeed, table, model, tmp_path):
    run = tmp_path / "run"
    succeed("search", run, *table, *ONE_STEP, "--statistic", "p90")
    succeed(*short_retraining(run))
    chosen, retrained = read_json(run / "result.json")["chosen"], read_json(run / "retrain" / "result.json")
    for folder, told in [("chosen", chosen), ("retrain", retrained)]:
        arch = torch.tensor(told["architecture"])
        network = torch.jit.load(str(run / folder / "network.pt"))
        assert network.statistic == "p90" and network.latency_us() == told["latency_us"]
        p50_us, p90_us = (model.estimate(arch, statistic).item() for statistic in ["p50", "p90"])
        assert network.latency_us() == p90_us != p50_us == network.latency_us("p50")


def test_supernet_is_the_one_of_python(whole_run, eight_classes):
    folder, _ = whole_run
    supernet = latgrad.Supernet(latgrad.SearchSpace(eight_classes)).eval()
    trained = read_checkpoint(folder)
    prefix = "supernet."
    state = {name[len(prefix) :]: tensor for name, tensor in trained.items() if name.startswith(prefix)}
    assert state.keys() == supernet.state_dict().keys()
    supernet.load_state_dict(state)
    arch = torch.tensor(read_json(folder / "result.json")["chosen"]["architecture"])
    images = torch.randn(4, 3, 32, 32)
    logits = torch.jit.load(str(folder / "chosen" / "network.pt"))(images)
    assert torch.allclose(supernet.network(arch).eval()(images), logits, rtol=1e-5, atol=1e-6)
    one_hot = torch.nn.functional.one_hot(arch, 4).float()
    assert torch.allclose(supernet(images, one_hot), logits, rtol=1e-4, atol=1e-5)


def test_candidates_may_have_names_that_no_attribute_has(succeed, eight_classes, make_table, tmp_path):
    space = tmp_path / "dashes.textproto"
    space.write_text(eight_classes.read_text().replace("_e", "-e."))
    succeed("search", tmp_path / "run", "--space", space, "--lut", make_table(space), *ONE_STEP)
    network = torch.jit.load(str(tmp_path / "run" / "chosen" / "network.pt"))
    assert "k3k3-e.1" in network.architecture()


def test_ended_run_stays_as_it_is(whole_run, succeed, table):
    folder, printed = whole_run
    before = read_json(folder / "result.json")
    assert succeed("search", folder, *table, *SHORT).splitlines()[-2:] == printed.splitlines()[-2:]
    assert read_json(folder / "result.json") == before


def stop_when_started(arguments, number, folder, epochs=1):
    """Starts a process and ends it by a signal, in the middle of the epoch after so many."""
    process = subprocess.Popen(
        [str(argument) for argument in arguments], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    log, checkpoint = folder / "log.jsonl", folder / "checkpoint.pt"

    def is_saved():
        """Whether the line of the epoch is there, and behind it the checkpoint, which takes its time on a busy machine."""
        is_logged = log.exists() and log.read_text().count("\n") >= epochs
        return is_logged and checkpoint.exists() and checkpoint.stat().st_mtime_ns >= log.stat().st_mtime_ns

    deadline = time.monotonic() + 60
    while not is_saved():
        assert process.poll() is None and time.monotonic() < deadline, process.stderr.read()
        time.sleep(0.002)
    time.sleep(0.02)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    return process.returncode, errors


# In the second epoch Adam has no state yet, in the others it has.
@pytest.mark.parametrize("number, epochs", [(signal.SIGKILL, 1), (signal.SIGKILL, 2), (signal.SIGTERM, 2), (signal.SIGINT, 3)])
def test_continues_to_the_same_bits(number, epochs, whole_run, program, succeed, table, tmp_path):
    arguments = ["search", tmp_path / "run", *table, *SHORT]
    code, _ = stop_when_started([program, *arguments], number, tmp_path / "run", epochs)
    assert code == -number
    assert not (tmp_path / "run" / "result.json").exists()
    assert "Continuing at epoch" in succeed(*arguments)
    assert_same_bits(tmp_path / "run", whole_run[0], read_checkpoint)
    assert read_json(tmp_path / "run" / "result.json") == read_json(whole_run[0] / "result.json")


def test_half_a_line_of_the_log_is_dropped(whole_run, program, succeed, table, tmp_path):
    arguments = ["search", tmp_path / "run", *table, *SHORT]
    stop_when_started([program, *arguments], signal.SIGKILL, tmp_path / "run")
    with open(tmp_path / "run" / "log.jsonl", "a") as file:
        file.write('{"epoch": 7, "cross')
    succeed(*arguments)
    assert_same_bits(tmp_path / "run", whole_run[0], read_checkpoint)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_retraining_continues_to_the_same_bits(number, whole_run, program, succeed, tmp_path):
    folders = [tmp_path / "whole", tmp_path / "stopped"]
    for folder in folders:
        shutil.copytree(whole_run[0], folder, ignore=shutil.ignore_patterns("retrain"))
    options = ["--epochs", "4", "--batch", "32", "--threads", "1"]
    succeed("retrain", folders[0], *options)
    arguments = ["retrain", folders[1], *options]
    stop_when_started([program, *arguments], number, folders[1] / "retrain")
    assert not (folders[1] / "retrain" / "result.json").exists()
    assert "Continuing at epoch" in succeed(*arguments)
    assert_same_bits(*[folder / "retrain" for folder in folders], read_checkpoint)


def loss(name, ce, us):
    """With --weight 0.5 --target-ms 0.1 --alpha 0.3 --beta 0.7."""
    return {
        "fbnet": ce * 0.3 * math.log(us) ** 0.7,
        "proxylessnas": ce + 0.5 * (us / 100 - 1),
        "proxylessnas_log": 0.3 * ce * (math.log(us) / math.log(100)) ** 0.7,
        "tunas": ce + 0.5 * abs(us / 100 - 1),
        "hinge": ce + 0.5 * max(0, us / 100 - 1),
        "none": ce,
    }[name]


@pytest.mark.parametrize("name", ["fbnet", "proxylessnas", "proxylessnas_log", "tunas", "hinge", "none"])
def test_losses_are_the_named_ones(name, succeed, table, tmp_path):
    weights = ["--weight", "0.5", "--target-ms", "0.1", "--alpha", "0.3", "--beta", "0.7"]
    succeed("search", tmp_path / "run", *table, *ONE_STEP, *weights, "--loss", name)
    entry = read_log(tmp_path / "run")[0]
    assert entry["loss"] == pytest.approx(loss(name, entry["theta_cross_entropy"], entry["sampled_us"]), rel=1e-6)


def test_latency_term_moves_theta(succeed, table, model, tmp_path):
    options = ["--loss", "proxylessnas", "--weight", "1e4", "--target-ms", "0.1"]
    succeed("search", tmp_path / "run", *table, *ONE_STEP, *options)
    assert_prefers_fast_candidates(read_log(tmp_path / "run")[0], model)


def test_hard_sample_is_an_architecture(succeed, table, model, tmp_path):
    succeed("search", tmp_path / "run", *table, *ONE_STEP, "--hard")
    times = model.estimate(all_architectures())
    assert (times - read_log(tmp_path / "run")[0]["sampled_us"]).abs().min() < 1e-3


@pytest.mark.parametrize("target_us", [1, 135, 150, 170, 400])
def test_target_decides_what_is_chosen(target_us, succeed, table, model, tmp_path):
    settings = [*table, *ONE_STEP, "--target-ms", target_us / 1000]
    succeed("search", tmp_path / "run", *settings)
    chosen = read_json(tmp_path / "run" / "result.json")["chosen"]
    theta = last_theta(tmp_path / "run", model)
    archs = all_architectures()
    times = model.estimate(archs)
    within = times <= target_us
    log_probability = theta.log_softmax(-1).gather(1, archs.T).sum(0)
    if model.estimate(theta.argmax(-1)).item() <= target_us:
        assert chosen["architecture"] == theta.argmax(-1).tolist() and "the arg-max" in chosen["why"]
    elif within.any():
        assert chosen["log_probability"] == pytest.approx(log_probability[within].max().item())
        assert chosen["latency_us"] <= target_us
        assert chosen["why"].startswith("the most probable within the target, proven")
    else:
        assert chosen["latency_us"] == times.min().item()
        assert chosen["why"].startswith("the fastest")


def write_cifar(folder, count=32):
    """Images whose brightness tells the class."""
    random = torch.Generator().manual_seed(1)
    for index, name in enumerate([*[f"data_batch_{i}.bin" for i in range(1, 6)], "test_batch.bin"]):
        labels = (torch.arange(count) + index) % 10
        noise = torch.randint(0, 40, (count, 3072), generator=random)
        records = torch.cat([labels[:, None], labels[:, None] * 20 + noise], 1).to(torch.uint8)
        (folder / name).write_bytes(bytes(records.flatten().tolist()))
    return labels, (records[:, 1:].reshape(-1, 3, 32, 32).float() - 127.5) / 64


def test_learns_from_cifar10_and_retrains_what_was_chosen(succeed, tiny_space, make_table, tmp_path):
    labels, pixels = write_cifar(tmp_path)
    options = [*SHORT, "--train-images", "0", "--test-images", "20", "--epochs", "1"]
    options += ["--space", tiny_space, "--lut", make_table(tiny_space)]
    printed = succeed("search", tmp_path / "run", *options, "--data", "cifar10", "--data-folder", tmp_path)
    assert "160 images of 10 classes" in printed
    printed = succeed("retrain", tmp_path / "run", "--epochs", "5", "--batch", "16", "--threads", "1")
    result = read_json(tmp_path / "run" / "retrain" / "result.json")
    assert result["architecture"] == read_json(tmp_path / "run" / "result.json")["chosen"]["architecture"]
    log = read_log(tmp_path / "run" / "retrain")
    assert len(log) == 5 and log[-1]["test_accuracy"] == result["test_accuracy"]
    assert log[-1]["accuracy"] > 0.2 and f"test accuracy {result['test_accuracy']}" in printed
    # The saved network is the trained one: it gives the accuracy that was reported.
    network = torch.jit.load(str(tmp_path / "run" / "retrain" / "network.pt"))
    assert network.latency_us() == result["latency_us"]
    logits = network(pixels[:20])
    assert (logits.argmax(1) == labels[:20]).double().mean().item() == result["test_accuracy"]
    cross_entropy = torch.nn.functional.cross_entropy(logits, labels[:20]).item()
    assert cross_entropy == pytest.approx(result["test_cross_entropy"], rel=1e-5)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\x01" * 3000, "data_batch_3.bin must be records of 3073 bytes, got 3000"),
        (b"", "data_batch_3.bin must be records of 3073 bytes, got 0"),
        (b"\x0b" * 3073, "data_batch_3.bin must have labels to 9"),
    ],
)
def test_cifar10_is_checked(content, message, run, table, tmp_path):
    write_cifar(tmp_path)
    (tmp_path / "data_batch_3.bin").write_bytes(content)
    result = run("search", tmp_path / "run", *table, *SHORT, "--data", "cifar10", "--data-folder", tmp_path)
    assert result.returncode == 1 and message in result.stderr
    assert not (tmp_path / "run").exists()


def test_asks_for_a_table_and_goes_on_with_it(run, succeed, eight_classes, make_table, tmp_path):
    arguments = ["search", tmp_path / "run", "--space", eight_classes, *ONE_STEP]
    result = run(*arguments)
    space, lut = tmp_path / "run" / "space.textproto", tmp_path / "run" / "lut.json"
    assert result.returncode == 1
    assert f"latgrad profile --space {space} --precision int8 --output {lut}" in result.stderr
    assert space.is_file()
    lut.write_bytes(make_table(eight_classes).read_bytes())
    assert "Exported to" in succeed(*arguments)


@pytest.mark.parametrize(
    "mistake, message",
    [
        ([], "a latency table is needed"),
        (["--lut", "nothing.json"], "nothing.json"),
        (["--device", "phone"], "phone"),
        (["--batch", "4096"], "must fill a batch of 4096"),
    ],
)
def test_corrected_command_follows_a_mistaken_one(mistake, message, run, succeed, table, tmp_path):
    space, lut = table[:2], table[2:]
    given = [*lut, *mistake] if mistake else []
    result = run("search", tmp_path / "run", *space, *ONE_STEP, *given)
    assert result.returncode == 1 and message in result.stderr
    succeed("search", tmp_path / "run", *table, *ONE_STEP)
    settings = read_json(tmp_path / "run" / "config.json")["settings"]
    assert (settings["lut"], settings["device"], settings["batch"]) == (str(lut[1]), "", 32)


def test_settings_are_fixed_by_the_first_line_of_the_log(run, succeed, table, tmp_path):
    folder = tmp_path / "run"
    succeed("search", folder, *table, *ONE_STEP)
    (folder / "checkpoint.pt").unlink()  # as a kill after the line leaves it
    before = (folder / "config.json").read_bytes()
    result = run("search", folder, *table, *ONE_STEP, "--seed", "6")
    assert 'holds a run of other settings: [{"op":"replace","path":"/seed","value":6}]' in result.stderr
    assert (folder / "config.json").read_bytes() == before
    (folder / "log.jsonl").write_text('{"epoch": 0, "cross')
    succeed("search", folder, *table, *ONE_STEP, "--seed", "6")


def test_space_is_a_file_wherever_the_command_is_given(succeed, table, eight_classes, tmp_path, monkeypatch):
    arguments = ["search", tmp_path / "run", *table[2:], *ONE_STEP]
    monkeypatch.chdir(eight_classes.parent)
    succeed(*arguments, "--space", eight_classes.name)
    assert read_json(tmp_path / "run" / "config.json")["settings"]["space"] == str(eight_classes)
    monkeypatch.chdir(tmp_path)
    succeed(*arguments, "--space", eight_classes)


@pytest.mark.parametrize("name, what", [("space.textproto", "the space"), ("latency.json", "the table")])
def test_refuses_to_continue_on_something_else(name, what, run, succeed, table, tmp_path):
    space, lut = tmp_path / "mine.textproto", tmp_path / "mine.json"
    space.write_bytes(table[1].read_bytes())
    lut.write_bytes(table[3].read_bytes())
    folder = tmp_path / "run"
    arguments = ["search", folder, "--space", space, "--lut", lut, *ONE_STEP]
    succeed(*arguments)
    changed = space if what == "the space" else lut
    old = changed.read_text()
    new = old.replace("_e1", "_x1") if what == "the space" else re.sub(r'("runtime_us_p50": )', r"\g<1>9", old)
    assert new != old
    changed.write_text(new)
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    result = run(*arguments)
    assert result.returncode == 1
    assert f"{folder / name} is what the checkpoint was trained on, but {what} has changed" in result.stderr
    assert before == {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    changed.write_text(old)
    succeed(*arguments)
    # Without a checkpoint nothing has been trained on the old one.
    changed.write_text(new)
    (folder / "checkpoint.pt").unlink()
    succeed(*arguments)


def damaged(kind, whole, tmp_path):
    """The bytes of a checkpoint that is none."""
    if kind == "empty":
        return b""
    if kind == "truncated":
        return whole[: len(whole) // 2]
    path = tmp_path / "other.pt"
    if kind == "of torch.save":
        torch.save({"position": torch.zeros(3)}, path)
    else:
        torch.jit.script(torch.nn.Linear(2, 2)).save(str(path))
    return path.read_bytes()


@pytest.mark.parametrize("kind", ["empty", "truncated", "of torch.save", "of a module"])
def test_damaged_checkpoint_is_told(kind, run, succeed, table, tmp_path):
    folder = tmp_path / "run"
    for part, arguments in [(folder, ["search", folder, *table, *ONE_STEP]), (folder / "retrain", short_retraining(folder))]:
        succeed(*arguments)
        checkpoint = part / "checkpoint.pt"
        checkpoint.write_bytes(damaged(kind, checkpoint.read_bytes(), tmp_path))
        result = run(*arguments)
        assert result.returncode == 1
        assert f"error: {checkpoint} is damaged or of another program (" in result.stderr
        assert result.stderr.endswith("). Delete it, and the same command begins anew\n")
        assert result.stderr.count("\n") == 1, result.stderr
        checkpoint.unlink()
        assert "Continuing" not in succeed(*arguments)


def test_refuses_other_settings(whole_run, run, table):
    result = run("search", whole_run[0], *table, *SHORT, "--loss", "none")
    assert result.returncode == 1
    assert 'holds a run of other settings: [{"op":"replace","path":"/loss","value":"none"}]' in result.stderr


def test_refuses_the_run_of_another_program(run, table, tmp_path):
    config = {"format": "latgrad-run-1", "program": "fbnet_supernet.py", "settings": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    for arguments in [["search", tmp_path, *table, *SHORT], ["retrain", tmp_path]]:
        result = run(*arguments)
        assert result.returncode == 1 and "must be a run of example_fbnet_supernet, got one of fbnet_supernet.py" in result.stderr


def test_refuses_a_folder_of_something_else(run, table, tmp_path):
    (tmp_path / "letter.txt").write_text("dear")
    assert "must be a new folder or that of a run" in run("search", tmp_path, *table, *SHORT).stderr
    assert (tmp_path / "letter.txt").exists() and not (tmp_path / "config.json").exists()
    assert "got none: no config.json" in run("retrain", tmp_path).stderr


def test_retrains_only_after_the_end(run, table, tmp_path):
    run("search", tmp_path / "run", *table, *SHORT, "--batch", "4096")
    assert "has not ended: continue it by its own command" in run("retrain", tmp_path / "run").stderr


@pytest.mark.parametrize(
    "arguments, code, message",
    [
        (["--loss", "tunas"], 1, "--loss tunas needs --target-ms"),
        (["--loss", "mine"], 2, "--loss: mine not in {fbnet,"),
        (["--data", "cifar10", "--data-folder", "nowhere"], 1, "data_batch_1.bin is no file"),
        (["--data", "images"], 2, "--data: images not in {generated,cifar10}"),
        (["--batch", "4096"], 1, "must fill a batch of 4096"),
        (["--space", "nothing"], 1, "nothing"),
        (["--lut", "nothing.json"], 1, "nothing.json"),
        (["--device", "phone"], 1, "phone"),
        (["--theta-fraction", "1"], 1, "must fill a batch of 32"),
        (["--epochs", "0"], 2, "--epochs"),
        (["--epochs", "2.5"], 2, "--epochs"),
        (["--width", "-1"], 2, "--width"),
        (["--width", "nan"], 1, "width must be from 1/1024 to 1024, got nan"),
    ],
)
def test_says_what_is_wrong(arguments, code, message, run, table, tmp_path):
    result = run("search", tmp_path / "run", *table, *SHORT, *arguments)
    assert result.returncode == code, result.stderr
    assert message in result.stderr
    assert "Exception raised" not in result.stderr


def test_help_tells_every_command(run):
    assert all(name in run("--help").stdout for name in ["search", "retrain"])
    printed = run("search", "--help")
    assert printed.returncode == 0 and "--warm-up-epochs" in printed.stdout
    assert run().returncode == 2 and run("find").returncode == 2


def test_space_is_scaled_and_takes_the_classes(run, tmp_path):
    options = [*SHORT, "--train-images", "128"]
    result = run("search", tmp_path / "run", "--space", "fbnet", "--width", "0.25", "--depth", "0.1", "--resolution", "32", *options)
    assert "a latency table is needed" in result.stderr
    space = latgrad.SearchSpace(tmp_path / "run" / "space.textproto")
    named = latgrad.SearchSpace(latgrad.space_file("fbnet")).scaled(0.25, 0.1, 32, 8)
    assert space.text() == named.text()

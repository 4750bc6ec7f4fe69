"""Run folders of searches, as docs/run-format.md says, whichever program wrote them."""

import json

import torch


def read_json(path):
    return json.loads(path.read_text())


def read_log(folder):
    """The lines without what the clock says."""
    entries = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in entries]


def assert_same_bits(folder, other, read_checkpoint):
    """read_checkpoint: the tensors of a folder's checkpoint by name, whose form is each program's own."""
    assert read_log(folder) == read_log(other)
    ours, theirs = read_checkpoint(folder), read_checkpoint(other)
    assert ours.keys() == theirs.keys() and len(ours) > 50
    for name, tensor in ours.items():
        assert torch.equal(tensor, theirs[name]), name


def all_architectures():
    """Those of the space tiny, int64 [18, 4]."""
    return torch.cartesian_prod(torch.arange(2), torch.arange(3), torch.arange(1), torch.arange(3))


def assert_prefers_fast_candidates(entry, model):
    """After one step by a loss that is nearly all latency: in every layer up for the fastest, down for the slowest."""
    for layer, theta in enumerate(entry["theta"]):
        times = [us for us, offered in zip(model.table_us()[layer].tolist(), model.valid()[layer].tolist()) if offered]
        if len(times) > 1:
            assert theta[times.index(min(times))] > 0 > theta[times.index(max(times))]

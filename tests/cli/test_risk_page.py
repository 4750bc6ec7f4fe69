"""The example of docs/risk.md: what the command prints, and what it is compared with."""

import pathlib
import re
import shlex

import pytest
from conftest import run, run_json

PAGE = (pathlib.Path(__file__).resolve().parents[2] / "docs" / "risk.md").read_text()

# What the page says of the time of one operator: its possible values, equally likely ones.
DISTRIBUTIONS = {"steady": [80 + 0.1 * i for i in range(401)], "hiccups": [100.0] * 19 + [300.0]}
NUM_OPERATORS = 3


def block_after(text):
    return re.search(r"^```\w*\n(.*?)^```$", PAGE[PAGE.index(text):], re.MULTILINE | re.DOTALL)[1]


@pytest.fixture
def example(tmp_path):
    for name in ("times.json", "three.pbtxt"):
        (tmp_path / name).write_text(block_after(f"\n`{name}`:\n"))
    return tmp_path


def rows():
    table = re.findall(r"^\| `(steady|hiccups)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert [device for device, _ in table] == list(DISTRIBUTIONS)
    return [(device, [float(cell) for cell in cells.split(" | ")]) for device, cells in table]


def percentile_of_sum(times, level):
    """Of NUM_OPERATORS independent times, by adding up every combination."""
    shares = {0.0: 1.0}
    for _ in range(NUM_OPERATORS):
        longer = {}
        for total, share in shares.items():
            for time in times:
                key = round(total + time, 1)
                longer[key] = longer.get(key, 0) + share / len(times)
        shares = longer
    reached = 0
    for total in sorted(shares):
        reached += shares[total]
        if reached >= level:
            return total


@pytest.mark.parametrize("device, cells", rows())
def test_numbers_of_the_example(example, device, cells):
    *sums, together, independent = cells
    for statistic, total_us in zip(("p50", "mean", "p90"), sums):
        args = ("net", "three.pbtxt", "--input", "data=1,8", "--lut", "times.json", "--device", device, "--json")
        assert run_json(*args, "--statistic", statistic, cwd=example)["total_us"] == pytest.approx(total_us)
    times = sorted(DISTRIBUTIONS[device])
    assert together == pytest.approx(NUM_OPERATORS * times[int(0.9 * (len(times) - 1))])
    assert independent == pytest.approx(percentile_of_sum(times, 0.9), abs=0.1)
    assert sums[1] == pytest.approx(NUM_OPERATORS * sum(times) / len(times))


def test_command_of_the_example_runs_as_shown(example):
    program, *args = shlex.split(re.search(r"^latgrad net three.*$", PAGE, re.MULTILINE)[0])
    result = run(*args, cwd=example)
    assert (program, result.returncode) == ("latgrad", 0)
    assert dict(rows())["steady"][2] == float(re.search(r"^total .*\((.*) us\)$", result.stdout, re.MULTILINE)[1])

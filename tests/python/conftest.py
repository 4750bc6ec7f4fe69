"""What the tests of the Python package share. ctest runs them with the interpreter that the plugin was built for."""

import json
import os
import pathlib
import subprocess

import pytest
import torch

import latgrad

SPACES = pathlib.Path(__file__).resolve().parents[2] / "data" / "spaces"


@pytest.fixture(autouse=True)
def fixed_seed():
    torch.manual_seed(0)


@pytest.fixture(scope="session")
def fbnet_space():
    return SPACES / "fbnet.textproto"


@pytest.fixture(scope="session")
def tiny_space():
    """Four layers of 2, 3, 1 and 4 candidates; the last candidate of the last layer is not offered."""
    return SPACES / "tiny.textproto"


@pytest.fixture(scope="session")
def eight_classes(tmp_path_factory):
    """The space tiny with as many classes as the generated images of the supernet examples have."""
    path = tmp_path_factory.mktemp("spaces") / "tiny8.textproto"
    path.write_text(latgrad.SearchSpace(latgrad.space_file("tiny")).scaled(classes=8).text())
    return path


@pytest.fixture(scope="session")
def make_table(tmp_path_factory):
    """make_table(space, precision) -> path of a LUT with a made-up time for everything that the space needs."""
    program = os.environ.get("LATGRAD_MAKE_TABLE")
    if not program:
        pytest.skip("LATGRAD_MAKE_TABLE does not name the program latgrad_make_table of the build folder")
    folder = tmp_path_factory.mktemp("tables")

    def make(space, precision="int8"):
        path = folder / f"{space.stem}-{precision}-op_lut_database.json"
        if not path.exists():
            subprocess.run([program, str(space), precision, str(path)], check=True)
        return path

    return make


@pytest.fixture
def write_records(tmp_path):
    """write_records(records) -> path of a LUT of these dictionaries."""

    def write(records, name="written-op_lut_database.json"):
        path = tmp_path / name
        path.write_text("".join(json.dumps(record) + "\n" for record in records))
        return path

    return write


def read_records(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def with_time(record, time_us, **changes):
    times = {f"runtime_us_p{percentile}": time_us for percentile in (0, 10, 50, 90, 100)}
    return {**record, **times, **changes}

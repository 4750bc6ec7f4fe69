"""Finding and loading the plugin: `import latgrad`."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
import torch

from latgrad import _plugin

PACKAGE = pathlib.Path(_plugin.__file__).resolve().parent


def import_latgrad(path, **environment):
    """Imports the package that lies in `path`, in a process of its own; returns what it said."""
    clean = {key: value for key, value in os.environ.items() if key not in ("LATGRAD_PLUGIN", "PYTHONPATH")}
    return subprocess.run(
        [sys.executable, "-c", "import latgrad; print(latgrad.expected_latency.__name__)"],
        env={**clean, "PYTHONPATH": str(path), **environment}, capture_output=True, text=True,
    )


@pytest.fixture
def lone_package(tmp_path):
    """A copy of the package with no build folder around."""
    folder = tmp_path / "site" / "latgrad"
    folder.mkdir(parents=True)
    for file in PACKAGE.glob("*.py"):
        (folder / file.name).write_bytes(file.read_bytes())
    return folder


def write_library(path, version):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"\x7fELF...latgrad-plugin-built-for-torch:" + version.encode() + b"\0...")


def test_the_loaded_plugin_says_which_torch_it_was_built_for():
    version = _plugin.built_for(_plugin.find_plugin())
    assert re.fullmatch(r"\d+\.\d+\.\d+", version)
    assert version.split(".")[:2] == torch.__version__.split(".")[:2]


def test_another_file_was_built_for_no_torch(tmp_path):
    for content in (b"", b"some other library"):
        (tmp_path / "other.so").write_bytes(content)
        assert _plugin.built_for(tmp_path / "other.so") is None


def test_finds_the_plugin_beside_the_package(lone_package):
    (lone_package / _plugin.LIBRARY_NAME).symlink_to(_plugin.find_plugin().resolve())
    done = import_latgrad(lone_package.parent)
    assert done.stdout == "expected_latency\n", done.stderr


def test_finds_the_build_for_this_torch_in_a_checkout(lone_package, tmp_path):
    (tmp_path / "CMakePresets.json").write_text("{}")
    write_library(tmp_path / "build" / "release" / "lib" / _plugin.LIBRARY_NAME, "0.1.0")
    right = tmp_path / "build" / "theirs" / "lib" / _plugin.LIBRARY_NAME
    right.parent.mkdir(parents=True)
    right.symlink_to(_plugin.find_plugin().resolve())
    done = import_latgrad(lone_package.parent)
    assert done.stdout == "expected_latency\n", done.stderr


def test_says_that_there_is_no_plugin(lone_package):
    error = import_latgrad(lone_package.parent).stderr
    assert "ImportError: the latgrad plugin liblatgrad_plugin.so was found neither next to this package" in error


def test_says_that_the_named_plugin_is_no_file(lone_package):
    error = import_latgrad(lone_package.parent, LATGRAD_PLUGIN="/none.so").stderr
    assert "ImportError: LATGRAD_PLUGIN must name the file liblatgrad_plugin.so, got '/none.so'" in error


def test_says_that_the_plugin_was_built_for_another_torch(lone_package):
    library = lone_package / _plugin.LIBRARY_NAME
    write_library(library, "0.4.1")
    error = import_latgrad(lone_package.parent).stderr
    assert (
        f"ImportError: the latgrad plugin must be built for the torch that imports it, {torch.__version__}, "
        f"got {library} (built for torch 0.4.1)"
    ) in error


def test_says_that_a_file_is_no_plugin(lone_package):
    library = lone_package / "other.so"
    library.write_bytes(b"nothing of the kind")
    error = import_latgrad(lone_package.parent, LATGRAD_PLUGIN=str(library)).stderr
    assert f"got {library} (not a latgrad plugin)" in error


def test_says_that_a_library_cannot_be_loaded(lone_package):
    write_library(lone_package / _plugin.LIBRARY_NAME, torch.__version__.split("+")[0].replace("a0", ""))
    error = import_latgrad(lone_package.parent).stderr
    assert f"ImportError: the latgrad plugin {lone_package / _plugin.LIBRARY_NAME} cannot be loaded:" in error


def test_a_second_copy_of_the_plugin_is_not_loaded(tmp_path):
    # Loading one would register its operators and messages again, which aborts the process.
    copy = tmp_path / _plugin.LIBRARY_NAME
    copy.write_bytes(pathlib.Path(_plugin.find_plugin()).read_bytes())
    script = f"import torch; torch.ops.load_library({str(copy)!r}); import latgrad; print(latgrad.expected_latency.__name__)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "expected_latency\n", done.stderr

"""`pip install` as the README shows it, into a fresh environment that shares nothing with this one but its torch."""

import os
import pathlib
import re
import subprocess
import sys

import pytest
from test_readme import BUILD, ROOT, code_blocks

from latgrad import _plugin

LUT = next(iter((ROOT / "data" / "luts").glob("*.zip")))
# Nothing of the checkout's build may help: the environment of a stranger's shell.
CLEAN = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "LATGRAD", "VIRTUAL_ENV"))}


def run(*command, cwd=None):
    return subprocess.run([str(part) for part in command], cwd=cwd, env=CLEAN, capture_output=True, text=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory):
    """A virtual environment that sees the packages of this interpreter and into which latgrad has been installed."""
    folder = tmp_path_factory.mktemp("pip") / "environment"
    made = run(sys.executable, "-m", "venv", "--without-pip", folder)
    assert made.returncode == 0, made.stderr
    python = folder / "bin" / "python"
    (site,) = (folder / "lib").glob("python*/site-packages")
    # A second copy of torch would take a gigabyte and a minute.
    packages = [path for path in sys.path if path.endswith(("site-packages", "dist-packages"))]
    (site / "torch.pth").write_text("\n".join(packages) + "\n")
    if run(python, "-m", "pip", "--version").returncode != 0:
        pytest.skip(f"{sys.executable} has no pip")
    backend = run(python, "-m", "pip", "install", "--disable-pip-version-check", "scikit-build-core>=0.10")
    if backend.returncode != 0:
        pytest.skip(f"pip cannot install scikit-build-core: {backend.stderr.strip().splitlines()[-1]}")
    # A folder that stays makes the second run of this test short.
    settings = f"--config-settings=build-dir={BUILD}-pip"
    shown = re.search(r"^pip install --no-build-isolation \S+", (ROOT / "README.md").read_text(), re.MULTILINE).group()
    done = run(python, "-m", *shown.split(), settings, "--disable-pip-version-check", cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture
def package(environment):
    (folder,) = environment.glob("lib/python*/site-packages/latgrad")
    return folder


def test_readme_snippet_runs_in_the_fresh_environment(environment, package, tmp_path):
    shown = code_blocks("python")[0]
    snippet = f"lut = {str(LUT)!r}\n{shown}\nprint(theta.grad.shape, latgrad.__file__, latgrad.__version__)"
    done = run(environment / "bin" / "python", "-c", snippet, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    version = re.search(r"project\(latgrad VERSION ([\d.]+)", (ROOT / "CMakeLists.txt").read_text()).group(1)
    assert done.stdout == f"torch.Size([22, 9]) {package / '__init__.py'} {version}\n"
    metadata = run(environment / "bin" / "python", "-m", "pip", "show", "latgrad").stdout
    assert f"Version: {version}\n" in metadata


def test_package_holds_the_plugin_the_spaces_and_the_hints(package):
    assert _plugin.built_for(package / _plugin.LIBRARY_NAME) == _plugin.built_for(_plugin.find_plugin())
    assert (package / "py.typed").is_file() and (package / "classes.pyi").is_file()
    spaces = ROOT / "data" / "spaces"
    assert {path.name for path in (package / "spaces").iterdir()} == {path.name for path in spaces.glob("*.textproto")}


def test_engines_run_in_the_environment(environment, package, tmp_path):
    """In its own Python, from the installed folder; which engines it has is another matter."""
    what = ["--space", "tiny", "--random", "1", "--engine", "executorch", "--provider", "abacus"]
    done = run(environment / "bin" / "latgrad", "validate", *what, cwd=tmp_path)
    assert done.returncode == 1
    assert f"(runner `{environment / 'bin' / 'python3'} {package.parent / 'latgrad_runners'}`)" in done.stderr
    assert "is missing: pip install executorch onnx" in done.stderr or "backend XNNPACK" in done.stderr


def test_command_finds_the_installed_spaces(environment, package, tmp_path):
    # Under a name that no other folder with spaces has.
    renamed = (package / "spaces" / "fbnet.textproto").rename(package / "spaces" / "renamed.textproto")
    done = run(environment / "bin" / "latgrad", "arch", "renamed", "FBNet-C", "--lut", LUT, cwd=tmp_path)
    renamed.rename(package / "spaces" / "fbnet.textproto")
    assert done.returncode == 0, done.stderr
    assert re.search(r"^total ", done.stdout, re.MULTILINE)
    assert run(environment / "bin" / "latgrad", "profile", "--help").returncode == 0


def test_says_that_torch_was_changed_afterwards(environment, package):
    library = package / _plugin.LIBRARY_NAME
    built_for = _plugin.built_for(library)
    content = library.read_bytes()
    library.write_bytes(content.replace(b"for-torch:" + built_for.encode(), b"for-torch:0" + built_for[1:].encode()))
    try:
        error = run(environment / "bin" / "python", "-c", "import latgrad").stderr
    finally:
        library.write_bytes(content)
    assert f"got {library} (built for torch 0{built_for[1:]}): install latgrad again for this torch" in error

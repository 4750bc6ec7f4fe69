"""Finds liblatgrad_plugin.so, checks that it was built for the torch at hand, and loads it."""

import mmap
import os
import pathlib
import re

import torch

LIBRARY_NAME = "liblatgrad_plugin.so"

# The plugin says in its read-only data which torch it was built for, so that this can be known without loading
# it: a library for another torch fails with an undefined symbol or, worse, loads.
_BUILT_FOR = re.compile(rb"latgrad-plugin-built-for-torch:(\d+\.\d+\.\d+)")


def built_for(library):
    """The torch version that a plugin library was built for, as text; None for another file."""
    with open(library, "rb") as file:
        if os.fstat(file.fileno()).st_size == 0:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            found = _BUILT_FOR.search(content)
            return found.group(1).decode() if found else None


def _series(version):
    """What decides on binary compatibility: `2.13` of `2.13.0+cpu`."""
    return version.split(".")[:2]


def _candidates():
    """Where plugins may lie: beside this package or, where pip put none there, in what it was installed or checked out with."""
    package = pathlib.Path(__file__).resolve().parent
    if (package / LIBRARY_NAME).exists():
        yield package / LIBRARY_NAME
        return
    for parent in package.parents:
        yield parent / LIBRARY_NAME
        yield parent / "lib" / LIBRARY_NAME
        if (parent / "CMakePresets.json").is_file():
            builds = parent / "build"
            yield builds / "release" / "lib" / LIBRARY_NAME
            yield from sorted(builds.glob(f"*/lib/{LIBRARY_NAME}"))
            return


def find_plugin():
    """The path of the plugin for the torch at hand.

    The environment variable LATGRAD_PLUGIN names it; without it the plugin in the package's folder is taken and, where
    there is none, the folders above it and the build folders of a checkout are searched for one that was built for this
    torch.

    Raises ImportError in words where there is none, or only one for another torch.
    """
    named = os.environ.get("LATGRAD_PLUGIN")
    if named and not os.path.isfile(named):
        raise ImportError(f"LATGRAD_PLUGIN must name the file {LIBRARY_NAME}, got {named!r}, which is no file")
    found = [pathlib.Path(named)] if named else [path for path in _candidates() if path.is_file()]
    others = []
    for path in found:
        version = built_for(path)
        if version is not None and _series(version) == _series(torch.__version__):
            return path
        others.append(f"{path} (built for torch {version})" if version else f"{path} (no latgrad plugin)")
    if others:
        if found[0].parent == pathlib.Path(__file__).resolve().parent:
            advice = (
                "install latgrad again for this torch, from its sources: "
                "pip install --no-build-isolation --force-reinstall ."
            )
        else:
            advice = (
                "build it with -DLATGRAD_PYTHON set to this interpreter, or run the interpreter that it was built for"
            )
        raise ImportError(
            f"the latgrad plugin must be built for the torch that imports it, {torch.__version__}, got "
            f"{', '.join(dict.fromkeys(others))}: {advice}"
        )
    raise ImportError(
        f"the latgrad plugin {LIBRARY_NAME} was found neither beside this package nor in a build folder of its "
        "checkout: build it, or name it in the environment variable LATGRAD_PLUGIN"
    )


def load_plugin():
    """Loads the plugin into this process; does nothing where some copy of it has been loaded."""
    # A second copy would register the operators and the protobuf messages twice, which aborts the process.
    if torch._C._jit_get_schemas_for_operator("latgrad::expected_latency"):
        return
    path = find_plugin()
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        raise ImportError(f"the latgrad plugin {path} cannot be loaded: {error}") from error

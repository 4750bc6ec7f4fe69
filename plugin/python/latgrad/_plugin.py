"""Finds liblatgrad_plugin.so, checks that it was built for the installed torch, and loads it."""

import mmap
import os
import pathlib
import re

import torch

LIBRARY_NAME = "liblatgrad_plugin.so"

# The plugin's read-only data says which torch it was built for, so this is known without loading it: a library for
# another torch fails with an undefined symbol or, worse, loads.
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
    """The part of a version that decides binary compatibility: `2.13` of `2.13.0+cpu`."""
    return version.split(".")[:2]


def _candidates():
    """The possible paths of a plugin: next to this package, else in its installation or checkout."""
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
    """The path of the plugin for the installed torch.

    The environment variable LATGRAD_PLUGIN names it. Otherwise it is the plugin in the package's folder or, if there is
    none, one that was built for this torch in the folders above or in the build folders of a checkout.

    Raises ImportError if there is no plugin, or none for this torch; the message says what to do.
    """
    named = os.environ.get("LATGRAD_PLUGIN")
    if named and not os.path.isfile(named):
        raise ImportError(f"LATGRAD_PLUGIN must name the file {LIBRARY_NAME}, got {named!r}, which is not a file")
    found = [pathlib.Path(named)] if named else [path for path in _candidates() if path.is_file()]
    others = []
    for path in found:
        version = built_for(path)
        if version is not None and _series(version) == _series(torch.__version__):
            return path
        others.append(f"{path} (built for torch {version})" if version else f"{path} (not a latgrad plugin)")
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
        f"the latgrad plugin {LIBRARY_NAME} was found neither next to this package nor in a build folder of its "
        "checkout: build it, or name it in the environment variable LATGRAD_PLUGIN"
    )


def load_plugin():
    """Loads the plugin into this process; does nothing if a copy of it is already loaded."""
    # A second copy would register the operators and the protobuf messages twice, which aborts the process.
    if torch._C._jit_get_schemas_for_operator("latgrad::expected_latency"):
        return
    path = find_plugin()
    try:
        torch.ops.load_library(str(path))
    except OSError as error:
        raise ImportError(f"the latgrad plugin {path} cannot be loaded: {error}") from error

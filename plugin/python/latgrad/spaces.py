"""The search spaces that come with latgrad."""

import pathlib
from typing import List

import torch

_SUFFIX = ".textproto"


def _folder() -> pathlib.Path:
    package = pathlib.Path(__file__).resolve().parent
    # The layouts of pip, of `cmake --install` and of a checkout.
    places = [package / "spaces", package.parents[1] / "spaces", package.parents[2] / "data" / "spaces"]
    return next((place for place in places if place.is_dir()), places[0])


def space_names() -> List[str]:
    """The names of the spaces that come with latgrad, sorted: ``fbnet``, ``fbnet_cifar``, ..."""
    return sorted(path.stem for path in _folder().glob(f"*{_SUFFIX}"))


def space_file(name: str) -> pathlib.Path:
    """The file of a space, for :func:`LatencyModel`: ``space_file("fbnet")``.

    Found as the command ``latgrad`` finds it: ``name`` is a file or a path, or the name of a space in the folders of
    ``$LATGRAD_SPACES`` (separated by colons) or among those that come with latgrad.

    Raises ValueError for anything else, listing the spaces there are.
    """
    return pathlib.Path(torch.ops.latgrad.find_space(str(name), [str(_folder())]))

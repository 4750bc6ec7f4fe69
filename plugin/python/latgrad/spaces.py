"""The search spaces that come with latgrad."""

import pathlib
from typing import List

import torch

from latgrad.data_folders import data_folder

_SUFFIX = ".textproto"


def space_names() -> List[str]:
    """The names of the spaces that come with latgrad, sorted: ``fbnet``, ``fbnet_cifar``, ..."""
    return sorted(path.stem for path in data_folder("spaces").glob(f"*{_SUFFIX}"))


def space_file(name: str) -> pathlib.Path:
    """The file of a space, for :func:`LatencyModel`: ``space_file("fbnet")``.

    Found as the command ``latgrad`` finds it: ``name`` is a file or a path, or the name of a space in the folders of
    ``$LATGRAD_SPACES`` (separated by colons) or among those that come with latgrad.

    Raises ValueError for anything else, listing the spaces there are.
    """
    return pathlib.Path(torch.ops.latgrad.find_space(str(name), [str(data_folder("spaces"))]))

"""The search spaces that come with latgrad."""

import pathlib
from typing import List

_SUFFIX = ".textproto"


def _folder() -> pathlib.Path:
    package = pathlib.Path(__file__).resolve().parent
    # As pip lays it, as `cmake --install` does, and in a checkout.
    places = [package / "spaces", package.parents[1] / "spaces", package.parents[2] / "data" / "spaces"]
    return next((place for place in places if place.is_dir()), places[0])


def space_names() -> List[str]:
    """The names of the spaces that come with latgrad, sorted: ``fbnet``, ``fbnet_cifar``, ..."""
    return sorted(path.stem for path in _folder().glob(f"*{_SUFFIX}"))


def space_file(name: str) -> pathlib.Path:
    """The file of a space that comes with latgrad, for :func:`LatencyModel`: ``space_file("fbnet")``.

    Raises ValueError for another name, listing them.
    """
    if name not in space_names():
        raise ValueError(f"name must be that of a space, {', '.join(space_names())}, got {name!r}")
    return _folder() / f"{name}{_SUFFIX}"

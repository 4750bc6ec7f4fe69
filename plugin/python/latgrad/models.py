"""Latency models of real devices that come with latgrad."""

import pathlib
from typing import List

from latgrad.data_folders import data_folder

_SUFFIX = ".json"


def model_names(space: str = "fbnet_cifar") -> List[str]:
    """The devices with a model of this space, sorted: ``pixel3``, ``raspi4``, ... data/models/SOURCES.md says from what."""
    return sorted(path.stem for path in (data_folder("models") / space).glob(f"*{_SUFFIX}"))


def model_file(device: str, space: str = "fbnet_cifar") -> pathlib.Path:
    """The file of a device's model, for :func:`load_model`: ``load_model(model_file("pixel3"))``.

    Raises ValueError for another device, listing those there are.
    """
    if device not in model_names(space):
        raise ValueError(f"a device must be one of {', '.join(model_names(space)) or 'none'} for {space}, got {device!r}")
    return data_folder("models") / space / f"{device}{_SUFFIX}"

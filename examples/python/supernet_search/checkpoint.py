"""From where a training that was stopped goes on: tensors, whole numbers and texts by name, nothing that runs code.

No floating-point number by itself, which torch 1.13 does not read again without trusting the file; a tensor holds it.
"""

import os
import pathlib
import pickle
from typing import Any, Dict

import torch


def save(path: pathlib.Path, state: Dict[str, Any]) -> None:
    """Replaces the file in one step, when all of it is on the disk."""
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(temporary, path)


def load(path: pathlib.Path) -> Dict[str, Any]:
    """Raises ValueError for a file that is damaged, or holds anything else."""
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, EOFError, KeyError, pickle.UnpicklingError) as error:
        raise ValueError(f"{path} must be a checkpoint, and whole: {error}. Delete it to begin anew") from error


def optimizer_state(optimizer: torch.optim.Optimizer) -> Dict[int, Any]:
    """What the optimizer has gathered. Its rates and the like are settings of the run."""
    return optimizer.state_dict()["state"]


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Dict[int, Any]) -> None:
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})

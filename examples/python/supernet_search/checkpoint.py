"""From where a training that was stopped goes on: tensors, whole numbers and texts by name, nothing that runs code.

No floating-point number by itself, which torch 1.13 does not read again without trusting the file; a tensor holds it.
"""

import os
import pathlib
from typing import Any, Dict

import torch


def save(path: pathlib.Path, state: Dict[str, Any]) -> None:
    """Replaces the file in one step."""
    temporary = path.with_name(path.name + ".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def load(path: pathlib.Path) -> Dict[str, Any]:
    return torch.load(path, map_location="cpu", weights_only=True)


def optimizer_state(optimizer: torch.optim.Optimizer) -> Dict[int, Any]:
    """What the optimizer has gathered. Its rates and the like are settings of the run."""
    return optimizer.state_dict()["state"]


def restore_optimizer(optimizer: torch.optim.Optimizer, state: Dict[int, Any]) -> None:
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def numbers(values: Dict[str, float]) -> Dict[str, torch.Tensor]:
    return {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}


def read_numbers(tensors: Dict[str, torch.Tensor]) -> Dict[str, float]:
    return {name: tensor.item() for name, tensor in tensors.items()}

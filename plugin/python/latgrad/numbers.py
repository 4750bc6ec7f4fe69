"""Numbers that a schedule changes: temperatures, targets, weights.

Each is a float or a 0-dim tensor. While torch.compile traces, a float becomes a tensor, because a float in an operator's
argument would be part of the graph, and every new value a new graph.
"""

from typing import Any, Tuple, Union

import torch
from torch import Tensor

Number = Union[float, Tensor]


def _never() -> bool:
    return False


# In torch 2.0 and 2.1 it is elsewhere, and before there is nothing to ask.
_is_compiling = getattr(getattr(torch, "compiler", None), "is_compiling", None) or getattr(
    getattr(torch, "_dynamo", None), "is_compiling", _never
)


def is_traced(*numbers: Number) -> bool:
    """Whether an operator must take these numbers as tensors."""
    for number in numbers:
        if isinstance(number, Tensor):
            return True
    return _is_compiling()


def is_float(number: Number) -> bool:
    """In TorchScript, which cannot take a refined union out of a condition; with :func:`as_float`."""
    return isinstance(number, float)


def as_float(number: Number) -> float:
    assert isinstance(number, float)
    return number


def as_tensor(number: Number) -> Tensor:
    """The number as a 0-dim tensor, float64 where it was a float."""
    if isinstance(number, Tensor):
        return number
    # A sum, which torch.compile takes as arithmetic on tensors; a constant would be part of the graph.
    return torch.zeros([], dtype=torch.float64) + number


def call(operator: Any, tensors: Tuple[Tensor, ...], *numbers: Number) -> Tensor:
    """An operator of tensors and then numbers, by that of its overloads which takes them."""
    if is_traced(*numbers):
        return operator.Tensor(*tensors, *[as_tensor(number) for number in numbers])
    return operator.default(*tensors, *numbers)

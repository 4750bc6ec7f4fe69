"""How torch.export and torch.compile see the classes: as fake objects that tell the shapes of tensors.

In the traced program the real object stands as a constant, and its methods are called when the program runs. Only tensors
can come from there. Needs torch 2.4; before, torch.export takes no module that holds such an object.
"""

from typing import Any, Callable, Dict, Tuple

import torch
from torch import Tensor


def _refuse(name: str, method: str) -> Callable[..., Any]:
    def call(fake: Any, *arguments: Any, **named: Any) -> Any:
        # Where torch.compile may leave the graph, this exception makes it do so.
        from torch._subclasses.fake_tensor import DataDependentOutputException

        raise DataDependentOutputException(
            f"{name}.{method}() does not give a tensor, and nothing else comes from an object while torch.export or "
            "torch.compile traces: call it before, in __init__ for example, and keep what it gives"
        )

    return call


class _Fake:
    """contents: what the real object's ``__obj_flatten__`` gives, its tensors without values."""

    def __init__(self, contents: Dict[str, Any]) -> None:
        self.contents = contents

    def __deepcopy__(self, memo: Any) -> "_Fake":
        return self  # as immutable as the real object


class _FakeSearchSpace(_Fake):
    def valid(self) -> Tensor:
        return torch.empty_like(self.contents["valid"])

    def parse_architecture(self, text: str) -> Tensor:
        return torch.empty(self.contents["valid"].shape[:1], dtype=torch.int64)


class _FakeLatencyModel(_Fake):
    def _table_us(self) -> Tensor:
        """``[..., L, C]``; of a chain one of the predecessors stands for all."""
        return self.contents["table_us"] if "table_us" in self.contents else self.contents["chain_table_us"][:, 0]

    def table_us(self, statistic: str = "p50") -> Tensor:
        if "table_us" not in self.contents:
            raise ValueError("the model of a chain has a time for each pair of neighbours: chain_table_us()")
        return torch.empty_like(self.contents["table_us"])

    def chain_table_us(self, statistic: str = "p50") -> Tensor:
        layers, candidates = self._table_us().shape[-2:]
        return torch.empty(layers, candidates, candidates, dtype=torch.float64)

    def chain_valid(self) -> Tensor:
        return self.chain_table_us().bool()

    def spread_us(self) -> Tensor:
        return self.table_us()

    def fixed_by_device_us(self, statistic: str = "p50") -> Tensor:
        table_us = self._table_us()
        return table_us.new_empty(table_us.shape[:-2] or (1,))

    def covariance_us2(self) -> Tensor:
        blocks = self.table_us().numel() + 1
        return torch.empty(blocks, blocks, dtype=torch.float64)

    def valid(self) -> Tensor:
        return torch.empty(self._table_us().shape[-2:], dtype=torch.bool)

    def encode(self, names: Any) -> Tensor:
        return torch.empty(self._table_us().shape[-2:-1], dtype=torch.int64)

    def estimate(self, arch: Tensor, statistic: str = "p50") -> Tensor:
        return torch.empty(arch.shape[:-1] + self._table_us().shape[:-2], dtype=torch.float64)

    def search(self, theta: Tensor, budget_us: float, k: int = 1, statistic: str = "p50") -> Tuple[Tensor, Tensor, Tensor]:
        numbers = torch.empty(k, dtype=torch.float64)
        return torch.empty(k, self.table_us().shape[-2], dtype=torch.int64), numbers, numbers.clone()

    def peak_memory(self, arch: Tensor) -> Tensor:
        return torch.empty(arch.shape[:-1], dtype=torch.int64)


class _FakeLatencyTable(_Fake):
    pass


# The methods that give no tensor.
_OTHERS = {
    _FakeSearchSpace: "name text input_shape classes layers candidates scaled stem block head classifier format_architecture",
    _FakeLatencyModel: "text save fixed_us noise layers layer_names candidates space precision device devices decode netdef init_netdef input_dims",
    _FakeLatencyTable: "size devices find estimate_net",
}


def register_fake_classes() -> None:
    """Does nothing where torch knows no fake classes."""
    register = getattr(getattr(torch, "_library", None), "register_fake_class", None)
    if register is None:
        return
    for fake, others in _OTHERS.items():
        name = fake.__name__[len("_Fake") :]
        members: Dict[str, Any] = {method: _refuse(name, method) for method in others.split()}
        # torch looks for it in the class itself, not in what it is derived from.
        members["__obj_unflatten__"] = classmethod(lambda cls, contents: cls(dict(contents)))
        register(f"latgrad::{name}", type(fake.__name__, (fake,), members))

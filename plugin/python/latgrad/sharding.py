"""How the operators are sharded over a DTensor's mesh: FSDP2's parameters, tensor parallelism.

The batch is sharded freely. Layers are sharded with the table, and the latency is then a sum over the mesh; so are candidates,
but not under a softmax. In a chain neither is: neighbours need each other. The devices of a fleet stay where their tables are. A seed stands for the noise of the whole sample,
so that a sample from the CPU's generator is replicated, and the ranks must have the same seed.

Registered once ``torch.distributed.tensor`` is imported, which latgrad itself does not.
"""

import importlib.abc
import importlib.util
import sys
import warnings
from typing import Any, Callable, List, Optional, Tuple

import torch

_MODULE = "torch.distributed.tensor"
# The placements of the outputs, and those of the arguments.
_Way = Tuple[List[Any], List[Any]]


def _register(ops: Any) -> None:
    from torch.distributed.tensor import DTensor, Partial, Replicate, Shard
    from torch.distributed.tensor.experimental import register_sharding

    def cut(dims: int, from_end: int) -> Any:
        return Shard(dims - from_end)

    def optional(argument: Any, placement: Any) -> Any:
        return None if argument is None else placement

    def fills(spec: Any, dim: int) -> bool:
        """Whether every part of a mesh gets some of a dimension: a table without layers has no latency."""
        size = spec.shape[dim]
        parts = [*spec.mesh.shape, spec.mesh.size()]
        return all(size > 0 and -(-size // -(-size // part)) == part for part in parts)

    def ways_of_rows(rows: Any, table: Any, over_candidates: bool) -> List[Tuple[Any, Any, Any, Any]]:
        """The placements of latency, rows [..., L, C], table and mask."""
        latency_dims = rows.ndim - 2 + (table.ndim - 2)
        ways = [(Replicate(), Replicate(), Replicate(), Replicate())]
        ways += [(Shard(dim), Shard(dim), Replicate(), Replicate()) for dim in range(rows.ndim - 2)]
        if fills(table, table.ndim - 2):
            ways.append((Partial(), cut(rows.ndim, 2), cut(table.ndim, 2), Shard(0)))
        if over_candidates and fills(table, table.ndim - 1):
            ways.append((Partial(), cut(rows.ndim, 1), cut(table.ndim, 1), Shard(1)))
        if table.ndim == 3 and fills(table, 0):
            ways.append((cut(latency_dims, 1), Replicate(), Shard(0), Replicate()))
        return ways

    def gradients(latency: Any, rows: Any, table: Any) -> Tuple[Any, List[Any]]:
        """The gradient that arrives, and those that leave, where these are the placements of the operator itself."""
        upstream = Replicate() if isinstance(latency, Partial) else latency
        to_rows = Partial() if isinstance(rows, Replicate) and isinstance(table, Shard) else rows
        to_table = Partial() if isinstance(rows, Shard) and isinstance(table, Replicate) else table
        return upstream, [to_rows, to_table]

    @register_sharding(ops.expected_latency.default)
    def expected_latency(probs: Any, table: Any) -> List[_Way]:
        return [([latency], [rows, us]) for latency, rows, us, _ in ways_of_rows(probs, table, True)]

    @register_sharding(ops.expected_latency_backward.default)
    def expected_latency_backward(grad: Any, probs: Any, table: Any, mask: Any) -> List[_Way]:
        ways = []
        for latency, rows, us, _ in ways_of_rows(probs, table, True):
            upstream, leaving = gradients(latency, rows, us)
            ways.append((leaving, [upstream, rows, us, None]))
        return ways

    def ways_of_chains(probs: Any, table: Any) -> List[Tuple[Any, Any, Any]]:
        """As ways_of_rows, without a mask. Neighbours need each other's candidates: layers stay together."""
        latency_dims = probs.ndim - 2 + (table.ndim - 3)
        ways = [(Replicate(), Replicate(), Replicate())]
        ways += [(Shard(dim), Shard(dim), Replicate()) for dim in range(probs.ndim - 2)]
        if table.ndim == 4 and fills(table, 0):
            ways.append((cut(latency_dims, 1), Replicate(), Shard(0)))
        return ways

    @register_sharding(ops.chain_latency.default)
    def chain_latency(probs: Any, table: Any) -> List[_Way]:
        return [([latency], [rows, us]) for latency, rows, us in ways_of_chains(probs, table)]

    @register_sharding(ops.chain_latency_backward.default)
    def chain_latency_backward(grad: Any, probs: Any, table: Any, mask: Any) -> List[_Way]:
        ways = []
        for latency, rows, us in ways_of_chains(probs, table):
            upstream, leaving = gradients(latency, rows, us)
            ways.append((leaving, [upstream, rows, us, None]))
        return ways

    @register_sharding(ops.softmax_latency.default)
    def softmax_latency(logits: Any, table: Any, valid: Any = None) -> List[_Way]:
        return [
            ([latency], [rows, us, optional(valid, mask)])
            for latency, rows, us, mask in ways_of_rows(logits, table, False)
        ]

    @register_sharding(ops.softmax_latency_backward.default)
    def softmax_latency_backward(grad: Any, logits: Any, table: Any, valid: Any, output_mask: Any) -> List[_Way]:
        ways = []
        for latency, rows, us, mask in ways_of_rows(logits, table, False):
            upstream, leaving = gradients(latency, rows, us)
            ways.append((leaving, [upstream, rows, us, optional(valid, mask), None]))
        return ways

    @register_sharding(ops.gumbel_latency_sample.Tensor)
    def gumbel_latency_sample(
        logits: Any, table: Any, noise: Any, temperature: Any, valid: Any, hard: Any
    ) -> List[_Way]:
        ways = ways_of_rows(logits, table, False)
        if noise.ndim == 0:
            ways = ways[:1]
        return [
            ([rows, latency], [rows, us, rows, Replicate(), optional(valid, mask), None])
            for latency, rows, us, mask in ways
        ]

    @register_sharding(ops.gumbel_latency_backward.default)
    def gumbel_latency_backward(
        to_weights: Any, to_latency: Any, soft: Any, weights: Any, table: Any, temperature: Any, valid: Any, mask: Any
    ) -> List[_Way]:
        ways = []
        for latency, rows, us, offered in ways_of_rows(soft, table, False):
            upstream, leaving = gradients(latency, rows, us)
            given = [optional(to_weights, rows), optional(to_latency, upstream)]
            # Where devices are cut, what arrives for the weights would count on each of them.
            if isinstance(leaving[0], Partial):
                continue
            ways.append((leaving, [*given, rows, rows, us, Replicate(), optional(valid, offered), None]))
        return ways

    @register_sharding(ops.arch_latency.default)
    def arch_latency(arch: Any, table: Any) -> List[_Way]:
        dims = arch.ndim - 1
        ways: List[_Way] = [([Replicate()], [Replicate(), Replicate()])]
        ways += [([Shard(dim)], [Shard(dim), Replicate()]) for dim in range(dims)]
        if fills(table, table.ndim - 2):
            ways.append(([Partial()], [Shard(dims), cut(table.ndim, 2)]))
        if table.ndim == 3 and fills(table, 0):
            ways.append(([Shard(dims)], [Replicate(), Shard(0)]))
        return ways

    @register_sharding(ops.chain_arch_latency.default)
    def chain_arch_latency(arch: Any, table: Any) -> List[_Way]:
        dims = arch.ndim - 1
        ways: List[_Way] = [([Replicate()], [Replicate(), Replicate()])]
        ways += [([Shard(dim)], [Shard(dim), Replicate()]) for dim in range(dims)]
        if table.ndim == 4 and fills(table, 0):
            ways.append(([Shard(dims)], [Replicate(), Shard(0)]))
        return ways

    @register_sharding(ops.log_latency.default)
    def log_latency(latency: Any) -> List[_Way]:
        return [([way], [way]) for way in (Replicate(), *(Shard(dim) for dim in range(latency.ndim)))]

    # Which gradients are asked for is part of what torch remembers a decision by; it counts integers only.
    propagator = DTensor._op_dispatcher.sharding_propagator
    for backward in (
        ops.expected_latency_backward.default,
        ops.chain_latency_backward.default,
        ops.softmax_latency_backward.default,
        ops.gumbel_latency_backward.default,
    ):
        info = propagator.op_to_schema_info.get(backward)
        if info is not None:
            info.static_argnum = len(backward._schema.arguments) - 1


def _register_or_warn() -> None:
    """A torch whose interface has changed must not fail to import a module of its own because of latgrad."""
    try:
        _register(torch.ops.latgrad)
    except Exception as error:
        warnings.warn(f"latgrad's operators do not take DTensors with torch {torch.__version__}: {error}")


class _Finder(importlib.abc.MetaPathFinder):
    """Runs a function after the import of one module."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self.name = name
        self.then = then
        self.is_asking = False  # the other finders

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Optional[Any]:
        if name != self.name or self.is_asking:
            return None
        self.is_asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self.is_asking = False
        if spec is not None and spec.loader is not None:
            load = spec.loader.exec_module

            def load_and_register(module: Any) -> None:
                if self in sys.meta_path:
                    sys.meta_path.remove(self)
                load(module)
                self.then()

            spec.loader.exec_module = load_and_register  # type: ignore[method-assign]
        return spec


def register_shardings() -> None:
    """Does nothing where torch cannot register shardings: that came with 2.5."""
    distributed = getattr(torch, "distributed", None)
    if distributed is None or not distributed.is_available():
        return
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < (2, 5):
        return
    if _MODULE in sys.modules:
        _register_or_warn()
    else:
        sys.meta_path.insert(0, _Finder(_MODULE, _register_or_warn))

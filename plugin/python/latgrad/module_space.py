"""Search spaces of one's own modules: a supernet whose candidates no space file can say.

    space = latgrad.ModuleSpace(stem, [[conv3x3, attention, None], [conv3x3, attention, nn.Identity()]], head, images)
    model = space.latency_model("lut.json")                 # as one of a space file
    logits = space(images, weights)                         # weights [L, C]
    network = space.network(theta.argmax(-1))               # the chosen one, with the supernet's weights

L layers, C candidates of the widest layer; both are counted from 0.
"""

import copy
import operator
import random
from typing import Any, Dict, List, Optional, Sequence, Tuple, Union

import torch
from torch import Tensor, nn

from latgrad.classes import LatencyModel
from latgrad.mixed_layer import MixedLayer, mixed_in_turn
from latgrad.modules import Net, Operator, Price, _table, described_missing, evaluated, joined, traced


class ModuleSpace(nn.Module):
    """A supernet of the user's modules, and the search space that it spans.

    stem, head: what is before the layers and behind them; None for nothing.
    layers: for each layer a ``MixedLayer``, or a list of modules, with None where a candidate is not offered.
    example: a tensor as the network gets it, ``[N, ...]``: its shape, type and device count, its values do not.
    names: the candidates' names, one list for all layers or one for each; else they are called after their classes.
    paths: as in ``MixedLayer``, for layers that are given as lists.

    The candidates of a layer take the tensor that the layer before gives, and all give tensors of one shape. Each is traced
    with that shape, as :func:`read_module` does it: what it costs is known without its neighbours, and the price of an
    architecture is the sum of its parts.

    ``stem``, ``layers`` (of ``MixedLayer``) and ``head`` are its submodules; candidate ``k`` of layer ``l`` is
    ``layers.l.blocks.k``.

    Raises TypeError for what is no module, and ValueError naming the submodule: for one that cannot be traced or gives
    no single tensor, for candidates whose outputs differ, and for a layer that offers nothing.
    """

    def __init__(
        self,
        stem: Optional[nn.Module],
        layers: Sequence[Union[MixedLayer, Sequence[Optional[nn.Module]]]],
        head: Optional[nn.Module],
        example: Tensor,
        names: Optional[Sequence[Any]] = None,
        paths: Union[str, int] = "all",
    ) -> None:
        super().__init__()
        if not layers:
            raise ValueError("layers must have at least one layer, got none")
        self.stem = nn.Identity() if stem is None else stem
        self.layers = nn.ModuleList(
            layer if isinstance(layer, MixedLayer) else MixedLayer(layer, paths) for layer in layers
        )
        self.head = nn.Identity() if head is None else head
        self._names = _candidate_names(self.layers, names)
        self._nets: Dict[str, Net] = {}
        x = self._trace("stem", self.stem, example)
        for index, layer in enumerate(self.layers):
            outputs = {k: self._trace(_block(index, k), layer.blocks[str(k)], x) for k in layer.offered}
            first = layer.offered[0]
            for k, y in outputs.items():
                if y.shape != outputs[first].shape:
                    raise ValueError(
                        f"the candidates of a layer must give tensors of one shape, got {list(y.shape)} from {_block(index, k)} "
                        f"and {list(outputs[first].shape)} from {_block(index, first)}"
                    )
            x = outputs[first]
        self._trace("head", self.head, x)

    def _trace(self, name: str, module: nn.Module, x: Tensor) -> Tensor:
        """What the module gives for `x`; keeps its network."""
        self._nets[name] = traced(module, (x,), name)
        with evaluated(module):
            y = module(x)
        if not isinstance(y, Tensor):
            raise ValueError(f"{name} must give one tensor, got {type(y).__name__}")
        return y

    def forward(self, x: Tensor, weights: Tensor) -> Any:
        """x: as the example. weights: ``[L, C]``, or ``[N, L, C]`` for a sample of its own for every element of the batch.

        Raises ValueError where a shape does not fit.
        """
        expected = [len(self.layers), self._widest()]
        if weights.dim() < 2 or list(weights.shape[-2:]) != expected:
            raise ValueError(f"weights must be [..., {expected[0]}, {expected[1]}], got {list(weights.shape)}")
        return self.head(mixed_in_turn(self.layers, self.stem(x), weights))

    def _widest(self) -> int:
        return max(layer.num_candidates for layer in self.layers)

    def candidates(self, layer: int) -> List[str]:
        """The names of a layer's candidates by index, including those that are not offered."""
        return list(self._names[layer])

    def valid(self) -> Tensor:
        """Which candidates are offered: bool ``[L, C]``."""
        offered = torch.zeros(len(self.layers), self._widest(), dtype=torch.bool)
        for index, layer in enumerate(self.layers):
            offered[index, layer.offered] = True
        return offered

    def block_net(self, layer: int, candidate: int) -> Net:
        """The network of one candidate, as it is in its layer.

        Raises ValueError for one that is not offered.
        """
        if not 0 <= layer < len(self.layers) or candidate not in self.layers[layer].offered:
            raise ValueError(f"a candidate must be offered, got candidate {candidate} of layer {layer}")
        return self._nets[_block(layer, candidate)]

    def lower(self, arch: Any) -> Net:
        """The network of one architecture, int64 ``[L]``: operators, shapes, costs. Its price is what the model estimates.

        Raises ValueError for an architecture that the space does not have.
        """
        chosen = [_block(layer, k) for layer, k in enumerate(self._checked(arch))]
        names = ["stem", *chosen, "head"]
        return joined(names, [self._nets[name] for name in names])

    def network(self, arch: Any) -> nn.Sequential:
        """The module of one architecture, ``stem``, the chosen blocks and ``head``, with a copy of the weights.

        Raises ValueError for an architecture that the space does not have.
        """
        chosen = [layer.blocks[str(k)] for layer, k in zip(self.layers, self._checked(arch))]
        return nn.Sequential(*copy.deepcopy([self.stem, *chosen, self.head]))

    def latency_model(self, lut: Any, device: str = "", mode: str = "ave", statistic: str = "p50") -> Any:
        """A ``LatencyModel`` of this space, from a table: ``table_us()``, ``valid()``, ``fixed_us()``, ``estimate``, ``decode``.

        lut: a file, or a :func:`LatencyTable`. device, mode, statistic: as in ``LatencyTable.estimate_net``. What the model
        gives is that statistic, whatever it calls it.

        Raises ValueError where the table lacks operators, naming them and the modules that run them.
        """
        table = _table(lut)
        prices: Dict[str, Price] = {}
        missing: List[Operator] = []
        for name, net in self._nets.items():
            estimate = table.estimate(net._handle, device, mode, statistic)
            prices[name] = Price(estimate.found_us(), estimate.times_us(), estimate.statuses())
            for op, status in zip(net.operators, estimate.statuses()):
                if status == "missing":
                    missing.append(op._replace(module=".".join(part for part in (name, op.module) if part)))
        if missing:
            distinct = {(op.type, str(op.input_shapes)): op for op in reversed(missing)}
            raise ValueError(
                f"the table must have a time for every operator, but {len(distinct)} are missing: "
                + described_missing(list(distinct.values())[::-1])
            )
        table_us = torch.zeros(self.valid().shape, dtype=torch.float64)
        for index, layer in enumerate(self.layers):
            for k in layer.offered:
                table_us[index, k] = prices[_block(index, k)]
        fixed_us = prices["stem"] + prices["head"]
        used = device or (table.devices()[0] if len(table.devices()) == 1 else "table")
        return LatencyModel.from_table(table_us, self._names, fixed_us, used, self.valid())

    def covering(self, seed: int = 0) -> List[List[int]]:
        """Random architectures that have each candidate at least once: as few networks as the widest layer has candidates.

        Whoever measures them measures every operator of the space, inside whole networks.
        """
        shuffled = random.Random(seed)
        columns = []
        for layer in self.layers:
            choices = list(layer.offered)
            shuffled.shuffle(choices)
            columns.append([choices[k % len(choices)] for k in range(self._widest())])
        rows = [list(row) for row in zip(*columns)]
        return [row for index, row in enumerate(rows) if row not in rows[:index]]

    def _checked(self, arch: Any) -> List[int]:
        choices = arch.tolist() if isinstance(arch, Tensor) else list(arch)
        if len(choices) != len(self.layers) or not all(hasattr(k, "__index__") for k in choices):
            raise ValueError(f"arch must be one architecture, {len(self.layers)} whole numbers, got {choices}")
        choices = [operator.index(k) for k in choices]
        for index, (layer, k) in enumerate(zip(self.layers, choices)):
            if k not in layer.offered:
                raise ValueError(
                    f"arch must choose candidates that are offered, in layer {index} (counted from 0) one of {layer.offered}, "
                    f"got {k}"
                )
        return choices


def _block(layer: int, candidate: int) -> str:
    return f"layers.{layer}.blocks.{candidate}"


def _candidate_names(layers: nn.ModuleList, names: Optional[Sequence[Any]]) -> List[List[str]]:
    if names is None:
        return [_class_names(layer) for layer in layers]
    is_flat = all(isinstance(name, str) for name in names)
    by_layer: Tuple[List[str], ...] = tuple(list(names) if is_flat else list(entry) for entry in ([names] * len(layers) if is_flat else names))
    if len(by_layer) != len(layers):
        raise ValueError(f"names must be one list, or one for each of the {len(layers)} layers, got {len(by_layer)}")
    for index, (layer, own) in enumerate(zip(layers, by_layer)):
        if len(own) < layer.num_candidates:
            raise ValueError(f"layer {index} must have a name for each of its {layer.num_candidates} candidates, got {own}")
    return [own[: layer.num_candidates] for layer, own in zip(layers, by_layer)]


def _class_names(layer: MixedLayer) -> List[str]:
    """Conv2d, Conv2d_2, ...; candidates that are not offered are called by their number."""
    names: List[str] = []
    for k in range(layer.num_candidates):
        block = layer.blocks[str(k)] if k in layer.offered else None
        stem = type(block).__name__ if block is not None else f"candidate{k}"
        taken = sum(name == stem or name.startswith(stem + "_") for name in names)
        names.append(f"{stem}_{taken + 1}" if taken else stem)
    return names

"""Fragments of a network as modules: what ``SearchSpace.stem``, ``block``, ``head`` and ``classifier`` give.

    block = fragment_module(space.block(2, 7, "int8"))
    y = block(x)

A new type of operator takes an entry in ``_MODULES``. Behind each convolution stands a normalisation, as in training; in
the network that is priced it has become part of the convolution.
"""

from collections import OrderedDict
from typing import Any, Callable, Dict, List, NamedTuple, Tuple

import torch
from torch import Tensor, fx, nn

Norm = Callable[[int], nn.Module]


class Operator(NamedTuple):
    type: str
    inputs: List[str]
    outputs: List[str]
    arguments: Dict[str, Any]


class _Context(NamedTuple):
    """What an operator's module depends on beside the operator."""

    parameters: Dict[str, List[int]]  # shapes
    norm: Norm
    in_place: bool  # nothing else needs what the operator reads


class ChannelShuffle(nn.Module):
    """What ``nn.ChannelShuffle`` is, which has no derivative in torch 1.13."""

    groups: int

    def __init__(self, groups: int) -> None:
        super().__init__()
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        """x: ``[N, channels, H, W]``: the first channel of every group, then the second, and so on."""
        return x.unflatten(1, [self.groups, x.shape[1] // self.groups]).transpose(1, 2).flatten(1, 2)


class Sum(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a + b


class AveragePool(nn.Module):
    """Over the whole map: ``[N, channels, H, W]`` to ``[N, channels, 1, 1]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean([2, 3], keepdim=True)


class FullyConnected(nn.Linear):
    """A linear layer that flattens what it reads from axis 1."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x.flatten(1), self.weight, self.bias)


def _conv(operator: Operator, context: _Context) -> nn.Module:
    out_channels, group_channels, height, width = context.parameters[operator.inputs[1]]
    arguments = operator.arguments
    groups = arguments.get("group", 1)
    # Without a bias, as the normalisation has one.
    conv = nn.Conv2d(
        group_channels * groups,
        out_channels,
        (height, width),
        stride=arguments.get("stride", 1),
        padding=arguments.get("pad", 0),
        dilation=arguments.get("dilation", 1),
        groups=groups,
        bias=False,
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(OrderedDict(conv=conv, norm=context.norm(out_channels)))


def _average_pool(operator: Operator, context: _Context) -> nn.Module:
    if operator.arguments.get("global_pooling") != 1:
        raise ValueError("AveragePool must be over the whole map (global_pooling: 1)")
    return AveragePool()


def _fully_connected(operator: Operator, context: _Context) -> nn.Module:
    out_features, in_features = context.parameters[operator.inputs[1]]
    return FullyConnected(in_features, out_features)


# The arguments that a type may have, and its module, which takes the blobs that the operator reads.
_MODULES: Dict[str, Tuple[List[str], Callable[[Operator, _Context], nn.Module]]] = {
    "AveragePool": (["global_pooling", "order"], _average_pool),
    "ChannelShuffle": (["group"], lambda operator, context: ChannelShuffle(operator.arguments["group"])),
    "Conv": (["kernel", "stride", "pad", "group", "dilation", "order"], _conv),
    "FC": ([], _fully_connected),
    "Relu": ([], lambda operator, context: nn.ReLU(inplace=context.in_place)),
    "Sum": ([], lambda operator, context: Sum()),
}


def _module(operator: Operator, context: _Context) -> nn.Module:
    if operator.type not in _MODULES:
        raise ValueError(f"no module for operators of type {operator.type}; there are those of {', '.join(_MODULES)}")
    known, make = _MODULES[operator.type]
    for name in operator.arguments:
        if name not in known:
            raise ValueError(f"the module for {operator.type} must know every argument, got {name}")
    return make(operator, context)


def fragment_module(fragment: Tuple, norm: Norm = nn.BatchNorm2d) -> fx.GraphModule:
    """A module of one tensor that computes a fragment, with random weights. Can be scripted.

    A submodule with parameters is called as these are in the fragment: that of ``expand_w`` is ``expand``, which has
    ``conv`` and ``norm``. norm: makes the normalisation of so many channels.

    Raises ValueError for an operator of an unknown type or with an unknown argument.
    """
    source, result, operators, parameters = fragment
    operators = [Operator(*operator) for operator in operators]
    written_by = {operator.outputs[0]: operator.type for operator in operators}
    readers = [blob for operator in operators for blob in operator.inputs] + [result]
    modules: Dict[str, nn.Module] = {}
    graph = fx.Graph()
    nodes = {source: graph.placeholder("x")}
    for index, operator in enumerate(operators):
        read = operator.inputs[0]
        # A normalisation does not need what it wrote to be differentiated.
        in_place = written_by.get(read) == "Conv" and readers.count(read) == 1
        weights = [blob for blob in operator.inputs if blob in parameters]
        name = weights[0][: -len("_w")] if weights else f"{operator.type.lower()}{index}"
        modules[name] = _module(operator, _Context(parameters, norm, in_place))
        blobs = [nodes[blob] for blob in operator.inputs if blob not in parameters]
        nodes[operator.outputs[0]] = graph.call_module(name, tuple(blobs))
    graph.output(nodes[result])
    return fx.GraphModule(modules, graph, "Fragment")

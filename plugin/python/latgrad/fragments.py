"""Fragments of a network as modules: what ``SearchSpace.stem``, ``block``, ``head`` and ``classifier`` give.

    block = fragment_module(space.block(2, 7, "int8"))
    y = block(x)

A new type of operator takes an entry in ``_MODULES``. Behind a convolution stands a normalisation, as in training, unless the
fragment says that there is none (``norm`` is 0); in the network that is priced it has become part of the convolution.
"""

import re
from collections import OrderedDict
from operator import getitem
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

    def form(self, operator: Operator) -> str:
        """What the operator reads, in order: x for a blob, p for a parameter."""
        return "".join("p" if blob in self.parameters else "x" for blob in operator.inputs)

    def shapes(self, operator: Operator) -> List[List[int]]:
        """Those of the parameters that the operator reads."""
        return [self.parameters[blob] for blob in operator.inputs if blob in self.parameters]


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


class Product(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return a * b


class MatrixProduct(nn.Module):
    def forward(self, a: Tensor, b: Tensor) -> Tensor:
        return torch.matmul(a, b)


class Scale(nn.Module):
    factor: float

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


class Reshape(nn.Module):
    """A size of 0 stays what it is."""

    shape: List[int]

    def __init__(self, shape: List[int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor) -> Tensor:
        return x.reshape([x.shape[place] if size == 0 else size for place, size in enumerate(self.shape)])


class Transpose(nn.Module):
    axes: List[int]

    def __init__(self, axes: List[int]) -> None:
        super().__init__()
        self.axes = axes

    def forward(self, x: Tensor) -> Tensor:
        return x.permute(self.axes)


class Split(nn.Module):
    lengths: List[int]
    axis: int

    def __init__(self, lengths: List[int], axis: int) -> None:
        super().__init__()
        self.lengths = lengths
        self.axis = axis

    def forward(self, x: Tensor) -> List[Tensor]:
        return torch.split(x, self.lengths, self.axis)


class Slice(nn.Module):
    """From ``starts`` up to ``ends`` of each axis but the first, the batch; -1 is the end."""

    starts: List[int]
    ends: List[int]

    def __init__(self, starts: List[int], ends: List[int]) -> None:
        super().__init__()
        self.starts = starts
        self.ends = ends

    def forward(self, x: Tensor) -> Tensor:
        for axis in range(1, len(self.starts)):
            end = x.shape[axis] if self.ends[axis] == -1 else self.ends[axis]
            x = x.narrow(axis, self.starts[axis], end - self.starts[axis])
        return x


class MeanOver(nn.Module):
    axes: List[int]
    keep: bool

    def __init__(self, axes: List[int], keep: bool) -> None:
        super().__init__()
        self.axes = axes
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.axes, keepdim=self.keep)


class AddParameter(nn.Module):
    """x plus a parameter, which broadcasts: what is learned of each position."""

    def __init__(self, shape: List[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.weight


class ClassToken(nn.Module):
    """The same token in front of those of each image."""

    def __init__(self, shape: List[int]) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.init.trunc_normal_(torch.empty(shape), std=0.02))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.weight.expand(x.shape[0], -1, -1), x], 1)


class AveragePool(nn.Module):
    """Over the whole map: ``[N, channels, H, W]`` to ``[N, channels, 1, 1]``."""

    def forward(self, x: Tensor) -> Tensor:
        return x.mean([2, 3], keepdim=True)


class FullyConnected(nn.Linear):
    """A linear layer that flattens what it reads from axis 1."""

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.linear(x.flatten(1), self.weight, self.bias)


def _given(operator: Operator, name: str) -> Any:
    if name not in operator.arguments:
        raise ValueError(f"the module for {operator.type} needs the argument {name}")
    return operator.arguments[name]


def _conv(operator: Operator, context: _Context) -> nn.Module:
    out_channels, group_channels, height, width = context.parameters[operator.inputs[1]]
    arguments = operator.arguments
    groups = arguments.get("group", 1)
    pad = arguments.get("pad", 0)
    sides = [arguments.get(f"pad_{side}", pad) for side in "tblr"]
    if sides[0] != sides[1] or sides[2] != sides[3] or arguments.get("order", "NCHW") != "NCHW":
        raise ValueError("Conv must have the same padding on opposite sides, and order NCHW")
    normalises = arguments.get("norm", 1) != 0
    conv = nn.Conv2d(
        group_channels * groups,
        out_channels,
        (height, width),
        stride=arguments.get("stride", 1),
        padding=(sides[0], sides[2]),
        dilation=arguments.get("dilation", 1),
        groups=groups,
        bias=not normalises and len(context.shapes(operator)) > 1,  # a normalisation has one
    )
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
    return nn.Sequential(OrderedDict(conv=conv, norm=context.norm(out_channels))) if normalises else conv


def _average_pool(operator: Operator, context: _Context) -> nn.Module:
    arguments = operator.arguments
    if arguments.get("global_pooling") == 1:
        return AveragePool()
    if "kernel" not in arguments:
        raise ValueError("AveragePool must be over the whole map (global_pooling: 1) or have a kernel")
    return nn.AvgPool2d(
        arguments["kernel"], arguments.get("stride", 1), arguments.get("pad", 0), count_include_pad=False
    )


def _max_pool(operator: Operator, context: _Context) -> nn.Module:
    arguments = operator.arguments
    return nn.MaxPool2d(_given(operator, "kernel"), arguments.get("stride", 1), arguments.get("pad", 0))


def _clip(operator: Operator, context: _Context) -> nn.Module:
    return nn.Hardtanh(_given(operator, "min"), _given(operator, "max"), inplace=context.in_place)


def _hard_sigmoid(operator: Operator, context: _Context) -> nn.Module:
    if abs(operator.arguments.get("alpha", 0.2) - 1 / 6) > 1e-6 or operator.arguments.get("beta", 0.5) != 0.5:
        raise ValueError("the module for HardSigmoid must have alpha 1/6 and beta 0.5, as torch's")
    return nn.Hardsigmoid()


def _layer_norm(operator: Operator, context: _Context) -> nn.Module:
    scale, shift = context.shapes(operator)
    if operator.arguments.get("axis", -1) != -1 or len(scale) != 1 or shift != scale:
        raise ValueError("LayerNormalization must be over the last dimension (axis: -1), with a scale and a shift for each entry")
    return nn.LayerNorm(scale[0], operator.arguments.get("epsilon", 1e-5))


def _linear(operator: Operator, context: _Context) -> nn.Module:
    in_features, out_features = context.shapes(operator)[0]
    return nn.Linear(in_features, out_features, bias=len(context.shapes(operator)) > 1)


def _matrix_product(operator: Operator, context: _Context) -> nn.Module:
    return _linear(operator, context) if context.shapes(operator) else MatrixProduct()


def _add(operator: Operator, context: _Context) -> nn.Module:
    return AddParameter(context.shapes(operator)[0]) if context.shapes(operator) else Sum()


def _concat(operator: Operator, context: _Context) -> nn.Module:
    if operator.arguments.get("axis") != 1:
        raise ValueError("Concat must put a parameter in front of tokens (axis: 1)")
    return ClassToken(context.shapes(operator)[0])


def _softmax(operator: Operator, context: _Context) -> nn.Module:
    return nn.Softmax(_given(operator, "axis"))


def _fully_connected(operator: Operator, context: _Context) -> nn.Module:
    out_features, in_features = context.parameters[operator.inputs[1]]
    return FullyConnected(in_features, out_features)


# What types read that read more than one blob, as _Context.form says it.
_FORMS: Dict[str, List[str]] = {
    "Add": ["xx", "xp"],
    "BatchMatMul": ["xx", "xp"],
    "Concat": ["px"],
    "Conv": ["xp", "xpp"],
    "FC": ["xpp"],
    "LayerNormalization": ["xpp"],
    "Linear": ["xp", "xpp"],
    "Mul": ["xx"],
    "Sum": ["xx"],
}

# The arguments that a type may have, and its module, which takes the blobs that the operator reads.
_MODULES: Dict[str, Tuple[List[str], Callable[[Operator, _Context], nn.Module]]] = {
    "Add": ([], _add),
    "AveragePool": (["global_pooling", "kernel", "stride", "pad", "order"], _average_pool),
    "BatchMatMul": ([], _matrix_product),
    "ChannelShuffle": (["group"], lambda operator, context: ChannelShuffle(_given(operator, "group"))),
    "Clip": (["min", "max"], _clip),
    "Concat": (["axis"], _concat),
    "Conv": (
        "kernel kernel_h kernel_w stride pad pad_t pad_b pad_l pad_r group dilation order norm".split(),
        _conv,
    ),
    "FC": ([], _fully_connected),
    "Gelu": ([], lambda operator, context: nn.GELU()),
    "HardSigmoid": (["alpha", "beta"], _hard_sigmoid),
    "HardSwish": ([], lambda operator, context: nn.Hardswish()),
    "LayerNormalization": (["axis", "epsilon"], _layer_norm),
    "Linear": ([], _linear),
    "MaxPool": (["kernel", "stride", "pad", "order"], _max_pool),
    "Mul": ([], lambda operator, context: Product()),
    "ReduceMean": (
        ["axes", "keepdims"],
        lambda operator, context: MeanOver(_given(operator, "axes"), operator.arguments.get("keepdims", 1) == 1),
    ),
    "Relu": ([], lambda operator, context: nn.ReLU(inplace=context.in_place)),
    "Reshape": (["shape"], lambda operator, context: Reshape(_given(operator, "shape"))),
    "Scale": (["scale"], lambda operator, context: Scale(_given(operator, "scale"))),
    "Sigmoid": ([], lambda operator, context: nn.Sigmoid()),
    "Slice": (
        ["starts", "ends"],
        lambda operator, context: Slice(_given(operator, "starts"), _given(operator, "ends")),
    ),
    "Softmax": (["axis"], _softmax),
    "Split": (
        ["split", "axis"],
        lambda operator, context: Split(_given(operator, "split"), _given(operator, "axis")),
    ),
    "Sum": ([], lambda operator, context: Sum()),
    "Swish": ([], lambda operator, context: nn.SiLU()),
    "Transpose": (["axes"], lambda operator, context: Transpose(_given(operator, "axes"))),
}


def _with_biases(operators: List[Operator], parameters: Dict[str, List[int]]) -> List[Operator]:
    """A product with a weight and the sum with a bias behind it become one operator, ``Linear``."""
    joined: List[Operator] = []
    readers = [blob for operator in operators for blob in operator.inputs]
    for operator in operators:
        last = joined[-1] if joined else None
        if (
            last is not None
            and operator.type == "Add"
            and last.type == "BatchMatMul"
            and last.inputs[1] in parameters
            and operator.inputs[0] == last.outputs[0]
            and readers.count(last.outputs[0]) == 1
            and parameters.get(operator.inputs[1]) == parameters[last.inputs[1]][1:]
        ):
            joined[-1] = Operator("Linear", [*last.inputs, operator.inputs[1]], operator.outputs, {})
        else:
            joined.append(operator)
    return joined


def _module(operator: Operator, context: _Context) -> nn.Module:
    if operator.type not in _MODULES:
        raise ValueError(f"no module for operators of type {operator.type}; there are those of {', '.join(_MODULES)}")
    known, make = _MODULES[operator.type]
    for name in operator.arguments:
        if name not in known:
            raise ValueError(f"the module for {operator.type} must know every argument, got {name}")
    forms = _FORMS.get(operator.type, ["x"])
    if context.form(operator) not in forms or (len(operator.outputs) != 1 and operator.type != "Split"):
        raise ValueError(
            f"the module for {operator.type} must read {' or '.join(forms)} (x a blob, p a parameter) and write one blob, got "
            f"{', '.join(operator.inputs)} -> {', '.join(operator.outputs)}"
        )
    return make(operator, context)


def fragment_module(fragment: Tuple, norm: Norm = nn.BatchNorm2d) -> fx.GraphModule:
    """A module of one tensor that computes a fragment, with random weights. Can be scripted.

    A submodule with parameters is called as these are in the fragment: that of ``expand_w`` is ``expand``, which has
    ``conv`` and ``norm``. norm: makes the normalisation of so many channels.

    Raises ValueError for an operator of an unknown type or with an unknown argument.
    """
    source, result, operators, parameters = fragment
    operators = _with_biases([Operator(*operator) for operator in operators], parameters)
    written_by = {operator.outputs[0]: operator.type for operator in operators}
    readers = [blob for operator in operators for blob in operator.inputs] + [result]
    modules: Dict[str, nn.Module] = {}
    graph = fx.Graph()
    nodes: Dict[str, fx.Node] = {source: graph.placeholder("x")}
    for index, operator in enumerate(operators):
        read = operator.inputs[0]
        # A normalisation does not need what it wrote to be differentiated.
        in_place = written_by.get(read) == "Conv" and readers.count(read) == 1
        weights = [blob for blob in operator.inputs if blob in parameters]
        name = re.sub("_w$", "", weights[0]) if weights else f"{operator.type.lower()}{index}"
        if name in modules:
            raise ValueError(f"operators must have parameters of their own, and names of their own, got {name} twice")
        modules[name] = _module(operator, _Context(parameters, norm, in_place))
        blobs = [nodes[blob] for blob in operator.inputs if blob not in parameters]
        node = graph.call_module(name, tuple(blobs))
        if operator.type != "Split":
            nodes[operator.outputs[0]] = node
        else:
            for place, blob in enumerate(operator.outputs):
                nodes[blob] = graph.call_function(getitem, (node, place))
    graph.output(nodes[result])
    return fx.GraphModule(modules, graph, "Fragment")

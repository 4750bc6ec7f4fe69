"""An ONNX model as a PyTorch module, for engines that take PyTorch's programs: `pip install onnx`.

Quantised models (QDQ) become the float network that is quantised: what is dequantised and quantised again passes
through, and ``is_quantised`` says so. The engine quantises it in its own way.
"""

import operator

import numpy as np
import torch
import torch.nn.functional as F
from serving import Unsupported, needs

try:
    import onnx
    from onnx import numpy_helper
except ImportError as error:
    raise needs("onnx", "pip install onnx") from error


def window(attributes, x):
    """Padding, strides and dilations of convolutions and pools, per axis of the image; pads x where sides differ."""
    rank = x.dim() - 2
    pads = attributes.get("pads", [0] * 2 * rank)
    strides = attributes.get("strides", [1] * rank)
    dilations = attributes.get("dilations", [1] * rank)
    before, after = pads[:rank], pads[rank:]
    if before != after:
        sides = [side for pair in zip(reversed(before), reversed(after)) for side in pair]
        return F.pad(x, sides), [0] * rank, strides, dilations
    return x, before, strides, dilations


def conv(attributes, x, weight, bias=None):
    x, pads, strides, dilations = window(attributes, x)
    convolution = {3: F.conv1d, 4: F.conv2d, 5: F.conv3d}[x.dim()]
    return convolution(x, weight, bias, strides, pads, dilations, attributes.get("group", 1))


def max_pool(attributes, x):
    x, pads, strides, dilations = window(attributes, x)
    return F.max_pool2d(x, attributes["kernel_shape"], strides, pads, dilations, bool(attributes.get("ceil_mode", 0)))


def average_pool(attributes, x):
    x, pads, strides, _ = window(attributes, x)
    counts_pads = bool(attributes.get("count_include_pad", 0))
    return F.avg_pool2d(x, attributes["kernel_shape"], strides, pads, bool(attributes.get("ceil_mode", 0)), counts_pads)


def gemm(attributes, a, b, c=None):
    a = a.t() if attributes.get("transA") else a
    b = b if attributes.get("transB") else b.t()
    if attributes.get("alpha", 1.0) != 1 or attributes.get("beta", 1.0) != 1:
        raise Unsupported("a Gemm with alpha or beta")
    return F.linear(a, b, c)


def mean(attributes, x, axes=None):
    axes = axes.tolist() if axes is not None else attributes.get("axes", list(range(x.dim())))
    return x.mean(axes, keepdim=bool(attributes.get("keepdims", 1)))


def reshape(_, x, shape):
    shape = [x.shape[i] if dim == 0 else dim for i, dim in enumerate(shape.tolist())]
    return x.reshape(shape)


def gather(attributes, x, indices):
    axis = attributes.get("axis", 0) % x.dim()
    return x.index_select(axis, indices.reshape(-1)).reshape(x.shape[:axis] + indices.shape + x.shape[axis + 1 :])


def unsqueeze(_, x, axes):
    rank = x.dim() + len(axes)
    new = {axis % rank for axis in axes.tolist()}
    return x[tuple(None if axis in new else slice(None) for axis in range(rank))]


def slice_(_, x, starts, ends, axes=None, steps=None):
    axes = axes.tolist() if axes is not None else range(len(starts))
    steps = steps.tolist() if steps is not None else [1] * len(starts)
    for axis, start, end, step in zip(axes, starts.tolist(), ends.tolist(), steps):
        if step < 1:
            raise Unsupported("a Slice that goes backwards")
        x = x[(slice(None),) * (axis % x.dim()) + (slice(start, end, step),)]
    return x


def split(attributes, x, sizes=None):
    axis = attributes.get("axis", 0)
    if sizes is not None:
        return torch.split(x, sizes.tolist(), axis)
    return torch.chunk(x, attributes["num_outputs"], axis)


def squeeze(_, x, axes):
    for axis in sorted((axis % x.dim() for axis in axes.tolist()), reverse=True):
        x = x.squeeze(axis)
    return x


def layer_norm(attributes, x, scale, bias=None):
    axis = attributes.get("axis", -1) % x.dim()
    return F.layer_norm(x, x.shape[axis:], scale, bias, attributes.get("epsilon", 1e-5))


def clip(bounds, x):
    return x.clamp(*bounds)


def fold(function):
    """A binary function over any number of inputs."""

    def call(_, *values):
        result = values[0]
        for value in values[1:]:
            result = function(result, value)
        return result

    return call


OPERATORS = {
    "Add": fold(operator.add),
    "AveragePool": average_pool,
    "BatchNormalization": lambda a, x, scale, b, mean, var: F.batch_norm(x, mean, var, scale, b, eps=a.get("epsilon", 1e-5)),
    "Concat": lambda a, *values: torch.cat(values, a["axis"]),
    "Conv": conv,
    "Div": fold(operator.truediv),
    "Dropout": lambda a, x, *_: x,
    "Flatten": lambda a, x: x.reshape(x.shape[: a.get("axis", 1)].numel(), -1),
    "Gather": gather,
    "Gelu": lambda a, x: F.gelu(x, approximate=a.get("approximate", b"none").decode()),
    "Gemm": gemm,
    "GlobalAveragePool": lambda a, x: x.mean(list(range(2, x.dim())), keepdim=True),
    "HardSigmoid": lambda a, x: F.hardsigmoid(x),
    "HardSwish": lambda a, x: F.hardswish(x),
    "Identity": lambda a, x: x,
    "LayerNormalization": layer_norm,
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a.get("alpha", 0.01)),
    "MatMul": lambda a, x, y: x @ y,
    "MaxPool": max_pool,
    "Mul": fold(operator.mul),
    "ReduceMean": mean,
    "Relu": lambda a, x: F.relu(x),
    "Reshape": reshape,
    "Sigmoid": lambda a, x: torch.sigmoid(x),
    "Slice": slice_,
    "Softmax": lambda a, x: F.softmax(x, a.get("axis", -1)),
    "Split": split,
    "Sqrt": lambda a, x: torch.sqrt(x),
    "Squeeze": squeeze,
    "Sub": fold(operator.sub),
    "Sum": fold(operator.add),
    "Tanh": lambda a, x: torch.tanh(x),
    "Transpose": lambda a, x: x.permute(a["perm"]),
    "Unsqueeze": unsqueeze,
}


def attributes_of(node):
    return {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}


class OnnxModule(torch.nn.Module):
    """Runs the nodes one after the other. Raises ``Unsupported`` for a node that it does not know."""

    def __init__(self, model):
        super().__init__()
        graph = onnx.load_from_string(model).graph
        constants = {tensor.name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for tensor in graph.initializer}
        self.is_quantised = any(node.op_type == "QuantizeLinear" for node in graph.node)
        self.calls = []  # function, its attributes, names of inputs, names of outputs
        passes = {}  # a value and the one that it is, without quantisation
        used = []
        for node in graph.node:
            inputs = [passes.get(name, name) for name in node.input]
            attributes = attributes_of(node)
            if node.op_type == "ConstantOfShape":
                value = numpy_helper.to_array(attributes["value"]) if "value" in attributes else np.zeros(1, np.float32)
                full = np.full(constants[inputs[0]].tolist(), value.item(), value.dtype)
                constants[node.output[0]] = torch.from_numpy(full)
            elif node.op_type == "Constant":
                constants[node.output[0]] = torch.from_numpy(numpy_helper.to_array(attributes["value"]).copy())
            elif node.op_type == "DequantizeLinear" and inputs[0] in constants:
                # A weight of zeros and one of 0.01 take the same time; a float network of zeros is not quantised well.
                constants[node.output[0]] = torch.full(constants[inputs[0]].shape, 0.01)
            elif node.op_type in ("QuantizeLinear", "DequantizeLinear"):
                passes[node.output[0]] = inputs[0]
            elif node.op_type == "Clip":
                # Numbers, not tensors: compilers fuse an activation whose bounds they know.
                bounds = [constants[name].item() if name else None for name in inputs[1:]]
                self.calls.append((clip, bounds + [None] * (2 - len(bounds)), inputs[:1], list(node.output)))
                used.append(inputs[0])
            elif node.op_type in OPERATORS:
                self.calls.append((OPERATORS[node.op_type], attributes, inputs, list(node.output)))
                used += inputs
            else:
                raise Unsupported(f"no form of the operator {node.op_type} in PyTorch")
        self.inputs = [value for value in graph.input if value.name not in constants]
        self.outputs = [passes.get(value.name, value.name) for value in graph.output]
        # What gives shapes stays as it is; weights are parameters of the module.
        self.constants = {name: value for name, value in constants.items() if not value.is_floating_point()}
        self.weights = torch.nn.ParameterDict()
        self.names = {}
        for name in dict.fromkeys(used):
            if name in constants and constants[name].is_floating_point():
                self.names[name] = f"w{len(self.names)}"
                self.weights[self.names[name]] = torch.nn.Parameter(constants[name], requires_grad=False)

    def example(self):
        """Random inputs of the model's shapes; zeros where they are integers."""
        random = torch.Generator().manual_seed(0)
        values = []
        for value in self.inputs:
            tensor = value.type.tensor_type
            shape = [dim.dim_value for dim in tensor.shape.dim]
            dtype = torch.from_numpy(np.zeros(1, onnx.helper.tensor_dtype_to_np_dtype(tensor.elem_type))).dtype
            values.append(
                torch.rand(shape, generator=random, dtype=dtype) if dtype.is_floating_point else torch.zeros(shape, dtype=dtype)
            )
        return tuple(values)

    def forward(self, *inputs):
        values = {value.name: tensor for value, tensor in zip(self.inputs, inputs)}

        def value_of(name):
            if not name:
                return None
            if name in self.names:
                return self.weights[self.names[name]]
            return values[name] if name in values else self.constants[name]

        for function, attributes, names, outputs in self.calls:
            result = function(attributes, *map(value_of, names))
            values.update(zip(outputs, result if isinstance(result, tuple) else (result,)))
        return tuple(value_of(name) for name in self.outputs)

"""Networks that are PyTorch modules: their operators, shapes and costs, without a space file or an ONNX file at hand.

    net = latgrad.read_module(model, torch.zeros(1, 3, 224, 224))
    net.macs, net.peak_memory                    # multiply-accumulates, bytes of activations
    net.price("lut.json")                        # microseconds
    net.to_onnx("model.onnx")

The module is traced once, as PyTorch's exporter to ONNX does it; its weights are neither read nor copied.
"""

import contextlib
import inspect
import io
import json
import os
import warnings
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union

import torch
from torch import nn

_SHOWN_MISSING = 10


class Operator(NamedTuple):
    """One operator of a network.

    module: the qualified name of the module that runs it, ``layers.3.attn``; empty for the outermost. input_shapes and
    output_shapes are None where an operator of unknown type hides them, and macs where their number is not known.
    """

    type: str
    module: str
    inputs: List[str]
    outputs: List[str]
    input_shapes: Optional[List[List[int]]]
    output_shapes: Optional[List[List[int]]]
    macs: Optional[int]


class Price(float):
    """The price of a network in microseconds, a float, with the part of each operator.

    times_us, statuses: one for each operator of the network, in its order; a status is ``exact`` or ``substituted``.
    """

    times_us: List[float]
    statuses: List[str]

    def __new__(cls, total_us: float, times_us: Sequence[float], statuses: Sequence[str]) -> "Price":
        price = super().__new__(cls, total_us)
        price.times_us = list(times_us)
        price.statuses = list(statuses)
        return price

    def __getnewargs__(self) -> Tuple[float, List[float], List[str]]:
        return float(self), self.times_us, self.statuses

    def total_us(self) -> float:
        return float(self)


class Net:
    """A network as operators: what :func:`read_module` and :meth:`ModuleSpace.lower` give. Immutable; can be pickled."""

    def __init__(self, handle: Any, origin: Tuple[Any, ...]) -> None:
        self._handle = handle
        self._origin = origin
        self._contents: Dict[str, Any] = json.loads(handle.text())

    def __reduce__(self) -> Any:
        return _net_of, self._origin

    @property
    def operators(self) -> List[Operator]:
        """In order of execution."""
        return [
            Operator(
                op["type"],
                _module_of(op["name"]),
                op["inputs"],
                op["outputs"],
                op["input_shapes"],
                op["output_shapes"],
                op["macs"],
            )
            for op in self._contents["operators"]
        ]

    @property
    def inputs(self) -> Dict[str, List[int]]:
        """The shapes of the data inputs."""
        return self._contents["inputs"]

    @property
    def outputs(self) -> List[str]:
        return self._contents["outputs"]

    @property
    def parameters(self) -> Dict[str, List[int]]:
        """The shapes of the parameters by their name in the module."""
        return self._contents["parameters"]

    @property
    def shapes(self) -> Dict[str, List[int]]:
        """The shape of every value: inputs, parameters, and what operators write."""
        return {**self.inputs, **self.parameters, **self._contents["values"]}

    @property
    def macs(self) -> Optional[int]:
        """Multiply-accumulates of convolutions and matrix products; None where an operator of unknown type may have some."""
        return self._contents["macs"]

    @property
    def params(self) -> Optional[int]:
        """Elements of the weights: of parameters with two or more dimensions."""
        return self._contents["params"]

    @property
    def other_params(self) -> Optional[int]:
        """Elements of the biases and other vectors."""
        return self._contents["other_params"]

    @property
    def peak_memory(self) -> Optional[int]:
        """Bytes of activations that are alive at the operator where most are, :attr:`peak_operator`."""
        return self._contents["peak_activation_bytes"]

    @property
    def peak_operator(self) -> int:
        return self._contents["peak_op"]

    @property
    def live_bytes(self) -> List[int]:
        """Bytes of activations that are alive while each operator runs."""
        return self._contents["live_bytes"]

    @property
    def weight_bytes(self) -> Dict[str, int]:
        """Bytes of parameters by type: ``{"float32": 13996480}``."""
        return self._contents["weight_bytes"]

    def price(self, lut: Any, device: str = "", mode: str = "ave", statistic: str = "p50") -> Price:
        """The sum of the operators' times, microseconds.

        lut: a file, or a :func:`LatencyTable`. device, mode, statistic: as in ``LatencyTable.estimate_net``.

        Raises ValueError where the table lacks operators, naming them and the modules that run them: a missing operator is
        never a zero.
        """
        estimate = _table(lut).estimate(self._handle, device, mode, statistic)
        missing = [op for op, status in zip(self.operators, estimate.statuses()) if status == "missing"]
        if missing:
            raise ValueError(
                f"the table must have a time for every operator, but {len(missing)} of {len(self.operators)} are missing: "
                + described_missing(missing)
            )
        return Price(estimate.total_us(), estimate.times_us(), estimate.statuses())

    def to_onnx(self, path: Any, weights: str = "random", seed: int = 0) -> None:
        """Writes the network as an ONNX model, for whatever runs one.

        weights: ``random``, the same for every machine under a seed; or ``none``, for a small file whose weights are
        constants that are made when it is loaded.

        Raises RuntimeError for an operator that ONNX does not have and for a file that cannot be written.
        """
        if weights not in ("random", "none"):
            raise ValueError(f"weights must be random or none, got {weights!r}")
        self._handle.write_onnx(os.fspath(path), weights == "random", seed)


def read_module(module: nn.Module, *example: Any) -> Net:
    """The network that a module is when it runs ``module(*example)``, in evaluation mode and without gradients.

    example: tensors of the shapes, types and device of interest; their values do not count.

    Batch normalisations behind a convolution are part of it, as in a network that is shipped. Modes, weights and buffers of
    the module are left as they are. An operator that latgrad does not know is kept by its name: ``price`` says that it is
    missing, and :attr:`Net.macs` is None.

    Raises ValueError for a module that cannot be traced, with the qualified name of the submodule where it fails, for
    arguments that are no tensors, and for types that tables do not have, bfloat16 for example.
    """
    return traced(module, example, "")


def traced(module: nn.Module, example: Sequence[Any], name: str) -> Net:
    """As :func:`read_module`; `name` is that of the module in a larger one, for errors."""
    for index, value in enumerate(example):
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"the example must be tensors, got {type(value).__name__} at {index}")
    if not example:
        raise ValueError("the example must have at least one tensor, got none")
    inputs = [f"input_{index}" if index else "input" for index in range(len(example))]
    exported = _exported(module, tuple(example), inputs, name)
    try:
        return _net_of("trace", exported, inputs, name or type(module).__name__)
    except RuntimeError as error:  # of the types that a table has
        raise ValueError(str(error)) from error


def joined(names: Sequence[str], parts: Sequence[Net]) -> Net:
    """Parts in a row; their names go in front of those of their modules."""
    return _net_of("join", list(names), list(parts))


def _net_of(kind: str, *arguments: Any) -> Net:
    net_class = torch.classes.latgrad.Net
    if kind == "join":
        names, parts = arguments
        return Net(net_class.join(names, [part._handle for part in parts]), (kind, *arguments))
    model, data_inputs, source = arguments
    data = torch.frombuffer(bytearray(model), dtype=torch.uint8)
    return Net(net_class.read_trace(data, data_inputs, source), (kind, *arguments))


def _exported(module: nn.Module, example: Tuple[torch.Tensor, ...], inputs: List[str], name: str) -> bytes:
    """The bytes of the ONNX model, without weights: parameters are inputs of the graph, behind `inputs`."""
    options: Dict[str, Any] = {"export_params": False, "do_constant_folding": False, "opset_version": _newest_opset()}
    if "dynamo" in inspect.signature(torch.onnx.export).parameters:
        options["dynamo"] = False  # the exporter that needs no other package and names the module of each node
    buffer = io.BytesIO()
    running: List[str] = []
    try:
        with contextlib.ExitStack() as stack:
            for context in (
                _followed(module, running),
                evaluated(module),
                _without_defaults(module),
                _attention_as_operators(),
                warnings.catch_warnings(),
            ):
                stack.enter_context(context)
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                example,
                buffer,
                operator_export_type=torch.onnx.OperatorExportTypes.ONNX_FALLTHROUGH,
                input_names=inputs,
                **options,
            )
    except Exception as error:
        where = ".".join(part for part in (name, running[-1] if running else "") if part)
        what = f"the submodule {where}" if where else type(module).__name__
        raise ValueError(f"a module must be traceable, but {what} is not: {error}") from error
    return buffer.getvalue()


def _newest_opset() -> int:
    """Up to which every exporter and latgrad agree: 20 has Gelu as one operator, torch 1.13 knows 17."""
    return 20 if tuple(int(part) for part in torch.__version__.split(".")[:2]) >= (2, 4) else 17


@contextlib.contextmanager
def _without_defaults(module: nn.Module) -> Iterator[None]:
    """Hides the default arguments of `forward`, which the exporter would hand over as tensors: ``is_causal=False``, too."""
    if isinstance(module, torch.jit.ScriptModule):
        yield
        return
    own = vars(module).get("forward")
    forward = module.forward
    module.forward = lambda *inputs: forward(*inputs)  # type: ignore[method-assign]
    try:
        yield
    finally:
        del module.forward
        if own is not None:
            module.forward = own


@contextlib.contextmanager
def _attention_as_operators() -> Iterator[None]:
    """nn.TransformerEncoderLayer as what it does, not as the one operator of its fast path; torch 1.13 has no such switch."""
    attention = getattr(torch.backends, "mha", None)
    if attention is None:
        yield
        return
    enabled = attention.get_fastpath_enabled()
    attention.set_fastpath_enabled(False)
    try:
        yield
    finally:
        attention.set_fastpath_enabled(enabled)


@contextlib.contextmanager
def evaluated(module: nn.Module) -> Iterator[None]:
    """In evaluation mode; every submodule has its own mode again afterwards."""
    modes = {submodule: submodule.training for submodule in module.modules()}
    try:
        module.eval()
        with torch.no_grad():
            yield
    finally:
        for submodule, mode in modes.items():
            submodule.training = mode


@contextlib.contextmanager
def _followed(module: nn.Module, running: List[str]) -> Iterator[None]:
    """Keeps in `running` the names of the submodules that run, the innermost last; where one fails, it stays."""

    def enter(name: str) -> Any:
        return lambda *_: running.append(name)

    def leave(name: str) -> Any:
        # What failed inside, and was caught, is left as well.
        def cut(*_: Any) -> None:
            del running[len(running) - 1 - running[::-1].index(name) :]

        return cut

    handles = []
    try:
        for name, submodule in module.named_modules():
            if isinstance(submodule, torch.jit.ScriptModule):
                continue  # takes no hooks
            handles.append(submodule.register_forward_pre_hook(enter(name)))
            handles.append(submodule.register_forward_hook(leave(name)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _module_of(node: str) -> str:
    """The qualified name of the module from the name of an exporter's node: ``/layer1/layer1.0/conv/Conv``."""
    parts: List[str] = []
    for part in node.split("/")[1:-1]:
        if parts and part.startswith(parts[-1] + "."):
            parts[-1] = part  # a child of a container is called after it
        elif part:
            parts.append(part)
    return ".".join(parts)


def described_missing(missing: Sequence[Operator]) -> str:
    lines = [
        f"{op.type} {op.input_shapes if op.input_shapes is not None else 'of unknown shape'}"
        + (f" in {op.module}" if op.module else "")
        for op in missing[:_SHOWN_MISSING]
    ]
    rest = len(missing) - len(lines)
    return ", ".join(lines) + (f" and {rest} more" if rest else "") + "; measure them with latgrad.profile"


def _table(lut: Union[str, "os.PathLike[str]", Any]) -> Any:
    return torch.classes.latgrad.LatencyTable(os.fspath(lut)) if isinstance(lut, (str, os.PathLike)) else lut

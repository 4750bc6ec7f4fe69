"""The TorchScript classes, as functions that accept any path type. They return a ``torch.ScriptObject``."""

import os
from typing import Any, List, Optional, Sequence, Union

import torch
from torch import Tensor


def LatencyModel(space, lut, device="", precision="int8", mode="ave"):
    """The latency of every candidate of a space, from a LUT: a ``torch.classes.latgrad.LatencyModel``.

    space: a space file. lut: a table in the published format (``.json``, ``.json.gz``, ``.zip``).
    device: empty for the table's default. precision: ``int8`` or ``fp32``. mode: ``ave``, ``min``, ``max`` or
    ``last``, how to combine several records of an operator.

    The object is immutable and self-contained: torch.jit.save stores it as an attribute of a module, and the module
    loads where neither file exists. TorchScript can call its methods. L is the number of layers, C the number of
    candidates of the widest layer; both are indexed from 0:

    ``table_us(statistic="p50")``
        The latency of every candidate: float64 ``[L, C]``, 0 where not valid.
    ``chain_table_us(statistic="p50")``, ``chain_valid()``
        The latency of every candidate behind every candidate of the layer before, for ``latgrad.chain_latency``: float64
        ``[L, C, C]``, 0 where not valid; which of these pairs fit: bool ``[L, C, C]``. The model of a chain, a space whose
        candidates have channels, has these in place of ``table_us``, and neither ``spread_us``, ``search``, ``text`` nor ``save``.
    ``fixed_us(statistic="p50")``
        The latency that all architectures share (stem, head, layout changes), a float.
    ``estimate(arch, statistic="p50")``
        The latency of architectures, uint8 or int64 ``[..., L]``, including the fixed part: float64 ``[...]``.
    ``search(theta, budget_us, k=1, statistic="p50")``
        The ``k`` architectures of the largest probability under ``softmax(theta)``, floating point ``[L, C]``, that take at
        most ``budget_us`` with the fixed part: exact, best first. Gives ``(arch, log_probability, latency_us)``: int64
        ``[k, L]``, float64 ``[k]`` twice; -1, ``-inf`` and ``inf`` where fewer fit.
    ``peak_memory(arch)``
        Bytes of activations alive at the operator where most are, of architectures, uint8 or int64 ``[..., L]``: int64
        ``[...]``. Each is lowered to its network, which takes some 50 us.
    ``spread_us()``
        The distance between fast and slow runs of every candidate: the sum of p90 - p10 over its operators, float64
        ``[L, C]``. It equals the spread of the block's time where its operators slow down together, and is in practice
        an upper bound where they are independent.
    ``covariance_us2()``, ``noise()``
        Of a calibrated model: how the candidates, layer by layer, and last the fixed part err together, float64
        ``[L * C + 1, L * C + 1]``; the scale of the errors of measured times, as a share of them. Others raise ValueError.
        :func:`latgrad.model_interval` uses both.
    ``valid()``
        Which candidates the space offers: bool ``[L, C]``.
    ``layers()``, ``candidates(layer)``
        L; the names of a layer's candidates by index, including those that are not offered.
    ``encode(names)``, ``decode(arch)``
        One candidate name per layer to int64 ``[L]``, and back.
    ``netdef(arch)``, ``init_netdef(arch)``, ``input_dims()``
        The Caffe2 network of one architecture as text, its init net with the shapes of the parameters, and the shape
        of each data input by name: what ``LatencyTable(...).estimate_net`` takes.
    ``space()``, ``precision()``, ``device()``
        The text of the space file without ``base``; ``int8`` or ``fp32``; the device of the LUT.

    ``devices()``, ``layer_names()``, ``fixed_by_device_us(statistic="p50")``
        For models of several devices, which :func:`LatencyModel.from_table <from_table>` makes: their names; the names of the
        layers; the fixed part on each device, float64 ``[D]``. ``table_us()`` is ``[D, L, C]`` then, and ``estimate``
        ``[..., D]``.

    ``statistic`` is ``p0``, ``p10``, ``p50``, ``p90``, ``p100`` or ``mean``: the time of each operator that is summed.
    docs/risk.md explains what such a sum means. Tensors are copies on the CPU.

    The methods raise ValueError for an unknown statistic, a layer out of range, or an architecture that does not fit.

    Raises ValueError or RuntimeError if the LUT lacks operators of the space (naming the first ten), if a file cannot
    be read or breaks its format, or for an unknown device, precision or mode.
    """
    return torch.classes.latgrad.LatencyModel(os.fspath(space), os.fspath(lut), device, precision, mode)


def from_table(
    table_us: Any,
    candidates: Sequence[Any],
    fixed_us: Any = 0.0,
    device: Union[str, Sequence[str]] = "table",
    valid: Optional[Tensor] = None,
    layers: Sequence[str] = (),
) -> Any:
    """``LatencyModel.from_table``: a model of numbers that are there already, such as a block table, energy or bytes.

        model = latgrad.LatencyModel.from_table([[120.5, 340.1, 0.0], [88.0, 210.0, 0.0]], ["k3_e1", "k5_e6", "skip"])

    table_us: ``[L, C]``, or ``[D, L, C]`` for several devices or resources at once; a tensor or nested lists.
    candidates: C names, or a list of at most C names for each layer.
    fixed_us: what every architecture costs in addition: a number, or one for each device.
    device: the name, or D names. The unit is yours: all that says ``us`` is then in it.
    valid: bool ``[L, C]``, a tensor or nested lists: what a layer offers; None: every candidate that has a name.
    layers: L names; empty: ``layer1``, ``layer2``, ...

    The model decodes, encodes, prices, is saved and is held by a ``PricedNetwork`` as any other. It has no space, so that
    ``space()``, ``precision()``, ``peak_memory()``, ``netdef()``, ``init_netdef()`` and ``input_dims()`` raise ValueError,
    and one figure for each candidate, so that ``statistic`` is ``p50``.

    Raises ValueError where shapes and numbers of names do not fit, for a figure that is negative or not finite, for a layer
    without a valid candidate, and for names that are empty or occur twice in their list.
    """
    table = torch.as_tensor(table_us, dtype=torch.float64)
    num_layers = table.shape[-2] if table.dim() > 1 else 1
    if isinstance(candidates, str):
        raise ValueError(f"candidates must be a list of names, or one for each layer, got the text {candidates!r}")
    is_flat = all(isinstance(entry, str) for entry in candidates)
    names = [list(candidates)] * num_layers if is_flat else [_names("candidates", entry) for entry in candidates]
    devices = [device] if isinstance(device, str) else _names("device", device)
    fixed = torch.as_tensor(fixed_us, dtype=torch.float64)
    offered = None if valid is None else torch.as_tensor(valid)
    return torch.classes.latgrad.LatencyModel.from_table(
        table, names, fixed, devices, offered, _names("layers", layers)
    )


def _names(what: str, given: Any) -> List[str]:
    names = [given] if isinstance(given, str) or not hasattr(given, "__iter__") else list(given)
    if isinstance(given, str) or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{what} must be lists of names, got {given!r}")
    return names


LatencyModel.from_table = from_table


def SearchSpace(path):
    """A search space, read from its file: a ``torch.classes.latgrad.SearchSpace``. It is the basis of :class:`Supernet`.

    The object is immutable; as an attribute of a module it is saved as the text of the space. Layers and candidates
    are indexed from 0, and ``precision`` is ``int8`` or ``fp32``. Its methods:

    ``name()``, ``text()``, ``input_shape()``, ``classes()``
        Its name; the whole space as one file without ``base``; NCHW; how many logits a network has.
    ``layers()``, ``candidates(layer)``, ``valid()``
        L; the names of a layer's candidates by index; which of them are offered, bool ``[L, C]``.
    ``scaled(width=1.0, depth=1.0, resolution=0, classes=0)``
        A smaller or larger version: channels times ``width``, rounded to multiples of 8; layers of every stage times
        ``depth``, rounded up; another image or number of classes where not 0.
    ``stem(precision="int8")``, ``block(layer, candidate, precision="int8")``, ``head(precision="int8")``, ``classifier()``
        The parts of a network in order, as fragments: what is before the layers, one candidate of one layer, what is behind
        them, and the pool and fully connected layer. A fragment is a tuple of its input blob, its output blob, its operators
        (tuples of type, input blobs, output blobs and arguments, by Caffe2's names) and the shapes of its parameters by
        blob. An identity has no operators, and its input is its output.
    ``parse_architecture(text)``, ``format_architecture(arch)``
        The name of an architecture, digits, or names and indices to int64 ``[L]``, and back to names.

    The methods raise ValueError for a value that is out of range, not offered, unknown or not a number.

    Raises RuntimeError or ValueError if the file cannot be read or breaks the format.
    """
    return torch.classes.latgrad.SearchSpace(os.fspath(path))


def LatencyTable(path):
    """A latency look-up table in the published format: a ``torch.classes.latgrad.LatencyTable``.

    As an attribute of a module, torch.jit.save stores it with all its records. Its methods:

    ``size()``, ``devices()``
        The number of records; the devices that have one.
    ``find(op_type, args, input_shapes, input_dtypes, device="", statistic="p50")``
        A time of each record of one operator in file order, microseconds; empty where there is none. ``args`` are
        protobuf texts, ``input_dtypes`` Caffe2's numbers.
    ``estimate_net(model, init="", input_dims={}, device="", mode="ave", statistic="p50")``
        The latency of a Caffe2 network or an ONNX model. ``model`` is a folder or a file, ``init`` the init net of a
        Caffe2 network (empty: found next to it), ``input_dims`` the shapes of data inputs by name. The result has ``total_us()``, which raises RuntimeError
        if an operator is missing, ``found_us()``, ``all_found()``, and for each operator ``op_types()``, ``outputs()``,
        ``statuses()`` (``exact``, ``substituted``, ``missing``) and ``times_us()``.
    ``estimate(net, device="", mode="ave", statistic="p50")``
        The same of a network that has been read: what ``Net.price`` calls.

    ``device``, ``mode`` and ``statistic`` are as in ``LatencyModel``. The methods raise ValueError if an argument
    breaks a rule, and RuntimeError for files and networks.

    Raises RuntimeError if the file cannot be read or breaks the format.
    """
    return torch.classes.latgrad.LatencyTable(os.fspath(path))

"""The TorchScript classes, as functions that take any path. The results are ``torch.ScriptObject``."""

import os

import torch


def LatencyModel(space, lut, device="", precision="int8", mode="ave"):
    """Prices every candidate of a space with a LUT: a ``torch.classes.latgrad.LatencyModel``.

    space: a space file. lut: a table in the published format (``.json``, ``.json.gz``, ``.zip``).
    device: empty for the table's default. precision: ``int8`` or ``fp32``. mode: ``ave``, ``min``, ``max`` or
    ``last``, how several records of an operator become one time.

    The object is immutable and self-contained: as an attribute of a module it is saved by torch.jit.save and loads
    where neither file exists. Its methods can be called from TorchScript; L layers, C candidates of the widest layer,
    both counted from 0:

    ``table_us(statistic="p50")``
        What every candidate costs: float64 ``[L, C]``, 0 where not valid.
    ``fixed_us(statistic="p50")``
        What every architecture pays, a float: stem, head, layout changes.
    ``estimate(arch, statistic="p50")``
        The price of architectures, uint8 or int64 ``[..., L]``, with the fixed part: float64 ``[...]``.
    ``spread_us()``
        How far apart the fast and the slow runs of every candidate are: p90 - p10 of each of its operators, summed;
        float64 ``[L, C]``. The spread of the block's own time where its operators slow down together, and in practice
        an upper bound of it where they are independent.
    ``valid()``
        Which candidates the space offers: bool ``[L, C]``.
    ``layers()``, ``candidates(layer)``
        L; the names of a layer's candidates by index, those that are not offered among them.
    ``encode(names)``, ``decode(arch)``
        One candidate name per layer to int64 ``[L]``, and back.
    ``netdef(arch)``, ``init_netdef(arch)``, ``input_dims()``
        The Caffe2 network of one architecture as text, its init net with the shapes of the parameters, and the shape
        of each data input by name: what ``LatencyTable(...).estimate_net`` takes.
    ``space()``, ``precision()``, ``device()``
        The text of the space file without ``base``; ``int8`` or ``fp32``; the device of the LUT.

    ``statistic`` is ``p0``, ``p10``, ``p50``, ``p90``, ``p100`` or ``mean``: the figure of each operator that is summed.
    docs/risk.md says what such a sum means. Tensors are copies, on the CPU.

    The methods raise ValueError for an unknown statistic, a layer out of range, an architecture that does not fit.

    Raises ValueError or RuntimeError where the LUT lacks operators of the space (naming the first ten), where a file
    cannot be read or breaks its format, for an unknown device, precision or mode.
    """
    return torch.classes.latgrad.LatencyModel(os.fspath(space), os.fspath(lut), device, precision, mode)


def SearchSpace(path):
    """A search space, read from its file: a ``torch.classes.latgrad.SearchSpace``. :class:`Supernet` is built from it.

    Immutable; as an attribute of a module it is saved as the text of the space. Its methods; layers and candidates count
    from 0, ``precision`` is ``int8`` or ``fp32``:

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

    The methods raise ValueError for what is out of range, not offered, unknown or no number.

    Raises RuntimeError or ValueError where the file cannot be read or breaks the format.
    """
    return torch.classes.latgrad.SearchSpace(os.fspath(path))


def LatencyTable(path):
    """A latency look-up table in the published format: a ``torch.classes.latgrad.LatencyTable``.

    As an attribute of a module it is saved by torch.jit.save with all its records. Its methods:

    ``size()``, ``devices()``
        The number of records; the devices that have one.
    ``find(op_type, args, input_shapes, input_dtypes, device="", statistic="p50")``
        A time of each record of one operator in file order, microseconds; empty where there is none. ``args`` are
        protobuf texts, ``input_dtypes`` Caffe2's numbers.
    ``estimate_net(model, init="", input_dims={}, device="", mode="ave", statistic="p50")``
        The price of a Caffe2 network, a folder or a file, with its init net (empty: beside it) and the shapes of data
        inputs by name. The result has ``total_us()``, which raises RuntimeError while an operator is missing,
        ``found_us()``, ``all_found()``, and for each operator ``op_types()``, ``outputs()``, ``statuses()`` (``exact``, ``substituted``,
        ``missing``) and ``times_us()``.

    ``device``, ``mode`` and ``statistic`` are as in ``LatencyModel``. The methods raise ValueError where an argument breaks a
    rule, RuntimeError for files and networks.

    Raises RuntimeError where the file cannot be read or breaks the format.
    """
    return torch.classes.latgrad.LatencyTable(os.fspath(path))

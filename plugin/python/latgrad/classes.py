"""The TorchScript classes. Their methods are described in latgrad/plugin/latency_model.h and latency_table.h."""

import os

import torch


def LatencyModel(space, lut, device="", precision="int8", mode="ave"):
    """Prices every candidate of a space with a LUT: a ``torch.classes.latgrad.LatencyModel``.

    space: a space file. lut: a table in the published format (``.json``, ``.json.gz``, ``.zip``).
    device: empty for the table's default. precision: ``int8`` or ``fp32``. mode: ``ave``, ``min``, ``max`` or
    ``last``, how several records of an operator become one time.

    The object is immutable and self-contained: as an attribute of a module it is saved by torch.jit.save and loads
    where neither file exists.

    Raises ValueError or RuntimeError where the LUT lacks operators of the space (naming the first ten), where a file
    cannot be read or breaks its format, for an unknown device, precision or mode.
    """
    return torch.classes.latgrad.LatencyModel(os.fspath(space), os.fspath(lut), device, precision, mode)


def LatencyTable(path):
    """A latency look-up table in the published format: a ``torch.classes.latgrad.LatencyTable``.

    Raises RuntimeError where the file cannot be read or breaks the format.
    """
    return torch.classes.latgrad.LatencyTable(os.fspath(path))

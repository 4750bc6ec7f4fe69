"""Latency models and networks in files, without TorchScript.

    latgrad.save_model(model, "pixel.json")               # JSON: names and figures, and the space where there is one
    latgrad.save_network(priced, "network.pt2", images)   # torch.export, and the model as an extra file
    latgrad.load_model("network.pt2")                     # from either

The files are read in C++ with torch (``latgrad::load_latency_model``) and without
(``latgrad::search::load_latency_model``).
"""

import copy
import os
import tempfile
import zipfile
from typing import Any, Dict, Optional, Tuple, Union

import torch
from torch import Tensor

from latgrad.networks import PricedNetwork

_Path = Union[str, "os.PathLike[str]"]
_MODEL_NAME = "latgrad_model.json"


def save_model(model: torch.ScriptObject, path: _Path) -> None:
    """Writes a ``LatencyModel`` as JSON.

    Raises RuntimeError where the file cannot be written.
    """
    model.save(os.fspath(path))


def load_model(path: _Path) -> torch.ScriptObject:
    """The ``LatencyModel`` of a file that :func:`save_model` or :func:`save_network` has written.

    Raises RuntimeError for a file that cannot be read, holds no model, or one of a later version.
    """
    return torch.classes.latgrad.LatencyModel.load(os.fspath(path))


def save_network(
    network: PricedNetwork,
    path: _Path,
    images: Tensor,
    compiled: bool = False,
    dynamic_shapes: Optional[Union[Dict[str, Any], Tuple[Any, ...]]] = None,
) -> None:
    """Exports a ``PricedNetwork`` to a ``.pt2`` package that holds its latency model and architecture as an extra file.

    The network is exported as it is in ``eval()``. images: an input that it is traced with. dynamic_shapes: as
    ``torch.export.export`` takes them.
    compiled: a package of AOTInductor, compiled for the device and the instruction set at hand, which
    ``torch._inductor.aoti_load_package`` and C++'s ``AOTIModelPackageLoader`` run; else one of ``torch.export``, which
    ``torch.export.load`` reads.

    Raises RuntimeError for a torch that has no ``torch.export``, or no packages of AOTInductor (2.6 and later have them):
    save TorchScript there, ``torch.jit.save(torch.jit.script(network), path)``.
    """
    if not hasattr(torch, "export"):
        raise RuntimeError(
            f"torch {torch.__version__} has no torch.export: save TorchScript, "
            "torch.jit.save(torch.jit.script(network), path)"
        )
    # What stays of the model is the extra file: the exported program is that of the network alone.
    shapes = {} if dynamic_shapes is None else {"dynamic_shapes": dynamic_shapes}
    program = torch.export.export(copy.deepcopy(network.network).eval(), (images,), **shapes)
    model = network.model.text(network.arch, network.statistic)
    package = getattr(torch._inductor, "aoti_compile_and_package", None)
    if compiled and package is None:
        raise RuntimeError(
            f"torch {torch.__version__} writes no packages of AOTInductor (2.6 and later do): save with compiled=False"
        )
    target = os.path.abspath(os.fspath(path))
    # Beside the target, which is replaced in one step.
    with tempfile.TemporaryDirectory(dir=os.path.dirname(target), prefix=".latgrad-") as folder:
        written = os.path.join(folder, os.path.basename(target))
        if not compiled:
            torch.export.save(program, written, extra_files={_MODEL_NAME: model})
        else:
            package(program, package_path=written)
            with zipfile.ZipFile(written, "a") as archive:
                root = archive.namelist()[0].split("/")[0]
                archive.writestr(f"{root}/extra/{_MODEL_NAME}", model)
        os.replace(written, target)

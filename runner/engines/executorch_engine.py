"""ExecuTorch with the XNNPACK backend: `pip install executorch onnx`. int8 by PyTorch's PT2E quantisation."""

import contextlib
import logging
import os
import warnings

from serving import EngineError, Kept, Unsupported, first_line, needs

logging.disable(logging.WARNING)


@contextlib.contextmanager
def silence():
    """Without what libraries say while they are loaded, in C++ as well."""
    kept = os.dup(2)
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


with silence():
    try:
        import torch
        from executorch.backends.xnnpack.partition.xnnpack_partitioner import XnnpackPartitioner
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
        from executorch.exir import to_edge_transform_and_lower
        from executorch.extension.pybindings.portable_lib import _load_for_executorch_from_buffer, _unsafe_reset_threadpool
        from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    except ImportError as error:
        raise needs(error.name or "executorch", "pip install executorch onnx") from error

from importlib.metadata import version

from onnx_module import OnnxModule

def quantised(module, inputs):
    """The module in int8, by one run with its example."""
    quantizer = XNNPACKQuantizer().set_global(get_symmetric_quantization_config())
    prepared = prepare_pt2e(torch.export.export(module, inputs).module(), quantizer)
    prepared(*inputs)
    return convert_pt2e(prepared)


def program(module):
    inputs = module.example()
    if module.is_quantised:
        module = quantised(module, inputs)
    exported = torch.export.export(module, inputs)
    return to_edge_transform_and_lower(exported, partitioner=[XnnpackPartitioner()]).to_executorch().buffer


class Engine:
    def __init__(self, threads, provider):
        if provider.lower() not in ("", "xnnpack"):
            raise EngineError(f'ExecuTorch runs with the backend XNNPACK here, got "{provider}"')
        with silence():
            _unsafe_reset_threadpool(threads)
        self.provider = ""
        self.framework = f"executorch {version('executorch')}, torch {torch.__version__}"
        self.fp32 = self.int8 = "ExecuTorch, XNNPACK"
        self.programs = Kept()

    def load(self, model):
        module = OnnxModule(model).eval()
        try:
            with warnings.catch_warnings(), torch.no_grad():
                warnings.simplefilter("ignore")
                buffer = self.programs.get(model, lambda: program(module))
        except Exception as error:  # export, lowering and quantisation have errors of many kinds
            raise Unsupported(first_line(error)) from error
        method = _load_for_executorch_from_buffer(buffer)
        inputs = module.example()
        return lambda: (buffer, method.forward(inputs))  # the method reads from the buffer

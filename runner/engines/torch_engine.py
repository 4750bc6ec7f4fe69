"""PyTorch: `pip install torch onnx`. The provider is "inductor" for torch.compile; without one, eager mode."""

import warnings

from serving import EngineError, Kept, Unsupported, needs

try:
    import torch
except ImportError as error:
    raise needs("torch", "pip install torch onnx") from error

from onnx_module import OnnxModule


def compiled(module, inputs):
    return torch.compile(torch.export.export(module, inputs).module())


class Engine:
    def __init__(self, threads, provider):
        if provider not in ("", "inductor"):
            raise EngineError(f'PyTorch runs a network as it is, or compiled by "inductor", got "{provider}"')
        torch.set_num_threads(threads)
        torch.set_flush_denormal(True)
        torch.set_grad_enabled(False)
        warnings.simplefilter("ignore")
        self.provider = provider
        self.framework = f"torch {torch.__version__}"
        self.fp32 = "torch.compile, inductor" if provider else "PyTorch, eager"
        self.int8 = ""
        self.compiled = Kept()

    def load(self, model):
        module = OnnxModule(model).eval()
        if module.is_quantised:
            raise Unsupported("PyTorch's int8 is measured operator by operator: --engine qnnpack, onednn or x86")
        inputs = module.example()
        run = self.compiled.get(model, lambda: compiled(module, inputs)) if self.provider else module
        return lambda: run(*inputs)

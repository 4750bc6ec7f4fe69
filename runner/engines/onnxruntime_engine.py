"""ONNX Runtime: `pip install onnxruntime`. The provider is an execution provider: CPU, XNNPACK, CUDA, ..."""

import numpy as np
from serving import EngineError, Unsupported, first_line, needs

try:
    import onnxruntime
except ImportError as error:
    raise needs("onnxruntime", "pip install onnxruntime") from error

TYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(int64)": np.int64,
    "tensor(int32)": np.int32,
    "tensor(int8)": np.int8,
    "tensor(uint8)": np.uint8,
    "tensor(bool)": np.bool_,
}


class Engine:
    def __init__(self, threads, provider):
        names = onnxruntime.get_available_providers()
        wanted = [name for name in names if name.lower() == f"{provider or 'CPU'}ExecutionProvider".lower()]
        if not wanted:
            known = ", ".join(name.removesuffix("ExecutionProvider") for name in names)
            raise EngineError(f'this onnxruntime has the providers {known}, got "{provider}"')
        (self.wanted,) = wanted
        self.provider = "" if self.wanted == "CPUExecutionProvider" else self.wanted.removesuffix("ExecutionProvider")
        # XNNPACK has threads of its own.
        options = {"intra_op_num_threads": str(threads)} if self.provider == "Xnnpack" else {}
        self.providers = [(self.wanted, options)]
        if self.provider:
            self.providers.append(("CPUExecutionProvider", {}))
        self.framework = f"onnxruntime {onnxruntime.__version__}"
        self.fp32 = self.int8 = f"ONNX Runtime, {self.wanted}"
        self.options = onnxruntime.SessionOptions()
        self.options.intra_op_num_threads = threads
        self.options.inter_op_num_threads = 1
        self.options.log_severity_level = 3
        self.options.add_session_config_entry("session.set_denormal_as_zero", "1")

    def load(self, model):
        try:
            session = onnxruntime.InferenceSession(model, self.options, providers=self.providers)
        except Exception as error:  # its exceptions have no base of their own
            raise Unsupported(first_line(error)) from error
        if self.wanted not in session.get_providers():
            raise EngineError(f"the provider {self.provider} does not start here: ONNX Runtime would take the CPU instead")
        random = np.random.default_rng(0)
        inputs = {}
        for value in session.get_inputs():
            dtype = TYPES.get(value.type)
            if dtype is None:
                raise Unsupported(f"an input of type {value.type}")
            # Integers may be indices: zeros are within every range.
            is_real = np.issubdtype(dtype, np.floating)
            inputs[value.name] = random.random(value.shape).astype(dtype) if is_real else np.zeros(value.shape, dtype)
        return lambda: session.run(None, inputs)

"""OpenVINO: `pip install openvino`. The provider is a device: CPU, GPU, NPU."""

import statistics

import numpy as np
from serving import EngineError, Unsupported, first_line, needs

try:
    import openvino
except ImportError as error:
    raise needs("openvino", "pip install openvino") from error


# After one to warm up.
NODE_RUNS = 5


class Engine:
    def __init__(self, threads, provider):
        self.core = openvino.Core()
        self.device = (provider or "CPU").upper()
        self.provider = "" if self.device == "CPU" else self.device
        if self.device not in self.core.available_devices:
            known = ", ".join(self.core.available_devices)
            raise EngineError(f'this openvino has the devices {known}, got "{provider}"')
        self.framework = f"openvino {openvino.__version__}"
        self.fp32 = self.int8 = f"OpenVINO, {self.core.get_property(self.device, 'FULL_DEVICE_NAME')}"
        self.options = {"PERFORMANCE_HINT": "LATENCY", "NUM_STREAMS": 1}
        if self.device == "CPU":
            self.options |= {"INFERENCE_NUM_THREADS": threads, "INFERENCE_PRECISION_HINT": "f32"}

    def request(self, model, **options):
        try:
            compiled = self.core.compile_model(self.core.read_model(model), self.device, {**self.options, **options})
        except Exception as error:  # its exceptions have no base of their own
            raise Unsupported(first_line(error)) from error
        request = compiled.create_infer_request()
        random = np.random.default_rng(0)
        for index, port in enumerate(compiled.inputs):
            dtype = port.get_element_type().to_dtype()
            shape = list(port.get_shape())
            # Integers may be indices: zeros are within every range.
            is_real = np.issubdtype(dtype, np.floating)
            values = random.random(shape).astype(dtype) if is_real else np.zeros(shape, dtype)
            request.set_input_tensor(index, openvino.Tensor(values))
        return request

    def load(self, model):
        return self.request(model).infer

    def node_times(self, model):
        request = self.request(model, PERF_COUNT=True)
        times_us = {}
        for run in range(NODE_RUNS + 1):
            request.infer()
            for node in request.profiling_info if run > 0 else []:
                times_us.setdefault(node.node_name, []).append(node.real_time.total_seconds() * 1e6)
        return {name: statistics.median(values) for name, values in times_us.items()}

"""The runner's side of the protocol (docs/runner-protocol.md), for engines that take whole networks.

An engine is a class with

* ``Engine(threads, provider)``: raises ``EngineError`` where it is not installed or has no such provider;
* ``framework``, ``fp32``, ``int8``: texts for the provenance; ``provider``: that in use, empty for the default;
* ``load(model)``: takes the bytes of an ONNX model and gives a function that runs it once, on inputs of its own, and
  returns when the result is there. Raises ``Unsupported`` with the reason for a network that it cannot run;
* optional: ``node_times(model)``: microseconds by node of the engine's own graph, as its own profiler has them.
"""

import base64
import collections
import contextlib
import gc
import hashlib
import importlib
import json
import os
import platform
import time

PROTOCOL = 3

# By the name that the planner asks for: its module.
ENGINES = {
    "onnxruntime": "onnxruntime_engine",
    "openvino": "openvino_engine",
    "executorch": "executorch_engine",
    "torch": "torch_engine",
}


class EngineError(Exception):
    """The engine cannot be used here."""


class Unsupported(Exception):
    """The engine cannot run this network."""


def needs(package, install):
    """The error of an engine whose package is missing."""
    return EngineError(f"the package {package} is missing: {install}")


class Kept:
    """What was made of the last models: making one takes seconds, and the planner loads each several times."""

    def __init__(self, most=512):
        self.most = most
        self.made = collections.OrderedDict()

    def get(self, model, make):
        key = hashlib.sha256(model).digest()
        if key not in self.made:
            self.made[key] = make()
        self.made.move_to_end(key)
        while len(self.made) > self.most:
            self.made.popitem(last=False)
        return self.made[key]


def cpu():
    """What the system says of its processor, under the protocol's names; nothing where it says nothing."""
    names = {"model name": "cpu_model", "Hardware": "cpu_model", "cpu family": "cpu_family", "model": "cpu_model_number"}
    found = {}
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as lines:
        for line in lines:
            key, _, value = line.partition(":")
            if key.strip() in names:
                found.setdefault(names[key.strip()], value.strip())
    with contextlib.suppress(OSError), open("/proc/device-tree/model", encoding="utf-8") as board:
        found.setdefault("cpu_model", board.read().rstrip("\0\n"))
    return {
        "cpu_model": platform.processor() or platform.machine(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "logical_cores": os.cpu_count() or 0,
        **found,
    }


def pin(cores, threads):
    """Keeps this process on these cores, or on the last ones, which serve fewest interrupts. Returns them."""
    if not hasattr(os, "sched_setaffinity"):
        return []
    cores = cores or sorted(os.sched_getaffinity(0))[-threads:]
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        raise EngineError(f"cannot pin to cores {cores}: {error}") from error
    return cores


def time_us(run):
    """How long a run takes, in microseconds."""
    start = time.perf_counter_ns()
    run()
    return (time.perf_counter_ns() - start) / 1e3


def paired_times(network, reference, warmup, samples):
    """The times of ``samples`` runs of the network, each between two runs of the reference, which may be ``None``."""
    for _ in range(warmup):
        if reference:
            reference()
        network()
    network_us, reference_us = [], []
    for _ in range(samples):
        if reference:
            reference_us.append(time_us(reference))
        network_us.append(time_us(network))
    if reference:
        reference_us.append(time_us(reference))
    return network_us, reference_us


class Session:
    """What a planner has opened."""

    def __init__(self):
        self.engine = None
        self.networks = {}

    def open(self, request):
        name = request["engine"]
        if name not in ENGINES:
            raise EngineError(f'the engine must be one of {", ".join(ENGINES)}, got "{name}"')
        if request.get("newest_protocol", request["protocol"]) < PROTOCOL:
            raise EngineError(f"this runner speaks version {PROTOCOL} of the protocol: install a newer latgrad")
        # Before the engine starts its threads, which inherit it.
        cores = pin(request["cores"], request["threads"]) if request["pin"] else []
        self.engine = importlib.import_module(ENGINES[name]).Engine(request["threads"], request.get("provider", ""))
        return {
            "protocol": PROTOCOL,
            "program": "latgrad_runners",
            "measures": ["networks"],
            "engine": "-".join(filter(None, [name, self.engine.provider.lower()])),
            "threads": request["threads"],
            "cores": cores,
            "framework": self.engine.framework,
            "fp32": self.engine.fp32,
            "int8": self.engine.int8,
            "machine": cpu(),
        }

    def load(self, request):
        self.networks.pop(request["place"], None)  # first of all: its memory
        model = base64.b64decode(request["model"])
        tells_nodes = request.get("nodes") and hasattr(self.engine, "node_times")
        try:
            reply = {"nodes_us": self.engine.node_times(model)} if tells_nodes else {}
            run = self.engine.load(model)
            run()
        except Unsupported as error:
            return {"unsupported": str(error) or "the engine cannot run it"}
        except EngineError:
            raise
        except Exception as error:  # whatever an engine throws: of this network, others may run
            return {"unsupported": f"{type(error).__name__}: {first_line(error)}"}
        self.networks[request["place"]] = run
        return reply

    def time(self, request):
        reference = self.networks[request["reference"]] if "reference" in request else None
        network = self.networks[request["network"]]
        gc.collect()
        gc.disable()
        try:
            network_us, reference_us = paired_times(network, reference, request["warmup"], request["samples"])
        finally:
            gc.enable()
        return {"network_us": network_us, "reference_us": reference_us}

    def answer(self, request):
        kind = request["request"]
        if kind == "open":
            return self.open(request)
        if self.engine is None:
            raise EngineError('the first request must be "open"')
        if kind == "load":
            return self.load(request)
        if kind == "time":
            return self.time(request)
        raise EngineError(f'this runner takes whole networks, not the request "{kind}"')


def first_line(error):
    """An error as one sentence; engines print pages."""
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__


def serve(requests, replies):
    """Answers each line of ``requests`` with a line of ``replies`` until they end."""
    session = Session()
    for line in requests:
        if not line.strip():
            continue
        request = json.loads(line)
        try:
            reply = {"reply": request["request"], **session.answer(request)}
        except EngineError as error:
            reply = {"reply": "error", "message": str(error)}
        except Exception as error:  # whatever an engine throws: the planner shows it and stops
            reply = {"reply": "error", "message": f"{type(error).__name__}: {first_line(error)}"}
        print(json.dumps({"id": request["id"], **reply}), file=replies, flush=True)

"""A runner whose operators take made-up times: what the tests of the profiler measure.

fake_runner.py [BEHAVIOUR ...]: how it is to behave badly; none: it behaves.
  late            answers the fifth request to measure half a second late
  dies            ends with status 7 at the sixth request to measure
  killed          kills itself at the sixth request to measure
  garbage         answers the second request to measure with a line that is no JSON
  wrong-count     leaves out a sample
  negative        measures negative times
  wrong-id        answers another request
  version         speaks another version of the protocol
  no-softmax      cannot run Softmax
  silent          reads and never answers
  noisy           takes now this long, now that
  slow-clock      measures 5 % more than there is
  second          speaks version 2 of the protocol
  drift           takes twice as long from the 5th request to measure to the 14th
  networks        takes whole networks: 70 us for each convolution or pool, 30 us more where it says how it strides
  no-network      takes whole networks, and can run none
  lost-reference  takes whole networks, and loads the reference only once
A request to load or to time a network counts as one to measure.
"""

import base64
import itertools
import json
import os
import signal
import sys
import time

BEHAVIOUR = set(sys.argv[1:])
TAKES_NETWORKS = bool({"networks", "no-network", "lost-reference"} & BEHAVIOUR)
TIMES_US = {"Relu": 100.0, "Conv": 200.0, "Softmax": 50.0, "LatgradDelay": 0.0}


def operator_us(op):
    if op["op_type"] == "LatgradDelay":
        return float(next(arg for arg in op["op_args"] if "delay_us" in arg).split("i: ")[1])
    known = TIMES_US.get(op["op_type"])
    size = sum(len(shape) * sum(shape) for shape in op["input_shapes"])
    return known if known is not None else 10.0 + size % 97


def open_reply(request):
    return {
        "id": request["id"], "reply": "open", "protocol": 99 if "version" in BEHAVIOUR else 3 if TAKES_NETWORKS else 2 if "second" in BEHAVIOUR else 1,
        "measures": ["networks" if TAKES_NETWORKS else "operators"],
        "program": "fake-runner 1", "engine": request["engine"], "int8": "made up", "fp32": "made up",
        "framework": "none", "threads": request["threads"], "cores": request["cores"],
        "machine": {"cpu_model": os.environ.get("FAKE_CPU", "Fake CPU 1000"), "architecture": "fake"},
    }


def measure_reply(request, count):
    factor = 2 if "drift" in BEHAVIOUR and 5 <= count < 15 else 1
    if "slow-clock" in BEHAVIOUR:
        factor = 1.05
    if "noisy" in BEHAVIOUR:
        factor = 1 + 0.5 * (count * 7919 % 101) / 101
    noise = [1 + 0.001 * ((count + i) % 5 - 2) for i in range(request["samples"])]
    unsupported = {}
    times = []
    for i, op in enumerate(request["operators"]):
        if "no-softmax" in BEHAVIOUR and op["op_type"] == "Softmax":
            unsupported[str(i)] = "no kernel for operator type Softmax"
            times.append([])
        else:
            times.append([operator_us(op) * n * factor for n in noise])
    reply = {"id": request["id"], "reply": "measure", "operators_us": [], "total_us": [], "unsupported": unsupported}
    if request["timing"] == "whole":
        reply["total_us"] = [sum(t[s] for t in times if t) for s in range(request["samples"])]
    assert "parts" not in request or "second" in BEHAVIOUR
    if "parts" in request:
        ends = list(itertools.accumulate(request["parts"], initial=0))
        reply["parts_us"] = [
            [sum(t[s] for t in times[begin:end] if t) for s in range(request["samples"])]
            for begin, end in zip(ends, ends[1:])
        ]
    reply["operators_us"] = times
    if "wrong-count" in BEHAVIOUR:
        reply["operators_us"] = [t[1:] for t in times]
        reply["total_us"] = reply["total_us"][1:]
    if "negative" in BEHAVIOUR:
        reply["operators_us"] = [[-t for t in ts] for ts in times]
        reply["total_us"] = [-t for t in reply["total_us"]]
    if "wrong-id" in BEHAVIOUR:
        reply["id"] += 5
    return reply


NETWORKS_US = {}


def load_reply(request):
    model = base64.b64decode(request["model"])
    NETWORKS_US[request["place"]] = 70.0 * model.count(b"kernel_shape") + 30.0 * model.count(b"strides")
    reply = {"id": request["id"], "reply": "load"}
    if request.get("nodes"):
        reply["nodes_us"] = {"first": 0.5 * NETWORKS_US[request["place"]], "second": 0.4 * NETWORKS_US[request["place"]]}
    is_lost = "lost-reference" in BEHAVIOUR and request["place"] == 0 and len(NETWORKS_US) > 1
    return {**reply, "unsupported": "no memory for it"} if is_lost or "no-network" in BEHAVIOUR else reply


def time_reply(request, count):
    sign = -1 if "negative" in BEHAVIOUR else 1
    factor = 2 if "drift" in BEHAVIOUR and 5 <= count < 200 else 1
    samples = request["samples"] - (1 if "wrong-count" in BEHAVIOUR else 0)
    reply = {"id": request["id"] + (5 if "wrong-id" in BEHAVIOUR else 0), "reply": "time"}
    reply["network_us"] = [sign * factor * NETWORKS_US[request["network"]]] * samples
    if "reference" in request:
        reply["reference_us"] = [factor * NETWORKS_US[request["reference"]]] * (samples + 1)
    return reply


def reply_to(request, count):
    if request["request"] == "load":
        return load_reply(request)
    if request["request"] == "time":
        return time_reply(request, count)
    return measure_reply(request, count)


def main():
    count = 0
    for line in sys.stdin:
        request = json.loads(line)
        if "silent" in BEHAVIOUR:
            continue
        if request["request"] == "open":
            print(json.dumps(open_reply(request)), flush=True)
            continue
        count += 1
        if "late" in BEHAVIOUR and count == 5:
            time.sleep(0.5)
        if "dies" in BEHAVIOUR and count == 6:
            sys.exit(7)
        if "killed" in BEHAVIOUR and count == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        if "garbage" in BEHAVIOUR and count == 2:
            print("Welcome to pi!", flush=True)
            continue
        print(json.dumps(reply_to(request, count)), flush=True)


main()

"""Loads a LUT as a Python tool does: json.loads for each line, one object for each record.

    lut_load_baseline.py TABLE     prints the seconds of the fastest of three runs
"""

import json
import sys
import time


class Record:
    def __init__(self, fields):
        self.op_type = fields["op_type"]
        self.op_args = fields["op_args"]
        self.input_shapes = fields["input_shapes"]
        self.input_dtypes = fields["input_dtypes"]
        self.runtime_us_p0 = fields["runtime_us_p0"]
        self.runtime_us_p10 = fields["runtime_us_p10"]
        self.runtime_us_p50 = fields["runtime_us_p50"]
        self.runtime_us_p90 = fields["runtime_us_p90"]
        self.runtime_us_p100 = fields["runtime_us_p100"]
        self.device = fields["device"]


def load(path):
    with open(path, encoding="utf-8") as file:
        return [Record(json.loads(line)) for line in file]


def main():
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        records = load(sys.argv[1])
        best = min(best, time.perf_counter() - begin)
        del records
    print(best)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""How well two tables of one machine agree, operator by operator, up to the speed that their references tell.

    table_agreement.py A.json B.json [--json]
"""

import argparse
import json
import pathlib
import statistics


def read(path):
    """By operator the median time, and the time of the reference."""
    times = {}
    for line in path.read_text().splitlines():
        record = json.loads(line)
        key = json.dumps([record[field] for field in ("op_type", "op_args", "input_shapes", "input_dtypes")])
        times[key] = record["runtime_us_p50"]
    provenance = json.loads((path.parent / (path.stem + ".provenance.json")).read_text())
    return times, provenance["reference"]["time_us"]


def compare(first, second):
    (a, reference_a), (b, reference_b) = read(first), read(second)
    factor = reference_b / reference_a
    shared = [key for key in a if key in b and a[key] > 0]
    return {
        name: {
            "operators": len(shared),
            "factor": by,
            "median_percent": 100 * statistics.median(errors),
            "p90_percent": 100 * statistics.quantiles(errors, n=10)[8],
            "sums_percent": 100 * (sum(b[key] for key in shared) / by / sum(a[key] for key in shared) - 1),
        }
        for name, by in (("up to the speed", factor), ("as they are", 1.0))
        for errors in [[abs(b[key] / by / a[key] - 1) for key in shared]]
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", nargs=2, type=pathlib.Path)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    result = compare(*args.tables)
    if args.json:
        print(json.dumps(result, indent=2))
        return
    for name, row in result.items():
        print(
            f"{name:16} {row['operators']} operators, factor {row['factor']:.3f}: median {row['median_percent']:.2f} %, "
            f"90th percentile {row['p90_percent']:.2f} %, sums {row['sums_percent']:+.2f} %"
        )


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Learning curves of ``latgrad calibrate`` beside plain least squares, on published measurements.

    calibration_bench.py LATGRAD MEASUREMENTS.csv [--plot curves.svg]

MEASUREMENTS.csv has the columns arch and <device>_ms of the space fbnet_cifar. For each device and number of networks both
predict the last thousand: MAPE in percent. Least squares has an unknown for each candidate of each layer, and takes the
smallest coefficients where networks do not tell them apart.
"""

import argparse
import csv
import pathlib
import random
import subprocess
import tempfile

import numpy

SIZES = (20, 50, 100, 200, 500, 1000, 4000)
OTHERS = 1000
CANDIDATES = 9


def one_hot(archs):
    choices = numpy.array([[int(digit) for digit in arch] for arch in archs])
    return (choices[:, :, None] == numpy.arange(CANDIDATES)).reshape(len(archs), -1).astype(float)


def least_squares(archs, times, others):
    centre = numpy.mean(times)
    known = one_hot(archs) - 1 / CANDIDATES
    coefficients = numpy.linalg.lstsq(known, times - centre, rcond=1e-9)[0]
    return centre + (one_hot(others) - 1 / CANDIDATES) @ coefficients


def calibrated(latgrad, folder, archs, times, others):
    (folder / "target.csv").write_text("arch,target_ms\n" + "".join(f"{a},{t}\n" for a, t in zip(archs, times)))
    (folder / "others.csv").write_text("arch\n" + "".join(f"{a}\n" for a in others))
    subprocess.run(
        [latgrad, "calibrate", "--space", "fbnet_cifar", "--precision", "fp32", "--measurements", folder / "target.csv",
         "--predict", folder / "others.csv", "--predictions", folder / "out.csv"],
        check=True, stdout=subprocess.DEVNULL)
    with open(folder / "out.csv", encoding="utf-8") as file:
        return numpy.array([float(row["predicted_ms"]) for row in csv.DictReader(file)])


def curves(latgrad, rows, device):
    archs = [row["arch"] for row in rows]
    times = numpy.array([float(row[device]) for row in rows])
    others, truth = archs[-OTHERS:], times[-OTHERS:]

    def mape(predicted):
        return 100 * float(numpy.mean(numpy.abs(predicted / truth - 1)))

    with tempfile.TemporaryDirectory() as folder:
        return [(size,
                 mape(calibrated(latgrad, pathlib.Path(folder), archs[:size], times[:size], others)),
                 mape(least_squares(archs[:size], times[:size], others))) for size in SIZES]


def svg(all_curves):
    """A small picture for each device, both axes logarithmic."""
    width, height, columns = 230, 170, 5
    parts = []
    for index, (device, points) in enumerate(all_curves.items()):
        left, top = index % columns * width + 44, index // columns * height + 50

        def place(size, error):
            x = left + (width - 64) * numpy.log(size / SIZES[0]) / numpy.log(SIZES[-1] / SIZES[0])
            return f"{x:.1f} {top + (height - 60) * (1 - numpy.log(max(error, 0.05) / 0.05) / numpy.log(50 / 0.05)):.1f}"

        for error in (0.1, 1, 10):
            y = place(SIZES[0], error).split()[1]
            parts.append(f'<path d="M{left} {y}h{width - 64}" stroke="#ddd"/>'
                         f'<text x="{left - 4}" y="{float(y) + 4:.1f}" text-anchor="end">{error:g}%</text>')
        for size in (20, 200, 1000, 4000):
            parts.append(f'<text x="{place(size, 1).split()[0]}" y="{top + height - 44}" text-anchor="middle">{size}</text>')
        for column, colour, dash in ((2, "#999", "5 3"), (1, "#0072b2", "")):
            line = "L".join(place(point[0], point[column]) for point in points)
            parts.append(f'<path d="M{line}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>')
        parts.append(f'<text x="{left}" y="{top - 6}" font-weight="bold">{device}</text>')
    rows = -(-len(all_curves) // columns)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="{width * columns}" height="{height * rows + 40}" font-family="sans-serif" '
            f'font-size="11" fill="#222"><rect width="100%" height="100%" fill="#fff"/><text x="44" y="22" font-size="14">'
            f'MAPE of 1,000 other architectures over the number of measured ones: latgrad calibrate (blue), least squares '
            f'(grey, dashed)</text>{"".join(parts)}</svg>\n')


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("latgrad")
    parser.add_argument("measurements", type=pathlib.Path)
    parser.add_argument("--plot", type=pathlib.Path)
    args = parser.parse_args()
    with open(args.measurements, encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    random.Random(0).shuffle(rows)  # the file is in the order of the measurement, in which devices drift
    print("| device | " + " | ".join(f"{size}" for size in SIZES) + " |\n|---" * 1 + "|---" * len(SIZES) + "|")
    all_curves = {}
    for device in (name for name in rows[0] if name != "arch"):
        points = all_curves[device.rsplit("_", 1)[0]] = curves(args.latgrad, rows, device)
        print(f"| `{device.rsplit('_', 1)[0]}` | " + " | ".join(f"{ours:.2f} ({least:.2f})" for _, ours, least in points) + " |", flush=True)
    if args.plot:
        args.plot.write_text(svg(all_curves))


if __name__ == "__main__":
    main()

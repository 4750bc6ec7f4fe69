"""``latgrad calibrate``: tables from the times of a few networks."""

import csv
import json
import pathlib
import random
import sys
import xml.dom.minidom

import pytest

from conftest import assert_fails, run, run_json, shared

LAYERS, CANDIDATES = 22, 9
FAKE = pathlib.Path(__file__).parents[1] / "runner" / "fake_runner.py"


def random_archs(count, seed=1):
    chance = random.Random(seed)
    return ["".join(str(chance.randrange(CANDIDATES)) for _ in range(LAYERS)) for _ in range(count)]


def made_up_us(arch, speed=1.0):
    """A device that takes 2 ms, and for each block what its kernel and expansion say."""
    cost = [60, 90, 110, 190, 80, 110, 140, 260, 5]
    return 2000 + speed * sum(cost[int(c)] * (1 + (layer // 6) / 4) for layer, c in enumerate(arch))


def write_csv(path, columns, rows):
    path.write_text(",".join(columns) + "\n" + "".join(",".join(map(str, row)) + "\n" for row in rows))
    return path


def read_csv(path):
    with open(path, encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def target(tmp_path):
    return write_csv(tmp_path / "target.csv", ["arch", "pixel_us"], [(a, made_up_us(a)) for a in random_archs(40)])


def calibrate(*args, **kwargs):
    return run_json("calibrate", "--space", "fbnet_cifar", *args, "--json", **kwargs)


def test_predictions_are_close_and_inside_their_intervals(tmp_path, target):
    fresh = random_archs(200, seed=2)
    asked = write_csv(tmp_path / "asked.csv", ["arch"], [(a,) for a in fresh])
    result = calibrate("--measurements", target, "--predict", asked, "--predictions", tmp_path / "out.csv")
    assert result["device"] == "pixel"
    assert result["networks"] == 40
    assert result["left_out"]["mape_percent"] < 5
    predicted = read_csv(tmp_path / "out.csv")
    assert list(predicted[0]) == ["arch", "predicted_us", "low_us", "high_us"]
    assert [row["arch"] for row in predicted] == fresh
    errors = [float(row["predicted_us"]) / made_up_us(row["arch"]) - 1 for row in predicted]
    assert sum(map(abs, errors)) / len(errors) < 0.05
    inside = sum(float(r["low_us"]) <= made_up_us(r["arch"]) <= float(r["high_us"]) for r in predicted)
    assert inside >= 0.85 * len(predicted)


def test_units_are_those_of_the_columns(tmp_path, target):
    asked = write_csv(tmp_path / "asked.csv", ["arch"], [(a,) for a in random_archs(5, seed=3)])
    calibrate("--measurements", target, "--predict", asked, "--predictions", tmp_path / "us.csv")
    rows = [(a, made_up_us(a) / 1000) for a in random_archs(40)]
    in_ms = write_csv(tmp_path / "ms.csv", ["arch", "pixel_ms"], rows)
    calibrate("--measurements", in_ms, "--predict", asked, "--predictions", tmp_path / "ms_out.csv")
    for us, ms in zip(read_csv(tmp_path / "us.csv"), read_csv(tmp_path / "ms_out.csv")):
        assert float(ms["predicted_ms"]) == pytest.approx(float(us["predicted_us"]) / 1000, rel=1e-4)


def test_other_devices_help(tmp_path):
    few = random_archs(8)
    target = write_csv(tmp_path / "few.csv", ["arch", "pixel_us"], [(a, made_up_us(a)) for a in few])
    sources = write_csv(tmp_path / "sources.csv", ["arch", "slow_ms", "half_ms"],
                        [(a, made_up_us(a, 3) / 1000, made_up_us(a, 0.5) / 1000) for a in random_archs(300, seed=4)])
    alone = calibrate("--measurements", target)["left_out"]["mape_percent"]
    assert calibrate("--measurements", target, "--prior", sources)["left_out"]["mape_percent"] < alone / 2


def test_the_table_prices_architectures_with_an_interval(tmp_path, target):
    lut = tmp_path / "pixel.json"
    calibrate("--measurements", target, "--out", lut)
    records = [json.loads(line) for line in lut.read_text().splitlines()]
    assert all(r["device"] == "pixel" and r["runtime_us_error"] > 0 and r["runtime_us_p50"] >= 0 for r in records)
    provenance = json.loads((tmp_path / "pixel.provenance.json").read_text())
    assert provenance["networks"] == 40
    assert len(provenance["left_out"]["networks"]) == 40
    arch = random_archs(1, seed=5)[0]
    priced = run_json("arch", "fbnet_cifar", arch, "--lut", lut, "--json")
    assert priced["total_us"] == pytest.approx(made_up_us(arch), rel=0.1)
    assert priced["low_us"] < priced["total_us"] < priced["high_us"]
    text = run("arch", "fbnet_cifar", arch, "--lut", lut).stdout
    assert "where 9 of 10 measured times lie" in text
    # The same through the network's own file.
    run("arch", "fbnet_cifar", arch, "--netdef", tmp_path / "model.pbtxt", "--init-out", tmp_path / "model_init.pbtxt")
    net = run_json("net", tmp_path, "--lut", lut, "--input", "data=1,3,32,32", "--json")
    assert net["total_us"] == pytest.approx(priced["total_us"])
    assert net["high_us"] == pytest.approx(priced["high_us"])
    assert {op["status"] for op in net["ops"]} == {"estimated"}
    assert all(op["error_us"] > 0 for op in net["ops"])


def test_a_table_that_was_written_over_has_no_interval(tmp_path, target):
    lut = tmp_path / "pixel.json"
    calibrate("--measurements", target, "--out", lut)
    lut.write_text("".join(lut.read_text().splitlines(keepends=True)[:-1]))
    priced = run_json("arch", "fbnet_cifar", "FBNet-A", "--lut", lut, "--json", rc=3)
    assert priced["low_us"] is None and priced["high_us"] is None


def test_the_model_loads_without_the_table(tmp_path, target):
    calibrate("--measurements", target, "--model", tmp_path / "model.json", "--device", "Pixel 3")
    model = json.loads((tmp_path / "model.json").read_text())
    assert model["devices"] == ["Pixel 3"]
    arch = random_archs(1, seed=6)[0]
    table = model["latency_us"]["p50"]["table"][0]
    total_us = model["latency_us"]["p50"]["fixed"][0] + sum(table[layer][int(c)] for layer, c in enumerate(arch))
    assert total_us == pytest.approx(made_up_us(arch), rel=0.1)


def test_the_plan_is_better_than_chance(tmp_path):
    fresh = random_archs(300, seed=7)
    asked = write_csv(tmp_path / "asked.csv", ["arch"], [(a,) for a in fresh])

    def error_of(archs, name):
        measured = write_csv(tmp_path / name, ["arch", "pixel_us"], [(a, made_up_us(a)) for a in archs])
        calibrate("--measurements", measured, "--predict", asked, "--predictions", tmp_path / "out.csv")
        return sum(abs(float(r["predicted_us"]) / made_up_us(r["arch"]) - 1) for r in read_csv(tmp_path / "out.csv"))

    plan = run_json("calibrate", "--space", "fbnet_cifar", "--plan", "24", "--json")["plan"]
    assert len(set(plan)) == 24
    assert run("calibrate", "--space", "fbnet_cifar", "--plan", "24").stdout.split() == ["arch", *plan]
    by_chance = [error_of(random_archs(24, seed=10 + i), "chance.csv") for i in range(5)]
    assert error_of(plan, "plan.csv") < sorted(by_chance)[2]
    # With what is known already, others are asked for.
    measured = write_csv(tmp_path / "known.csv", ["arch", "p_us"], [(a, made_up_us(a)) for a in plan])
    more = run_json("calibrate", "--space", "fbnet_cifar", "--measurements", measured, "--plan", "5", "--json")["plan"]
    assert not set(more) & set(plan)


def test_the_learning_curve_is_a_picture(tmp_path, target):
    calibrate("--measurements", target, "--plot", tmp_path / "curve.svg")
    svg = xml.dom.minidom.parse(str(tmp_path / "curve.svg"))
    titles = [t.firstChild.data for t in svg.getElementsByTagName("title")]
    assert [t.split(":")[0] for t in titles] == ["5 networks", "10 networks", "20 networks"]


def test_text(tmp_path, target):
    result = run("calibrate", "--space", "fbnet_cifar", "--measurements", target, "--out", tmp_path / "t.json")
    assert result.returncode == 0
    assert "pixel from 40 measured networks of fbnet_cifar" in result.stdout
    assert "by the others" in result.stdout
    assert "measured times are inside theirs, of 90%" in result.stdout
    assert f"Table: {tmp_path / 't.json'}" in result.stdout


@pytest.mark.parametrize("args, message", [
    ([], "either --space or --net"),
    (["--space", "fbnet_cifar"], "--measurements of the space, or --plan"),
    (["--space", "fbnet_cifar", "--net", "a=3ms"], "either --space or --net"),
    (["--net", "a"], 'a measured network must be MODEL=TIME, such as A/int8=24.7ms, got "a"'),
    (["--net", "a=3"], "3"),
    (["--net", "a=3ms", "--prior", "sources.csv"], "a --prior of architectures requires --space"),
    (["--net", "a=3ms", "--predictions", "out.csv"], "--predictions requires --predict"),
    (["--net", "a=3ms", "--plan", "3"], "--plan requires --space"),
])
def test_usage_errors(args, message):
    assert_fails(run("calibrate", *args), 2, message)


@pytest.mark.parametrize("text, message", [
    ("arch,a_ms,b_ms\n" + "0" * 22 + ",1,2\n", "one column of times beside arch, got 2"),
    ("arch,a_ms\n" + "0" * 22 + ",\n", "the file must have a time, got none"),
    ("arch,a_ms\n" + ("0" * 22 + ",1.5\n") * 4, "measured networks must differ, but all 4 are the same"),
    ("arch,a_ms\n" + "".join("0" * 21 + f"{i},3\n" for i in range(4)), "measured times must differ, but all 4 are 3 ms"),
    ("arch,a_ms\n" + "9" * 22 + ",1\n", "line 2"),
])
def test_what_says_nothing_of_operators_is_refused(tmp_path, text, message):
    (tmp_path / "t.csv").write_text(text)
    assert_fails(run("calibrate", "--space", "fbnet_cifar", "--measurements", tmp_path / "t.csv"), 1, message)


ZOO_MS = {"ChamNet-A": 24.7, "ChamNet-C": 11.3, "ChamNet-E": 4.1, "FBNet-A": 14.1, "FBNet-C": 21.0, "FBNet-96": 2.3}


def test_published_networks_leave_one_out():
    nets = [arg for name, ms in ZOO_MS.items() for arg in ("--net", f"{shared(f'zoo/{name}/int8')}={ms}ms")]
    result = run_json("calibrate", *nets, "--json")
    assert result["left_out"]["mape_percent"] < 8
    assert result["left_out"]["inside_their_interval"] == 6


def test_networks_price_another_one(tmp_path):
    nets = [arg for name, ms in ZOO_MS.items() if name != "FBNet-C"
            for arg in ("--net", f"{shared(f'zoo/{name}/int8')}={ms}ms")]
    lut = tmp_path / "s8.json"
    result = run_json("calibrate", *nets, "--predict", shared("zoo/FBNet-C/int8"), "--out", lut, "--device", "s8", "--json")
    (predicted,) = result["predicted"]
    assert predicted["predicted_us"] == pytest.approx(21000, rel=0.1)
    assert predicted["low_us"] < 21000 < predicted["high_us"]
    priced = run_json("net", shared("zoo/FBNet-C/int8"), "--lut", lut, "--json")
    assert priced["total_us"] == pytest.approx(predicted["predicted_us"], rel=1e-3)


def test_a_real_device_from_twenty_networks(tmp_path):
    """A phone, with three other devices as a prior."""
    with open(shared("fbnet_measured/fbnet_latency.csv"), encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    target = write_csv(tmp_path / "t.csv", ["arch", "pixel3_ms"], [(r["arch"], r["pixel3_ms"]) for r in rows[:20]])
    devices = ["titan_rtx_1_ms", "silver_4114_ms", "titanx_64_ms"]
    sources = write_csv(tmp_path / "s.csv", ["arch", *devices], [(r["arch"], *(r[d] for d in devices)) for r in rows[50:450]])
    asked = write_csv(tmp_path / "a.csv", ["arch"], [(r["arch"],) for r in rows[1000:1500]])
    calibrate("--measurements", target, "--prior", sources, "--predict", asked, "--predictions", tmp_path / "o.csv")
    errors = [abs(float(p["predicted_ms"]) / float(r["pixel3_ms"]) - 1)
              for p, r in zip(read_csv(tmp_path / "o.csv"), rows[1000:1500])]
    assert sum(errors) / len(errors) < 0.03


# ---- measured by the command ----

def fake(*behaviour):
    return ["--runner", " ".join(["exec", sys.executable, str(FAKE), *behaviour])]


MEASURE = ["calibrate", "--space", "fbnet_cifar", "--precision", "fp32", "--measure", "--quiet"]


def test_measuring_ends_at_the_target_and_goes_on(tmp_path):
    """A made-up engine that takes 70 us for each convolution."""
    csv_path = tmp_path / "measured.csv"
    first = run_json(*MEASURE, "--measurements", csv_path, "--networks", "12", "--target", "0.001%", *fake("networks"), "--json")
    assert first["networks"] == 12
    rows = read_csv(csv_path)
    assert list(rows[0]) == ["arch", "measured_us"] and len(rows) == 12
    second = run_json(*MEASURE, "--measurements", csv_path, "--networks", "60", "--target", "1.5%", *fake("networks"),
                      "--out", tmp_path / "t.json", "--json")
    assert 12 < second["networks"] <= 60
    assert [row["arch"] for row in read_csv(csv_path)][:12] == [row["arch"] for row in rows]
    assert second["left_out"]["mape_percent"] < 5
    assert (tmp_path / "t.posterior.json").exists()


@pytest.mark.parametrize("args, rc, message", [
    (["--measurements", "m.csv", "--plan", "3"], 2, "--plan"),
    ([], 2, "--measurements"),
    (["--measurements", "m.csv", "--target", "0"], 2, "--target"),
])
def test_misuse_of_measuring(args, rc, message):
    assert_fails(run(*MEASURE, *args), rc, message)


def test_operators_are_measured_one_by_one_elsewhere(tmp_path):
    result = run(*MEASURE, "--measurements", tmp_path / "m.csv", *fake())
    assert_fails(result, 1, "--measure needs an engine that takes networks whole", "latgrad profile")


# ---- what a table lacks ----

def test_missing_operators_are_estimated_on_request(tmp_path, target):
    lut = tmp_path / "pixel.json"
    calibrate("--measurements", target, "--out", lut)
    lines = lut.read_text().splitlines(keepends=True)
    lut.write_text("".join(line for i, line in enumerate(lines) if i % 4))
    (tmp_path / "pixel.posterior.json").unlink()
    arch = random_archs(1, seed=9)[0]
    assert run("arch", "fbnet_cifar", arch, "--lut", lut).returncode == 3
    priced = run_json("arch", "fbnet_cifar", arch, "--lut", lut, "--estimate-missing", "--json")
    parts = priced["fixed_us"] + sum(layer["us"] for layer in priced["layers"])
    assert priced["total_us"] == pytest.approx(parts)
    assert priced["missing"] == []
    run("arch", "fbnet_cifar", arch, "--netdef", tmp_path / "model.pbtxt", "--init-out", tmp_path / "model_init.pbtxt")
    net = run_json("net", tmp_path, "--lut", lut, "--input", "data=1,3,32,32", "--estimate-missing", "--json")
    assert net["total_us"] == pytest.approx(priced["total_us"])
    assert {op["records"] for op in net["ops"] if op["status"] == "estimated"} == {0, 1}
    assert all(op["error_us"] > 0 for op in net["ops"])


def test_a_measured_table_is_corrected(tmp_path, target):
    """Whole networks take 1.2 times the sum of their operators, and 2 us more for each of them."""
    lut = tmp_path / "pixel.json"
    calibrate("--measurements", target, "--out", lut)
    lines = [json.loads(line) for line in lut.read_text().splitlines()]
    lut.write_text("".join(json.dumps({k: v for k, v in line.items() if k != "runtime_us_error"}) + "\n" for line in lines))
    (tmp_path / "pixel.posterior.json").unlink()

    def whole_us(arch):
        run("arch", "fbnet_cifar", arch, "--netdef", tmp_path / "model.pbtxt")
        return 1.2 * run_json("arch", "fbnet_cifar", arch, "--lut", lut, "--json")["total_us"] + 2 * (tmp_path / "model.pbtxt").read_text().count("op {")

    few = write_csv(tmp_path / "few.csv", ["arch", "pixel_us"], [(a, whole_us(a)) for a in random_archs(8, seed=11)])
    fresh = random_archs(10, seed=12)
    asked = write_csv(tmp_path / "asked.csv", ["arch"], [(a,) for a in fresh])

    def error(*args):
        calibrate("--measurements", few, "--predict", asked, "--predictions", tmp_path / "out.csv", *args)
        return sum(abs(float(r["predicted_us"]) / whole_us(r["arch"]) - 1) for r in read_csv(tmp_path / "out.csv")) / 10

    corrected = error("--lut", lut)
    assert corrected < 0.02
    assert corrected < error()


def test_lut_info_says_what_is_estimated(tmp_path, target):
    calibrate("--measurements", target, "--out", tmp_path / "pixel.json")
    records = run_json("lut", "info", tmp_path / "pixel.json", "--json")
    assert records["estimated_records"] == records["records"] > 100
    assert f"estimated {records['records']} records: times inferred from whole networks" in run("lut", "info", tmp_path / "pixel.json").stdout

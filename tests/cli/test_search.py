"""latgrad search: exact architectures under budgets. The search itself is tested in tests/search."""

import itertools
import json
import xml.etree.ElementTree

import pytest
from conftest import assert_fails, run, run_json, write_lut

ROWS = "tiny"  # four layers of 2, 3, 1 and 4 candidates; the last of the last is not offered


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """Tables of two devices for the space tiny, whose operators take made-up times."""
    folder = tmp_path_factory.mktemp("luts")
    (folder / "empty.json").write_text("")
    missing = run_json("space", ROWS, "--lut", make_stub(folder / "stub.json"), "--json", rc=3)["missing"]
    made = {}
    for device, unit in (("phone", 1.0), ("watch", 3.0)):
        records = []
        for i, op in enumerate(missing):
            us = unit * (10 + 7 * (i * i % 11)) if device == "phone" else unit * (10 + 5 * (i * i * 5 % 13))
            records.append({
                "op_type": op["op_type"], "op_args": op["op_args"], "input_shapes": op["input_shapes"],
                "input_dtypes": op["input_dtypes"], "device": device,
                **{f"runtime_us_p{p}": us * (1 + p / 1000) for p in (0, 10, 50, 90, 100)}})
        made[device] = write_lut(folder / f"{device}.json", records)
    return made


def make_stub(path):
    return write_lut(path, [{
        "op_type": "Relu", "op_args": [], "input_shapes": [[1]], "input_dtypes": [1], "device": "stub",
        **{f"runtime_us_p{p}": 1.0 for p in (0, 10, 50, 90, 100)}}])


@pytest.fixture(scope="module")
def everything(tables):
    """What the command latgrad arch says of every architecture, by its choices."""
    found = {}
    for arch in itertools.product(range(2), range(3), range(1), range(3)):
        name = "".join(map(str, arch))
        found[arch] = {
            device: run_json("arch", ROWS, name, "--lut", lut, "--json") for device, lut in tables.items()}
    return found


def search(tables, *args, rc=0):
    return run_json("search", ROWS, "--lut", tables["phone"], "--lut", tables["watch"], "--device", "phone", *args, "--json", rc=rc)


def us(entry, device="phone"):
    return entry[device]["total_us"]


def test_the_best_has_the_most_macs_within_the_budget(tables, everything):
    for budget in sorted(us(entry) + 0.001 for entry in everything.values()):
        found = search(tables, "--budget", f"{budget:.6f}us")
        best = max((e["phone"]["macs"] for e in everything.values() if us(e) <= budget))
        one = found["architectures"][0]
        assert one["macs"] == best and one["latency_us"] <= budget
        entry = everything[tuple(one["architecture"])]["phone"]
        assert (one["params"], one["peak_activation_bytes"]) == (entry["params"], entry["peak_activation_bytes"])
        assert one["latency_us"] == pytest.approx(entry["total_us"]) and one["blocks"] == entry["blocks"]
        assert found["proven"] and found["bound"] == one["score"]


def test_every_limit_counts(tables, everything):
    middle = everything[(1, 0, 0, 1)]["phone"]
    on_watch = sorted(us(entry, "watch") for entry in everything.values())[7]
    limits = {
        "macs": ("--max-macs", str(middle["macs"])), "params": ("--max-params", str(middle["params"])),
        "peak_activation_bytes": ("--max-peak-memory", f"{middle['peak_activation_bytes']}B")}
    for key, option in limits.items():
        found = search(tables, *option, "--top", "100")["architectures"]
        fits = [e for e in everything.values() if e["phone"][key] <= middle[key]]
        assert len(found) == len(fits) < len(everything) or key == "peak_activation_bytes"
        assert len(found) == len(fits) and all(one[key] <= middle[key] for one in found)
    found = search(tables, "--budget-on", f"watch={on_watch:.6f}us", "--top", "100")["architectures"]
    assert len(found) == sum(us(e, "watch") <= on_watch for e in everything.values())
    assert all(one["latency_us_on"]["watch"] <= on_watch + 1e-5 for one in found)


def test_the_front_holds_what_no_other_beats(tables, everything):
    front = search(tables, "--pareto")["front"]
    pairs = [(us(e), e["phone"]["macs"]) for e in everything.values()]
    beaten = lambda a: any(b[0] <= a[0] and b[1] >= a[1] and b != a for b in pairs)
    assert [one["macs"] for one in front] == [macs for _, macs in sorted(set(p for p in pairs if not beaten(p)))]
    some = search(tables, "--pareto", "50")["front"]
    assert {tuple(one["architecture"]) for one in some} <= {tuple(one["architecture"]) for one in front}
    assert some[-1] == front[-1] and some[0]["latency_us"] == front[0]["latency_us"]


def test_scores_from_files(tables, tmp_path):
    theta = [[0.0, 2.0], [1.0, 0.0, 0.5], [0.0], [0.0, 0.1, 3.0, 9.0]]
    (tmp_path / "theta.json").write_text(json.dumps(theta))
    (tmp_path / "epoch.json").write_text(json.dumps({"epoch": 3, "theta": theta[:3] + [[0.0, 0.1, 3.0, None]]}))
    first = search(tables, "--max-macs", "1G", "--score", tmp_path / "theta.json", "--top", "2")
    assert first["architectures"][0]["architecture"] == [1, 0, 0, 2] and first["score"] == "log-probability"
    assert search(tables, "--max-macs", "1G", "--score", tmp_path / "epoch.json", "--top", "2") | {"elapsed_ms": 0} == first | {
        "elapsed_ms": 0}
    names = [layer["candidates"] for layer in run_json("space", ROWS, "--json")["layers"]]
    names = [[one["name"] if isinstance(one, dict) else one for one in layer] for layer in names]
    (tmp_path / "scores.csv").write_text(
        f"layer,candidate,score\n1,{names[0][1]},5\n1,0,1\n2,2,-1\n2,{names[1][0]},-3\n\n3,0,0\n4,1,0.5\n")
    best = search(tables, "--max-macs", "1G", "--score", tmp_path / "scores.csv", "--top", "9")["architectures"]
    assert [(one["architecture"], one["score"]) for one in best] == [
        ([1, 2, 0, 1], 4.5), ([1, 0, 0, 1], 2.5), ([0, 2, 0, 1], 0.5), ([0, 0, 0, 1], -1.5)]


@pytest.mark.parametrize("name, text, message", [
    ("t.json", "[[1, 2]]", "a list for each of the 4 layers, got 1"),
    ("t.json", "[[1], [1, 2, 3], [1], [1, 2, 3, 4]]", "must have a number for each of the 2 candidates"),
    ("t.json", "[[1, 2, 3, 4, 5], [1, 2, 3], [1], [1, 2, 3, 4]]", "must have a number for each of the 2 candidates"),
    ("t.json", "[[1, 2], [null, null, null], [1], [1, 2, 3, 4]]", "layer 2 must have the score of a candidate, got none"),
    ("t.csv", "1,0,1\n1,0,2\n", "candidate 0 of layer 1 must have one score, got a second"),
    ("t.csv", "1,0,1\nlayer,candidate,score\n", 'layer must be from 1 to 4, got "layer"'),
    ("t.json", '[[1, "2"], [1, 2, 3], [1], [1, 2, 3, 4]]', "must be a number"),
    ("t.json", "{", "t.json"),
    ("t.csv", "1,0,1\n2,0,1\n3,0,1\n", "layer 4 must have the score of a candidate, got none"),
    ("t.csv", "5,0,1\n", 'layer must be from 1 to 4, got "5" ('),
    ("t.csv", "1,0,1\n4,3,1\n", 'candidate must be one that layer 4 offers, got "3" ('),
    ("t.csv", "1,0,much\n", 'score must be a number, got "much"'),
    ("t.csv", "1,0\n", "a line must be layer,candidate,score, got 2 values"),
])
def test_scores_that_do_not_fit_are_errors(tables, tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    result = run("search", ROWS, "--lut", tables["phone"], "--budget", "1s", "--score", tmp_path / name)
    assert_fails(result, 1, message)


def test_an_infeasible_budget_names_what_is_least(tables, everything):
    fastest = min(us(entry) for entry in everything.values())
    result = run("search", ROWS, "--lut", tables["phone"], "--budget", "1us", "--max-peak-memory", "1kB")
    assert_fails(result, 1, "none does", f"the least is {fastest / 1000:.3f} ms, ", "above 0.001 ms, of ", "peak memory: the least is")
    on_watch = min(us(entry, "watch") for entry in everything.values())
    assert not any(us(e) == fastest and us(e, "watch") == on_watch for e in everything.values())
    budgets = ["--budget", f"{fastest + 0.001:.6f}us", "--budget-on", f"watch={on_watch + 0.001:.6f}us"]
    result = run("search", ROWS, "--lut", tables["phone"], "--lut", tables["watch"], *budgets)
    assert_fails(result, 1, "each budget alone can be met, but not all together")


@pytest.mark.parametrize("args, message", [
    (["--budget", "20"], 'a time must be above 0 and have a unit, like 20ms or 20000us, got "20"'),
    (["--budget", "-3ms"], "a time must be above 0"),
    (["--max-peak-memory", "2000"], 'a size must be above 0 and have a unit, like 2MB or 2MiB, got "2000"'),
    (["--max-macs", "300Q"], "a count must be above 0, like 300M"),
    (["--budget-on", "20ms"], "must be DEVICE=TIME"),
    ([], "--budget, another limit, or --pareto is required"),
    (["--pareto", "--top", "3"], "excludes"),
    (["--budget", "1s", "--top", "0"], "--top"),
])
def test_wrong_usage(tables, args, message):
    assert_fails(run("search", ROWS, "--lut", tables["phone"], *args), 2, message)


def test_a_device_that_no_table_has(tables):
    result = run("search", ROWS, "--lut", tables["phone"], "--budget-on", "tv=1s")
    assert_fails(result, 1, 'a budget must be on a device of a --lut, got "tv"')


def test_text_and_plot(tables, tmp_path):
    plot = tmp_path / "front.svg"
    result = run("search", ROWS, "--lut", tables["phone"], "--pareto", "--plot", plot)
    assert result.returncode == 0, result.stderr
    assert "The Pareto front of tiny in int8 on phone" in result.stdout
    tree = xml.etree.ElementTree.parse(plot)
    front = search(tables, "--pareto")["front"]
    titles = [title.text for title in tree.iter("{http://www.w3.org/2000/svg}title")]
    assert len(titles) == len(front) and front[0]["blocks"] in titles[0]
    result = run("search", ROWS, "--lut", tables["phone"], "--budget", "1s", "--top", "2")
    assert "Proven: no other architecture within the budgets scores more" in result.stdout


def test_what_the_table_lacks_is_not_offered_and_said(tables, tmp_path):
    stub = run_json("space", ROWS, "--lut", make_stub(tmp_path / "stub.json"), "--json", rc=3)["missing"]
    of_one = next(i for i, op in enumerate(stub) if len(op["used_by"]) == 1 and "layer 2" in op["used_by"][0])
    lines = tables["phone"].read_text().splitlines()
    partial = tmp_path / "phone.json"
    partial.write_text("\n".join(lines[:of_one] + lines[of_one + 1:]) + "\n")
    result = run("search", ROWS, "--lut", partial, "--budget", "1s", "--top", "100")
    assert result.returncode == 3
    assert "Not offered, because the table lacks 1 operator" in result.stdout
    assert f"({stub[of_one]['used_by'][0]})" in result.stdout
    assert f"latgrad profile --space {ROWS} --precision int8 --lut {partial} --force" in result.stdout
    name = stub[of_one]["used_by"][0].split()[-1]
    left = run_json("search", ROWS, "--lut", partial, "--budget", "1s", "--top", "100", "--json", rc=3)["architectures"]
    assert len(left) == 12 and all(name != one["blocks"].split()[1] for one in left)

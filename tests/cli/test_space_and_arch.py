"""The space `tiny` of the repository: layers of 2, 3, 1 and 4 candidates; the very last is not offered."""

import json

import pytest
from conftest import assert_fails, record, relu_record, run, run_json, shared, with_times, write_lut


def test_space_without_a_table():
    space = run_json("space", "tiny", "--json")
    assert space["num_architectures"] == 2 * 3 * 1 * 3
    assert [len(layer["candidates"]) for layer in space["layers"]] == [2, 3, 1, 4]
    assert [layer["layer"] for layer in space["layers"]] == [0, 1, 2, 3]  # indices, of table_us and architectures, too
    assert space["layers"][3]["offered"] == [True, True, True, False]
    assert space["layers"][1]["output_shape"] == [16, 8, 8]
    assert space["named_architectures"] == {"smallest": [1, 0, 0, 2], "largest": [0, 2, 0, 1]}
    assert "table_us" not in space


def test_space_for_people():
    result = run("space", "tiny")
    assert result.returncode == 0
    assert result.stdout.startswith("tiny: 4 layers, 18 architectures, input [1, 3, 32, 32]\n")
    assert "    4   16x8x8   24x4x4       2  k3_e3 k5_e3_g2 k3_e1\n" in result.stdout
    assert "  smallest: skip k3_e1 k3k3_e1 k3_e1\n" in result.stdout


def test_number_of_architectures_is_exact_beyond_64_bits():
    assert run_json("space", "fbnet", "--json")["num_architectures"] == 9**22


CHAIN = """
name: "chain"
input { height: 8 width: 8 }
candidate { name: "narrow" channels: 4 conv { kernel: 3 } }
candidate { name: "wide" channels: 6 conv { kernel: 1 } }
candidate { name: "skip" channels: 4 skip { } }
stage { name: "a" channels: 4 layers: 3 }
head { classes: 2 }
"""


def test_a_chain_counts_the_architectures_whose_neighbours_fit(tmp_path):
    chain = tmp_path / "chain.textproto"
    chain.write_text(CHAIN)
    shown = run_json("space", chain, "--json")
    # The first layer reads 3 channels. Behind 4 channels fit all three, behind 6 all but the skip; of the first two
    # layers' choices 3 end in 4 channels and 2 in 6.
    assert shown["layers"][0]["offered"] == [True, True, False]
    assert shown["layers"][0]["channels"] == [4, 6, 4]
    assert shown["num_architectures"] == 3 * 3 + 2 * 2
    text = run("space", chain).stdout
    assert "A chain: layers choose their channels, of which the shapes have the most\n" in text


def test_arch_of_a_chain_is_the_sum_of_its_parts(tmp_path):
    chain = tmp_path / "chain.textproto"
    chain.write_text(CHAIN)
    arch = "narrow skip wide"
    nearly_empty = write_lut(tmp_path / "nearly_empty.json", [relu_record(1)])
    missing = run_json("arch", chain, arch, "--lut", nearly_empty, "--json", rc=3)["missing"]
    lut = write_lut(tmp_path / "lut.json", [
        record(op["op_type"], op["input_shapes"], op["input_dtypes"], 10.0 + i, op["op_args"])
        for i, op in enumerate(missing)])
    priced = run_json("arch", chain, arch, "--lut", lut, "--json")
    assert priced["layers"][1]["us"] == 0
    parts = priced["fixed_us"] + sum(layer["us"] for layer in priced["layers"])
    assert priced["total_us"] == pytest.approx(parts)


def test_a_chain_has_no_table_of_candidates_and_no_exact_search(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [relu_record(1)])
    assert_fails(run("space", "fbnet_v2_like", "--lut", lut), 1, "latgrad arch prices its architectures")
    assert_fails(run("search", "fbnet_v2_like", "--lut", lut, "--budget", "20ms"), 1,
                 "a space that is searched must have layers whose channels do not depend on choices")


def test_scaled_space_is_written_as_a_file(tmp_path):
    small = tmp_path / "small.textproto"
    scale = ["--width", "0.25", "--depth", "0.5", "--resolution", "16", "--classes", "7"]
    shown = run_json("space", "fbnet_cifar", *scale, "--write", small, "--json")
    assert shown["space"] == "fbnet_cifar_w0.25_d0.5_r16_c7"
    assert shown["input_shape"] == [1, 3, 16, 16] and len(shown["layers"]) == 12
    assert [layer["output_shape"][0] for layer in shown["layers"]][:4] == [8, 8, 8, 8]
    assert run_json("space", small, "--json") == shown
    assert "base" not in small.read_text()


def test_missing_operators_of_a_scaled_space_are_measured_by_its_file(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [relu_record(1)])
    small = tmp_path / "small.textproto"
    unwritten = run("space", "tiny", "--width", "0.5", "--lut", lut)
    assert "Write the space with --write FILE, then run:  latgrad profile --space FILE " in unwritten.stdout
    written = run("space", "tiny", "--width", "0.5", "--lut", lut, "--write", small)
    assert f"Measure them on that device:  latgrad profile --space {small} " in written.stdout
    assert written.returncode == 3


def test_scale_must_be_possible():
    assert_fails(run("space", "tiny", "--width", "0"), 1, "width must be from 1/1024 to 1024, got 0")


def test_complete_table_prices_every_candidate(tiny_lut):
    space = run_json("space", "tiny", "--lut", tiny_lut, "--json")
    assert space["all_found"] and space["missing"] == []
    table = space["table_us"]
    assert [len(row) for row in table] == [2, 3, 1, 4]
    assert table[0][1] == 0.0  # the identity
    assert table[3][3] is None  # not offered
    for name, choose in (("fastest", min), ("slowest", max)):
        chosen = [choose(us for us in row if us is not None) for row in table]
        assert space[name]["total_us"] == pytest.approx(space["fixed_us"] + sum(chosen), rel=1e-12)
        assert [table[i][c] for i, c in enumerate(space[name]["architecture"])] == chosen
        assert run_json("arch", "tiny", space[name]["blocks"], "--lut", tiny_lut,
                        "--json")["total_us"] == pytest.approx(space[name]["total_us"], rel=1e-12)


@pytest.fixture
def risky_lut(tmp_path, tiny_lut):
    """Convolutions with five taps, which only k5_e3_g2 has, are the fastest by the median and the slowest by p90."""
    def times(rec):
        five_taps = 'name: "kernel"\ni: 5\n' in rec["op_args"]
        return (0, 1, 1, 1000, 2000) if five_taps else (99, 100, 100, 101, 102)

    records = [json.loads(line) for line in tiny_lut.read_text().splitlines()]
    return write_lut(tmp_path / "risky.json", [
        with_times(rec, (0, 0, 0, 0, 0) if rec["op_type"] == "Int8ChannelShuffle" else times(rec)) for rec in records])


def test_statistic_decides_what_is_fastest(risky_lut):
    def blocks(statistic):
        space = run_json("space", "tiny", "--lut", risky_lut, "--statistic", statistic, "--json")
        assert space["statistic"] == statistic
        price = run_json("arch", "tiny", space["fastest"]["blocks"], "--lut", risky_lut, "--statistic", statistic, "--json")
        assert price["statistic"] == statistic
        assert price["fixed_us"] == space["fixed_us"]
        assert price["total_us"] == pytest.approx(space["fastest"]["total_us"], rel=1e-12)
        assert [layer["us"] for layer in price["layers"]] == [
            row[c] for row, c in zip(space["table_us"], space["fastest"]["architecture"])]
        return space["fastest"]["blocks"].split()

    assert [blocks("p50")[i] for i in (1, 3)] == ["k5_e3_g2", "k5_e3_g2"]
    assert "k5_e3_g2" not in blocks("p90") and "k5_e3_g2" not in blocks("mean")
    people = run("space", "tiny", "--lut", risky_lut, "--statistic", "p90").stdout
    assert "(ave of p90); - is not offered" in people
    # Eight operators of 101 us.
    assert "fixed    0.808 ms (808.0 us)\n" in people
    # k5_e3_g2: the convolution with five taps, a pointwise one before and one after it.
    assert "1202.0" in people


def test_complete_table_for_people(tiny_lut):
    result = run("space", "tiny", "--lut", tiny_lut)
    assert result.returncode == 0
    header, *rows = result.stdout.split("\n\n")[2].splitlines()
    assert header.split() == ["layer", "k3_e1", "skip", "k3_e3", "k5_e3_g2", "k3k3_e1"]
    assert rows[2].split()[:5] == ["3", "-", "-", "-", "-"]
    assert "fastest  " in result.stdout and "slowest  " in result.stdout
    assert "issing" not in result.stdout


def test_incomplete_table_lists_what_it_lacks(tmp_path, tiny_lut):
    records = [json.loads(line) for line in tiny_lut.read_text().splitlines()]
    # The depthwise convolutions with five taps are needed by k5_e3_g2 only.
    lut = write_lut(tmp_path / "without.json",
                    [r for r in records if 'name: "kernel"\ni: 5\n' not in r["op_args"]])
    space = run_json("space", "tiny", "--lut", lut, "--json", rc=3)
    assert not space["all_found"]
    assert space["table_us"][1][2] is None and space["table_us"][3][1] is None
    assert space["fixed_us"] is not None and space["fastest"] is not None
    assert [op["used_by"] for op in space["missing"]] == [["layer 2 k5_e3_g2"], ["layer 4 k5_e3_g2"]]
    result = run("space", "tiny", "--lut", lut)
    assert result.returncode == 3
    assert "Missing: 2 of 34 distinct operators\n  (--missing lists them)\n" in result.stdout
    assert "(layer 4 k5_e3_g2)" in run("space", "tiny", "--lut", lut, "--missing").stdout


def test_missing_fixed_part_leaves_no_fastest(tmp_path):
    lut = write_lut(tmp_path / "lut.json", [relu_record(1)])
    space = run_json("space", "tiny", "--lut", lut, "--json", rc=3)
    assert space["fixed_us"] is None and space["fastest"] is None and space["slowest"] is None
    assert len(space["missing"]) == space["num_operators"] == 34
    assert "fixed    missing\n" in run("space", "tiny", "--lut", lut).stdout


def test_arch_is_the_sum_of_its_parts(tiny_lut):
    arch = run_json("arch", "tiny", "largest", "--lut", tiny_lut, "--json")
    space = run_json("space", "tiny", "--lut", tiny_lut, "--json")
    assert arch["architecture"] == [0, 2, 0, 1]
    assert arch["blocks"] == "k3_e1 k5_e3_g2 k3k3_e1 k5_e3_g2"
    assert [layer["us"] for layer in arch["layers"]] == [
        row[c] for row, c in zip(space["table_us"], arch["architecture"])]
    assert arch["fixed_us"] == space["fixed_us"]
    assert [layer["layer"] for layer in arch["layers"]] == [0, 1, 2, 3]
    assert arch["total_us"] == pytest.approx(arch["fixed_us"] + sum(layer["us"] for layer in arch["layers"]))


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("suffix", [".pbtxt", ".pb"])
def test_written_network_has_the_price_of_its_architecture(tmp_path, tiny_lut, precision, suffix):
    model, init = tmp_path / f"model{suffix}", tmp_path / f"model_init{suffix}"
    rc = 0 if precision == "int8" else 3  # the table is of int8 operators
    arch = run_json("arch", "tiny", "0201", "--lut", tiny_lut, "--precision", precision, "--json",
                    "--netdef", model, "--init-out", init, rc=rc)
    net = run_json("net", tmp_path, "--lut", tiny_lut, "--input", "data=1,3,32,32", "--json", rc=rc)
    for key in ("total_us", "found_us", "all_found", "macs", "params", "other_params", "peak_activation_bytes",
                "peak_op", "weight_bytes"):
        assert arch[key] == net[key], key


def test_netdef_on_standard_output_is_all_there_is(tmp_path):
    file = tmp_path / "model.pbtxt"
    assert run("arch", "tiny", "smallest", "--netdef", file).returncode == 0
    assert run("arch", "tiny", "smallest", "--netdef", "-").stdout == file.read_text()


def test_arch_for_people(tmp_path, tiny_lut):
    result = run("arch", "tiny", "smallest", "--lut", tiny_lut)
    assert result.returncode == 0
    assert "    1  skip       0.0\n" in result.stdout and "\ntotal  " in result.stdout
    empty = write_lut(tmp_path / "lut.json", [relu_record(1)])
    result = run("arch", "tiny", "smallest", "--lut", empty)
    assert result.returncode == 3
    assert "total  none: the table lacks" in result.stdout and "latgrad profile --space" in result.stdout


@pytest.mark.parametrize("arguments, rc, message", [
    (["space"], 2, "SPACE is required"),
    (["space", "tiny", "--precision", "int4"], 2, "--precision"),
    (["space", "tiny", "--missing"], 2, "--lut"),
    (["space", "nonesuch"], 1, "tiny"),
    (["space", "./nonesuch.textproto"], 1, "nonesuch.textproto"),
    (["arch", "tiny"], 2, "ARCH is required"),
    (["arch", "tiny", "0001"], 0, ""),
    (["arch", "tiny", "0003"], 1, "layer 4"),
    (["arch", "tiny", "biggest"], 1, 'got "biggest"'),
    (["arch", "tiny", "0001", "--json", "--netdef", "-"], 2, "--netdef -"),
    (["arch", "tiny", "0001", "--netdef", "/nonesuch/model.pb"], 1, "/nonesuch"),
    (["arch", "tiny", "0001", "--init-out", "/nonesuch/model.pb"], 1, "/nonesuch"),
])
def test_errors(arguments, rc, message):
    result = run(*arguments)
    if rc == 0:
        assert (result.returncode, result.stderr) == (0, "")
    else:
        assert_fails(result, rc, message)


def test_published_networks_cost_what_their_architectures_cost():
    lut = shared("conformance/SM-G950U-7.0-24-op_lut_database.json")
    for precision in ("int8", "fp32"):
        arch = run_json("arch", "fbnet_c", "FBNet-C", "--lut", lut, "--precision", precision, "--json", rc=3)
        net = run_json("net", shared(f"zoo/FBNet-C/{precision}"), "--lut", lut, "--json", rc=3)
        assert (arch["macs"], arch["params"]) == (net["macs"], net["params"])
        assert arch["found_us"] == pytest.approx(net["found_us"], rel=1e-12)

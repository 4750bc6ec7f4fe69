"""latgrad report: the page that it makes of a search's folder, which these tests write (docs/run-format.md)."""

import html.parser
import itertools
import json
import math
import re
import xml.etree.ElementTree

import pytest
from conftest import assert_fails, run, run_json

FBNET = ["k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"]
HOSTILE = "<script>alert(1)</script>\"'&\u202e\x07"


def candidate_us(layer, candidate):
    """Wider layers cost more, and so do wider and larger blocks; skip is free, and not offered in every fifth layer."""
    name = FBNET[candidate]
    if name == "skip":
        return None if layer % 5 == 0 else 0.0
    expand, kernel = int(name[4]), int(name[1])
    return round((31 + 7 * (layer * 5 % 11)) * (0.35 + 0.4 * expand) * (0.8 + 0.08 * kernel) / (1 + ("g2" in name)), 3)


def theta_of(layer, epoch, warm_up, num_candidates):
    """All equal at first; then one candidate wins, at a pace that differs between layers."""
    winner = (layer * 7 + 3) % num_candidates
    moved = max(0, epoch - warm_up)
    return [None if candidate_us(layer, c) is None else
            round(moved * (0.02 + 0.01 * (layer % 4)) * (2.5 if c == winner else math.sin(c + layer)), 4)
            for c in range(num_candidates)]


def softmax(theta):
    weights = [0 if t is None else math.exp(t) for t in theta]
    return [w / sum(weights) for w in weights]


def make_run(folder, num_layers=6, num_candidates=9, num_epochs=30, device="Made-up phone", retrain=True):
    """A finished search of a made-up space; what the tests expect of its page follows from the files."""
    folder.mkdir()
    names, fixed_us, warm_up = FBNET[:num_candidates], 700.5, num_epochs // 10
    table = [[candidate_us(i, c) for c in range(num_candidates)] for i in range(num_layers)]

    def architecture(arch, theta):
        return {"architecture": arch, "blocks": [names[c] for c in arch],
                "latency_us": fixed_us + sum(table[i][c] for i, c in enumerate(arch)),
                "log_probability": sum(math.log(softmax(theta[i])[c]) for i, c in enumerate(arch))}

    log = []
    for epoch in range(num_epochs):
        theta = [theta_of(i, epoch, warm_up, num_candidates) for i in range(num_layers)]
        probs = [softmax(row) for row in theta]
        arg_max = [max(range(num_candidates), key=lambda c, p=p: p[c]) for p in probs]
        expected = fixed_us + sum(p * (us or 0) for ps, row in zip(probs, table) for p, us in zip(ps, row))
        exact = architecture(arg_max, theta)["latency_us"]
        progress, moves = epoch / num_epochs, epoch >= warm_up
        log.append({
            "epoch": epoch, "temperature": 5 * 0.956 ** epoch, "learning_rate": 0.1,
            "cross_entropy": 0.3 + 2 * math.exp(-4 * progress), "accuracy": 0.9 - 0.7 * math.exp(-4 * progress),
            "theta_cross_entropy": 0.6 + 1.7 * math.exp(-4 * progress) + 0.02 * math.sin(2.3 * epoch),
            "theta_accuracy": 0.81 - 0.6 * math.exp(-4 * progress) + 0.01 * math.sin(2.3 * epoch),
            "loss": 1.0 if moves else None, "sampled_us": expected * (1 + 0.02 * math.sin(epoch)) if moves else None,
            "expected_us": expected, "arg_max_us": exact, "gap_us": expected - exact,
            "theta_entropy": sum(-p * math.log(p) for ps in probs for p in ps if p > 0) / num_layers,
            "arg_max": arg_max, "theta": theta, "seconds": 61.5})
    operators = [{"type": "NCHW2NHWC", "output": "data_nhwc", "us": 100.0},
                 {"type": "Int8ConvRelu", "output": "stem", "us": 300.0}]
    chosen = [c if i else (c + 1) % (num_candidates - 1) for i, c in enumerate(arg_max)]
    for i, c in enumerate(chosen):
        if table[i][c]:
            operators += [{"type": kind, "output": f"layer{i + 1:02}_{names[c]}_{role}", "us": share * table[i][c]}
                          for kind, role, share in (("Int8ConvRelu", "expand", 0.25), ("Int8Conv", "dw", 0.5),
                                                    ("Int8Conv", "project", 0.25))]
    operators += [{"type": "Int8AveragePool", "output": "pool", "us": 50.5}, {"type": "Int8FC", "output": "logits", "us": 250.0}]
    write_json(folder / "config.json", {
        "format": "latgrad-run-1", "program": "made up by a test", "created": "2026-11-26T18:00:00Z",
        "settings": {"epochs": num_epochs, "target_ms": 3.2, "note": "as you like", "resume": False, "lut": None}})
    write_json(folder / "latency.json", {
        "space": "made_up", "device": device, "precision": "int8", "statistic": "p50", "fixed_us": fixed_us,
        "layers": [{"candidates": names, "us": row} for row in table]})
    write_lines(folder / "log.jsonl", log)
    write_json(folder / "result.json", {
        "epochs": num_epochs, "target_us": 3200.0, "arg_max": architecture(arg_max, theta),
        "samples": [architecture(chosen, theta) for _ in range(3)],
        "chosen": architecture(chosen, theta) | {"why": "it is the most accurate within the target"},
        "operators": operators})
    if retrain:
        (folder / "retrain").mkdir()
        write_lines(folder / "retrain" / "log.jsonl", [
            {"epoch": e, "learning_rate": 0.1, "cross_entropy": 2 / (1 + e), "accuracy": 0.9 - 0.7 / (1 + e),
             "test_cross_entropy": 2.1 / (1 + e), "test_accuracy": 0.87 - 0.7 / (1 + e), "seconds": 9} for e in range(20)])
        write_json(folder / "retrain" / "result.json", {
            "architecture": chosen, "blocks": [names[c] for c in chosen], "latency_us": 1, "epochs": 20,
            "test_accuracy": 0.8371, "test_cross_entropy": 0.51})
    return folder


def write_json(path, value):
    path.write_text(json.dumps(value, indent=1) + "\n")


def write_lines(path, values):
    path.write_text("".join(json.dumps(value) + "\n" for value in values))


def read_json(path):
    return json.loads(path.read_text())


def change(path, **values):
    write_json(path, read_json(path) | values)


def report(folder):
    """The text of the page, and its tree: it is well-formed XML."""
    result = run("report", folder)
    assert (result.returncode, result.stderr) == (0, "")
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert result.stdout.startswith(f"{folder / 'report.html'}: {round(len(page.encode()) / 1000)} kB, ")
    return page, xml.etree.ElementTree.fromstring(page.removeprefix("<!DOCTYPE html>\n"))


def text_of(element):
    return " ".join("".join(element.itertext()).split())


def section(tree, title):
    found, = (part for part in tree.iter("section") if part.findtext("h2") == title)
    return found


def headings(tree):
    return [heading.text for heading in tree.iter("h2")]


def key_figures(tree):
    return {figure.findtext("dt"): figure.findtext("dd") for figure in tree.find(".//dl")}


def shares(table):
    """Label to milliseconds and percent."""
    rows = {row.findtext("th"): [cell.text for cell in row.findall("td")[1:]] for row in table.find("tbody")}
    return {label: (float(ms), float(share.removesuffix(" %"))) for label, (ms, share) in rows.items()}


@pytest.fixture
def finished(tmp_path):
    return make_run(tmp_path / "run")


def test_has_all_sections(finished):
    page, tree = report(finished)
    assert headings(tree) == [
        "The search", "Retraining", "Theta", "Latency table", "The chosen architecture",
        "Where the time goes, by layer", "Where the time goes, by operator", "Every architecture worth having",
        "Architectures at the end"]
    assert tree.findtext(".//h1") == "Search of made_up on Made-up phone" == tree.findtext("head/title")
    facts = text_of(tree.find(".//header/p"))
    assert facts == ("space made_up device Made-up phone precision int8 statistic p50 target 3.200 ms "
                     "program made up by a test started 2026-11-26T18:00:00Z")
    assert "notes" not in [part.get("class") for part in tree.iter("section")]


def test_needs_nothing_else(finished):
    page, tree = report(finished)
    assert not re.search(r"https?:|//[a-z]|\ssrc=|\shref=|url\(|@import|<script|<link", page, re.IGNORECASE)


def test_is_html_whose_elements_close(finished):
    page, _ = report(finished)
    open_elements = []

    class Parser(html.parser.HTMLParser):
        def handle_starttag(self, tag, attrs):
            open_elements.append(tag)

        def handle_startendtag(self, tag, attrs):
            # A browser takes <div/> for <div>: only these may end themselves.
            assert tag in ("meta", "path", "rect", "circle")

        def handle_endtag(self, tag):
            assert open_elements.pop() == tag

    Parser().feed(page)
    assert open_elements == []


def test_key_figures(finished):
    result, last = read_json(finished / "result.json"), json.loads((finished / "log.jsonl").read_text().splitlines()[-1])
    figures = key_figures(report(finished)[1])
    assert figures == {
        "latency": f"{result['chosen']['latency_us'] / 1000:.3f} ms",
        "expected \u2212 arg-max": f"{last['gap_us'] / 1000:.3f} ms",
        "accuracy, theta split": f"{100 * last['theta_accuracy']:.2f} %",
        "test accuracy": "83.71 %",
        "epochs": "30",
        "search time": "30 min 45 s"}


def test_curves_tell_every_epoch(finished):
    _, tree = report(finished)
    log = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    charts = section(tree, "The search").findall(".//figure")
    assert [chart.findtext("figcaption/b") for chart in charts] == [
        "Accuracy, %", "Cross-entropy, nats", "Latency, ms", "Temperature of the Gumbel-softmax",
        "Entropy of theta, mean over the layers, nats"]
    assert all(chart.find("svg").get("role") == "img" and chart.find("svg").get("aria-label") for chart in charts)
    titles = [title.text for title in charts[2].iter("title")]
    assert len(titles) == 30
    assert titles[0] == f"epoch 0\nexpected {log[0]['expected_us'] / 1000:.4g} ms\narg-max {log[0]['arg_max_us'] / 1000:.4g} ms"
    assert f"sampled {log[29]['sampled_us'] / 1000:.4g} ms" in titles[29]
    assert text_of(charts[2].find("figcaption")) == "Latency, ms expected sampled arg-max target 3.2 ms"


def test_theta_is_shown_as_probabilities(finished):
    _, tree = report(finished)
    last = json.loads((finished / "log.jsonl").read_text().splitlines()[-1])
    maps = section(tree, "Theta").findall(".//figure")
    assert len(maps) == 6
    titles = [title.text.splitlines() for title in maps[0].iter("title")]
    assert len(titles) == 9
    assert titles[2][0] == "layer 1, k3_e3"
    assert titles[2][1] == "epoch 0: 12.5 %"  # of the eight that are offered
    assert titles[2][-1] == f"epoch 29: {100 * softmax(last['theta'][0])[2]:.1f} %"
    assert titles[8][1:] == ["epoch 0: not offered"] + [f"epoch {e}: not offered" for e in (6, 12, 17, 23, 29)]
    chosen = read_json(finished / "result.json")["chosen"]["blocks"]
    assert [text.text for text in tree.iter("text") if text.get("class") == "pick"] == chosen


def test_latency_table(finished):
    _, tree = report(finished)
    table = section(tree, "Latency table").find(".//table")
    assert [th.text for th in table.find("thead/tr")] == ["layer", *FBNET]
    rows = [[cell.text for cell in row] for row in table.find("tbody")]
    assert rows == [[str(i + 1)] + ["\u2013" if us is None else f"{us:.1f}" for us in layer["us"]]
                    for i, layer in enumerate(read_json(finished / "latency.json")["layers"])]
    outlined = [[i for i, cell in enumerate(row.findall("td")) if "pick" in cell.get("class")] for row in table.find("tbody")]
    assert outlined == [[c] for c in read_json(finished / "result.json")["chosen"]["architecture"]]


def test_time_by_layer_and_type(finished):
    _, tree = report(finished)
    result = read_json(finished / "result.json")
    total_us = result["chosen"]["latency_us"]
    by_layer = shares(section(tree, "Where the time goes, by layer").find("table"))
    assert list(by_layer) == ["stem", *(f"{i + 1} {name}" for i, name in enumerate(result["chosen"]["blocks"])), "head"]
    assert by_layer["stem"] == (0.4, pytest.approx(100 * 400 / total_us, abs=0.05))
    assert by_layer["head"] == (pytest.approx(0.3005, abs=0.0006), pytest.approx(100 * 300.5 / total_us, abs=0.05))
    by_type = shares(section(tree, "Where the time goes, by operator").find("table"))
    times = [ms for ms, _ in by_type.values()]
    assert times == sorted(times, reverse=True) and by_type["Int8FC"][0] == 0.25
    for part in (by_layer, by_type):
        assert sum(ms for ms, _ in part.values()) == pytest.approx(total_us / 1000, abs=0.01)
        assert sum(share for _, share in part.values()) == pytest.approx(100, abs=0.5)
    dearest = section(tree, "Where the time goes, by operator").findall(".//table")[1].find("tbody")
    shown = [float(row.findall("td")[2].text) for row in dearest]
    assert shown == [pytest.approx(us, abs=0.051) for us in sorted((op["us"] for op in result["operators"]), reverse=True)[:10]]


def test_parts_that_do_not_add_up_are_named(finished):
    result = read_json(finished / "result.json")
    result["operators"][0]["us"] = None
    write_json(finished / "result.json", result)
    text = text_of(section(report(finished)[1], "Where the time goes, by layer"))
    assert f"do not add up to the architecture's latency, {result['chosen']['latency_us'] / 1000:.3f} ms." in text
    assert "Left out because they have no time: 1." in text


def test_operators_without_layer_names_are_taken_from_the_table(finished):
    result = read_json(finished / "result.json")
    for op in result["operators"]:
        op["output"] = "blob"
    write_json(finished / "result.json", result)
    by_layer = shares(section(report(finished)[1], "Where the time goes, by layer").find("table"))
    assert list(by_layer)[0] == "fixed" and by_layer["fixed"][0] == pytest.approx(0.7005, abs=0.0006)
    assert sum(ms for ms, _ in by_layer.values()) == pytest.approx(result["chosen"]["latency_us"] / 1000, abs=0.01)


def test_samples(finished):
    _, tree = report(finished)
    result = read_json(finished / "result.json")
    rows = list(section(tree, "Architectures at the end").find(".//tbody"))
    assert [row.findtext("th") for row in rows] == ["arg-max", "chosen", "sample 1", "sample 2", "sample 3"]
    for row, found in zip(rows, [result["arg_max"], result["chosen"], *result["samples"]]):
        latency, log_probability, blocks = (text_of(cell) for cell in row.findall("td"))
        assert latency == f"{found['latency_us'] / 1000:.3f} ms"
        assert log_probability == f"{found['log_probability']:.2f}"
        assert blocks == " ".join(found["blocks"])
    assert rows[0].findall(".//mark") == []
    assert [mark.text for mark in rows[1].iter("mark")] == [result["chosen"]["blocks"][0]]
    assert "it is the most accurate within the target" in text_of(section(tree, "The chosen architecture"))


def test_settings(finished):
    _, tree = report(finished)
    details = tree.find(".//details")
    assert details.get("open") is None
    rows = {row.findtext("th"): row.findtext("td") for row in details.iter("tr")}
    assert rows == {"epochs": "30", "target_ms": "3.2", "note": "as you like", "resume": "false", "lut": "null"}


def test_map_sizes_are_those_of_the_space(tmp_path):
    folder = make_run(tmp_path / "run", num_layers=22)
    assert run("space", "fbnet_cifar", "--write", folder / "space.textproto").returncode == 0
    _, tree = report(folder)
    stages = [stage.text for stage in section(tree, "The chosen architecture").iterfind(".//li/p")]
    assert stages[:3] == ["input 32 \u00d7 32, 3 channels", "32 \u00d7 32, 16 channels", "32 \u00d7 32, 24 channels"]
    assert stages[-2:] == ["4 \u00d7 4, 352 channels", "classifier"]
    (folder / "space.textproto").write_text("name: 3")
    _, tree = report(folder)
    assert section(tree, "The chosen architecture").find(".//li/p") is None
    assert "space.textproto cannot be read" in text_of(tree.find(".//section[@class='notes']"))


def test_memory_is_that_of_the_network(tmp_path):
    folder = make_run(tmp_path / "run", num_layers=22)
    assert run("space", "fbnet_cifar", "--write", folder / "space.textproto").returncode == 0
    result = read_json(folder / "result.json")
    result["chosen"]["architecture"] = [0] * 22
    write_json(folder / "result.json", result)
    shown = section(report(folder)[1], "Where the memory goes")
    network = run_json("arch", "fbnet_cifar", "0" * 22, "--json")
    titles = [title.text.split("\n") for title in shown.iter("title")]
    alive_mb = {step: float(alive.split()[1]) for step, alive in titles}
    assert len(alive_mb) < 100  # the most that a chart has titles for
    assert max(alive_mb.values()) == pytest.approx(network["peak_activation_bytes"] / 1e6, rel=1e-3)
    assert alive_mb[f"operator {network['peak_op']}"] == max(alive_mb.values())
    assert f"most, {network['peak_activation_bytes'] / 1000:.1f} kB, at operator {network['peak_op']}, Int8ConvRelu" in text_of(shown)
    # An architecture that the space does not have has no network.
    result["chosen"]["architecture"] = [99] * 22
    write_json(folder / "result.json", result)
    assert "Where the memory goes" not in headings(report(folder)[1])


def test_front_is_that_of_all_architectures(tmp_path):
    folder = make_run(tmp_path / "run", num_layers=4, num_candidates=5)
    theta = [softmax(theta_of(layer, 29, 3, 5)) for layer in range(4)]
    points = []
    for arch in itertools.product(range(5), repeat=4):
        times = [candidate_us(layer, c) for layer, c in enumerate(arch)]
        if None not in times:
            points.append((700.5 + sum(times), sum(math.log(theta[layer][c]) for layer, c in enumerate(arch)), arch))
    front, best = [], -math.inf
    for us, score, arch in sorted(points, key=lambda point: (point[0], -point[1])):
        if score > best + 1e-12:
            front.append((us, score, arch))
            best = score
    shown = section(report(folder)[1], "Every architecture worth having")
    assert f"{len(front)} architectures that no other beats" in text_of(shown)
    titles = [title.text.split("\n") for title in shown.iter("title")]
    assert [title[1] for title in titles] == [" ".join(FBNET[c] for c in arch) for _, _, arch in front]
    assert [title[0] for title in titles] == [f"{us / 1000:.3f} ms, {score:.6g}" for us, score, _ in front]
    for name in ("arg_max", "chosen"):
        found = read_json(folder / "result.json")[name]
        label = f"{name.replace('_', '-')}: {found['latency_us'] / 1000:.3f} ms, {found['log_probability']:.4g}"
        assert label in text_of(shown)


def test_space_of_a_run_reads_no_other_file(finished):
    secret = finished.parent / "secret.textproto"
    secret.write_text("a_secret: 3\n")
    for base in (secret, "../secret.textproto"):
        (finished / "space.textproto").write_text(f'name: "x"\nbase: "{base}"\n')
        page, tree = report(finished)
        notes = text_of(tree.find(".//section[@class='notes']"))
        assert "a_secret" not in page
        assert f'a space given as text must not extend a file, got base "{base}"' in notes
        assert str(finished / "space.textproto") in notes
    (finished / "space.textproto").write_text("#" * (4 << 20) + "\n")
    notes = text_of(report(finished)[1].find(".//section[@class='notes']"))
    assert "the file must have at most 4194304 bytes" in notes


def test_large_run_is_small_and_shows_some_epochs(tmp_path):
    page, tree = report(make_run(tmp_path / "run", num_layers=22, num_epochs=90))
    assert len(page) < 400_000
    maps = section(tree, "Theta").findall(".//figure")
    assert len(maps) == 22
    hits = [rect for rect in maps[0].iter("rect")]
    assert [rect.get("width") for rect in hits] == ["60"] * 9
    assert [text.text for text in maps[0].findall("svg/text")] == ["0", "89"]


def left_out(tree, title):
    """The sentence in place of what is too large to be shown."""
    sentence, = (text_of(p) for p in section(tree, title).iter("p") if text_of(p).startswith("Not shown"))
    return sentence.removeprefix("Not shown, because the page would be too large: ")


def test_table_whose_layers_share_no_names_is_left_out(finished):
    # 200 layers of 100 names fit, one name more does not: the cells are layers times names.
    layers = [{"candidates": [str(i % 100)], "us": [1]} for i in range(200)]
    change(finished / "latency.json", layers=layers)
    assert len(section(report(finished)[1], "Latency table").findall(".//tbody//td")) == 20_000
    layers[0]["candidates"] = ["another"]
    layers[100]["candidates"] = ["0"]
    change(finished / "latency.json", layers=layers)
    page, tree = report(finished)
    assert section(tree, "Latency table").find(".//table") is None
    assert left_out(tree, "Latency table") == "the table has 200 layers and 101 names of candidates."
    change(finished / "latency.json", layers=[{"candidates": [str(i)], "us": [1]} for i in range(3000)])
    page, tree = report(finished)
    assert len(page) < 400_000
    assert left_out(tree, "Latency table") == "the table has 3000 layers and 3000 names of candidates."
    change(finished / "latency.json", layers=[{}] * 20_001)
    assert left_out(report(finished)[1], "Latency table") == "the table has 20001 layers and 0 names of candidates."


@pytest.mark.parametrize("theta, size", [
    ([[0] * 30_000, [0] * 30_000], "theta has 2 layers and 60000 candidates."),
    ([[]] * 30_000, "theta has 30000 layers and 0 candidates."),
    ([[0] * 4] * 1001, "theta has 1001 layers and 4004 candidates."),
])
def test_too_many_rows_of_theta_are_left_out(finished, theta, size):
    line = json.loads((finished / "log.jsonl").read_text().splitlines()[0])
    write_lines(finished / "log.jsonl", [line | {"theta": [[0] * 4] * 1000}])
    assert len(section(report(finished)[1], "Theta").findall(".//figure")) == 1000
    write_lines(finished / "log.jsonl", [line | {"theta": theta}])
    page, tree = report(finished)
    assert len(page) < 400_000
    assert left_out(tree, "Theta") == size


def test_architecture_of_too_many_layers_is_not_drawn(finished):
    result = read_json(finished / "result.json")
    result["chosen"] |= {"architecture": [0] * 1000, "blocks": []}
    write_json(finished / "result.json", result)
    assert len(section(report(finished)[1], "The chosen architecture").findall(".//li/small")) == 1002
    result["chosen"]["architecture"] = [0] * 60_000
    write_json(finished / "result.json", result)
    page, tree = report(finished)
    assert len(page) < 400_000
    assert left_out(tree, "The chosen architecture") == "the architecture has 60000 layers."
    assert "it is the most accurate within the target" in text_of(section(tree, "The chosen architecture"))
    assert "Where the time goes, by layer" not in headings(tree)
    assert left_out(tree, "Architectures at the end") == "1 more architecture."  # the others fit


def test_samples_beyond_some_number_of_blocks_are_left_out(finished):
    result = read_json(finished / "result.json")
    arg_max, chosen = result["arg_max"], result["chosen"]
    for only in ("arg_max", "samples"):
        write_json(finished / "result.json", {only: [{}] * 20_001 if only == "samples" else {"architecture": [0] * 20_000}})
        sentence = left_out(report(finished)[1], "Architectures at the end")
        assert sentence == ("1 more architecture." if only == "samples" else "1 architecture.")
    write_json(finished / "result.json", {"arg_max": arg_max, "chosen": chosen, "samples": [{"architecture": [0] * 999}] * 30})
    _, tree = report(finished)
    rows = section(tree, "Architectures at the end").findall(".//tbody/tr")
    assert [row.findtext("th") for row in rows][-1] == "sample 19"
    assert left_out(tree, "Architectures at the end") == "11 more architectures."


def test_long_name_is_not_repeated_in_every_sample(finished):
    # Samples without names take them from the table, each the whole name.
    table = read_json(finished / "latency.json")
    table["layers"][0]["candidates"][0] = "n" * 50_000
    write_json(finished / "latency.json", table)
    change(finished / "result.json", samples=[{"architecture": [0]}] * 1000)
    page, tree = report(finished)
    assert len(page) < 1_500_000
    rows = section(tree, "Architectures at the end").findall(".//tbody/tr")
    assert text_of(rows[2].findall("td")[2]) == "n" * 39 + "\u2026"


def test_search_that_has_not_ended(finished):
    (finished / "result.json").unlink()
    for path in sorted((finished / "retrain").iterdir()):
        path.unlink()
    with open(finished / "log.jsonl", "a") as log:
        log.write('{"epoch": 30, "temper')  # being written
    last = json.loads((finished / "log.jsonl").read_text().splitlines()[-2])
    result = run("report", finished)
    assert result.returncode == 0 and result.stdout.endswith(" kB, 30 epochs, the search has not ended\n")
    _, tree = report(finished)
    notes = text_of(tree.find(".//section[@class='notes']"))
    assert "The search has not ended: there is no result.json yet." in notes
    assert "The arg-max architecture" in headings(tree) and "Architectures at the end" not in headings(tree)
    assert key_figures(tree)["latency"] == f"{last['arg_max_us'] / 1000:.3f} ms"
    latency = [c for c in tree.iter("figcaption") if text_of(c).startswith("Latency")]
    assert text_of(latency[0]).endswith("target 3.2 ms")  # of the settings
    by_layer = shares(section(tree, "Where the time goes, by layer").find("table"))
    assert sum(ms for ms, _ in by_layer.values()) == pytest.approx(last["arg_max_us"] / 1000, abs=0.01)


@pytest.mark.parametrize("kept, note", [
    ("config.json", "log.jsonl has no complete line yet"),
    ("latency.json", "config.json is missing"),
    ("log.jsonl", "latency.json is missing"),
    ("result.json", "log.jsonl has no complete line yet"),
])
def test_one_file_is_enough_for_a_page(finished, kept, note):
    for path in finished.iterdir():
        if path.is_file() and path.name != kept:
            path.unlink()
    _, tree = report(finished)
    assert note in text_of(tree.find(".//section[@class='notes']"))


def test_one_epoch_and_numbers_that_are_not_known(finished):
    line = json.loads((finished / "log.jsonl").read_text().splitlines()[0])
    unknown = {key: None for key in ("accuracy", "expected_us", "gap_us", "theta_accuracy", "seconds", "theta_entropy")}
    write_lines(finished / "log.jsonl", [line | unknown])
    change(finished / "result.json", target_us=None, chosen=None, operators=None, samples=None)
    change(finished / "latency.json", fixed_us=None)
    page, tree = report(finished)
    assert key_figures(tree)["accuracy, theta split"] == "\u2013"
    assert "nan" not in page and "inf" not in re.sub(r"[a-z]*info[a-z]*", "", page)


def test_retraining_under_way(finished):
    (finished / "retrain" / "result.json").unlink()
    _, tree = report(finished)
    assert "Retraining has not ended: 20 epochs so far" in text_of(tree.find(".//section[@class='notes']"))
    assert "test accuracy" not in key_figures(tree)


def test_hostile_texts_are_texts(tmp_path):
    folder = make_run(tmp_path / "run", device=HOSTILE)
    change(folder / "config.json", program=HOSTILE, created=HOSTILE, settings={HOSTILE: HOSTILE, "list": [HOSTILE]})
    table, result = read_json(folder / "latency.json"), read_json(folder / "result.json")
    table |= {"space": HOSTILE, "precision": HOSTILE, "statistic": HOSTILE}
    for layer in table["layers"]:
        layer["candidates"][3] = HOSTILE
    result["chosen"]["why"] = HOSTILE
    result["chosen"]["blocks"] = [HOSTILE] * 6
    result["operators"][3] |= {"type": HOSTILE, "output": "layer01_" + HOSTILE}
    write_json(folder / "latency.json", table)
    write_json(folder / "result.json", result)
    (folder / "space.textproto").write_text(f"name: {HOSTILE}")
    page, tree = report(folder)
    assert "<script" not in page and "\x07" not in page
    assert "<script>alert(1)</script>\"'&" in tree.findtext(".//h1")


def test_another_output(finished, tmp_path):
    page = tmp_path / "elsewhere.html"
    result = run("report", finished, "--output", page)
    assert result.returncode == 0 and result.stdout.startswith(f"{page}: ")
    assert page.exists() and not (finished / "report.html").exists()
    assert_fails(run("report", finished, "-o", tmp_path / "no" / "such.html"), 1, "such.html")


def test_a_folder_that_is_no_run(tmp_path):
    assert_fails(run("report", tmp_path), 1, "a run must have config.json, latency.json, log.jsonl or result.json",
                 "give the folder that the search was told to write", str(tmp_path))
    assert_fails(run("report", tmp_path / "missing"), 1, "there is no such folder", "missing")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    assert_fails(run("report", tmp_path), 1, 'the format of a run must be "latgrad-run-1", got ""', "config.json")
    assert not (tmp_path / "report.html").exists()


@pytest.mark.parametrize("text, line", [
    ('{"format": "latgrad-run-1",\n "program": "x"\n "created": ""}', 3),
    ('{"format": "latgrad-run-1",\n "program": "x\n}\n', 2),
    ('{"format": "latgrad-run-1",\n "settings": {"a": nul}\n}\n', 2),
    ('{"format": "latgrad-run-1",\n "settings": {"a": NaN}\n}\n', 2),
    ('{"format": "latgrad-run-1",\n\n "settings": {"a": [1, 2}\n}\n', 3),
    ('{"format": "latgrad-run-1",\n "settings": {"a": 1.}\n}\n', 2),
    ('{"format": "latgrad-run-1",\n "settings": {\n', 2),
    ('{"format": "latgrad-run-1"\n}\n}\n', 3),
    ('{"format": "latgrad-run-1",\n "settings": {"\udcff": 1}\n}\n', 2),
    ('{"format":\n' + "[" * 100_000, 2),
    ("", 1),
])
def test_malformed_json_is_an_error_with_its_line(finished, text, line):
    (finished / "config.json").write_text(text, errors="surrogateescape")
    assert_fails(run("report", finished), 1, "the file must hold JSON: ", f"config.json, line {line})")


def test_malformed_log_is_an_error_with_its_line(finished):
    lines = (finished / "log.jsonl").read_text().splitlines()
    (finished / "log.jsonl").write_text("\n".join([*lines[:4], lines[4][:-9], *lines[5:]]) + "\n")
    assert_fails(run("report", finished), 1, "the line must hold JSON: ", "log.jsonl, line 5)")


@pytest.mark.parametrize("file, changes, messages", [
    ("latency.json", {"device": 3}, ['device must be text, got 3', 'field "device"']),
    ("latency.json", {"fixed_us": "3"}, ['fixed_us must be a number, got "3"']),
    ("latency.json", {"layers": {}}, ["layers must be a list, got {}"]),
    ("latency.json", {"layers": [{"candidates": ["a"], "us": []}]}, ["layers must have as many times as candidates (0 and 1), got {", 'field "layers/0"']),
    ("result.json", {"samples": [3]}, ["samples must be an object, got 3", 'field "samples/0"']),
    ("result.json", {"arg_max": [3]}, ["arg_max must be an object, got [3]"]),
    ("config.json", {"format": "latgrad-run-2"}, ['must be "latgrad-run-1", got "latgrad-run-2"']),
])
def test_values_of_another_kind_are_errors_with_their_field(finished, file, changes, messages):
    change(finished / file, **changes)
    assert_fails(run("report", finished), 1, file, *messages)


@pytest.mark.parametrize("file, changes, message, field", [
    ("config.json", {"settings": {"target_ms": 0}}, "target_ms must be above 0, got 0", "settings/target_ms"),
    ("config.json", {"settings": {"target_ms": -3.2}}, "target_ms must be above 0, got -3.2", "settings/target_ms"),
    ("latency.json", {"fixed_us": -0.5}, "fixed_us must be at least 0, got -0.5", "fixed_us"),
    ("latency.json", {"layers": [{"candidates": ["a", "b"], "us": [0, -1]}]}, "us must be at least 0, got -1", "layers/0/us/1"),
    ("latency.json", {"layers": [{"candidates": ["a"], "us": [1e308]}]},
     "us must be of a magnitude up to 1e15, got 1", "layers/0/us/0"),
    ("result.json", {"target_us": 0}, "target_us must be above 0, got 0", "target_us"),
    ("result.json", {"target_us": -3200.0}, "target_us must be above 0, got -3200.0", "target_us"),
    ("result.json", {"target_us": 1.1e15}, "target_us must be of a magnitude up to 1e15, got 1", "target_us"),
    ("result.json", {"chosen": {"architecture": [0, -1]}},
     "architecture must be an integer from 0, got -1", "chosen/architecture/1"),
    ("result.json", {"chosen": {"architecture": [0], "latency_us": -1}}, "latency_us must be at least 0, got -1", "chosen/latency_us"),
    ("result.json", {"samples": [{"log_probability": -1e308}]},
     "log_probability must be of a magnitude up to 1e15, got -1", "samples/0/log_probability"),
    ("result.json", {"operators": [{"type": "Conv", "us": -1}]}, "us must be at least 0, got -1", "operators/0/us"),
    ("retrain/result.json", {"test_cross_entropy": 1e16},
     "test_cross_entropy must be of a magnitude up to 1e15, got 1", "test_cross_entropy"),
])
def test_numbers_out_of_their_range_are_errors(finished, file, changes, message, field):
    change(finished / file, **changes)
    assert_fails(run("report", finished), 1, message, f'{file}, field "{field}")')
    assert not (finished / "report.html").exists()


@pytest.mark.parametrize("changes, message", [
    ({"cross_entropy": 1e308}, "cross_entropy must be of a magnitude up to 1e15"),
    ({"temperature": -1e308}, "temperature must be of a magnitude up to 1e15"),
    ({"theta": [[0, 1e308], [-1e308]]}, "theta must be of a magnitude up to 1e15"),
    ({"gap_us": -2e15}, "gap_us must be of a magnitude up to 1e15"),
    ({"sampled_us": -1}, "sampled_us must be at least 0, got -1"),
    ({"expected_us": -1}, "expected_us must be at least 0, got -1"),
    ({"arg_max_us": -1}, "arg_max_us must be at least 0, got -1"),
    ({"arg_max": [0, -1]}, "arg_max must be an integer from 0, got -1"),
])
def test_numbers_of_an_epoch_out_of_their_range_are_errors(finished, changes, message):
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    lines[4] |= changes
    write_lines(finished / "log.jsonl", lines)
    assert_fails(run("report", finished), 1, message, f'log.jsonl, line 5, field "{next(iter(changes))}')


def test_extreme_numbers_that_are_allowed_stay_finite(finished):
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    for i, line in enumerate(lines):
        line |= {key: (-1) ** i * 1e15 for key in ("accuracy", "cross_entropy", "temperature", "theta_entropy", "gap_us")}
        line |= {"expected_us": 1e15, "seconds": 1e15, "theta": [[1e15, -1e15, 0]] * 6, "arg_max_us": 1e-300}
    write_lines(finished / "log.jsonl", lines)
    result = read_json(finished / "result.json")
    result["chosen"]["latency_us"] = 1e15
    result["operators"][2]["us"] = 1e15
    write_json(finished / "result.json", result | {"target_us": 1e-300})
    change(finished / "latency.json", fixed_us=1e15)
    page, tree = report(finished)
    assert not re.search(r"\b(nan|inf)\b|\d{25}", page)
    latency = next(figure for figure in tree.find(".//dl") if figure.findtext("dt") == "latency")
    assert latency.findall("dd")[1].text == "far above the target, 0.000 ms"


def test_epochs_with_a_gap_are_an_error(finished):
    lines = (finished / "log.jsonl").read_text().splitlines()
    (finished / "log.jsonl").write_text("\n".join(lines[:3] + lines[5:]) + "\n")
    assert_fails(run("report", finished), 1, "epochs must ascend from 0 without gaps; here must be 3, got 5", "line 4")


def test_layers_that_files_disagree_about(finished):
    # No such layer in the table, no such candidate in the layer.
    result = read_json(finished / "result.json")
    result["chosen"] |= {"architecture": [0, 99, 8] * 4, "blocks": []}
    write_json(finished / "result.json", result)
    table = read_json(finished / "latency.json")
    write_json(finished / "latency.json", table | {"layers": table["layers"][:2]})
    lines = [json.loads(line) for line in (finished / "log.jsonl").read_text().splitlines()]
    lines[3] |= {"theta": [[1.0], [None]], "arg_max": []}
    lines[4] |= {"theta": []}
    write_lines(finished / "log.jsonl", lines)
    report(finished)


def test_wrong_usage():
    assert_fails(run("report"), 2, "RUN")

"""The latency models that come with latgrad."""

import runpy
import pathlib

import pytest

import latgrad

EXAMPLE = pathlib.Path(__file__).resolve().parents[2] / "examples" / "python" / "three_phones.py"


def test_fifteen_devices_come_with_latgrad():
    names = latgrad.model_names()
    assert len(names) == 15 and {"pixel3", "raspi4", "titan_rtx_1"} <= set(names)
    space = latgrad.SearchSpace(latgrad.space_file("fbnet_cifar"))
    for name in names:
        model = latgrad.load_model(latgrad.model_file(name))
        assert model.device() == name and model.precision() == "fp32"
        assert model.table_us().shape == space.valid().shape
        assert bool((model.table_us() >= 0).all()) and model.table_us().sum() > 0


def test_a_published_time_is_priced():
    """The first architecture of HELP's measurements takes 17.55775 ms on pixel3."""
    model = latgrad.load_model(latgrad.model_file("pixel3"))
    space = latgrad.SearchSpace(latgrad.space_file("fbnet_cifar"))
    arch = space.parse_architecture("7818488874147327324245")
    assert float(model.estimate(arch)) == pytest.approx(17557.75, rel=0.01)


def test_an_unknown_device_is_refused():
    with pytest.raises(ValueError, match="a device must be one of 1080ti_64, .* for fbnet_cifar, got 'pixel9'"):
        latgrad.model_file("pixel9")
    with pytest.raises(ValueError, match="one of none for tiny"):
        latgrad.model_file("pixel3", "tiny")


def test_the_example_meets_all_three_budgets(capsys):
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    lines = capsys.readouterr().out.splitlines()[-3:]
    assert [line.split()[0] for line in lines] == ["pixel3", "samsung_s7", "raspi4"]
    for line in lines:
        _, needed, _, _, budget, _ = line.split()
        assert float(needed) <= float(budget)

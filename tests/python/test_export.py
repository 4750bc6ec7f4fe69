"""torch.export, .pt2, AOTInductor and torch.compile of modules that hold the classes."""

import pytest
import torch

import latgrad

has_fake_classes = pytest.mark.skipif(
    not hasattr(getattr(torch, "_library", None), "register_fake_class"), reason="fake classes came with torch 2.4")
pytestmark = has_fake_classes


class Holder(torch.nn.Module):
    """Holds an object, and may use it in forward."""

    def __init__(self, held, use=""):
        super().__init__()
        self.held = held
        self.use = use
        self.linear = torch.nn.Linear(3, 3)

    def forward(self, x):
        y = self.linear(x)
        if self.use == "table_us":
            y = y + self.held.table_us("p90").sum()
        if self.use == "valid":
            y = y + self.held.valid().sum()
        if self.use == "fixed_us":
            y = y + self.held.fixed_us()
        return y


@pytest.fixture(scope="module")
def objects(tiny_space, make_table):
    lut = make_table(tiny_space)
    return {
        "model": latgrad.LatencyModel(tiny_space, lut),
        "space": latgrad.SearchSpace(tiny_space),
        "table": latgrad.LatencyTable(lut),
    }


@pytest.fixture
def priced(objects):
    space, model = objects["space"], objects["model"]
    arch = model.valid().long().argmax(-1)
    torch.manual_seed(0)
    return latgrad.PricedNetwork(latgrad.Network.from_space(space, arch).eval(), model, arch)


CASES = [("model", ""), ("space", ""), ("table", ""), ("model", "table_us"), ("model", "valid"), ("space", "valid")]


@pytest.mark.parametrize("name, use", CASES)
def test_a_holder_is_exported_saved_and_loaded(objects, name, use, tmp_path):
    holder, x = Holder(objects[name], use), torch.randn(2, 3)
    torch.export.save(torch.export.export(holder, (x,)), tmp_path / "holder.pt2")
    torch.testing.assert_close(torch.export.load(tmp_path / "holder.pt2").module()(x), holder(x))


@pytest.mark.parametrize("name, use", CASES)
def test_a_holder_compiles_into_one_graph(objects, name, use):
    holder, x = Holder(objects[name], use), torch.randn(2, 3)
    torch.testing.assert_close(torch.compile(holder, fullgraph=True, backend="aot_eager")(x), holder(x))


def test_a_price_of_architectures_is_traced(objects):
    class Prices(torch.nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model = model

        def forward(self, arch):
            return self.model.estimate(arch)

    arch = objects["model"].valid().long().argmax(-1).repeat(3, 1)
    program = torch.export.export(Prices(objects["model"]), (arch,))
    torch.testing.assert_close(program.module()(arch), objects["model"].estimate(arch))


def test_what_gives_no_tensor_says_what_to_do(objects):
    holder, x = Holder(objects["model"], "fixed_us"), torch.randn(2, 3)
    message = r"LatencyModel.fixed_us\(\) does not give a tensor.*call it before, in __init__ for example"
    with pytest.raises(Exception, match=message):
        torch.export.export(holder, (x,))
    with pytest.raises(Exception, match=message):
        torch.compile(holder, fullgraph=True, backend="aot_eager")(x)
    # Where the graph may break, it does.
    torch._dynamo.reset()
    torch.testing.assert_close(torch.compile(holder, backend="aot_eager")(x), holder(x))


def test_a_priced_network_is_exported(priced, objects, tmp_path):
    images = torch.randn(objects["space"].input_shape())
    torch.export.save(torch.export.export(priced, (images,)), tmp_path / "network.pt2")
    torch.testing.assert_close(torch.export.load(tmp_path / "network.pt2").module()(images), priced(images))


@pytest.mark.skipif(
    not hasattr(getattr(torch, "_inductor", None), "aoti_load_package"), reason="aoti_load_package came with torch 2.6")
def test_a_priced_network_runs_in_aotinductor(priced, objects, tmp_path):
    images = torch.randn(objects["space"].input_shape())
    with torch.no_grad():
        package = torch._inductor.aoti_compile_and_package(
            torch.export.export(priced, (images,)), package_path=str(tmp_path / "network.pt2"))
        torch.testing.assert_close(torch._inductor.aoti_load_package(package)(images), priced(images), rtol=1e-4, atol=1e-5)

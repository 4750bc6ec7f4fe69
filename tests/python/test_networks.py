"""Spaces as modules: SearchSpace, Supernet, Network, PricedNetwork."""

import copy
import math
import pathlib
import pickle
import tempfile

import pytest
import torch
from torch import nn

import latgrad


@pytest.fixture
def tiny(tiny_space):
    return latgrad.SearchSpace(tiny_space)


def one_hot(arch, candidates):
    return torch.nn.functional.one_hot(torch.as_tensor(arch), candidates).float()


def test_space_says_what_it_is(tiny):
    assert tiny.name() == "tiny"
    assert tiny.input_shape() == [1, 3, 32, 32]
    assert (tiny.layers(), tiny.classes()) == (4, 10)
    assert tiny.candidates(1) == ["k3_e1", "k3_e3", "k5_e3_g2"]
    assert tiny.valid().tolist() == [
        [True, True, False, False], [True, True, True, False], [True, False, False, False], [True, True, True, False]
    ]
    assert tiny.format_architecture(tiny.parse_architecture("largest")) == "k3_e1 k5_e3_g2 k3k3_e1 k5_e3_g2"


def test_space_says_what_a_block_is_made_of(tiny):
    source, result, operators, parameters = tiny.block(1, 2)  # k5_e3_g2 from 8 to 16 channels with stride 2
    assert (source, result) == ("in", "project")
    assert operators == [
        ("Conv", ["in", "expand_w", "expand_b"], ["expand_conv"],
         {"kernel": 1, "stride": 1, "pad": 0, "group": 2, "order": "NCHW"}),
        ("Relu", ["expand_conv"], ["expand"], {}),
        ("ChannelShuffle", ["expand"], ["expand_shuffle"], {"group": 2}),
        ("Conv", ["expand_shuffle", "dw_w", "dw_b"], ["dw_conv"],
         {"kernel": 5, "stride": 2, "pad": 2, "group": 24, "order": "NCHW"}),
        ("Relu", ["dw_conv"], ["dw"], {}),
        ("Conv", ["dw", "project_w", "project_b"], ["project"],
         {"kernel": 1, "stride": 1, "pad": 0, "group": 2, "order": "NCHW"}),
    ]  # fmt: skip
    assert parameters == {
        "expand_w": [24, 4, 1, 1], "expand_b": [24], "dw_w": [24, 1, 5, 5], "dw_b": [24],
        "project_w": [16, 12, 1, 1], "project_b": [16],
    }  # fmt: skip
    assert tiny.block(0, 1) == ("in", "in", [], {})  # the identity


def test_space_says_what_the_fixed_part_is_made_of(tiny):
    assert [operator[0] for operator in tiny.stem()[2]] == ["Conv", "Relu"]
    assert tiny.head("fp32")[3] == {"head_w": [32, 24, 1, 1], "head_b": [32]}
    assert tiny.classifier()[1:3] == (
        "logits",
        [
            ("AveragePool", ["in"], ["pool"], {"global_pooling": 1, "order": "NCHW"}),
            ("FC", ["pool", "logits_w", "logits_b"], ["logits"], {}),
        ],
    )


def test_space_is_asked_within_a_script(tiny):
    class Holder(torch.nn.Module):
        def __init__(self, space):
            super().__init__()
            self.space = space

        def forward(self, layer: int):
            return self.space.block(layer, 0, "int8")[0]

    assert torch.jit.script(Holder(tiny))(1) == "in"


def fragment(*operators, parameters=None, result="y"):
    return ("x", result, list(operators), parameters or {})


def test_fragment_may_read_a_blob_twice():
    """A ReLU overwrites nothing that is read again: neither the input nor what the sum adds."""
    module = latgrad.fragments.fragment_module(
        fragment(
            ("Conv", ["x", "a_w"], ["a"], {}),
            ("Relu", ["a"], ["b"], {}),
            ("Sum", ["a", "b"], ["c"], {}),
            ("Relu", ["x"], ["d"], {}),
            ("Sum", ["c", "d"], ["y"], {}),
            parameters={"a_w": [2, 2, 1, 1]},
        )
    ).eval()
    x = torch.randn(1, 2, 3, 3)
    before = x.clone()
    a = module.a(x)
    assert torch.allclose(module(x), a + a.relu() + x.relu())
    assert torch.equal(x, before)
    assert torch.allclose(torch.jit.script(module)(x), module(x))


@pytest.mark.parametrize(
    "operator, message",
    [
        (("Softplus", ["x"], ["y"], {}), "no module for operators of type Softplus; there are those of Add, AveragePool, "),
        (("Relu", ["x"], ["y"], {"slope": 0.1}), "the module for Relu must know every argument, got slope"),
        (("AveragePool", ["x"], ["y"], {"kernels": [3, 3]}), "must know every argument, got kernels"),
        (("AveragePool", ["x"], ["y"], {}), "must be over the whole map .* or have a kernel"),
        (("HardSigmoid", ["x"], ["y"], {"alpha": 0.2}), "must have alpha 1/6"),
        (("Concat", ["x", "x"], ["y"], {"axis": 1}), "Concat must read px .*, got x, x -> y"),
        (("Concat", ["p_w", "x"], ["y"], {"axis": 2}), "a parameter in front of tokens"),
        (("Conv", ["x", "x"], ["y"], {}), "Conv must read xp or xpp"),
        (("Mul", ["x", "p_w"], ["y"], {}), "Mul must read xx"),
        (("BatchMatMul", ["p_w", "x"], ["y"], {}), "BatchMatMul must read xx or xp"),
        (("Sum", ["x", "x", "x"], ["y"], {}), "Sum must read xx"),
        (("LayerNormalization", ["x", "p_w", "p_w"], ["y", "m", "s"], {}), "write one blob"),
        (("LayerNormalization", ["x", "p_w", "p_w"], ["y"], {"axis": 1}), "over the last dimension"),
        (("Conv", ["x", "p_w"], ["y"], {"pad_t": 2}), "the same padding on opposite sides"),
        (("Conv", ["x", "p_w"], ["y"], {"order": "NHWC"}), "order NCHW"),
        (("Softmax", ["x"], ["y"], {}), "Softmax needs the argument axis"),
        (("Clip", ["x"], ["y"], {"max": 6.0}), "Clip needs the argument min"),
    ],
)
def test_fragment_refuses_what_no_module_computes(operator, message):
    with pytest.raises(ValueError, match=message):
        latgrad.fragments.fragment_module(fragment(operator, parameters={"p_w": [2, 2, 1, 1]}))


def test_operators_have_parameters_and_names_of_their_own():
    conv = ("Conv", ["x", "p_w"], ["a"], {})
    with pytest.raises(ValueError, match="parameters of their own, .* got p twice"):
        latgrad.fragments.fragment_module(
            fragment(conv, ("Conv", ["a", "p_w"], ["y"], {}), parameters={"p_w": [2, 2, 1, 1]})
        )
    with pytest.raises(ValueError, match="names of their own, got relu1 twice"):
        latgrad.fragments.fragment_module(
            fragment(
                ("Conv", ["x", "relu1_w"], ["a"], {}), ("Relu", ["a"], ["y"], {}), parameters={"relu1_w": [2, 2, 1, 1]}
            )
        )


def test_a_bias_that_broadcasts_is_no_linear_layer():
    products = [("BatchMatMul", ["x", "p_w"], ["a"], {}), ("Add", ["a", "b_b"], ["y"], {})]
    module = latgrad.fragments.fragment_module(fragment(*products, parameters={"p_w": [3, 2], "b_b": [1]}))
    assert sum(parameter.numel() for parameter in module.parameters()) == 7
    assert module(torch.randn(4, 3)).shape == (4, 2)


def space_of(layers, candidate, stem="stem { channels: 8 kernel: 3 }", channels=8, more=""):
    text = f"""
        name: "s" input {{ height: 12 width: 12 }} {stem} {more}
        candidate {{ name: "c" {candidate} }}
        stage {{ name: "a" channels: {channels} layers: {layers} }}
        head {{ classes: 5 }}
    """
    return latgrad.SearchSpace(text_file(text))


def text_file(text):
    folder = pathlib.Path(tempfile.mkdtemp())
    (folder / "s.textproto").write_text(text)
    return folder / "s.textproto"


class SqueezeExciteBlock(nn.Module):
    """MobileNetV3's block, written by hand."""

    def __init__(self, channels, expanded, squeezed):
        super().__init__()
        self.expand = nn.Conv2d(channels, expanded, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(expanded)
        self.depthwise = nn.Conv2d(expanded, expanded, 5, padding=2, groups=expanded, bias=False)
        self.norm2 = nn.BatchNorm2d(expanded)
        self.squeeze = nn.Conv2d(expanded, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, expanded, 1)
        self.project = nn.Conv2d(expanded, channels, 1, bias=False)
        self.norm3 = nn.BatchNorm2d(channels)

    def forward(self, x):
        y = nn.functional.hardswish(self.norm1(self.expand(x)))
        y = nn.functional.hardswish(self.norm2(self.depthwise(y)))
        gate = self.excite(self.squeeze(y.mean([2, 3], keepdim=True)).relu())
        return x + self.norm3(self.project(y * nn.functional.hardsigmoid(gate)))


class TransformerBlock(nn.Module):
    """The vision transformer's, written by hand."""

    def __init__(self, channels, heads):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(channels, 1e-6), nn.LayerNorm(channels, 1e-6)
        self.qkv, self.proj = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.fc1, self.fc2 = nn.Linear(channels, 4 * channels), nn.Linear(4 * channels, channels)
        self.heads = heads

    def forward(self, x):
        n, tokens, channels = x.shape
        q, k, v = self.qkv(self.norm1(x)).reshape(n, tokens, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        attention = (q @ k.transpose(-2, -1) / (channels // self.heads) ** 0.5).softmax(-1)
        x = x + self.proj((attention @ v).transpose(1, 2).reshape(n, tokens, channels))
        return x + self.fc2(nn.functional.gelu(self.fc1(self.norm2(x))))


def with_weights_of(reference, module):
    """The module with the reference's weights, in the order in which both use them."""
    source, target = list(reference.parameters()), list(module.parameters())
    assert [p.shape for p in source] == [p.shape for p in target]
    with torch.no_grad():
        for one, other in zip(source, target):
            other.copy_(one)
    return module


def test_a_block_with_squeeze_and_excite_computes_what_the_reference_does():
    torch.manual_seed(0)
    space = space_of(
        1,
        "block { expand: 4 depthwise { kernel: 5 } activation: HARD_SWISH squeeze_excite { multiple: 8 gate: HARD_SIGMOID } }",
    )
    reference = SqueezeExciteBlock(8, 32, 8).train()
    module = with_weights_of(reference, latgrad.fragments.fragment_module(space.block(0, 0, "fp32"))).train()
    x = torch.randn(3, 8, 12, 12)
    for _ in range(3):  # the normalisations learn the same statistics
        assert torch.allclose(module(x), reference(x), atol=1e-6)
    assert torch.allclose(module.eval()(x), reference.eval()(x), atol=1e-6)
    assert torch.allclose(torch.jit.script(module)(x), reference(x), atol=1e-6)


def test_a_transformer_computes_what_the_reference_does():
    torch.manual_seed(0)
    space = space_of(
        2,
        "transformer { heads: 3 }",
        stem="stem { channels: 12 kernel: 4 stride: 4 pad: 0 activation: NONE batch_norm: false }",
        channels=12,
        more="sequence { class_token: true }",
    )
    reference = TransformerBlock(12, 3)
    module = latgrad.fragments.fragment_module(space.block(0, 0, "fp32"))
    for name in ("norm1", "norm2", "qkv", "proj", "fc1", "fc2"):
        getattr(module, name).load_state_dict(getattr(reference, name).state_dict())
    x = torch.randn(2, 10, 12)
    assert torch.allclose(module(x), reference(x), atol=1e-6)
    assert torch.allclose(torch.jit.script(module)(x), reference(x), atol=1e-6)

    stem = latgrad.fragments.fragment_module(space.stem("fp32"))
    assert isinstance(stem.stem, nn.Conv2d) and stem.stem.bias is not None
    images = torch.randn(2, 3, 12, 12)
    tokens = stem.stem(images).flatten(2).transpose(1, 2)
    expected = torch.cat([stem.class_token.weight.expand(2, -1, -1), tokens], 1) + stem.positions.weight
    assert torch.allclose(stem(images), expected)

    network = latgrad.Network.from_space(space, torch.zeros(2, dtype=torch.int64), "fp32")
    head, classifier = network.head.head_norm, network.classifier.logits
    features = network.blocks(network.stem(images))
    assert torch.allclose(network(images), classifier(head(features)[:, 0]), atol=1e-6)


@pytest.mark.parametrize(
    "candidate, expected",
    [
        ("pool { kernel: 3 }", lambda x: nn.functional.max_pool2d(x, 3, 1, 1)),
        ("pool { kind: AVERAGE kernel: 3 }", lambda x: nn.functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)),
        (
            'operators { op { type: "Swish" input: "in" output: "y" } op { type: "Mul" input: ["y", "in"] output: "z" } }',
            lambda x: nn.functional.silu(x) * x,
        ),
        (
            'operators { op { type: "Clip" input: "in" output: "y" arg { name: "min" f: 0 } arg { name: "max" f: 6 } } }',
            nn.functional.relu6,
        ),
    ],
)
def test_pools_and_written_operators_compute_what_they_say(candidate, expected):
    space = space_of(1, candidate)
    x = 5 * torch.randn(2, 8, 6, 6)
    module = latgrad.fragments.fragment_module(space.block(0, 0, "fp32"))
    assert torch.allclose(module(x), expected(x), atol=1e-6)


@pytest.mark.parametrize(
    "space, arch, parameters",
    [
        ("mobilenet_v2", "MobileNetV2", 3504872),
        ("proxylessnas", "ProxylessNAS-mobile", 4080512),
        ("mobilenet_v3_large", "MobileNetV3-Large", 5483032),
        ("mobilenet_v3_small", "MobileNetV3-Small", 2542856),
        ("efficientnet_b0", "EfficientNet-B0", 5288548),
        ("fbnet_v3", "FBNetV3-B", 8598464),
        ("vit_tiny", "DeiT-tiny", 5717416),
    ],
)
def test_published_networks_have_as_many_parameters_as_published(space, arch, parameters):
    space = latgrad.SearchSpace(latgrad.space_file(space))
    network = latgrad.Network.from_space(space, space.parse_architecture(arch), "fp32")
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_space_is_scaled(fbnet_space):
    small = latgrad.SearchSpace(fbnet_space).scaled(width=0.25, depth=0.5, resolution=64, classes=7)
    assert small.name() == "fbnet_w0.25_d0.5_r64_c7"
    assert (small.layers(), small.classes(), small.input_shape()) == (12, 7, [1, 3, 64, 64])


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda space: pickle.loads(pickle.dumps(space))])
def test_space_is_copied_whole(tiny, copied):
    class Holder(torch.nn.Module):
        def __init__(self, space):
            super().__init__()
            self.space = space

    assert copied(tiny).text() == tiny.text()


@pytest.mark.parametrize(
    "misuse, message",
    [
        (lambda space: space.block(4, 0), "layer must be from 0 to 3, got 4"),
        (lambda space: space.block(-1, 0), "layer must be from 0 to 3, got -1"),
        (lambda space: space.block(0, -1), "candidate must not be negative, got -1"),
        (lambda space: space.block(0, 2), r"layer 0 \(counted from 0\) must be one of"),
        (lambda space: space.block(3, 3), "one of those offered"),
        (lambda space: space.block(0, 0, "int4"), "int4"),
        (lambda space: space.candidates(4), "layer must be from 0 to 3, got 4"),
        (lambda space: space.scaled(width=0.0), "width must be from"),
        (lambda space: space.parse_architecture("nothing"), "nothing"),
        (lambda space: space.format_architecture(torch.zeros(4)), "uint8 or int64"),
        (lambda space: space.format_architecture(torch.zeros(2, 4, dtype=torch.int64)), "one architecture"),
        (lambda space: space.format_architecture(torch.full([4], 2**32)), r"layer 0 \(counted from 0\) must be one of"),
    ],
)
def test_space_refuses(tiny, misuse, message):
    with pytest.raises(ValueError, match=message):
        misuse(tiny)


def test_space_refuses_a_file_that_is_not_there():
    with pytest.raises(RuntimeError, match="nowhere.textproto"):
        latgrad.SearchSpace("nowhere.textproto")


def convolution_weights(init_netdef, precision):
    """The shapes of all four-dimensional parameters of an init net, as PyTorch has them, sorted."""
    shapes = []
    for fill in init_netdef.split("op {")[1:]:
        ints = [int(line.split(":")[1]) for line in fill.splitlines() if line.strip().startswith("ints:")]
        if len(ints) == 4:
            shapes.append((ints[0], ints[3], ints[1], ints[2]) if precision == "int8" else tuple(ints))
    return sorted(shapes)


@pytest.mark.parametrize("precision", ["int8", "fp32"])
@pytest.mark.parametrize("name", ["fbnet", "fbnet_c", "fbnet_cifar", "tiny"])
def test_network_is_what_is_priced(name, precision, make_table):
    """The modules have the convolutions of the network that the latency is the price of."""
    path = latgrad.space_file(name)
    model = latgrad.LatencyModel(path, make_table(path, precision), precision=precision)
    space = latgrad.SearchSpace(path)
    arch = torch.multinomial(model.valid().double(), 1, generator=torch.Generator().manual_seed(3))[:, 0]
    network = latgrad.Network.from_space(space, arch, precision).eval()
    weights = sorted(tuple(parameter.shape) for parameter in network.parameters() if parameter.dim() == 4)
    assert weights == convolution_weights(model.init_netdef(arch), precision)
    assert network(torch.zeros(space.input_shape())).shape == (1, space.classes())


def test_channels_are_shuffled_as_caffe2_does():
    """By ChannelShuffle's definition: of 6 channels in 2 groups, 0 1 2 and 3 4 5 become 0 3 1 4 2 5."""
    shuffle = torch.jit.script(latgrad.fragments.ChannelShuffle(2))
    x = torch.arange(6.0).reshape(1, 6, 1, 1).requires_grad_()
    y = shuffle(x)
    assert y.flatten().tolist() == [0, 3, 1, 4, 2, 5]
    (gradient,) = torch.autograd.grad((y.flatten() * torch.arange(6)).sum(), x)
    assert gradient.flatten().tolist() == [0, 2, 4, 1, 3, 5]


def test_supernet_with_a_one_hot_sample_is_the_network(tiny):
    supernet = latgrad.Supernet(tiny).eval()
    images = torch.randn(2, 3, 32, 32)
    for text in ["smallest", "largest"]:
        arch = tiny.parse_architecture(text)
        expected = supernet.network(arch).eval()(images)
        assert torch.allclose(supernet(images, one_hot(arch, 4)), expected, atol=1e-5)


def ran_blocks(supernet):
    """A list that grows by (layer, candidate) of every block that runs."""
    ran = []
    for index, layer in enumerate(supernet.layers):
        for name, block in layer.blocks.items():
            block.register_forward_hook(lambda *_, place=(index, int(name)): ran.append(place))
    return ran


def test_supernet_of_one_path_runs_the_chosen_blocks_alone(tiny):
    supernet = latgrad.Supernet(tiny, paths=1).eval()
    ran = ran_blocks(supernet)
    arch = tiny.parse_architecture("smallest")
    images = torch.randn(2, 3, 32, 32)
    assert torch.allclose(supernet(images, one_hot(arch, 4)), supernet.network(arch).eval()(images), atol=1e-5)
    assert ran[: len(arch)] == list(enumerate(arch.tolist()))
    with pytest.raises(ValueError, match="where paths=1"):
        supernet(images, torch.full((4, 4), 0.25))


def test_supernet_of_two_paths_runs_them_and_is_the_active_network(tiny):
    supernet = latgrad.Supernet(tiny, paths=2).eval()
    images, theta = torch.randn(2, 3, 32, 32), torch.randn(4, 4, requires_grad=True)
    weights = latgrad.two_path_sample(theta, tiny.valid())
    network = supernet.network(weights.argmax(-1)).eval()
    ran = ran_blocks(supernet)
    logits = supernet(images, weights)
    assert [list(place) for place in sorted(ran)] == ((weights != 0) | torch.signbit(weights)).nonzero().tolist()
    assert torch.allclose(logits, network(images), atol=1e-5)
    logits.square().sum().backward()
    trained = {place for place in ran if any(p.grad is not None for p in supernet.layers[place[0]].blocks[str(place[1])].parameters())}
    assert trained <= set(enumerate(weights.argmax(-1).tolist()))
    assert theta.grad.ne(0).sum() >= 4


def test_supernet_mixes_an_image_of_its_own_each(tiny):
    supernet = latgrad.Supernet(tiny).eval()
    images = torch.randn(2, 3, 32, 32)
    archs = [tiny.parse_architecture(text) for text in ["smallest", "largest"]]
    together = supernet(images, torch.stack([one_hot(arch, 4) for arch in archs]))
    for index, arch in enumerate(archs):
        alone = supernet(images[index : index + 1], one_hot(arch, 4))
        assert torch.allclose(together[index], alone[0], atol=1e-5)


def test_gradient_reaches_theta_by_both_ways(tiny, tiny_space, make_table):
    model = latgrad.LatencyModel(tiny_space, make_table(tiny_space))
    theta = torch.zeros(4, 4, requires_grad=True)
    weights, latency_us = latgrad.gumbel_latency(theta, model.table_us(), 2.0, model.valid())
    logits = latgrad.Supernet(tiny)(torch.randn(4, 3, 32, 32), weights)
    (by_blocks,) = torch.autograd.grad(logits.square().sum(), theta, retain_graph=True)
    (by_latency,) = torch.autograd.grad(latency_us, theta)
    for gradient in (by_blocks, by_latency):
        assert gradient[1].abs().sum() > 0
        assert gradient[~model.valid()].abs().sum() == 0


def test_network_of_a_supernet_is_a_copy(tiny):
    supernet = latgrad.Supernet(tiny)
    network = supernet.network(tiny.parse_architecture("largest"))
    with torch.no_grad():
        network.classifier.logits.bias.fill_(math.pi)
    assert not (supernet.classifier.logits.bias == math.pi).any()


def test_supernet_refuses_what_is_not_offered(tiny):
    supernet = latgrad.Supernet(tiny)
    with pytest.raises(ValueError, match=r"in layer 0 \(counted from 0\) one of \[0, 1\], got 2"):
        supernet.network(torch.tensor([2, 0, 0, 0]))
    with pytest.raises(ValueError, match=r"one architecture, uint8 or int64 \[4\], got torch.int64 \[3\]"):
        supernet.network(torch.tensor([0, 0, 0]))
    with pytest.raises(ValueError, match=r"got torch.float32 \[4\]"):
        supernet.network(torch.zeros(4))
    for shape in [(5, 4), (4, 5), (3, 4), (4,)]:
        with pytest.raises(ValueError, match=r"weights must be \[\.\.\., 4, 4\], got"):
            supernet(torch.zeros(1, 3, 32, 32), torch.zeros(shape))
    with pytest.raises(ValueError, match="one of those offered"):
        latgrad.Network.from_space(tiny, torch.tensor([0, 0, 0, 3]))


def test_priced_network_is_saved_with_its_latency(tiny, tiny_space, make_table, tmp_path):
    model = latgrad.LatencyModel(tiny_space, make_table(tiny_space))
    arch = tiny.parse_architecture("largest")
    network = latgrad.Network.from_space(tiny, arch).eval()
    priced = torch.jit.script(latgrad.PricedNetwork(network, model, arch))
    torch.jit.save(priced, str(tmp_path / "network.pt"))
    loaded = torch.jit.load(str(tmp_path / "network.pt"))
    images = torch.randn(1, 3, 32, 32)
    assert torch.equal(loaded(images), network(images))
    assert loaded.latency_us() == model.estimate(arch).item()
    assert loaded.latency_us("p90") == model.estimate(arch, "p90").item()
    assert loaded.architecture() == model.decode(arch)
    assert torch.jit.script(latgrad.PricedNetwork(network, model, arch, "p90")).latency_us() == loaded.latency_us("p90")
    with pytest.raises(ValueError):
        latgrad.PricedNetwork(network, model, torch.tensor([0, 0, 0, 3]))
    with pytest.raises(ValueError, match="p75"):
        latgrad.PricedNetwork(network, model, arch, "p75")

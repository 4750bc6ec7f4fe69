"""torch.ops.latgrad.gumbel_latency: one sample, against PyTorch's own functions with the same noise."""

import math

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import latgrad
from rows import FLOATS, TOLERANCE, expected, masked_softmax, ragged_mask, random_table

sample = torch.ops.latgrad.gumbel_latency_sample


def philox(seed, counter):
    """Philox 4x32-10 (Salmon et al., 2011) in Python's integers: the four words of one counter."""
    word = [counter & 0xFFFFFFFF, counter >> 32, 0, 0]
    key = [seed & 0xFFFFFFFF, seed >> 32]
    for _ in range(10):
        one, two = 0xD2511F53 * word[0], 0xCD9E8D57 * word[2]
        word = [(two >> 32) ^ word[1] ^ key[0], two & 0xFFFFFFFF, (one >> 32) ^ word[3] ^ key[1], one & 0xFFFFFFFF]
        key = [(key[0] + 0x9E3779B9) & 0xFFFFFFFF, (key[1] + 0xBB67AE85) & 0xFFFFFFFF]
    return word


def noise_of(seed, shape, dtype):
    """The Gumbel noise that the CPU kernel makes of a seed, value by value."""

    def word(i):
        return philox(seed, i // 64 * 16 + i % 16)[i // 16 % 4]

    def value(i):
        if dtype == torch.float64:
            bits = (word(i // 64 * 128 + i % 64) << 32 | word(i // 64 * 128 + 64 + i % 64)) >> 12
            return -math.log(-math.log((bits + 0.5) * 2.0**-52))
        return -math.log(-math.log(((word(i) >> 9) + 0.5) * 2.0**-23))

    return torch.tensor([value(i) for i in range(math.prod(shape))], dtype=torch.float64).reshape(shape)


def composition(logits, table_us, noise, temperature, valid=None, hard=False):
    """The same sample by PyTorch's own functions, in float64."""
    soft = masked_softmax((logits.double() + noise) / temperature, valid)
    if hard:
        one_hot = torch.zeros_like(soft).scatter(-1, soft.argmax(-1, keepdim=True), 1)
        weights = one_hot - soft.detach() + soft
    else:
        weights = soft
    table_us = table_us if valid is None else table_us.masked_fill(~valid, 0)
    return weights, expected(weights, table_us)


def seed_of(state=0):
    """What the operator draws first from a generator that was seeded with `state`."""
    return torch.randint(2**63 - 1, (), generator=torch.Generator().manual_seed(state))


def test_philox_gives_the_published_words():
    # The known answers of the authors' own library for 4x32-10.
    assert philox(0, 0) == [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 5), (2,)), ((40,), (1,))])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_is_the_composition_of_torch_with_the_same_noise(dtype, batch, devices, masked, hard):
    shape = (*batch, 5, 9)
    logits = torch.randn(shape).to(dtype).requires_grad_()
    table_us = random_table(*devices, 5, 9, dtype=dtype).requires_grad_()
    valid = ragged_mask(5, 9) if masked else None
    noise = noise_of(seed_of(7).item(), shape, dtype)
    ours = latgrad.gumbel_latency(logits, table_us, 0.8, valid, hard, torch.Generator().manual_seed(7))
    theirs = composition(logits, table_us, noise, 0.8, valid, hard)
    # The logarithm of float32 near 1, and what the temperature makes of its error.
    tolerance = max(1e-5, 4 * TOLERANCE[dtype]) if dtype != torch.float64 else 1e-12
    for mine, other in zip(ours, theirs):
        assert mine.dtype == dtype
        torch.testing.assert_close(mine.double(), other, rtol=tolerance, atol=1e-6)
    upstream = [torch.rand(output.shape).to(dtype) for output in ours]
    mine = torch.autograd.grad(ours, (logits, table_us), upstream)
    other = torch.autograd.grad(theirs, (logits, table_us), [grad.double() for grad in upstream])
    for one, two in zip(mine, other):
        assert one.dtype == dtype
        scale = two.abs().max().item()
        torch.testing.assert_close(one.double(), two.double(), rtol=4 * tolerance, atol=4 * scale * tolerance)


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("table_dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("hard", [False, True])
def test_the_latency_is_that_of_exactly_the_weights(dtype, table_dtype, hard):
    logits = torch.randn(100, 22, 9).to(dtype)
    table_us = random_table(22, 9, dtype=table_dtype)
    weights, latency_us = latgrad.gumbel_latency(logits, table_us, 1.0, hard=hard)
    assert weights.dtype == dtype and latency_us.dtype == torch.promote_types(dtype, table_dtype)
    rtol = 1e-13 if table_dtype == torch.float64 else 2e-6
    torch.testing.assert_close(latency_us.double(), expected(weights, table_us), rtol=rtol, atol=0)
    rounding = 9 * torch.finfo(dtype).eps
    torch.testing.assert_close(weights.double().sum(-1), torch.ones(100, 22).double(), rtol=0, atol=rounding)


@pytest.mark.parametrize("batch, devices", [((), ()), ((2,), (2,))])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("temperature", [0.7, 5.0])
def test_passes_gradcheck_twice_through_both_outputs(batch, devices, masked, temperature):
    logits = torch.randn(*batch, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = random_table(*devices, 3, 4).requires_grad_()
    valid = ragged_mask(3, 4) if masked else None

    def same_sample(logits, table_us):
        return latgrad.gumbel_latency(logits, table_us, temperature, valid, generator=torch.Generator().manual_seed(3))

    assert gradcheck(same_sample, (logits, table_us))
    assert gradgradcheck(same_sample, (logits, table_us))


@pytest.mark.parametrize("output", [0, 1])
def test_gradient_through_one_output_alone(output):
    logits = torch.randn(4, 3, 4, dtype=torch.float64, requires_grad=True)
    table_us = random_table(3, 4).requires_grad_()

    def one_output(logits, table_us):
        return latgrad.gumbel_latency(logits, table_us, 1.0, generator=torch.Generator().manual_seed(3))[output]

    assert gradcheck(one_output, (logits, table_us))
    assert gradgradcheck(one_output, (logits, table_us))


def test_second_derivative_of_a_hard_sample_is_that_of_the_composition():
    logits = torch.randn(3, 5, 9, dtype=torch.float64, requires_grad=True)
    table_us = random_table(5, 9).requires_grad_()
    seed = torch.tensor(11)
    noise = noise_of(11, (3, 5, 9), torch.float64)
    second = []
    for weights, latency_us in (sample(logits, table_us, seed, 0.9, None, True),
                                composition(logits, table_us, noise, 0.9, hard=True)):
        loss = (weights.square().sum(-1) * torch.arange(5)).sum() + latency_us.square().sum()
        first = torch.autograd.grad(loss, (logits, table_us), create_graph=True)
        second.append(torch.autograd.grad(sum(grad.square().sum() for grad in first), (logits, table_us)))
    for mine, other in zip(*second):
        torch.testing.assert_close(mine, other)


def test_hard_weights_are_one_hot_and_their_latency_is_that_of_the_architecture():
    logits = torch.randn(500, 22, 9)
    table_us = random_table(22, 9, dtype=torch.float64)
    weights, latency_us = latgrad.gumbel_latency(logits, table_us, 1.0, hard=True)
    assert ((weights == 0) | (weights == 1)).all() and (weights.sum(-1) == 1).all()
    torch.testing.assert_close(latency_us, latgrad.arch_latency(weights.argmax(-1), table_us), rtol=1e-6, atol=0)


def test_first_of_equal_candidates_is_the_hard_choice():
    weights, _ = sample(torch.zeros(4, 9), torch.ones(4, 9), torch.zeros(4, 9), 1.0, None, True)
    assert (weights.argmax(-1) == 0).all() and (weights.sum(-1) == 1).all()


# The 0.999 quantile of the chi-square distribution with 8 degrees of freedom.
CHI_SQUARE_8 = 26.12


@pytest.mark.parametrize("temperature", [0.1, 1.0, 5.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_hard_choices_follow_the_softmax_of_the_logits(temperature, dtype):
    # Gumbel-max: whatever the temperature.
    draws = 40000
    logits = torch.tensor([[0.3, -1.0, 0.0, 2.0, -3.0, 1.0, 0.5, 0.5, -0.2]], dtype=dtype)
    weights, _ = latgrad.gumbel_latency(logits.expand(draws, 1, 9), torch.ones(1, 9, dtype=dtype), temperature, hard=True)
    wanted = draws * logits.double().softmax(-1)[0]
    counts = weights.sum(0)[0].double()
    assert ((counts - wanted).square() / wanted).sum() < CHI_SQUARE_8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_noise_follows_the_gumbel_distribution(dtype):
    # The difference of two Gumbel variates is logistic: weights of two candidates tell it.
    weights, _ = latgrad.gumbel_latency(torch.zeros(30000, 3, 2, dtype=dtype), torch.ones(3, 2, dtype=dtype), 1.0)
    uniform = weights[..., 0].double().flatten()  # the logistic distribution function of the difference
    counts = torch.histc(uniform, bins=9, min=0, max=1)
    wanted = uniform.numel() / 9
    assert ((counts - wanted).square() / wanted).sum() < CHI_SQUARE_8
    # Layers and neighbours in the batch do not know of each other.
    table = (weights[..., 0].double() - 0.5) * math.sqrt(12)
    for one, other in ((table[:, 0], table[:, 1]), (table[:-1, 2], table[1:, 0])):
        assert (one * other).mean().abs() < 4 / math.sqrt(len(one))


def test_weights_follow_the_concrete_distribution():
    # P(w0 < q) = 1 / (1 + exp(a) (1 / q - 1)^t), for two candidates whose logits differ by a (Maddison et al., 2017).
    temperature, a, draws = 0.6, 0.8, 60000
    logits = torch.tensor([[a, 0.0]], dtype=torch.float64).expand(draws, 1, 2)
    weights, _ = latgrad.gumbel_latency(logits, torch.ones(1, 2, dtype=torch.float64), temperature)
    ends = torch.linspace(0, 1, 10, dtype=torch.float64)[1:-1]
    below = 1 / (1 + math.exp(a) * (1 / ends - 1) ** temperature)
    wanted = draws * torch.diff(torch.cat([torch.zeros(1), below, torch.ones(1)]).double())
    counts = torch.histogram(weights[:, 0, 0], torch.linspace(0, 1, 10, dtype=torch.float64)).hist
    assert ((counts - wanted).square() / wanted).sum() < CHI_SQUARE_8


def test_a_seed_gives_the_same_sample_and_another_one_another():
    logits, table_us = torch.zeros(4, 9), torch.ones(4, 9)
    first = [latgrad.gumbel_latency(logits, table_us, 1.0)[0] for _ in range(2)]
    torch.manual_seed(0)
    second = [latgrad.gumbel_latency(logits, table_us, 1.0)[0] for _ in range(2)]
    assert torch.equal(first[0], second[0]) and torch.equal(first[1], second[1])
    assert not torch.equal(first[0], first[1])
    ours = [latgrad.gumbel_latency(logits, table_us, 1.0, generator=torch.Generator().manual_seed(s))[0] for s in (5, 5, 6)]
    assert torch.equal(ours[0], ours[1]) and not torch.equal(ours[0], ours[2])


def test_a_value_depends_on_the_seed_and_its_place_alone():
    seed, table_us = torch.tensor(2**62 + 12345), torch.ones(22, 9)
    long, _ = sample(torch.zeros(1000, 22, 9), table_us, seed, 1.0, None, False)
    short, _ = sample(torch.zeros(333, 22, 9), table_us, seed, 1.0, None, False)
    assert torch.equal(long[:333], short)


@pytest.mark.parametrize("hard", [False, True])
def test_number_of_threads_does_not_change_a_bit(hard):
    logits = torch.randn(20000, 22, 9, requires_grad=True)
    table_us = random_table(22, 9, dtype=torch.float32).requires_grad_()
    before = torch.get_num_threads()
    outcomes = []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            torch.manual_seed(3)
            weights, latency_us = latgrad.gumbel_latency(logits, table_us, 1.0, hard=hard)
            loss = latency_us.square().sum() + weights.square().sum()
            outcomes.append((weights, latency_us, *torch.autograd.grad(loss, (logits, table_us))))
    finally:
        torch.set_num_threads(before)
    for one, two in zip(*outcomes):
        assert torch.equal(one, two)


@pytest.mark.parametrize("junk", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("dtype", FLOATS)
def test_what_is_not_valid_counts_for_nothing(junk, hard, dtype):
    valid = ragged_mask(6, 5)
    logits = torch.randn(40, 6, 5).to(dtype)
    table_us = random_table(6, 5, dtype=dtype)
    outcomes = []
    for value in (0.0, junk):
        inputs = [t.masked_fill(~valid, value).requires_grad_() for t in (logits, table_us)]
        weights, latency_us = sample(*inputs, torch.tensor(4), 0.5, valid, hard)
        (latency_us.sum() + weights.square().sum()).backward()
        assert (weights.masked_select(~valid) == 0).all()
        for input in inputs:
            assert (input.grad.masked_select(~valid) == 0).all()
        outcomes.append((weights, latency_us, inputs[0].grad, inputs[1].grad))
    for one, other in zip(*outcomes):
        assert torch.equal(one, other)


@pytest.mark.parametrize("temperature", [1e-4, 1e-2, 1e3])
def test_extreme_temperatures_stay_finite(temperature):
    logits = torch.randn(50, 5, 9, requires_grad=True)
    weights, latency_us = latgrad.gumbel_latency(logits, random_table(5, 9, dtype=torch.float32), temperature)
    (latency_us.sum() + weights.square().sum()).backward()
    assert weights.isfinite().all() and latency_us.isfinite().all() and logits.grad.isfinite().all()
    torch.testing.assert_close(weights.sum(-1), torch.ones(50, 5))


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("key", ["CPU", "CompositeExplicitAutograd"])
@pytest.mark.parametrize("value", ["nan", "-inf"])
def test_a_row_without_a_softmax_is_nan_and_so_is_its_latency(hard, key, value):
    valid = torch.ones(3, 4, dtype=torch.bool)
    valid[1, 0] = False
    logits = torch.zeros(2, 3, 4)
    logits[0, 1] = float(value)
    kernel = getattr(torch._C.DispatchKey, key)
    weights, latency_us = sample.Tensor._op_dk(
        kernel, logits, torch.ones(3, 4), torch.zeros(2, 3, 4), torch.tensor(1.0), valid, hard)
    assert weights[0, 1, 0] == 0 and weights[0, 1, 1:].isnan().all() and latency_us[0].isnan()
    assert weights[0, 0].isfinite().all() and latency_us[1].isfinite()


def test_empty_batches_and_strides():
    weights, latency_us = latgrad.gumbel_latency(torch.rand(0, 2, 3, requires_grad=True), torch.ones(2, 3), 1.0)
    assert weights.shape == (0, 2, 3) and latency_us.shape == (0,)
    latency_us.sum().backward()
    strided = torch.randn(3, 2, 6, dtype=torch.float64).permute(2, 1, 0)
    table_us = random_table(3, 2).t()
    for logits in (strided, strided[:1].expand(6, 2, 3)):
        ours = sample(logits, table_us, torch.tensor(9), 1.0, None, False)
        plain = sample(logits.contiguous(), table_us.contiguous(), torch.tensor(9), 1.0, None, False)
        assert all(torch.equal(one, other) for one, other in zip(ours, plain))


@pytest.mark.parametrize("dtype", FLOATS)
@pytest.mark.parametrize("batch, devices", [((), ()), ((3,), ()), ((2, 2), (2,)), ((0,), ())])
@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("hard", [False, True])
def test_kernel_of_other_devices_equals_that_of_the_cpu(dtype, batch, devices, masked, hard):
    composite = torch._C.DispatchKey.CompositeExplicitAutograd
    logits = torch.randn(*batch, 5, 9).to(dtype)
    table_us = random_table(*devices, 5, 9, dtype=dtype)
    noise = torch.randn(*batch, 5, 9).to(dtype)
    valid = ragged_mask(5, 9) if masked else None
    rtol = 4 * TOLERANCE[dtype]
    temperature = torch.tensor(0.7, dtype=torch.float64)
    ours = sample.Tensor._op_dk(composite, logits, table_us, noise, temperature, valid, hard)
    theirs = sample(logits, table_us, noise, 0.7, valid, hard)
    for mine, other in zip(ours, theirs):
        torch.testing.assert_close(mine, other, rtol=rtol, atol=1e-7)
    backward = torch.ops.latgrad.gumbel_latency_backward
    soft = sample(logits, table_us, noise, 0.7, valid, False)[0]
    grads = [torch.rand(output.shape).to(dtype) for output in theirs]
    for grad_weights, grad_latency in ((grads[0], grads[1]), (grads[0], None), (None, grads[1]), (None, None)):
        inputs = (grad_weights, grad_latency, soft, theirs[0], table_us, temperature, valid, [True, True])
        for mine, other in zip(backward.default._op_dk(composite, *inputs), backward(*inputs)):
            scale = other.abs().max().item() if other.numel() else 0
            torch.testing.assert_close(mine, other, rtol=rtol, atol=scale * rtol)

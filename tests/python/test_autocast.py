"""Under autocast latencies stay in float32: one of 100 ms does not fit float16."""

import pytest
import torch

import latgrad

BIG_US = torch.full((4, 5), 25_000.0)  # 100 ms for an architecture
DTYPES = [torch.bfloat16] if torch.__version__.startswith("1.") else [torch.bfloat16, torch.float16]


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_latency_of_100_ms_is_finite_and_in_float32(dtype):
    x, linear = torch.randn(4, 8), torch.nn.Linear(8, 5)
    table_us = BIG_US.to(dtype)
    with torch.autocast("cpu", dtype=dtype):
        theta = linear(x)
        assert theta.dtype == dtype
        latencies_us = [
            latgrad.expected_latency(theta.softmax(-1), table_us),
            latgrad.chain_latency(theta.softmax(-1), table_us.unsqueeze(1).expand(4, 5, 5)),
            latgrad.softmax_latency(theta, table_us),
            latgrad.gumbel_latency(theta, table_us, 1.0)[1],
            latgrad.gumbel_latency(theta, table_us, torch.tensor(1.0))[1],
            latgrad.arch_latency(torch.zeros(4, dtype=torch.long), table_us),
            latgrad.chain_arch_latency(torch.zeros(4, dtype=torch.long), table_us.unsqueeze(1).expand(4, 5, 5)),
        ]
        for latency_us in latencies_us:
            assert latency_us.dtype == torch.float32
            assert latency_us.item() == pytest.approx(100_000, rel=2e-2)
        loss = latgrad.fbnet_loss(theta.sum(), latencies_us[2])
        assert loss.dtype == torch.float32
    loss.backward()
    assert linear.weight.grad.dtype == torch.float32 and linear.weight.grad.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES)
def test_losses_and_fleets_are_computed_in_float32(dtype):
    latency_us = torch.tensor([500.0, 700.0, 900.0], dtype=dtype)
    entropy = torch.tensor(2.0, dtype=dtype)
    calls = {
        "log_latency": (latency_us,),
        "fbnet_loss": (entropy, latency_us),
        "proxylessnas_loss": (entropy, latency_us, 600.0, 0.1),
        "proxylessnas_log_loss": (entropy, latency_us, 600.0, 0.1, 0.6),
        "tunas_penalty": (latency_us, 600.0),
        "hinge_penalty": (latency_us, torch.tensor(600.0)),
        "fleet_sum": (latency_us, torch.ones(3, dtype=dtype)),
        "fleet_max": (latency_us,),
        "fleet_smooth_max": (latency_us, 10.0),
    }
    for name, arguments in calls.items():
        wide = [argument.float() if isinstance(argument, torch.Tensor) else argument for argument in arguments]
        with torch.autocast("cpu", dtype=dtype):
            result = getattr(latgrad, name)(*arguments)
        assert result.dtype == torch.float32, name
        torch.testing.assert_close(result, getattr(latgrad, name)(*wide))


def test_float64_stays_float64():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert latgrad.softmax_latency(torch.zeros(4, 5), BIG_US.double()).dtype == torch.float64


@pytest.mark.skipif(not hasattr(torch, "compile"), reason="torch.compile came with torch 2.0")
def test_compiled_too():
    def latency(theta):
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return latgrad.softmax_latency(theta.bfloat16(), BIG_US.bfloat16())

    compiled = torch.compile(latency, fullgraph=True, backend="aot_eager")
    assert compiled(torch.zeros(4, 5)).dtype == torch.float32

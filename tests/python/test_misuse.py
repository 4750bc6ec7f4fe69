"""Every wrong call of an operator is an exception with the rule and the value: eager, in TorchScript, on meta tensors.

C++ has the same table in tests/plugin/operators_test.cpp.
"""

import re
import warnings
from typing import Optional

import pytest
import torch

import latgrad  # noqa: F401  (registers the operators)

X, T = torch.rand(2, 3), torch.rand(2, 3) + 1
ARCH = torch.zeros(2, dtype=torch.int64)
VALID = torch.ones(2, 3, dtype=torch.bool)
SEED = torch.tensor(1)
ONE = torch.tensor(1.0)  # a temperature
MASK = [True, True]


def with_entry(value, tensor=T):
    changed = tensor.clone()
    changed[1, 2] = value
    return changed


def operator(name):
    """Of a name, or a name and an overload."""
    name, _, overload = name.partition(".")
    packet = getattr(torch.ops.latgrad, name)
    return getattr(packet, overload) if overload else packet


# How each operator is called with rows and a table.
OF_ROWS = {
    "expected_latency": ("probs", lambda x, t: (x, t)),
    "softmax_latency": ("logits", lambda x, t: (x, t)),
    "gumbel_latency": ("logits", lambda x, t: (x, t, 1.0)),
    "gumbel_latency_sample": ("logits", lambda x, t: (x, t, SEED, 1.0, None, False)),
    "expected_latency_backward": ("probs", lambda x, t: (torch.rand(()), x, t, MASK)),
    "softmax_latency_backward": ("logits", lambda x, t: (torch.rand(()), x, t, None, MASK)),
    "gumbel_latency_backward": ("soft", lambda x, t: (None, None, x, x, t, ONE, None, MASK)),
}
# Rows, table, message: of forms, which every kernel checks.
FORMS = [
    (torch.rand(3), T, "{} must be [..., layers, candidates], got 1 dimension"),
    (torch.rand(()), T, "{} must be [..., layers, candidates], got 0 dimensions"),
    (X, torch.rand(3), "table_us must be [layers, candidates] or [devices, layers, candidates], got 1 dimension"),
    (X, torch.rand(1, 1, 2, 3), "[devices, layers, candidates], got 4 dimensions"),
    (X, torch.rand(2, 4), "{} and table_us must agree in layers and candidates, their last two dimensions, got [2, 3] and [2, 4]"),
    (torch.rand(3, 3), T, "their last two dimensions, got [3, 3] and [2, 3]"),
    (X.long(), T, "{} must be float16, bfloat16, float32 or float64, got Long"),
    (X, T.int(), "table_us must be float16, bfloat16, float32 or float64, got Int"),
    (X.to(torch.complex64), T, "{} must be float16, bfloat16, float32 or float64, got ComplexFloat"),
    (torch.rand(2, 0), torch.rand(2, 0), "table_us must have no empty dimension, got [2, 0]"),
    (X, torch.rand(0, 2, 3), "table_us must have no empty dimension, got [0, 2, 3]"),
    (X.to_sparse(), T, "{} must be a dense tensor, got Sparse"),
    (X, T.to_sparse(), "table_us must be a dense tensor, got Sparse"),
    (X, T.to("meta"), "must be on the same device, got cpu and meta"),
]
# Of values, which are read on the CPU.
VALUES = [
    (with_entry(float("nan")), "table_us must be finite and not negative, got nan at layer 1, candidate 2"),
    (with_entry(float("inf")), "table_us must be finite and not negative, got inf at layer 1, candidate 2"),
    (with_entry(-1.0), "table_us must be finite and not negative, got -1 at layer 1, candidate 2"),
    (torch.stack([T, with_entry(-1.0)]), "got -1 at layer 1, candidate 2 of device 1"),
]
FORWARDS = ["expected_latency", "softmax_latency", "gumbel_latency", "gumbel_latency_sample"]

WRONG_MASKS = [
    (VALID.float(), "valid must be bool, got Float"),
    (VALID[0], "valid must be [layers, candidates] as table_us, got [3] and [2, 3]"),
    (VALID.expand(4, 2, 3), "valid must be [layers, candidates] as table_us, got [4, 2, 3] and [2, 3]"),
    (torch.ones(3, 2, dtype=torch.bool), "valid must be [layers, candidates] as table_us, got [3, 2] and [2, 3]"),
    (VALID.to("meta"), "valid and table_us must be on the same device, got meta and cpu"),
    (VALID.to_sparse(), "valid must be a dense tensor, got Sparse"),
    (torch.tensor([[True] * 3, [False] * 3]), "valid must leave every layer a candidate, got none in layer 1"),
]

OTHERS = [
    *[("gumbel_latency", (X, T, temperature), f"temperature must be positive and finite, and so its inverse in float32, got {text}")
      for temperature, text in ((0.0, "0"), (-1.0, "-1"), (float("nan"), "nan"), (float("inf"), "inf"), (1e-50, "1e-50"))],
    ("gumbel_latency_backward", (None, None, X, X, T, torch.tensor(0.0), None, MASK), "temperature must be positive and finite, and so its inverse in float32, got 0"),
    ("gumbel_latency_sample.Tensor", (X, T, SEED, torch.ones(1), None, False), "temperature as a tensor must have no dimension, got [1]"),
    ("gumbel_latency_sample.Tensor", (X, T, SEED, ONE.to("meta"), None, False), "temperature must be on the CPU or where the logits are, cpu, got meta"),
    ("gumbel_latency_sample.Tensor", (X, T, SEED, torch.tensor(1), None, False), "temperature as a tensor must be float16, bfloat16, float32 or float64, got Long"),
    ("gumbel_latency_sample", (X, T, torch.tensor([1, 2]), 1.0, None, False), "noise as a seed must be one int64 value, got [2]"),
    ("gumbel_latency_sample", (X, T, X.double(), 1.0, None, False), "noise must be a seed (int64) or have the dtype of logits, Float, got Double"),
    ("gumbel_latency_sample", (X, T, X.to_sparse(), 1.0, None, False), "noise must be a dense tensor, got Sparse"),
    ("gumbel_latency_sample", (X, T, X[0], 1.0, None, False), "noise must have the shape of logits, [2, 3], got [3]"),
    ("gumbel_latency_sample", (X, T, SEED.to("meta"), 1.0, None, False), "noise must be on the device of logits, cpu, got meta"),
    ("gumbel_latency_sample", (X, T, X.clone().requires_grad_(), 1.0, None, False), "noise must not require a gradient"),
    ("gumbel_latency_backward", (X[:1], None, X, X, T, ONE, None, MASK), "grad_weights must be as soft, Float [2, 3] on cpu, got Float [1, 3] on cpu"),
    ("gumbel_latency_backward", (None, None, X, X.double(), T, ONE, None, MASK), "weights must be as soft, Float [2, 3] on cpu, got Double [2, 3] on cpu"),
    ("gumbel_latency_backward", (None, torch.rand(2), X, X, T, ONE, None, MASK), "grad must have the shape of the latency, [], got [2]"),
    *[(f"{name}_latency_backward", (grad, X.expand(3, 2, 3), T, *rest, MASK), message)
      for name, rest in (("expected", ()), ("softmax", (None,)))
      for grad, message in (
          (torch.rand(2), "grad must have the shape of the latency, [3], got [2]"),
          (torch.rand(3, 1), "grad must have the shape of the latency, [3], got [3, 1]"),
          (torch.rand(3).double(), "grad must have the dtype of the latency, Float, got Double"),
          (torch.rand(3, device="meta"), "grad must be on the device of the latency, cpu, got meta"))],
    ("expected_latency_backward", (torch.rand(()), X, T.double(), MASK), "probs and table_us must have the same dtype in the backward, got Float and Double"),
    ("softmax_latency_backward", (torch.rand(()), X, T.double(), None, MASK), "logits and table_us must have the same dtype in the backward, got Float and Double"),
    ("arch_latency", (torch.tensor([0, 3]), T), "arch must hold candidate indexes from 0 to 2 (table_us has 3 candidates), got 3 in layer 1 of architecture 0"),
    ("arch_latency", (torch.tensor([[0, 1], [-1, 0]]), T), "got -1 in layer 0 of architecture 1"),
    ("arch_latency", (torch.tensor([0, 200], dtype=torch.uint8), T), "got 200 in layer 1 of architecture 0"),
    ("arch_latency", (ARCH.int(), T), "arch must be uint8 or int64, got Int"),
    ("arch_latency", (torch.tensor(0), T), "arch must be [..., layers], got a scalar"),
    ("arch_latency", (torch.zeros(3, dtype=torch.int64), T), "arch must have one index for each layer of table_us, 2, got 3"),
    ("arch_latency", (ARCH, T.int()), "table_us must be float16, bfloat16, float32 or float64, got Int"),
    ("arch_latency", (ARCH, with_entry(-1.0)), "table_us must be finite and not negative, got -1 at layer 1, candidate 2"),
    ("arch_latency", (ARCH, with_entry(float("nan"))), "table_us must be finite and not negative, got nan"),
    ("arch_latency", (ARCH.to("meta"), T), "arch and table_us must be on the same device, got meta and cpu"),
]

CALLS = [(op, call(rows, table), message.format(name))
         for op, (name, call) in OF_ROWS.items() for rows, table, message in FORMS]
CALLS += [(op, OF_ROWS[op][1](X, table), message) for op in FORWARDS for table, message in VALUES]
CALLS += [call for mask, message in WRONG_MASKS for call in (
    ("softmax_latency", (X, T, mask), message),
    ("gumbel_latency", (X, T, 1.0, mask), message),
    ("gumbel_latency_sample", (X, T, SEED, 1.0, mask, False), message))]
CALLS += [call for mask, message in WRONG_MASKS[:-1] for call in (
    ("softmax_latency_backward", (torch.rand(()), X, T, mask, MASK), message),
    ("gumbel_latency_backward", (None, None, X, X, T, ONE, mask, MASK), message))]
CALLS += OTHERS


@pytest.mark.parametrize("op, args, message", CALLS)
def test_eager_call_says_which_rule_it_breaks(op, args, message):
    with pytest.raises(RuntimeError, match=re.escape(message)):
        operator(op)(*args)
    # A kernel that is reached without autograd checks as well.
    with torch.inference_mode(), pytest.raises(RuntimeError, match=re.escape(message)):
        if "require a gradient" in message:
            pytest.skip("nothing requires a gradient in inference mode")
        operator(op)(*args)


with warnings.catch_warnings():
    warnings.simplefilter("ignore")

    @torch.jit.script
    def expected_latency(probs: torch.Tensor, table_us: torch.Tensor):
        return torch.ops.latgrad.expected_latency(probs, table_us)

    @torch.jit.script
    def softmax_latency(logits: torch.Tensor, table_us: torch.Tensor, valid: Optional[torch.Tensor] = None):
        return torch.ops.latgrad.softmax_latency(logits, table_us, valid)

    @torch.jit.script
    def gumbel_latency(logits: torch.Tensor, table_us: torch.Tensor, temperature: float,
                       valid: Optional[torch.Tensor] = None):
        return torch.ops.latgrad.gumbel_latency(logits, table_us, temperature, valid)

    @torch.jit.script
    def arch_latency(arch: torch.Tensor, table_us: torch.Tensor):
        return torch.ops.latgrad.arch_latency(arch, table_us)

SCRIPTS = {"expected_latency": expected_latency, "softmax_latency": softmax_latency,
           "gumbel_latency": gumbel_latency, "arch_latency": arch_latency}


@pytest.mark.parametrize("op, args, message", [call for call in CALLS if call[0] in SCRIPTS])
def test_torchscript_says_which_rule_a_call_breaks(op, args, message):
    with pytest.raises(RuntimeError, match=re.escape(message)):
        SCRIPTS[op](*args)


def reads_no_value(call):
    tensors = [arg for arg in call[1] if isinstance(arg, torch.Tensor)]
    is_form = not re.search(r"inverse in float32, got 0$|finite and not negative|candidate indexes|got none|got -1 (in|at)|got 200|(same device|on the device|where the logits are)", call[2])
    return is_form and all(tensor.layout == torch.strided for tensor in tensors)


@pytest.mark.parametrize("op, args, message", [call for call in CALLS if reads_no_value(call)])
def test_meta_kernel_says_which_rule_a_call_breaks(op, args, message):
    message = message.replace(" on cpu", " on meta")
    with pytest.raises(RuntimeError, match=re.escape(message)):
        operator(op)(*(arg.to("meta") if isinstance(arg, torch.Tensor) else arg for arg in args))

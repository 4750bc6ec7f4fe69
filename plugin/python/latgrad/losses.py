"""The published losses that combine cross-entropy and latency.

Latencies and targets are in microseconds. Tensors are float16, bfloat16, float32 or float64; they broadcast, and mixed
precisions give the wider one, as in PyTorch's arithmetic. Every function is differentiable in its tensors, any number
of times.

Targets, weights, alphas and betas are floats or 0-dim tensors. Under torch.compile both may change at every call.

All functions raise RuntimeError for a tensor of another dtype, for a target, weight, alpha or beta that is not finite,
and for a target that is not positive. The value of a tensor, and of a float under torch.compile, is not checked.
"""

import torch
from torch import Tensor

from latgrad.numbers import Number, as_float, as_tensor, call, is_float


def log_latency(latency_us: Tensor) -> Tensor:
    """The natural logarithm of a latency in microseconds, as the base of a power.

    It is never negative, because powers of negative numbers are NaN.

    latency_us: ``[...]``, at least 1 us, finite.

    Returns ``[...]`` of the same dtype, not negative.

    On the CPU, raises RuntimeError if a latency is below 1 us, NaN or infinite, with its value and place. On other
    devices such an element gives NaN, because reading it would wait for the device.
    """
    return torch.ops.latgrad.log_latency(latency_us)


def fbnet_loss(cross_entropy: Tensor, latency_us: Tensor, alpha: Number = 0.2, beta: Number = 0.6) -> Tensor:
    """``cross_entropy * alpha * ln(latency_us) ** beta``, FBNet's loss.

    At exactly 1 us it is 0, with an infinite slope where ``beta < 1``.

    Raises RuntimeError as :func:`log_latency` does: a latency given in milliseconds or seconds may be below one.

    Source: FBNet (Wu et al., CVPR 2019), equation 2, with the alpha and beta of its experiments.
    """
    if not torch.jit.is_scripting():
        return call(torch.ops.latgrad.fbnet_loss, (cross_entropy, latency_us), alpha, beta)
    if is_float(alpha) and is_float(beta):
        return torch.ops.latgrad.fbnet_loss(cross_entropy, latency_us, as_float(alpha), as_float(beta))
    return torch.ops.latgrad.fbnet_loss(cross_entropy, latency_us, as_tensor(alpha), as_tensor(beta))


def proxylessnas_loss(cross_entropy: Tensor, latency_us: Tensor, target_us: Number, weight: Number) -> Tensor:
    """``cross_entropy + weight * (latency_us / target_us - 1)``, ProxylessNAS' loss for gradients.

    The slope is ``weight / target_us`` everywhere, above and below the target.

    Source: ProxylessNAS (Cai et al., ICLR 2019), section 3.3, in the form of its published code, ``add#linear``.
    """
    if not torch.jit.is_scripting():
        return call(torch.ops.latgrad.proxylessnas_loss, (cross_entropy, latency_us), target_us, weight)
    if is_float(target_us) and is_float(weight):
        return torch.ops.latgrad.proxylessnas_loss(cross_entropy, latency_us, as_float(target_us), as_float(weight))
    return torch.ops.latgrad.proxylessnas_loss(cross_entropy, latency_us, as_tensor(target_us), as_tensor(weight))


def proxylessnas_log_loss(
    cross_entropy: Tensor, latency_us: Tensor, target_us: Number, alpha: Number, beta: Number
) -> Tensor:
    """``alpha * cross_entropy * (ln(latency_us) / ln(target_us)) ** beta``, ProxylessNAS' loss as a product.

    At exactly 1 us it is 0, with an infinite slope where ``beta < 1``.

    Raises RuntimeError as :func:`log_latency` does, and for a target of 1 us or less, because its logarithm is the
    divisor.

    Source: the published code of ProxylessNAS, ``mul#log``.
    """
    if not torch.jit.is_scripting():
        return call(torch.ops.latgrad.proxylessnas_log_loss, (cross_entropy, latency_us), target_us, alpha, beta)
    if is_float(target_us) and is_float(alpha) and is_float(beta):
        return torch.ops.latgrad.proxylessnas_log_loss(
            cross_entropy, latency_us, as_float(target_us), as_float(alpha), as_float(beta)
        )
    return torch.ops.latgrad.proxylessnas_log_loss(
        cross_entropy, latency_us, as_tensor(target_us), as_tensor(alpha), as_tensor(beta)
    )


def tunas_penalty(latency_us: Tensor, target_us: Number) -> Tensor:
    """``|latency_us / target_us - 1|``, to be weighted and added to a cross-entropy.

    It pulls towards the target from both sides; the gradient at the target is 0.

    Source: TuNAS (Bender et al., CVPR 2020), the absolute reward function, there subtracted from the accuracy.
    """
    if not torch.jit.is_scripting():
        return call(torch.ops.latgrad.tunas_penalty, (latency_us,), target_us)
    if is_float(target_us):
        return torch.ops.latgrad.tunas_penalty(latency_us, as_float(target_us))
    return torch.ops.latgrad.tunas_penalty(latency_us, as_tensor(target_us))


def hinge_penalty(latency_us: Tensor, target_us: Number) -> Tensor:
    """``max(0, latency_us / target_us - 1)``, to be weighted and added to a cross-entropy.

    It is 0 up to the target; the gradient at the target is 0.
    """
    if not torch.jit.is_scripting():
        return call(torch.ops.latgrad.hinge_penalty, (latency_us,), target_us)
    if is_float(target_us):
        return torch.ops.latgrad.hinge_penalty(latency_us, as_float(target_us))
    return torch.ops.latgrad.hinge_penalty(latency_us, as_tensor(target_us))

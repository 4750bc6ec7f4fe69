// The published losses that combine cross-entropy and latency, as operators of `torch.ops.latgrad`.
//
//   auto latency_us = model->fixed_us() + latgrad::expected_latency(probs, model->table_us());
//   auto loss = latgrad::fbnet_loss(cross_entropy, latency_us);
//   loss.backward();
//
//   auto loss = cross_entropy + 0.1 * latgrad::hinge_penalty(latency_us, /*target_us=*/8000);
//
// Latencies and targets are in microseconds everywhere. Tensors are float16, bfloat16, float32 or float64;
// they broadcast, and mixed precisions give the wider one, as in PyTorch's arithmetic. Targets, weights,
// alphas and betas are numbers or, all of them, tensors []; these are not checked for their values, which
// would wait for the device. Every function is differentiable in its tensors, any number of times, and works
// under TorchScript, torch.compile and on meta tensors. Thread-safe. Cost: O(numel).
//
// Errors of all functions: c10::Error for a tensor of another dtype; for a target, weight, alpha or beta that
// is not finite; for a target that is not positive. NaN in a tensor passes through where no logarithm is
// taken.

#pragma once

#include <ATen/core/Tensor.h>

#include "latgrad/plugin/export.h"

namespace latgrad {

// The natural logarithm of a latency in microseconds, as the base of a power. It is never negative, because
// powers of negative numbers are NaN.
//
//   latency_us  [...]   at least 1 us, finite
//   result      [...]   the same dtype, not negative
//
// Errors: on the CPU, for a latency below 1 us, NaN or infinite, with its value and place. On other devices
// such an element gives NaN, because reading it would wait for the device.
LATGRAD_PLUGIN_EXPORT at::Tensor log_latency(const at::Tensor& latency_us);

// cross_entropy * alpha * log_latency(latency_us)^beta. At exactly 1 us it is 0, with an infinite slope
// where beta < 1.
// Errors: as log_latency.
// Source: FBNet (Wu et al., CVPR 2019), equation 2, with the alpha and beta of its experiments.
LATGRAD_PLUGIN_EXPORT at::Tensor fbnet_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us,
                                            double alpha = 0.2, double beta = 0.6);
LATGRAD_PLUGIN_EXPORT at::Tensor fbnet_loss(const at::Tensor& cross_entropy, const at::Tensor& latency_us,
                                            const at::Tensor& alpha, const at::Tensor& beta);

// cross_entropy + weight * (latency_us / target_us - 1). The slope is weight / target_us everywhere, above
// and below the target. Source: ProxylessNAS (Cai et al., ICLR 2019), section 3.3, in the form of its
// published code, `add#linear`.
LATGRAD_PLUGIN_EXPORT at::Tensor proxylessnas_loss(const at::Tensor& cross_entropy,
                                                   const at::Tensor& latency_us, double target_us,
                                                   double weight);
LATGRAD_PLUGIN_EXPORT at::Tensor proxylessnas_loss(const at::Tensor& cross_entropy,
                                                   const at::Tensor& latency_us, const at::Tensor& target_us,
                                                   const at::Tensor& weight);

// alpha * cross_entropy * (log_latency(latency_us) / ln(target_us))^beta. The target is more than 1 us.
// Errors: as log_latency; for a target of 1 us or less, because its logarithm is the divisor.
// Source: the published code of ProxylessNAS, `mul#log`.
LATGRAD_PLUGIN_EXPORT at::Tensor proxylessnas_log_loss(const at::Tensor& cross_entropy,
                                                       const at::Tensor& latency_us, double target_us,
                                                       double alpha, double beta);
LATGRAD_PLUGIN_EXPORT at::Tensor proxylessnas_log_loss(const at::Tensor& cross_entropy,
                                                       const at::Tensor& latency_us,
                                                       const at::Tensor& target_us, const at::Tensor& alpha,
                                                       const at::Tensor& beta);

// |latency_us / target_us - 1|, to be weighted and added to a cross-entropy: it pulls towards the target from
// both sides. The gradient at the target is 0.
// Source: TuNAS (Bender et al., CVPR 2020), the absolute reward function, there subtracted from the accuracy.
LATGRAD_PLUGIN_EXPORT at::Tensor tunas_penalty(const at::Tensor& latency_us, double target_us);
LATGRAD_PLUGIN_EXPORT at::Tensor tunas_penalty(const at::Tensor& latency_us, const at::Tensor& target_us);

// max(0, latency_us / target_us - 1), to be weighted and added to a cross-entropy: 0 up to the target. The
// gradient at the target is 0.
LATGRAD_PLUGIN_EXPORT at::Tensor hinge_penalty(const at::Tensor& latency_us, double target_us);
LATGRAD_PLUGIN_EXPORT at::Tensor hinge_penalty(const at::Tensor& latency_us, const at::Tensor& target_us);

}  // namespace latgrad

// A Gumbel-softmax sample and its gradients in ATen operators: for devices without a kernel, and for second
// derivatives and forward mode on all. Preconditions are the caller's.

#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

#include "torch_compat.h"

namespace latgrad::ops::composite {

// logits and noise [..., L, C], table [L, C] or [D, L, C] -> weights [..., L, C], latency [...] or [..., D]
std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table,
                                                         const at::Tensor& noise,
                                                         const at::Tensor& temperature,
                                                         const Optional<at::Tensor>& valid, bool hard);

// The gradients for logits and table, of a sample that was made of `soft` and gave `weights`; an empty tensor
// for what `output_mask` leaves out.
std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(
    const Optional<at::Tensor>& grad_weights, const Optional<at::Tensor>& grad_latency,
    const at::Tensor& soft, const at::Tensor& weights, const at::Tensor& table, const at::Tensor& temperature,
    const Optional<at::Tensor>& valid, std::array<bool, 2> output_mask);

// The gradient for the temperature, [], of the sample whose gradient for the logits is `grad_logits`.
at::Tensor gumbel_grad_temperature(const at::Tensor& grad_logits, const at::Tensor& soft,
                                   const at::Tensor& temperature);

}  // namespace latgrad::ops::composite

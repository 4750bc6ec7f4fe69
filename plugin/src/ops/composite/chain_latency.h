// chain_latency and its gradients in ATen operators: for devices without a kernel, and for autograd on all.
//
// Preconditions are the caller's. Nothing is made that has the size of the batch times C * C.

#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

namespace latgrad::ops::composite {

// probs [..., L, C], table [L, C, C] or [D, L, C, C] -> [...] or [..., D]
at::Tensor chain_latency(const at::Tensor& probs, const at::Tensor& table);

// The gradients for probs and table; an empty tensor for what `output_mask` leaves out.
std::tuple<at::Tensor, at::Tensor> chain_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                          const at::Tensor& table,
                                                          std::array<bool, 2> output_mask);

}  // namespace latgrad::ops::composite

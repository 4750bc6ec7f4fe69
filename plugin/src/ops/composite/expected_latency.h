// The products behind expected_latency and its gradients, in ATen operators.
//
// They run on every device without a copy to the host, and autograd sees through them: they are the kernels
// of devices without one of their own, and the second derivatives on all. Preconditions are the caller's.
// Unlike the operator on the CPU they take any values for a table: a gradient may overflow.

#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

namespace latgrad::ops::composite {

// probs [..., L, C], table [L, C] or [D, L, C] -> [...] or [..., D]
at::Tensor expected_latency(const at::Tensor& probs, const at::Tensor& table);

// grad [...] or [..., D], table [L, C] or [D, L, C] -> [..., L, C]
at::Tensor grad_probs(const at::Tensor& grad, const at::Tensor& table);

// grad [...] or [..., D], probs [..., L, C] -> [L, C] or [D, L, C]
at::Tensor grad_table(const at::Tensor& grad, const at::Tensor& probs);

// The gradients for probs and table; an empty tensor for what `output_mask` leaves out.
std::tuple<at::Tensor, at::Tensor> expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                             const at::Tensor& table,
                                                             std::array<bool, 2> output_mask);

}  // namespace latgrad::ops::composite

// softmax_latency and its gradients in ATen operators: for devices without a kernel, and for second
// derivatives and forward mode on all. Preconditions are the caller's.

#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

#include "torch_compat.h"

namespace latgrad::ops::composite {

// logits [..., L, C] -> the same: softmax over the valid candidates, exactly 0 elsewhere. In float32 or
// better.
at::Tensor masked_softmax(const at::Tensor& logits, const Optional<at::Tensor>& valid);

// 0 where not valid, whatever was there.
at::Tensor masked(const at::Tensor& tensor, const Optional<at::Tensor>& valid);

// The gradient for logits, [..., L, C], of a softmax `soft` whose result has the gradient `grad`.
at::Tensor softmax_gradient(const at::Tensor& grad, const at::Tensor& soft);

// logits [..., L, C], table [L, C] or [D, L, C] -> [...] or [..., D]
at::Tensor softmax_latency(const at::Tensor& logits, const at::Tensor& table,
                           const Optional<at::Tensor>& valid);

// The gradients for logits and table; an empty tensor for what `output_mask` leaves out.
std::tuple<at::Tensor, at::Tensor> softmax_latency_backward(const at::Tensor& grad, const at::Tensor& logits,
                                                            const at::Tensor& table,
                                                            const Optional<at::Tensor>& valid,
                                                            std::array<bool, 2> output_mask);

}  // namespace latgrad::ops::composite

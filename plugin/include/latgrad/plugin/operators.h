// The operators of `torch.ops.latgrad`, for C++: latency as a term of the loss.
//
//   auto probs = torch::softmax(theta, -1);  // [L, C]
//   auto latency_us = model->fixed_us() + latgrad::expected_latency(probs, model->table_us());
//   auto loss = cross_entropy * 0.2 * latency_us.log().pow(0.6);  // FBNet
//   loss.backward();
//
// L layers, C candidates of the widest layer, D devices. Every function goes through the dispatcher: CPU
// kernels of their own, ATen operators on other devices (no copy to the host, no synchronisation), meta
// kernels for shapes. Thread-safe. Large batches run on at::get_num_threads() threads; the number of
// threads never changes a value.

#pragma once

#include <ATen/core/Tensor.h>

#include <array>
#include <tuple>

#include "latgrad/plugin/export.h"

namespace latgrad {

// The sum over layers and candidates of probability times latency.
//
//   probs     [..., L, C]            float16, bfloat16, float32 or float64
//   table_us  [L, C] or [D, L, C]    any of these dtypes, the same device
//   result    [...] or [..., D]      the wider dtype of the two, microseconds
//
// Differentiable in both arguments, any number of times. float16 and bfloat16 are added up in float32; mind
// that a float16 result ends at 65504 us. Rows of `probs` usually sum to 1, which is not checked.
// Cost: O(numel(probs) * D).
// Errors: c10::Error where a shape, dtype or device breaks a rule above; where L, C or D is 0; on the CPU,
// for a latency that is not finite.
// Source: FBNet (Wu et al., 2019), equation 4.
LATGRAD_PLUGIN_EXPORT at::Tensor expected_latency(const at::Tensor& probs, const at::Tensor& table_us);

// The gradients of expected_latency for `probs` and `table_us`; an operator of its own, as PyTorch's are.
//
//   grad          [...] or [..., D]  as the result of expected_latency
//   output_mask   which of the two to compute; the other one is an empty tensor
//
// The gradient for `table_us` is added up in float64 over the batch.
// Errors: as expected_latency; where `grad` does not have the shape, dtype and device of its result.
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> expected_latency_backward(
    const at::Tensor& grad, const at::Tensor& probs, const at::Tensor& table_us,
    std::array<bool, 2> output_mask);

// The exact latency of architectures: the sum over layers of the chosen candidate's latency.
//
//   arch      [..., L]               uint8 or int64, the index of a candidate in each layer
//   table_us  [L, C] or [D, L, C]    floating point, on the same device
//   result    [...] or [..., D]      the dtype of table_us, microseconds
//
// The CPU kernel adds in float64, layer after layer. Differentiable in `table_us`.
// Cost: O(numel(arch) * D).
// Errors: c10::Error where a shape, dtype or device breaks a rule above; on the CPU, for an index that is no
// candidate (with its layer and the number of candidates) and for a latency that is not finite. On CUDA an
// index out of range is an assertion of the device, as in torch.gather.
LATGRAD_PLUGIN_EXPORT at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us);

}  // namespace latgrad

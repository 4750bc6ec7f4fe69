// The operators of `torch.ops.latgrad`, for C++: latency as a term of the loss.
//
//   const auto table_us = model->table_us();
//   auto [weights, latency_us] = latgrad::gumbel_latency(theta, table_us, temperature, model->valid());
//   auto logits = supernet(images, weights);  // the blocks of layer l mixed with weights[l]
//   auto loss = latgrad::fbnet_loss(cross_entropy(logits, labels), model->fixed_us() + latency_us);
//   loss.backward();
//
// L layers, C candidates of the widest layer, D devices. An undefined tensor stands for an argument that is
// not given. Every function goes through the dispatcher: to its own kernel on the CPU, to ATen operators on
// other devices (no copy to the host, no synchronisation), and to meta kernels for shapes. Under
// torch.func.vmap the CPU uses ATen operators, too, which do not check values; a sample and log_latency do.
// Thread-safe. Large batches run on at::get_num_threads() threads; the number of threads never changes a
// value.

#pragma once

#include <ATen/core/Generator.h>
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
// Differentiable in both arguments, any number of times. float16 and bfloat16 are summed in float32; a
// float16 result cannot exceed 65504 us. Rows of `probs` usually sum to 1, which is not checked.
// Cost: O(numel(probs) * D).
// Errors: c10::Error where a shape, dtype or device breaks a rule above; where L, C or D is 0; on the CPU,
// for a latency that is negative or not finite.
// Source: FBNet (Wu et al., 2019), equation 4.
LATGRAD_PLUGIN_EXPORT at::Tensor expected_latency(const at::Tensor& probs, const at::Tensor& table_us);

// The gradients of expected_latency for `probs` and `table_us`; a separate operator, as in PyTorch.
//
//   grad          [...] or [..., D]  as the result of expected_latency
//   output_mask   which of the two to compute; the other one is an empty tensor
//
// The gradient for `table_us` is summed over the batch in float64.
// Errors: as expected_latency; where `grad` does not have the shape, dtype and device of its result.
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> expected_latency_backward(
    const at::Tensor& grad, const at::Tensor& probs, const at::Tensor& table_us,
    std::array<bool, 2> output_mask);

// The expected latency where what a layer takes depends on its predecessor, too: a search over widths, in
// which a layer's input channels are what the layer before has chosen. Layers choose independently.
//
//   probs     [..., L, C]                  float16, bfloat16, float32 or float64
//   table_us  [L, C, C] or [D, L, C, C]    any of these dtypes, the same device. [l, i, j]: what candidate j
//   of
//                                          layer l takes behind candidate i of layer l - 1. Layer 0 has no
//                                          predecessor: of its rows only row 0 counts; the others may hold
//                                          anything and have gradient 0
//   result    [...] or [..., D]            the wider dtype of the two, microseconds
//
// The sum over j of probs[0, j] * table_us[0, 0, j], plus that over l > 0, i and j of probs[l - 1, i] *
// probs[l, j] * table_us[l, i, j]: with one-hot rows the exact latency of that architecture. A candidate that
// a layer does not offer has probability 0 and any finite latency. Differentiable and summed as
// expected_latency.
// Cost: O(numel(probs) * C * D) time; memory of the size of the table beside inputs and outputs.
// Errors: as expected_latency; where the last two dimensions of `table_us` differ.
// Source: FBNetV2 (Wan et al., 2020), for searches over widths.
LATGRAD_PLUGIN_EXPORT at::Tensor chain_latency(const at::Tensor& probs, const at::Tensor& table_us);

// The gradients of chain_latency for `probs` and `table_us`; as expected_latency_backward.
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> chain_latency_backward(
    const at::Tensor& grad, const at::Tensor& probs, const at::Tensor& table_us,
    std::array<bool, 2> output_mask);

// The expected latency of softmax(logits), in one pass forward and one backward. The logits are the only
// tensor of the size of the batch that is kept in between.
//
//   logits    [..., L, C]            float16, bfloat16, float32 or float64
//   table_us  [L, C] or [D, L, C]    any of these dtypes, the same device
//   valid     [L, C], bool           the candidates that a layer offers; not given: all. Others have
//                                    probability and gradient exactly 0, for any logit and latency
//   result    [...] or [..., D]      the wider dtype of logits and table, microseconds
//
// Differentiable in logits and table, any number of times. float16 and bfloat16 are computed in float32. A
// valid logit of -inf has probability 0; NaN, +inf, or a layer of -inf only, make the latency NaN, as in
// torch.softmax.
// Cost: O(numel(logits) * D).
// Errors: as expected_latency; on the CPU, for a layer without a valid candidate.
LATGRAD_PLUGIN_EXPORT at::Tensor softmax_latency(const at::Tensor& logits, const at::Tensor& table_us,
                                                 const at::Tensor& valid = {});

// The gradients of softmax_latency for `logits` and `table_us`; as expected_latency_backward, but for the
// table float32 adds up as many elements of the batch as have about a thousand layers, float64 the rest.
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> softmax_latency_backward(
    const at::Tensor& grad, const at::Tensor& logits, const at::Tensor& table_us, const at::Tensor& valid,
    std::array<bool, 2> output_mask);

// One Gumbel-softmax sample, softmax((logits + gumbel) / temperature), for mixing the candidate blocks, and
// the latency of this very sample.
//
//   logits, table_us, valid          as in softmax_latency
//   temperature                      positive and finite; a number, or a tensor [] on the CPU or the device
//                                    of logits
//   hard                             one-hot weights, the arg-max of the sample, with the gradient of the
//                                    soft ones (straight-through)
//   generator                        not given: the device's default one, which torch::manual_seed seeds
//   weights   [..., L, C]            the dtype of logits; rows sum to 1, exactly 0 where not valid
//   latency   [...] or [..., D]      the wider dtype of logits and table, microseconds: of these weights
//
// Differentiable in logits, table and temperature through both outputs, any number of times. On the CPU a
// sample takes one number from the generator, and each value depends only on that number and on its position:
// it is the same for any number of threads. Other devices draw the noise themselves.
//
// Cost: O(numel(logits) * D).
// Errors: as softmax_latency; for a temperature that is not positive and finite, except where it is a tensor
// and logits are not on the CPU: reading it would wait for the device.
// Source: Jang et al., Categorical reparameterization with Gumbel-softmax (2017); FBNet, equations 2, 3, 5.
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> gumbel_latency(
    const at::Tensor& logits, const at::Tensor& table_us, double temperature, const at::Tensor& valid = {},
    bool hard = false, const at::Generator& generator = {});
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> gumbel_latency(
    const at::Tensor& logits, const at::Tensor& table_us, const at::Tensor& temperature,
    const at::Tensor& valid = {}, bool hard = false, const at::Generator& generator = {});

// gumbel_latency with its randomness as an argument: a pure function.
//
//   noise     int64 []               a seed, on the CPU only
//             [..., L, C]            Gumbel noise in the dtype of logits, which takes no gradient
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(
    const at::Tensor& logits, const at::Tensor& table_us, const at::Tensor& noise, double temperature,
    const at::Tensor& valid, bool hard);
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(
    const at::Tensor& logits, const at::Tensor& table_us, const at::Tensor& noise,
    const at::Tensor& temperature, const at::Tensor& valid, bool hard);

// The Gumbel noise that a seed stands for, on the CPU.
//
//   seed      int64 []
//   like      [..., L, C]            float32 or float64: the result has this shape and dtype
LATGRAD_PLUGIN_EXPORT at::Tensor gumbel_noise(const at::Tensor& seed, const at::Tensor& like);

// The gradients of a sample for `logits` and `table_us`.
//
//   grad_weights, grad_latency       as the outputs of gumbel_latency; undefined: zero
//   soft      [..., L, C]            the softmax that the sample was made from
//   weights   [..., L, C]            the weights that were returned: `soft` again unless hard
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(
    const at::Tensor& grad_weights, const at::Tensor& grad_latency, const at::Tensor& soft,
    const at::Tensor& weights, const at::Tensor& table_us, const at::Tensor& temperature,
    const at::Tensor& valid, std::array<bool, 2> output_mask);

// The exact latency of architectures: the sum over layers of the chosen candidate's latency.
//
//   arch      [..., L]               uint8 or int64, the index of a candidate in each layer
//   table_us  [L, C] or [D, L, C]    floating point, on the same device
//   result    [...] or [..., D]      the dtype of table_us, microseconds
//
// The CPU kernel adds in float64, in an order that depends only on the number of layers. Differentiable in
// `table_us`.
// Cost: O(numel(arch) * D).
// Errors: c10::Error where a shape, dtype or device breaks a rule above; on the CPU, for an index that is not
// a candidate (with its layer and the number of candidates) and for a latency that is negative or not finite.
// On CUDA an index out of range fails a device-side assertion, as in torch.gather.
LATGRAD_PLUGIN_EXPORT at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us);

// The exact latency of architectures whose layers depend on their predecessors.
//
//   arch      [..., L]                     uint8 or int64, the index of a candidate in each layer
//   table_us  [L, C, C] or [D, L, C, C]    as in chain_latency, floating point, on the same device
//   result    [...] or [..., D]            the dtype of table_us, microseconds
//
// The CPU kernel adds in float64, layer by layer. Differentiable in `table_us`.
// Cost: O(numel(arch) * D).
// Errors: as arch_latency; where the last two dimensions of `table_us` differ.
LATGRAD_PLUGIN_EXPORT at::Tensor chain_arch_latency(const at::Tensor& arch, const at::Tensor& table_us);

// The architectures with the largest score within budgets, exactly: latgrad/search/exact_search.h.
//
//   scores   [..., L, C]               numbers, to be summed; -inf: not offered
//   costs    [L, C] or [D, L, C]       numbers, to be summed; inf: not offered
//   budgets  [...] or [..., D]         what the sums of costs must not exceed; inf: no limit. The batch
//                                      broadcasts with that of scores
//   valid    [L, C]                    bool, what is offered; undefined: everything
//   arch     [..., k, L]               int64, best first; where fewer fit, rows of -1 ...
//   score    [..., k]                  float64, ... with score -inf ...
//   cost     [..., k] or [..., k, D]   float64, ... and cost inf
//
// On the CPU only, one search of the batch on each thread. No gradient.
// Errors: c10::Error where a shape, dtype or device breaks a rule above; as search::best_architectures.
LATGRAD_PLUGIN_EXPORT std::tuple<at::Tensor, at::Tensor, at::Tensor> best_architectures(
    const at::Tensor& scores, const at::Tensor& costs, const at::Tensor& budgets, int64_t k = 1,
    const at::Tensor& valid = {});

}  // namespace latgrad

#include <torch/library.h>

#include "ops/gumbel_latency_checks.h"

namespace latgrad::ops {
namespace {

std::tuple<at::Tensor, at::Tensor> gumbel_latency_sample(const at::Tensor& logits, const at::Tensor& table_us,
                                                         const at::Tensor& noise,
                                                         const at::Tensor& temperature,
                                                         const Optional<at::Tensor>& valid, bool /*hard*/) {
  check_gumbel_latency_sample(logits, table_us, noise, temperature, valid);
  return {logits.new_empty_symint(logits.sym_sizes()),
          at::empty_symint(latency_sizes(logits, table_us),
                           logits.options().dtype(wider_dtype(logits, table_us)))};
}

std::tuple<at::Tensor, at::Tensor> gumbel_latency_backward(
    const Optional<at::Tensor>& grad_weights, const Optional<at::Tensor>& grad_latency,
    const at::Tensor& soft, const at::Tensor& weights, const at::Tensor& table_us,
    const at::Tensor& temperature, const Optional<at::Tensor>& valid, std::array<bool, 2> output_mask) {
  check_gumbel_latency_backward(grad_weights, grad_latency, soft, weights, table_us, temperature, valid);
  return {output_mask[0] ? soft.new_empty_symint(soft.sym_sizes()) : soft.new_empty({0}),
          output_mask[1] ? table_us.new_empty_symint(table_us.sym_sizes()) : table_us.new_empty({0})};
}

at::Tensor gumbel_noise(const at::Tensor& seed, const at::Tensor& like) {
  check_gumbel_noise(seed, like);
  return like.new_empty_symint(like.sym_sizes());
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) {
  m.impl("gumbel_noise", TORCH_FN(gumbel_noise));
  m.impl("gumbel_latency_sample.Tensor", TORCH_FN(gumbel_latency_sample));
  m.impl("gumbel_latency_backward", TORCH_FN(gumbel_latency_backward));
}

}  // namespace latgrad::ops

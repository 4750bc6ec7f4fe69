#include <torch/library.h>

#include "ops/expected_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor expected_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ExpectedLatencyOperands(given_probs, given_table_us);
  return probs.new_empty_symint(latency_sizes(probs, table_us));
}

std::tuple<at::Tensor, at::Tensor> expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                             const at::Tensor& table_us,
                                                             std::array<bool, 2> output_mask) {
  check_expected_latency_backward(grad, probs, table_us);
  return {output_mask[0] ? probs.new_empty_symint(probs.sym_sizes()) : probs.new_empty({0}),
          output_mask[1] ? table_us.new_empty_symint(table_us.sym_sizes()) : table_us.new_empty({0})};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) {
  m.impl("expected_latency", TORCH_FN(expected_latency));
  m.impl("expected_latency_backward", TORCH_FN(expected_latency_backward));
}

}  // namespace latgrad::ops

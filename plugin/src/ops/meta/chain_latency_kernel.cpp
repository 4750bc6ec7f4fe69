#include <torch/library.h>

#include "ops/chain_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor chain_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ChainLatencyOperands(given_probs, given_table_us);
  return probs.new_empty_symint(chain_latency_sizes(probs, table_us));
}

std::tuple<at::Tensor, at::Tensor> chain_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                          const at::Tensor& table_us,
                                                          std::array<bool, 2> output_mask) {
  check_chain_latency_backward(grad, probs, table_us);
  return {output_mask[0] ? probs.new_empty_symint(probs.sym_sizes()) : probs.new_empty({0}),
          output_mask[1] ? table_us.new_empty_symint(table_us.sym_sizes()) : table_us.new_empty({0})};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) {
  m.impl("chain_latency", TORCH_FN(chain_latency));
  m.impl("chain_latency_backward", TORCH_FN(chain_latency_backward));
}

}  // namespace latgrad::ops

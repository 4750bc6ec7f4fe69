#include <torch/library.h>

#include "ops/softmax_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor softmax_latency(const at::Tensor& given_logits, const at::Tensor& given_table_us,
                           const Optional<at::Tensor>& valid) {
  const SoftmaxLatencyOperands operands(given_logits, given_table_us, valid);
  return operands.logits.new_empty_symint(latency_sizes(operands.logits, operands.table_us));
}

std::tuple<at::Tensor, at::Tensor> softmax_latency_backward(const at::Tensor& grad, const at::Tensor& logits,
                                                            const at::Tensor& table_us,
                                                            const Optional<at::Tensor>& valid,
                                                            std::array<bool, 2> output_mask) {
  check_softmax_latency_backward(grad, logits, table_us, valid);
  return {output_mask[0] ? logits.new_empty_symint(logits.sym_sizes()) : logits.new_empty({0}),
          output_mask[1] ? table_us.new_empty_symint(table_us.sym_sizes()) : table_us.new_empty({0})};
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) {
  m.impl("softmax_latency", TORCH_FN(softmax_latency));
  m.impl("softmax_latency_backward", TORCH_FN(softmax_latency_backward));
}

}  // namespace latgrad::ops

#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <limits>

#include "ops/composite/expected_latency.h"
#include "ops/composite/softmax_latency.h"
#include "ops/softmax_latency_checks.h"

namespace latgrad::ops {
namespace composite {

at::Tensor masked(const at::Tensor& tensor, const Optional<at::Tensor>& valid) {
  return valid ? tensor.masked_fill(valid->logical_not(), 0) : tensor;
}

at::Tensor masked_softmax(const at::Tensor& logits, const Optional<at::Tensor>& valid) {
  const at::Tensor wide = logits.to(at::toOpMathType(logits.scalar_type()));
  if (!valid) return wide.softmax(-1);
  return masked(wide.masked_fill(valid->logical_not(), -std::numeric_limits<double>::infinity()).softmax(-1),
                valid);
}

at::Tensor softmax_gradient(const at::Tensor& grad, const at::Tensor& soft) {
  const at::Tensor product = soft * grad;
  return product - soft * product.sum(-1, true);
}

at::Tensor softmax_latency(const at::Tensor& logits, const at::Tensor& table,
                           const Optional<at::Tensor>& valid) {
  const auto dtype = logits.scalar_type();
  const at::Tensor soft = masked_softmax(logits, valid);
  return expected_latency(soft, masked(table, valid).to(soft.scalar_type())).to(dtype);
}

std::tuple<at::Tensor, at::Tensor> softmax_latency_backward(const at::Tensor& grad, const at::Tensor& logits,
                                                            const at::Tensor& table,
                                                            const Optional<at::Tensor>& valid,
                                                            std::array<bool, 2> output_mask) {
  const auto dtype = logits.scalar_type();
  const at::Tensor soft = masked_softmax(logits, valid);
  const at::Tensor wide_grad = grad.to(soft.scalar_type());
  at::Tensor to_logits = logits.new_empty({0});
  at::Tensor to_table = table.new_empty({0});
  if (output_mask[0]) {
    const at::Tensor upstream = grad_probs(wide_grad, masked(table, valid).to(soft.scalar_type()));
    to_logits = masked(softmax_gradient(upstream, soft), valid).to(dtype);
  }
  if (output_mask[1]) to_table = grad_table(wide_grad, soft).to(dtype);
  return {to_logits, to_table};
}

}  // namespace composite

namespace {

at::Tensor softmax_latency(const at::Tensor& given_logits, const at::Tensor& given_table_us,
                           const Optional<at::Tensor>& valid) {
  const SoftmaxLatencyOperands operands(given_logits, given_table_us, valid);
  return composite::softmax_latency(operands.logits, operands.table_us, valid);
}

std::tuple<at::Tensor, at::Tensor> softmax_latency_backward(const at::Tensor& grad, const at::Tensor& logits,
                                                            const at::Tensor& table_us,
                                                            const Optional<at::Tensor>& valid,
                                                            std::array<bool, 2> output_mask) {
  check_softmax_latency_backward(grad, logits, table_us, valid);
  return composite::softmax_latency_backward(grad, logits, table_us, valid, output_mask);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) {
  m.impl("softmax_latency", TORCH_FN(softmax_latency));
  m.impl("softmax_latency_backward", TORCH_FN(softmax_latency_backward));
}

}  // namespace latgrad::ops

#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <numeric>

#include "ops/composite/expected_latency.h"
#include "ops/expected_latency_checks.h"

namespace latgrad::ops {
namespace composite {
namespace {

std::vector<int64_t> dims(int64_t begin, int64_t end) {
  std::vector<int64_t> result(end - begin);
  std::iota(result.begin(), result.end(), begin);
  return result;
}

// Half precision is added up in float32: a product of two halves already leaves its range.
at::Tensor contract(const at::Tensor& a, const at::Tensor& b, at::IntArrayRef a_dims,
                    at::IntArrayRef b_dims) {
  const auto dtype = a.scalar_type();
  const auto wide = at::toOpMathType(dtype);
  return at::tensordot(a.to(wide), b.to(wide), a_dims, b_dims).to(dtype);
}

}  // namespace

at::Tensor expected_latency(const at::Tensor& probs, const at::Tensor& table) {
  return contract(probs, table, dims(probs.dim() - 2, probs.dim()), dims(table.dim() - 2, table.dim()));
}

at::Tensor grad_probs(const at::Tensor& grad, const at::Tensor& table) {
  if (table.dim() == 2) return grad.unsqueeze(-1).unsqueeze(-1) * table;
  return contract(grad, table, {grad.dim() - 1}, {0});
}

at::Tensor grad_table(const at::Tensor& grad, const at::Tensor& probs) {
  const auto batch = dims(0, probs.dim() - 2);
  return contract(grad, probs, batch, batch);
}

std::tuple<at::Tensor, at::Tensor> expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                             const at::Tensor& table,
                                                             std::array<bool, 2> output_mask) {
  return {output_mask[0] ? grad_probs(grad, table) : probs.new_empty({0}),
          output_mask[1] ? grad_table(grad, probs) : table.new_empty({0})};
}

}  // namespace composite

namespace {

at::Tensor expected_latency(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
  const auto [probs, table_us] = ExpectedLatencyOperands(given_probs, given_table_us);
  return composite::expected_latency(probs, table_us);
}

std::tuple<at::Tensor, at::Tensor> expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                                             const at::Tensor& table_us,
                                                             std::array<bool, 2> output_mask) {
  check_expected_latency_backward(grad, probs, table_us);
  return composite::expected_latency_backward(grad, probs, table_us, output_mask);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) {
  m.impl("expected_latency", TORCH_FN(expected_latency));
  m.impl("expected_latency_backward", TORCH_FN(expected_latency_backward));
}

}  // namespace latgrad::ops

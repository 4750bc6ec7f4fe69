// The preconditions of expected_latency and its backward, checked by every kernel: Python reaches kernels
// directly.

#pragma once

#include <ATen/ATen.h>

#include "ops/table_checks.h"

namespace latgrad::ops {

// [...] or [..., D]. Symbolic where the tensors are.
inline std::vector<c10::SymInt> expected_latency_sizes(const at::Tensor& probs, const at::Tensor& table_us) {
  const auto sizes = probs.sym_sizes();
  std::vector<c10::SymInt> result(sizes.begin(), sizes.end() - 2);
  if (table_us.dim() == 3) result.push_back(table_us.sym_size(0));
  return result;
}

inline void check_expected_latency(const at::Tensor& probs, const at::Tensor& table_us) {
  check_table_form(table_us);
  TORCH_CHECK(probs.dim() >= 2, "probs must be [..., layers, candidates], got ", probs.dim(),
              probs.dim() == 1 ? " dimension" : " dimensions");
  TORCH_CHECK(is_supported_float(probs.scalar_type()),
              "probs must be float16, bfloat16, float32 or float64, got ", probs.scalar_type());
  TORCH_CHECK(probs.layout() == at::kStrided, "probs must be a dense tensor, got ", probs.layout());
  TORCH_CHECK(probs.device() == table_us.device(), "probs and table_us must be on the same device, got ",
              probs.device(), " and ", table_us.device());
  TORCH_CHECK(probs.sym_size(-2) == table_us.sym_size(-2) && probs.sym_size(-1) == table_us.sym_size(-1),
              "probs and table_us must agree in layers and candidates, their last two dimensions, got ",
              probs.sym_sizes(), " and ", table_us.sym_sizes());
}

// Checked operands in one dtype: mixed precisions meet in the wider one, as in `(probs * table_us).sum()`.
struct ExpectedLatencyOperands {
  ExpectedLatencyOperands(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
    check_expected_latency(given_probs, given_table_us);
    const auto dtype = at::promote_types(given_probs.scalar_type(), given_table_us.scalar_type());
    probs = given_probs.to(dtype);
    table_us = given_table_us.to(dtype);
  }

  at::Tensor probs;
  at::Tensor table_us;
};

inline void check_expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                            const at::Tensor& table_us) {
  check_expected_latency(probs, table_us);
  TORCH_CHECK(probs.scalar_type() == table_us.scalar_type(),
              "probs and table_us must have the same dtype in the backward, got ", probs.scalar_type(),
              " and ", table_us.scalar_type());
  const auto expected = expected_latency_sizes(probs, table_us);
  TORCH_CHECK(grad.sym_sizes() == c10::SymIntArrayRef(expected), "grad must have the shape of the latency, ",
              c10::SymIntArrayRef(expected), ", got ", grad.sym_sizes());
  TORCH_CHECK(grad.scalar_type() == probs.scalar_type(), "grad must have the dtype of probs, ",
              probs.scalar_type(), ", got ", grad.scalar_type());
  TORCH_CHECK(grad.device() == probs.device(), "grad must be on the device of probs, ", probs.device(),
              ", got ", grad.device());
}

}  // namespace latgrad::ops

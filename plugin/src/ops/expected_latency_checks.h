// The preconditions of expected_latency and its backward, checked by every kernel: Python reaches kernels
// directly.

#pragma once

#include "ops/row_checks.h"

namespace latgrad::ops {

// Checked operands in one dtype: mixed precisions meet in the wider one, as in `(probs * table_us).sum()`.
struct ExpectedLatencyOperands {
  ExpectedLatencyOperands(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
    check_rows("probs", given_probs, given_table_us);
    const auto dtype = wider_dtype(given_probs, given_table_us);
    probs = in_dtype(given_probs, dtype);
    table_us = in_dtype(given_table_us, dtype);
  }

  at::Tensor probs;
  at::Tensor table_us;
};

inline void check_expected_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                            const at::Tensor& table_us) {
  check_rows("probs", probs, table_us);
  TORCH_CHECK(probs.scalar_type() == table_us.scalar_type(),
              "probs and table_us must have the same dtype in the backward, got ", probs.scalar_type(),
              " and ", table_us.scalar_type());
  check_latency_gradient(grad, probs, latency_sizes(probs, table_us), probs.scalar_type());
}

}  // namespace latgrad::ops

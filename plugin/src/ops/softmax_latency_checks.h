// The preconditions of softmax_latency and its backward, checked by every kernel: Python reaches kernels
// directly.

#pragma once

#include "ops/row_checks.h"

namespace latgrad::ops {

// Checked operands in one dtype: mixed precisions meet in the wider one.
struct SoftmaxLatencyOperands {
  SoftmaxLatencyOperands(const at::Tensor& given_logits, const at::Tensor& given_table_us,
                         const Optional<at::Tensor>& valid) {
    check_rows("logits", given_logits, given_table_us);
    check_valid(valid, given_table_us);
    const auto dtype = wider_dtype(given_logits, given_table_us);
    logits = in_dtype(given_logits, dtype);
    table_us = in_dtype(given_table_us, dtype);
  }

  at::Tensor logits;
  at::Tensor table_us;
};

inline void check_softmax_latency_backward(const at::Tensor& grad, const at::Tensor& logits,
                                           const at::Tensor& table_us, const Optional<at::Tensor>& valid) {
  check_rows("logits", logits, table_us);
  check_valid(valid, table_us);
  TORCH_CHECK(logits.scalar_type() == table_us.scalar_type(),
              "logits and table_us must have the same dtype in the backward, got ", logits.scalar_type(),
              " and ", table_us.scalar_type());
  check_latency_gradient(grad, logits, latency_sizes(logits, table_us), logits.scalar_type());
}

}  // namespace latgrad::ops

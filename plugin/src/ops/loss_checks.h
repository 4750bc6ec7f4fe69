// What the losses ask of their arguments. Shapes and devices are left to PyTorch's broadcasting.

#pragma once

#include <ATen/ATen.h>

#include <cmath>

#include "ops/number_checks.h"
#include "ops/table_checks.h"

namespace latgrad::ops {

inline void check_loss_tensor(const at::Tensor& tensor, const char* name) {
  TORCH_CHECK(is_supported_float(tensor.scalar_type()), name,
              " must be float16, bfloat16, float32 or float64, got ", tensor.scalar_type());
}

inline void check_loss_number(double value, const char* name) {
  TORCH_CHECK(std::isfinite(value), name, " must be finite, got ", value);
}

inline void check_target(double target_us) {
  TORCH_CHECK(std::isfinite(target_us) && target_us > 0, "target_us must be positive and finite, got ",
              target_us);
}

inline void check_log_target(double target_us) {
  TORCH_CHECK(std::isfinite(target_us) && target_us > 1,
              "target_us must be finite and more than 1 us, as its logarithm divides, got ", target_us);
}

// The same of numbers as tensors, whose values are not read.
inline void check_loss_number(const at::Tensor& number, const char* name) { check_number(number, name); }
inline void check_target(const at::Tensor& target_us) { check_number(target_us, "target_us"); }
inline void check_log_target(const at::Tensor& target_us) { check_number(target_us, "target_us"); }

}  // namespace latgrad::ops

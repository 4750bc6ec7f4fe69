// What the operators ask of a number that is given as a tensor, as schedules do under torch.compile. Its
// value is not read: that would wait for the device.

#pragma once

#include <ATen/ATen.h>

#include "ops/table_checks.h"

namespace latgrad::ops {

inline void check_number(const at::Tensor& number, const char* name) {
  TORCH_CHECK(number.dim() == 0, name, " as a tensor must have no dimension, got ", number.sym_sizes());
  TORCH_CHECK(is_supported_float(number.scalar_type()), name,
              " as a tensor must be float16, bfloat16, float32 or float64, got ", number.scalar_type());
}

}  // namespace latgrad::ops

// The preconditions of log_latency.

#pragma once

#include <ATen/ATen.h>

#include "ops/table_checks.h"

namespace latgrad::ops {

inline void check_log_latency(const at::Tensor& latency_us) {
  TORCH_CHECK(is_supported_float(latency_us.scalar_type()),
              "latency_us must be float16, bfloat16, float32 or float64, got ", latency_us.scalar_type());
  TORCH_CHECK(latency_us.layout() == at::kStrided, "latency_us must be a dense tensor, got ",
              latency_us.layout());
}

}  // namespace latgrad::ops

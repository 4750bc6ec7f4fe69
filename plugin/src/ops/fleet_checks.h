// What the fleet operators ask of a latency.

#pragma once

#include <ATen/ATen.h>

#include "ops/table_checks.h"

namespace latgrad::ops {

inline void check_fleet_latency(const at::Tensor& latency_us) {
  TORCH_CHECK(latency_us.dim() >= 1, "latency_us must be [..., devices], got a scalar");
  TORCH_CHECK(is_supported_float(latency_us.scalar_type()),
              "latency_us must be float16, bfloat16, float32 or float64, got ", latency_us.scalar_type());
  TORCH_CHECK(latency_us.sym_size(-1) != 0, "latency_us must have at least one device, got ",
              latency_us.sym_sizes());
}

}  // namespace latgrad::ops

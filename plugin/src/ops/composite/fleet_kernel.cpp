#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <cmath>

#include "ops/fleet_checks.h"
#include "ops/number_checks.h"
#include "ops/wide_dtype.h"
#include "torch_compat.h"

namespace latgrad::ops {
namespace {

at::Tensor fleet_sum(const at::Tensor& latency_us, const Optional<at::Tensor>& weights) {
  check_fleet_latency(latency_us);
  if (!weights.has_value()) return latency_us.sum(-1);
  TORCH_CHECK(is_supported_float(weights->scalar_type()),
              "weights must be float16, bfloat16, float32 or float64, got ", weights->scalar_type());
  TORCH_CHECK(weights->dim() == 1 && weights->sym_size(0) == latency_us.sym_size(-1),
              "weights must have one number for each device of latency_us, [", latency_us.sym_size(-1),
              "], got ", weights->sym_sizes());
  TORCH_CHECK(weights->device() == latency_us.device(), "weights must be on the device of latency_us, ",
              latency_us.device(), ", got ", weights->device());
  const auto dtype = at::promote_types(latency_us.scalar_type(), weights->scalar_type());
  const auto wide = at::toOpMathType(dtype);
  return (latency_us.to(wide) * weights->to(wide)).sum(-1).to(dtype);
}

at::Tensor fleet_max(const at::Tensor& latency_us) {
  check_fleet_latency(latency_us);
  return latency_us.amax(-1);
}

// Number: double, or a tensor [] of the dtype of `wide`.
template <typename Number>
at::Tensor smooth_max(const at::Tensor& wide, const Number& temperature_us) {
  // Relative to the maximum: one summand is exactly 1, so that no rounding takes the result below the maximum
  // and no quotient overflows. A constant for autograd, in whose value and derivatives it cancels.
  const at::Tensor top = wide.detach().amax(-1, /*keepdim=*/true);
  const at::Tensor excess_us = ((wide - top) / temperature_us).logsumexp(-1) * temperature_us;
  return top.squeeze(-1) + excess_us;
}

at::Tensor fleet_smooth_max(const at::Tensor& latency_us, double temperature_us) {
  check_fleet_latency(latency_us);
  TORCH_CHECK(std::isfinite(temperature_us) && temperature_us > 0,
              "temperature_us must be positive and finite, got ", temperature_us);
  return smooth_max(in_wide_dtype(latency_us), temperature_us).to(latency_us.scalar_type());
}

at::Tensor fleet_smooth_max_of_tensor(const at::Tensor& latency_us, const at::Tensor& temperature_us) {
  check_fleet_latency(latency_us);
  check_number(temperature_us, "temperature_us");
  const at::Tensor wide = in_wide_dtype(latency_us);
  return smooth_max(wide, temperature_us.to(wide.scalar_type())).to(latency_us.scalar_type());
}

void register_fleet(torch::Library& m) {
  m.impl("fleet_sum", TORCH_FN(fleet_sum));
  m.impl("fleet_max", TORCH_FN(fleet_max));
  m.impl("fleet_smooth_max", TORCH_FN(fleet_smooth_max));
  m.impl("fleet_smooth_max.Tensor", TORCH_FN(fleet_smooth_max_of_tensor));
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeImplicitAutograd, m) { register_fleet(m); }

#ifdef LATGRAD_HAS_BATCHED_DECOMPOSITION
TORCH_LIBRARY_IMPL(latgrad, FuncTorchBatchedDecomposition, m) { register_fleet(m); }
#endif

}  // namespace latgrad::ops

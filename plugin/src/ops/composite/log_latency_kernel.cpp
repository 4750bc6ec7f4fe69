#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <limits>

#include "ops/composite/log_latency.h"
#include "ops/log_latency_checks.h"

namespace latgrad::ops {

at::Tensor composite::log_latency(const at::Tensor& latency_us) {
  const at::Tensor wide = latency_us.to(at::toOpMathType(latency_us.scalar_type()));
  const at::Tensor in_domain = at::logical_and(wide >= 1, wide < std::numeric_limits<double>::infinity());
  return wide.log()
      .masked_fill(in_domain.logical_not(), std::numeric_limits<double>::quiet_NaN())
      .to(latency_us.scalar_type());
}

namespace {

at::Tensor log_latency(const at::Tensor& latency_us) {
  check_log_latency(latency_us);
  return composite::log_latency(latency_us);
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CompositeExplicitAutograd, m) { m.impl("log_latency", TORCH_FN(log_latency)); }

}  // namespace latgrad::ops

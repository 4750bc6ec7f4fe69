#include <ATen/ATen.h>
#include <ATen/OpMathType.h>
#include <torch/library.h>

#include <limits>

#include "ops/log_latency_checks.h"

namespace latgrad::ops {
namespace {

void check_values(const at::Tensor& latency_us) {
  const at::Tensor values = latency_us.to(at::kDouble).contiguous();
  const double* data = values.data_ptr<double>();
  for (int64_t i = 0; i < values.numel(); ++i) {
    // NaN fails the first comparison.
    TORCH_CHECK(data[i] >= 1 && data[i] <= std::numeric_limits<double>::max(),
                "latency_us must be finite and at least 1 us where its logarithm is taken, got ", data[i],
                values.dim() == 0 ? std::string() : c10::str(" at element ", i, " of ", values.numel()));
  }
}

at::Tensor log_latency(const at::Tensor& latency_us) {
  check_log_latency(latency_us);
  check_values(latency_us);
  return latency_us.to(at::toOpMathType(latency_us.scalar_type())).log().to(latency_us.scalar_type());
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) { m.impl("log_latency", TORCH_FN(log_latency)); }

}  // namespace latgrad::ops

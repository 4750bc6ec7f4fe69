#include <torch/library.h>

#include "ops/log_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor log_latency(const at::Tensor& latency_us) {
  check_log_latency(latency_us);
  return latency_us.new_empty_symint(latency_us.sym_sizes());
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) { m.impl("log_latency", TORCH_FN(log_latency)); }

}  // namespace latgrad::ops

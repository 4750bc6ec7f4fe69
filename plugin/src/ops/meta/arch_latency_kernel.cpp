#include <torch/library.h>

#include "ops/arch_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_arch_latency(arch, table_us);
  return table_us.new_empty_symint(arch_latency_sizes(arch, table_us));
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) { m.impl("arch_latency", TORCH_FN(arch_latency)); }

}  // namespace latgrad::ops

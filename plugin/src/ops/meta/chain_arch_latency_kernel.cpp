#include <torch/library.h>

#include "ops/chain_latency_checks.h"

namespace latgrad::ops {
namespace {

at::Tensor chain_arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_chain_arch_latency(arch, table_us);
  return table_us.new_empty_symint(chain_arch_latency_sizes(arch, table_us));
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, Meta, m) { m.impl("chain_arch_latency", TORCH_FN(chain_arch_latency)); }

}  // namespace latgrad::ops

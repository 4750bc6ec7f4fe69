// The preconditions of arch_latency, checked by every kernel: Python reaches kernels directly.

#pragma once

#include <ATen/ATen.h>

#include "ops/table_checks.h"

namespace latgrad::ops {

// [...] or [..., D]. Symbolic where the tensors are.
inline std::vector<c10::SymInt> arch_latency_sizes(const at::Tensor& arch, const at::Tensor& table_us) {
  const auto sizes = arch.sym_sizes();
  std::vector<c10::SymInt> result(sizes.begin(), sizes.end() - 1);
  if (table_us.dim() == 3) result.push_back(table_us.sym_size(0));
  return result;
}

// What holds beside tables of any number of dimensions.
inline void check_arch_kind(const at::Tensor& arch, const at::Tensor& table_us) {
  TORCH_CHECK(arch.dim() >= 1, "arch must be [..., layers], got a scalar");
  TORCH_CHECK(arch.scalar_type() == at::kByte || arch.scalar_type() == at::kLong,
              "arch must be uint8 or int64, got ", arch.scalar_type());
  TORCH_CHECK(arch.layout() == at::kStrided, "arch must be a dense tensor, got ", arch.layout());
  TORCH_CHECK(arch.device() == table_us.device(), "arch and table_us must be on the same device, got ",
              arch.device(), " and ", table_us.device());
}

inline void check_arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_table_form(table_us);
  check_arch_kind(arch, table_us);
  TORCH_CHECK(arch.sym_size(-1) == table_us.sym_size(-2),
              "arch must have one index for each layer of table_us, ", table_us.sym_size(-2), ", got ",
              arch.sym_size(-1));
}

}  // namespace latgrad::ops

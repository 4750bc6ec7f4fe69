// The preconditions of chain_latency, its backward and chain_arch_latency, checked by every kernel: Python
// reaches kernels directly.

#pragma once

#include "ops/arch_latency_checks.h"
#include "ops/row_checks.h"

namespace latgrad::ops {

// [...] or [..., D]. Symbolic where the tensors are.
inline std::vector<c10::SymInt> chain_latency_sizes(const at::Tensor& probs, const at::Tensor& table_us) {
  const auto sizes = probs.sym_sizes();
  std::vector<c10::SymInt> result(sizes.begin(), sizes.end() - 2);
  if (table_us.dim() == 4) result.push_back(table_us.sym_size(0));
  return result;
}

inline void check_chain_table_form(const at::Tensor& table_us) {
  TORCH_CHECK(
      table_us.dim() == 3 || table_us.dim() == 4,
      "table_us must be [layers, candidates, candidates] or [devices, layers, candidates, candidates], "
      "got ",
      table_us.dim(), table_us.dim() == 1 ? " dimension" : " dimensions");
  check_table_kind(table_us);
  TORCH_CHECK(
      table_us.sym_size(-2) == table_us.sym_size(-1),
      "table_us must have a row for each candidate of the layer before, as many as it has candidates, "
      "got ",
      table_us.sym_sizes());
}

inline void check_chain_latency(const at::Tensor& probs, const at::Tensor& table_us) {
  check_chain_table_form(table_us);
  check_rows_kind("probs", probs, table_us);
  TORCH_CHECK(probs.sym_size(-2) == table_us.sym_size(-3) && probs.sym_size(-1) == table_us.sym_size(-1),
              "probs and table_us must agree in layers and candidates, got ", probs.sym_sizes(), " and ",
              table_us.sym_sizes());
}

// Reads the values: only for tensors on the CPU. The rows of layer 0 that stand for no predecessor may hold
// anything.
inline void check_chain_table_values(const at::Tensor& table_us) {
  const at::Tensor table = table_us.contiguous();
  const int64_t candidates = table.size(-1);
  const int64_t layers = table.size(-3);
  AT_DISPATCH_FLOATING_TYPES_AND2(
      at::kHalf, at::kBFloat16, table.scalar_type(), "check_chain_table_values", [&] {
        const scalar_t* us = table.data_ptr<scalar_t>();
        for (int64_t i = 0; i < table.numel(); ++i) {
          const auto value = static_cast<at::opmath_type<scalar_t>>(us[i]);
          if (value >= 0 && value <= std::numeric_limits<decltype(value)>::max()) continue;  // false for NaN
          const int64_t before = i / candidates % candidates;
          const int64_t layer = i / (candidates * candidates) % layers;
          if (layer == 0 && before != 0) continue;
          TORCH_CHECK(false, "table_us must be finite and not negative, got ", value, " at layer ", layer,
                      ", candidate ", i % candidates, " behind candidate ", before,
                      table.dim() == 4 ? c10::str(" of device ", i / (candidates * candidates * layers))
                                       : std::string(),
                      " (counted from 0)");
        }
      });
}

// Checked operands in one dtype: mixed precisions meet in the wider one.
struct ChainLatencyOperands {
  ChainLatencyOperands(const at::Tensor& given_probs, const at::Tensor& given_table_us) {
    check_chain_latency(given_probs, given_table_us);
    const auto dtype = wider_dtype(given_probs, given_table_us);
    probs = in_dtype(given_probs, dtype);
    table_us = in_dtype(given_table_us, dtype);
  }

  at::Tensor probs;
  at::Tensor table_us;
};

inline void check_chain_latency_backward(const at::Tensor& grad, const at::Tensor& probs,
                                         const at::Tensor& table_us) {
  check_chain_latency(probs, table_us);
  TORCH_CHECK(probs.scalar_type() == table_us.scalar_type(),
              "probs and table_us must have the same dtype in the backward, got ", probs.scalar_type(),
              " and ", table_us.scalar_type());
  check_latency_gradient(grad, probs, chain_latency_sizes(probs, table_us), probs.scalar_type());
}

// [...] or [..., D]. Symbolic where the tensors are.
inline std::vector<c10::SymInt> chain_arch_latency_sizes(const at::Tensor& arch, const at::Tensor& table_us) {
  const auto sizes = arch.sym_sizes();
  std::vector<c10::SymInt> result(sizes.begin(), sizes.end() - 1);
  if (table_us.dim() == 4) result.push_back(table_us.sym_size(0));
  return result;
}

inline void check_chain_arch_latency(const at::Tensor& arch, const at::Tensor& table_us) {
  check_chain_table_form(table_us);
  check_arch_kind(arch, table_us);
  TORCH_CHECK(arch.sym_size(-1) == table_us.sym_size(-3),
              "arch must have one index for each layer of table_us, ", table_us.sym_size(-3), ", got ",
              arch.sym_size(-1));
}

}  // namespace latgrad::ops

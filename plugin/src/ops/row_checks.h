// What every operator asks of its rows of candidates, [..., L, C], beside a table.

#pragma once

#include <ATen/ATen.h>

#include "ops/table_checks.h"
#include "torch_compat.h"

namespace latgrad::ops {

// [...] or [..., D]. Symbolic where the tensors are.
inline std::vector<c10::SymInt> latency_sizes(const at::Tensor& rows, const at::Tensor& table_us) {
  const auto sizes = rows.sym_sizes();
  std::vector<c10::SymInt> result(sizes.begin(), sizes.end() - 2);
  if (table_us.dim() == 3) result.push_back(table_us.sym_size(0));
  return result;
}

// What holds beside tables of any number of dimensions. `name` is that of the argument.
inline void check_rows_kind(const char* name, const at::Tensor& rows, const at::Tensor& table_us) {
  TORCH_CHECK(rows.dim() >= 2, name, " must be [..., layers, candidates], got ", rows.dim(),
              rows.dim() == 1 ? " dimension" : " dimensions");
  TORCH_CHECK(is_supported_float(rows.scalar_type()), name,
              " must be float16, bfloat16, float32 or float64, got ", rows.scalar_type());
  TORCH_CHECK(rows.layout() == at::kStrided, name, " must be a dense tensor, got ", rows.layout());
  TORCH_CHECK(rows.device() == table_us.device(), name, " and table_us must be on the same device, got ",
              rows.device(), " and ", table_us.device());
}

inline void check_rows(const char* name, const at::Tensor& rows, const at::Tensor& table_us) {
  check_table_form(table_us);
  check_rows_kind(name, rows, table_us);
  TORCH_CHECK(rows.sym_size(-2) == table_us.sym_size(-2) && rows.sym_size(-1) == table_us.sym_size(-1), name,
              " and table_us must agree in layers and candidates, their last two dimensions, got ",
              rows.sym_sizes(), " and ", table_us.sym_sizes());
}

inline void check_valid(const Optional<at::Tensor>& valid, const at::Tensor& table_us) {
  if (!valid) return;
  TORCH_CHECK(valid->scalar_type() == at::kBool, "valid must be bool, got ", valid->scalar_type());
  TORCH_CHECK(valid->layout() == at::kStrided, "valid must be a dense tensor, got ", valid->layout());
  TORCH_CHECK(valid->device() == table_us.device(), "valid and table_us must be on the same device, got ",
              valid->device(), " and ", table_us.device());
  TORCH_CHECK(valid->dim() == 2 && valid->sym_size(0) == table_us.sym_size(-2) &&
                  valid->sym_size(1) == table_us.sym_size(-1),
              "valid must be [layers, candidates] as table_us, got ", valid->sym_sizes(), " and ",
              table_us.sym_sizes());
}

// A gradient that arrives for a latency of the sizes `expected`.
inline void check_latency_gradient(const at::Tensor& grad, const at::Tensor& rows,
                                   const std::vector<c10::SymInt>& expected, at::ScalarType dtype) {
  TORCH_CHECK(grad.sym_sizes() == c10::SymIntArrayRef(expected), "grad must have the shape of the latency, ",
              c10::SymIntArrayRef(expected), ", got ", grad.sym_sizes());
  TORCH_CHECK(grad.scalar_type() == dtype, "grad must have the dtype of the latency, ", dtype, ", got ",
              grad.scalar_type());
  TORCH_CHECK(grad.device() == rows.device(), "grad must be on the device of the latency, ", rows.device(),
              ", got ", grad.device());
}

// Without a call through the dispatcher where there is nothing to convert.
inline at::Tensor in_dtype(const at::Tensor& tensor, at::ScalarType dtype) {
  return tensor.scalar_type() == dtype ? tensor : tensor.to(dtype);
}

inline at::ScalarType wider_dtype(const at::Tensor& rows, const at::Tensor& table_us) {
  return at::promote_types(rows.scalar_type(), table_us.scalar_type());
}

}  // namespace latgrad::ops

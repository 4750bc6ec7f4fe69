// What every operator asks of its latency table.

#pragma once

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/OpMathType.h>

#include <algorithm>
#include <limits>
#include <string>

#include "torch_compat.h"

namespace latgrad::ops {

inline bool is_supported_float(at::ScalarType dtype) {
  return dtype == at::kHalf || dtype == at::kBFloat16 || dtype == at::kFloat || dtype == at::kDouble;
}

// What holds for tables of any number of dimensions.
inline void check_table_kind(const at::Tensor& table_us) {
  TORCH_CHECK(is_supported_float(table_us.scalar_type()),
              "table_us must be float16, bfloat16, float32 or float64, got ", table_us.scalar_type());
  TORCH_CHECK(table_us.layout() == at::kStrided, "table_us must be a dense tensor, got ", table_us.layout());
  for (int64_t dim = 0; dim < table_us.dim(); ++dim) {
    TORCH_CHECK(table_us.sym_size(dim) != 0, "table_us must have no empty dimension, got ",
                table_us.sym_sizes());
  }
}

inline void check_table_form(const at::Tensor& table_us) {
  TORCH_CHECK(table_us.dim() == 2 || table_us.dim() == 3,
              "table_us must be [layers, candidates] or [devices, layers, candidates], got ", table_us.dim(),
              table_us.dim() == 1 ? " dimension" : " dimensions");
  check_table_kind(table_us);
}

// Reads the values: only for tensors on the CPU, where that costs no synchronisation. What is not valid may
// hold anything.
inline void check_table_values(const at::Tensor& table_us, const Optional<at::Tensor>& valid = {}) {
  const at::Tensor table = table_us.contiguous();
  const at::Tensor mask = valid ? valid->contiguous() : at::Tensor();
  const bool* is_valid = valid ? mask.data_ptr<bool>() : nullptr;
  const int64_t candidates = table.size(-1);
  const int64_t layers = table.size(-2);
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, table.scalar_type(), "check_table_values", [&] {
    const scalar_t* us = table.data_ptr<scalar_t>();
    for (int64_t i = 0; i < table.numel(); ++i) {
      const auto value = static_cast<at::opmath_type<scalar_t>>(us[i]);
      if (value >= 0 && value <= std::numeric_limits<decltype(value)>::max()) continue;  // false for NaN, too
      if (is_valid && !is_valid[i % (layers * candidates)]) continue;
      TORCH_CHECK(false, "table_us must be finite and not negative, got ", value, " at layer ",
                  i / candidates % layers, ", candidate ", i % candidates,
                  table.dim() == 3 ? c10::str(" of device ", i / (candidates * layers)) : std::string(),
                  " (counted from 0)");
    }
  });
}

// As check_table_values.
inline void check_valid_values(const Optional<at::Tensor>& valid) {
  if (!valid) return;
  const at::Tensor mask = valid->contiguous();
  const bool* row = mask.data_ptr<bool>();
  for (int64_t layer = 0; layer < mask.size(0); ++layer, row += mask.size(1)) {
    TORCH_CHECK(std::any_of(row, row + mask.size(1), [](bool offered) { return offered; }),
                "valid must leave every layer a candidate, got none in layer ", layer, " (counted from 0)");
  }
}

}  // namespace latgrad::ops

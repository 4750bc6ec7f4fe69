// What every operator asks of its latency table.

#pragma once

#include <ATen/ATen.h>

#include <cmath>
#include <limits>
#include <string>

namespace latgrad::ops {

inline bool is_supported_float(at::ScalarType dtype) {
  return dtype == at::kHalf || dtype == at::kBFloat16 || dtype == at::kFloat || dtype == at::kDouble;
}

inline void check_table_form(const at::Tensor& table_us) {
  TORCH_CHECK(table_us.dim() == 2 || table_us.dim() == 3,
              "table_us must be [layers, candidates] or [devices, layers, candidates], got ", table_us.dim(),
              table_us.dim() == 1 ? " dimension" : " dimensions");
  TORCH_CHECK(is_supported_float(table_us.scalar_type()),
              "table_us must be float16, bfloat16, float32 or float64, got ", table_us.scalar_type());
  TORCH_CHECK(table_us.layout() == at::kStrided, "table_us must be a dense tensor, got ", table_us.layout());
  for (int64_t dim = 0; dim < table_us.dim(); ++dim) {
    TORCH_CHECK(table_us.sym_size(dim) != 0, "table_us must have no empty dimension, got ",
                table_us.sym_sizes());
  }
}

// Reads the values: only for tables on the CPU, where that costs no synchronisation. A negative value passes,
// as a derivative at 0 needs it: the table of a file cannot hold one.
inline void check_table_values(const at::Tensor& table_us) {
  const at::Tensor values = table_us.detach().to(at::kDouble).contiguous();
  const double* data = values.data_ptr<double>();
  const int64_t size = values.numel();
  // One pass without a branch first: the table is nearly always fine. NaN fails the comparison, too.
  bool fine = true;
  for (int64_t i = 0; i < size; ++i) fine &= std::abs(data[i]) <= std::numeric_limits<double>::max();
  if (fine) return;
  const int64_t candidates = values.size(-1);
  const int64_t layers = values.size(-2);
  for (int64_t i = 0; i < size; ++i) {
    TORCH_CHECK(std::isfinite(data[i]), "table_us must be finite, got ", data[i], " at layer ",
                i / candidates % layers, ", candidate ", i % candidates,
                values.dim() == 3 ? c10::str(" of device ", i / (candidates * layers)) : std::string());
  }
}

}  // namespace latgrad::ops

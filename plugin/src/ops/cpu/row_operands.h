// What the CPU kernels of rows of candidates share: sizes, how the batch is divided, the packed table.

#pragma once

#include <ATen/ATen.h>

#include "ops/cpu/parallel.h"
#include "ops/cpu/simd/row_kernels.h"
#include "ops/row_checks.h"

namespace latgrad::ops {

// The operands, flattened: n elements of the batch, d devices, e = layers * candidates.
struct RowSizes {
  RowSizes(const at::Tensor& rows, const at::Tensor& table_us)
      : devices(table_us.dim() == 3 ? table_us.size(0) : 1),
        entries(table_us.size(-2) * table_us.size(-1)),
        batch(rows.numel() / entries) {}

  // Elements that make a task worth its start. Sixteen of them fill the vectors.
  int64_t chunk() const {
    const int64_t rows = rows_per_task(entries * devices);
    return rows < 16 ? rows : rows / 16 * 16;
  }

  int64_t devices;
  int64_t entries;
  int64_t batch;
};

// `T` is float or double.
template <typename T>
simd::PackedTable<T> pack_table(const at::Tensor& table_us, const Optional<at::Tensor>& valid,
                                int64_t batch) {
  const at::Tensor table = in_dtype(table_us, c10::CppTypeToScalarType<T>::value).contiguous();
  const at::Tensor mask = valid ? valid->contiguous() : at::Tensor();
  return simd::pack_table<T>({.table_us = table.template data_ptr<T>(),
                              .valid = valid ? mask.data_ptr<bool>() : nullptr,
                              .devices = table.dim() == 3 ? table.size(0) : 1,
                              .layers = table.size(-2),
                              .candidates = table.size(-1)},
                             batch);
}

}  // namespace latgrad::ops

// The arithmetic of expected_latency on whole elements of the batch, in vector registers.
//
//   row_dots<float>(probs, {.table_us = t, .devices = 1, .entries = 198}, batch, latency_us);
//
// Compiled for each instruction set, chosen at run time. No torch in here, no allocation. Thread-safe; the
// caller divides the batch. N elements of the batch, D devices, E entries (layers times candidates); every
// array is dense and row-major, T is float or double.

#pragma once

#include <cstdint>

namespace latgrad::ops::simd {

template <typename T>
struct FlatTable {
  const T* table_us;  // [D, E]
  int64_t devices = 1;
  int64_t entries;
};

// latency_us[n, d] = sum over e of rows[n, e] * table_us[d, e], in an order that depends on E and the
// instruction set alone.
template <typename T>
void row_dots(const T* rows, const FlatTable<T>& table, int64_t batch, T* latency_us);

// rows[n, e] = sum over d of grad[n, d] * table_us[d, e]: the gradient of row_dots.
template <typename T>
void row_gradients(const T* grad, const FlatTable<T>& table, int64_t batch, T* rows);

}  // namespace latgrad::ops::simd

// The arithmetic of chain_latency on whole elements of the batch, in vector registers.
//
//   const ChainTable<float> table{.table_us = t, .layers = 22, .candidates = 9};
//   chain_products<float>(probs, table, batch, latency_us);
//
// As many elements as a register has lanes are transposed on the way in, and every step then works on one
// candidate of all of them. Compiled for each instruction set, chosen at run time. No torch in here: plain
// memory, no allocation of a size that grows with the batch. Thread-safe; the caller divides the batch.
//
// N elements of the batch, D devices, L layers, C candidates; every array is dense and row-major, T is float
// or double. A value depends on its own element and on the instruction set alone.

#pragma once

#include <cstdint>

namespace latgrad::ops::simd {

template <typename T>
struct ChainTable {
  const T* table_us;  // [D, L, C, C]; of layer 0 only row 0 is read
  int64_t devices = 1;
  int64_t layers;
  int64_t candidates;
};

// latency_us[n, d] = sum over j of probs[n, 0, j] * table_us[d, 0, 0, j]
//   + sum over l > 0, i, j of probs[n, l - 1, i] * probs[n, l, j] * table_us[d, l, i, j].
template <typename T>
void chain_products(const T* probs, const ChainTable<T>& table, int64_t batch, T* latency_us);

// The gradient of chain_products for probs: grad [N, D], grad_probs [N, L, C].
template <typename T>
void chain_gradients(const T* grad, const T* probs, const ChainTable<T>& table, int64_t batch, T* grad_probs);

}  // namespace latgrad::ops::simd

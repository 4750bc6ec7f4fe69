// The arithmetic of softmax_latency and gumbel_latency on rows of candidates, in vector registers.
//
//   const TableView<float> view{.table_us = t, .layers = 22, .candidates = 9};
//   const PackedTable<float> table = pack_table(view, batch);
//   softmax_forward(table, logits, batch, latency_us);
//
// A row holds the candidates of one layer, so it is short (nine in the FBNet space) and neighbours in memory:
// as many rows as a register has lanes are transposed on the way in, every step then works on one candidate
// of all of them, and what is written is transposed back. Compiled for each instruction set, chosen at run
// time. No torch in here: plain memory, no allocation of a size that grows with the batch. Thread-safe; the
// caller divides the batch.
//
// N elements of the batch, D devices, L layers, C candidates; every array is dense and row-major.

#pragma once

#include <hwy/aligned_allocator.h>

#include <cstdint>

namespace latgrad::ops::simd {

template <typename T>  // float or double
struct TableView {
  const T* table_us;            // [D, L, C]
  const bool* valid = nullptr;  // [L, C]; null: every candidate is valid
  int64_t devices = 1;
  int64_t layers;
  int64_t candidates;
};

// A table in the order in which the kernels read it: tiles of one candidate of as many rows as a register has
// lanes. Entries that are not valid are 0 in it, whatever they were.
template <typename T>
struct PackedTable {
  int64_t devices;
  int64_t layers;
  int64_t candidates;
  int64_t phases;  // tiles until a tile starts with layer 0 again, or all that are needed
  hwy::AlignedFreeUniquePtr<T[]> table_us;  // [D, phases, C, lanes]
  hwy::AlignedFreeUniquePtr<T[]> valid;     // [phases, C, lanes], 1 or 0; null: every candidate is valid
};

// For calls with up to `batch` elements.
template <typename T>
PackedTable<T> pack_table(const TableView<T>& table, int64_t batch);

// latency_us[n, d] = sum over l, c of softmax(logits)[n, l, c] * table_us[d, l, c].
// A row with a NaN among its valid logits, or without a finite one, makes the latency NaN, as in
// torch.softmax.
template <typename T>
void softmax_forward(const PackedTable<T>& table, const T* logits, int64_t batch, T* latency_us);

// The gradients of softmax_forward for grad [N, D]. grad_logits [N, L, C] is written; to grad_table [D, L, C]
// is added. Either may be null.
template <typename T>
void softmax_backward(const PackedTable<T>& table, const T* logits, const T* grad, int64_t batch,
                      T* grad_logits, double* grad_table);

// One sample for each row: weights [N, L, C] is softmax(logits), or its arg-max as one-hot where `hard`, and
// latency_us [N, D] that of these weights. `logits` has noise and temperature in it already.
template <typename T>
void sample_forward(const PackedTable<T>& table, const T* logits, int64_t batch, bool hard, T* weights,
                    T* latency_us);

// latency_us [N, D] of weights [N, L, C].
template <typename T>
void latency_of_weights(const PackedTable<T>& table, const T* weights, int64_t batch, T* latency_us);

// The gradients of a sample. `soft` [N, L, C] is the softmax that it was made of, `weights` what it gave
// (the same array unless hard). grad_weights [N, L, C] and grad_latency [N, D] may be null, for zero.
// grad_logits [N, L, C] = soft * (w - sum over c of soft * w) / temperature, with w the gradient that reaches
// the weights. Either result may be null.
template <typename T>
struct SampleGradients {
  const T* soft;
  const T* weights;
  const T* grad_weights;
  const T* grad_latency;
  T temperature;
  T* grad_logits;
  double* grad_table;  // [D, L, C], added to
};
template <typename T>
void sample_backward(const PackedTable<T>& table, const SampleGradients<T>& gradients, int64_t batch);

// z[i] = (logits[i] + g) / temperature for `size` values of the sample `seed`, the first of which is number
// `first`; g is the standard Gumbel variate that depends on the seed and the number alone.
// Source: Philox 4x32-10 of Salmon et al., Parallel random numbers (2011).
template <typename T>
void add_gumbel_noise(uint64_t seed, int64_t first, const T* logits, int64_t size, T temperature, T* z);

}  // namespace latgrad::ops::simd

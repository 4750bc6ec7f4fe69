// What the CPU kernels of architectures share: sizes, and a walk over the batch that refuses choices which
// are no candidates.

#pragma once

#include <ATen/ATen.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "ops/cpu/parallel.h"

namespace latgrad::ops {

struct ArchSizes {
  int64_t devices;
  int64_t layers;
  int64_t candidates;
  int64_t batch;
};

// Whether all of them are candidates. One unsigned comparison covers negative indexes, too.
template <typename Index>
bool are_candidates(const Index* choices, int64_t size, int64_t candidates) {
  bool fine = true;
  for (int64_t i = 0; i < size; ++i)
    fine &= static_cast<uint64_t>(choices[i]) < static_cast<uint64_t>(candidates);
  return fine;
}

// sum(begin, end) for all architectures, in parallel. Errors: where it finds a choice that is no candidate.
template <typename Index, typename Sum>
void sum_chunks(const at::Tensor& arch, const ArchSizes& sizes, const Sum& sum) {
  std::atomic<bool> fine = true;
  for_each_chunk(sizes.batch, rows_per_task(sizes.layers * sizes.devices), [&](int64_t begin, int64_t end) {
    if (!sum(begin, end)) fine = false;
  });
  if (fine) return;
  const Index* choices = arch.data_ptr<Index>();
  const Index* bad = std::find_if(choices, choices + arch.numel(), [&](const Index& choice) {
    return !are_candidates(&choice, 1, sizes.candidates);
  });
  TORCH_CHECK(false, "arch must hold candidate indexes from 0 to ", sizes.candidates - 1, " (table_us has ",
              sizes.candidates, " candidates), got ", static_cast<int64_t>(*bad), " in layer ",
              (bad - choices) % sizes.layers, " of architecture ", (bad - choices) / sizes.layers,
              " (counted from 0)");
}

}  // namespace latgrad::ops

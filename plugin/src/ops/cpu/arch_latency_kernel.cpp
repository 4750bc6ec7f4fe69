#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "ops/arch_latency_checks.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/parallel.h"

namespace latgrad::ops {
namespace {

// Sums of two layers' latencies by both choices, so that an architecture takes half as many look-ups.
class PairTable {
 public:
  // With more candidates an index of two choices would not fit a byte.
  static constexpr int64_t kMaxCandidates = 16;

  PairTable(const double* table_us, int64_t devices, int64_t layers, int64_t candidates)
      : candidates_(candidates), layers_(layers), pairs_((layers + 1) / 2) {
    us_.reserve(devices * pairs_ * kSize);
    for (int64_t device = 0; device < devices; ++device, table_us += layers * candidates) {
      for (int64_t layer = 0; layer < layers; layer += 2) {
        const double* first = table_us + layer * candidates;
        // An odd last layer pays for the first of its two choices only.
        const double* second = layer + 1 < layers ? first + candidates : nullptr;
        for (int64_t i = 0; i < kSize; ++i) {
          const bool is_choice = i / candidates < candidates;
          us_.push_back(is_choice ? first[i / candidates] + (second ? second[i % candidates] : 0) : 0);
        }
      }
    }
  }

  // codes[i] = the index of choices i and i + 1 as a pair. Both arrays have one element more than `size`.
  void encode(const uint8_t* choices, int64_t size, uint8_t* codes) const {
    const auto factor = static_cast<uint8_t>(candidates_);
    for (int64_t i = 0; i < size; ++i) codes[i] = static_cast<uint8_t>(choices[i] * factor + choices[i + 1]);
  }

  // The latency of the architecture whose codes start at `codes`.
  double sum(const uint8_t* codes, int64_t device) const {
    const double* us = us_.data() + device * pairs_ * kSize;
    double even = 0;
    double odd = 0;
    int64_t layer = 0;
    for (; layer + 2 < layers_; layer += 4, us += 2 * kSize) {
      even += us[codes[layer]];
      odd += us[kSize + codes[layer + 2]];
    }
    if (layer < layers_) even += us[codes[layer]];
    return even + odd;
  }

 private:
  static constexpr int64_t kSize = 256;

  int64_t candidates_;
  int64_t layers_;
  int64_t pairs_;
  std::vector<double> us_;  // [D, pairs, kSize]
};

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

bool are_candidates(const uint8_t* choices, int64_t size, int64_t candidates) {
  uint8_t largest = 0;
  for (int64_t i = 0; i < size; ++i) largest = std::max(largest, choices[i]);
  return largest < candidates;
}

// result[n, d]; false where a choice is no candidate, for which no table is read.
template <typename Index, typename T>
bool sum_pairs(const Index* arch, const PairTable& table, const ArchSizes& sizes, int64_t begin, int64_t end,
               T* result) {
  constexpr int64_t kBlockChoices = 1 << 12;
  const int64_t block = std::max<int64_t>(1, kBlockChoices / sizes.layers);
  std::vector<uint8_t> choices(block * sizes.layers + 1);
  std::vector<uint8_t> codes(block * sizes.layers + 1);
  for (int64_t n = begin; n < end; n += block) {
    const int64_t size = std::min(block, end - n);
    const Index* from = arch + n * sizes.layers;
    if (!are_candidates(from, size * sizes.layers, sizes.candidates)) return false;
    std::copy_n(from, size * sizes.layers, choices.begin());
    // The last choice of all has no neighbour, nor does anything depend on one.
    choices[size * sizes.layers] = 0;
    table.encode(choices.data(), size * sizes.layers, codes.data());
    for (int64_t i = 0; i < size; ++i) {
      for (int64_t device = 0; device < sizes.devices; ++device) {
        result[(n + i) * sizes.devices + device] =
            static_cast<T>(table.sum(codes.data() + i * sizes.layers, device));
      }
    }
  }
  return true;
}

// In the order in which PairTable adds: the sum does not depend on how many architectures are asked for.
template <typename Index>
double sum_in_pairs(const Index* arch, const double* table_us, const ArchSizes& sizes) {
  double sums[2] = {};
  for (int64_t layer = 0; layer < sizes.layers; layer += 2) {
    const double* row = table_us + layer * sizes.candidates;
    const bool is_pair = layer + 1 < sizes.layers;
    sums[layer / 2 % 2] += row[arch[layer]] + (is_pair ? row[sizes.candidates + arch[layer + 1]] : 0);
  }
  return sums[0] + sums[1];
}

template <typename Index, typename T>
bool sum_singly(const Index* arch, const double* table_us, const ArchSizes& sizes, int64_t begin, int64_t end,
                T* result) {
  if (!are_candidates(arch + begin * sizes.layers, (end - begin) * sizes.layers, sizes.candidates))
    return false;
  for (int64_t n = begin; n < end; ++n) {
    const double* row = table_us;
    for (int64_t device = 0; device < sizes.devices; ++device) {
      result[n * sizes.devices + device] = static_cast<T>(sum_in_pairs(arch + n * sizes.layers, row, sizes));
      row += sizes.layers * sizes.candidates;
    }
  }
  return true;
}

template <typename Index, typename T>
void sum_layers(const at::Tensor& arch, const at::Tensor& table_us, const ArchSizes& sizes, at::Tensor& out) {
  const Index* choices = arch.data_ptr<Index>();
  const double* us = table_us.data_ptr<double>();
  T* result = out.data_ptr<T>();
  // Making the table of pairs must be worth it.
  const bool in_pairs = sizes.candidates <= PairTable::kMaxCandidates && sizes.batch >= 1024;
  const PairTable pairs(us, in_pairs ? sizes.devices : 0, sizes.layers, sizes.candidates);
  std::atomic<bool> fine = true;
  for_each_chunk(sizes.batch, rows_per_task(sizes.layers * sizes.devices), [&](int64_t begin, int64_t end) {
    const bool chunk_is_fine = in_pairs ? sum_pairs(choices, pairs, sizes, begin, end, result)
                                        : sum_singly(choices, us, sizes, begin, end, result);
    if (!chunk_is_fine) fine = false;
  });
  if (fine) return;
  const Index* bad = std::find_if(choices, choices + arch.numel(), [&](const Index& choice) {
    return !are_candidates(&choice, 1, sizes.candidates);
  });
  TORCH_CHECK(false, "arch must hold candidate indexes from 0 to ", sizes.candidates - 1, " (table_us has ",
              sizes.candidates, " candidates), got ", static_cast<int64_t>(*bad), " in layer ",
              (bad - choices) % sizes.layers, " of architecture ", (bad - choices) / sizes.layers);
}

at::Tensor arch_latency(const at::Tensor& given_arch, const at::Tensor& table_us) {
  check_arch_latency(given_arch, table_us);
  check_table_values(table_us);
  const at::Tensor table = table_us.to(at::kDouble).contiguous();
  const at::Tensor arch = given_arch.contiguous();
  std::vector<int64_t> out_sizes(arch.sizes().begin(), arch.sizes().end() - 1);
  if (table.dim() == 3) out_sizes.push_back(table.size(0));
  at::Tensor out = new_output(out_sizes, table_us.options());
  const ArchSizes sizes{.devices = table.dim() == 3 ? table.size(0) : 1,
                        .layers = table.size(-2),
                        .candidates = table.size(-1),
                        .batch = arch.numel() / table.size(-2)};
  AT_DISPATCH_FLOATING_TYPES_AND2(at::kHalf, at::kBFloat16, table_us.scalar_type(), "arch_latency", [&] {
    if (arch.scalar_type() == at::kByte) {
      sum_layers<uint8_t, scalar_t>(arch, table, sizes, out);
    } else {
      sum_layers<int64_t, scalar_t>(arch, table, sizes, out);
    }
  });
  return out;
}

}  // namespace

TORCH_LIBRARY_IMPL(latgrad, CPU, m) { m.impl("arch_latency", TORCH_FN(arch_latency)); }

}  // namespace latgrad::ops

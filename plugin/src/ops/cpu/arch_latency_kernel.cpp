#include <ATen/Dispatch.h>
#include <torch/library.h>

#include <algorithm>
#include <vector>

#include "ops/arch_latency_checks.h"
#include "ops/cpu/arch_choices.h"
#include "ops/cpu/new_output.h"
#include "ops/cpu/simd/pair_codes.h"

namespace latgrad::ops {
namespace {

// Sums of two layers' latencies by both choices, so that an architecture takes half as many look-ups. A table
// of so many entries for each pair of layers, at least C * C; a constant, so that the tables of an
// architecture lie at constant distances.
template <int64_t kEntries>
class PairTable {
 public:
  PairTable(const double* table_us, int64_t devices, int64_t layers, int64_t candidates)
      : layers_(layers), pairs_((layers + 1) / 2), us_(devices * pairs_ * kEntries) {
    double* us = us_.data();
    for (int64_t device = 0; device < devices; ++device, table_us += layers * candidates) {
      for (int64_t layer = 0; layer < layers; layer += 2, us += kEntries) {
        const double* first = table_us + layer * candidates;
        // An odd last layer pays for the first of its two choices only.
        const double* second = layer + 1 < layers ? first + candidates : nullptr;
        for (int64_t i = 0; i < candidates * candidates; ++i) {
          us[i] = first[i / candidates] + (second ? second[i % candidates] : 0);
        }
      }
    }
  }

  // result[i * stride] = the latency on a device of the architecture whose choices are encoded at codes[i *
  // layers]. A function of its own: together with its callers it would not keep its few variables in
  // registers.
  template <typename T>
  [[gnu::noinline]] void sum(const uint8_t* codes, int64_t size, int64_t device, T* result,
                             int64_t stride) const {
    for (int64_t i = 0; i < size; ++i, codes += layers_, result += stride) {
      const double* us = us_.data() + device * pairs_ * kEntries;
      const uint8_t* code = codes;
      double even = 0;
      double odd = 0;
      int64_t pair = 0;
      for (; pair + 4 <= pairs_; pair += 4, code += 8, us += 4 * kEntries) {
        even += us[code[0]];
        odd += us[kEntries + code[2]];
        even += us[2 * kEntries + code[4]];
        odd += us[3 * kEntries + code[6]];
      }
      for (; pair + 2 <= pairs_; pair += 2, code += 4, us += 2 * kEntries) {
        even += us[code[0]];
        odd += us[kEntries + code[2]];
      }
      if (pair < pairs_) even += us[code[0]];
      *result = static_cast<T>(even + odd);
    }
  }

 private:
  int64_t layers_;
  int64_t pairs_;
  std::vector<double> us_;  // [D, pairs, kEntries]
};

// As simd::encode_pairs; `narrow` is a place for as many choices.
bool encode_pairs(const uint8_t* choices, int64_t size, int64_t candidates, std::vector<uint8_t>&,
                  uint8_t* codes) {
  return simd::encode_pairs(choices, size, candidates, codes);
}

bool encode_pairs(const int64_t* choices, int64_t size, int64_t candidates, std::vector<uint8_t>& narrow,
                  uint8_t* codes) {
  if (!are_candidates(choices, size, candidates)) return false;
  narrow.assign(choices, choices + size);
  return simd::encode_pairs(narrow.data(), size, candidates, codes);
}

// result[n, d]; false where a choice is no candidate, for which no table is read.
template <int64_t kEntries, typename Index, typename T>
bool sum_pairs(const Index* arch, const PairTable<kEntries>& table, const ArchSizes& sizes, int64_t begin,
               int64_t end, T* result) {
  constexpr int64_t kBlockChoices = 1 << 12;
  const int64_t block = std::max<int64_t>(1, kBlockChoices / sizes.layers);
  std::vector<uint8_t> narrow;
  std::vector<uint8_t> codes(block * sizes.layers);
  for (int64_t n = begin; n < end; n += block) {
    const int64_t size = std::min(block, end - n);
    const Index* from = arch + n * sizes.layers;
    if (!encode_pairs(from, size * sizes.layers, sizes.candidates, narrow, codes.data())) return false;
    for (int64_t device = 0; device < sizes.devices; ++device) {
      table.sum(codes.data(), size, device, result + n * sizes.devices + device, sizes.devices);
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

template <int64_t kEntries, typename Index, typename T>
void sum_all_in_pairs(const at::Tensor& arch, const double* table_us, const ArchSizes& sizes, T* result) {
  const PairTable<kEntries> table(table_us, sizes.devices, sizes.layers, sizes.candidates);
  sum_chunks<Index>(arch, sizes, [&](int64_t begin, int64_t end) {
    return sum_pairs(arch.data_ptr<Index>(), table, sizes, begin, end, result);
  });
}

template <typename Index, typename T>
void sum_layers(const at::Tensor& arch, const at::Tensor& table_us, const ArchSizes& sizes, at::Tensor& out) {
  const double* us = table_us.data_ptr<double>();
  T* result = out.data_ptr<T>();
  constexpr int64_t kWorthPairs = 1024;  // architectures that pay for making the table of pairs
  const int64_t pair_entries = sizes.candidates * sizes.candidates;
  if (sizes.batch < kWorthPairs || sizes.candidates > simd::kMaxPairCandidates) {
    sum_chunks<Index>(arch, sizes, [&](int64_t begin, int64_t end) {
      return sum_singly(arch.data_ptr<Index>(), us, sizes, begin, end, result);
    });
  } else if (pair_entries <= 128) {
    sum_all_in_pairs<128, Index>(arch, us, sizes, result);
  } else {
    sum_all_in_pairs<256, Index>(arch, us, sizes, result);
  }
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

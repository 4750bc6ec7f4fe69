#include "ops/cpu/simd/pair_codes.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/simd/pair_codes.cpp"
#include "ops/cpu/simd/targets.h"
// After targets.h, once for each target.
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace latgrad::ops::simd {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

bool EncodePairs(const uint8_t* choices, int64_t size, int64_t candidates, uint8_t* codes) {
  const hn::ScalableTag<uint8_t> d;
  const int64_t lanes = static_cast<int64_t>(hn::Lanes(d));
  // A product with so small a number is a look-up among sixteen bytes.
  HWY_ALIGN uint8_t products[kMaxPairCandidates];
  for (int64_t i = 0; i < kMaxPairCandidates; ++i) products[i] = static_cast<uint8_t>(i * candidates);
  const auto table = hn::LoadDup128(d, products);
  auto largest = hn::Zero(d);
  int64_t i = 0;
  for (; i + lanes < size; i += lanes) {
    const auto choice = hn::LoadU(d, choices + i);
    largest = hn::Max(largest, choice);
    const auto code = hn::Add(hn::TableLookupBytes(table, choice), hn::LoadU(d, choices + i + 1));
    hn::StoreU(code, d, codes + i);
  }
  uint8_t largest_of_rest = 0;
  for (; i < size; ++i) {
    largest_of_rest = std::max(largest_of_rest, choices[i]);
    codes[i] = static_cast<uint8_t>(choices[i] * candidates + (i + 1 < size ? choices[i + 1] : 0));
  }
  const auto end = hn::Set(d, static_cast<uint8_t>(candidates));
  return largest_of_rest < candidates && hn::AllTrue(d, hn::Lt(largest, end));
}

}  // namespace HWY_NAMESPACE
}  // namespace latgrad::ops::simd
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace latgrad::ops::simd {

HWY_EXPORT(EncodePairs);

bool encode_pairs(const uint8_t* choices, int64_t size, int64_t candidates, uint8_t* codes) {
  return HWY_DYNAMIC_DISPATCH(EncodePairs)(choices, size, candidates, codes);
}

}  // namespace latgrad::ops::simd
#endif

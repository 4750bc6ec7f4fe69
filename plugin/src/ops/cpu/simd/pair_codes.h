// Choices of neighbouring layers as one index, in vector registers: how arch_latency prices two layers with
// one look-up.

#pragma once

#include <cstdint>

namespace latgrad::ops::simd {

// With more candidates a code would not fit a byte.
inline constexpr int64_t kMaxPairCandidates = 16;

// codes[i] = choices[i] * candidates + choices[i + 1] for `size` choices; what follows the last one counts as
// 0. Returns whether every choice is less than `candidates`; if not, the codes mean nothing. Preconditions: 1
// <= candidates <= kMaxPairCandidates; size >= 1.
bool encode_pairs(const uint8_t* choices, int64_t size, int64_t candidates, uint8_t* codes);

}  // namespace latgrad::ops::simd

// Which networks to measure next.
//
//   for (const size_t i : plan_networks(data, pool, 20)) measure(pool[i]);
//
// O(pool * typical * count). Deterministic under a seed; thread-safe.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "latgrad/search/calibration.h"

namespace latgrad::search {

// Of `pool`, as indices, the most telling first: each makes the mean variance of typical networks as small as
// one network can, given those that were measured and chosen before it. The first `given` of the pool are
// chosen in any case.
// Without typical networks they are those of the pool. Errors: ValueError as calibrate(), but for no
// networks. Source: Cohn, "Neural network exploration using optimal experiment design", 1994.
std::vector<size_t> plan_networks(const CalibrationData& data, std::span<const std::vector<uint32_t>> pool,
                                  size_t count, uint64_t seed = 0, size_t given = 0);

}  // namespace latgrad::search

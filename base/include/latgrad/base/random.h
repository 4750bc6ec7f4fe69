// Random choices that are the same with every standard library, unlike its distributions and std::shuffle.
//
//   std::mt19937_64 random(seed);
//   shuffle(order, random);
//   size_t index = random_below(order.size(), random);

#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace latgrad::base {

// Uniform from 0 to bound - 1. Precondition: bound > 0.
inline size_t random_below(size_t bound, std::mt19937_64& random) {
  const uint64_t limit = UINT64_MAX - UINT64_MAX % bound;
  for (;;) {
    if (uint64_t value = random(); value < limit) return static_cast<size_t>(value % bound);
  }
}

template <typename T>
void shuffle(std::vector<T>& values, std::mt19937_64& random) {
  for (size_t i = values.size(); i > 1; --i) std::swap(values[i - 1], values[random_below(i, random)]);
}

}  // namespace latgrad::base

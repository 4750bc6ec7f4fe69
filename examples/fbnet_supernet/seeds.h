// Every random choice of a run follows from its seed and the place where it is made.
//
//   const uint64_t random = seed_at(seed, "order", epoch);     // seeds a generator for this place alone
//
// So a run that is continued makes the same choices as one that was never interrupted, and no state of a
// generator is saved.

#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>

namespace fbnet_supernet {

// One part of a place, joined to those before it.
uint64_t joined(uint64_t before, uint64_t number);
uint64_t joined(uint64_t before, std::string_view text);
template <std::integral Integer>
uint64_t joined(uint64_t before, Integer number) {
  return joined(before, static_cast<uint64_t>(number));
}

// A place is texts and integers, in order.
template <typename... Parts>
uint64_t seed_at(int64_t seed, const Parts&... parts) {
  uint64_t mixed = joined(0, seed);
  ((mixed = joined(mixed, parts)), ...);
  return mixed;
}

}  // namespace fbnet_supernet

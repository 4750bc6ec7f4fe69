#include "seeds.h"

namespace fbnet_supernet {

// Source: the finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014), a bijection in which every bit of
// the argument changes half of the result.
uint64_t joined(uint64_t before, uint64_t number) {
  uint64_t z = (before ^ number) + 0x9e3779b97f4a7c15;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

uint64_t joined(uint64_t before, std::string_view text) {
  // The length first, so that "ab", "c" is another place than "a", "bc".
  uint64_t mixed = joined(before, static_cast<uint64_t>(text.size()));
  for (const char letter : text)
    mixed = joined(mixed, static_cast<uint64_t>(static_cast<unsigned char>(letter)));
  return mixed;
}

}  // namespace fbnet_supernet

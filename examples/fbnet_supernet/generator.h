// A generator of torch's for one place of a run: generator(seed_at(seed, "order", epoch)).

#pragma once

#include <ATen/CPUGeneratorImpl.h>

#include <cstdint>

namespace fbnet_supernet {

inline at::Generator generator(uint64_t seed) { return at::make_generator<at::CPUGeneratorImpl>(seed); }

}  // namespace fbnet_supernet

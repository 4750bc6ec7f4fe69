// An architecture that chooses uniformly among the offered candidates of each layer.
//
//   std::mt19937_64 random(seed);
//   const Architecture arch = random_architecture(space, random);
//
// Linear in the candidates; the same on every machine.

#pragma once

#include <random>

#include "latgrad/search/space.h"

namespace latgrad::search {

Architecture random_architecture(const Space& space, std::mt19937_64& random);

}  // namespace latgrad::search

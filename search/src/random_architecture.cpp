#include "latgrad/search/random_architecture.h"

#include "latgrad/base/random.h"

namespace latgrad::search {

Architecture random_architecture(const Space& space, std::mt19937_64& random) {
  Architecture arch;
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const size_t predecessor = layer == 0 ? 0 : static_cast<size_t>(arch.back());
    std::vector<int> candidates;
    for (size_t candidate = 0; candidate < space.layers()[layer].offered.size(); ++candidate) {
      if (space.fits(layer, predecessor, candidate)) candidates.push_back(static_cast<int>(candidate));
    }
    arch.push_back(candidates[base::random_below(candidates.size(), random)]);
  }
  return arch;
}

}  // namespace latgrad::search

#include "latgrad/search/random_architecture.h"

#include "latgrad/base/random.h"

namespace latgrad::search {

Architecture random_architecture(const Space& space, std::mt19937_64& random) {
  Architecture arch;
  for (const LayerInfo& layer : space.layers()) {
    std::vector<int> candidates;
    for (size_t candidate = 0; candidate < layer.offered.size(); ++candidate) {
      if (layer.offered[candidate]) candidates.push_back(static_cast<int>(candidate));
    }
    arch.push_back(candidates[base::random_below(candidates.size(), random)]);
  }
  return arch;
}

}  // namespace latgrad::search

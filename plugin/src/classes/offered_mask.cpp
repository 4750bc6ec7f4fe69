#include "classes/offered_mask.h"

#include <ATen/ATen.h>

namespace latgrad {

at::Tensor offered_mask(const search::Space& space) {
  const auto& layers = space.layers();
  at::Tensor mask = at::zeros(
      {static_cast<int64_t>(layers.size()), static_cast<int64_t>(space.max_candidates())}, at::kBool);
  auto cells = mask.accessor<bool, 2>();
  for (size_t layer = 0; layer < layers.size(); ++layer) {
    for (size_t i = 0; i < layers[layer].offered.size(); ++i) cells[layer][i] = layers[layer].offered[i];
  }
  return mask;
}

}  // namespace latgrad

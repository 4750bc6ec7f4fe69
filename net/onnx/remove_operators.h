// Takes operators out of a network.

#pragma once

#include <utility>
#include <vector>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/net/net.h"

namespace latgrad::net {

// `is_removed` and `shapes` are parallel to the operators. Linear.
inline void remove_operators(Net& net, std::vector<OpShapes>& shapes, const std::vector<bool>& is_removed) {
  size_t kept = 0;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (is_removed[i]) continue;
    if (kept != i) {
      net.ops[kept] = std::move(net.ops[i]);
      shapes[kept] = std::move(shapes[i]);
    }
    ++kept;
  }
  net.ops.resize(kept);
  shapes.resize(kept);
}

}  // namespace latgrad::net

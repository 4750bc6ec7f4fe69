// How messages name a layer: from 1 in texts for people, such as those about a file or the command line, and
// from 0 where a caller's code gave the index.

#pragma once

#include <fmt/format.h>

#include <cstddef>
#include <string>

namespace latgrad::search::internal {

enum class LayerCount { kFromOne, kFromZero };

// For the 0-based layer 2: "layer 3", or "layer 2 (counted from 0)".
inline std::string layer_name(size_t layer, LayerCount count) {
  return count == LayerCount::kFromOne ? fmt::format("layer {}", layer + 1)
                                       : fmt::format("layer {} (counted from 0)", layer);
}

}  // namespace latgrad::search::internal

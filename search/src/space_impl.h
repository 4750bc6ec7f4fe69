// What a space holds once its file is read: a plan of every choice, checked.

#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "block_plan.h"
#include "latgrad/search/space.h"
#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

struct SpaceImpl {
  proto::Space file;
  std::string source;
  std::optional<ConvPlan> stem;
  std::vector<LayerInfo> layers;
  std::vector<std::vector<BlockPlan>> blocks;  // [layers][candidates of the layer]
  std::optional<ConvPlan> head;                // the 1x1 convolution
  size_t max_candidates = 0;
  std::vector<std::pair<std::string, Architecture>> architectures;
};

// Checks and plans everything but the architectures.
// Errors: ValueError naming the field.
SpaceImpl plan_space(proto::Space file, std::string source);

}  // namespace latgrad::search::internal

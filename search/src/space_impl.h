// What a space holds once its file is read: its layers, every choice of them checked.

#pragma once

#include <string>
#include <utility>
#include <vector>

#include "latgrad/search/space.h"
#include "latgrad/space.pb.h"

namespace latgrad::search::internal {

namespace proto = latgrad::space;

struct SpaceImpl {
  proto::Space file;
  std::string source;
  std::vector<LayerInfo> layers;
  std::vector<int> stages;                   // [layers], their places in the file
  std::vector<std::vector<int>> candidates;  // [layers][candidates of the layer], their places in the file
  size_t max_candidates = 0;
  int64_t num_operators = 0;  // of all candidates of all layers
  std::vector<std::pair<std::string, Architecture>> architectures;
};

// Checks and plans everything but the architectures.
// Errors: ValueError naming the field.
SpaceImpl plan_space(proto::Space file, std::string source);

}  // namespace latgrad::search::internal

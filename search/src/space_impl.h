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
  int64_t size = 0;  // operators, their blobs and arguments, of all candidates of all layers
  bool is_chain = false;
  // Of a chain: [layers][candidates of the layer before (1 of the first), candidates], row-major.
  std::vector<std::vector<bool>> fits;
  std::vector<std::pair<std::string, Architecture>> architectures;
};

// As Space::fits.
bool fits(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate);

// A layer as a candidate has it behind a predecessor, without a list of candidates.
LayerInfo layer_behind(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate);

// Checks and plans everything but the architectures.
// Errors: ValueError naming the field.
SpaceImpl plan_space(proto::Space file, std::string source);

}  // namespace latgrad::search::internal

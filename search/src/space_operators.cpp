#include "latgrad/search/space_operators.h"

#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/lowering.h"

namespace latgrad::search {

std::vector<uint32_t> OperatorNumbers::add(const net::Net& net) {
  const net::NetShapes shapes = net::infer_shapes(net, {.allow_unknown = true, .list_blobs = false});
  std::vector<uint32_t> operators;
  for (size_t i = 0; i < net.ops.size(); ++i) {
    if (!shapes.ops[i].known) continue;
    lut::OperatorKey key = lut::operator_key(net.ops[i], shapes.ops[i]);
    const auto [entry, is_new] =
        numbers_.try_emplace(lut::canonical(key), static_cast<uint32_t>(keys_.size()));
    if (is_new) {
      keys_.push_back(std::move(key));
      physical_.push_back(physical_totals(net.ops[i], shapes.ops[i]));
    }
    operators.push_back(entry->second);
  }
  return operators;
}

SpaceOperators::SpaceOperators(const Space& space, Precision precision) {
  refuse_chain(space, "a calibrated space");
  fixed_ = numbers_.add(lower_fixed(space, precision));
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const LayerInfo& info = space.layers()[layer];
    std::vector<std::vector<uint32_t>>& blocks = blocks_.emplace_back();
    for (size_t candidate = 0; candidate < info.candidates.size(); ++candidate) {
      blocks.push_back(info.offered[candidate] ? numbers_.add(lower_block(space, layer, candidate, precision))
                                               : std::vector<uint32_t>{});
    }
  }
}

std::vector<uint32_t> SpaceOperators::of(const Architecture& arch) const {
  std::vector<uint32_t> operators = fixed_;
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    const std::vector<uint32_t>& block = blocks_[layer][static_cast<size_t>(arch[layer])];
    operators.insert(operators.end(), block.begin(), block.end());
  }
  return operators;
}

}  // namespace latgrad::search

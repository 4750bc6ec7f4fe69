
#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/latency_model.h"
#include "latgrad/search/lowering.h"
#include "operator_collection.h"

namespace latgrad::search {

std::vector<MissingOperator> required_operators(const Space& space, Precision precision) {
  internal::OperatorCollection collection;
  const auto add = [&](const net::Net& net, const std::string& user) {
    const net::NetShapes shapes = net::infer_shapes(net);
    for (size_t i = 0; i < net.ops.size(); ++i) {
      collection.add(lut::operator_key(net.ops[i], shapes.ops[i]), user);
    }
  };
  add(lower_fixed(space, precision), internal::kFixedPart);
  for (size_t layer = 0; layer < space.layers().size(); ++layer) {
    const LayerInfo& info = space.layers()[layer];
    for (size_t candidate = 0; candidate < info.candidates.size(); ++candidate) {
      if (!info.offered[candidate]) continue;
      add(lower_block(space, layer, candidate, precision),
          internal::user_name(layer, info.candidates[candidate]));
    }
  }
  return collection.take();
}

}  // namespace latgrad::search

#include "latgrad/profile/plan.h"

#include <fmt/format.h>

#include "latgrad/net/infer_shapes.h"
#include "latgrad/search/latency_model.h"

namespace latgrad::profile {

void Plan::add(lut::OperatorKey key) {
  if (seen_.insert(lut::canonical(key)).second) operators_.push_back(std::move(key));
}

void Plan::add_space(const search::Space& space, search::Precision precision) {
  for (search::MissingOperator& required : search::required_operators(space, precision)) {
    add(std::move(required.key));
  }
}

void Plan::add_net(const net::Net& net) {
  net::NetShapes shapes = net::infer_shapes(net, {.allow_unknown = true});
  for (size_t index = 0; index < net.ops.size(); ++index) {
    if (shapes.ops[index].known) {
      add(lut::operator_key(net.ops[index], shapes.ops[index]));
      continue;
    }
    const net::Operator& op = net.ops[index];
    std::string description = fmt::format("{} of unknown shape ({}, op {})", op.type, net.source, index);
    if (!seen_.insert(description).second) continue;
    missing_.push_back({op.type, std::move(description),
                        "shape inference does not support this operator type, or one that it depends on"});
  }
}

void Plan::drop_known(const lut::Table& table, const std::string& device) {
  num_known_ += std::erase_if(operators_,
                              [&](const lut::OperatorKey& key) { return !table.find(key, device).empty(); });
}

}  // namespace latgrad::profile

#include "placeholder.h"

#include <algorithm>

#include "latgrad/net/registry.h"

namespace latgrad::net {

bool is_data_of_init_net(const Net& net, std::string_view blob) {
  if (!net.parameters.contains(blob)) return false;
  for (const Operator& op : net.ops) {
    const auto it = std::ranges::find(op.inputs, blob);
    if (it == op.inputs.end()) continue;
    const OperatorType* row = find_operator_type(op.type);
    if (row == nullptr || !row->reads_activation(static_cast<size_t>(it - op.inputs.begin()))) return false;
    // Arithmetic takes constants on either side: there the network's first input alone is data.
    const bool takes_constants = row->activations == kAll || row->is_fill;
    return !takes_constants || (!net.external_inputs.empty() && net.external_inputs.front() == blob);
  }
  return false;
}

bool is_placeholder(const Net& net, std::string_view blob) {
  const auto it = net.parameters.find(blob);
  if (it == net.parameters.end()) return false;
  const Shape& shape = it->second.shape;
  const bool is_empty = shape.empty() || (shape.size() == 1 && shape[0] <= 1);
  return is_empty && is_data_of_init_net(net, blob);
}

}  // namespace latgrad::net

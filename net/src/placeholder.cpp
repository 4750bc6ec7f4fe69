#include "placeholder.h"

#include <algorithm>

#include "latgrad/net/registry.h"

namespace latgrad::net {

namespace {

bool has_no_shape(const Net& net, std::string_view blob) {
  const auto it = net.parameters.find(blob);
  if (it == net.parameters.end()) return false;
  const Shape& shape = it->second.shape;
  return shape.empty() || (shape.size() == 1 && shape[0] <= 1);
}

}  // namespace

bool reads_as_image(const Net& net, const Operator& op, size_t input) {
  const OperatorType* row = find_operator_type(op.type);
  if (row == nullptr || !row->reads_activation(input)) return false;
  const std::string& blob = op.inputs[input];
  if (row->window != WindowKind::kNone) return true;
  if (!net.external_inputs.empty() && net.external_inputs.front() == blob) return true;
  // Arithmetic takes constants of one element on either side.
  return has_no_shape(net, blob) && row->activations != kAll && !row->is_fill;
}

bool is_placeholder(const Net& net, std::string_view blob) {
  if (!has_no_shape(net, blob)) return false;
  for (const Operator& op : net.ops) {
    const auto at = std::ranges::find(op.inputs, blob);
    if (at != op.inputs.end()) return reads_as_image(net, op, static_cast<size_t>(at - op.inputs.begin()));
  }
  return false;
}

}  // namespace latgrad::net

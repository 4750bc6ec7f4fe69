#include "placeholder.h"

#include "latgrad/net/registry.h"

namespace latgrad::net {

namespace {

const Shape* filled_shape(const Net& net, const std::string& blob) {
  const auto it = net.parameters.find(blob);
  return it == net.parameters.end() ? nullptr : &it->second.shape;
}

bool is_first_input(const Net& net, const std::string& blob) {
  return !net.external_inputs.empty() && net.external_inputs.front() == blob;
}

// Arithmetic takes constants on either side.
bool takes_constants(const OperatorType& row) { return row.activations == kAll || row.is_fill; }

constexpr size_t kImageRank = 3;

}  // namespace

bool reads_as_image(const Net& net, const Operator& op, size_t input) {
  const OperatorType* row = find_operator_type(op.type);
  if (net.has_exact_parameters || row == nullptr || !row->reads_activation(input)) return false;
  const std::string& blob = op.inputs[input];
  if (row->window != WindowKind::kNone) return true;
  const Shape* shape = filled_shape(net, blob);
  const bool is_image = shape != nullptr && shape->size() >= kImageRank;
  if (takes_constants(*row)) return is_first_input(net, blob) && is_image;
  return is_first_input(net, blob) || (is_image && !row->moves) || reads_placeholder(net, op, input);
}

bool reads_placeholder(const Net& net, const Operator& op, size_t input) {
  const OperatorType* row = find_operator_type(op.type);
  if (net.has_exact_parameters || row == nullptr || !row->reads_activation(input) || takes_constants(*row))
    return false;
  const std::string& blob = op.inputs[input];
  const Shape* shape = filled_shape(net, blob);
  const bool says_nothing = shape != nullptr && (shape->empty() || (shape->size() == 1 && (*shape)[0] <= 1));
  return says_nothing && (is_first_input(net, blob) || !row->moves);
}

}  // namespace latgrad::net

#include "latgrad/net/infer_shapes.h"

#include <string_view>
#include <unordered_set>

#include "inference.h"

namespace latgrad::net {

NetShapes infer_shapes(const Net& net, const ShapeOptions& options) { return Inference(net, options).run(); }

MacCount count_macs(const NetShapes& shapes) {
  MacCount count;
  for (const OpShapes& op : shapes.ops) {
    if (!op.macs) count.complete = false;
    if (__builtin_add_overflow(count.macs, op.macs.value_or(0), &count.macs)) {
      throw NetError("the multiply-accumulates of a network must stay below 2^63");
    }
  }
  return count;
}

ParameterCount count_parameters(const Net& net, const NetShapes& shapes) {
  ParameterCount count;
  // Blobs that are no parameters, or counted already.
  std::unordered_set<std::string_view> done;
  const auto add = [&](std::string_view blob, const TensorInfo& info) {
    if (!done.insert(blob).second) return;
    int64_t& sum = info.shape.size() >= 2 ? count.weights : count.others;
    if (__builtin_add_overflow(sum, num_elements(info.shape), &sum)) {
      throw NetError("the parameters of a network must stay below 2^63", {.file = net.source});
    }
  };
  for (size_t i = 0; i < net.ops.size(); ++i) {
    const Operator& op = net.ops[i];
    for (size_t j = 0; j < op.inputs.size(); ++j) {
      const std::string& blob = op.inputs[j];
      if (done.contains(blob)) continue;
      const OperatorType* row = find_operator_type(op.type);
      const bool is_given = net.inputs.contains(blob) && (row == nullptr || row->reads_activation(j));
      if (is_given || reads_as_image(net, op, j)) {
        done.insert(blob);
        continue;
      }
      if (shapes.ops[i].inputs[j].dtype != DataType::kUndefined) {
        add(blob, shapes.ops[i].inputs[j]);
      } else if (row == nullptr) {
        count.complete = false;  // a weight, maybe, of an operator that nobody knows
      }
    }
    // Values that the network carries in itself are parameters, too, once somebody reads them.
    const OperatorType* row = find_operator_type(op.type);
    const bool is_value = op.inputs.empty() && row != nullptr && row->is_fill;
    for (const std::string& blob : op.outputs) {
      if (!is_value) done.insert(blob);
    }
    if (!op.subnets().empty()) count.complete = false;
  }
  return count;
}

}  // namespace latgrad::net

#include "latgrad/search/physical_totals.h"

#include "latgrad/net/arguments.h"
#include "latgrad/net/memory.h"
#include "latgrad/net/registry.h"

namespace latgrad::search {
namespace {

double bytes_of(const net::TensorInfo& tensor) {
  double bytes = static_cast<double>(net::element_bytes(tensor.dtype));
  for (const int64_t dim : tensor.shape) bytes *= static_cast<double>(dim);
  return bytes;
}

bool is_depthwise(const net::OperatorType& type, const net::Operator& op, const net::OpShapes& shapes) {
  if (type.window == net::WindowKind::kNone || shapes.inputs.size() < 2) return false;
  const int64_t group = net::Arguments(op.type, op.args).integer("group", 1);
  return group > 1 && shapes.inputs[1].shape[0] == group;
}

}  // namespace

PhysicalTotals physical_totals(const net::Operator& op, const net::OpShapes& shapes) {
  PhysicalTotals totals{};
  const net::OperatorType* type = net::find_operator_type(op.type);
  if (type != nullptr && type->is_view) return totals;
  totals[kCalls] = 1;
  const bool depthwise = type != nullptr && type->multiplies && is_depthwise(*type, op, shapes);
  totals[depthwise ? kDepthwiseMacs : kMacs] = static_cast<double>(shapes.macs.value_or(0));
  for (size_t i = 0; i < shapes.inputs.size(); ++i) {
    const bool is_parameter = type != nullptr && !type->reads_activation(i);
    totals[is_parameter ? kParameterBytes : kActivationBytes] += bytes_of(shapes.inputs[i]);
  }
  for (const net::TensorInfo& output : shapes.outputs) totals[kActivationBytes] += bytes_of(output);
  return totals;
}

}  // namespace latgrad::search

#include "parameter_type.h"

#include <algorithm>

namespace latgrad::net {

DataType parameter_type(std::string_view op_type, size_t index) {
  if (!op_type.starts_with("Int8")) return DataType::kFloat;
  const bool has_weights = op_type.starts_with("Int8Conv") || op_type.starts_with("Int8FC");
  if (has_weights && index == 2) return DataType::kInt32;
  return DataType::kUint8;
}

DataType parameter_type(const Net& net, std::string_view blob) {
  for (const Operator& op : net.ops) {
    const auto it = std::ranges::find(op.inputs, blob);
    if (it != op.inputs.end()) return parameter_type(op.type, static_cast<size_t>(it - op.inputs.begin()));
  }
  return DataType::kFloat;
}

}  // namespace latgrad::net

#include "shapes_json.h"

#include <algorithm>

#include "latgrad/base/error.h"
#include "latgrad/base/json.h"
#include "latgrad/net/registry.h"

namespace latgrad::net {
namespace {

// The type that the first operator that reads the parameter expects; float where none does.
DataType parameter_type(const Net& net, std::string_view blob) {
  for (const Operator& op : net.ops) {
    const auto it = std::ranges::find(op.inputs, blob);
    if (it == op.inputs.end()) continue;
    const OperatorType* row = find_operator_type(op.type);
    if (row != nullptr) return row->parameter_type(static_cast<size_t>(it - op.inputs.begin()));
  }
  return DataType::kFloat;
}

Shape read_shape(const base::JsonValue& value) {
  Shape shape = value.integers();
  try {
    num_elements(shape);
  } catch (const ValueError& error) {
    throw ParseError(error.what(), value.place());
  }
  return shape;
}

// Calls `add(blob, shape)` for each entry of the object `section`, which may be absent.
template <typename Add>
void each_shape(const base::JsonValue& root, std::string_view section, const Add& add) {
  const auto shapes = root.find(section);
  if (!shapes) return;
  for (const auto& [blob, shape] : shapes->members()) add(std::string(blob), read_shape(shape));
}

}  // namespace

void add_shapes_json(Net& net, std::string_view json, const std::string& source) {
  const base::JsonDocument document(json, "the shapes", {.file = source});
  each_shape(document.root(), "inputs", [&](std::string blob, Shape shape) {
    net.parameters.erase(blob);  // the placeholder that exporters write into the init net
    net.parameter_values.erase(blob);
    net.inputs.insert_or_assign(std::move(blob), TensorInfo{std::move(shape), DataType::kFloat});
  });
  each_shape(document.root(), "params", [&](std::string blob, Shape shape) {
    const DataType dtype = parameter_type(net, blob);
    net.parameters.try_emplace(std::move(blob), TensorInfo{std::move(shape), dtype});
  });
}

}  // namespace latgrad::net

#include "shapes_json.h"

#include <string_view>
#include <unordered_map>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"
#include "latgrad/base/json.h"
#include "latgrad/net/registry.h"

namespace latgrad::net {
namespace {

// The type that the first operator that reads a parameter expects, by blob.
std::unordered_map<std::string_view, DataType> parameter_types(const Net& net) {
  std::unordered_map<std::string_view, DataType> types;
  for (const Operator& op : net.ops) {
    const OperatorType* row = find_operator_type(op.type);
    for (size_t i = 0; row != nullptr && i < op.inputs.size(); ++i) {
      types.try_emplace(op.inputs[i], row->parameter_type(i));
    }
  }
  return types;
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
  base::refuse_foreign_file(json, "a file of shapes", source);
  const base::JsonDocument document(json, "the shapes", {.file = source});
  each_shape(document.root(), "inputs", [&](std::string blob, Shape shape) {
    net.parameters.erase(blob);  // the placeholder that exporters write into the init net
    net.parameter_values.erase(blob);
    net.inputs.insert_or_assign(std::move(blob), TensorInfo{std::move(shape), DataType::kFloat});
  });
  const auto types = parameter_types(net);
  each_shape(document.root(), "params", [&](std::string blob, Shape shape) {
    const auto type = types.find(blob);
    const DataType dtype = type == types.end() ? DataType::kFloat : type->second;
    net.parameters.try_emplace(std::move(blob), TensorInfo{std::move(shape), dtype});
  });
}

}  // namespace latgrad::net

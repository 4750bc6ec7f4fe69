#include "shapes_json.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>

#include "latgrad/base/error.h"
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

Shape read_shape(simdjson::dom::element element, const std::string& source, const std::string& field) {
  simdjson::dom::array dims;
  if (element.get(dims) != simdjson::SUCCESS) {
    throw ParseError("a shape must be a list of integers", {.file = source, .field = field});
  }
  Shape shape;
  for (const simdjson::dom::element dim : dims) {
    int64_t value = 0;
    if (dim.get(value) != simdjson::SUCCESS) {
      throw ParseError("a shape must be a list of integers", {.file = source, .field = field});
    }
    shape.push_back(value);
  }
  try {
    num_elements(shape);
  } catch (const ValueError& error) {
    throw ParseError(error.what(), {.file = source, .field = field});
  }
  return shape;
}

// Calls `add(blob, shape)` for each entry of the object `section`, which may be absent.
template <typename Add>
void each_shape(simdjson::dom::object root, const std::string& section, const std::string& source,
                const Add& add) {
  simdjson::dom::element entry;
  const auto status = root.at_key(section).get(entry);
  if (status == simdjson::NO_SUCH_FIELD) return;
  simdjson::dom::object shapes;
  if (status != simdjson::SUCCESS || entry.get(shapes) != simdjson::SUCCESS) {
    throw ParseError(fmt::format("{} must be an object", section), {.file = source, .field = section});
  }
  for (const auto [blob, shape] : shapes) {
    add(std::string(blob), read_shape(shape, source, fmt::format("{}/{}", section, blob)));
  }
}

}  // namespace

void add_shapes_json(Net& net, std::string_view json, const std::string& source) {
  simdjson::dom::parser parser;
  simdjson::dom::element document;
  const auto status = parser.parse(simdjson::padded_string(json)).get(document);
  if (status != simdjson::SUCCESS) {
    throw ParseError(fmt::format("shapes must be JSON: {}", simdjson::error_message(status)),
                     {.file = source});
  }
  simdjson::dom::object root;
  if (document.get(root) != simdjson::SUCCESS) {
    throw ParseError("shapes must be a JSON object", {.file = source});
  }
  each_shape(root, "inputs", source, [&](std::string blob, Shape shape) {
    net.parameters.erase(blob);  // the placeholder that exporters write into the init net
    net.inputs.insert_or_assign(std::move(blob), TensorInfo{std::move(shape), DataType::kFloat});
  });
  each_shape(root, "params", source, [&](std::string blob, Shape shape) {
    const DataType dtype = parameter_type(net, blob);
    net.parameters.try_emplace(std::move(blob), TensorInfo{std::move(shape), dtype});
  });
}

}  // namespace latgrad::net

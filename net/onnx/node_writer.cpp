#include "node_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "latgrad/base/error.h"
#include "onnx_types.h"
#include "onnx_writer.h"

namespace latgrad::net {
namespace {

onnx::AttributeProto& add_attribute(onnx::NodeProto& node, std::string_view name, OnnxAttribute type) {
  onnx::AttributeProto& attribute = *node.add_attribute();
  attribute.set_name(std::string(name));
  attribute.set_type(static_cast<int>(type));
  return attribute;
}

}  // namespace

void set_integer(onnx::NodeProto& node, std::string_view name, int64_t value) {
  add_attribute(node, name, OnnxAttribute::kInt).set_i(value);
}

void set_integers(onnx::NodeProto& node, std::string_view name, std::span<const int64_t> values) {
  onnx::AttributeProto& attribute = add_attribute(node, name, OnnxAttribute::kInts);
  for (const int64_t value : values) attribute.add_ints(value);
}

void set_number(onnx::NodeProto& node, std::string_view name, float value) {
  add_attribute(node, name, OnnxAttribute::kFloat).set_f(value);
}

void set_text(onnx::NodeProto& node, std::string_view name, std::string_view value) {
  add_attribute(node, name, OnnxAttribute::kString).set_s(std::string(value));
}

NodeWriter::NodeWriter(OnnxWriter& writer, const Operator& op, const Arguments& args,
                       std::vector<Input> inputs, std::vector<Output> outputs, bool has_images)
    : writer_(writer),
      op_(op),
      args_(args),
      inputs_(std::move(inputs)),
      outputs_(std::move(outputs)),
      has_images_(has_images) {}

const std::string& NodeWriter::input(size_t index) {
  Input& input = inputs_[index];
  if (input.value.empty()) {
    const std::string& blob = op_.inputs[index];
    input.value = input.is_parameter
                      ? writer_.parameter(blob, input, input.info.shape)
                      : writer_.read(*writer_.find_value(blob),
                                     {.is_image = input.is_image, .is_float = input.is_quantised});
  }
  return input.value;
}

std::string NodeWriter::reshaped(size_t index, const Shape& shape) {
  const Input& input = inputs_[index];
  if (input.info.shape == shape) return this->input(index);
  if (input.is_parameter) return writer_.parameter(op_.inputs[index], input, shape);
  std::string name = temporary("reshaped");
  add("Reshape", {this->input(index), integers(shape)}, {name});
  return name;
}

std::string NodeWriter::flattened(size_t index, int64_t axis) {
  const Input& input = inputs_[index];
  std::string rows = temporary("rows");
  if (!input.is_quantised || input.is_parameter) {
    set_integer(add("Flatten", {this->input(index)}, {rows}), "axis", axis);
    return rows;
  }
  const std::string stored_rows = temporary("quantized_rows");
  set_integer(add("Flatten", {input.stored}, {stored_rows}), "axis", axis);
  add("DequantizeLinear", {stored_rows, input.scale, input.zero_point}, {rows});
  return rows;
}

int64_t NodeWriter::axis(int64_t value) const {
  const auto rank = static_cast<int64_t>(shape(0).size());
  if (value < -rank || value >= rank) {
    fail(fmt::format("an axis must be in [{}, {}), got {}", -rank, rank, value));
  }
  if (value < 0) value += rank;
  if (!has_images_ || value == 0) return value;
  return value == rank - 1 ? 1 : value + 1;
}

onnx::NodeProto& NodeWriter::add(std::string_view type) {
  std::vector<std::string> inputs;
  for (size_t i = 0; i < num_inputs(); ++i) inputs.push_back(input(i));
  return add(type, std::move(inputs), {output()});
}

onnx::NodeProto& NodeWriter::add(std::string_view type, std::vector<std::string> inputs,
                                 std::vector<std::string> outputs) {
  return writer_.add_node(type, std::move(inputs), std::move(outputs));
}

std::string NodeWriter::integers(const std::vector<int64_t>& values) {
  return writer_.constant(Values(values.begin(), values.end()), {static_cast<int64_t>(values.size())},
                          DataType::kInt64);
}

std::string NodeWriter::scalar(double value, DataType dtype) { return writer_.constant({value}, {}, dtype); }

std::string NodeWriter::temporary(std::string_view suffix) {
  return writer_.fresh(fmt::format("{}_{}", output(), suffix));
}

void NodeWriter::require_opset(int64_t opset) { writer_.opset_ = std::max(writer_.opset_, opset); }

void NodeWriter::fail(const std::string& message) const { throw ValueError(message); }

}  // namespace latgrad::net

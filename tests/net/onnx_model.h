// ONNX models for tests, written as protobuf text.
//
//   Net net = read(model(R"(node { op_type: "Relu" input: "x" output: "y" })" + input("x", {1, 3})));

#pragma once

#include <google/protobuf/text_format.h>

#include <stdexcept>
#include <string>

#include "latgrad/net/onnx.h"
#include "latgrad/onnx.pb.h"

namespace latgrad::net::test {

// The bytes of a model of that graph; `rest` holds other fields of the ModelProto.
inline std::string model(const std::string& graph, int opset = 20, const std::string& rest = "") {
  onnx::ModelProto message;
  const std::string text = "ir_version: 9 opset_import { version: " + std::to_string(opset) + " } " + rest +
                           " graph { name: \"g\" " + graph + " }";
  if (!google::protobuf::TextFormat::ParseFromString(text, &message)) {
    throw std::runtime_error("the test's model is malformed: " + text);
  }
  return message.SerializeAsString();
}

inline std::string dims(const Shape& shape) {
  std::string text;
  for (const int64_t dim : shape) text += " dims: " + std::to_string(dim);
  return text;
}

inline std::string input(const std::string& name, const Shape& shape, int type = 1) {
  std::string text =
      "input { name: \"" + name + "\" type { tensor_type { elem_type: " + std::to_string(type) + " shape {";
  for (const int64_t dim : shape) text += " dim { dim_value: " + std::to_string(dim) + " }";
  return text + " } } } }";
}

inline std::string output(const std::string& name) { return "output { name: \"" + name + "\" }"; }

// A parameter whose data lies in a file that does not exist.
inline std::string weight(const std::string& name, const Shape& shape) {
  return "initializer { name: \"" + name + "\" data_type: 1" + dims(shape) +
         " data_location: 1 external_data { key: \"location\" value: \"../../etc/passwd\" } }";
}

// A list of 64-bit integers.
inline std::string int64s(const std::string& name, const std::vector<int64_t>& values) {
  std::string text =
      "initializer { name: \"" + name + "\" data_type: 7 dims: " + std::to_string(values.size());
  for (const int64_t value : values) text += " int64_data: " + std::to_string(value);
  return text + " }";
}

inline std::string node(const std::string& type, const std::vector<std::string>& inputs,
                        const std::vector<std::string>& outputs, const std::string& rest = "") {
  std::string text = "node { op_type: \"" + type + "\"";
  for (const std::string& name : inputs) text += " input: \"" + name + "\"";
  for (const std::string& name : outputs) text += " output: \"" + name + "\"";
  return text + " " + rest + " }";
}

inline std::string attribute(const std::string& name, int64_t value) {
  return "attribute { name: \"" + name + "\" type: 2 i: " + std::to_string(value) + " }";
}
inline std::string attribute(const std::string& name, const std::vector<int64_t>& values) {
  std::string text = "attribute { name: \"" + name + "\" type: 7";
  for (const int64_t value : values) text += " ints: " + std::to_string(value);
  return text + " }";
}
inline std::string text_attribute(const std::string& name, const std::string& value) {
  return "attribute { name: \"" + name + "\" type: 3 s: \"" + value + "\" }";
}

// "Conv, Relu".
inline std::string types_of(const Net& net) {
  std::string types;
  for (const Operator& op : net.ops) types += (types.empty() ? "" : ", ") + op.type;
  return types;
}

inline Net read(const std::string& bytes, const std::vector<InputShape>& inputs = {}) {
  return read_onnx(bytes, "model.onnx", inputs).net;
}

// Of a graph that is read.
inline std::string types_of(const std::string& graph) { return types_of(read(model(graph))); }

}  // namespace latgrad::net::test

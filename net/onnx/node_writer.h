// What the rule that writes an operator as ONNX sees: the operator's arguments and inputs, and how to add
// nodes and constants.
//
//   void write_flatten(NodeWriter& writer, std::string_view target) {
//     set_integer(writer.add(target), "axis", writer.args().integer("axis", 1));
//   }
//
// Images have the channels first here, and quantised tensors are floats, whatever the network has: OnnxWriter
// sees to that.

#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "latgrad/net/arguments.h"
#include "latgrad/net/net.h"
#include "latgrad/onnx.pb.h"

namespace latgrad::net {

class OnnxWriter;

class NodeWriter {
 public:
  struct Input {
    std::string value = {};  // of the graph, in floats; empty until a rule reads it
    TensorInfo info = {};
    bool is_parameter = false;
    bool is_quantised = false;
    bool is_image = false;    // which the graph has with the channels first
    bool is_turned = false;   // a parameter that the network has with the channels last
    std::string stored = {};  // as an operator wrote it; empty for a parameter
    // Of what is quantised, parameters have the value alone.
    std::string scale = {};
    std::string zero_point = {};
    float scale_value = 0;
  };
  struct Output {
    std::string value;
    TensorInfo info;
  };

  // `writer`, `op` and `args` outlive the object.
  NodeWriter(OnnxWriter& writer, const Operator& op, const Arguments& args, std::vector<Input> inputs,
             std::vector<Output> outputs, bool has_images);

  // latgrad's type, Int8Conv for example.
  std::string_view op_type() const { return op_.type; }
  const Arguments& args() const { return args_; }

  size_t num_inputs() const { return inputs_.size(); }
  const std::string& input(size_t index);
  bool is_parameter(size_t index) const { return inputs_[index].is_parameter; }
  const TensorInfo& info(size_t index) const { return inputs_[index].info; }
  const Shape& shape(size_t index) const { return info(index).shape; }
  // The elements of an input in another shape.
  std::string reshaped(size_t index, const Shape& shape);
  // A matrix: what is before the axis, and the rest. Of a quantised input before it is dequantised, so that
  // engines see what they multiply.
  std::string flattened(size_t index, int64_t axis);

  size_t num_outputs() const { return outputs_.size(); }
  const std::string& output(size_t index = 0) const { return outputs_[index].value; }
  const Shape& output_shape(size_t index = 0) const { return outputs_[index].info.shape; }

  // An axis of the first input, counted from the front, where the graph has it.
  int64_t axis(int64_t value) const;

  // A node with all inputs and the first output, or with these.
  onnx::NodeProto& add(std::string_view type);
  onnx::NodeProto& add(std::string_view type, std::vector<std::string> inputs,
                       std::vector<std::string> outputs);
  // Constants.
  std::string integers(const std::vector<int64_t>& values);
  std::string scalar(double value, DataType dtype = DataType::kFloat);
  // A value of its own, called after the first output.
  std::string temporary(std::string_view suffix);

  // The opset that what the rule writes needs.
  void require_opset(int64_t opset);

  // Errors: ValueError.
  [[noreturn]] void fail(const std::string& message) const;

 private:
  OnnxWriter& writer_;
  const Operator& op_;
  const Arguments& args_;
  std::vector<Input> inputs_;
  std::vector<Output> outputs_;
  bool has_images_;  // which the network has with the channels last
};

void set_integer(onnx::NodeProto& node, std::string_view name, int64_t value);
void set_integers(onnx::NodeProto& node, std::string_view name, std::span<const int64_t> values);
void set_number(onnx::NodeProto& node, std::string_view name, float value);
void set_text(onnx::NodeProto& node, std::string_view name, std::string_view value);

}  // namespace latgrad::net

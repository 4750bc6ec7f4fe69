// Normalisations and softmax.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

void batch_normalisation(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target, {0, 1, 2, 3, 4});
  add_number(op, "epsilon", node.number("epsilon", 1e-5F), 1e-5F);
  op.args.push_back(Argument::of_int("is_test", 1));
  node.emit(std::move(op));
}

void instance_normalisation(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target, {0, 1, 2});
  add_number(op, "epsilon", node.number("epsilon", 1e-5F), 1e-5F);
  node.emit(std::move(op));
}

void group_normalisation(OnnxNode& node, std::string_view target) {
  const Shape& shape = node.shape(0);
  if (shape.size() < 2) node.fail("the input must have at least 2 dimensions, got " + to_string(shape));
  Operator op = node.as(target, {0, 1, 2});
  // Up to opset 20 scale and bias are those of the groups.
  for (const size_t input : {1, 2}) {
    if (node.shape(input) == Shape{shape[1]}) continue;
    if (!node.is_constant(input)) node.fail("scale and bias must be parameters, or as many as channels");
    op.inputs[input] = node.reshaped_parameter(input, {shape[1]});
  }
  add_integer(op, "group", node.integer("num_groups", 32), 32);
  add_number(op, "epsilon", node.number("epsilon", 1e-5F), 1e-5F);
  op.args.push_back(Argument::of_int("is_test", 1));
  node.emit(std::move(op));
}

// ONNX's own operators: the attributes stay.
void from_axis(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  const auto rank = static_cast<int64_t>(node.shape(0).size());
  add_integer(op, "axis", node.axis(node.integer("axis", -1), node.shape(0).size()) - rank, -1);
  add_number(op, "epsilon", node.number("epsilon", 1e-5F), 1e-5F);
  node.emit(std::move(op));
}

void local_response(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  op.args.push_back(Argument::of_int("size", node.integer("size", 0)));
  op.args.push_back(Argument::of_float("alpha", node.number("alpha", 1e-4F)));
  op.args.push_back(Argument::of_float("beta", node.number("beta", 0.75F)));
  add_number(op, "bias", node.number("bias", 1.0F), 1.0F);
  node.emit(std::move(op));
}

void lp_normalisation(OnnxNode& node, std::string_view target) {
  if (node.integer("p", 2) != 2) node.fail("LpNormalization must have p 2");
  Operator op = node.as(target);
  const auto rank = static_cast<int64_t>(node.shape(0).size());
  add_integer(op, "axis", node.axis(node.integer("axis", -1), node.shape(0).size()) - rank, -1);
  node.emit(std::move(op));
}

// Caffe2 takes all dimensions from an axis on together, as ONNX before opset 13; since then ONNX takes that
// one.
void softmax(OnnxNode& node, std::string_view target) {
  const Shape shape = node.shape(0);
  const bool takes_one = node.opset() >= 13;
  const int64_t axis = node.axis(node.integer("axis", takes_one ? -1 : 1), shape.size());
  const auto behind = shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1;
  const bool is_last = std::all_of(behind, shape.end(), [](int64_t dim) { return dim == 1; });
  Operator op = node.as(target);
  if (!takes_one || is_last) {
    add_integer(op, "axis", axis, 1);
    return node.emit(std::move(op));
  }
  // The axis changes places with the last one.
  std::vector<int64_t> axes;
  for (size_t i = 0; i < shape.size(); ++i) axes.push_back(static_cast<int64_t>(i));
  std::swap(axes[static_cast<size_t>(axis)], axes.back());
  const auto transposed = [&](const std::string& from, const std::string& to) {
    Operator transpose = node.make("Transpose", {from}, {to});
    transpose.args.push_back(integers_argument("axes", axes));
    node.emit(std::move(transpose));
  };
  op.inputs[0] = node.temporary("axis_last");
  op.outputs[0] = node.temporary("softmax");
  add_integer(op, "axis", static_cast<int64_t>(shape.size()) - 1, 1);
  const std::string result = op.outputs[0];
  transposed(node.input(0), op.inputs[0]);
  node.emit(std::move(op));
  transposed(result, node.output(0));
}

constexpr LoweringRow kLowering[] = {
    {"BatchNormalization", "SpatialBN", batch_normalisation},
    {"GroupNormalization", "GroupNorm", group_normalisation},
    {"InstanceNormalization", "InstanceNorm", instance_normalisation},
    {"LRN", "LRN", local_response},
    {"LayerNormalization", "LayerNormalization", from_axis},
    {"LogSoftmax", "LogSoftmax", softmax},
    {"LpNormalization", "Normalize", lp_normalisation},
    {"RMSNormalization", "RMSNormalization", from_axis},
    {"Softmax", "Softmax", softmax},
};

void set_epsilon(onnx::NodeProto& node, const NodeWriter& writer) {
  set_number(node, "epsilon", writer.args().number("epsilon", 1e-5F));
}

void write_batch_normalisation(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(
      target, {writer.input(0), writer.input(1), writer.input(2), writer.input(3), writer.input(4)},
      {writer.output()});
  set_epsilon(node, writer);
}

void write_instance_normalisation(NodeWriter& writer, std::string_view target) {
  set_epsilon(writer.add(target), writer);
}

// From opset 21 on with a scale for each channel.
void write_group_normalisation(NodeWriter& writer, std::string_view target) {
  writer.require_opset(21);
  onnx::NodeProto& node = writer.add(target);
  set_integer(node, "num_groups", writer.args().integer("group", 32));
  set_epsilon(node, writer);
}

// For each channel a factor and a summand.
void write_affine_channel(NodeWriter& writer, std::string_view) {
  Shape channels(writer.shape(0).size() - 1, 1);
  channels[0] = writer.shape(0)[1];
  const std::string scaled = writer.temporary("scaled");
  writer.add("Mul", {writer.input(0), writer.reshaped(1, channels)}, {scaled});
  writer.add("Add", {scaled, writer.reshaped(2, channels)}, {writer.output()});
}

void write_from_axis(NodeWriter& writer, std::string_view target) {
  if (target == "RMSNormalization") writer.require_opset(23);
  std::vector<std::string> inputs;
  std::vector<std::string> outputs;
  for (size_t i = 0; i < writer.num_inputs(); ++i) inputs.push_back(writer.input(i));
  for (size_t i = 0; i < writer.num_outputs(); ++i) outputs.push_back(writer.output(i));
  onnx::NodeProto& node = writer.add(target, std::move(inputs), std::move(outputs));
  set_integer(node, "axis", writer.args().integer("axis", -1));
  set_epsilon(node, writer);
}

void write_local_response(NodeWriter& writer, std::string_view target) {
  const Arguments& args = writer.args();
  onnx::NodeProto& node = writer.add(target);
  set_integer(node, "size", args.integer("size", 0));
  set_number(node, "alpha", args.number("alpha", 0));
  set_number(node, "beta", args.number("beta", 0));
  set_number(node, "bias", args.number("bias", 1));
}

void write_lp_normalisation(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(target);
  set_integer(node, "axis", writer.args().integer("axis", -1));
  set_integer(node, "p", 2);
}

// Caffe2 takes all dimensions from the axis on together: where there are several, they become one.
void write_softmax(NodeWriter& writer, std::string_view target) {
  const Shape& shape = writer.shape(0);
  const int64_t axis = writer.axis(writer.args().integer("axis", 1));
  const auto behind = shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1;
  if (std::all_of(behind, shape.end(), [](int64_t dim) { return dim == 1; })) {
    set_integer(writer.add(target), "axis", axis);
    return;
  }
  const std::string rows = writer.temporary("rows");
  const std::string result = writer.temporary("of_rows");
  set_integer(writer.add("Flatten", {writer.input(0)}, {rows}), "axis", axis);
  set_integer(writer.add(target, {rows}, {result}), "axis", 1);
  writer.add("Reshape", {result, writer.integers(shape)}, {writer.output()});
}

constexpr WritingRow kWriting[] = {
    {"AffineChannel", "Mul, Add", write_affine_channel, Dimensions::kImage},
    {"GroupNorm", "GroupNormalization", write_group_normalisation, Dimensions::kImage},
    {"InstanceNorm", "InstanceNormalization", write_instance_normalisation, Dimensions::kImage},
    {"LRN", "LRN", write_local_response, Dimensions::kImage},
    {"LayerNormalization", "LayerNormalization", write_from_axis},
    {"LogSoftmax", "LogSoftmax", write_softmax},
    {"Normalize", "LpNormalization", write_lp_normalisation},
    {"RMSNormalization", "RMSNormalization", write_from_axis},
    {"Softmax", "Softmax", write_softmax},
    {"SpatialBN", "BatchNormalization", write_batch_normalisation, Dimensions::kImage},
};

}  // namespace

std::span<const LoweringRow> normalise_lowering() { return kLowering; }
std::span<const WritingRow> normalise_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops

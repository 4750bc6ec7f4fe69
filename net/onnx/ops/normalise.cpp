// Normalisations and softmax.

#include <fmt/format.h>

#include <algorithm>

#include "lowering_rows.h"

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

constexpr LoweringRow kRows[] = {
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

}  // namespace

std::span<const LoweringRow> normalise_lowering() { return kRows; }

}  // namespace latgrad::net::onnx_ops

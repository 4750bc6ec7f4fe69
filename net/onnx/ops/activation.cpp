// Functions of one tensor that keep its shape.

#include <limits>

#include "lowering_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

// Attributes that have the same name and default in Caffe2.
void with_alpha(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  if (node.has("alpha")) op.args.push_back(Argument::of_float("alpha", node.number("alpha", 0)));
  if (node.has("beta")) op.args.push_back(Argument::of_float("beta", node.number("beta", 0)));
  if (node.has("gamma")) op.args.push_back(Argument::of_float("scale", node.number("gamma", 0)));
  node.emit(std::move(op));
}

void clip(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target, {0});
  if (const auto least = node.number_at("min", 1)) {
    add_number(op, "min", static_cast<float>(*least), std::numeric_limits<float>::lowest());
  }
  if (const auto greatest = node.number_at("max", 2)) {
    add_number(op, "max", static_cast<float>(*greatest), std::numeric_limits<float>::max());
  }
  node.emit(std::move(op));
}

void gelu(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  add_integer(op, "fast_gelu", node.text("approximate", "none") == "tanh" ? 1 : 0, 0);
  node.emit(std::move(op));
}

// Caffe2's slope has one dimension, one element or one for each channel.
void prelu(OnnxNode& node, std::string_view target) {
  Operator op = node.as(target);
  const Shape slope = node.shape(1);
  if (slope.size() != 1 && node.is_constant(1)) {
    op.inputs[1] = node.reshaped_parameter(1, {num_elements(slope)});
  }
  node.emit(std::move(op));
}

void identity(OnnxNode& node, std::string_view) { node.pass(); }

// Nothing is dropped at inference.
void dropout(OnnxNode& node, std::string_view target) {
  if (node.num_outputs() == 1) return node.pass();
  Operator op = node.as(target);
  op.inputs.resize(1);
  node.emit(std::move(op));
}

constexpr LoweringRow kRows[] = {
    {"Abs", "Abs", rename},
    {"Ceil", "Ceil", rename},
    {"Clip", "Clip", clip},
    {"Cos", "Cos", rename},
    {"Dropout", "Dropout", dropout},
    {"Elu", "Elu", with_alpha},
    {"Erf", "Erf", rename},
    {"Exp", "Exp", rename},
    {"Floor", "Floor", rename},
    {"Gelu", "Gelu", gelu},
    {"HardSigmoid", "HardSigmoid", with_alpha},
    {"HardSwish", "HardSwish", rename},
    {"Identity", "no operator: a second name", identity},
    {"LeakyRelu", "LeakyRelu", with_alpha},
    {"Log", "Log", rename},
    {"Mish", "Mish", rename},
    {"Neg", "Negative", rename},
    {"Not", "Not", rename},
    {"PRelu", "PRelu", prelu},
    {"Reciprocal", "Reciprocal", rename},
    {"Relu", "Relu", rename},
    {"Round", "Round", rename},
    {"Selu", "Selu", with_alpha},
    {"Sigmoid", "Sigmoid", rename},
    {"Sign", "Sign", rename},
    {"Sin", "Sin", rename},
    {"Softplus", "Softplus", rename},
    {"Softsign", "Softsign", rename},
    {"Sqrt", "Sqrt", rename},
    {"Swish", "Swish", rename},
    {"Tanh", "Tanh", rename},
    {"ThresholdedRelu", "ThresholdedRelu", with_alpha},
};

}  // namespace

std::span<const LoweringRow> activation_lowering() { return kRows; }

}  // namespace latgrad::net::onnx_ops

// Functions of one tensor that keep its shape.

#include <limits>
#include <optional>
#include <utility>

#include "lowering_rows.h"
#include "writing_rows.h"

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

constexpr LoweringRow kLowering[] = {
    {"Abs", "Abs", rename},
    {"Ceil", "Ceil", rename},
    {"Clip", "Clip", clip},
    {"Cos", "Cos", rename},
    {"Dropout", "Dropout", dropout},
    {"Celu", "Celu", with_alpha},
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

void write_with_alpha(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(target);
  const auto set = [&](const char* name, const char* target_name) {
    if (writer.args().has(name)) set_number(node, target_name, writer.args().number(name, 0));
  };
  set("alpha", "alpha");
  set("beta", "beta");
  set("scale", "gamma");
}

// A bound that is left out is an empty name.
void add_clip(NodeWriter& writer, std::string_view target, std::optional<float> least,
              std::optional<float> greatest) {
  const DataType dtype = writer.info(0).dtype;
  std::vector<std::string> inputs = {writer.input(0)};
  if (least || greatest) inputs.push_back(least ? writer.scalar(*least, dtype) : "");
  if (greatest) inputs.push_back(writer.scalar(*greatest, dtype));
  writer.add(target, std::move(inputs), {writer.output()});
}

void write_clip(NodeWriter& writer, std::string_view target) {
  const auto bound = [&](const char* name) {
    return writer.args().has(name) ? std::optional(writer.args().number(name, 0)) : std::nullopt;
  };
  add_clip(writer, target, bound("min"), bound("max"));
}

void write_relu6(NodeWriter& writer, std::string_view target) { add_clip(writer, target, 0.0F, 6.0F); }

void write_gelu(NodeWriter& writer, std::string_view target) {
  onnx::NodeProto& node = writer.add(target);
  if (writer.args().flag("fast_gelu")) set_text(node, "approximate", "tanh");
}

void write_prelu(NodeWriter& writer, std::string_view target) {
  Shape slope = writer.shape(1);
  if (slope.size() == 1 && slope[0] != 1) slope.resize(writer.shape(0).size() - 1, 1);
  writer.add(target, {writer.input(0), writer.reshaped(1, slope)}, {writer.output()});
}

void write_swish(NodeWriter& writer, std::string_view target) {
  writer.require_opset(24);
  writer.add(target);
}

void write_square(NodeWriter& writer, std::string_view target) {
  writer.add(target, {writer.input(0), writer.input(0)}, {writer.output()});
}

void write_inverse_root(NodeWriter& writer, std::string_view) {
  const std::string root = writer.temporary("sqrt");
  writer.add("Sqrt", {writer.input(0)}, {root});
  writer.add("Reciprocal", {root}, {writer.output()});
}

constexpr WritingRow kWriting[] = {
    {"Abs", "Abs", write_renamed, Dimensions::kAny},
    {"Alias", "Identity", write_renamed, Dimensions::kAny},
    {"Ceil", "Ceil", write_renamed, Dimensions::kAny},
    {"Clip", "Clip", write_clip, Dimensions::kAny},
    {"Copy", "Identity", write_renamed, Dimensions::kAny},
    {"Cos", "Cos", write_renamed, Dimensions::kAny},
    {"Dropout", "Identity", write_renamed, Dimensions::kAny},
    {"Celu", "Celu", write_with_alpha, Dimensions::kAny},
    {"Elu", "Elu", write_with_alpha, Dimensions::kAny},
    {"Erf", "Erf", write_renamed, Dimensions::kAny},
    {"Exp", "Exp", write_renamed, Dimensions::kAny},
    {"Floor", "Floor", write_renamed, Dimensions::kAny},
    {"Gelu", "Gelu", write_gelu, Dimensions::kAny},
    {"HardSigmoid", "HardSigmoid", write_with_alpha, Dimensions::kAny},
    {"HardSwish", "HardSwish", write_renamed, Dimensions::kAny},
    {"LeakyRelu", "LeakyRelu", write_with_alpha, Dimensions::kAny},
    {"Log", "Log", write_renamed, Dimensions::kAny},
    {"Mish", "Mish", write_renamed, Dimensions::kAny},
    {"Negative", "Neg", write_renamed, Dimensions::kAny},
    {"Not", "Not", write_renamed, Dimensions::kAny},
    {"PRelu", "PRelu", write_prelu, Dimensions::kImage},
    {"Reciprocal", "Reciprocal", write_renamed, Dimensions::kAny},
    {"Relu", "Relu", write_renamed, Dimensions::kAny},
    {"Relu6", "Clip", write_relu6, Dimensions::kAny},
    {"Round", "Round", write_renamed, Dimensions::kAny},
    {"Rsqrt", "Sqrt, Reciprocal", write_inverse_root, Dimensions::kAny},
    {"Selu", "Selu", write_with_alpha, Dimensions::kAny},
    {"Sigmoid", "Sigmoid", write_renamed, Dimensions::kAny},
    {"Sign", "Sign", write_renamed, Dimensions::kAny},
    {"Sin", "Sin", write_renamed, Dimensions::kAny},
    {"Softplus", "Softplus", write_renamed, Dimensions::kAny},
    {"Softsign", "Softsign", write_renamed, Dimensions::kAny},
    {"Sqr", "Mul", write_square, Dimensions::kAny},
    {"Sqrt", "Sqrt", write_renamed, Dimensions::kAny},
    {"StopGradient", "Identity", write_renamed, Dimensions::kAny},
    {"Swish", "Swish", write_swish, Dimensions::kAny},
    {"Tanh", "Tanh", write_renamed, Dimensions::kAny},
    {"ThresholdedRelu", "ThresholdedRelu", write_with_alpha, Dimensions::kAny},
};

}  // namespace

std::span<const LoweringRow> activation_lowering() { return kLowering; }
std::span<const WritingRow> activation_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops

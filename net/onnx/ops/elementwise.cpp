// Arithmetic, comparisons and choices of several tensors.

#include <algorithm>
#include <cmath>

#include "lowering_rows.h"
#include "writing_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

bool has_equal_shapes(const OnnxNode& node) {
  for (size_t i = 1; i < node.num_inputs(); ++i) {
    if (node.shape(i) != node.shape(0)) return false;
  }
  return true;
}

// Of any number of tensors: one operator where their shapes are equal, as Caffe2 has it, else two at a time.
void joined(OnnxNode& node, std::string_view target, std::string_view pairwise) {
  if (node.num_inputs() == 1) return node.pass();
  if (has_equal_shapes(node)) return node.emit(node.as(target));
  std::string sum = node.input(0);
  for (size_t i = 1; i < node.num_inputs(); ++i) {
    const std::string out = i + 1 == node.num_inputs() ? node.output(0) : node.temporary("partial");
    node.emit(node.make(pairwise, {sum, node.input(i)}, {out}));
    sum = out;
  }
}

void sum(OnnxNode& node, std::string_view target) { joined(node, target, "Add"); }

// Caffe2 takes the mean and extremes of tensors of one shape only: the smaller ones are stretched.
void stretched(OnnxNode& node, std::string_view target) {
  if (node.num_inputs() == 1) return node.pass();
  Operator op = node.as(target);
  size_t rank = 0;
  for (size_t i = 0; i < node.num_inputs(); ++i) rank = std::max(rank, node.shape(i).size());
  Shape common(rank, 1);
  for (size_t i = 0; i < node.num_inputs(); ++i) {
    const Shape& shape = node.shape(i);
    for (size_t dim = 0; dim < shape.size(); ++dim) {
      int64_t& size = common[rank - shape.size() + dim];
      if (size == 1) size = shape[dim];
    }
  }
  for (size_t i = 0; i < node.num_inputs(); ++i) {
    if (node.shape(i) == common) continue;
    Operator expand = node.make("Expand", {node.input(i)}, {node.temporary("stretched")});
    expand.args.push_back(integers_argument("shape", common));
    op.inputs[i] = expand.outputs[0];
    node.emit(std::move(expand));
  }
  node.emit(std::move(op));
}

// Whether the second input is one known number that leaves the first its shape.
bool is_number(const OnnxNode& node) {
  const Values* value = node.values(1);
  return value != nullptr && value->size() == 1 && node.shape(1).size() <= node.shape(0).size();
}

void pow(OnnxNode& node, std::string_view target) {
  if (!is_number(node)) return rename(node, target);
  Operator op = node.as(target, {0});
  op.args.push_back(Argument::of_float("exponent", static_cast<float>(node.known_number(1))));
  node.emit(std::move(op));
}

// Caffe2's divisor is a whole number.
void mod(OnnxNode& node, std::string_view target) {
  const double divisor = is_number(node) ? node.known_number(1) : 0;
  if (divisor == 0 || std::abs(divisor) > static_cast<double>(kMaxDim) || divisor != std::trunc(divisor)) {
    throw UnknownShape();
  }
  Operator op = node.as(target, {0});
  op.args.push_back(Argument::of_int("divisor", static_cast<int64_t>(divisor)));
  add_integer(op, "sign_follow_divisor", node.integer("fmod", 0) == 0 ? 1 : 0, 0);
  node.emit(std::move(op));
}

constexpr LoweringRow kLowering[] = {
    {"Add", "Add", rename},      {"And", "And", rename},        {"Div", "Div", rename},
    {"Equal", "EQ", rename},     {"Greater", "GT", rename},     {"GreaterOrEqual", "GE", rename},
    {"Less", "LT", rename},      {"LessOrEqual", "LE", rename}, {"Max", "Max", stretched},
    {"Mean", "Mean", stretched}, {"Min", "Min", stretched},     {"Mod", "Mod", mod},
    {"Mul", "Mul", rename},      {"Or", "Or", rename},          {"Pow", "Pow", pow},
    {"Sub", "Sub", rename},      {"Sum", "Sum", sum},           {"Where", "Where", rename},
    {"Xor", "Xor", rename},
};

// With `broadcast: 1` the second input lies at an axis of the first; ONNX aligns the last dimensions.
std::string second_operand(NodeWriter& writer) {
  const Shape& first = writer.shape(0);
  Shape second = writer.shape(1);
  if (!writer.args().flag("broadcast") || second.empty() || first == second) return writer.input(1);
  if (num_elements(second) == 1) return writer.reshaped(1, {});
  const size_t axis = broadcast_axis(writer.args(), first.size(), second.size());
  second.resize(first.size() - axis, 1);
  return writer.reshaped(1, second);
}

void write_binary(NodeWriter& writer, std::string_view target) {
  writer.add(target, {writer.input(0), second_operand(writer)}, {writer.output()});
}

// Engines have a quantised Add of two, and no quantised Sum.
void write_sum(NodeWriter& writer, std::string_view) {
  const bool is_addition = writer.op_type().starts_with("Int8Sum") && writer.num_inputs() == 2;
  writer.add(is_addition ? "Add" : "Sum");
}

void write_unequal(NodeWriter& writer, std::string_view) {
  const std::string equal = writer.temporary("equal");
  writer.add("Equal", {writer.input(0), second_operand(writer)}, {equal});
  writer.add("Not", {equal}, {writer.output()});
}

void write_pow(NodeWriter& writer, std::string_view target) {
  if (writer.num_inputs() > 1) return write_binary(writer, target);
  writer.add(target, {writer.input(0), writer.scalar(writer.args().number("exponent", 1))},
             {writer.output()});
}

void write_mod(NodeWriter& writer, std::string_view target) {
  const auto divisor = static_cast<double>(writer.args().integer("divisor", 0));
  onnx::NodeProto& node =
      writer.add(target, {writer.input(0), writer.scalar(divisor, writer.info(0).dtype)}, {writer.output()});
  if (!writer.args().flag("sign_follow_divisor")) set_integer(node, "fmod", 1);
}

void write_scale(NodeWriter& writer, std::string_view target) {
  writer.add(target, {writer.input(0), writer.scalar(writer.args().number("scale", 1), writer.info(0).dtype)},
             {writer.output()});
}

constexpr WritingRow kWriting[] = {
    {"Add", "Add", write_binary, Dimensions::kAny},
    {"And", "And", write_binary, Dimensions::kAny},
    {"Div", "Div", write_binary, Dimensions::kAny},
    {"EQ", "Equal", write_binary, Dimensions::kAny},
    {"GE", "GreaterOrEqual", write_binary, Dimensions::kAny},
    {"GT", "Greater", write_binary, Dimensions::kAny},
    {"LE", "LessOrEqual", write_binary, Dimensions::kAny},
    {"LT", "Less", write_binary, Dimensions::kAny},
    {"Max", "Max", write_renamed, Dimensions::kAny},
    {"Mean", "Mean", write_renamed, Dimensions::kAny},
    {"Min", "Min", write_renamed, Dimensions::kAny},
    {"Mod", "Mod", write_mod, Dimensions::kAny},
    {"Mul", "Mul", write_binary, Dimensions::kAny},
    {"NE", "Equal, Not", write_unequal, Dimensions::kAny},
    {"Or", "Or", write_binary, Dimensions::kAny},
    {"Pow", "Pow", write_pow, Dimensions::kAny},
    {"Scale", "Mul", write_scale, Dimensions::kAny},
    {"Sub", "Sub", write_binary, Dimensions::kAny},
    {"Sum", "Sum, Add", write_sum, Dimensions::kAny},
    {"Where", "Where", write_renamed},
    {"Xor", "Xor", write_binary, Dimensions::kAny},
};

}  // namespace

std::span<const LoweringRow> elementwise_lowering() { return kLowering; }
std::span<const WritingRow> elementwise_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops

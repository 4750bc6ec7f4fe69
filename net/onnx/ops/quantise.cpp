// QuantizeLinear, DequantizeLinear, and operators of quantised tensors (QLinear*): ONNX's own and those of
// ONNX Runtime. All of them are read as float operators between Int8Dequantize and Int8Quantize;
// quantised.h makes Int8 operators of these.

#include <algorithm>

#include "lowering_rows.h"
#include "onnx_types.h"
#include "window.h"

namespace latgrad::net::onnx_ops {
namespace {

// A scale for the whole tensor: a scale for each channel, or each block, only weights have.
bool has_one_scale(const OnnxNode& node, size_t scale_at) { return num_elements(node.shape(scale_at)) == 1; }

// Other types and scales are no operators of the vocabulary.
std::string dequantised(OnnxNode& node, size_t at, size_t scale_at, std::string_view suffix) {
  const bool is_activation = !node.is_constant(at);
  if (is_activation && !(has_8_bits(node.info(at).dtype) && has_one_scale(node, scale_at))) {
    throw UnknownShape();
  }
  const std::string name = node.temporary(suffix);
  node.emit(node.make("Int8Dequantize", {node.input(at)}, {name}));
  return name;
}

// Caffe2's tensors have no sign: what is signed is shifted by half the range.
void add_quantisation(Operator& op, const OnnxNode& node, size_t scale_at, size_t zero_point_at) {
  const bool has_zero_point = node.has_input(zero_point_at);
  constexpr auto kUint8 = static_cast<int64_t>(OnnxType::kUint8);
  constexpr auto kInt8 = static_cast<int64_t>(OnnxType::kInt8);
  const int64_t output_type = node.integer("output_dtype", kUint8);
  if (has_zero_point ? !has_8_bits(node.info(zero_point_at).dtype)
                     : output_type != 0 && output_type != kUint8 && output_type != kInt8) {
    throw UnknownShape();
  }
  const bool has_one_zero_point = !has_zero_point || num_elements(node.shape(zero_point_at)) == 1;
  if (!has_one_scale(node, scale_at) || !has_one_zero_point) throw UnknownShape();
  const bool is_signed =
      has_zero_point ? node.info(zero_point_at).dtype == DataType::kInt8 : output_type == kInt8;
  if (const Values* scale = node.values(scale_at); scale != nullptr) {
    op.args.push_back(Argument::of_float("Y_scale", static_cast<float>(scale->front())));
  }
  const Values* zero_point = has_zero_point ? node.values(zero_point_at) : nullptr;
  if (zero_point != nullptr || !has_zero_point) {
    constexpr int64_t kHalfRange = 128;
    const auto value = zero_point == nullptr ? 0 : static_cast<int64_t>(zero_point->front());
    op.args.push_back(Argument::of_int("Y_zero_point", value + (is_signed ? kHalfRange : 0)));
  }
}

void quantise(OnnxNode& node, const std::string& real, size_t scale_at, size_t zero_point_at) {
  Operator op = node.make("Int8Quantize", {real}, {node.output(0)});
  add_quantisation(op, node, scale_at, zero_point_at);
  node.emit(std::move(op));
}

void quantize_linear(OnnxNode& node, std::string_view) { quantise(node, node.input(0), 1, 2); }

void dequantize_linear(OnnxNode& node, std::string_view target) {
  const bool is_activation = !node.is_constant(0);
  if (is_activation && !(has_8_bits(node.info(0).dtype) && has_one_scale(node, 1))) throw UnknownShape();
  node.emit(node.as(target, {0}));
}

// x, its scale and zero point; those of the weight; those of the result; the bias.
void conv(OnnxNode& node, std::string_view) {
  constexpr size_t kWeight = 3;
  constexpr size_t kBias = 8;
  const Shape weight = node.shape(kWeight);
  const OnnxWindow window = read_window(node, spatial_dims(node, node.shape(0)), spatial_dims(node, weight));
  std::vector<std::string> inputs = {dequantised(node, 0, 1, "x"), dequantised(node, kWeight, 4, "weight")};
  if (node.has_input(kBias)) inputs.push_back(dequantised(node, kBias, 1, "bias"));
  Operator op = node.make("Conv", std::move(inputs), {node.temporary("conv")});
  add_window(op, window);
  add_integer(op, "group", node.integer("group", 1), 1);
  const std::string result = op.outputs[0];
  node.emit(std::move(op));
  quantise(node, result, 6, 7);
}

void matmul(OnnxNode& node, std::string_view) {
  const bool are_matrices = node.shape(0).size() == 2 && node.shape(3).size() == 2;
  Operator op =
      node.make(are_matrices ? "MatMul" : "BatchMatMul",
                {dequantised(node, 0, 1, "a"), dequantised(node, 3, 4, "b")}, {node.temporary("product")});
  const std::string result = op.outputs[0];
  node.emit(std::move(op));
  quantise(node, result, 6, 7);
}

// With parameters for b and c it is a fully connected layer; without a scale of its own the result is float.
void gemm(OnnxNode& node, std::string_view) {
  constexpr size_t kWeight = 3;
  constexpr size_t kBias = 6;
  const bool has_bias = node.has_input(kBias);
  const bool is_layer = node.is_constant(kWeight) && (!has_bias || node.is_constant(kBias)) &&
                        node.integer("transA", 0) == 0 && node.number("alpha", 1) == 1;
  if (!is_layer) throw UnknownShape();
  const bool is_transposed = node.integer("transB", 0) == 0;
  const bool is_quantised = node.has_input(7);
  Operator op = node.make("MatMul", {dequantised(node, 0, 1, "a"), dequantised(node, kWeight, 4, "b")},
                          {is_quantised ? node.temporary("product") : node.output(0)});
  if (has_bias) {
    op.type = is_transposed ? "FCTransposed" : "FC";
    op.inputs.push_back(dequantised(node, kBias, 1, "c"));
  } else {
    add_integer(op, "trans_b", is_transposed ? 0 : 1, 0);
  }
  const std::string result = op.outputs[0];
  node.emit(std::move(op));
  if (is_quantised) quantise(node, result, 7, 8);
}

void binary(OnnxNode& node, std::string_view target) {
  Operator op =
      node.make(target == "Int8Mul" ? "Mul" : "Add",
                {dequantised(node, 0, 1, "a"), dequantised(node, 3, 4, "b")}, {node.temporary("result")});
  const std::string result = op.outputs[0];
  node.emit(std::move(op));
  quantise(node, result, 6, 7);
}

// One tensor in; the result's scale is the fourth input.
void unary(OnnxNode& node, Operator op) {
  op.inputs = {dequantised(node, 0, 1, "x")};
  op.outputs = {node.temporary("result")};
  const std::string result = op.outputs[0];
  node.emit(std::move(op));
  quantise(node, result, 3, 4);
}

void activation(OnnxNode& node, std::string_view target) {
  target.remove_prefix(std::string_view("Int8").size());
  Operator op = node.make(target, {}, {});
  if (node.has("alpha")) op.args.push_back(Argument::of_float("alpha", node.number("alpha", 0)));
  unary(node, std::move(op));
}

void softmax(OnnxNode& node, std::string_view) {
  const size_t rank = node.shape(0).size();
  const int64_t axis = node.axis(node.integer("axis", -1), rank);
  if (axis + 1 != static_cast<int64_t>(rank)) throw UnknownShape();
  Operator op = node.make("Softmax", {}, {});
  add_integer(op, "axis", axis, 1);
  unary(node, std::move(op));
}

void average_pool(OnnxNode& node, std::string_view) {
  if (node.integer("channels_last", 0) != 0) throw UnknownShape();
  Operator op = node.make("AveragePool", {}, {});
  if (node.type() == "QLinearGlobalAveragePool") {
    op.args.push_back(Argument::of_int("global_pooling", 1));
  } else {
    add_window(op, read_window(node, spatial_dims(node, node.shape(0)), node.integers("kernel_shape")));
    add_integer(op, "count_include_pad", node.integer("count_include_pad", 0), 0);
  }
  unary(node, std::move(op));
}

// The result's scale and zero point, then three inputs for each tensor.
void concat(OnnxNode& node, std::string_view) {
  if (node.num_inputs() < 5 || node.num_inputs() % 3 != 2) {
    node.fail("QLinearConcat must have a scale and a zero point for its result and for each tensor");
  }
  Operator op = node.make("Concat", {}, {node.temporary("result")});
  for (size_t i = 2; i < node.num_inputs(); i += 3) op.inputs.push_back(dequantised(node, i, i + 1, "x"));
  op.args.push_back(Argument::of_int("axis", node.axis(node.integer("axis", 1), node.shape(2).size())));
  const std::string result = op.outputs[0];
  node.emit(std::move(op));
  quantise(node, result, 0, 1);
}

constexpr LoweringRow kLowering[] = {
    {"DequantizeLinear", "Int8Dequantize", dequantize_linear},
    {"QLinearConv", "Int8Conv", conv},
    {"QLinearMatMul", "Int8Dequantize, MatMul, Int8Quantize", matmul},
    {"QuantizeLinear", "Int8Quantize", quantize_linear},
    {"com.microsoft.DequantizeLinear", "Int8Dequantize", dequantize_linear},
    {"com.microsoft.QGemm", "Int8FC", gemm},
    {"com.microsoft.QLinearAdd", "Int8Add", binary},
    {"com.microsoft.QLinearAveragePool", "Int8AveragePool", average_pool},
    {"com.microsoft.QLinearConcat", "Int8Concat", concat},
    {"com.microsoft.QLinearConv", "Int8Conv", conv},
    {"com.microsoft.QLinearGlobalAveragePool", "Int8AveragePool", average_pool},
    {"com.microsoft.QLinearLeakyRelu", "Int8LeakyRelu", activation},
    {"com.microsoft.QLinearMul", "Int8Mul", binary},
    {"com.microsoft.QLinearSigmoid", "Int8Sigmoid", activation},
    {"com.microsoft.QLinearSoftmax", "Int8Softmax", softmax},
    {"com.microsoft.QuantizeLinear", "Int8Quantize", quantize_linear},
};

}  // namespace

std::span<const LoweringRow> quantise_lowering() { return kLowering; }

}  // namespace latgrad::net::onnx_ops

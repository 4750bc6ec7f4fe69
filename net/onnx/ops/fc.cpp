// Gemm and MatMul.

#include "lowering_rows.h"

namespace latgrad::net::onnx_ops {
namespace {

// Of matrices Caffe2's MatMul; of more dimensions its BatchMatMul, which broadcasts as ONNX does.
void matmul(OnnxNode& node, std::string_view) {
  const bool are_matrices = node.shape(0).size() == 2 && node.shape(1).size() == 2;
  node.emit(node.as(are_matrices ? "MatMul" : "BatchMatMul"));
}

// alpha * a b + beta * c. With parameters for b and c it is a fully connected layer.
void gemm(OnnxNode& node, std::string_view) {
  const bool transposes_a = node.integer("transA", 0) != 0;
  const bool transposes_b = node.integer("transB", 0) != 0;
  const float alpha = node.number("alpha", 1);
  const float beta = node.number("beta", 1);
  const Shape& b = node.shape(1);
  if (b.size() != 2) node.fail("Gemm must multiply matrices, got " + to_string(b));
  const int64_t features = b[transposes_b ? 0 : 1];
  const bool has_bias = node.has_input(2) && beta != 0;
  const bool is_layer = !transposes_a && alpha == 1 && beta == 1 && has_bias && node.is_constant(1) &&
                        node.is_constant(2) && num_elements(node.shape(2)) == features;
  if (is_layer) {
    Operator op = node.as(transposes_b ? "FC" : "FCTransposed", {0, 1, 2});
    if (node.shape(2).size() != 1) op.inputs[2] = node.reshaped_parameter(2, {features});
    return node.emit(std::move(op));
  }
  Operator product = node.as("MatMul", {0, 1});
  add_integer(product, "trans_a", transposes_a ? 1 : 0, 0);
  add_integer(product, "trans_b", transposes_b ? 1 : 0, 0);
  // What is still to be done with the product decides where it goes.
  const auto scaled = [&](const std::string& blob, float factor, const std::string& out) {
    Operator op = node.make("Scale", {blob}, {out});
    op.args.push_back(Argument::of_float("scale", factor));
    node.emit(std::move(op));
    return out;
  };
  const bool scales = alpha != 1;
  if (scales || has_bias) product.outputs[0] = node.temporary("product");
  std::string result = product.outputs[0];
  node.emit(std::move(product));
  if (scales) result = scaled(result, alpha, has_bias ? node.temporary("scaled") : node.output(0));
  if (!has_bias) return;
  const std::string bias = beta == 1 ? node.input(2) : scaled(node.input(2), beta, node.temporary("bias"));
  node.emit(node.make("Add", {result, bias}, {node.output(0)}));
}

constexpr LoweringRow kRows[] = {
    {"Gemm", "FC, FCTransposed, MatMul", gemm},
    {"MatMul", "MatMul, BatchMatMul", matmul},
};

}  // namespace

std::span<const LoweringRow> fc_lowering() { return kRows; }

}  // namespace latgrad::net::onnx_ops

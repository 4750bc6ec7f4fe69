// Gemm and MatMul.

#include <algorithm>
#include <utility>

#include "lowering_rows.h"
#include "writing_rows.h"

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

constexpr LoweringRow kLowering[] = {
    {"Gemm", "FC, FCTransposed, MatMul", gemm},
    {"MatMul", "MatMul, BatchMatMul", matmul},
};

// Everything from `axis` on is a row; the result has the dimensions before it.
void write_fc(NodeWriter& writer, std::string_view target) {
  const Shape& input = writer.shape(0);
  const int64_t axis = writer.axis(writer.args().integer("axis", 1));
  const Shape& weight = writer.shape(1);
  const bool is_transposed = writer.op_type() == "FCTransposed";
  const int64_t features = writer.output_shape().back();
  const int64_t columns = num_elements(weight) / std::max<int64_t>(features, 1);
  const std::string rows = input.size() == 2 && axis == 1 ? writer.input(0) : writer.flattened(0, axis);
  const bool is_matrix = writer.output_shape().size() == 2;
  const std::string product = is_matrix ? writer.output() : writer.temporary("product");
  onnx::NodeProto& node = writer.add(
      target,
      {rows, writer.reshaped(1, is_transposed ? Shape{columns, features} : Shape{features, columns}),
       writer.input(2)},
      {product});
  if (!is_transposed) set_integer(node, "transB", 1);
  if (!is_matrix) {
    writer.add("Reshape", {product, writer.integers(writer.output_shape())}, {writer.output()});
  }
}

// Of matrices; of what has more dimensions, as flattened at an axis.
void write_matmul(NodeWriter& writer, std::string_view) {
  const Arguments& args = writer.args();
  const auto matrix = [&](size_t index, const char* name) {
    const Shape& shape = writer.shape(index);
    const int64_t axis = args.integer(name, 1);
    if (shape.size() == 2 && axis == 1) return writer.input(index);
    const auto at = static_cast<std::ptrdiff_t>(axis < 0 ? axis + static_cast<int64_t>(shape.size()) : axis);
    return writer.reshaped(index, {num_elements({shape.begin(), shape.begin() + at}),
                                   num_elements({shape.begin() + at, shape.end()})});
  };
  const std::string a = matrix(0, "axis_a");
  const std::string b = matrix(1, "axis_b");
  if (!args.flag("trans_a") && !args.flag("trans_b")) {
    writer.add("MatMul", {a, b}, {writer.output()});
    return;
  }
  onnx::NodeProto& node = writer.add("Gemm", {a, b}, {writer.output()});
  if (args.flag("trans_a")) set_integer(node, "transA", 1);
  if (args.flag("trans_b")) set_integer(node, "transB", 1);
}

void write_batch_matmul(NodeWriter& writer, std::string_view target) {
  const auto operand = [&](size_t index, const char* flag) {
    const size_t rank = writer.shape(index).size();
    if (!writer.args().flag(flag) || rank < 2) return writer.input(index);
    std::vector<int64_t> axes;
    for (size_t i = 0; i < rank; ++i) axes.push_back(static_cast<int64_t>(i));
    std::swap(axes[rank - 1], axes[rank - 2]);
    std::string name = writer.temporary("transposed");
    set_integers(writer.add("Transpose", {writer.input(index)}, {name}), "perm", axes);
    return name;
  };
  writer.add(target, {operand(0, "trans_a"), operand(1, "trans_b")}, {writer.output()});
}

constexpr WritingRow kWriting[] = {
    {"BatchMatMul", "MatMul", write_batch_matmul},
    {"FC", "Gemm", write_fc, Dimensions::kRows},
    {"FCTransposed", "Gemm", write_fc, Dimensions::kRows},
    {"MatMul", "MatMul, Gemm", write_matmul},
};

}  // namespace

std::span<const LoweringRow> fc_lowering() { return kLowering; }
std::span<const WritingRow> fc_writing() { return kWriting; }

}  // namespace latgrad::net::onnx_ops

// FC, MatMul, BatchMatMul and their kin.
// Source: caffe2/operators/{fc_inference,matmul_op,batch_matmul_op,distance_op}.cc, quantized/int8_fc_op.h.

#include <fmt/format.h>

#include <utility>

#include "broadcast.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

// `transposed`: the weight is [in, out] instead of [out, in].
void fully_connected(OpContext& ctx, bool transposed) {
  const Shape input = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", 1), input.size(), "axis");
  const int64_t rows = ctx.product(input, 0, axis);
  const int64_t in_features = ctx.product(input, axis, input.size());

  if (!ctx.is_known(1) && ctx.is_known(2) && ctx.parameter(2).shape.size() == 1) {
    const int64_t out_features = ctx.parameter(2).shape[0];
    ctx.expect_parameter(1, transposed ? Shape{in_features, out_features} : Shape{out_features, in_features},
                         "the weight");
  }
  const Shape weight = ctx.parameter(1).shape;
  if (weight.size() < 2) {
    ctx.fail_at_input(1,
                      fmt::format("the weight must have at least 2 dimensions, got {}", to_string(weight)));
  }
  const size_t axis_w = ctx.axis(ctx.args().integer("axis_w", 1), weight.size(), "axis_w");
  const int64_t before = ctx.product(weight, 0, axis_w);
  const int64_t after = ctx.product(weight, axis_w, weight.size());
  const int64_t out_features = transposed ? after : before;
  if ((transposed ? before : after) != in_features) {
    ctx.fail_at_input(1, fmt::format("the weight must take the {} features of input {}, got {}", in_features,
                                     to_string(input), to_string(weight)));
  }
  if (ctx.num_inputs() > 2) ctx.expect_parameter(2, {out_features}, "the bias");

  Shape output(input.begin(), input.begin() + static_cast<std::ptrdiff_t>(axis));
  output.push_back(out_features);
  ctx.add_output(std::move(output));
  ctx.set_macs(ctx.multiply(ctx.multiply(rows, in_features), out_features));
}

struct Matrix {
  int64_t rows;
  int64_t columns;
};

Matrix flatten_at(const OpContext& ctx, const Shape& shape, std::string_view axis_arg,
                  std::string_view transpose_arg) {
  const size_t axis = ctx.axis(ctx.args().integer(axis_arg, 1), shape.size(), axis_arg);
  const Matrix matrix{ctx.product(shape, 0, axis), ctx.product(shape, axis, shape.size())};
  if (ctx.args().integer(transpose_arg, 0) != 0) return {matrix.columns, matrix.rows};
  return matrix;
}

void matmul(OpContext& ctx) {
  const Shape& a_shape = ctx.activation(0, 1).shape;
  const Shape& b_shape = ctx.parameter(1).shape;
  const Matrix a = flatten_at(ctx, a_shape, "axis_a", "trans_a");
  const Matrix b = flatten_at(ctx, b_shape, "axis_b", "trans_b");
  if (a.columns != b.rows) {
    ctx.fail_at_input(1, fmt::format("the second matrix must have {} rows for the first, got {} from {}",
                                     a.columns, b.rows, to_string(b_shape)));
  }
  ctx.add_output(Shape{a.rows, b.columns});
  ctx.set_macs(ctx.multiply(ctx.multiply(a.rows, a.columns), b.columns));
}

void fc(OpContext& ctx) { fully_connected(ctx, false); }
void fc_transposed(OpContext& ctx) { fully_connected(ctx, true); }

// Matrices in the last two dimensions; the others broadcast as numpy's. A vector is a row on the left and a
// column on the right, and leaves no dimension.
void batch_matmul(OpContext& ctx) {
  Shape a = ctx.activation(0, 1).shape;
  Shape b = ctx.activation(1, 1).shape;
  const bool a_is_vector = a.size() == 1;
  const bool b_is_vector = b.size() == 1;
  if (a_is_vector) a.insert(a.begin(), 1);
  if (b_is_vector) b.push_back(1);
  if (ctx.args().flag("trans_a") && !a_is_vector) std::swap(a[a.size() - 1], a[a.size() - 2]);
  if (ctx.args().flag("trans_b") && !b_is_vector) std::swap(b[b.size() - 1], b[b.size() - 2]);
  const int64_t rows = a[a.size() - 2];
  const int64_t inner = a.back();
  const int64_t columns = b.back();
  if (b[b.size() - 2] != inner) {
    ctx.fail_at_input(1, fmt::format("the second matrix must have {} rows for the first, got {} from {}",
                                     inner, b[b.size() - 2], to_string(ctx.activation(1).shape)));
  }
  Shape shape = broadcast_shapes(ctx, Shape(a.begin(), a.end() - 2), Shape(b.begin(), b.end() - 2));
  const int64_t batch = ctx.product(shape, 0, shape.size());
  if (!a_is_vector) shape.push_back(rows);
  if (!b_is_vector) shape.push_back(columns);
  ctx.add_output(std::move(shape));
  ctx.set_macs(ctx.multiply(ctx.multiply(batch, rows), ctx.multiply(inner, columns)));
}

// One number for each row.
void dot_product(OpContext& ctx) {
  const Shape& a = ctx.activation(0).shape;
  const Shape& b = ctx.activation(1).shape;
  if (a != b) {
    ctx.fail_at_input(
        1, fmt::format("both inputs must have the same shape, got {} and {}", to_string(a), to_string(b)));
  }
  ctx.add_output(a.empty() ? Shape{1} : Shape{a[0]});
}

constexpr DefaultArgument kBatchMatMul[] = {
    {"trans_a", int64_t{0}}, {"trans_b", int64_t{0}}, {"broadcast", int64_t{0}}, {"use_scratch", int64_t{0}}};
constexpr DefaultArgument kFc[] = {{"axis", int64_t{1}}, {"axis_w", int64_t{1}}};
constexpr DefaultArgument kMatMul[] = {
    {"axis_a", int64_t{1}}, {"axis_b", int64_t{1}}, {"trans_a", int64_t{0}}, {"trans_b", int64_t{0}}};

constexpr OperatorType kRows[] = {
    {.type = "BatchMatMul",
     .inputs = {2, 2},
     .activations = kAll,
     .defaults = kBatchMatMul,
     .multiplies = true,
     .infer = batch_matmul},
    {.type = "DotProduct", .inputs = {2, 2}, .activations = kAll, .infer = dot_product},
    {.type = "FC", .inputs = {3, 3}, .defaults = kFc, .multiplies = true, .infer = fc},
    {.type = "FCTransposed", .inputs = {3, 3}, .defaults = kFc, .multiplies = true, .infer = fc_transposed},
    {.type = "MatMul",
     .inputs = {2, 3},
     .activations = kAll,
     .defaults = kMatMul,
     .multiplies = true,
     .infer = matmul},
    {.type = "Int8FC",
     .inputs = {3, 3},
     .parameter_types = kQuantisedAndBias,
     .defaults = kFc,
     .multiplies = true,
     .infer = fc},
    {.type = "Int8FCRelu",
     .inputs = {3, 3},
     .parameter_types = kQuantisedAndBias,
     .defaults = kFc,
     .multiplies = true,
     .infer = fc},
};

}  // namespace

std::span<const OperatorType> fc_rows() { return kRows; }

}  // namespace latgrad::net::ops

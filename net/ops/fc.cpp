// FC, FCTransposed, Int8FC, MatMul.
// Source: caffe2/operators/{fc_inference,matmul_op}.cc, quantized/int8_fc_op.h.

#include <fmt/format.h>

#include "operators.h"

namespace latgrad::net::ops {
namespace {

// `transposed`: the weight is [in, out] instead of [out, in].
void fully_connected(OpContext& ctx, bool transposed) {
  const Shape input = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.int_arg("axis", 1), input.size(), "axis");
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
  const size_t axis_w = ctx.axis(ctx.int_arg("axis_w", 1), weight.size(), "axis_w");
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
  const size_t axis = ctx.axis(ctx.int_arg(axis_arg, 1), shape.size(), axis_arg);
  const Matrix matrix{ctx.product(shape, 0, axis), ctx.product(shape, axis, shape.size())};
  if (ctx.int_arg(transpose_arg, 0) != 0) return {matrix.columns, matrix.rows};
  return matrix;
}

}  // namespace

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
}

void fc(OpContext& ctx) { fully_connected(ctx, false); }
void fc_transposed(OpContext& ctx) { fully_connected(ctx, true); }

}  // namespace latgrad::net::ops

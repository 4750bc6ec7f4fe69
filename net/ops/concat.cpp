// Concat and Split.
// Source: caffe2/operators/concat_split_op.{h,cc}, quantized/int8_concat_op.h.

#include <fmt/format.h>

#include <numeric>

#include "operators.h"

namespace latgrad::net::ops {
namespace {

// The argument `axis`, else the channels.
size_t axis_or_channels(const OpContext& ctx, size_t rank) {
  if (ctx.has_arg("axis")) return ctx.axis(ctx.int_arg("axis", 0), rank, "axis");
  // Caffe2's Int8Concat joins along the first axis when it is told neither axis nor order.
  if (ctx.op().type == "Int8Concat" && !ctx.has_arg("order")) return 0;
  return ctx.axis(ctx.order() == Order::kNchw ? 1 : 3, rank, "axis");
}

}  // namespace

void concat(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const bool add_axis = ctx.int_arg("add_axis", 0) != 0;
  const size_t axis = axis_or_channels(ctx, shape.size() + (add_axis ? 1 : 0));
  const Shape first = shape;
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    const Shape& other = ctx.activation(i).shape;
    Shape expected = first;
    if (!add_axis && other.size() == first.size()) expected[axis] = other[axis];
    if (other != expected) {
      ctx.fail_at_input(
          i, fmt::format("inputs must agree in all dimensions{}, got {} and {}",
                         add_axis ? "" : fmt::format(" but {}", axis), to_string(first), to_string(other)));
    }
    if (!add_axis) shape[axis] += other[axis];
  }
  const int64_t count = static_cast<int64_t>(ctx.num_inputs());
  if (add_axis) shape.insert(shape.begin() + static_cast<std::ptrdiff_t>(axis), count);
  ctx.add_output(std::move(shape));
  // split_info: what Split needs to undo this.
  if (ctx.num_outputs() > 1) ctx.add_output({{count}, DataType::kInt32});
}

void split(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 1).shape;
  const size_t axis = axis_or_channels(ctx, input.size());
  if (ctx.num_inputs() > 1) {
    ctx.fail_at_input(
        1, "the lengths of a split must be known without running the network: give the argument split");
  }
  const int64_t count = static_cast<int64_t>(ctx.num_outputs());
  std::vector<int64_t> lengths = ctx.ints_arg("split");
  if (lengths.empty()) {
    if (input[axis] % count != 0) {
      ctx.fail(
          fmt::format("dimension {} of {} must split evenly into {} outputs", axis, to_string(input), count));
    }
    lengths.assign(ctx.num_outputs(), input[axis] / count);
  }
  if (lengths.size() != ctx.num_outputs()) {
    ctx.fail_at_arg("split", fmt::format("split must have one length for each of the {} outputs, got {}",
                                         count, to_string(lengths)));
  }
  int64_t sum = 0;
  for (const int64_t length : lengths) {
    if (length < 0)
      ctx.fail_at_arg("split", fmt::format("split must not be negative, got {}", to_string(lengths)));
    sum += length;
  }
  if (sum != input[axis]) {
    ctx.fail_at_arg("split", fmt::format("split must sum up to dimension {} of {}, got {}", axis,
                                         to_string(input), to_string(lengths)));
  }
  const bool drop_axis = ctx.int_arg("add_axis", 0) != 0;
  for (const int64_t length : lengths) {
    Shape part = input;
    part[axis] = length;
    if (drop_axis) {
      if (length != 1)
        ctx.fail_at_arg("add_axis", fmt::format("add_axis must leave length 1, got {}", length));
      part.erase(part.begin() + static_cast<std::ptrdiff_t>(axis));
    }
    ctx.add_output(std::move(part));
  }
}

}  // namespace latgrad::net::ops

// Add, Sum, Mul, comparisons: several tensors in, one out.
// Source: caffe2/operators/{elementwise_ops.h,elementwise_ops_schema.cc,utility_ops.h},
// quantized/int8_add_op.h.

#include <fmt/format.h>

#include <algorithm>

#include "operators.h"

namespace latgrad::net::ops {
namespace {

[[noreturn]] void fail_to_fit(const OpContext& ctx, std::string_view rule) {
  ctx.fail_at_input(1, fmt::format("{}, got {} and {}", rule, to_string(ctx.activation(0).shape),
                                   to_string(ctx.activation(1).shape)));
}

// Each dimension must be equal or 1 on one side, counted from the back.
Shape numpy_broadcast(const OpContext& ctx, const Shape& a, const Shape& b) {
  Shape out = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  const size_t offset = out.size() - shorter.size();
  for (size_t i = 0; i < shorter.size(); ++i) {
    int64_t& dim = out[offset + i];
    if (dim == 1) {
      dim = shorter[i];
    } else if (shorter[i] != 1 && shorter[i] != dim) {
      fail_to_fit(ctx, "the shapes must be equal or broadcast");
    }
  }
  return out;
}

// `broadcast: 1`: the second input is a contiguous part of the first, which gives the shape of the result.
Shape legacy_broadcast(const OpContext& ctx, const Shape& a, const Shape& b) {
  if (num_elements(b) == 1) return a;
  if (b.size() > a.size()) fail_to_fit(ctx, "the second input must not have more dimensions than the first");
  const int64_t last_start = static_cast<int64_t>(a.size() - b.size());
  int64_t axis = ctx.int_arg("axis", -1);
  if (const Argument* axis_str = ctx.op().find_arg("axis_str"); axis_str != nullptr && axis_str->s) {
    const std::string_view letters = ctx.order() == Order::kNchw ? "NCHW" : "NHWC";
    const size_t at = axis_str->s->size() == 1 ? letters.find(*axis_str->s) : letters.npos;
    if (at == letters.npos) {
      ctx.fail_at_arg("axis_str",
                      fmt::format("axis_str must be one letter of {}, got \"{}\"", letters, *axis_str->s));
    }
    axis = static_cast<int64_t>(at);
  }
  if (axis == -1) axis = last_start;
  if (axis < 0 || axis > last_start) {
    ctx.fail_at_arg("axis", fmt::format("axis must be between 0 and {}, got {}", last_start, axis));
  }
  // Ones at either end of the second input do not count.
  const auto is_one = [](int64_t dim) { return dim == 1; };
  const auto first = std::find_if_not(b.begin(), b.end(), is_one);
  const auto last = std::find_if_not(b.rbegin(), b.rend(), is_one).base();
  if (!std::equal(first, last, a.begin() + axis + (first - b.begin()))) {
    fail_to_fit(ctx, fmt::format("the second input must match the first from axis {} on", axis));
  }
  return a;
}

Shape broadcast_shape(const OpContext& ctx) {
  const Shape& a = ctx.activation(0).shape;
  if (ctx.num_inputs() == 1) return a;  // Pow with the argument exponent
  const Shape& b = ctx.activation(1).shape;
  return ctx.int_arg("broadcast", 0) != 0 ? legacy_broadcast(ctx, a, b) : numpy_broadcast(ctx, a, b);
}

}  // namespace

void equal_shapes(OpContext& ctx) {
  const Shape& first = ctx.activation(0).shape;
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    const Shape& other = ctx.activation(i).shape;
    if (other != first) {
      ctx.fail_at_input(i, fmt::format("all inputs must have the shape of the first, got {} and {}",
                                       to_string(first), to_string(other)));
    }
  }
  ctx.add_output(first);
}

void broadcast(OpContext& ctx) { ctx.add_output(broadcast_shape(ctx)); }

void compare(OpContext& ctx) { ctx.add_output({broadcast_shape(ctx), DataType::kBool}); }

}  // namespace latgrad::net::ops

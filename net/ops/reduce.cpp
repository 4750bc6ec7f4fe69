// ReduceMean, ReduceSum, ...; ReduceFrontMean, ReduceBackMean, ...
// Source: caffe2/operators/{reduce_ops,reduce_front_back_mean_ops,reduce_front_back_sum_ops}.h.

#include <fmt/format.h>

#include <vector>

#include "operators.h"

namespace latgrad::net::ops {
namespace {

size_t num_reduce_dim(const OpContext& ctx, size_t rank) {
  const int64_t count = ctx.int_arg("num_reduce_dim", 1);
  if (count < 0 || count > static_cast<int64_t>(rank)) {
    ctx.fail_at_arg("num_reduce_dim",
                    fmt::format("num_reduce_dim must be between 0 and {}, got {}", rank, count));
  }
  return static_cast<size_t>(count);
}

}  // namespace

void reduce(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const std::vector<int64_t> axes = ctx.ints_arg("axes");
  // Without axes everything is reduced.
  std::vector<bool> reduced(input.size(), axes.empty());
  for (const int64_t axis : axes) reduced[ctx.axis(axis, input.size(), "axes")] = true;
  const bool keep = ctx.int_arg("keepdims", 1) != 0;
  Shape shape;
  for (size_t i = 0; i < input.size(); ++i) {
    if (!reduced[i]) shape.push_back(input[i]);
    if (reduced[i] && keep) shape.push_back(1);
  }
  ctx.add_output(std::move(shape));
}

void reduce_front(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const size_t count = num_reduce_dim(ctx, input.size());
  ctx.add_output(Shape(input.begin() + static_cast<std::ptrdiff_t>(count), input.end()));
}

void reduce_back(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const size_t count = num_reduce_dim(ctx, input.size());
  ctx.add_output(Shape(input.begin(), input.end() - static_cast<std::ptrdiff_t>(count)));
}

}  // namespace latgrad::net::ops

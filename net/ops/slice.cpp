// Slice, Int8Slice.
// Source: caffe2/operators/slice_op.h.

#include <fmt/format.h>

#include <algorithm>

#include "operators.h"

namespace latgrad::net::ops {

void slice(OpContext& ctx) {
  if (ctx.num_inputs() > 1) {
    ctx.fail_at_input(
        1,
        "the bounds of a slice must be known without running the network: give the arguments starts "
        "and ends");
  }
  Shape shape = ctx.activation(0).shape;
  const std::vector<int64_t> starts = ctx.ints_arg("starts");
  const std::vector<int64_t> ends = ctx.ints_arg("ends");
  if (starts.empty() || starts.size() != ends.size() || starts.size() > shape.size()) {
    ctx.fail_at_arg("starts", fmt::format("starts and ends must have as many values, and no more than {} has "
                                          "dimensions, got {} and {}",
                                          to_string(shape), to_string(starts), to_string(ends)));
  }
  for (size_t i = 0; i < starts.size(); ++i) {
    // -1 is the end, not the last element.
    const auto bound = [dim = shape[i]](int64_t value) {
      return std::min(value < 0 ? dim + 1 + value : value, dim);
    };
    const int64_t start = bound(starts[i]);
    const int64_t end = bound(ends[i]);
    if (start < 0 || end < start) {
      ctx.fail_at_arg("ends",
                      fmt::format("a slice must not end before it starts, got [{}, {}) of dimension {} of {}",
                                  starts[i], ends[i], i, to_string(ctx.activation(0).shape)));
    }
    shape[i] = end - start;
  }
  ctx.add_output(std::move(shape));
}

}  // namespace latgrad::net::ops

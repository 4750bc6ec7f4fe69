// Reshape, Flatten, Squeeze, ExpandDims, Transpose and their kin: the same elements in another shape.
// Source: caffe2/operators/{reshape_op.h,flatten_op.h,expand_squeeze_dims_op.h,transpose_op.h,utility_ops.h,
// prepend_dim_op.h}.

#include <fmt/format.h>

#include <algorithm>

#include "operators.h"

namespace latgrad::net::ops {
namespace {

// `dims` of Squeeze and ExpandDims: distinct, sorted, in [0, rank).
std::vector<int64_t> dims_arg(const OpContext& ctx, size_t rank) {
  std::vector<int64_t> dims = ctx.ints_arg("dims");
  std::ranges::sort(dims);
  dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
  if (dims.empty()) ctx.fail_at_arg("dims", "dims must be given");
  if (dims.front() < 0 || dims.back() >= static_cast<int64_t>(rank)) {
    ctx.fail_at_arg("dims", fmt::format("dims must be in [0, {}), got {}", rank, to_string(dims)));
  }
  return dims;
}

}  // namespace

void reshape(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  if (ctx.num_inputs() > 1) {
    ctx.fail_at_input(1, "the new shape must be known without running the network: give the argument shape");
  }
  if (!ctx.has_arg("shape")) ctx.fail_at_arg("shape", "the argument shape must be given");
  Shape shape = ctx.ints_arg("shape");
  const int64_t total = num_elements(input);
  int64_t known = 1;
  int64_t* open = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0) {
      if (i >= input.size()) {
        ctx.fail_at_arg("shape",
                        fmt::format("a 0 in shape must stand for a dimension of the input {}, got {}",
                                    to_string(input), to_string(shape)));
      }
      shape[i] = input[i];
    }
    if (shape[i] == -1 && open == nullptr) {
      open = &shape[i];
    } else if (shape[i] < 0) {
      ctx.fail_at_arg("shape",
                      fmt::format("shape must have no negative values but one -1, got {}", to_string(shape)));
    } else {
      known = ctx.multiply(known, shape[i]);
    }
  }
  const bool fits = open == nullptr ? known == total : known > 0 && total % known == 0;
  if (!fits) {
    ctx.fail_at_arg("shape", fmt::format("shape must hold the {} elements of the input {}, got {}", total,
                                         to_string(input), to_string(shape)));
  }
  if (open != nullptr) *open = total / known;
  ctx.add_output(std::move(shape));
  // old_shape: what a later Reshape needs to undo this.
  if (ctx.num_outputs() > 1) ctx.add_output({{static_cast<int64_t>(input.size())}, DataType::kInt64});
}

void resize_like(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0);
  const Shape& like = ctx.activation(1).shape;
  if (num_elements(input.shape) != num_elements(like)) {
    ctx.fail_at_input(1, fmt::format("both inputs must have as many elements, got {} and {}",
                                     to_string(input.shape), to_string(like)));
  }
  ctx.add_output(like);
}

void prepend_dim(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const int64_t size = ctx.int_arg("dim_size", 0);
  if (size < 1 || shape[0] % size != 0) {
    ctx.fail_at_arg("dim_size", fmt::format("dim_size must be positive and divide the first dimension of {}, "
                                            "got {}",
                                            to_string(shape), size));
  }
  shape[0] /= size;
  shape.insert(shape.begin(), size);
  ctx.add_output(std::move(shape));
}

void merge_dim(OpContext& ctx) {
  Shape shape = ctx.activation(0, 2).shape;
  shape[1] = ctx.multiply(shape[0], shape[1]);
  shape.erase(shape.begin());
  ctx.add_output(std::move(shape));
}

void flatten(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const int64_t axis = ctx.int_arg("axis", 1);
  // One past the last dimension is allowed: all elements become rows.
  if (axis < 0 || axis > static_cast<int64_t>(input.size())) {
    ctx.fail_at_arg("axis", fmt::format("axis must be between 0 and the {} dimensions of {}, got {}",
                                        input.size(), to_string(input), axis));
  }
  const auto at = static_cast<size_t>(axis);
  ctx.add_output(Shape{ctx.product(input, 0, at), ctx.product(input, at, input.size())});
}

void flatten_to_vec(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 1).shape;
  ctx.add_output(Shape{ctx.product(input, 0, input.size())});
}

void squeeze(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const std::vector<int64_t> dims = dims_arg(ctx, input.size());
  Shape shape;
  for (size_t i = 0; i < input.size(); ++i) {
    if (!std::ranges::binary_search(dims, static_cast<int64_t>(i))) {
      shape.push_back(input[i]);
    } else if (input[i] != 1) {
      ctx.fail_at_arg(
          "dims", fmt::format("a squeezed dimension must be 1, got dimension {} of {}", i, to_string(input)));
    }
  }
  ctx.add_output(std::move(shape));
}

void expand_dims(OpContext& ctx) {
  Shape shape = ctx.activation(0).shape;
  const std::vector<int64_t> dims = dims_arg(ctx, shape.size() + ctx.ints_arg("dims").size());
  for (const int64_t dim : dims) {
    if (dim > static_cast<int64_t>(shape.size())) {
      ctx.fail_at_arg("dims", fmt::format("dims must leave no gap, got {} for {}", to_string(dims),
                                          to_string(ctx.activation(0).shape)));
    }
    shape.insert(shape.begin() + dim, 1);
  }
  ctx.add_output(std::move(shape));
}

void transpose(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  std::vector<int64_t> axes = ctx.ints_arg("axes");
  if (!ctx.has_arg("axes")) {
    for (size_t i = input.size(); i > 0; --i) axes.push_back(static_cast<int64_t>(i - 1));
  }
  std::vector<int64_t> sorted = axes;
  std::ranges::sort(sorted);
  bool is_permutation = sorted.size() == input.size();
  for (size_t i = 0; is_permutation && i < sorted.size(); ++i)
    is_permutation = sorted[i] == static_cast<int64_t>(i);
  if (!is_permutation) {
    ctx.fail_at_arg("axes", fmt::format("axes must be a permutation of the {} dimensions of {}, got {}",
                                        input.size(), to_string(input), to_string(axes)));
  }
  Shape shape;
  for (const int64_t axis : axes) shape.push_back(input[static_cast<size_t>(axis)]);
  ctx.add_output(std::move(shape));
}

}  // namespace latgrad::net::ops

// Reshape, Flatten, Squeeze, ExpandDims and their kin: the same elements in another shape. Transpose, changes
// of layout, ChannelShuffle: in another order. Source:
// caffe2/operators/{reshape_op.h,flatten_op.h,expand_squeeze_dims_op.h,transpose_op.h,utility_ops.h,
// prepend_dim_op.h,order_switch_ops.h,channel_shuffle_op.h}.

#include <fmt/format.h>

#include <algorithm>

#include "elements.h"
#include "image.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

// `dims` of Squeeze and ExpandDims: distinct, sorted, in [0, rank).
std::vector<int64_t> dims_arg(const OpContext& ctx, size_t rank) {
  std::vector<int64_t> dims = ctx.args().integers("dims");
  std::ranges::sort(dims);
  dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
  if (dims.empty()) ctx.fail_at_arg("dims", "dims must be given");
  if (dims.front() < 0 || dims.back() >= static_cast<int64_t>(rank)) {
    ctx.fail_at_arg("dims", fmt::format("dims must be in [0, {}), got {}", rank, to_string(dims)));
  }
  return dims;
}

// The elements of the input, in their order, in another shape.
void add_same_elements(OpContext& ctx, Shape shape) {
  ctx.add_output(std::move(shape));
  if (ctx.values(0) != nullptr) ctx.set_values(*ctx.values(0));
}

void reshape(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const bool is_given = ctx.args().has("shape");
  if (ctx.num_inputs() == 1 && !is_given) ctx.fail_at_arg("shape", "the argument shape must be given");
  if (ctx.num_inputs() > 1 && is_given) {
    ctx.fail_at_arg("shape", "the new shape must come from an input or from the argument shape, got both");
  }
  Shape shape = ctx.num_inputs() > 1 ? ctx.known_integers(1, "the new shape") : ctx.args().integers("shape");
  // ONNX's: a 0 may also be a dimension without elements.
  const bool copies_zeros = !ctx.args().flag("allowzero");
  const int64_t total = num_elements(input);
  int64_t known = 1;
  int64_t* open = nullptr;
  for (size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && copies_zeros) {
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
  add_same_elements(ctx, std::move(shape));
  // old_shape: what a later Reshape needs to undo this.
  if (ctx.num_outputs() > 1) {
    ctx.add_output({{static_cast<int64_t>(input.size())}, DataType::kInt64});
    ctx.set_values(Values(input.begin(), input.end()));
  }
}

void resize_like(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0);
  const Shape& like = ctx.activation(1).shape;
  if (num_elements(input.shape) != num_elements(like)) {
    ctx.fail_at_input(1, fmt::format("both inputs must have as many elements, got {} and {}",
                                     to_string(input.shape), to_string(like)));
  }
  add_same_elements(ctx, like);
}

void prepend_dim(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const int64_t size = ctx.args().integer("dim_size", 0);
  if (size < 1 || shape[0] % size != 0) {
    ctx.fail_at_arg("dim_size", fmt::format("dim_size must be positive and divide the first dimension of {}, "
                                            "got {}",
                                            to_string(shape), size));
  }
  shape[0] /= size;
  shape.insert(shape.begin(), size);
  add_same_elements(ctx, std::move(shape));
}

void merge_dim(OpContext& ctx) {
  Shape shape = ctx.activation(0, 2).shape;
  shape[1] = ctx.multiply(shape[0], shape[1]);
  shape.erase(shape.begin());
  add_same_elements(ctx, std::move(shape));
}

void flatten(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const int64_t axis = ctx.args().integer("axis", 1);
  // One past the last dimension is allowed: all elements become rows.
  if (axis < 0 || axis > static_cast<int64_t>(input.size())) {
    ctx.fail_at_arg("axis", fmt::format("axis must be between 0 and the {} dimensions of {}, got {}",
                                        input.size(), to_string(input), axis));
  }
  const auto at = static_cast<size_t>(axis);
  add_same_elements(ctx, Shape{ctx.product(input, 0, at), ctx.product(input, at, input.size())});
}

void flatten_to_vec(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 1).shape;
  add_same_elements(ctx, Shape{ctx.product(input, 0, input.size())});
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
  add_same_elements(ctx, std::move(shape));
}

void expand_dims(OpContext& ctx) {
  Shape shape = ctx.activation(0).shape;
  const std::vector<int64_t> dims = dims_arg(ctx, shape.size() + ctx.args().integers("dims").size());
  for (const int64_t dim : dims) {
    if (dim > static_cast<int64_t>(shape.size())) {
      ctx.fail_at_arg("dims", fmt::format("dims must leave no gap, got {} for {}", to_string(dims),
                                          to_string(ctx.activation(0).shape)));
    }
    shape.insert(shape.begin() + dim, 1);
  }
  add_same_elements(ctx, std::move(shape));
}

void transpose(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  std::vector<int64_t> axes = ctx.args().integers("axes");
  // An argument without values says nothing.
  if (axes.empty()) {
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
  ctx.add_output(shape);
  if (const Values* values = ctx.values(0); values != nullptr) {
    ctx.set_values(make_elements(shape, [&](const Shape& index) {
      Shape source(index.size());
      for (size_t dim = 0; dim < axes.size(); ++dim) source[static_cast<size_t>(axes[dim])] = index[dim];
      return element_of(*values, ctx.activation(0).shape, source);
    }));
  }
}

void nchw_to_nhwc(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0, 3);
  ctx.add_output({join_image(split_image(input.shape, Order::kNchw), Order::kNhwc), input.dtype});
}

void nhwc_to_nchw(OpContext& ctx) {
  const TensorInfo& input = ctx.activation(0, 3);
  ctx.add_output({join_image(split_image(input.shape, Order::kNhwc), Order::kNchw), input.dtype});
}

void channel_shuffle(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 3).shape;
  const int64_t channels = input[ctx.channel_axis(input.size())];
  const int64_t group = ctx.args().integer("group", 1);
  if (group < 1 || channels % group != 0) {
    ctx.fail_at_arg("group", fmt::format("group must divide the {} channels of {}, got {}", channels,
                                         to_string(input), group));
  }
  ctx.add_output(input);
}

// Blocks of an image become channels, or channels blocks.
template <bool to_space>
void between_depth_and_space(OpContext& ctx) {
  Shape shape = ctx.activation(0).shape;
  const int64_t block = ctx.args().integer("blocksize", 0);
  if (shape.size() != 4) {
    ctx.fail_at_input(0, fmt::format("the input must have 4 dimensions, got {}", to_string(shape)));
  }
  if (block < 1) ctx.fail_at_arg("blocksize", fmt::format("blocksize must be positive, got {}", block));
  const int64_t area = ctx.multiply(block, block);
  const bool divides = to_space ? shape[1] % area == 0 : shape[2] % block == 0 && shape[3] % block == 0;
  if (!divides) {
    ctx.fail_at_arg("blocksize", fmt::format("blocksize must divide {}, got {}", to_string(shape), block));
  }
  shape[1] = to_space ? shape[1] / area : ctx.multiply(shape[1], area);
  for (const size_t dim : {2, 3})
    shape[dim] = to_space ? ctx.multiply(shape[dim], block) : shape[dim] / block;
  ctx.add_output(std::move(shape));
}

constexpr DefaultArgument kDepthToSpace[] = {{"mode", "DCR"}};
// Caffe2 reads a kernel, and makes nothing of it.
constexpr DefaultArgument kOneGroup[] = {{"group", int64_t{1}}, {"kernel", int64_t{1}}};

constexpr OperatorType kRows[] = {
    {.type = "ChannelShuffle", .defaults = kOneGroup, .infer = channel_shuffle},
    {.type = "DepthToSpace", .defaults = kDepthToSpace, .infer = between_depth_and_space<true>},
    {.type = "ExpandDims", .moves = true, .is_view = true, .infer = expand_dims},
    {.type = "Flatten", .defaults = kAxisOne, .moves = true, .is_view = true, .infer = flatten},
    {.type = "FlattenToVec", .moves = true, .is_view = true, .infer = flatten_to_vec},
    {.type = "MergeDim", .moves = true, .is_view = true, .infer = merge_dim},
    {.type = "NCHW2NHWC", .infer = nchw_to_nhwc},
    {.type = "NHWC2NCHW", .infer = nhwc_to_nchw},
    {.type = "PrependDim", .moves = true, .is_view = true, .infer = prepend_dim},
    {.type = "Reshape",
     .inputs = {1, 2},
     .outputs = {1, 2},
     .parameter_types = kLengths,
     .moves = true,
     .is_view = true,
     .infer = reshape},
    {.type = "ResizeLike",
     .inputs = {2, 2},
     .activations = kAll,
     .moves = true,
     .is_view = true,
     .infer = resize_like},
    {.type = "SpaceToDepth", .infer = between_depth_and_space<false>},
    {.type = "Squeeze", .moves = true, .is_view = true, .infer = squeeze},
    {.type = "Transpose", .moves = true, .infer = transpose},
    {.type = "Int8ChannelShuffle", .defaults = kOneGroup, .infer = channel_shuffle},
    {.type = "Int8Flatten", .defaults = kAxisOne, .moves = true, .is_view = true, .infer = flatten},
    {.type = "Int8Reshape",
     .inputs = {1, 2},
     .outputs = {1, 2},
     .parameter_types = kLengths,
     .moves = true,
     .is_view = true,
     .infer = reshape},
    {.type = "Int8Transpose", .moves = true, .infer = transpose},
};

}  // namespace

std::span<const OperatorType> reshape_rows() { return kRows; }

}  // namespace latgrad::net::ops

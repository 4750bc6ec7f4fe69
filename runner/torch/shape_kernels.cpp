// Operators that only move elements, of whatever type. Where torch gives a view of the input, so do these:
// Reshape and its kin, Slice, Split, and what does nothing at inference. Transposing copies, as in Caffe2.

#include <algorithm>
#include <numeric>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

// The input, lying as the key says, in another shape.
Kernel reshaped(const lut::OperatorKey& key, const net::Shape& shape) {
  return {.activations = {activation(key, 0, false)},
          .run = [shape](const std::vector<T>& x) { return x[0].reshape(shape); }};
}

void check_one_input(const lut::OperatorKey& key) {
  if (key.input_shapes.size() > 1) {
    throw ValueError(key.op_type + " is measured with one input alone, got " +
                     std::to_string(key.input_shapes.size()));
  }
}

Kernel make_reshape(const lut::OperatorKey& key, const Target&) {
  check_one_input(key);
  net::Shape shape = ints_arg(key, "shape");
  const net::Shape& input = input_shape(key, 0);
  for (size_t dim = 0; dim < std::min(shape.size(), input.size()); ++dim) {
    if (shape[dim] == 0) shape[dim] = input[dim];
  }
  return reshaped(key, shape);
}

Kernel make_resize_like(const lut::OperatorKey& key, const Target&) {
  return reshaped(key, input_shape(key, 1));
}

Kernel make_flatten(const lut::OperatorKey& key, const Target&) {
  return reshaped(key, flatten_from(input_shape(key, 0), int_arg(key, "axis", 1)));
}

Kernel make_flatten_to_vec(const lut::OperatorKey& key, const Target&) { return reshaped(key, {-1}); }

Kernel make_prepend_dim(const lut::OperatorKey& key, const Target&) {
  net::Shape shape = input_shape(key, 0);
  const int64_t size = int_arg(key, "dim_size", 0);
  if (shape.empty() || size < 1 || shape[0] % size != 0) {
    throw ValueError("dim_size must be positive and divide the first dimension of " + net::to_string(shape) +
                     ", got " + std::to_string(size));
  }
  shape[0] /= size;
  shape.insert(shape.begin(), size);
  return reshaped(key, shape);
}

Kernel make_merge_dim(const lut::OperatorKey& key, const Target&) {
  net::Shape shape = input_shape(key, 0);
  if (shape.size() < 2) throw ValueError("MergeDim must have 2 dimensions, got " + net::to_string(shape));
  shape[1] *= shape[0];
  shape.erase(shape.begin());
  return reshaped(key, shape);
}

std::vector<int64_t> sorted_dims(const lut::OperatorKey& key) {
  std::vector<int64_t> dims = ints_arg(key, "dims");
  std::ranges::sort(dims);
  dims.erase(std::unique(dims.begin(), dims.end()), dims.end());
  return dims;
}

Kernel make_squeeze(const lut::OperatorKey& key, const Target&) {
  const net::Shape& input = input_shape(key, 0);
  const std::vector<int64_t> dims = sorted_dims(key);
  net::Shape shape;
  for (size_t dim = 0; dim < input.size(); ++dim) {
    if (!std::ranges::binary_search(dims, static_cast<int64_t>(dim))) shape.push_back(input[dim]);
  }
  return reshaped(key, shape);  // refuses where a dimension was not 1
}

Kernel make_expand_dims(const lut::OperatorKey& key, const Target&) {
  net::Shape shape = input_shape(key, 0);
  for (int64_t dim : sorted_dims(key)) {
    if (dim < 0 || dim > static_cast<int64_t>(shape.size())) {
      throw ValueError("dims must leave no gap, got " + std::to_string(dim) + " for " +
                       net::to_string(shape));
    }
    shape.insert(shape.begin() + dim, 1);
  }
  return reshaped(key, shape);
}

Kernel make_transpose(const lut::OperatorKey& key, const Target&) {
  const Activation input = activation(key, 0, false);
  std::vector<int64_t> axes = ints_arg(key, "axes");
  if (!has_arg(key, "axes")) {
    axes.resize(input.shape.size());
    std::iota(axes.rbegin(), axes.rend(), 0);
  }
  return {.activations = {input},
          .run = [axes](const std::vector<T>& x) { return x[0].permute(axes).contiguous(); }};
}

void check_image(const lut::OperatorKey& key) {
  if (input_shape(key, 0).size() != 4) {
    throw ValueError("an image must have 4 dimensions to be measured, got " +
                     net::to_string(input_shape(key, 0)));
  }
}

Kernel make_nchw_to_nhwc(const lut::OperatorKey& key, const Target&) {
  check_image(key);
  return {.activations = {activation(key, 0, false)},
          .run = [](const std::vector<T>& x) { return x[0].contiguous(at::MemoryFormat::ChannelsLast); },
          .channels_last = true};
}

Kernel make_nhwc_to_nchw(const lut::OperatorKey& key, const Target&) {
  check_image(key);
  return {.activations = {activation(key, 0, true)},
          .run = [](const std::vector<T>& x) { return x[0].contiguous(); }};
}

// The argument `axis`, else the channels. Caffe2's Int8Concat joins along the first axis when it is told
// neither axis nor order.
int64_t axis_or_channels(const lut::OperatorKey& key) {
  if (has_arg(key, "axis")) return int_arg(key, "axis", 0);
  if (key.op_type == "Int8Concat" && !has_arg(key, "order")) return 0;
  return is_nhwc(key) ? 3 : 1;
}

Kernel make_concat(const lut::OperatorKey& key, const Target& target) {
  const size_t rank = input_shape(key, 0).size();
  const bool add_axis = int_arg(key, "add_axis", 0) != 0;
  const bool channels_last = target.channels_last && rank == 4 && !add_axis;
  Kernel kernel{.channels_last = channels_last};
  for (size_t index = 0; index < key.input_shapes.size(); ++index) {
    kernel.activations.push_back(activation(key, index, channels_last));
  }
  const int64_t axis = torch_axis(axis_or_channels(key), rank + (add_axis ? 1 : 0), channels_last);
  kernel.run = [=](const std::vector<T>& x) { return add_axis ? at::stack(x, axis) : at::cat(x, axis); };
  return kernel;
}

Kernel make_split(const lut::OperatorKey& key, const Target& target) {
  check_one_input(key);
  const std::vector<int64_t> lengths = ints_arg(key, "split");
  if (lengths.empty()) {
    throw ValueError(
        "a split must have the argument split to be measured: the key does not tell its outputs");
  }
  if (int_arg(key, "add_axis", 0) != 0) throw ValueError("add_axis must be 0 for a split to be measured");
  const Activation input = activation(key, 0, target.channels_last);
  const int64_t axis = torch_axis(axis_or_channels(key), input.shape.size(), input.channels_last);
  return {.activations = {input},
          .run = [=](const std::vector<T>& x) { return at::split_with_sizes(x[0], lengths, axis).front(); },
          .channels_last = target.channels_last};
}

Kernel make_slice(const lut::OperatorKey& key, const Target& target) {
  check_one_input(key);
  struct Bounds {
    int64_t axis, start, end;
  };
  const Activation input = activation(key, 0, target.channels_last);
  const std::vector<int64_t> starts = ints_arg(key, "starts");
  const std::vector<int64_t> ends = ints_arg(key, "ends");
  if (starts.size() != ends.size() || starts.size() > input.shape.size()) {
    throw ValueError("starts and ends must have as many values, and no more than " +
                     net::to_string(input.shape) + " has dimensions");
  }
  std::vector<Bounds> cuts;
  for (size_t dim = 0; dim < starts.size(); ++dim) {
    // -1 is the end, not the last element.
    const auto bound = [size = input.shape[dim]](int64_t value) {
      return std::min(value < 0 ? size + 1 + value : value, size);
    };
    const Bounds cut{torch_axis(static_cast<int64_t>(dim), input.shape.size(), input.channels_last),
                     bound(starts[dim]), bound(ends[dim])};
    if (cut.start != 0 || cut.end != input.shape[dim]) cuts.push_back(cut);
  }
  return {.activations = {input},
          .run =
              [cuts](const std::vector<T>& x) {
                T part = x[0];
                for (const Bounds& cut : cuts) part = at::slice(part, cut.axis, cut.start, cut.end);
                return part;
              },
          .channels_last = target.channels_last};
}

Kernel make_dropout(const lut::OperatorKey& key, const Target& target) {
  return follow(key, target, [ratio = float_arg(key, "ratio", 0.5)](const T& x) {
    return at::dropout(x, ratio, /*train=*/false);
  });
}

}  // namespace

std::span<const KernelEntry> shape_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Alias", follow_with<[](const T& x) { return at::alias(x); }>},
      {"Copy", follow_with<[](const T& x) { return at::clone(x); }>},
      {"Dropout", make_dropout},
      {"StopGradient", follow_with<[](const T& x) { return x.detach(); }>},
      {"Concat", make_concat},
      {"DepthConcat", make_concat},
      {"Int8Concat", make_concat},
      {"Split", make_split},
      {"DepthSplit", make_split},
      {"Slice", make_slice},
      {"Int8Slice", make_slice},
      {"ExpandDims", make_expand_dims},
      {"Flatten", make_flatten},
      {"Int8Flatten", make_flatten},
      {"FlattenToVec", make_flatten_to_vec},
      {"MergeDim", make_merge_dim},
      {"PrependDim", make_prepend_dim},
      {"Reshape", make_reshape},
      {"Int8Reshape", make_reshape},
      {"ResizeLike", make_resize_like},
      {"Squeeze", make_squeeze},
      {"Transpose", make_transpose},
      {"Int8Transpose", make_transpose},
      {"NCHW2NHWC", make_nchw_to_nhwc},
      {"NHWC2NCHW", make_nhwc_to_nchw},
  };
  return kKernels;
}

}  // namespace latgrad::runner

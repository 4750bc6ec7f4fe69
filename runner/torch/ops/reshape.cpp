// The same elements in another shape: a view, as torch gives. In another order: a copy, as in Caffe2.

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

Kernel make_reshape(const lut::OperatorKey& key, const Target&) {
  // A shape from a tensor is not in the key; a view costs the same whatever it shows.
  if (key.input_shapes.size() > 1) return reshaped(key, input_shape(key, 0));
  net::Shape shape = arguments(key).integers("shape");
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
  return reshaped(key, flatten_from(input_shape(key, 0), arguments(key).integer("axis", 1)));
}

Kernel make_flatten_to_vec(const lut::OperatorKey& key, const Target&) { return reshaped(key, {-1}); }

Kernel make_prepend_dim(const lut::OperatorKey& key, const Target&) {
  net::Shape shape = input_shape(key, 0);
  const int64_t size = arguments(key).integer("dim_size", 0);
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
  std::vector<int64_t> dims = arguments(key).integers("dims");
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
  std::vector<int64_t> axes = arguments(key).integers("axes");
  if (axes.empty()) {
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

Kernel make_channel_shuffle(const lut::OperatorKey& key, const Target&) {
  return by_order(key, [group = arguments(key).integer("group", 1)](const at::Tensor& x) {
    return at::channel_shuffle(x, group);
  });
}

}  // namespace

std::span<const KernelEntry> reshape_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"ChannelShuffle", make_channel_shuffle},
      {"ExpandDims", make_expand_dims},
      {"Flatten", make_flatten},
      {"FlattenToVec", make_flatten_to_vec},
      {"MergeDim", make_merge_dim},
      {"NCHW2NHWC", make_nchw_to_nhwc},
      {"NHWC2NCHW", make_nhwc_to_nchw},
      {"PrependDim", make_prepend_dim},
      {"Reshape", make_reshape},
      {"ResizeLike", make_resize_like},
      {"Squeeze", make_squeeze},
      {"Transpose", make_transpose},
      {"Int8ChannelShuffle", make_channel_shuffle},
      {"Int8Flatten", make_flatten},
      {"Int8Reshape", make_reshape},
      {"Int8Transpose", make_transpose},
  };
  return kKernels;
}

}  // namespace latgrad::runner

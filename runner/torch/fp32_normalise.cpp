// Normalisation, softmax and reductions in float.

#include <algorithm>
#include <numeric>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

double epsilon(const lut::OperatorKey& key) { return float_arg(key, "epsilon", 1e-5); }

// An image or a matrix by the key's order.
Activation channels_activation(const lut::OperatorKey& key) {
  return input_shape(key, 0).size() == 2 ? activation(key, 0, false) : image_activation(key);
}

Kernel make_spatial_bn(const lut::OperatorKey& key, const Target& target) {
  const Activation image = channels_activation(key);
  const net::Shape channels = {channels_of(image)};
  const at::Tensor scale = to_device(random_positive(channels), target);
  const at::Tensor bias = to_device(random_tensor(channels, 0.1), target);
  const at::Tensor mean = to_device(random_tensor(channels, 0.1), target);
  const at::Tensor variance = to_device(random_positive(channels), target);
  return {.activations = {image},
          .run =
              [=, eps = epsilon(key)](const std::vector<at::Tensor>& x) {
                return at::batch_norm(x[0], scale, bias, mean, variance, /*training=*/false, /*momentum=*/0,
                                      eps,
                                      /*cudnn_enabled=*/true);
              },
          .channels_last = image.channels_last};
}

Kernel make_affine_channel(const lut::OperatorKey& key, const Target& target) {
  const Activation image = channels_activation(key);
  net::Shape channels(image.shape.size(), 1);
  channels[1] = channels_of(image);
  const at::Tensor scale = to_device(random_positive(channels), target);
  const at::Tensor bias = to_device(random_tensor(channels, 0.1), target);
  return {.activations = {image},
          .run = [=](const std::vector<at::Tensor>& x) { return at::mul(x[0], scale).add_(bias); },
          .channels_last = image.channels_last};
}

Kernel make_instance_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation image = image_activation(key);
  const at::Tensor scale = to_device(random_positive({channels_of(image)}), target);
  const at::Tensor bias = to_device(random_tensor({channels_of(image)}, 0.1), target);
  return {.activations = {image},
          .run =
              [=, eps = epsilon(key)](const std::vector<at::Tensor>& x) {
                return at::instance_norm(x[0], scale, bias, {}, {}, /*use_input_stats=*/true, /*momentum=*/0,
                                         eps,
                                         /*cudnn_enabled=*/true);
              },
          .channels_last = image.channels_last};
}

Kernel make_group_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation image = channels_activation(key);
  const at::Tensor scale = to_device(random_positive({channels_of(image)}), target);
  const at::Tensor bias = to_device(random_tensor({channels_of(image)}, 0.1), target);
  return {
      .activations = {image},
      .run = [=, eps = epsilon(key), group = int_arg(key, "group", 32)](
                 const std::vector<at::Tensor>& x) { return at::group_norm(x[0], group, scale, bias, eps); },
      .channels_last = image.channels_last};
}

Kernel make_layer_norm(const lut::OperatorKey& key, const Target& target) {
  const Activation input = activation(key, 0, false);
  const int64_t axis = torch_axis(int_arg(key, "axis", 1), input.shape.size(), false);
  const net::Shape normalised(input.shape.begin() + axis, input.shape.end());
  at::Tensor scale;
  at::Tensor bias;
  if (key.input_shapes.size() > 2) {
    scale = to_device(random_positive(normalised), target);
    bias = to_device(random_tensor(normalised, 0.1), target);
  }
  return {.activations = {input}, .run = [=, eps = epsilon(key)](const std::vector<at::Tensor>& x) {
            return std::get<0>(at::native_layer_norm(x[0], normalised, scale, bias, eps));
          }};
}

// The output is a matrix: only the dimensions differ from those that Caffe2 keeps.
template <auto function>
Kernel make_softmax(const lut::OperatorKey& key, const Target&) {
  Activation matrix = activation(key, 0, false);
  matrix.shape = flatten_from(matrix.shape, int_arg(key, "axis", 1));
  return {.activations = {matrix}, .run = [](const std::vector<at::Tensor>& x) { return function(x[0], 1); }};
}

using Axes = at::IntArrayRef;
using T = at::Tensor;

template <auto function>
Kernel make_reduce(const lut::OperatorKey& key, const Target& target) {
  const net::Shape& shape = input_shape(key, 0);
  std::vector<int64_t> axes = ints_arg(key, "axes");
  if (axes.empty()) {  // all of them
    axes.resize(shape.size());
    std::iota(axes.begin(), axes.end(), 0);
  }
  const bool keep = int_arg(key, "keepdims", 1) != 0;
  const auto reduces = [&](int64_t axis) {
    return std::ranges::any_of(axes, [&](int64_t other) { return other == axis || other == axis - 4; });
  };
  // Where a row and the channels remain, in channels-last memory their order would be another one.
  const bool same_order = keep || reduces(3) || (reduces(1) && reduces(2));
  const bool channels_last = target.channels_last && shape.size() == 4 && same_order;
  for (int64_t& axis : axes) axis = torch_axis(axis, shape.size(), channels_last);
  return {.activations = {activation(key, 0, channels_last)},
          .run = [=](const std::vector<at::Tensor>& x) { return function(x[0], axes, keep); },
          .channels_last = channels_last};
}

// Reduces the first or the last dimensions.
enum class End { kFront, kBack };

template <End end, auto function>
Kernel make_reduce_end(const lut::OperatorKey& key, const Target&) {
  if (key.input_shapes.size() > 1) throw ValueError("a reduction with lengths is not measured");
  const Activation input = activation(key, 0, false);
  const auto rank = static_cast<int64_t>(input.shape.size());
  const int64_t count = int_arg(key, "num_reduce_dim", 1);
  if (count < 1 || count > rank) {
    throw ValueError("num_reduce_dim must be 1 to " + std::to_string(rank) + " to be measured, got " +
                     std::to_string(count));
  }
  std::vector<int64_t> axes(static_cast<size_t>(count));
  std::iota(axes.begin(), axes.end(), end == End::kFront ? 0 : rank - count);
  return {.activations = {input},
          .run = [axes](const std::vector<at::Tensor>& x) { return function(x[0], axes, false); }};
}

constexpr auto kL1 = [](const T& x, Axes axes, bool keep) { return at::norm(x, 1, axes, keep); };
constexpr auto kL2 = [](const T& x, Axes axes, bool keep) { return at::norm(x, 2, axes, keep); };
constexpr auto kMax = [](const T& x, Axes axes, bool keep) { return at::amax(x, axes, keep); };
constexpr auto kMean = [](const T& x, Axes axes, bool keep) { return at::mean(x, axes, keep); };
constexpr auto kMin = [](const T& x, Axes axes, bool keep) { return at::amin(x, axes, keep); };
constexpr auto kSum = [](const T& x, Axes axes, bool keep) { return at::sum(x, axes, keep); };

}  // namespace

std::span<const KernelEntry> fp32_normalise_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"AffineChannel", make_affine_channel},
      {"GroupNorm", make_group_norm},
      {"InstanceNorm", make_instance_norm},
      {"LayerNorm", make_layer_norm},
      {"SpatialBN", make_spatial_bn},
      {"LogSoftmax", make_softmax<[](const T& x, int64_t axis) { return at::log_softmax(x, axis); }>},
      {"Softmax", make_softmax<[](const T& x, int64_t axis) { return at::softmax(x, axis); }>},
      {"ReduceL1", make_reduce<kL1>},
      {"ReduceL2", make_reduce<kL2>},
      {"ReduceMax", make_reduce<kMax>},
      {"ReduceMean", make_reduce<kMean>},
      {"ReduceMin", make_reduce<kMin>},
      {"ReduceSum", make_reduce<kSum>},
      {"ReduceBackMax", make_reduce_end<End::kBack, kMax>},
      {"ReduceBackMean", make_reduce_end<End::kBack, kMean>},
      {"ReduceBackSum", make_reduce_end<End::kBack, kSum>},
      {"ReduceFrontMax", make_reduce_end<End::kFront, kMax>},
      {"ReduceFrontMean", make_reduce_end<End::kFront, kMean>},
      {"ReduceFrontSum", make_reduce_end<End::kFront, kSum>},
  };
  return kKernels;
}

}  // namespace latgrad::runner

// Pools, padding and resizing: of float images, and of quantised ones where torch's operators take both.

#include <limits>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

struct Pool {
  Activation image;
  SpatialArgs args;
};

Pool pool_of(const lut::OperatorKey& key) {
  Pool pool{.image = image_activation(key), .args = {}};
  const size_t spatial_rank = pool.image.shape.size() - 2;
  pool.args = spatial_args(key, spatial_rank);
  if (pool.args.global_pooling) {
    const auto first = pool.image.shape.begin() + (pool.args.nhwc ? 1 : 2);
    pool.args.kernel.assign(first, first + static_cast<std::ptrdiff_t>(spatial_rank));
  }
  return pool;
}

enum class Then { kNothing, kRelu };

template <Then then>
Kernel finish(Kernel kernel) {
  if (then == Then::kRelu) {
    kernel.run = [run = std::move(kernel.run)](const std::vector<at::Tensor>& x) { return run(x).relu_(); };
  }
  return kernel;
}

template <Then then>
Kernel make_max_pool(const lut::OperatorKey& key, const Target&) {
  const auto [image, args] = pool_of(key);
  // As a convolution's: torch pads both sides alike.
  std::vector<int64_t> before;
  std::vector<int64_t> pad(args.kernel.size(), 0);
  if (args.is_symmetric() || is_int8(key)) {
    pad = args.symmetric_pad();
  } else {
    before = pad_list(args.pads);
  }
  const size_t rank = args.kernel.size();
  return finish<then>({.activations = {image},
                       .run =
                           [=, kernel = args.kernel, stride = args.stride,
                            dilation = args.dilation](const std::vector<at::Tensor>& x) {
                             constexpr float kLowest = std::numeric_limits<float>::lowest();
                             const at::Tensor& input =
                                 before.empty() ? x[0] : at::constant_pad_nd(x[0], before, kLowest);
                             if (rank == 1) return at::max_pool1d(input, kernel, stride, pad, dilation);
                             if (rank == 3) return at::max_pool3d(input, kernel, stride, pad, dilation);
                             return at::max_pool2d(input, kernel, stride, pad, dilation);
                           },
                       .channels_last = args.nhwc});
}

template <Then then>
Kernel make_average_pool(const lut::OperatorKey& key, const Target&) {
  const auto [image, args] = pool_of(key);
  const std::vector<int64_t> pad = args.symmetric_pad();
  for (int64_t dilation : args.dilation) {
    if (dilation != 1) {
      throw ValueError("dilation of an average pool must be 1 to be measured, got " +
                       std::to_string(dilation));
    }
  }
  const bool count_pad = int_arg(key, "count_include_pad", 0) != 0;
  const size_t rank = args.kernel.size();
  return finish<then>({.activations = {image},
                       .run =
                           [=, kernel = args.kernel, stride = args.stride](const std::vector<at::Tensor>& x) {
                             constexpr bool kCeil = false;
                             if (rank == 1)
                               return at::avg_pool1d(x[0], kernel, stride, pad, kCeil, count_pad);
                             if (rank == 3)
                               return at::avg_pool3d(x[0], kernel, stride, pad, kCeil, count_pad);
                             return at::avg_pool2d(x[0], kernel, stride, pad, kCeil, count_pad);
                           },
                       .channels_last = args.nhwc});
}

Kernel make_channel_shuffle(const lut::OperatorKey& key, const Target&) {
  return by_order(
      key, [group = int_arg(key, "group", 1)](const at::Tensor& x) { return at::channel_shuffle(x, group); });
}

Kernel make_pad_image(const lut::OperatorKey& key, const Target&) {
  const std::vector<int64_t> pads = pad_list(spatial_args(key, input_shape(key, 0).size() - 2).pads);
  const std::string mode(string_arg(key, "mode", "constant"));
  if (mode == "constant") {
    return by_order(key, [pads, value = float_arg(key, "value", 0)](const at::Tensor& x) {
      return at::constant_pad_nd(x, pads, value);
    });
  }
  if (mode == "reflect") {
    return by_order(key, [pads](const at::Tensor& x) { return at::reflection_pad2d(x, pads); });
  }
  if (mode == "edge") {
    return by_order(key, [pads](const at::Tensor& x) { return at::replication_pad2d(x, pads); });
  }
  throw ValueError("mode must be constant, reflect or edge, got \"" + mode + "\"");
}

// Height and width times the scales, in single precision and rounded down, as Caffe2 computes them.
std::vector<int64_t> resized(const lut::OperatorKey& key) {
  if (key.input_shapes.size() > 1) throw ValueError("a resize to scales from a tensor is not measured");
  const Activation image = image_activation(key);
  if (image.shape.size() != 4) {
    throw ValueError("an image must have 4 dimensions to be resized, got " + net::to_string(image.shape));
  }
  const size_t height = is_nhwc(key) ? 1 : 2;
  const auto scale = [&](size_t axis, const char* name) {
    return static_cast<int64_t>(static_cast<float>(image.shape[axis]) *
                                static_cast<float>(float_arg(key, name, 1)));
  };
  return {scale(height, "height_scale"), scale(height + 1, "width_scale")};
}

Kernel make_resize_nearest(const lut::OperatorKey& key, const Target&) {
  return by_order(key,
                  [size = resized(key)](const at::Tensor& x) { return at::upsample_nearest2d(x, size); });
}

Kernel make_upsample_bilinear(const lut::OperatorKey& key, const Target&) {
  return by_order(key, [size = resized(key)](const at::Tensor& x) {
    return at::upsample_bilinear2d(x, size, /*align_corners=*/true);
  });
}

Kernel make_upsample_nearest(const lut::OperatorKey& key, const Target&) {
  const Activation image = activation(key, 0, false);  // NCHW, whatever it says
  if (image.shape.size() != 4) {
    throw ValueError("an image must have 4 dimensions to be resized, got " + net::to_string(image.shape));
  }
  const int64_t scale = int_arg(key, "scale", 2);
  const std::vector<int64_t> size = {image.shape[2] * scale, image.shape[3] * scale};
  return {.activations = {image},
          .run = [size](const std::vector<at::Tensor>& x) { return at::upsample_nearest2d(x[0], size); }};
}

}  // namespace

std::span<const KernelEntry> image_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"AveragePool", make_average_pool<Then::kNothing>},
      {"AveragePool1D", make_average_pool<Then::kNothing>},
      {"AveragePool2D", make_average_pool<Then::kNothing>},
      {"AveragePool3D", make_average_pool<Then::kNothing>},
      {"Int8AveragePool", make_average_pool<Then::kNothing>},
      {"Int8AveragePoolRelu", make_average_pool<Then::kRelu>},
      {"MaxPool", make_max_pool<Then::kNothing>},
      {"MaxPool1D", make_max_pool<Then::kNothing>},
      {"MaxPool2D", make_max_pool<Then::kNothing>},
      {"MaxPool3D", make_max_pool<Then::kNothing>},
      {"Int8MaxPool", make_max_pool<Then::kNothing>},
      {"Int8MaxPoolRelu", make_max_pool<Then::kRelu>},
      {"ChannelShuffle", make_channel_shuffle},
      {"Int8ChannelShuffle", make_channel_shuffle},
      {"PadImage", make_pad_image},
      {"ResizeNearest", make_resize_nearest},
      {"Int8ResizeNearest", make_resize_nearest},
      {"UpsampleBilinear", make_upsample_bilinear},
      {"UpsampleNearest", make_upsample_nearest},
  };
  return kKernels;
}

}  // namespace latgrad::runner

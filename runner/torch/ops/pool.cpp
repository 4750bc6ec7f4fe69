// Pools and the padding of images, of either type: torch's operators take both.

#include <algorithm>
#include <limits>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

enum class Then { kNothing, kRelu };

template <Then then>
Kernel finish(Kernel kernel) {
  if (then == Then::kRelu) {
    kernel.run = [run = std::move(kernel.run)](const std::vector<T>& x) { return run(x).relu_(); };
  }
  return kernel;
}

// How torch pads and counts where Caffe2 does as the window says.
struct PoolPadding {
  Padding padding;
  bool round_up = false;  // torch's ceil_mode: windows may reach beyond the image at its end
};

// How many windows torch finds along a dimension with ceil_mode.
int64_t count_rounding_up(const ImageWindow& window, size_t dim) {
  const int64_t size = window.spatial[dim];
  const int64_t head = window.pads[dim];
  const int64_t stride = window.stride[dim];
  const int64_t room = size + 2 * head - window.dilation[dim] * (window.kernel[dim] - 1) - 1;
  const int64_t count = (room + stride - 1) / stride + 1;
  return (count - 1) * stride >= size + head ? count - 1 : count;
}

PoolPadding pool_padding(const lut::OperatorKey& key, const ImageWindow& window) {
  const size_t rank = window.kernel.size();
  const std::vector<int64_t> heads(window.pads.begin(),
                                   window.pads.begin() + static_cast<std::ptrdiff_t>(rank));
  bool fits_torch = !is_int8(key);
  for (size_t dim = 0; dim < rank; ++dim) {
    fits_torch = fits_torch && heads[dim] >= 0 && heads[dim] <= window.kernel[dim] / 2 &&
                 count_rounding_up(window, dim) == window.counts[dim];
  }
  Padding padding = padding_of(window);
  // Torch refuses to pad by more than half a kernel.
  for (size_t dim = 0; dim < rank; ++dim) {
    if (padding.before.empty() && heads[dim] > window.kernel[dim] / 2) padding = pad_a_copy(window);
  }
  if (padding.before.empty() || !fits_torch) return {.padding = padding};
  return {.padding = {.both_sides = heads}, .round_up = true};
}

template <Then then>
Kernel make_max_pool(const lut::OperatorKey& key, const Target&) {
  const ImageWindow window = image_window(key);
  return finish<then>(
      {.activations = {window.image},
       .run =
           [pool = pool_padding(key, window), rank = window.kernel.size(), kernel = window.kernel,
            stride = window.stride, dilation = window.dilation](const std::vector<T>& x) {
             constexpr float kLowest = std::numeric_limits<float>::lowest();
             const auto& [both_sides, before] = pool.padding;
             const T& input = before.empty() ? x[0] : at::constant_pad_nd(x[0], before, kLowest);
             if (rank == 1) return at::max_pool1d(input, kernel, stride, both_sides, dilation, pool.round_up);
             if (rank == 3) return at::max_pool3d(input, kernel, stride, both_sides, dilation, pool.round_up);
             return at::max_pool2d(input, kernel, stride, both_sides, dilation, pool.round_up);
           },
       .channels_last = is_nhwc(key)});
}

template <Then then>
Kernel make_average_pool(const lut::OperatorKey& key, const Target&) {
  const ImageWindow window = image_window(key);
  for (int64_t dilation : window.dilation) {
    if (dilation != 1) {
      throw ValueError("dilation of an average pool must be 1 to be measured, got " +
                       std::to_string(dilation));
    }
  }
  return finish<then>(
      {.activations = {window.image},
       .run =
           [pool = pool_padding(key, window), rank = window.kernel.size(), kernel = window.kernel,
            stride = window.stride,
            count_pad = arguments(key).flag("count_include_pad")](const std::vector<T>& x) {
             const auto& [both_sides, before] = pool.padding;
             const T& input = before.empty() ? x[0] : at::constant_pad_nd(x[0], before, 0);
             if (rank == 1)
               return at::avg_pool1d(input, kernel, stride, both_sides, pool.round_up, count_pad);
             if (rank == 3)
               return at::avg_pool3d(input, kernel, stride, both_sides, pool.round_up, count_pad);
             return at::avg_pool2d(input, kernel, stride, both_sides, pool.round_up, count_pad);
           },
       .channels_last = is_nhwc(key)});
}

Kernel make_pad_image(const lut::OperatorKey& key, const Target&) {
  const std::vector<int64_t> pads =
      pad_list(net::pads_of(arguments(key), image_activation(key).shape.size() - 2));
  const std::string mode(arguments(key).text("mode", "constant"));
  if (mode == "constant") {
    return by_order(key, [pads, value = arguments(key).number("value", 0)](const at::Tensor& x) {
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

// Of any dimensions, with a value alone.
Kernel make_pad(const lut::OperatorKey& key, const Target&) {
  const std::string mode(arguments(key).text("mode", "constant"));
  if (mode != "constant") throw ValueError("mode must be constant to be measured, got \"" + mode + "\"");
  return {
      .activations = {activation(key, 0, false)},
      .run = [pads = pad_list(arguments(key).integers("pads")), value = arguments(key).number("value", 0)](
                 const std::vector<T>& x) { return at::constant_pad_nd(x[0], pads, value); }};
}

}  // namespace

std::span<const KernelEntry> pool_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"AveragePool", make_average_pool<Then::kNothing>},
      {"AveragePool1D", make_average_pool<Then::kNothing>},
      {"AveragePool2D", make_average_pool<Then::kNothing>},
      {"AveragePool3D", make_average_pool<Then::kNothing>},
      {"MaxPool", make_max_pool<Then::kNothing>},
      {"MaxPool1D", make_max_pool<Then::kNothing>},
      {"MaxPool2D", make_max_pool<Then::kNothing>},
      {"MaxPool3D", make_max_pool<Then::kNothing>},
      {"Pad", make_pad},
      {"PadImage", make_pad_image},
      {"Int8AveragePool", make_average_pool<Then::kNothing>},
      {"Int8AveragePoolRelu", make_average_pool<Then::kRelu>},
      {"Int8MaxPool", make_max_pool<Then::kNothing>},
      {"Int8MaxPoolRelu", make_max_pool<Then::kRelu>},
  };
  return kKernels;
}

}  // namespace latgrad::runner

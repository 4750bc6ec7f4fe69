// Images at another size, of either type.

#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

// Height and width of the output.
std::vector<int64_t> resized(const lut::OperatorKey& key) {
  if (key.input_shapes.size() > 1) throw ValueError("a resize to scales from a tensor is not measured");
  const net::Shape output = infer_alone(key).ops[0].outputs[0].shape;
  return is_nhwc(key) ? std::vector<int64_t>{output[1], output[2]}
                      : std::vector<int64_t>{output[2], output[3]};
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
  const int64_t scale = arguments(key).integer("scale", 2);
  const std::vector<int64_t> size = {image.shape[2] * scale, image.shape[3] * scale};
  return {.activations = {image},
          .run = [size](const std::vector<at::Tensor>& x) { return at::upsample_nearest2d(x[0], size); }};
}

// ONNX's, of images by cubic functions; the other kinds have Caffe2's operators.
Kernel make_resize(const lut::OperatorKey& key, const Target&) {
  const net::Shape input = input_shape(key, 0);
  const std::vector<int64_t> sizes = arguments(key).integers("sizes");
  const std::string mode(arguments(key).text("mode", "nearest"));
  if (mode != "cubic" || input.size() != 4 || sizes[0] != input[0] || sizes[1] != input[1]) {
    throw ValueError("a Resize must be cubic and of height and width alone to be measured, got mode \"" +
                     mode + "\" and sizes " + net::to_string(sizes));
  }
  return {.activations = {activation(key, 0, false)},
          .run = [size = std::vector<int64_t>{sizes[2], sizes[3]}](const std::vector<T>& x) {
            return at::upsample_bicubic2d(x[0], size, /*align_corners=*/false);
          }};
}

}  // namespace

std::span<const KernelEntry> resize_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"Resize", make_resize},
      {"ResizeNearest", make_resize_nearest},
      {"UpsampleBilinear", make_upsample_bilinear},
      {"UpsampleNearest", make_upsample_nearest},
      {"Int8ResizeNearest", make_resize_nearest},
  };
  return kKernels;
}

}  // namespace latgrad::runner

// What detectors are made of beside convolutions.

#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

// LibTorch has no such operator: every box is sampled by its grid_sampler, a few points for each element of
// the output, which are averaged. Boxes are the kernel's own: where they lie changes no time.
Kernel make_roi_align(const lut::OperatorKey& key, const Target& target) {
  const Activation image = image_activation(key);
  if (image.shape.size() != 4) {
    throw ValueError("an image must have 4 dimensions to be measured, got " + net::to_string(image.shape));
  }
  constexpr int64_t kUsualSampling = 2;
  const int64_t asked = arguments(key).integer("sampling_ratio", -1);
  const int64_t sampling = asked > 0 ? asked : kUsualSampling;
  if (input_shape(key, 1).size() != 2) {
    throw ValueError("boxes must be [count, 4 to 6], got " + net::to_string(input_shape(key, 1)));
  }
  const int64_t boxes = input_shape(key, 1)[0];
  const int64_t height = arguments(key).integer("pooled_h", 1) * sampling;
  const int64_t width = arguments(key).integer("pooled_w", 1) * sampling;
  if (boxes < 1 || height < 1 || width < 1)
    throw ValueError("RoIAlign must have boxes and an output to be measured");
  const T grid = to_device(at::empty({boxes, height, width, 2}).uniform_(-1, 1), target);
  return {.activations = {image},
          .run =
              [=](const std::vector<T>& x) {
                const T first = x[0].narrow(0, 0, 1);
                const T samples = at::grid_sampler_2d(first.expand({boxes, -1, -1, -1}), grid, /*bilinear=*/0,
                                                      /*padding=zeros*/ 0, /*align_corners=*/false);
                return at::avg_pool2d(samples, {sampling, sampling});
              },
          .channels_last = image.channels_last};
}

}  // namespace

std::span<const KernelEntry> detection_kernels() {
  static constexpr KernelEntry kKernels[] = {
      {"RoIAlign", make_roi_align},
  };
  return kKernels;
}

}  // namespace latgrad::runner

// The same elements in another shape: a view, as torch gives. In another order: a copy, as in Caffe2.

#include <numeric>
#include <string>

#include "kernels.h"
#include "latgrad/base/error.h"

namespace latgrad::runner {
namespace {

using T = at::Tensor;

// The input, lying as the key says, in the shape that inference tells. A shape from a tensor is not in the
// key: there the input's own, as a view costs the same whatever it shows.
Kernel make_view(const lut::OperatorKey& key, const Target&) {
  const net::OpShapes shapes = infer_alone(key).ops[0];
  return {.activations = {activation(key, 0, false)},
          .run = [shape = shapes.known ? shapes.outputs[0].shape : input_shape(key, 0)](
                     const std::vector<T>& x) { return x[0].reshape(shape); }};
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

Kernel make_depth_to_space(const lut::OperatorKey& key, const Target&) {
  check_image(key);
  const int64_t block = arguments(key).integer("blocksize", 0);
  // In the other mode ("DCR") the block comes before the channels.
  const bool is_torchs = arguments(key).text("mode", "DCR") == "CRD";
  return {.activations = {activation(key, 0, false)}, .run = [=](const std::vector<T>& x) {
            if (is_torchs) return at::pixel_shuffle(x[0], block);
            const T& image = x[0];
            const int64_t channels = image.size(1) / (block * block);
            return image.reshape({image.size(0), block, block, channels, image.size(2), image.size(3)})
                .permute({0, 3, 4, 1, 5, 2})
                .reshape({image.size(0), channels, image.size(2) * block, image.size(3) * block});
          }};
}

Kernel make_space_to_depth(const lut::OperatorKey& key, const Target&) {
  check_image(key);
  return {.activations = {activation(key, 0, false)},
          .run = [block = arguments(key).integer("blocksize", 0)](const std::vector<T>& x) {
            return at::pixel_unshuffle(x[0], block);
          }};
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
      {"DepthToSpace", make_depth_to_space},
      {"ExpandDims", make_view},
      {"Flatten", make_view},
      {"FlattenToVec", make_view},
      {"MergeDim", make_view},
      {"NCHW2NHWC", make_nchw_to_nhwc},
      {"NHWC2NCHW", make_nhwc_to_nchw},
      {"PrependDim", make_view},
      {"Reshape", make_view},
      {"ResizeLike", make_view},
      {"SpaceToDepth", make_space_to_depth},
      {"Squeeze", make_view},
      {"Transpose", make_transpose},
      {"Int8ChannelShuffle", make_channel_shuffle},
      {"Int8Flatten", make_view},
      {"Int8Reshape", make_view},
      {"Int8Transpose", make_transpose},
  };
  return kKernels;
}

}  // namespace latgrad::runner

// ResizeNearest, UpsampleBilinear, Int8ResizeNearest.
// Source: caffe2/operators/{resize_op,upsample_op}.cc, quantized/int8_resize_nearest_op.h.

#include <fmt/format.h>

#include <array>

#include "image.h"
#include "operators.h"

namespace latgrad::lut::shape {

void resize(OpContext& ctx) {
  const Order order = ctx.order();
  Image image = split_image(ctx.activation(0, 4).shape, order);
  if (image.spatial.size() != 2) {
    ctx.fail_at_input(
        0, fmt::format("the input must have 4 dimensions, got {}", to_string(ctx.activation(0).shape)));
  }
  if (ctx.num_inputs() > 1) {
    ctx.fail_at_input(
        1, "the scales must be known without running the network: give height_scale and width_scale");
  }
  constexpr std::array kScales = {"height_scale", "width_scale"};
  for (size_t dim = 0; dim < kScales.size(); ++dim) {
    const float scale = ctx.float_arg(kScales[dim], 1.0f);
    // Single precision, rounded down: as Caffe2 computes it.
    const float size = static_cast<float>(image.spatial[dim]) * scale;
    if (!(scale > 0) || !(size >= 1) || !(size < static_cast<float>(kMaxDim))) {
      ctx.fail_at_arg(kScales[dim], fmt::format("{} must give a size from 1 to 2^31, got {} of {}",
                                                kScales[dim], scale, image.spatial[dim]));
    }
    image.spatial[dim] = static_cast<int64_t>(size);
  }
  ctx.add_output(join_image(image, order));
}

}  // namespace latgrad::lut::shape

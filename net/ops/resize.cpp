// ResizeNearest, UpsampleBilinear, UpsampleNearest, Int8ResizeNearest.
// Source: caffe2/operators/{resize_op,upsample_op}.cc, quantized/int8_resize_nearest_op.h,
// modules/detectron/upsample_nearest_op.h.

#include <fmt/format.h>

#include <array>
#include <utility>

#include "image.h"
#include "operators.h"

namespace latgrad::net::ops {

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

void upsample_nearest(OpContext& ctx) {
  Shape shape = ctx.activation(0, 3).shape;
  const int64_t scale = ctx.int_arg("scale", 2);
  if (scale < 1) ctx.fail_at_arg("scale", fmt::format("scale must be positive, got {}", scale));
  for (size_t dim = shape.size() - 2; dim < shape.size(); ++dim) shape[dim] = ctx.multiply(shape[dim], scale);
  ctx.add_output(std::move(shape));
}

}  // namespace latgrad::net::ops

// ResizeNearest, UpsampleBilinear, UpsampleNearest, Int8ResizeNearest.
// Source: caffe2/operators/{resize_op,upsample_op}.cc, quantized/int8_resize_nearest_op.h,
// modules/detectron/upsample_nearest_op.h.

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "image.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

void resize(OpContext& ctx) {
  const Order order = ctx.args().order();
  Image image = split_image(ctx.activation(0, 4).shape, order);
  if (image.spatial.size() != 2) {
    ctx.fail_at_input(
        0, fmt::format("the input must have 4 dimensions, got {}", to_string(ctx.activation(0).shape)));
  }
  constexpr std::array kNames = {"height_scale", "width_scale"};
  std::array<float, 2> scales = {};
  for (size_t dim = 0; dim < kNames.size(); ++dim) scales[dim] = ctx.args().number(kNames[dim], 1.0F);
  if (ctx.num_inputs() > 1) {
    const Values* values = ctx.values(1);
    if (values == nullptr) ctx.fail_unknown(1, "the scales");
    if (values->size() != scales.size()) {
      ctx.fail_at_input(1, fmt::format("the scales must be 2, of height and width, got {}", values->size()));
    }
    std::ranges::transform(*values, scales.begin(), [](double value) { return static_cast<float>(value); });
  }
  for (size_t dim = 0; dim < scales.size(); ++dim) {
    const float scale = scales[dim];
    // Single precision, rounded down: as Caffe2 computes it.
    const float size = static_cast<float>(image.spatial[dim]) * scale;
    if (!(scale > 0) || !(size >= 1) || !(size < static_cast<float>(kMaxDim))) {
      ctx.fail_at_arg(kNames[dim], fmt::format("{} must give a size from 1 to 2^31, got {} of {}",
                                               kNames[dim], scale, image.spatial[dim]));
    }
    image.spatial[dim] = static_cast<int64_t>(size);
  }
  ctx.add_output(join_image(image, order));
}

void upsample_nearest(OpContext& ctx) {
  Shape shape = ctx.activation(0, 3).shape;
  const int64_t scale = ctx.args().integer("scale", 2);
  if (scale < 1) ctx.fail_at_arg("scale", fmt::format("scale must be positive, got {}", scale));
  for (size_t dim = shape.size() - 2; dim < shape.size(); ++dim) shape[dim] = ctx.multiply(shape[dim], scale);
  ctx.add_output(std::move(shape));
}

// ONNX's: all dimensions to `sizes`.
void resize_to(OpContext& ctx) {
  const Shape& input = ctx.activation(0).shape;
  const Shape sizes = ctx.args().integers("sizes");
  if (sizes.size() != input.size()) {
    ctx.fail_at_arg("sizes", fmt::format("sizes must have one value for each dimension of {}, got {}",
                                         to_string(input), to_string(sizes)));
  }
  ctx.add_output(sizes);
}

constexpr DefaultArgument kScale[] = {{"scale", int64_t{2}}};
constexpr DefaultArgument kScales[] = {{"height_scale", 1.0F}, {"width_scale", 1.0F}};

constexpr OperatorType kRows[] = {
    {.type = "Resize", .infer = resize_to},
    {.type = "ResizeNearest", .inputs = {1, 2}, .defaults = kScales, .infer = resize},
    {.type = "UpsampleBilinear", .inputs = {1, 2}, .defaults = kScales, .infer = resize},
    {.type = "UpsampleNearest", .defaults = kScale, .infer = upsample_nearest},
    {.type = "Int8ResizeNearest", .inputs = {1, 2}, .defaults = kScales, .infer = resize},
};

}  // namespace

std::span<const OperatorType> resize_rows() { return kRows; }

}  // namespace latgrad::net::ops

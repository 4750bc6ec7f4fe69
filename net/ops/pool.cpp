// MaxPool, AveragePool, PadImage and their kin.
// Source: caffe2/operators/{conv_pool_op_base.h,pool_op.cc,pad_op.cc}.

#include <fmt/format.h>

#include "image.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

void pool(OpContext& ctx) {
  const Order order = ctx.args().order();
  const Image in = split_image(ctx.activation(0, 3).shape, order);
  ctx.add_output(join_image({in.batch, in.channels, window_over(ctx.args(), in.spatial).counts}, order));
  // MaxPoolWithIndex says where each maximum was.
  if (ctx.num_outputs() > 1) ctx.add_output({ctx.outputs()[0].shape, DataType::kInt32});
}

void pad_image(OpContext& ctx) {
  const Order order = ctx.args().order();
  Image image = split_image(ctx.activation(0, 3).shape, order);
  const size_t rank = image.spatial.size();
  const std::vector<int64_t> pads = pads_of(ctx.args(), rank);
  for (size_t dim = 0; dim < rank; ++dim) {
    image.spatial[dim] += pads[dim] + pads[rank + dim];
    if (image.spatial[dim] < 1) {
      ctx.fail_at_arg("pads", fmt::format("negative pads must leave some of the image, got {} of input {}",
                                          to_string(pads), to_string(ctx.activation(0).shape)));
    }
  }
  ctx.add_output(join_image(image, order));
}

// ONNX's: of any dimensions.
void pad(OpContext& ctx) {
  Shape shape = ctx.activation(0, 1).shape;
  const std::vector<int64_t> pads = ctx.args().integers("pads");
  if (pads.size() != 2 * shape.size()) {
    ctx.fail_at_arg("pads", fmt::format("pads must have two values for each dimension of {}, got {}",
                                        to_string(shape), to_string(pads)));
  }
  for (size_t dim = 0; dim < shape.size(); ++dim) {
    for (const int64_t pad : {pads[dim], pads[shape.size() + dim]}) {
      if (pad < -kMaxDim || pad > kMaxDim) {
        ctx.fail_at_arg("pads", fmt::format("pads must fit 32 bits, got {}", to_string(pads)));
      }
      shape[dim] += pad;
    }
    if (shape[dim] < 0) {
      ctx.fail_at_arg("pads",
                      fmt::format("negative pads must not take more than there is, got {} of input {}",
                                  to_string(pads), to_string(ctx.activation(0).shape)));
    }
  }
  ctx.add_output(std::move(shape));
}

constexpr DefaultArgument kAverage[] = {{"count_include_pad", int64_t{0}}};
constexpr DefaultArgument kLp[] = {{"p", 2.0F}};
constexpr DefaultArgument kPadImage[] = {{"mode", "constant"}, {"value", 0.0F}};

constexpr OperatorType kRows[] = {
    {.type = "AveragePool", .defaults = kAverage, .window = WindowKind::kImage, .infer = pool},
    {.type = "AveragePool1D", .defaults = kAverage, .window = WindowKind::kImage, .infer = pool},
    {.type = "AveragePool2D", .defaults = kAverage, .window = WindowKind::kImage, .infer = pool},
    {.type = "AveragePool3D", .defaults = kAverage, .window = WindowKind::kImage, .infer = pool},
    {.type = "LpPool", .defaults = kLp, .window = WindowKind::kImage, .infer = pool},
    {.type = "MaxPool", .window = WindowKind::kImage, .infer = pool},
    {.type = "MaxPool1D", .window = WindowKind::kImage, .infer = pool},
    {.type = "MaxPool2D", .window = WindowKind::kImage, .infer = pool},
    {.type = "MaxPool3D", .window = WindowKind::kImage, .infer = pool},
    {.type = "MaxPoolWithIndex", .outputs = {2, 2}, .window = WindowKind::kImage, .infer = pool},
    {.type = "Pad", .defaults = kPadImage, .infer = pad},
    {.type = "PadImage", .defaults = kPadImage, .window = WindowKind::kImage, .infer = pad_image},
    {.type = "Int8AveragePool", .defaults = kAverage, .window = WindowKind::kImage, .infer = pool},
    {.type = "Int8AveragePoolRelu", .defaults = kAverage, .window = WindowKind::kImage, .infer = pool},
    {.type = "Int8MaxPool", .window = WindowKind::kImage, .infer = pool},
    {.type = "Int8MaxPoolRelu", .window = WindowKind::kImage, .infer = pool},
};

}  // namespace

std::span<const OperatorType> pool_rows() { return kRows; }

}  // namespace latgrad::net::ops

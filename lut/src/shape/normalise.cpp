// SpatialBN, AffineChannel, InstanceNorm: one parameter for each channel.
// Source: caffe2/operators/{spatial_batch_norm_op,affine_channel_op,instance_norm_op}.cc.

#include "operators.h"

namespace latgrad::lut::shape {
namespace {

int64_t check_channel_vectors(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 2).shape;
  const int64_t channels = input[ctx.channel_axis(input.size())];
  for (size_t i = 1; i < ctx.num_inputs(); ++i)
    ctx.expect_parameter(i, {channels}, "the per-channel parameter");
  return channels;
}

}  // namespace

void spatial_bn(OpContext& ctx) {
  const int64_t channels = check_channel_vectors(ctx);
  ctx.add_output(ctx.activation(0));
  // In training: running and saved mean and variance.
  for (size_t i = 1; i < ctx.num_outputs(); ++i) ctx.add_output({{channels}, DataType::kFloat});
}

void affine_channel(OpContext& ctx) {
  check_channel_vectors(ctx);
  ctx.add_output(ctx.activation(0));
}

void instance_norm(OpContext& ctx) {
  const int64_t channels = check_channel_vectors(ctx);
  ctx.add_output(ctx.activation(0));
  // In training: mean and inverse deviation of each image.
  for (size_t i = 1; i < ctx.num_outputs(); ++i) {
    ctx.add_output({{ctx.activation(0).shape[0], channels}, DataType::kFloat});
  }
}

}  // namespace latgrad::lut::shape

// SpatialBN, AffineChannel, InstanceNorm, GroupNorm: one parameter for each channel. LayerNorm: one for each
// normalised element.
// Source: caffe2/operators/{spatial_batch_norm_op,affine_channel_op,instance_norm_op,group_norm_op,
// layer_norm_op}.cc.

#include <fmt/format.h>

#include "operators.h"

namespace latgrad::net::ops {
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

void group_norm(OpContext& ctx) {
  const int64_t channels = check_channel_vectors(ctx);
  const int64_t group = ctx.int_arg("group", 32);
  if (group < 1 || channels % group != 0) {
    ctx.fail_at_arg(
        "group", fmt::format("group must be positive and divide the {} channels, got {}", channels, group));
  }
  ctx.add_output(ctx.activation(0));
  // In training: mean and inverse deviation of each group.
  for (size_t i = 1; i < ctx.num_outputs(); ++i) {
    ctx.add_output({{ctx.activation(0).shape[0], group}, DataType::kFloat});
  }
}

void layer_norm(OpContext& ctx) {
  const Shape input = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.int_arg("axis", 1), input.size(), "axis");
  const auto at = input.begin() + static_cast<std::ptrdiff_t>(axis);
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    ctx.expect_parameter(i, Shape(at, input.end()), "the scale or bias");
  }
  ctx.add_output(ctx.activation(0));
  // Mean and deviation of each normalised slice.
  Shape moments(input.begin(), at);
  moments.push_back(1);
  for (size_t i = 1; i < ctx.num_outputs(); ++i) ctx.add_output({moments, DataType::kFloat});
}

}  // namespace latgrad::net::ops

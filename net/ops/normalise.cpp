// SpatialBN, AffineChannel, InstanceNorm, GroupNorm: one parameter for each channel. LayerNorm, RMSNorm: one
// for each normalised element. Softmax, LRN: none. Source:
// caffe2/operators/{spatial_batch_norm_op,affine_channel_op,instance_norm_op,group_norm_op,
// layer_norm_op}.cc.

#include <fmt/format.h>

#include <algorithm>

#include "rows.h"

namespace latgrad::net::ops {
namespace {

int64_t check_channel_vectors(OpContext& ctx) {
  const Shape& input = ctx.activation(0, 2).shape;
  const int64_t channels = input[ctx.channel_axis(input.size())];
  for (size_t i = 1; i < ctx.num_inputs(); ++i)
    ctx.expect_parameter(i, {channels}, "the per-channel parameter");
  return channels;
}

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
  const int64_t group = ctx.args().integer("group", 32);
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

// Scale and bias of the dimensions from `axis` on; behind the first output stand moments of each normalised
// slice.
void normalised_from_axis(OpContext& ctx, bool keep_one) {
  const Shape input = ctx.activation(0, 1).shape;
  const size_t axis = ctx.axis(ctx.args().integer("axis", 1), input.size(), "axis");
  const auto at = input.begin() + static_cast<std::ptrdiff_t>(axis);
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    ctx.expect_parameter(i, Shape(at, input.end()), "the scale or bias");
  }
  ctx.add_output(ctx.activation(0));
  Shape moments(input.begin(), at);
  if (keep_one) moments.push_back(1);
  for (size_t i = 1; i < ctx.num_outputs(); ++i) ctx.add_output({moments, DataType::kFloat});
}

void layer_norm(OpContext& ctx) { normalised_from_axis(ctx, true); }
void rms_norm(OpContext& ctx) { normalised_from_axis(ctx, false); }

// ONNX's: scale and bias broadcast to the dimensions from `axis` on; behind the first output stand the
// moments.
void onnx_norm(OpContext& ctx) {
  const TensorInfo input = ctx.activation(0, 1);
  const size_t axis = ctx.axis(ctx.args().integer("axis", -1), input.shape.size(), "axis");
  const Shape normalised(input.shape.begin() + static_cast<std::ptrdiff_t>(axis), input.shape.end());
  for (size_t i = 1; i < ctx.num_inputs(); ++i) {
    const Shape& scale = ctx.parameter(i).shape;
    const size_t missing = normalised.size() - std::min(scale.size(), normalised.size());
    bool fits = scale.size() <= normalised.size();
    for (size_t dim = 0; fits && dim < scale.size(); ++dim) {
      fits = scale[dim] == 1 || scale[dim] == normalised[missing + dim];
    }
    if (!fits) {
      ctx.fail_at_input(i, fmt::format("the scale or bias must broadcast to {}, got {}",
                                       to_string(normalised), to_string(scale)));
    }
  }
  ctx.add_output(input);
  Shape moments = input.shape;
  std::fill(moments.begin() + static_cast<std::ptrdiff_t>(axis), moments.end(), 1);
  for (size_t i = 1; i < ctx.num_outputs(); ++i) ctx.add_output({moments, DataType::kFloat});
}

void same_shapes(OpContext& ctx) {
  for (size_t i = 0; i < ctx.num_outputs(); ++i) ctx.add_output(ctx.activation(0).shape);
}

constexpr DefaultArgument kEpsilon[] = {{"epsilon", 1e-5F}};
constexpr DefaultArgument kGroupNorm[] = {
    {"epsilon", 1e-5F}, {"group", int64_t{32}}, {"is_test", int64_t{0}}};
constexpr DefaultArgument kLastAxis[] = {{"axis", int64_t{-1}}};
constexpr DefaultArgument kLayerNorm[] = {
    {"axis", int64_t{1}}, {"epsilon", 1e-5F}, {"elementwise_affine", int64_t{0}}};
constexpr DefaultArgument kLrn[] = {{"bias", 1.0F}};
constexpr DefaultArgument kOnnxNorm[] = {{"axis", int64_t{-1}}, {"epsilon", 1e-5F}};
constexpr DefaultArgument kSpatialBn[] = {
    {"epsilon", 1e-5F}, {"momentum", 0.9F}, {"is_test", int64_t{0}}, {"num_batches", int64_t{1}}};

constexpr OperatorType kRows[] = {
    {.type = "AffineChannel", .inputs = {3, 3}, .infer = affine_channel},
    {.type = "GroupNorm", .inputs = {3, 3}, .outputs = {1, 3}, .defaults = kGroupNorm, .infer = group_norm},
    {.type = "InstanceNorm",
     .inputs = {3, 3},
     .outputs = {1, 3},
     .defaults = kEpsilon,
     .infer = instance_norm},
    {.type = "LRN", .outputs = {1, 2}, .defaults = kLrn, .infer = same_shapes},
    {.type = "LayerNorm", .inputs = {1, 3}, .outputs = {3, 3}, .defaults = kLayerNorm, .infer = layer_norm},
    {.type = "LayerNormalization",
     .inputs = {2, 3},
     .outputs = {1, 3},
     .defaults = kOnnxNorm,
     .infer = onnx_norm},
    {.type = "LogSoftmax", .defaults = kAxisOne, .infer = same_shapes},
    {.type = "Normalize", .defaults = kLastAxis, .infer = same_shapes},
    {.type = "RMSNormalization", .inputs = {2, 2}, .defaults = kOnnxNorm, .infer = onnx_norm},
    {.type = "RMSNorm", .inputs = {3, 3}, .outputs = {2, 2}, .defaults = kAxisOne, .infer = rms_norm},
    {.type = "Softmax", .defaults = kAxisOne, .infer = same_shapes},
    {.type = "SpatialBN", .inputs = {5, 7}, .outputs = {1, 5}, .defaults = kSpatialBn, .infer = spatial_bn},
    {.type = "Int8GroupNorm",
     .inputs = {3, 3},
     .parameter_types = kQuantised,
     .defaults = kGroupNorm,
     .infer = group_norm},
    {.type = "Int8Softmax", .defaults = kAxisOne, .infer = same_shapes},
    {.type = "Int8SpatialBN",
     .inputs = {5, 5},
     .parameter_types = kQuantised,
     .defaults = kEpsilon,
     .infer = spatial_bn},
    {.type = "Int8SpatialBNRelu",
     .inputs = {5, 5},
     .parameter_types = kQuantised,
     .defaults = kEpsilon,
     .infer = spatial_bn},
};

}  // namespace

std::span<const OperatorType> normalise_rows() { return kRows; }

}  // namespace latgrad::net::ops

// Conv, ConvTranspose and their fused and quantised kin.
// Source: caffe2/operators/{conv_pool_op_base,conv_transpose_unpool_op_base}.h,
// quantized/int8_conv_transpose_op.h.

#include <fmt/format.h>

#include <algorithm>

#include "image.h"
#include "rows.h"

namespace latgrad::net::ops {
namespace {

int64_t group_arg(const OpContext& ctx) {
  const int64_t group = ctx.args().integer("group", 1);
  if (group < 1) ctx.fail_at_arg("group", fmt::format("group must be positive, got {}", group));
  return group;
}

void check_divides(const OpContext& ctx, int64_t group, int64_t channels, std::string_view what) {
  if (channels % group != 0) {
    ctx.fail_at_arg("group",
                    fmt::format("group must divide the {} {} channels, got {}", channels, what, group));
  }
}

bool has_bias(const OpContext& ctx) { return ctx.num_inputs() > 2; }

// What follows from the bias where no file tells the weight's shape.
bool only_bias_is_known(const OpContext& ctx) { return !ctx.is_known(1) && has_bias(ctx) && ctx.is_known(2); }

int64_t bias_channels(const OpContext& ctx) {
  const Shape& bias = ctx.parameter(2).shape;
  if (bias.size() != 1) {
    ctx.fail_at_input(2, fmt::format("the bias must have 1 dimension, got {}", to_string(bias)));
  }
  return bias[0];
}

// The weight as an image: its first dimension, channels and kernel.
Image weight_image(const OpContext& ctx, Order order) {
  const Shape& input = ctx.activation(0).shape;
  const Shape& weight = ctx.parameter(1).shape;
  if (weight.size() != input.size()) {
    ctx.fail_at_input(1, fmt::format("the weight must have as many dimensions as the input {}, got {}",
                                     to_string(input), to_string(weight)));
  }
  if (std::ranges::find(weight, 0) != weight.end()) {
    ctx.fail_at_input(
        1, fmt::format("the dimensions of the weight must be positive, got {}", to_string(weight)));
  }
  return split_image(weight, order);
}

void conv(OpContext& ctx) {
  const Shape input = ctx.activation(0, 3).shape;
  const Order order = ctx.args().order();
  const Image in = split_image(input, order);
  const int64_t group = group_arg(ctx);
  check_divides(ctx, group, in.channels, "input");

  const AppliedWindow window = window_over(ctx.args(), in.spatial);
  const int64_t channels = only_bias_is_known(ctx) ? bias_channels(ctx) : weight_image(ctx, order).batch;
  const Image out{in.batch, channels, window.counts};
  check_divides(ctx, group, out.channels, "output");

  const Shape weight = join_image({out.channels, in.channels / group, window.kernel}, order);
  ctx.expect_parameter(1, weight, "the weight");
  if (has_bias(ctx)) ctx.expect_parameter(2, {out.channels}, "the bias");

  const Shape output = join_image(out, order);
  ctx.add_output(output);
  const int64_t macs_per_output = ctx.product(weight, 1, weight.size());
  ctx.set_macs(ctx.multiply(ctx.product(output, 0, output.size()), macs_per_output));
}

void conv_sum(OpContext& ctx) {
  conv(ctx);
  const size_t last = ctx.num_inputs() - 1;
  const Shape& summand = ctx.activation(last).shape;
  if (summand != ctx.outputs()[0].shape) {
    ctx.fail_at_input(last, fmt::format("the summand must have the shape of the convolution {}, got {}",
                                        to_string(ctx.outputs()[0].shape), to_string(summand)));
  }
}

void conv_transpose(OpContext& ctx) {
  const Shape input = ctx.activation(0, 3).shape;
  const Order order = ctx.args().order();
  const Image in = split_image(input, order);
  const size_t spatial_rank = in.spatial.size();
  const int64_t group = group_arg(ctx);
  check_divides(ctx, group, in.channels, "input");

  const SpatialArguments window = spatial_arguments(ctx.args(), spatial_rank);
  if (window.legacy_pad == LegacyPad::kCaffePooling) {
    ctx.fail_at_arg("legacy_pad", "legacy_pad of a transposed convolution must be 0, 1 or 2, got 3");
  }

  // The weight is [in, out/group, kernel].
  const int64_t channels =
      only_bias_is_known(ctx) ? bias_channels(ctx) : ctx.multiply(weight_image(ctx, order).channels, group);
  check_divides(ctx, group, channels, "output");

  Image out{in.batch, channels, {}};
  for (size_t dim = 0; dim < spatial_rank; ++dim) {
    if (window.adj[dim] < 0 || window.adj[dim] > window.stride[dim]) {
      ctx.fail_at_arg("adj", fmt::format("adj must be between 0 and the stride {}, got {}",
                                         window.stride[dim], window.adj[dim]));
    }
    // Dilation is ONNX's: Caffe2 knows none here.
    const int64_t extent = window.dilation[dim] * (window.kernel[dim] - 1) + 1;
    const int64_t size = (in.spatial[dim] - 1) * window.stride[dim] + extent + window.adj[dim] -
                         window.pads[dim] - window.pads[spatial_rank + dim];
    if (size < 1) {
      ctx.fail_at_arg(
          "pads", fmt::format("the pads must leave some output, got {} of input {}", size, to_string(input)));
    }
    out.spatial.push_back(size);
  }
  const Shape weight = join_image({in.channels, channels / group, window.kernel}, order);
  ctx.expect_parameter(1, weight, "the weight");
  if (has_bias(ctx)) ctx.expect_parameter(2, {channels}, "the bias");

  ctx.add_output(join_image(out, order));
  const int64_t macs_per_input = ctx.product(weight, 1, weight.size());
  ctx.set_macs(ctx.multiply(ctx.product(input, 0, input.size()), macs_per_input));
}

constexpr OperatorType row(std::string_view type) {
  return {.type = type, .inputs = {2, 3}, .window = WindowKind::kImage, .multiplies = true, .infer = conv};
}

constexpr OperatorType transposed(OperatorType row) {
  row.window = WindowKind::kTransposed;
  row.infer = conv_transpose;
  return row;
}

constexpr OperatorType quantised(OperatorType row) {
  row.parameter_types = kQuantisedAndBias;
  return row;
}

constexpr OperatorType with_stand_in(OperatorType row, std::string_view stand_in) {
  row.stand_in = stand_in;
  return row;
}

// Adds a second image to the result.
constexpr OperatorType with_summand(OperatorType row) {
  row.inputs = {4, 4};
  row.activations = kFirst | InputSet{1} << 3;
  row.infer = conv_sum;
  return row;
}

constexpr OperatorType kRows[] = {
    row("Conv"),
    row("Conv1D"),
    row("Conv2D"),
    row("Conv3D"),
    row("ConvRelu"),
    transposed(row("ConvTranspose")),
    with_stand_in(quantised(row("Int8Conv")), "Int8ConvRelu"),
    quantised(row("Int8ConvRelu")),
    with_summand(quantised(row("Int8ConvSum"))),
    with_summand(quantised(row("Int8ConvSumRelu"))),
    transposed(quantised(row("Int8ConvTranspose"))),
};

}  // namespace

std::span<const OperatorType> conv_rows() { return kRows; }

}  // namespace latgrad::net::ops

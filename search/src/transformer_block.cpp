// Attention over all tokens and a perceptron for each of them, both behind a norm.
//
// Source: Dosovitskiy et al., "An image is worth 16x16 words", 2021.

#include <fmt/format.h>

#include <cmath>

#include "range_check.h"
#include "space_fragments.h"

namespace latgrad::search::internal {
namespace {

using net::Argument;

int64_t head_channels_of(const proto::Transformer& transformer, const BlockPlace& place) {
  const int64_t channels = place.layer.in_channels;
  check_range("transformer heads", transformer.heads(), 1, kMaxChannels, place.source, place.field);
  if (transformer.has_head_channels()) {
    check_range("head_channels", transformer.head_channels(), 1, kMaxChannels, place.source, place.field);
    return transformer.head_channels();
  }
  if (channels % transformer.heads() != 0) {
    place.fail(fmt::format(
        "heads must divide the channels unless head_channels is given, got {} heads of {} channels",
        transformer.heads(), channels));
  }
  return channels / transformer.heads();
}

int64_t mlp_channels_of(const proto::Transformer& transformer, const BlockPlace& place) {
  if (transformer.has_mlp_ratio() && transformer.has_mlp_channels()) {
    place.fail("a transformer must give mlp_ratio or mlp_channels, got both");
  }
  if (transformer.has_mlp_channels()) {
    check_range("mlp_channels", transformer.mlp_channels(), 1, kMaxChannels, place.source, place.field);
    return transformer.mlp_channels();
  }
  const double channels = transformer.mlp_ratio() * static_cast<double>(place.layer.in_channels);
  if (!(channels >= 1 && channels <= static_cast<double>(kMaxChannels))) {
    place.fail(fmt::format("mlp_ratio must give from 1 to {} channels, got {} * {}", kMaxChannels,
                           transformer.mlp_ratio(), place.layer.in_channels));
  }
  return static_cast<int64_t>(channels);  // as published: 3.5 * 9 is 31
}

// One of queries, keys and values: [batch, tokens, heads * channels] to a matrix for each head.
void write_heads(FragmentBuilder& builder, const std::string& from, int64_t heads, int64_t channels,
                 std::vector<int64_t> axes, const std::string& output) {
  builder.go_on_from(from);
  builder.simple("Reshape", {}, {integers("shape", {0, 0, heads, channels})}, output + "_split");
  builder.simple("Transpose", {}, {integers("axes", std::move(axes))}, output);
}

void write_attention(FragmentBuilder& builder, const proto::Transformer& transformer,
                     const BlockPlace& place) {
  const int64_t heads = transformer.heads();
  const int64_t channels = head_channels_of(transformer, place);
  check_range("heads times head_channels", heads * channels, 1, kMaxChannels, place.source, place.field);
  const int64_t width = heads * channels;
  builder.layer_norm("norm1");
  builder.linear(3 * width, transformer.qkv_bias(), "qkv");
  net::Operator split;
  split.type = "Split";
  split.inputs = {builder.last()};
  split.outputs = {"q_all", "k_all", "v_all"};
  split.args = {Argument::of_int("axis", 2), integers("split", {width, width, width})};
  builder.append(std::move(split));
  write_heads(builder, "k_all", heads, channels, {0, 2, 3, 1}, "k");
  write_heads(builder, "v_all", heads, channels, {0, 2, 1, 3}, "v");
  write_heads(builder, "q_all", heads, channels, {0, 2, 1, 3}, "q");
  builder.simple("Scale", {}, {Argument::of_float("scale", 1 / std::sqrt(static_cast<float>(channels)))},
                 "q_scaled");
  builder.simple("BatchMatMul", {"k"}, {}, "scores");
  builder.simple("Softmax", {}, {Argument::of_int("axis", 3)}, "attention");
  builder.simple("BatchMatMul", {"v"}, {}, "mixed");
  builder.simple("Transpose", {}, {integers("axes", {0, 2, 1, 3})}, "mixed_tokens");
  builder.simple("Reshape", {}, {integers("shape", {0, 0, width})}, "mixed_all");
  builder.set_channels(width);
  builder.linear(place.layer.in_channels, true, "proj");
  builder.simple("Add", {builder.input()}, {}, "attended");
}

}  // namespace

std::optional<Fragment> generate_transformer(const proto::Transformer& transformer, const BlockPlace& place) {
  if (place.is_chain && !place.keeps_shape()) return std::nullopt;
  const int64_t mlp_channels = mlp_channels_of(transformer, place);
  FragmentBuilder builder(place.layer.in_channels);
  write_attention(builder, transformer, place);
  builder.layer_norm("norm2");
  builder.linear(mlp_channels, true, "fc1");
  if (transformer.activation() != proto::Activation::NONE)
    builder.activation(transformer.activation(), "fc1_act");
  builder.linear(place.layer.in_channels, true, "fc2");
  builder.simple("Add", {"attended"}, {}, "sum");
  if (!place.keeps_shape()) return std::nullopt;
  return builder.finish();
}

}  // namespace latgrad::search::internal

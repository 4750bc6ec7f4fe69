#include "space_fragments.h"

#include <fmt/format.h>

#include <cmath>

#include "fragment_builder.h"
#include "latgrad/base/error.h"
#include "range_check.h"

namespace latgrad::search::internal {
namespace {

int64_t expanded_channels(const proto::Block& block, int64_t in_channels, const std::string& source,
                          const std::string& field) {
  if (block.has_expand() && block.has_expand_channels()) {
    throw ValueError("a block must give expand or expand_channels, got both",
                     {.file = source, .field = field});
  }
  if (block.has_expand_channels()) {
    check_range("expand_channels", block.expand_channels(), 1, kMaxChannels, source, field);
    return block.expand_channels();
  }
  if (!block.has_expand()) return in_channels;
  const double channels = block.expand() * static_cast<double>(in_channels);
  // Ratios such as 2.3 have no exact double; a hundredth of a channel tells them from a wrong ratio.
  if (!(std::abs(channels - std::round(channels)) < 0.01) || channels < 0.5 ||
      channels > static_cast<double>(kMaxChannels)) {
    throw ValueError(fmt::format("expand must give a whole number of channels from 1 to {}, got {} * {}",
                                 kMaxChannels, block.expand(), in_channels),
                     {.file = source, .field = field});
  }
  return std::llround(channels);
}

void check_groups(int64_t groups, int64_t in_channels, int64_t out_channels, const std::string& source,
                  const std::string& field) {
  for (const int64_t channels : {in_channels, out_channels}) {
    if (channels % groups != 0) {
      throw ValueError(
          fmt::format("groups must divide the channels, got {} groups of {} channels", groups, channels),
          {.file = source, .field = field});
    }
  }
}

bool holds(proto::When when, Precision precision) {
  switch (when) {
    case proto::NEVER:
      return false;
    case proto::ALWAYS:
      return true;
    case proto::FP32_ONLY:
      return precision == Precision::kFp32;
    case proto::INT8_ONLY:
      return precision == Precision::kInt8;
  }
  return false;
}

std::optional<Fragment> generate_skip(const proto::Skip& skip, const LayerInfo& layer, Precision precision) {
  if (layer.in_channels == layer.out_channels && layer.in_height == layer.out_height &&
      layer.in_width == layer.out_width) {
    return Fragment();
  }
  if (skip.elsewhere() == proto::Skip::NOT_OFFERED) return std::nullopt;
  FragmentBuilder builder(layer.in_channels);
  builder.conv(
      "project",
      {.out_channels = layer.out_channels, .stride = layer.stride, .relu = holds(skip.relu(), precision)});
  return builder.finish();
}

ConvFields depthwise_conv(const proto::Space& space, const proto::Depthwise& depthwise, int64_t channels,
                          int64_t stride, Precision precision, const std::string& source,
                          const std::string& field) {
  check_range("depthwise kernel", depthwise.kernel(), 1, kMaxKernel, source, field);
  check_range("depthwise dilation", depthwise.dilation(), 1, kMaxKernel, source, field);
  if (depthwise.kernel() % 2 == 0) {
    throw ValueError(fmt::format("depthwise kernel must be odd, got {}", depthwise.kernel()),
                     {.file = source, .field = field});
  }
  return {.out_channels = channels,
          .kernel = depthwise.kernel(),
          .stride = stride,
          .pad = depthwise.dilation() * (depthwise.kernel() - 1) / 2,
          .dilation = depthwise.dilation(),
          .groups = channels,
          .bias = holds(depthwise.has_bias() ? depthwise.bias() : space.depthwise_bias(), precision),
          .relu = holds(depthwise.has_relu() ? depthwise.relu() : space.depthwise_relu(), precision)};
}

Fragment generate_convs(const proto::Space& space, const proto::Block& block, const LayerInfo& layer,
                        Precision precision, const std::string& source, const std::string& field) {
  const int64_t groups = block.groups();
  check_range("groups", groups, 1, kMaxChannels, source, field);
  if (block.depthwise_size() == 0) {
    throw ValueError("a block must have at least one depthwise convolution, got none",
                     {.file = source, .field = field});
  }
  FragmentBuilder builder(layer.in_channels);
  const int64_t channels = expanded_channels(block, layer.in_channels, source, field);
  const bool expands = block.has_expand() || block.has_expand_channels();
  if (expands && !(space.drop_unit_expansion() && channels == layer.in_channels)) {
    check_groups(groups, layer.in_channels, channels, source, field);
    builder.conv("expand", {.out_channels = channels, .groups = groups, .relu = true});
    if (block.shuffle() && groups > 1) builder.shuffle(groups, "expand_shuffle");
  }
  int64_t stride = layer.stride;
  for (int i = 0; i < block.depthwise_size(); ++i) {
    const std::string role = block.depthwise_size() == 1 ? std::string(kDepthwiseRole)
                                                         : fmt::format("{}{}", kDepthwiseRole, i + 1);
    builder.conv(role, depthwise_conv(space, block.depthwise(i), channels, stride, precision, source, field));
    stride = 1;
  }
  check_groups(groups, channels, layer.out_channels, source, field);
  builder.conv("project", {.out_channels = layer.out_channels, .groups = groups});
  if (block.residual() && layer.stride == 1 && layer.in_channels == layer.out_channels) builder.add_input();
  return builder.finish();
}

}  // namespace

int64_t convolved_size(int64_t size, int64_t kernel, int64_t stride, int64_t pad) {
  return (size + 2 * pad - kernel) / stride + 1;
}

int64_t stem_pad(const proto::Stem& stem) { return stem.has_pad() ? stem.pad() : (stem.kernel() - 1) / 2; }

Fragment generate_stem(const proto::Space& space, Precision precision) {
  FragmentBuilder builder(space.input().channels());
  if (space.has_stem()) {
    const proto::Stem& stem = space.stem();
    builder.conv("stem", {.out_channels = stem.channels(),
                          .kernel = stem.kernel(),
                          .stride = stem.stride(),
                          .pad = stem_pad(stem),
                          .relu = holds(stem.relu(), precision)});
  }
  return builder.finish();
}

std::optional<Fragment> generate_block(const proto::Space& space, const proto::Candidate& candidate,
                                       const LayerInfo& layer, Precision precision, const std::string& source,
                                       const std::string& field) {
  switch (candidate.kind_case()) {
    case proto::Candidate::kBlock:
      return generate_convs(space, candidate.block(), layer, precision, source, field);
    case proto::Candidate::kSkip:
      return generate_skip(candidate.skip(), layer, precision);
    case proto::Candidate::KIND_NOT_SET:
      break;
  }
  throw ValueError("a candidate must be a block or a skip, got neither", {.file = source, .field = field});
}

Fragment generate_head(const proto::Head& head, const LayerInfo& last, Precision precision) {
  FragmentBuilder builder(last.out_channels);
  if (head.has_channels()) {
    builder.conv("head", {.out_channels = head.channels(), .relu = holds(head.relu(), precision)});
  }
  return builder.finish();
}

Fragment generate_classifier(const proto::Head& head, const LayerInfo& last) {
  FragmentBuilder builder(head.has_channels() ? head.channels() : last.out_channels);
  builder.average_pool("pool");
  builder.fully_connected(head.classes(), "logits");
  return builder.finish();
}

}  // namespace latgrad::search::internal

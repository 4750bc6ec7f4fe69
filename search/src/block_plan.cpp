#include "block_plan.h"

#include <fmt/format.h>

#include <cmath>

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

void check_groups(const ConvPlan& conv, const std::string& source, const std::string& field) {
  for (const int64_t channels : {conv.in_channels, conv.out_channels}) {
    if (channels % conv.groups != 0) {
      throw ValueError(
          fmt::format("groups must divide the channels, got {} groups of {} channels", conv.groups, channels),
          {.file = source, .field = field});
    }
  }
}

BlockPlan plan_skip(const proto::Skip& skip, const LayerInfo& layer) {
  if (layer.in_channels == layer.out_channels && layer.in_height == layer.out_height &&
      layer.in_width == layer.out_width) {
    return {};
  }
  if (skip.elsewhere() == proto::Skip::NOT_OFFERED) return {.offered = false};
  ConvPlan projection{.role = "project",
                      .in_channels = layer.in_channels,
                      .out_channels = layer.out_channels,
                      .stride = layer.stride,
                      .relu = skip.relu()};
  return {.convs = {std::move(projection)}};
}

ConvPlan plan_depthwise(const proto::Space& space, const proto::Depthwise& depthwise, std::string role,
                        int64_t channels, int64_t stride, const std::string& source,
                        const std::string& field) {
  check_range("depthwise kernel", depthwise.kernel(), 1, kMaxKernel, source, field);
  check_range("depthwise dilation", depthwise.dilation(), 1, kMaxKernel, source, field);
  if (depthwise.kernel() % 2 == 0) {
    throw ValueError(fmt::format("depthwise kernel must be odd, got {}", depthwise.kernel()),
                     {.file = source, .field = field});
  }
  return {.role = std::move(role),
          .in_channels = channels,
          .out_channels = channels,
          .kernel = depthwise.kernel(),
          .stride = stride,
          .pad = depthwise.dilation() * (depthwise.kernel() - 1) / 2,
          .dilation = depthwise.dilation(),
          .groups = channels,
          .depthwise = true,
          .relu = depthwise.has_relu() ? depthwise.relu() : space.depthwise_relu(),
          .bias = depthwise.has_bias() ? depthwise.bias() : space.depthwise_bias()};
}

BlockPlan plan_convs(const proto::Space& space, const proto::Block& block, const LayerInfo& layer,
                     const std::string& source, const std::string& field) {
  check_range("groups", block.groups(), 1, kMaxChannels, source, field);
  if (block.depthwise_size() == 0) {
    throw ValueError("a block must have at least one depthwise convolution, got none",
                     {.file = source, .field = field});
  }
  BlockPlan plan;
  const int64_t channels = expanded_channels(block, layer.in_channels, source, field);
  const bool expands = block.has_expand() || block.has_expand_channels();
  if (expands && !(space.drop_unit_expansion() && channels == layer.in_channels)) {
    plan.convs.push_back({.role = "expand",
                          .in_channels = layer.in_channels,
                          .out_channels = channels,
                          .groups = block.groups(),
                          .shuffled = block.shuffle() && block.groups() > 1,
                          .relu = proto::ALWAYS});
    check_groups(plan.convs.back(), source, field);
  }
  int64_t stride = layer.stride;
  for (int i = 0; i < block.depthwise_size(); ++i) {
    std::string role = block.depthwise_size() == 1 ? "dw" : fmt::format("dw{}", i + 1);
    plan.convs.push_back(
        plan_depthwise(space, block.depthwise(i), std::move(role), channels, stride, source, field));
    stride = 1;
  }
  plan.convs.push_back({.role = "project",
                        .in_channels = channels,
                        .out_channels = layer.out_channels,
                        .groups = block.groups()});
  check_groups(plan.convs.back(), source, field);
  plan.residual = block.residual() && layer.stride == 1 && layer.in_channels == layer.out_channels;
  return plan;
}

}  // namespace

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

int64_t convolved_size(int64_t size, const ConvPlan& conv) {
  return (size + 2 * conv.pad - conv.dilation * (conv.kernel - 1) - 1) / conv.stride + 1;
}

BlockPlan plan_block(const proto::Space& space, const proto::Candidate& candidate, const LayerInfo& layer,
                     const std::string& source, const std::string& field) {
  switch (candidate.kind_case()) {
    case proto::Candidate::kBlock:
      return plan_convs(space, candidate.block(), layer, source, field);
    case proto::Candidate::kSkip:
      return plan_skip(candidate.skip(), layer);
    case proto::Candidate::KIND_NOT_SET:
      break;
  }
  throw ValueError("a candidate must be a block or a skip, got neither", {.file = source, .field = field});
}

}  // namespace latgrad::search::internal

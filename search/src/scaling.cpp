#include "latgrad/search/scaling.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "channel_rounding.h"
#include "latgrad/base/error.h"
#include "space_file.h"
#include "space_impl.h"

namespace latgrad::search {
namespace {

namespace proto = internal::proto;

constexpr double kLargestFactor = 1024;
constexpr int64_t kChannelMultiple = 8;

void check_factor(const char* what, double factor, const std::string& source) {
  if (factor >= 1 / kLargestFactor && factor <= kLargestFactor) return;
  throw ValueError(fmt::format("{} must be from 1/1024 to 1024, got {}", what, factor), {.file = source});
}

int64_t scaled_channels(int64_t channels, double width) {
  return internal::rounded_channels(static_cast<double>(channels) * width, kChannelMultiple);
}

void scale_width(proto::Space& file, double width) {
  if (file.has_stem()) file.mutable_stem()->set_channels(scaled_channels(file.stem().channels(), width));
  for (proto::Stage& stage : *file.mutable_stage()) {
    stage.set_channels(scaled_channels(stage.channels(), width));
  }
  for (proto::Candidate& candidate : *file.mutable_candidate()) {
    if (candidate.has_channels()) candidate.set_channels(scaled_channels(candidate.channels(), width));
    if (candidate.block().has_expand_channels()) {
      proto::Block& block = *candidate.mutable_block();
      block.set_expand_channels(scaled_channels(block.expand_channels(), width));
    }
    if (candidate.transformer().has_mlp_channels()) {
      proto::Transformer& transformer = *candidate.mutable_transformer();
      transformer.set_mlp_channels(scaled_channels(transformer.mlp_channels(), width));
    }
  }
  if (file.head().has_channels()) {
    file.mutable_head()->set_channels(scaled_channels(file.head().channels(), width));
  }
  if (file.head().has_hidden()) {
    proto::Hidden& hidden = *file.mutable_head()->mutable_hidden();
    hidden.set_channels(scaled_channels(hidden.channels(), width));
  }
}

// Whether the number of layers has changed.
bool scale_depth(proto::Space& file, double depth) {
  bool changed = false;
  for (proto::Stage& stage : *file.mutable_stage()) {
    const auto layers = static_cast<int64_t>(std::ceil(static_cast<double>(stage.layers()) * depth));
    changed = changed || layers != stage.layers();
    stage.set_layers(layers);
  }
  return changed;
}

}  // namespace

Space scaled(const Space& space, const Scale& scale) {
  const std::string& source = space.impl().source;
  check_factor("width", scale.width, source);
  check_factor("depth", scale.depth, source);
  proto::Space file = space.impl().file;
  std::string name = file.name();
  if (scale.width != 1) {
    scale_width(file, scale.width);
    name += fmt::format("_w{:g}", scale.width);
  }
  if (scale.depth != 1) {
    if (scale_depth(file, scale.depth)) file.clear_architecture();
    name += fmt::format("_d{:g}", scale.depth);
  }
  proto::Input& input = *file.mutable_input();
  if (scale.resolution && (input.height() != *scale.resolution || input.width() != *scale.resolution)) {
    input.set_height(*scale.resolution);
    input.set_width(*scale.resolution);
    name += fmt::format("_r{}", *scale.resolution);
  }
  if (scale.classes && file.head().classes() != *scale.classes) {
    file.mutable_head()->set_classes(*scale.classes);
    name += fmt::format("_c{}", *scale.classes);
  }
  file.set_name(name);
  return Space::parse(internal::print_space_text(file), source);
}

}  // namespace latgrad::search

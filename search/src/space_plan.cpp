#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

#include "latgrad/base/error.h"
#include "range_check.h"
#include "space_fragments.h"
#include "space_impl.h"

namespace latgrad::search::internal {
namespace {

struct Map {
  int64_t channels = 0;
  int64_t height = 0;
  int64_t width = 0;
  int64_t tokens = 0;  // 0: of none
};

// Names become parts of blob names and of architecture texts, which white space and commas separate.
void check_name(const std::string& what, const std::string& name, const std::string& source) {
  const auto separates = [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == ',' || c == 0x7f; };
  if (name.empty() || std::ranges::any_of(name, separates)) {
    throw ValueError(fmt::format("{} must be a word without commas, got \"{}\"", what, name),
                     {.file = source, .field = what});
  }
}

template <typename Elements>
void check_unique_names(const std::string& what, const Elements& elements, const std::string& source) {
  std::set<std::string_view> names;
  for (const auto& element : elements) {
    if (element.name().empty()) {
      throw ValueError(fmt::format("every {} must have a name, got one without", what),
                       {.file = source, .field = what});
    }
    if (!names.insert(element.name()).second) {
      throw ValueError(
          fmt::format("every {} must have a name of its own, got \"{}\" twice", what, element.name()),
          {.file = source, .field = what});
    }
  }
}

void check_candidates(const SpaceImpl& space) {
  check_unique_names("candidate", space.file.candidate(), space.source);
  for (const proto::Candidate& candidate : space.file.candidate()) {
    check_name("candidate name", candidate.name(), space.source);
    if (std::ranges::all_of(candidate.name(), [](char c) { return c >= '0' && c <= '9'; })) {
      throw ValueError(fmt::format("candidate name must not be a number, which reads as an index, got \"{}\"",
                                   candidate.name()),
                       {.file = space.source, .field = "candidate name"});
    }
  }
}

// What the lowering itself writes must not be written twice.
bool is_written_by_lowering(proto::OperatorClass operator_class, std::string_view arg) {
  static constexpr std::array kWindow = {
      "kernel",   "kernels",   "kernel_h",   "kernel_w",   "stride",     "strides", "stride_h",
      "stride_w", "pad",       "pads",       "pad_t",      "pad_l",      "pad_b",   "pad_r",
      "dilation", "dilations", "dilation_h", "dilation_w", "legacy_pad", "order",   "global_pooling"};
  if (arg == "Y_scale" || arg == "Y_zero_point") return true;
  switch (operator_class) {
    case proto::CONV:
    case proto::DEPTHWISE:
      return arg == "group" || std::ranges::find(kWindow, arg) != kWindow.end();
    case proto::AVERAGE_POOL:
    case proto::MAX_POOL:
      return std::ranges::find(kWindow, arg) != kWindow.end();
    case proto::CHANNEL_SHUFFLE:
      return arg == "group";
    default:
      return false;
  }
}

void check_arguments(const SpaceImpl& space) {
  check_unique_names("arguments", space.file.arguments(), space.source);
  for (const proto::ArgumentRule& rule : space.file.arguments()) {
    const std::string field = "arguments " + rule.name();
    if (rule.applies_to_size() == 0) {
      throw ValueError("an argument rule must apply to at least one operator class, got none",
                       {.file = space.source, .field = field});
    }
    for (const proto::Argument& arg : rule.arg()) {
      if (arg.name().empty()) {
        throw ValueError("an argument must have a name, got none", {.file = space.source, .field = field});
      }
      for (const int operator_class : rule.applies_to()) {
        const auto typed = static_cast<proto::OperatorClass>(operator_class);
        if (is_written_by_lowering(typed, arg.name())) {
          throw ValueError(
              fmt::format("an argument rule must not set what the lowering sets, got \"{}\" for {}",
                          arg.name(), proto::OperatorClass_Name(typed)),
              {.file = space.source, .field = field});
        }
      }
    }
  }
}

Map plan_input(const SpaceImpl& space) {
  const proto::Input& input = space.file.input();
  check_range("input batch", input.batch(), 1, kMaxBatch, space.source, "input.batch");
  check_range("input channels", input.channels(), 1, kMaxChannels, space.source, "input.channels");
  check_range("input height", input.height(), 1, kMaxMapSize, space.source, "input.height");
  check_range("input width", input.width(), 1, kMaxMapSize, space.source, "input.width");
  check_name("input blob", input.blob(), space.source);
  return {input.channels(), input.height(), input.width()};
}

// Each pixel becomes a token.
Map plan_sequence(const SpaceImpl& space, Map map) {
  if (!space.file.has_sequence()) return map;
  map.tokens = map.height * map.width + (space.file.sequence().class_token() ? 1 : 0);
  check_range("the number of tokens", map.tokens, 1, kMaxTokens, space.source, "sequence");
  return map;
}

Map plan_stem(const SpaceImpl& space, const Map& in) {
  if (!space.file.has_stem()) return in;
  const proto::Stem& stem = space.file.stem();
  check_range("stem channels", stem.channels(), 1, kMaxChannels, space.source, "stem.channels");
  check_range("stem kernel", stem.kernel(), 1, kMaxKernel, space.source, "stem.kernel");
  check_range("stem stride", stem.stride(), 1, kMaxStride, space.source, "stem.stride");
  const int64_t pad = stem_pad(stem);
  check_range("stem pad", pad, 0, kMaxPad, space.source, "stem.pad");
  if (std::min(in.height, in.width) + 2 * pad < stem.kernel()) {
    throw ValueError(
        fmt::format("stem kernel must fit into the padded input, got kernel {} on {} x {} with pad {}",
                    stem.kernel(), in.height, in.width, pad),
        {.file = space.source, .field = "stem.kernel"});
  }
  return {stem.channels(), convolved_size(in.height, stem.kernel(), stem.stride(), pad),
          convolved_size(in.width, stem.kernel(), stem.stride(), pad)};
}

// Their places in the file.
std::vector<int> candidates_of(const SpaceImpl& space, const proto::Stage& stage) {
  const std::string field = "stage " + stage.name();
  std::vector<int> chosen;
  if (stage.candidate_size() == 0) {
    for (int place = 0; place < space.file.candidate_size(); ++place) chosen.push_back(place);
  }
  std::set<std::string_view> names;
  for (const std::string& name : stage.candidate()) {
    const auto found = std::ranges::find(space.file.candidate(), name, &proto::Candidate::name);
    if (found == space.file.candidate().end()) {
      throw ValueError(fmt::format("a stage must list candidates of the space, got \"{}\"", name),
                       {.file = space.source, .field = field});
    }
    if (!names.insert(name).second) {
      throw ValueError(fmt::format("a stage must list each candidate once, got \"{}\" twice", name),
                       {.file = space.source, .field = field});
    }
    chosen.push_back(static_cast<int>(found - space.file.candidate().begin()));
  }
  if (chosen.empty()) {
    throw ValueError("a stage must have at least one candidate, got none",
                     {.file = space.source, .field = field});
  }
  return chosen;
}

void plan_layer(SpaceImpl& space, int stage, const std::vector<int>& candidates, LayerInfo layer) {
  // Every candidate reduces the map as a 1x1 convolution of this stride does, whatever its kernel.
  layer.out_height = convolved_size(layer.in_height, /*kernel=*/1, layer.stride, /*pad=*/0);
  layer.out_width = convolved_size(layer.in_width, /*kernel=*/1, layer.stride, /*pad=*/0);
  for (const int place : candidates) {
    const proto::Candidate& candidate = space.file.candidate(place);
    const std::string field =
        fmt::format("candidate {} in layer {}", candidate.name(), space.layers.size() + 1);
    // What is wrong, and what is offered, is so in every precision.
    const auto block = generate_candidate(candidate, {.space = space.file,
                                                      .stage = space.file.stage(stage),
                                                      .layer = layer,
                                                      .precision = Precision::kFp32,
                                                      .source = space.source,
                                                      .field = field});
    if (block) space.num_operators += static_cast<int64_t>(block->ops.size());
    check_range("the number of operators of all candidates", space.num_operators, 0, kMaxOperators,
                space.source, field);
    layer.candidates.push_back(candidate.name());
    layer.offered.push_back(block.has_value());
  }
  if (std::ranges::find(layer.offered, true) == layer.offered.end()) {
    throw ValueError("a layer must offer at least one candidate, got none that fits",
                     {.file = space.source, .field = fmt::format("layer {}", space.layers.size() + 1)});
  }
  space.max_candidates = std::max(space.max_candidates, candidates.size());
  space.layers.push_back(std::move(layer));
  space.stages.push_back(stage);
  space.candidates.push_back(candidates);
}

void plan_stages(SpaceImpl& space, Map in) {
  check_unique_names("stage", space.file.stage(), space.source);
  int64_t num_layers = 0;
  int64_t widest = 0;
  for (int place = 0; place < space.file.stage_size(); ++place) {
    const proto::Stage& stage = space.file.stage(place);
    const std::string field = "stage " + stage.name();
    check_range("stage channels", stage.channels(), 1, kMaxChannels, space.source, field);
    check_range("stage stride", stage.stride(), 1, in.tokens > 0 ? 1 : kMaxStride, space.source, field);
    check_range("stage layers", stage.layers(), 1, kMaxLayers, space.source, field);
    const auto candidates = candidates_of(space, stage);
    num_layers += stage.layers();
    widest = std::max(widest, static_cast<int64_t>(candidates.size()));
    check_range("the number of layers times candidates", num_layers * widest, 1, kMaxChoices, space.source,
                field);
    for (int64_t i = 0; i < stage.layers(); ++i) {
      LayerInfo layer;
      layer.in_channels = in.channels;
      layer.out_channels = stage.channels();
      layer.in_height = in.height;
      layer.in_width = in.width;
      layer.stride = i == 0 ? stage.stride() : 1;
      layer.tokens = in.tokens;
      plan_layer(space, place, candidates, std::move(layer));
      const LayerInfo& planned = space.layers.back();
      in = {planned.out_channels, planned.out_height, planned.out_width, planned.tokens};
    }
  }
  if (space.layers.empty()) {
    throw ValueError("a space must have at least one stage, got none",
                     {.file = space.source, .field = "stage"});
  }
}

void check_head(const SpaceImpl& space) {
  const proto::Head& head = space.file.head();
  check_range("head classes", head.classes(), 1, kMaxChannels, space.source, "head.classes");
  if (head.has_channels()) {
    check_range("head channels", head.channels(), 1, kMaxChannels, space.source, "head.channels");
  }
  if (head.has_hidden()) {
    check_range("hidden channels", head.hidden().channels(), 1, kMaxChannels, space.source, "head.hidden");
  }
}

}  // namespace

SpaceImpl plan_space(proto::Space file, std::string source) {
  SpaceImpl space;
  space.file = std::move(file);
  space.source = std::move(source);
  if (space.file.name().empty()) {
    throw ValueError("a space must have a name, got none", {.file = space.source, .field = "name"});
  }
  check_candidates(space);
  check_arguments(space);
  plan_stages(space, plan_sequence(space, plan_stem(space, plan_input(space))));
  check_head(space);
  return space;
}

}  // namespace latgrad::search::internal

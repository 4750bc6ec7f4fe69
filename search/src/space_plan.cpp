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
    if (candidate.has_channels()) {
      check_range("candidate channels", candidate.channels(), 1, kMaxChannels, space.source,
                  "candidate " + candidate.name());
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

int64_t size_of(const Fragment& fragment) {
  size_t size = fragment.parameters.size();
  for (const net::Operator& op : fragment.ops) {
    size += 1 + op.inputs.size() + op.outputs.size() + op.args.size();
    for (const net::Argument& argument : op.args) size += argument.ints.size() + argument.floats.size();
  }
  return static_cast<int64_t>(size);
}

// Whether a candidate of the last planned layer fits behind one of the layer before it. What is wrong, and
// what fits, is so in every precision.
bool generates(SpaceImpl& space, size_t predecessor, size_t candidate) {
  const size_t layer = space.layers.size() - 1;
  const proto::Candidate& written = space.file.candidate(space.candidates[layer][candidate]);
  std::string field = fmt::format("candidate {} in layer {}", written.name(), layer + 1);
  if (space.is_chain && layer > 0) {
    field += fmt::format(" behind {}", space.layers[layer - 1].candidates[predecessor]);
  }
  const LayerInfo info = layer_behind(space, layer, predecessor, candidate);
  const auto block = generate_candidate(written, {.space = space.file,
                                                  .stage = space.file.stage(space.stages[layer]),
                                                  .layer = info,
                                                  .precision = Precision::kFp32,
                                                  .source = space.source,
                                                  .field = field,
                                                  .is_chain = space.is_chain});
  if (!block) return false;
  space.size += size_of(*block);
  check_range("operators, their blobs and arguments of all candidates together", space.size, 0, kMaxSize,
              space.source, field);
  return true;
}

// Of the last planned layer: those that fit behind any that the layer before offers.
void plan_fits(SpaceImpl& space) {
  const size_t layer = space.layers.size() - 1;
  LayerInfo& info = space.layers[layer];
  const size_t num_candidates = info.candidates.size();
  const std::vector<bool> before = layer == 0 ? std::vector<bool>{true} : space.layers[layer - 1].offered;
  std::vector<bool>& fits = space.fits.emplace_back(before.size() * num_candidates);
  for (size_t predecessor = 0; predecessor < before.size(); ++predecessor) {
    if (!before[predecessor]) continue;
    for (size_t candidate = 0; candidate < num_candidates; ++candidate) {
      if (!generates(space, predecessor, candidate)) continue;
      fits[predecessor * num_candidates + candidate] = true;
      info.offered[candidate] = true;
    }
  }
}

void check_offers(const SpaceImpl& space, size_t layer) {
  const std::vector<bool>& offered = space.layers[layer].offered;
  if (std::ranges::find(offered, true) != offered.end()) return;
  throw ValueError("a layer must offer at least one candidate, got none that fits",
                   {.file = space.source, .field = fmt::format("layer {}", layer + 1)});
}

void plan_layer(SpaceImpl& space, int stage, const std::vector<int>& candidates, LayerInfo layer) {
  // Every candidate reduces the map as a 1x1 convolution of this stride does, whatever its kernel.
  layer.out_height = convolved_size(layer.in_height, /*kernel=*/1, layer.stride, /*pad=*/0);
  layer.out_width = convolved_size(layer.in_width, /*kernel=*/1, layer.stride, /*pad=*/0);
  for (const int place : candidates) {
    const proto::Candidate& candidate = space.file.candidate(place);
    layer.candidates.push_back(candidate.name());
    layer.channels.push_back(candidate.has_channels() ? candidate.channels() : layer.out_channels);
  }
  layer.offered.assign(candidates.size(), false);
  space.max_candidates = std::max(space.max_candidates, candidates.size());
  space.layers.push_back(std::move(layer));
  space.stages.push_back(stage);
  space.candidates.push_back(candidates);
  if (space.is_chain) {
    plan_fits(space);
  } else {
    for (size_t candidate = 0; candidate < candidates.size(); ++candidate) {
      space.layers.back().offered[candidate] = generates(space, 0, candidate);
    }
  }
  check_offers(space, space.layers.size() - 1);
}

// A candidate of a chain is offered where an architecture can choose it: something must fit behind it, too.
void drop_dead_ends(SpaceImpl& space) {
  for (size_t layer = space.layers.size() - 1; layer > 0; --layer) {
    LayerInfo& before = space.layers[layer - 1];
    const std::vector<bool>& offered = space.layers[layer].offered;
    for (size_t predecessor = 0; predecessor < before.offered.size(); ++predecessor) {
      bool leads_on = false;
      for (size_t candidate = 0; candidate < offered.size(); ++candidate) {
        const size_t pair = predecessor * offered.size() + candidate;
        space.fits[layer][pair] = space.fits[layer][pair] && offered[candidate];
        leads_on = leads_on || space.fits[layer][pair];
      }
      before.offered[predecessor] = leads_on;
    }
  }
  std::vector<bool>& first = space.fits.front();
  for (size_t candidate = 0; candidate < first.size(); ++candidate) {
    first[candidate] = space.layers.front().offered[candidate];
  }
}

int64_t most_channels(const LayerInfo& layer) {
  int64_t most = 0;
  for (size_t candidate = 0; candidate < layer.channels.size(); ++candidate) {
    if (layer.offered[candidate]) most = std::max(most, layer.channels[candidate]);
  }
  return most;
}

void plan_chain(SpaceImpl& space) {
  drop_dead_ends(space);
  for (size_t layer = 0; layer < space.layers.size(); ++layer) {
    LayerInfo& info = space.layers[layer];
    info.out_channels = most_channels(info);
    if (layer > 0) info.in_channels = space.layers[layer - 1].out_channels;
  }
}

// Whether any candidate that a stage lists has channels of its own.
bool has_widths(const SpaceImpl& space) {
  return std::ranges::any_of(space.file.stage(), [&](const proto::Stage& stage) {
    return std::ranges::any_of(candidates_of(space, stage),
                               [&](int place) { return space.file.candidate(place).has_channels(); });
  });
}

void plan_stages(SpaceImpl& space, Map in) {
  check_unique_names("stage", space.file.stage(), space.source);
  space.is_chain = has_widths(space);
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
    if (space.is_chain) {
      check_range("the number of layers times pairs of candidates", num_layers * widest * widest, 1,
                  kMaxChoices, space.source, field);
    }
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
  if (space.is_chain) plan_chain(space);
}

void check_head(const SpaceImpl& space) {
  const proto::Head& head = space.file.head();
  check_range("head classes", head.classes(), 1, kMaxChannels, space.source, "head.classes");
  if (head.has_channels()) {
    check_range("head channels", head.channels(), 1, kMaxChannels, space.source, "head.channels");
  }
  if (head.has_hidden()) {
    check_range("hidden channels", head.hidden().channels(), 1, kMaxChannels, space.source, "head.hidden");
    const bool is_conv = head.hidden().form() == proto::Hidden::CONV && !space.file.has_sequence();
    if (!is_conv && !head.hidden().bias()) {
      throw ValueError("a hidden layer of form FC must have a bias, got bias: false",
                       {.file = space.source, .field = "head.hidden"});
    }
  }
}

}  // namespace

bool fits(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate) {
  const std::vector<bool>& offered = space.layers[layer].offered;
  if (space.is_chain) return space.fits[layer][predecessor * offered.size() + candidate];
  return offered[candidate] && (layer == 0 || space.layers[layer - 1].offered[predecessor]);
}

LayerInfo layer_behind(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate) {
  const LayerInfo& info = space.layers[layer];
  const bool depends = space.is_chain && layer > 0;
  return {.in_channels = depends ? space.layers[layer - 1].channels[predecessor] : info.in_channels,
          .out_channels = info.channels[candidate],
          .in_height = info.in_height,
          .in_width = info.in_width,
          .out_height = info.out_height,
          .out_width = info.out_width,
          .stride = info.stride,
          .tokens = info.tokens,
          .candidates = {},
          .offered = {},
          .channels = {}};
}

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

#include "architecture.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "latgrad/base/error.h"
#include "latgrad/base/listed.h"

namespace latgrad::search::internal {
namespace {

// A layer with hundreds of candidates must not flood a message.
constexpr size_t kMaxListed = 32;
constexpr size_t kMaxQuoted = 64;

bool is_separator(char c) { return c == ',' || c == ' ' || (c >= '\t' && c <= '\r'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_number(std::string_view text) { return !text.empty() && std::ranges::all_of(text, is_digit); }

std::string quoted(std::string_view text) {
  if (text.size() <= kMaxQuoted) return fmt::format("\"{}\"", text);
  return fmt::format("\"{}...\" ({} bytes)", text.substr(0, kMaxQuoted), text.size());
}

std::string choices(const LayerInfo& layer) {
  std::vector<std::string> choices;
  for (size_t i = 0; i < layer.candidates.size(); ++i) {
    choices.push_back(
        fmt::format("{} {}{}", i, layer.candidates[i], layer.offered[i] ? "" : " (not offered here)"));
  }
  return base::listed(choices, kMaxListed);
}

std::vector<std::string_view> split(std::string_view text) {
  std::vector<std::string_view> words;
  for (size_t begin = 0; begin < text.size();) {
    if (is_separator(text[begin])) {
      ++begin;
      continue;
    }
    const auto end = std::find_if(text.begin() + begin, text.end(), is_separator) - text.begin();
    words.push_back(text.substr(begin, end - begin));
    begin = end;
  }
  return words;
}

int parse_choice(const SpaceImpl& space, size_t layer, std::string_view word, const Place& place) {
  const LayerInfo& info = space.layers[layer];
  const auto found = std::ranges::find(info.candidates, word);
  if (found != info.candidates.end()) return static_cast<int>(found - info.candidates.begin());
  int index = 0;
  const auto [end, error] = std::from_chars(word.data(), word.data() + word.size(), index);
  if (!is_number(word) || error != std::errc() || end != word.data() + word.size() ||
      static_cast<size_t>(index) >= info.candidates.size()) {
    throw ValueError(fmt::format("{} must be one of {}; got {}", layer_name(layer, LayerCount::kFromOne),
                                 choices(info), quoted(word)),
                     place);
  }
  return index;
}

}  // namespace

void check_architecture(const SpaceImpl& space, const Architecture& arch, LayerCount count,
                        const Place& place) {
  if (arch.size() != space.layers.size()) {
    throw ValueError(fmt::format("an architecture of {} must choose for {} layers, got {}", space.file.name(),
                                 space.layers.size(), arch.size()),
                     place);
  }
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    check_choice(space, layer, arch[layer], count, place);
    const int predecessor = layer == 0 ? 0 : arch[layer - 1];
    check_fits(space, layer, static_cast<size_t>(predecessor), static_cast<size_t>(arch[layer]), count,
               place);
  }
}

void check_choice(const SpaceImpl& space, size_t layer, int64_t candidate, LayerCount count,
                  const Place& place) {
  const LayerInfo& info = space.layers[layer];
  if (candidate < 0 || static_cast<size_t>(candidate) >= info.candidates.size()) {
    throw ValueError(
        fmt::format("{} must be one of {}; got {}", layer_name(layer, count), choices(info), candidate),
        place);
  }
  if (!info.offered[static_cast<size_t>(candidate)]) {
    throw ValueError(fmt::format("{} must be one of those offered of {}; got {} {}", layer_name(layer, count),
                                 choices(info), candidate, info.candidates[static_cast<size_t>(candidate)]),
                     place);
  }
}

void check_offered(const SpaceImpl& space, size_t layer, size_t candidate) {
  if (layer >= space.layers.size()) {
    throw ValueError(fmt::format("layer index must be below {}, got {}", space.layers.size(), layer),
                     {.file = space.source});
  }
  check_choice(space, layer, static_cast<int64_t>(candidate), LayerCount::kFromZero, {.file = space.source});
}

void check_fits(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate, LayerCount count,
                const Place& place) {
  if (!space.is_chain || layer == 0) return;
  const LayerInfo& before = space.layers[layer - 1];
  const LayerInfo& info = space.layers[layer];
  if (predecessor >= before.candidates.size()) {
    throw ValueError(fmt::format("the predecessor in {} must be one of {}; got {}",
                                 layer_name(layer - 1, count), choices(before), predecessor),
                     place);
  }
  if (fits(space, layer, predecessor, candidate)) return;
  throw ValueError(
      fmt::format("{} must choose what fits behind {} of {} channels, got {} of {} channels",
                  layer_name(layer, count), before.candidates[predecessor], before.channels[predecessor],
                  info.candidates[candidate], info.channels[candidate]),
      place);
}

void check_pair(const SpaceImpl& space, size_t layer, size_t predecessor, size_t candidate) {
  check_offered(space, layer, candidate);
  check_fits(space, layer, predecessor, candidate, LayerCount::kFromZero, {.file = space.source});
}

int64_t last_channels(const SpaceImpl& space, size_t last) {
  if (!space.is_chain) return space.layers.back().out_channels;
  check_offered(space, space.layers.size() - 1, last);
  return space.layers.back().channels[last];
}

Architecture parse_choices(const SpaceImpl& space, std::string_view text, const Place& place) {
  std::vector<std::string_view> words = split(text);
  const size_t num_layers = space.layers.size();
  // "0123" of four layers; a single layer reads the same as an index.
  if (words.size() == 1 && num_layers > 1 && is_number(words[0])) {
    const std::string_view digits = words[0];
    const auto wide = std::ranges::find_if(
        space.layers, [](const LayerInfo& layer) { return layer.candidates.size() > 10; });
    if (wide != space.layers.end()) {
      throw ValueError(
          fmt::format(
              "digits must not name candidates where a layer has more than ten, but layer {} of {} has {}; "
              "write indices or names with spaces, got {}",
              wide - space.layers.begin() + 1, space.file.name(), wide->candidates.size(), quoted(digits)),
          place);
    }
    if (digits.size() != num_layers) {
      throw ValueError(fmt::format("an architecture of {} must have {} digits, got {} in {}",
                                   space.file.name(), num_layers, digits.size(), quoted(digits)),
                       place);
    }
    words.clear();
    for (size_t i = 0; i < digits.size(); ++i) words.push_back(digits.substr(i, 1));
  }
  if (words.size() == 1 && num_layers > 1) {
    std::vector<std::string> names;
    for (const auto& named : space.architectures) names.push_back(named.first);
    throw ValueError(
        fmt::format("an architecture of {} must be a name of its file ({}), {} digits, or {} candidates "
                    "separated by spaces or commas; got {}",
                    space.file.name(), names.empty() ? "there is none" : base::listed(names, kMaxListed),
                    num_layers, num_layers, quoted(words[0])),
        place);
  }
  if (words.size() != num_layers) {
    throw ValueError(fmt::format("an architecture of {} must choose for {} layers, got {} choices",
                                 space.file.name(), num_layers, words.size()),
                     place);
  }
  Architecture arch;
  for (size_t layer = 0; layer < num_layers; ++layer)
    arch.push_back(parse_choice(space, layer, words[layer], place));
  check_architecture(space, arch, LayerCount::kFromOne, place);
  return arch;
}

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_separator(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_separator(text.back())) text.remove_suffix(1);
  return text;
}

}  // namespace latgrad::search::internal

#include "latgrad/search/space.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>
#include <utility>

#include "architecture.h"
#include "latgrad/base/error.h"
#include "space_file.h"
#include "space_impl.h"

namespace latgrad::search {
namespace {

std::shared_ptr<const internal::SpaceImpl> make_impl(internal::proto::Space file, const std::string& source) {
  auto impl = std::make_shared<internal::SpaceImpl>(internal::plan_space(std::move(file), source));
  std::set<std::string_view> names;
  for (const internal::proto::NamedArchitecture& named : impl->file.architecture()) {
    const std::string field = "architecture " + named.name();
    if (named.name().empty() || internal::trimmed(named.name()) != named.name()) {
      throw ValueError(
          fmt::format(
              "an architecture name must not be empty, nor begin or end with a space or comma, got \"{}\"",
              named.name()),
          {.file = source, .field = field});
    }
    if (!names.insert(named.name()).second) {
      throw ValueError(
          fmt::format("every architecture must have a unique name, got \"{}\" twice", named.name()),
          {.file = source, .field = field});
    }
    impl->architectures.emplace_back(
        named.name(), internal::parse_choices(*impl, named.layers(), {.file = source, .field = field}));
  }
  return impl;
}

}  // namespace

net::Shape LayerInfo::in_shape() const {
  return tokens > 0 ? net::Shape{tokens, in_channels} : net::Shape{in_channels, in_height, in_width};
}

net::Shape LayerInfo::out_shape() const {
  return tokens > 0 ? net::Shape{tokens, out_channels} : net::Shape{out_channels, out_height, out_width};
}

Space::Space(std::shared_ptr<const internal::SpaceImpl> impl) : impl_(std::move(impl)) {}

Space Space::load(const std::filesystem::path& path) {
  return Space(make_impl(internal::load_space_file(path), path.string()));
}

Space Space::parse(std::string_view text, const std::string& source) {
  return Space(make_impl(internal::parse_space_text(text, source), source));
}

const std::string& Space::name() const { return impl_->file.name(); }

const std::vector<LayerInfo>& Space::layers() const { return impl_->layers; }

size_t Space::max_candidates() const { return impl_->max_candidates; }

bool Space::is_chain() const { return impl_->is_chain; }

bool Space::fits(size_t layer, size_t predecessor, size_t candidate) const {
  return internal::fits(*impl_, layer, predecessor, candidate);
}

net::Shape Space::input_shape() const {
  const internal::proto::Input& input = impl_->file.input();
  return {input.batch(), input.channels(), input.height(), input.width()};
}

const std::vector<std::pair<std::string, Architecture>>& Space::architectures() const {
  return impl_->architectures;
}

std::string Space::text() const { return internal::print_space_text(impl_->file); }

Architecture Space::parse_architecture(std::string_view text) const {
  const std::string_view name = internal::trimmed(text);
  const auto named =
      std::ranges::find(impl_->architectures, name, &std::pair<std::string, Architecture>::first);
  if (named != impl_->architectures.end()) return named->second;
  return internal::parse_choices(*impl_, text, {.file = impl_->source});
}

std::string Space::format_architecture(const Architecture& arch) const {
  check(arch);
  std::string text;
  for (size_t layer = 0; layer < arch.size(); ++layer) {
    if (layer > 0) text += ' ';
    text += impl_->layers[layer].candidates[static_cast<size_t>(arch[layer])];
  }
  return text;
}

void Space::check(const Architecture& arch) const {
  internal::check_architecture(*impl_, arch, internal::LayerCount::kFromZero, {.file = impl_->source});
}

void refuse_chain(const Space& space, std::string_view what) {
  if (!space.is_chain()) return;
  throw ValueError(fmt::format("{} must have layers whose channels do not depend on choices, got {}, a chain",
                               what, space.name()),
                   {.file = space.impl().source});
}

Precision parse_precision(std::string_view text) {
  if (text == "int8") return Precision::kInt8;
  if (text == "fp32") return Precision::kFp32;
  throw ValueError(fmt::format("precision must be int8 or fp32, got \"{}\"", text));
}

std::string_view to_string(Precision precision) { return precision == Precision::kInt8 ? "int8" : "fp32"; }

}  // namespace latgrad::search

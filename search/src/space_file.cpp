#include "space_file.h"

#include <fmt/format.h>
#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <optional>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/foreign_file.h"
#include "latgrad/base/proto_text.h"

namespace latgrad::search::internal {
namespace {

constexpr size_t kMaxFileBytes = 4 << 20;
constexpr size_t kMaxBaseDepth = 8;

proto::Space parse_one(std::string_view text, const std::string& source) {
  if (text.size() > kMaxFileBytes) {
    throw ParseError(fmt::format("a space must have at most {} bytes, got {}", kMaxFileBytes, text.size()),
                     {.file = source});
  }
  base::refuse_foreign_file(text, "a search space", source);
  proto::Space file;
  base::parse_proto_text(text, "space", source, file, {.allow_unknown_fields = false});
  return file;
}

std::string read_text(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw IoError("a space must be a file, got a folder", {.file = path.string()});
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw IoError(fmt::format("cannot open the space: {}", std::strerror(errno)), {.file = path.string()});
  }
  // One byte more than allowed shows that a file, or an endless device, is too large.
  std::string text(kMaxFileBytes + 1, '\0');
  stream.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (stream.bad()) throw IoError("cannot read the space", {.file = path.string()});
  text.resize(static_cast<size_t>(stream.gcount()));
  return text;
}

// An element replaces the one of its name as a whole; new ones follow.
template <typename Elements>
void replace_by_name(const Elements& extension, Elements& merged) {
  for (const auto& element : extension) {
    const auto same = std::ranges::find_if(
        merged, [&](const auto& other) { return element.has_name() && other.name() == element.name(); });
    if (same != merged.end()) {
      *same = element;
    } else {
      *merged.Add() = element;
    }
  }
}

proto::Space merge(proto::Space base, const proto::Space& extension) {
  for (const int part : extension.drop()) {
    switch (static_cast<proto::Space::Part>(part)) {
      case proto::Space::CANDIDATES:
        base.clear_candidate();
        break;
      case proto::Space::STAGES:
        base.clear_stage();
        break;
      case proto::Space::ARCHITECTURES:
        base.clear_architecture();
        break;
      case proto::Space::ARGUMENTS:
        base.clear_arguments();
        break;
    }
  }
  replace_by_name(extension.candidate(), *base.mutable_candidate());
  replace_by_name(extension.stage(), *base.mutable_stage());
  replace_by_name(extension.arguments(), *base.mutable_arguments());
  replace_by_name(extension.architecture(), *base.mutable_architecture());

  proto::Space singular = extension;
  singular.clear_candidate();
  singular.clear_stage();
  singular.clear_arguments();
  singular.clear_architecture();
  base.MergeFrom(singular);
  return base;
}

void check_drops_nothing(const proto::Space& file, const std::string& source) {
  if (file.drop_size() > 0) {
    throw ParseError(
        fmt::format("drop needs a base, got drop {} without one", proto::Space::Part_Name(file.drop(0))),
        {.file = source, .field = "drop"});
  }
}

proto::Space load_chain(const std::filesystem::path& path, std::vector<std::filesystem::path>& chain) {
  const std::filesystem::path identity = std::filesystem::weakly_canonical(path);
  if (std::ranges::find(chain, identity) != chain.end()) {
    throw ParseError("a space must not extend itself through its base",
                     {.file = chain.back().string(), .field = "base"});
  }
  if (chain.size() > kMaxBaseDepth) {
    throw ParseError(fmt::format("spaces must extend each other at most {} levels deep", kMaxBaseDepth),
                     {.file = chain.back().string(), .field = "base"});
  }
  chain.push_back(identity);
  proto::Space file = parse_one(read_text(path), path.string());
  if (file.has_base()) {
    file = merge(load_chain(path.parent_path() / file.base(), chain), file);
  } else {
    check_drops_nothing(file, path.string());
  }
  file.clear_base();
  file.clear_drop();
  return file;
}

}  // namespace

proto::Space load_space_file(const std::filesystem::path& path) {
  std::vector<std::filesystem::path> chain;
  return load_chain(path, chain);
}

proto::Space parse_space_text(std::string_view text, const std::string& source) {
  proto::Space file = parse_one(text, source);
  if (file.has_base()) {
    throw ParseError(
        fmt::format("a space given as text must not extend a file, got base \"{}\"", file.base()),
        {.file = source, .field = "base"});
  }
  check_drops_nothing(file, source);
  return file;
}

std::string print_space_text(const proto::Space& file) {
  std::string text;
  google::protobuf::TextFormat::PrintToString(file, &text);
  return text;
}

}  // namespace latgrad::search::internal

#include "space_lookup.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>
#include <system_error>
#include <vector>

#include "executable_path.h"
#include "latgrad/base/error.h"

namespace latgrad::cli {

namespace fs = std::filesystem;

namespace {

constexpr std::string_view kSuffix = ".textproto";

std::vector<fs::path> space_folders() {
  std::vector<fs::path> folders;
  if (const char* given = std::getenv("LATGRAD_SPACES")) {
    std::string_view rest = given;
    while (!rest.empty()) {
      const std::string_view folder = rest.substr(0, rest.find(':'));
      if (!folder.empty()) folders.emplace_back(folder);
      rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
    }
  }
  if (const fs::path here = executable_folder(); !here.empty()) {
    folders.push_back(here / LATGRAD_INSTALLED_SPACES);
  }
  folders.emplace_back(LATGRAD_SOURCE_SPACES);
  return folders;
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// The spaces of the folders, sorted.
std::set<std::string> space_names(const std::vector<fs::path>& folders) {
  std::set<std::string> names;
  for (const fs::path& folder : folders) {
    std::error_code error;
    for (fs::directory_iterator entry(folder, error), end; !error && entry != end; entry.increment(error)) {
      if (entry->path().extension() == kSuffix) names.insert(entry->path().stem().string());
    }
  }
  return names;
}

}  // namespace

fs::path find_space(const std::string& text) {
  if (text.find('/') != std::string::npos || is_file(text)) return text;
  const std::vector<fs::path> folders = space_folders();
  for (const fs::path& folder : folders) {
    if (const fs::path path = folder / (text + std::string(kSuffix)); is_file(path)) return path;
    if (const fs::path path = folder / text; is_file(path)) return path;
  }
  throw IoError(fmt::format("a space must be a file or one of: {}; got \"{}\"",
                            fmt::join(space_names(folders), ", "), text));
}

search::Space load_space(const std::string& text) { return search::Space::load(find_space(text)); }

}  // namespace latgrad::cli

#include "latgrad/search/find_space.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <set>
#include <string_view>
#include <system_error>

#include "latgrad/base/error.h"

namespace latgrad::search {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kSuffix = ".textproto";

std::vector<fs::path> folders_of_environment() {
  std::vector<fs::path> folders;
  const char* given = std::getenv("LATGRAD_SPACES");
  std::string_view rest = given != nullptr ? given : "";
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    if (!folder.empty()) folders.emplace_back(folder);
    rest.remove_prefix(std::min(folder.size() + 1, rest.size()));
  }
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

fs::path find_space(const std::string& space, const std::vector<fs::path>& folders) {
  if (space.find('/') != std::string::npos || is_file(space)) return space;
  std::vector<fs::path> places = folders_of_environment();
  places.insert(places.end(), folders.begin(), folders.end());
  for (const fs::path& folder : places) {
    if (const fs::path path = folder / (space + std::string(kSuffix)); is_file(path)) return path;
    if (const fs::path path = folder / space; is_file(path)) return path;
  }
  throw ValueError(fmt::format("a space must be a file or one of: {}; got \"{}\"",
                               fmt::join(space_names(places), ", "), space));
}

}  // namespace latgrad::search

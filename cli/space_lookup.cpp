#include "space_lookup.h"

#include <vector>

#include "executable_path.h"
#include "latgrad/search/find_space.h"

namespace latgrad::cli {

std::filesystem::path find_space(const std::string& text) {
  std::vector<std::filesystem::path> folders;
  if (const std::filesystem::path here = executable_folder(); !here.empty()) {
    folders.push_back(here / LATGRAD_INSTALLED_SPACES);
  }
  folders.emplace_back(LATGRAD_SOURCE_SPACES);
  return search::find_space(text, folders);
}

search::Space load_space(const std::string& text) { return search::Space::load(find_space(text)); }

}  // namespace latgrad::cli

// Finds search spaces by name in the installation (relative to the program) and in the source tree.

#pragma once

#include <filesystem>
#include <string>

#include "latgrad/search/space.h"

namespace latgrad::cli {

// Follows the rule of search::find_space. Errors: as there.
std::filesystem::path find_space(const std::string& text);

search::Space load_space(const std::string& text);

}  // namespace latgrad::cli

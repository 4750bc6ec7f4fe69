// Search spaces given by name: those of the installation, relative to the program, and of the sources.

#pragma once

#include <filesystem>
#include <string>

#include "latgrad/search/space.h"

namespace latgrad::cli {

// By the rule, and with the errors, of search::find_space.
std::filesystem::path find_space(const std::string& text);

search::Space load_space(const std::string& text);

}  // namespace latgrad::cli

// Search spaces given by name instead of by path.

#pragma once

#include <filesystem>
#include <string>

#include "latgrad/search/space.h"

namespace latgrad::cli {

// `text` is a path, or the name of a space file without its suffix (`fbnet`), which is looked for in the
// folders of $LATGRAD_SPACES (separated by colons), then among the spaces that come with latgrad.
// A file of that name in the current folder wins.
// Errors: IoError that lists the spaces there are.
std::filesystem::path find_space(const std::string& text);

search::Space load_space(const std::string& text);

}  // namespace latgrad::cli

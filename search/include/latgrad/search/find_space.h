// Search spaces given by name instead of by path.
//
//   const Space space = Space::load(find_space("fbnet", {"/usr/share/latgrad/spaces"}));
//
// Cost: a look into each folder. Thread-safe while nobody changes the environment.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace latgrad::search {

// `space` is a path, or the name of a space file without its suffix (`fbnet`), which is looked for in the
// folders of $LATGRAD_SPACES (separated by colons), then in `folders`, where the spaces that come with
// latgrad lie. A file of that name in the current folder wins. Errors: ValueError that lists the spaces there
// are.
std::filesystem::path find_space(const std::string& space, const std::vector<std::filesystem::path>& folders);

}  // namespace latgrad::search

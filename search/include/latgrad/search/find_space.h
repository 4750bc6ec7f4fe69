// Finds search spaces by name instead of by path.
//
//   const Space space = Space::load(find_space("fbnet", {"/usr/share/latgrad/spaces"}));
//
// Cost: one lookup in each folder. Thread-safe unless another thread changes the environment.

#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace latgrad::search {

// `space` is a path, or the name of a space file without its suffix (`fbnet`), which is looked up in the
// folders of $LATGRAD_SPACES (separated by colons), then in `folders`, which hold the spaces that come with
// latgrad. A file of that name in the current folder wins. Errors: ValueError that lists the available
// spaces.
std::filesystem::path find_space(const std::string& space, const std::vector<std::filesystem::path>& folders);

}  // namespace latgrad::search

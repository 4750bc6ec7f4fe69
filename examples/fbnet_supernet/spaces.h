// The search spaces that come with latgrad, by name.

#pragma once

#include <filesystem>
#include <string>

namespace fbnet_supernet {

// `text` is a file, or the name of a space: "fbnet_cifar".
// Errors: std::invalid_argument for anything else, listing the names.
std::filesystem::path find_space(const std::string& text);

}  // namespace fbnet_supernet

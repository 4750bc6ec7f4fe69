// The settings of a run: all options that decide on what it finds, by the names that config.json has.

#pragma once

#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "options.h"

namespace fbnet_supernet {

// Name and value, the latter as JSON, in the order of the options.
using Settings = std::vector<std::pair<std::string, std::string>>;

Settings settings_of(const SearchOptions& options);
// `precision` is that of the search.
Settings settings_of(const RetrainOptions& options, const std::string& precision);

// The options of the search in a folder, those of its execution left out.
// Errors: std::runtime_error where there is no search, or one that this program has not written.
SearchOptions read_search_settings(const std::filesystem::path& run);

}  // namespace fbnet_supernet

// The files next to a table that say more about it.
//
//   companion_path("x-op_lut_database.json.zip", "provenance");     // x-op_lut_database.provenance.json

#pragma once

#include <filesystem>
#include <string_view>

namespace latgrad::lut {

// `<stem>.<kind>.json` in the folder of the table; the suffix of a packed table, .zip or .gz, is dropped.
std::filesystem::path companion_path(const std::filesystem::path& table, std::string_view kind);

}  // namespace latgrad::lut

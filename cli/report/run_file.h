// Files of a run, as text.
//
//   const std::string config = read_file(folder / "config.json", base::kMaxJsonBytes);
//   for (const Line& line : complete_lines(log)) ...
//
// Linear in the bytes.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace latgrad::cli::report {

// Errors: IoError; ValueError for more bytes than that.
std::string read_file(const std::filesystem::path& path, size_t max_bytes);

struct Line {
  int64_t number;  // from 1
  std::string_view text;
};

// Those that have their newline: the last one may still be in writing. Blank lines are left out.
std::vector<Line> complete_lines(std::string_view text);

}  // namespace latgrad::cli::report

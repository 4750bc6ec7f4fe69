#include "report/run_file.h"

#include <fmt/format.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "latgrad/base/error.h"

namespace latgrad::cli::report {

std::string read_file(const std::filesystem::path& path, size_t max_bytes) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw IoError(fmt::format("cannot open the file: {}", std::strerror(errno)), {.file = path.string()});
  }
  std::string text;
  for (char block[1 << 16]; file.read(block, sizeof block), file.gcount() > 0;) {
    text.append(block, static_cast<size_t>(file.gcount()));
    if (text.size() > max_bytes) {
      throw ValueError(fmt::format("the file must have at most {} bytes", max_bytes),
                       {.file = path.string()});
    }
  }
  if (file.bad()) throw IoError("cannot read the file", {.file = path.string()});
  return text;
}

std::vector<Line> complete_lines(std::string_view text) {
  std::vector<Line> lines;
  int64_t number = 1;
  for (size_t begin = 0, end = 0; (end = text.find('\n', begin)) != text.npos; begin = end + 1, ++number) {
    const std::string_view line = text.substr(begin, end - begin);
    if (line.find_first_not_of(" \t\r") != line.npos) lines.push_back({number, line});
  }
  return lines;
}

}  // namespace latgrad::cli::report

#include "latgrad/base/csv.h"

#include <algorithm>
#include <utility>

#include "latgrad/base/byte_order_mark.h"
#include "latgrad/base/error.h"

namespace latgrad::base {
namespace {

constexpr std::string_view kSpaces = " \t\r";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

}  // namespace

std::string csv_cell(std::string_view text) {
  if (text.find_first_of(",\"\n\r") == std::string_view::npos) return std::string(text);
  std::string cell = "\"";
  for (const char c : text) cell += c == '"' ? std::string("\"\"") : std::string(1, c);
  return cell + '"';
}

CsvReader::CsvReader(std::string_view text, std::string source)
    : rest_(without_byte_order_mark(text)), source_(std::move(source)) {}

bool CsvReader::next() {
  while (!rest_.empty()) {
    const size_t end = std::min(rest_.find('\n'), rest_.size());
    const std::string_view line = trimmed(rest_.substr(0, end));
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    ++line_;
    if (line.empty()) continue;
    split(line);
    return true;
  }
  return false;
}

void CsvReader::fail(const std::string& rule) const {
  throw ParseError(rule, {.file = source_, .line = static_cast<int64_t>(line_)});
}

void CsvReader::split(std::string_view line) {
  cells_.clear();
  for (;;) {
    line = line.substr(std::min(line.find_first_not_of(kSpaces), line.size()));
    std::string cell;
    if (line.starts_with('"')) {
      for (size_t i = 1;; ++i) {
        if (i >= line.size()) fail("a quoted value must end on its line, got no closing quote");
        if (line[i] != '"') {
          cell += line[i];
        } else if (line.substr(i + 1).starts_with('"')) {
          cell += line[i++];
        } else {
          line.remove_prefix(i + 1);
          break;
        }
      }
    }
    const size_t end = std::min(line.find(','), line.size());
    cell += trimmed(line.substr(0, end));
    cells_.push_back(std::move(cell));
    if (end == line.size()) return;
    line.remove_prefix(end + 1);
  }
}

}  // namespace latgrad::base

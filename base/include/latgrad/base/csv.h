// Comma-separated values, line by line.
//
//   CsvReader csv(text, "target.csv");
//   while (csv.next()) use(csv.cells(), csv.line());
//
// Cells lose the white space around them; one in double quotes may hold commas, and a quote as two. Empty
// lines are passed over. Linear; the text must outlive the reader.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace latgrad::base {

// The cell as it is written: in quotes where it holds a comma, a quote or a line break.
std::string csv_cell(std::string_view text);

class CsvReader {
 public:
  CsvReader(std::string_view text, std::string source);

  // The next line with a cell. Errors: ParseError for a quote that does not end on its line.
  bool next();
  const std::vector<std::string>& cells() const { return cells_; }
  size_t line() const { return line_; }  // from 1

  // Throws the ParseError of this rule at the present line.
  [[noreturn]] void fail(const std::string& rule) const;

 private:
  void split(std::string_view line);

  std::string_view rest_;
  std::string source_;
  std::vector<std::string> cells_;
  size_t line_ = 0;
};

}  // namespace latgrad::base

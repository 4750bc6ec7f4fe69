// A table for people: columns as wide as their widest cell, with two spaces between them.
//
//   TextTable table({{"#", Align::kRight}, {"operator", Align::kLeft}});
//   table.add_row({"0", "Int8Conv"});
//   write_text(table.text());

#pragma once

#include <string>
#include <utility>
#include <vector>

namespace latgrad::cli {

enum class Align { kLeft, kRight };

struct Column {
  std::string header;
  Align align;
};

class TextTable {
 public:
  explicit TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {}

  // Precondition: as many cells as columns.
  void add_row(std::vector<std::string> cells) { rows_.push_back(std::move(cells)); }

  // Header and rows, each ending in a newline and without trailing spaces.
  std::string text() const;

 private:
  std::vector<Column> columns_;
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace latgrad::cli

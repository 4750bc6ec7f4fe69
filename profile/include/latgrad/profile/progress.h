// Progress of a long run: one line that is redrawn on a terminal, or occasional plain lines elsewhere.
//
//   Progress progress(std::cerr, stderr_style(), stderr_columns());
//   progress.show(17, 190, 42.0, "Int8ConvRelu ...");   // #............... [ 17/190]  42 s left Int8ConvRelu
//   ... progress.clear();                                   // before anything else is printed

#pragma once

#include <chrono>
#include <optional>
#include <ostream>
#include <string>
#include <string_view>

namespace latgrad::profile {

class Progress {
 public:
  enum class Style { kQuiet, kPlain, kTerminal };

  // `label` stands at the start of each line: which of several runs it is of.
  Progress(std::ostream& out, Style style, size_t columns, std::string label = "")
      : out_(out), style_(style), columns_(columns), label_(std::move(label)) {}

  // `done` of `total` are finished; `left_s` is nothing while it is unknown.
  void show(size_t done, size_t total, std::optional<double> left_s, std::string_view current);
  void clear();
  // A line that stays.
  void say(std::string_view line);

 private:
  std::ostream& out_;
  Style style_;
  size_t columns_;
  std::string label_;
  bool drawn_ = false;
  std::optional<std::chrono::steady_clock::time_point> last_;
};

// The style for standard error: redrawn on a terminal, plain elsewhere.
Progress::Style stderr_style();
// The width of the terminal at standard error; 80 where there is none.
size_t stderr_columns();

}  // namespace latgrad::profile

// Numbers over epochs, or other steps, as lines, for a page that defines the classes (page.cpp).
//
//   html += line_chart({.title = "Latency",
//                       .unit = "ms",
//                       .series = {{"expected", expected_ms}, {"arg-max", arg_max_ms}},
//                       .level = Level{"target", 3.2}});
//
// A figure with title, legend and an SVG picture; pointing at a step shows its numbers. Unknown values are
// gaps in the line. Linear; long series are drawn with evenly spread steps.

#pragma once

#include <optional>
#include <string>
#include <vector>

#include "report/run_folder.h"

namespace latgrad::cli::report {

struct Series {
  std::string name;
  Numbers values;  // one for each step from 0
};

// A horizontal line.
struct Level {
  std::string name;
  double value;
};

struct LineChart {
  std::string title;
  std::string unit;            // empty: none
  std::vector<Series> series;  // at most kMostSeries; those without any number are left out
  std::optional<Level> level = {};
  std::string step = "epoch";  // what the values are counted by, in the singular
};

inline constexpr size_t kMostSeries = 4;  // that differ in colour and in dashes

// Empty where no series has a number.
std::string line_chart(LineChart chart);

}  // namespace latgrad::cli::report

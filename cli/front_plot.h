// The Pareto front of a search as one self-contained SVG file: score over latency.
//
//   std::string svg = front_plot({.title = "...", .score = "log-probability", .points = points});
//
// Linear in the points.

#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

namespace latgrad::cli {

struct FrontPoint {
  double latency_us = 0;
  double score = 0;
  std::string name = {};  // shown where one points at it
};

struct FrontPlot {
  std::string title;
  std::string score;               // what the scores are
  std::vector<FrontPoint> points;  // ascending in latency; at least one
  // Architectures to compare with it, at most kMostMarks; their names stand beside the front.
  std::vector<FrontPoint> marks = {};
  std::optional<double> target_us = {};
  bool is_file = true;  // by itself; else part of a page
};

inline constexpr size_t kMostMarks = 3;

std::string front_plot(const FrontPlot& plot);

}  // namespace latgrad::cli

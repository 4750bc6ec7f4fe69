// The Pareto front of a search as one self-contained SVG file: score over latency.
//
//   std::string svg = front_plot({.title = "...", .score = "log-probability", .points = points});
//
// Linear in the points.

#pragma once

#include <string>
#include <vector>

namespace latgrad::cli {

struct FrontPoint {
  double latency_us = 0;
  double score = 0;
  std::string name;  // shown where one points at it
};

struct FrontPlot {
  std::string title;
  std::string score;               // what the scores are
  std::vector<FrontPoint> points;  // ascending; at least one
};

std::string front_plot(const FrontPlot& plot);

}  // namespace latgrad::cli

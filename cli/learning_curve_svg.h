// The learning curve of a calibration as one self-contained SVG file: the error over the number of networks,
// both logarithmic.
//
//   std::string svg = learning_curve_svg({.title = "pixel3", .points = learning_curve(calibrator,
//   networks)});

#pragma once

#include <string>
#include <vector>

#include "latgrad/search/learning_curve.h"

namespace latgrad::cli {

struct LearningCurvePlot {
  std::string title;
  std::vector<search::LearningPoint> points;  // ascending
};

// Errors: ValueError without points.
std::string learning_curve_svg(const LearningCurvePlot& plot);

}  // namespace latgrad::cli

// Plots predicted against measured times of networks as one self-contained SVG file.
//
//   std::string svg = scatter_svg({.title = "...", .points = points, .agreement = agreement(pairs)});
//
// Both axes have the same range, so correct predictions are on the diagonal; a band shows 3 % around it. A
// strip below shows the errors over the same times. The axes of times are logarithmic if the times span more
// than a factor of eight. Pointing at a point shows its name and times. O(points). Thread-safe: no state.

#pragma once

#include <string>
#include <vector>

#include "latgrad/profile/agreement.h"

namespace latgrad::profile {

enum class PointGroup {
  kNetwork,       // given as it is
  kArchitecture,  // of a search space
};

struct ScatterPoint {
  std::string name;
  double measured_us = 0;
  double predicted_us = 0;
  PointGroup group = PointGroup::kNetwork;
};

struct Scatter {
  std::string title;
  std::string subtitle;  // empty: none
  std::vector<ScatterPoint> points;
  Agreement agreement;  // of the points
};

// Well-formed XML for any text: what XML does not allow becomes U+FFFD.
// Errors: ValueError without points, for a measured time that is not positive and finite, a predicted one
// that is negative or not finite.
std::string scatter_svg(const Scatter& scatter);

}  // namespace latgrad::profile

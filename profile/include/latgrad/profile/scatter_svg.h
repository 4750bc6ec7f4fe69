// Predicted against measured times of networks as a picture: one SVG file that needs nothing else.
//
//   std::string svg = scatter_svg({.title = "...", .points = points, .agreement = agreement(pairs)});
//
// Both axes have the same range, so that the diagonal is where the prediction is right; a band shows 3 %
// around it. A strip below shows the errors over the same times. The axes of times are logarithmic where the
// times span more than a factor of eight. Every point tells its name and times when pointed at. O(points).
// Thread-safe: no state.

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

// Well-formed XML whatever the texts hold: what XML does not allow becomes U+FFFD.
// Errors: ValueError without points, for a measured time that is not positive and finite, a predicted one
// that is negative or not finite.
std::string scatter_svg(const Scatter& scatter);

}  // namespace latgrad::profile

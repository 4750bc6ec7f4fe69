#include "student_t.h"

#include <algorithm>
#include <cmath>

namespace latgrad::search::internal {
namespace {

// Nine of ten lie within so many scales.
constexpr double kStudent90 = 2.3533634348018264;

}  // namespace

Interval measured_interval(double mean_us, double error_us, double noise) {
  // Of two independent symmetric errors; that their quantiles add as deviations do is close enough.
  const double half_us = std::hypot(kNormal90 * error_us, kStudent90 * noise * mean_us);
  return {.mean_us = mean_us, .low_us = std::max(0.0, mean_us - half_us), .high_us = mean_us + half_us};
}

}  // namespace latgrad::search::internal

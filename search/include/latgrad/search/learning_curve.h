// How the error of a calibration falls with the number of measured networks.
//
//   for (const LearningPoint& point : learning_curve(calibrator, networks)) use(point.networks, point.mape);
//
// Some of the networks calibrate, the others are predicted. As costly as some ten calibrations.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "latgrad/search/calibrator.h"

namespace latgrad::search {

struct LearningPoint {
  size_t networks = 0;
  double mape = 0;  // of the others: the mean absolute relative error, over several choices
};

inline constexpr size_t kFewestForACurve = 10;

// At 5, 10, 20, 50, ... networks as long as five others are left; empty for fewer than
// kFewestForACurve.
// Errors: as Calibrator::calibrate.
std::vector<LearningPoint> learning_curve(const Calibrator& calibrator,
                                          std::span<const TimedNetwork> networks, uint64_t seed = 0);

}  // namespace latgrad::search

// Errors of measured times: Student's t with three degrees of freedom, of which a few may be wild.

#pragma once

#include "latgrad/search/operator_posterior.h"

namespace latgrad::search::internal {

inline constexpr double kDegreesOfFreedom = 3;

// Where nine of ten measurements of a network lie whose time is known up to a normal error.
Interval measured_interval(double mean_us, double error_us, double noise);

}  // namespace latgrad::search::internal

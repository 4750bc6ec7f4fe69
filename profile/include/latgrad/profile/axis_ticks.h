// Round values along an axis.
//
//   linear_ticks(0, 7.3);  // 0, 1, 2, 3, 4, 5, 6, 7
//
// Thread-safe: no state.

#pragma once

#include <vector>

namespace latgrad::profile {

// The largest of 1, 2, 5 times a power of ten that is not above `value`. Precondition: positive and finite.
double nice_below(double value);

// Ascending multiples of a nice step within [low, high], which is divided into `least_steps` at least and not
// three times as many. Precondition: low < high, both finite.
std::vector<double> linear_ticks(double low, double high, double least_steps = 4);

}  // namespace latgrad::profile

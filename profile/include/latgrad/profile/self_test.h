// Checks the clock of a runner with operators whose time is known beforehand.
//
//   std::vector<DelayCheck> checks = self_test(runner);     // after runner.open()
//
// The operator LatgradDelay does nothing for `delay_us` microseconds; every runner that measures for us
// should know it.

#pragma once

#include <vector>

#include "latgrad/runner/runner.h"

namespace latgrad::profile {

inline constexpr double kDelayTolerance = 0.02;

struct DelayCheck {
  double delay_us = 0;
  double measured_us = 0;  // the median

  double relative_error() const { return measured_us / delay_us - 1; }
  bool passed() const { return relative_error() <= kDelayTolerance && relative_error() >= -kDelayTolerance; }
};

// Delays of 50 us to 10 ms inside one chain. Errors: runner::RunnerError, including for a runner without
// LatgradDelay.
std::vector<DelayCheck> self_test(runner::Runner& runner);

}  // namespace latgrad::profile

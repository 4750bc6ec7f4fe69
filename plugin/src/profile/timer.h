// Times a call with the steady clock.
//
//   std::vector<double> us = time_call(call, {.warmup = 5, .samples = 10});
//
// A call shorter than `min_sample_us` is run several times between two looks at the clock, and the sample is
// their mean: reading the clock (some 30 ns) then costs less than 1 part in 500.

#pragma once

#include <functional>
#include <vector>

namespace latgrad::profile {

struct TimerOptions {
  int warmup = 5;  // calls before the first sample
  int samples = 10;
  double min_sample_us = 20;
};

// Microseconds per call, one entry per sample, in the order taken.
// Errors: ValueError when warmup < 0, samples < 1 or min_sample_us < 0. What `call` throws passes through.
std::vector<double> time_call(const std::function<void()>& call, const TimerOptions& options);

}  // namespace latgrad::profile

// Percentiles of samples.
//
//   Percentiles p = percentiles({3, 1, 2});   // p.p50_us == 2
//
// O(n log n). Thread-safe: no state.

#pragma once

#include <vector>

namespace latgrad::profile {

struct Percentiles {
  double p0_us = 0;  // the fastest
  double p10_us = 0;
  double p50_us = 0;
  double p90_us = 0;
  double p100_us = 0;  // the slowest

  // How far the middle of the samples reaches, relative to the median; 0 where the median is 0.
  double spread() const { return p50_us > 0 ? (p90_us - p10_us) / p50_us : 0; }
};

// Linear between neighbouring samples, as numpy.percentile by default. Each is rounded to a nanosecond.
// Errors: ValueError without samples.
Percentiles percentiles(std::vector<double> samples_us);

}  // namespace latgrad::profile

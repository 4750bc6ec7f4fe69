// Percentiles of samples, and how well their median is known.
//
//   Percentiles p = percentiles({3, 1, 2});          // p.p50_us == 2
//   auto interval = median_interval(values_us);      // 95 %, from six values on
//
// O(n log n). Thread-safe: no state.

#pragma once

#include <optional>
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

// Any of them, of values of any unit, not rounded; `percent` from 0 to 100. Errors: ValueError without
// values.
double percentile(std::vector<double> values, double percent);

struct Interval {
  double low_us = 0;
  double high_us = 0;
};

// The 95 % confidence interval of the median of independent values of any distribution: from the
// k-th smallest to the k-th largest, with the largest k for which P(Binomial(n, 1/2) < k) <= 2.5 %. Nothing
// for fewer than six values, which have no such interval. Source: the order-statistic interval of the sign
// test.
std::optional<Interval> median_interval(std::vector<double> values_us);

}  // namespace latgrad::profile

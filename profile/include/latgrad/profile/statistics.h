// Percentiles of samples, their centre, and how well it is known.
//
//   Percentiles p = percentiles({3, 1, 2});          // p.p50_us == 2
//   Centre c = centre(values_us);                    // c.interval: 95 %, from six values on
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

// The centre of independent values: the median of the means of all pairs of them, each with itself as well.
// Regular values give it nearly as precisely as their mean, and the few that are not hardly move it. Of
// skewed values it lies near the mean: unlike medians, the centres of the parts of a run add up to that of
// the run. The interval covers it with 95 %; nothing for fewer than six values. O(n^2), of at most 400
// values: more are thinned out evenly. Errors: ValueError without values. Source: Hodges, Lehmann, "Estimates
// of location based on rank tests", 1963; the interval inverts Wilcoxon's signed-rank test, as in Hollander,
// Wolfe, "Nonparametric statistical methods", 1973.
struct Centre {
  double value_us = 0;
  std::optional<Interval> interval = {};
};
Centre centre(std::vector<double> values_us);

}  // namespace latgrad::profile

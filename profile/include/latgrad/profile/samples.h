// The samples of a run so far, and which of them count.
//
//   Samples samples(plan.operators().size(), /*drift_tolerance=*/0.05);
//   samples.add_visit({{7, {31.2, 30.9, 31.0}}, {9, {12.0, 12.1, 12.0}}});
//   samples.add_visit({{7, {43.5, 43.8, 43.1}}, {9, {16.9, 17.0, 16.8}}});   // a neighbour woke up
//   samples.slowdowns();          // by visit: about 1.0, 1.4
//   samples.times()[7].visits();  // 1
//
// Every operator is a sentinel: it is measured again and again throughout the run, and a visit in which the
// operators take longer than usual points to a busy neighbour, a lower clock or heat. A visit counts if it is
// as fast as the fast ones, the first fifth of all; the others are measured again. A machine that is slow for
// more than four fifths of a run is a slow machine, and its fast moments do not count. Not synchronised.

#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "latgrad/profile/statistics.h"

namespace latgrad::profile {

// One operator's samples of one visit: all of its places in one network, one after the other.
struct OperatorSamples {
  size_t op = 0;
  std::vector<double> samples_us;
};

// The samples of one operator, or of one network, that count. The samples of one visit are not independent,
// so the confidence interval treats a visit as one independent value, its median.
class Times {
 public:
  void add(const std::vector<double>& samples_us);

  size_t visits() const { return medians_us_.size(); }
  const std::vector<double>& samples_us() const { return samples_us_; }

  // 95 %, of the median; nothing for fewer than six visits.
  std::optional<Interval> interval() const { return median_interval(medians_us_); }

  // Half the width of the interval, relative to the median. 0 for an operator that takes no time.
  std::optional<double> relative_error() const;

 private:
  std::vector<double> samples_us_;
  std::vector<double> medians_us_;  // by visit
};

class Samples {
 public:
  Samples(size_t num_operators, double drift_tolerance)
      : num_operators_(num_operators), drift_tolerance_(drift_tolerance) {}

  // Precondition: every op < num_operators, and none without samples.
  void add_visit(std::vector<OperatorSamples> visit) { visits_.push_back(std::move(visit)); }

  // By operator: what counts now, or all there is. O(all samples), as are the next ones.
  std::vector<Times> times() const { return times(counting()); }
  std::vector<Times> all_times() const { return times(std::vector<bool>(visits_.size(), true)); }

  // By visit: how much longer its operators took than in the fast visits, 1 for as long. An operator's time
  // in a visit is compared with the 20th percentile of its times in all visits; the visit has the median over
  // its operators, relative to the 20th percentile of those of all visits.
  std::vector<double> slowdowns() const;

  size_t visits() const { return visits_.size(); }
  std::vector<bool> counting() const;  // by visit: whether it counts now
  size_t discarded_visits() const;     // those that do not

 private:
  std::vector<Times> times(const std::vector<bool>& counts) const;

  size_t num_operators_;
  double drift_tolerance_;
  std::vector<std::vector<OperatorSamples>> visits_;
};

}  // namespace latgrad::profile

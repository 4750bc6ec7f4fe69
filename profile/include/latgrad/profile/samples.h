// The samples of a run so far, as ratios to the reference network that ran around each of them.
//
//   Samples samples(plan.operators().size(), {.reference_us = 5200});
//   samples.add_visit({.operators = {{7, {31.2, 43.4}}}, .flanks = {{5190, 5210}, {7230, 7260}}});
//   samples.times()[7].samples_us();   // 31.2, 31.2: the machine was slower, and so was the reference
//
// A time counts as what it is of the reference's, in microseconds of the reference on the undisturbed
// machine. Where the two flanks of a sample are far apart, the speed changed under it: the sample does not
// count and is measured again. Not synchronised.

#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "latgrad/profile/reference.h"
#include "latgrad/profile/statistics.h"

namespace latgrad::profile {

// One operator's samples of one visit: all of its places in one network, one after the other.
struct OperatorSamples {
  size_t op = 0;
  std::vector<double> samples_us;
};

// The samples of one operator, or of one network, that count. The samples of one visit are not independent,
// so a visit is one value, their mean.
class Times {
 public:
  void add(const std::vector<double>& samples_us);

  size_t visits() const { return means_us_.size(); }
  const std::vector<double>& samples_us() const { return samples_us_; }

  // Of the visits: the time of a network. Precondition: a visit.
  Centre centre() const { return profile::centre(means_us_); }
  // The centre of all samples, which knows nothing of rare bursts: Samples::burst_factor. 0 without a sample.
  double typical_us() const { return samples_us_.empty() ? 0 : profile::centre(samples_us_).value_us; }
  // Of all samples, with the typical time times the factor in place of the median; the others give way.
  Percentiles percentiles(double burst_factor) const;

  // Half the width of the centre's interval, relative to it; nothing for fewer than six visits. 0 for an
  // operator that takes no time.
  std::optional<double> relative_error() const;

 private:
  std::vector<double> samples_us_;
  std::vector<double> means_us_;  // by visit
};

// One visit of a network: its operators, and the reference around each sample. No flanks: nothing to compare
// with, and times count as they are.
struct VisitSamples {
  std::vector<OperatorSamples> operators;
  std::vector<Flanks> flanks = {};
};

// The samples that count, as what they are of the reference's times around them, times `reference_us`; where
// the reference cannot run, as they are. Of several lists one after the other, each of as many samples as
// there are flanks, all are taken. Without flanks all count.
std::vector<double> counted(const std::vector<double>& samples_us, const std::vector<Flanks>& flanks,
                            double reference_us, double flank_tolerance);

struct SampleRules {
  double flank_tolerance = 0.2;  // how far the flanks of a sample that counts may be apart
  double reference_us = 0;       // of a table that is extended; 0: as this run finds it
};

class Samples {
 public:
  Samples(size_t num_operators, SampleRules rules) : num_operators_(num_operators), rules_(rules) {}

  // Precondition: every op < num_operators, and none without samples, of as many runs as there are flanks.
  void add_visit(VisitSamples visit) { visits_.push_back(std::move(visit)); }

  // The reference on the undisturbed machine: in this run the 10th percentile of its times, 0 without any;
  // that of the rules, if they have one.
  double undisturbed_us() const;
  double reference_us() const;

  // By operator: what counts, or all there is. O(all samples), as are the next ones.
  std::vector<Times> times() const { return times(flank_tolerance()); }
  std::vector<Times> all_times() const;

  // That of the rules; more where the reference is so short that it varies by itself from run to run: four
  // times the median of how far flanks are apart.
  double flank_tolerance() const;

  // By how much the operators of a visit together take longer than their typical times: interruptions hit a
  // network in nearly every run and each of its operators hardly ever, one as often as it takes time. So
  // every price takes its share. The centre over the visits; 1 without a reference.
  double burst_factor() const;

  // By visit: how much longer the reference took than on the undisturbed machine, at the median; 1 without.
  std::vector<double> slowdowns() const;
  // Of the reference's times in this run, as Steadiness has it; nothing without any.
  std::optional<double> unsteadiness() const;

  size_t visits() const { return visits_.size(); }
  size_t samples() const;            // of whole networks, with a reference
  size_t discarded_samples() const;  // those that do not count

 private:
  std::vector<Times> times(double flank_tolerance) const;
  std::vector<double> references_us() const;

  size_t num_operators_;
  SampleRules rules_;
  std::vector<VisitSamples> visits_;
};

}  // namespace latgrad::profile

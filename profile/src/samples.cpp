#include "latgrad/profile/samples.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "latgrad/profile/steadiness.h"

namespace latgrad::profile {
namespace {

double median_us(const std::vector<double>& values_us) { return percentile(values_us, 50); }

}  // namespace

void Times::add(const std::vector<double>& samples_us) {
  samples_us_.insert(samples_us_.end(), samples_us.begin(), samples_us.end());
  means_us_.push_back(std::accumulate(samples_us.begin(), samples_us.end(), 0.0) /
                      static_cast<double>(samples_us.size()));
}

Percentiles Times::percentiles(double burst_factor) const {
  Percentiles all = profile::percentiles(samples_us_);
  const double price_us = std::round(typical_us() * burst_factor * 1e3) / 1e3;
  all.p50_us = price_us;
  all.p10_us = std::min(all.p10_us, price_us);
  all.p0_us = std::min(all.p0_us, price_us);
  all.p90_us = std::max(all.p90_us, price_us);
  all.p100_us = std::max(all.p100_us, price_us);
  return all;
}

std::optional<double> Times::relative_error() const {
  if (visits() == 0) return std::nullopt;
  const Centre known = centre();
  if (!known.interval) return std::nullopt;
  return known.value_us > 0 ? (known.interval->high_us - known.interval->low_us) / (2 * known.value_us) : 0;
}

std::vector<double> counted(const std::vector<double>& samples_us, const std::vector<Flanks>& flanks,
                            double reference_us, double flank_tolerance) {
  if (flanks.empty()) return samples_us;
  std::vector<double> counted_us;
  for (size_t i = 0; i < samples_us.size(); ++i) {
    const Flanks& around = flanks[i % flanks.size()];
    if (around.disagreement() > flank_tolerance) continue;
    counted_us.push_back(around.are_there() ? samples_us[i] * reference_us / around.mean_us()
                                            : samples_us[i]);
  }
  return counted_us;
}

std::vector<double> Samples::references_us() const {
  std::vector<double> times_us;
  for (const VisitSamples& visit : visits_) {
    for (const Flanks& flanks : visit.flanks) {
      if (flanks.are_there()) times_us.push_back(flanks.mean_us());
    }
  }
  return times_us;
}

double Samples::undisturbed_us() const {
  const std::vector<double> times_us = references_us();
  return times_us.empty() ? 0 : steadiness_of(times_us).reference_us;
}

double Samples::reference_us() const {
  return rules_.reference_us > 0 ? rules_.reference_us : undisturbed_us();
}

std::vector<double> Samples::slowdowns() const {
  const double undisturbed = undisturbed_us();
  std::vector<double> slowdowns;
  for (const VisitSamples& visit : visits_) {
    std::vector<double> times_us;
    for (const Flanks& flanks : visit.flanks) {
      if (flanks.are_there()) times_us.push_back(flanks.mean_us());
    }
    slowdowns.push_back(times_us.empty() ? 1 : median_us(times_us) / undisturbed);
  }
  return slowdowns;
}

std::optional<double> Samples::unsteadiness() const {
  const std::vector<double> times_us = references_us();
  if (times_us.empty()) return std::nullopt;
  return steadiness_of(times_us).unsteadiness;
}

std::vector<Times> Samples::all_times() const { return times(std::numeric_limits<double>::infinity()); }

std::vector<Times> Samples::times(double flank_tolerance) const {
  const double reference_us = this->reference_us();
  std::vector<Times> times(num_operators_);
  for (const VisitSamples& visit : visits_) {
    for (const OperatorSamples& op : visit.operators) {
      const std::vector<double> counted_us =
          counted(op.samples_us, visit.flanks, reference_us, flank_tolerance);
      if (!counted_us.empty()) times[op.op].add(counted_us);
    }
  }
  return times;
}

double Samples::flank_tolerance() const {
  std::vector<double> apart;
  for (const VisitSamples& visit : visits_) {
    for (const Flanks& flanks : visit.flanks) apart.push_back(flanks.disagreement());
  }
  return apart.empty() ? rules_.flank_tolerance
                       : std::max(rules_.flank_tolerance, 4 * percentile(std::move(apart), 50));
}

double Samples::burst_factor() const {
  std::vector<double> typical_us;
  for (const Times& times : times()) typical_us.push_back(times.typical_us());
  const double reference_us = this->reference_us();
  const double tolerance = flank_tolerance();
  std::vector<double> factors;
  for (const VisitSamples& visit : visits_) {
    // Of the operators of one run together, typically and in this visit.
    double sum_us = 0;
    double taken_us = 0;
    for (const OperatorSamples& op : visit.operators) {
      if (visit.flanks.empty()) continue;
      const std::vector<double> counted_us = counted(op.samples_us, visit.flanks, reference_us, tolerance);
      if (counted_us.empty()) continue;
      const auto places = static_cast<double>(op.samples_us.size() / visit.flanks.size());
      sum_us += places * typical_us[op.op];
      taken_us += places * std::accumulate(counted_us.begin(), counted_us.end(), 0.0) /
                  static_cast<double>(counted_us.size());
    }
    if (sum_us > 0) factors.push_back(taken_us / sum_us);
  }
  return factors.empty() ? 1 : centre(std::move(factors)).value_us;
}

size_t Samples::samples() const {
  size_t samples = 0;
  for (const VisitSamples& visit : visits_) samples += visit.flanks.size();
  return samples;
}

size_t Samples::discarded_samples() const {
  size_t discarded = 0;
  const double tolerance = flank_tolerance();
  for (const VisitSamples& visit : visits_) {
    discarded += static_cast<size_t>(std::ranges::count_if(
        visit.flanks, [tolerance](const Flanks& flanks) { return flanks.disagreement() > tolerance; }));
  }
  return discarded;
}

}  // namespace latgrad::profile

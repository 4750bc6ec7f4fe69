#include "latgrad/profile/samples.h"

#include <algorithm>
#include <cmath>

namespace latgrad::profile {
namespace {

// The share of a run in which the machine must be at its best for this state to be the reference.
constexpr double kFastPercent = 20;

double median_us(const std::vector<double>& values_us) { return percentile(values_us, 50); }

}  // namespace

void Times::add(const std::vector<double>& samples_us) {
  samples_us_.insert(samples_us_.end(), samples_us.begin(), samples_us.end());
  medians_us_.push_back(median_us(samples_us));
}

std::optional<double> Times::relative_error() const {
  std::optional<Interval> known = interval();
  if (!known) return std::nullopt;
  double middle_us = median_us(medians_us_);
  return middle_us > 0 ? (known->high_us - known->low_us) / (2 * middle_us) : 0;
}

std::vector<double> Samples::slowdowns() const {
  std::vector<std::vector<double>> medians_us(num_operators_);  // [operator][visit that has it]
  for (const std::vector<OperatorSamples>& visit : visits_) {
    for (const OperatorSamples& op : visit) medians_us[op.op].push_back(median_us(op.samples_us));
  }
  std::vector<double> fast_us(num_operators_);
  for (size_t op = 0; op < num_operators_; ++op) {
    if (!medians_us[op].empty()) fast_us[op] = percentile(medians_us[op], kFastPercent);
  }

  std::vector<double> slowdowns;
  std::vector<size_t> next(num_operators_);  // by operator: its place in medians_us
  for (const std::vector<OperatorSamples>& visit : visits_) {
    std::vector<double> ratios;
    for (const OperatorSamples& op : visit) {
      double visit_us = medians_us[op.op][next[op.op]++];
      if (fast_us[op.op] > 0) ratios.push_back(visit_us / fast_us[op.op]);
    }
    // Operators that take no time carry no information.
    slowdowns.push_back(ratios.empty() ? 1 : percentile(std::move(ratios), 50));
  }
  if (slowdowns.empty()) return slowdowns;
  double fast = percentile(slowdowns, kFastPercent);
  for (double& slowdown : slowdowns) slowdown /= fast;
  return slowdowns;
}

std::vector<bool> Samples::counting() const {
  std::vector<bool> counts;
  for (double slowdown : slowdowns()) counts.push_back(std::abs(slowdown - 1) <= drift_tolerance_);
  return counts;
}

std::vector<Times> Samples::times(const std::vector<bool>& counts) const {
  std::vector<Times> times(num_operators_);
  for (size_t visit = 0; visit < visits_.size(); ++visit) {
    if (!counts[visit]) continue;
    for (const OperatorSamples& op : visits_[visit]) times[op.op].add(op.samples_us);
  }
  return times;
}

size_t Samples::discarded_visits() const {
  std::vector<bool> counts = counting();
  return static_cast<size_t>(std::count(counts.begin(), counts.end(), false));
}

}  // namespace latgrad::profile

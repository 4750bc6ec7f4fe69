#include "latgrad/profile/statistics.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "latgrad/base/error.h"

namespace latgrad::profile {
namespace {

// Of values that ascend.
double percentile_of_sorted(const std::vector<double>& sorted, double percent) {
  double position = percent / 100 * static_cast<double>(sorted.size() - 1);
  size_t below = static_cast<size_t>(position);
  size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::vector<double> sorted(std::vector<double> values) {
  if (values.empty()) throw ValueError("percentiles need at least one value, got none");
  std::sort(values.begin(), values.end());
  return values;
}

}  // namespace

double percentile(std::vector<double> values, double percent) {
  return percentile_of_sorted(sorted(std::move(values)), percent);
}

Percentiles percentiles(std::vector<double> samples_us) {
  std::vector<double> ascending = sorted(std::move(samples_us));
  auto rounded = [&](double percent) {
    return std::round(percentile_of_sorted(ascending, percent) * 1e3) / 1e3;
  };
  return {rounded(0), rounded(10), rounded(50), rounded(90), rounded(100)};
}

Centre centre(std::vector<double> values_us) {
  constexpr size_t kMostValues = 400;
  constexpr size_t kFewestForInterval = 6;
  const size_t count = values_us.size();
  values_us = sorted(std::move(values_us));
  if (count > kMostValues) {
    std::vector<double> thinned;
    for (size_t i = 0; i < kMostValues; ++i)
      thinned.push_back(values_us[(2 * i + 1) * count / (2 * kMostValues)]);
    values_us = std::move(thinned);
  }
  std::vector<double> means;
  means.reserve(values_us.size() * (values_us.size() + 1) / 2);
  for (size_t i = 0; i < values_us.size(); ++i) {
    for (size_t j = i; j < values_us.size(); ++j) means.push_back((values_us[i] + values_us[j]) / 2);
  }
  std::ranges::sort(means);
  Centre centre{.value_us = percentile_of_sorted(means, 50)};
  if (count < kFewestForInterval) return centre;
  // The share of pairs below the interval, by the normal approximation of the sum of signed ranks.
  const auto n = static_cast<double>(count);
  const double pairs = n * (n + 1) / 2;
  const double below = 0.5 - 1.96 * std::sqrt(n * (n + 1) * (2 * n + 1) / 24) / pairs;
  const auto rank = static_cast<size_t>(std::max(1.0, below * static_cast<double>(means.size())));
  centre.interval = Interval{means[rank - 1], means[means.size() - rank]};
  return centre;
}

}  // namespace latgrad::profile

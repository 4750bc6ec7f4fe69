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

std::optional<Interval> median_interval(std::vector<double> values_us) {
  const auto n = static_cast<double>(values_us.size());
  // P(X <= k) summed until it exceeds 2.5 %; by logarithms, as 2^-n underflows from some thousand values on.
  size_t rank = 0;
  double tail = 0;
  for (double k = 0; k <= n; ++k, ++rank) {
    tail += std::exp(std::lgamma(n + 1) - std::lgamma(k + 1) - std::lgamma(n - k + 1) - n * std::log(2.0));
    if (tail > 0.025) break;
  }
  if (rank == 0) return std::nullopt;
  std::sort(values_us.begin(), values_us.end());
  return Interval{values_us[rank - 1], values_us[values_us.size() - rank]};
}

}  // namespace latgrad::profile

#include "statistics.h"

#include <algorithm>
#include <cmath>

#include "latgrad/lut/error.h"

namespace latgrad::profile {
namespace {

double percentile(const std::vector<double>& sorted, double percent) {
  double position = percent / 100 * static_cast<double>(sorted.size() - 1);
  size_t below = static_cast<size_t>(position);
  size_t above = std::min(below + 1, sorted.size() - 1);
  double value = sorted[below] + (position - static_cast<double>(below)) * (sorted[above] - sorted[below]);
  return std::round(value * 1e3) / 1e3;
}

}  // namespace

Percentiles percentiles(std::vector<double> samples_us) {
  if (samples_us.empty()) throw ValueError("percentiles need at least one sample, got none");
  std::sort(samples_us.begin(), samples_us.end());
  return {percentile(samples_us, 0), percentile(samples_us, 10), percentile(samples_us, 50),
          percentile(samples_us, 90), percentile(samples_us, 100)};
}

}  // namespace latgrad::profile

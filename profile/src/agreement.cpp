#include "latgrad/profile/agreement.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <tuple>
#include <vector>

#include "latgrad/base/error.h"
#include "latgrad/base/random.h"
#include "latgrad/profile/statistics.h"

namespace latgrad::profile {
namespace {

void check(std::span<const TimePair> pairs) {
  if (pairs.empty()) throw ValueError("agreement needs at least one pair of times, got none");
  for (size_t i = 0; i < pairs.size(); ++i) {
    const TimePair& pair = pairs[i];
    if (!(pair.measured_us > 0) || !std::isfinite(pair.measured_us)) {
      throw ValueError(
          fmt::format("measured times must be positive, got {} us (pair {})", pair.measured_us, i));
    }
    if (!(pair.predicted_us >= 0) || !std::isfinite(pair.predicted_us)) {
      throw ValueError(
          fmt::format("predicted times must not be negative, got {} us (pair {})", pair.predicted_us, i));
    }
  }
}

double mean_absolute_error(std::span<const TimePair> pairs) {
  double sum = 0;
  for (const TimePair& pair : pairs) sum += std::abs(pair.error());
  return sum / static_cast<double>(pairs.size());
}

// Pairs of equal elements. Precondition: equal elements are adjacent.
template <typename Iterator, typename Equal>
double count_ties(Iterator begin, Iterator end, Equal equal) {
  double ties = 0;
  while (begin != end) {
    Iterator next = std::find_if_not(begin, end, [&](const auto& value) { return equal(*begin, value); });
    auto count = static_cast<double>(next - begin);
    ties += count * (count - 1) / 2;
    begin = next;
  }
  return ties;
}

// Merge sort that counts the pairs in the wrong order; equal elements are not in the wrong order.
double sort_and_count_inversions(std::span<double> values, std::vector<double>& scratch) {
  if (values.size() < 2) return 0;
  size_t middle = values.size() / 2;
  double inversions = sort_and_count_inversions(values.first(middle), scratch) +
                      sort_and_count_inversions(values.subspan(middle), scratch);
  scratch.clear();
  size_t left = 0;
  for (size_t right = middle; right < values.size(); ++right) {
    while (left < middle && values[left] <= values[right]) scratch.push_back(values[left++]);
    inversions += static_cast<double>(middle - left);
    scratch.push_back(values[right]);
  }
  // The rest of the left half holds the largest elements and belongs at the end, beyond the scratch.
  std::copy_backward(values.begin() + static_cast<std::ptrdiff_t>(left),
                     values.begin() + static_cast<std::ptrdiff_t>(middle), values.end());
  std::copy(scratch.begin(), scratch.end(), values.begin());
  return inversions;
}

// The middle 95 %. Nothing without values.
std::optional<Bounds> middle_95_percent(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return Bounds{percentile(values, 2.5), percentile(values, 97.5)};
}

}  // namespace

std::optional<double> kendall_tau(std::span<const TimePair> pairs) {
  std::vector<TimePair> sorted(pairs.begin(), pairs.end());
  std::sort(sorted.begin(), sorted.end(), [](const TimePair& a, const TimePair& b) {
    return std::tie(a.measured_us, a.predicted_us) < std::tie(b.measured_us, b.predicted_us);
  });
  auto count = static_cast<double>(sorted.size());
  double all = count * (count - 1) / 2;
  double measured_ties = count_ties(sorted.begin(), sorted.end(), [](const TimePair& a, const TimePair& b) {
    return a.measured_us == b.measured_us;
  });
  double both_ties = count_ties(sorted.begin(), sorted.end(), [](const TimePair& a, const TimePair& b) {
    return a.measured_us == b.measured_us && a.predicted_us == b.predicted_us;
  });
  std::vector<double> predicted_us, scratch;
  for (const TimePair& pair : sorted) predicted_us.push_back(pair.predicted_us);
  double discordant = sort_and_count_inversions(predicted_us, scratch);
  double predicted_ties =
      count_ties(predicted_us.begin(), predicted_us.end(), [](double a, double b) { return a == b; });
  if (all == measured_ties || all == predicted_ties) return std::nullopt;
  double concordant = all - measured_ties - predicted_ties + both_ties - discordant;
  // One root of the product is exact without ties: the same order then gives exactly 1.
  return (concordant - discordant) / std::sqrt((all - measured_ties) * (all - predicted_ties));
}

Agreement agreement(std::span<const TimePair> pairs, uint64_t seed) {
  check(pairs);
  Agreement result;
  result.pairs = pairs.size();
  result.mape = mean_absolute_error(pairs);
  for (size_t i = 0; i < pairs.size(); ++i) {
    double error = pairs[i].error();
    result.bias += error / static_cast<double>(pairs.size());
    if (std::abs(error) <= 0.05) ++result.within_5_percent;
    if (std::abs(error) <= 0.1) ++result.within_10_percent;
    if (i == 0 || std::abs(error) > std::abs(result.worst_error)) {
      result.worst = i;
      result.worst_error = error;
    }
  }
  result.tau = kendall_tau(pairs);
  if (pairs.size() < 2) return result;

  std::mt19937_64 random(seed);
  std::vector<double> mapes, taus;
  std::vector<TimePair> resample(pairs.size());
  for (int i = 0; i < kResamples; ++i) {
    for (TimePair& pair : resample) pair = pairs[base::random_below(pairs.size(), random)];
    mapes.push_back(mean_absolute_error(resample));
    if (std::optional<double> tau = kendall_tau(resample)) taus.push_back(*tau);
  }
  result.mape_interval = middle_95_percent(mapes);
  result.tau_interval = middle_95_percent(taus);
  return result;
}

}  // namespace latgrad::profile

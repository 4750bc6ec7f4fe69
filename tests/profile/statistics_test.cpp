#include "latgrad/profile/statistics.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "expect_error.h"
#include "latgrad/base/error.h"

namespace latgrad::profile {
namespace {

TEST(PercentilesTest, AreReadOffASortedList) {
  std::vector<double> samples;
  for (int i = 100; i >= 0; --i) samples.push_back(i);  // 0 ... 100, so that the p-th percentile is p
  Percentiles p = percentiles(samples);
  EXPECT_EQ(p.p0_us, 0);
  EXPECT_EQ(p.p10_us, 10);
  EXPECT_EQ(p.p50_us, 50);
  EXPECT_EQ(p.p90_us, 90);
  EXPECT_EQ(p.p100_us, 100);
  EXPECT_EQ(p.spread(), 1.6);
}

TEST(PercentilesTest, LieBetweenNeighbours) {
  Percentiles p = percentiles({4, 1, 2, 3});  // positions 0.3, 1.5, 2.7 of 1 2 3 4
  EXPECT_EQ(p.p10_us, 1.3);
  EXPECT_EQ(p.p50_us, 2.5);
  EXPECT_EQ(p.p90_us, 3.7);
}

TEST(PercentilesTest, OfOneSampleAreThatSample) {
  Percentiles p = percentiles({7.5});
  EXPECT_EQ(p.p0_us, 7.5);
  EXPECT_EQ(p.p90_us, 7.5);
  EXPECT_EQ(p.spread(), 0);
}

TEST(PercentilesTest, AnyOfThemIsNotRounded) {
  EXPECT_EQ(percentile({3, 1, 2}, 50), 2);
  EXPECT_EQ(percentile({0.25, 0.0001220703125}, 50), 0.12506103515625);
  EXPECT_EQ(percentile({1, 2}, 97.5), 1.975);
}

TEST(PercentilesTest, NeedASample) {
  LATGRAD_EXPECT_ERROR(percentiles({}), ValueError,
                       ::testing::StrEq("percentiles need at least one value, got none"));
  LATGRAD_EXPECT_ERROR(percentile({}, 50), ValueError,
                       ::testing::StrEq("percentiles need at least one value, got none"));
}

// The interval by its definition, with Pascal's triangle: feasible for few values only.
std::optional<Interval> slow_interval(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  std::vector<double> binomials = {1};
  for (size_t n = 0; n < values.size(); ++n) {
    binomials.push_back(0);
    for (size_t k = binomials.size() - 1; k > 0; --k) binomials[k] += binomials[k - 1];
  }
  double all = std::pow(2.0, static_cast<double>(values.size()));
  std::optional<Interval> interval;
  double below = 0;  // P(X < k)
  for (size_t k = 1; k <= values.size(); ++k) {
    below += binomials[k - 1] / all;
    if (below <= 0.025) interval = Interval{values[k - 1], values[values.size() - k]};
  }
  return interval;
}

TEST(MedianIntervalTest, NeedsSixValues) {
  EXPECT_FALSE(median_interval({}));
  EXPECT_FALSE(median_interval({1, 2, 3, 4, 5}));
  auto interval = median_interval({6, 1, 5, 2, 4, 3});
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low_us, 1);
  EXPECT_EQ(interval->high_us, 6);
}

TEST(MedianIntervalTest, HasTheRanksOfTheSignTest) {
  std::vector<double> values;
  for (int i = 1; i <= 60; ++i) {
    values.push_back(i);
    auto fast = median_interval(values), slow = slow_interval(values);
    ASSERT_EQ(fast.has_value(), slow.has_value()) << i;
    if (!fast) continue;
    EXPECT_EQ(fast->low_us, slow->low_us) << i;
    EXPECT_EQ(fast->high_us, slow->high_us) << i;
  }
}

TEST(MedianIntervalTest, HoldsTheMedianInNineteenOfTwentyDraws) {
  std::mt19937_64 random(1);
  std::exponential_distribution<double> skewed(1);
  int held = 0;
  for (int draw = 0; draw < 1000; ++draw) {
    std::vector<double> values(25);
    for (double& value : values) value = skewed(random);
    auto interval = median_interval(values);
    held += interval->low_us <= std::log(2.0) && std::log(2.0) <= interval->high_us;
  }
  EXPECT_GE(held, 935);  // 95.7 % by theory for 25 values
  EXPECT_LE(held, 980);
}

TEST(MedianIntervalTest, StaysFiniteForManyValues) {
  std::vector<double> values(20'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  auto interval = median_interval(values);
  ASSERT_TRUE(interval);
  EXPECT_NEAR(interval->low_us, 10'000 - 1.96 * std::sqrt(20'000) / 2, 5);
  EXPECT_NEAR(interval->high_us, 10'000 + 1.96 * std::sqrt(20'000) / 2, 5);
}

}  // namespace
}  // namespace latgrad::profile

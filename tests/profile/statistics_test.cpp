#include "latgrad/profile/statistics.h"

#include <algorithm>
#include <cmath>
#include <numeric>
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

// By its definition.
double slow_centre(const std::vector<double>& values) {
  std::vector<double> means;
  for (size_t i = 0; i < values.size(); ++i) {
    for (size_t j = i; j < values.size(); ++j) means.push_back((values[i] + values[j]) / 2);
  }
  return percentile(means, 50);
}

TEST(CentreTest, IsTheMedianOfTheMeansOfPairs) {
  EXPECT_EQ(centre({7}).value_us, 7);
  EXPECT_EQ(centre({1, 2}).value_us, 1.5);
  EXPECT_EQ(centre({1, 2, 9}).value_us, 3.5);  // of 1, 1.5, 2, 5, 5.5, 9
  std::mt19937_64 random(1);
  std::exponential_distribution<double> skewed(1);
  for (int n = 1; n <= 60; ++n) {
    std::vector<double> values(static_cast<size_t>(n));
    for (double& value : values) value = skewed(random);
    EXPECT_DOUBLE_EQ(centre(values).value_us, slow_centre(values)) << n;
  }
  LATGRAD_EXPECT_ERROR(centre({}), ValueError, ::testing::HasSubstr("need at least one value"));
}

TEST(CentreTest, OutliersHardlyMoveItAndSkewedValuesHaveItNearTheirMean) {
  EXPECT_LT(centre({10, 10, 10, 10, 10, 10, 10, 1000}).value_us, 10.1);
  // A tenth of the runs takes half as long again: the median does not see it, a sum of many parts does.
  std::vector<double> values(100, 10);
  for (size_t i = 0; i < values.size(); ++i)
    values[i] += (i % 10 == 0 ? 5 : 0) + 0.5 * static_cast<double>(i % 7);
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / 100;
  EXPECT_LT(std::abs(centre(values).value_us - mean), std::abs(percentile(values, 50) - mean) / 1.5);
}

TEST(CentreTest, TheIntervalNeedsSixValues) {
  EXPECT_FALSE(centre({1, 2, 3, 4, 5}).interval);
  const auto interval = centre({6, 1, 5, 2, 4, 3}).interval;
  ASSERT_TRUE(interval);
  EXPECT_EQ(interval->low_us, 1);
  EXPECT_EQ(interval->high_us, 6);
  EXPECT_EQ(centre(std::vector<double>(9, 4.0)).interval->low_us, 4);
}

TEST(CentreTest, TheIntervalHoldsTheCentreInNineteenOfTwentyDraws) {
  std::mt19937_64 random(1);
  std::normal_distribution<double> regular(10, 2);
  for (const size_t n : {8, 25, 100}) {
    int held = 0;
    for (int draw = 0; draw < 1000; ++draw) {
      std::vector<double> values(n);
      for (double& value : values) value = regular(random);
      const auto interval = centre(values).interval;
      held += interval->low_us <= 10 && 10 <= interval->high_us;
    }
    EXPECT_GE(held, 930) << n;
    EXPECT_LE(held, 980) << n;
  }
}

TEST(CentreTest, ManyValuesAreThinnedOut) {
  std::vector<double> values(20'000);
  for (size_t i = 0; i < values.size(); ++i) values[i] = static_cast<double>(i);
  const Centre found = centre(values);
  EXPECT_NEAR(found.value_us, 10'000, 30);
  // As the theory says for 20,000 values, not for 400.
  const double half = 1.96 * std::sqrt(20'000.0 / 12);
  EXPECT_NEAR(found.interval->high_us - found.interval->low_us, 2 * half, 0.3 * half);
}

}  // namespace
}  // namespace latgrad::profile
